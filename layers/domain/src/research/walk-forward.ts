import * as z from 'zod';
import { hashJson } from '../canonical-json.ts';
import type { Hash } from '../identifiers.ts';
import { second, type Instant } from '../instant.ts';
import type { NewYorkDate } from '../market/new-york.ts';

/** How sessions are divided into folds. All of it enters the hash of a candidate. */
export const splitPlanSchema = z.strictObject({
  schema_version: z.literal('torghut.split-plan.v1'),
  train_sessions: z.int().min(1),
  test_sessions: z.int().min(1),
  /** Sessions between the beginnings of two folds; below `test_sessions` tests would overlap. */
  step_sessions: z.int().min(1),
  least_sessions: z.int().min(1),
  least_folds: z.int().min(1),
  /** Time before a test that no label of training may reach into: how far a label looks ahead. */
  purge_seconds: z.int().min(0),
  /** Time after a test that training leaves out. */
  embargo_seconds: z.int().min(0),
  /** Time by which a row of live trading may arrive late, on top of the purge. */
  overlap_seconds: z.int().min(0),
  /** Bars at the beginning of a series on which nothing is decided: their averages still remember where it began. */
  warm_up_bars: z.int().min(0),
});
export type SplitPlan = z.infer<typeof splitPlanSchema>;

export const defaultSplitPlan: SplitPlan = {
  schema_version: 'torghut.split-plan.v1',
  train_sessions: 3,
  test_sessions: 1,
  step_sessions: 1,
  least_sessions: 8,
  least_folds: 5,
  purge_seconds: 1_800,
  embargo_seconds: 1_800,
  overlap_seconds: 15,
  warm_up_bars: 120,
};

export const splitPlanHash = (plan: SplitPlan): Hash => hashJson(plan) as Hash;

/** Bounds of a session of a dataset. */
export interface SessionBounds {
  readonly date: NewYorkDate;
  readonly openAt: Instant;
  readonly closeAt: Instant;
}

/** One step of a walk-forward: sessions by index, `[from, to)`. Training ends before the purge. */
export interface Fold {
  readonly name: string;
  readonly order: number;
  readonly train: { readonly from: number; readonly to: number; readonly startAt: Instant; readonly endAt: Instant };
  readonly test: { readonly from: number; readonly to: number; readonly startAt: Instant; readonly endAt: Instant };
}

/**
 * Contiguous folds in time order: training, then the sessions right after it. What is left at the end and fills no test is
 * not used. Of too few sessions there are few folds, or none: `shortfallOf` says so.
 * @param sessions ascending
 */
export const foldsOf = (sessions: readonly SessionBounds[], plan: SplitPlan): readonly Fold[] => {
  const { train_sessions, test_sessions, step_sessions, purge_seconds, overlap_seconds } = plan;
  const folds: Fold[] = [];
  for (let from = 0; from + train_sessions + test_sessions <= sessions.length; from += step_sessions) {
    const train = sessions.slice(from, from + train_sessions);
    const test = sessions.slice(from + train_sessions, from + train_sessions + test_sessions);
    const [trainFirst, trainLast, testFirst, testLast] = [train[0], train.at(-1), test[0], test.at(-1)];
    if (trainFirst === undefined || trainLast === undefined || testFirst === undefined || testLast === undefined) break;
    folds.push({
      name: `fold-${String(folds.length + 1).padStart(3, '0')}`,
      order: folds.length + 1,
      train: {
        from,
        to: from + train_sessions,
        startAt: trainFirst.openAt,
        endAt: Math.min(trainLast.closeAt, testFirst.openAt - (purge_seconds + overlap_seconds) * second),
      },
      test: {
        from: from + train_sessions,
        to: from + train_sessions + test_sessions,
        startAt: testFirst.openAt,
        endAt: testLast.closeAt,
      },
    });
  }
  return folds;
};

/** Why sessions and their folds are too few for any statistic; null when they are enough. */
export const shortfallOf = (
  sessions: number,
  folds: number,
  { least_sessions, least_folds }: SplitPlan,
): string | null =>
  sessions < least_sessions || folds < least_folds
    ? `expected at least ${least_folds} folds over ${least_sessions} sessions, found ${folds} over ${sessions}`
    : null;
