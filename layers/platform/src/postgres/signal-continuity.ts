import {
  continuityProblems,
  evaluateFreshness,
  type AccountLabel,
  type ContinuityCode,
  type FreshnessLimits,
  type Instant,
} from '@torghut/domain';
import type { Queryable } from './pool.ts';
import { readFreshnessInput } from './read-model/signal-windows.ts';

/** Why signal continuity is not stable now, from the durable windows. */
export const readContinuity = async (
  db: Queryable,
  account: AccountLabel,
  limits: FreshnessLimits,
  now: Instant,
): Promise<readonly ContinuityCode[]> => {
  const { input, today } = await readFreshnessInput(db, account, now);
  const finished = input.windows.filter(({ consumer, finishedAt }) => consumer === 'trading' && finishedAt !== null);
  return continuityProblems(
    evaluateFreshness(input, limits),
    { calendarKnown: today !== null, finishedTradingWindows: finished.length },
    limits,
  );
};
