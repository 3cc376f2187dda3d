import type { BreakerState } from '../enumerations.ts';
import { second, type Instant } from '../instant.ts';
import type { LimitName, LimitValues } from '../limits.ts';

/** The limits a breaker obeys. */
export type BreakerLimits = Pick<LimitValues, Extract<LimitName, `breaker${string}`>>;

/** Durable state of one breaker. The samples of the rolling window travel with it, so every router sees the same. */
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
  readonly samples: readonly (readonly [at: Instant, failed: 0 | 1])[];
}

export const closedBreaker = (limits: BreakerLimits): Breaker => ({
  state: 'closed',
  consecutiveFailures: 0,
  openedAt: null,
  halfOpenAt: null,
  openSeconds: limits.breakerOpenSeconds,
  halfOpenSuccesses: 0,
  probeAt: null,
  samples: [],
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

/** The breaker after one finished request. Only transport failures count; a business refusal is a healthy answer. */
export const record = (breaker: Breaker, failed: boolean, now: Instant, limits: BreakerLimits): Breaker => {
  const samples = [...breaker.samples, [now, failed ? 1 : 0] as const].filter(
    ([at]) => at > now - limits.breakerWindowSeconds * second,
  );
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
    samples,
  });
  if (breaker.state === 'half_open') {
    if (failed) return open(Math.min(breaker.openSeconds * 2, limits.breakerMaxOpenSeconds));
    const halfOpenSuccesses = breaker.halfOpenSuccesses + 1;
    if (halfOpenSuccesses >= limits.breakerHalfOpenSuccesses) return closedBreaker(limits);
    return { ...breaker, consecutiveFailures: 0, halfOpenSuccesses, probeAt: null, samples };
  }
  // A late answer of a request that passed before the breaker opened changes nothing but the record.
  if (breaker.state === 'open') return { ...breaker, samples };
  const failures = samples.reduce((sum, [, bad]) => sum + bad, 0);
  const ratioExceeded =
    samples.length >= limits.breakerMinSamples && failures / samples.length >= limits.breakerFailureRatio;
  if (consecutiveFailures >= limits.breakerConsecutiveFailures || ratioExceeded) return open(limits.breakerOpenSeconds);
  return { ...breaker, consecutiveFailures, samples };
};
