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
  sizes: readonly LaneSize[],
): Promise<LaneSteps[Step]> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'lane-process.ts'),
    step,
    directory,
    JSON.stringify(sizes),
  ]);
  return JSON.parse(stdout) as LaneSteps[Step];
};

/** Whole lanes over bars that are stored once: the smaller ones see a part of what the largest sees. */
export interface LaneBench {
  /** Each in a process of its own. */
  readonly evaluate: (size: LaneSize) => Promise<LaneFigures>;
  /** Of the only lane evaluated so far. */
  readonly reproduce: (size: LaneSize) => Promise<LaneSteps['reproduce']>;
}

/** @param sizes the first is the largest in every direction */
export const overStoredBars = async <Figures>(
  sizes: readonly LaneSize[],
  work: (bench: LaneBench) => Promise<Figures>,
): Promise<Figures> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-bench-lane-'));
  try {
    await run('store', directory, sizes);
    return await work({
      evaluate: (size) => run('evaluate', directory, [size]),
      reproduce: (size) => run('reproduce', directory, [size]),
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
