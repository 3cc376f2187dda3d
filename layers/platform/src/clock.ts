import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '@torghut/domain';

/** Wall-clock time. Deadlines do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => wait(ms),
  deadline: (ms) => AbortSignal.timeout(ms),
};
