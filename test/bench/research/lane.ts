import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** How much a lane has to do. */
export interface LaneSize {
  readonly symbols: number;
  /** Of 390 minute bars, half days of 210. */
  readonly sessions: number;
  readonly candidates: number;
}

/** What the measured process answers. */
export interface LaneFigures {
  readonly bars: number;
  readonly folds: number;
  readonly fills: number;
  readonly verdict: string;
  /** From the data in memory to the artifacts. */
  readonly laneSeconds: number;
  /** The same on all cores together, of processor time: what other processes take is not in it. */
  readonly laneProcessorSeconds: number;
  /** From the artifacts and the data to the same artifacts. */
  readonly reproduceSeconds: number;
  /** Of the lane, its data and threads included. */
  readonly peakMebibytes: number;
}

/** Runs a whole lane and its reproduction in a process of its own, so that its memory is its own. */
export const measureLane = async (size: LaneSize): Promise<LaneFigures> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--expose-gc',
    join(import.meta.dirname, 'lane-process.ts'),
    JSON.stringify(size),
  ]);
  return JSON.parse(stdout) as LaneFigures;
};
