import type { BreakerState } from '../enumerations.ts';
import { second, type Instant } from '../instant.ts';
import type { LimitName, LimitValues } from '../limits.ts';

/** The limits a breaker obeys. */
export type BreakerLimits = Pick<LimitValues, Extract<LimitName, `breaker${string}`>>;

/** Exchanges of one slot of the rolling window: since when, how many, how many of them failed. */
export type BreakerSlot = readonly [since: Instant, exchanges: number, failures: number];

/**
 * Durable state of one breaker. The rolling window travels with it, so every router sees the same; it is kept in slots,
 * because the row is written with every exchange and must not grow with their number.
 */
export interface Breaker {
  readonly state: BreakerState;
  readonly consecutiveFailures: number;
  readonly openedAt: Instant | null;
  readonly halfOpenAt: Instant | null;
  /** Length of the present or last opening; doubles when a probe fails. */
  readonly openSeconds: number;
  readonly halfOpenSuccesses: number;
  /** A half-open breaker lets one request through at a time: when the present one was let through. */
  readonly probeAt: Instant | null;
  readonly window: readonly BreakerSlot[];
}

export const closedBreaker = (limits: BreakerLimits): Breaker => ({
  state: 'closed',
  consecutiveFailures: 0,
  openedAt: null,
  halfOpenAt: null,
  openSeconds: limits.breakerOpenSeconds,
  halfOpenSuccesses: 0,
  probeAt: null,
  window: [],
});

/** Whether a request may pass now, and the breaker after letting it pass. Time alone turns open into half-open. */
export const admit = (
  breaker: Breaker,
  now: Instant,
  limits: BreakerLimits,
): { readonly admitted: boolean; readonly breaker: Breaker } => {
  if (breaker.state === 'closed') return { admitted: true, breaker };
  if (breaker.state === 'open') {
    if (breaker.openedAt === null || now - breaker.openedAt < breaker.openSeconds * second)
      return { admitted: false, breaker };
    return {
      admitted: true,
      breaker: { ...breaker, state: 'half_open', halfOpenAt: now, halfOpenSuccesses: 0, probeAt: now },
    };
  }
  // A probe that never came back (its router died) must not hold the breaker for ever.
  const busy = breaker.probeAt !== null && now - breaker.probeAt < limits.breakerProbeLeaseSeconds * second;
  return busy ? { admitted: false, breaker } : { admitted: true, breaker: { ...breaker, probeAt: now } };
};

/** Slots of the rolling window. */
const windowSlots = 60;

/** The window after one more exchange; what began before it is forgotten. */
const withExchange = (
  { window }: Breaker,
  failed: boolean,
  now: Instant,
  { breakerWindowSeconds }: BreakerLimits,
): readonly BreakerSlot[] => {
  const length = breakerWindowSeconds * second;
  const kept = window.filter(([since]) => since > now - length);
  const last = kept.at(-1);
  return last !== undefined && now - last[0] < length / windowSlots
    ? [...kept.slice(0, -1), [last[0], last[1] + 1, last[2] + Number(failed)]]
    : [...kept, [now, 1, Number(failed)]];
};

/** The breaker after one finished request. Only transport failures count; a business refusal is a healthy answer. */
export const record = (breaker: Breaker, failed: boolean, now: Instant, limits: BreakerLimits): Breaker => {
  const window = withExchange(breaker, failed, now, limits);
  const consecutiveFailures = failed ? breaker.consecutiveFailures + 1 : 0;
  const open = (openSeconds: number): Breaker => ({
    ...breaker,
    state: 'open',
    consecutiveFailures,
    openedAt: now,
    halfOpenAt: null,
    openSeconds,
    halfOpenSuccesses: 0,
    probeAt: null,
    window,
  });
  if (breaker.state === 'half_open') {
    if (failed) return open(Math.min(breaker.openSeconds * 2, limits.breakerMaxOpenSeconds));
    const halfOpenSuccesses = breaker.halfOpenSuccesses + 1;
    if (halfOpenSuccesses >= limits.breakerHalfOpenSuccesses) return closedBreaker(limits);
    return { ...breaker, consecutiveFailures: 0, halfOpenSuccesses, probeAt: null, window };
  }
  // A late answer of a request that passed before the breaker opened changes nothing but the record.
  if (breaker.state === 'open') return { ...breaker, window };
  const exchanges = window.reduce((sum, [, all]) => sum + all, 0);
  const failures = window.reduce((sum, [, , bad]) => sum + bad, 0);
  const ratioExceeded = exchanges >= limits.breakerMinSamples && failures / exchanges >= limits.breakerFailureRatio;
  if (consecutiveFailures >= limits.breakerConsecutiveFailures || ratioExceeded) return open(limits.breakerOpenSeconds);
  return { ...breaker, consecutiveFailures, window };
};
