import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** How much a lane has to do. */
export interface LaneSize {
  readonly symbols: number;
  /** Of 390 minute bars, half days of 210. */
  readonly sessions: number;
  readonly candidates: number;
}

/** What a process took, its threads included. */
export interface StepFigures {
  readonly seconds: number;
  /** Of all cores together: what other processes take is not in it. */
  readonly processorSeconds: number;
  readonly peakMebibytes: number;
}

/** From the stored dataset to signed evidence. */
export interface LaneFigures extends StepFigures {
  readonly bars: number;
  readonly folds: number;
  readonly fills: number;
  readonly verdict: string;
}

/** What each step answers. */
export interface LaneSteps {
  readonly store: { readonly bytes: number };
  readonly evaluate: LaneFigures;
  /** From the stored evidence, verified first, to the same bytes of every report. */
  readonly reproduce: StepFigures & { readonly compared: number };
}

const run = async <Step extends keyof LaneSteps>(
  step: Step,
  directory: string,
  size: LaneSize,
): Promise<LaneSteps[Step]> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'lane-process.ts'),
    step,
    directory,
    JSON.stringify(size),
  ]);
  return JSON.parse(stdout) as LaneSteps[Step];
};

const overStoredBars = async <Figures>(
  size: LaneSize,
  work: (directory: string) => Promise<Figures>,
): Promise<Figures> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-bench-lane-'));
  try {
    await run('store', directory, size);
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

/** Runs a whole lane over stored bars, in a process of its own. */
export const measureLane = (size: LaneSize): Promise<LaneFigures> =>
  overStoredBars(size, (directory) => run('evaluate', directory, size));

/** The same, and then its reproduction. */
export const measureLaneAgain = (
  size: LaneSize,
): Promise<{ readonly lane: LaneFigures; readonly reproduction: LaneSteps['reproduce'] }> =>
  overStoredBars(size, async (directory) => ({
    lane: await run('evaluate', directory, size),
    reproduction: await run('reproduce', directory, size),
  }));
