import {
  admit,
  closedBreaker,
  defaultLimits,
  minute,
  record,
  second,
  type Breaker,
  type BreakerLimits,
  type Instant,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const limits: BreakerLimits = defaultLimits;
const start = Date.parse('2026-02-13T15:00:00.000Z');

/** Results one second apart from `start` on. */
const after = (results: string, breaker = closedBreaker(limits), from = start): Breaker =>
  Array.from(results).reduce(
    (state, result, index) => record(state, result === 'x', from + index * second, limits),
    breaker,
  );
const opened = after('xxx');
const openedAt = start + 2 * second;
/** A breaker that has just let its first probe through. */
const halfOpen = admit(opened, openedAt + 5 * minute, limits).breaker;
const halfOpenAt = openedAt + 5 * minute;

describe('a closed breaker', () => {
  it('[E6] admits everything and is not changed by it', () => {
    const closed = after('.x.x');
    expect(admit(closed, start + minute, limits)).toEqual({ admitted: true, breaker: closed });
  });

  it('[E6] opens for 5 minutes on the third transport failure in a row, not on three in all', () => {
    expect(after('xx').state).toBe('closed');
    expect(after('xx.x.xx').state).toBe('closed');
    expect(opened).toMatchObject({ state: 'open', openedAt, openSeconds: 300, consecutiveFailures: 3, probeAt: null });
  });

  it('[E6] opens on a quarter of failures among twenty samples, not before there are twenty', () => {
    const fourOfNineteen = 'x...x...x...x......';
    expect(fourOfNineteen).toHaveLength(19);
    expect(after(fourOfNineteen).state).toBe('closed');
    expect(after(`${fourOfNineteen}.`).state).toBe('closed');
    expect(after(`${fourOfNineteen}x`).state).toBe('open');
    expect(after('x...x...x...x...x..').state).toBe('closed');
  });

  it('[E6] judges the ratio on the last 15 minutes only', () => {
    const old = after('x...x...x...x......');
    const later = start + 15 * minute;
    expect(record(old, true, later, limits).state).toBe('closed');
    expect(record(old, true, later, limits).window.every(([since]) => since > later - 15 * minute)).toBe(true);
  });

  it('[E6] respects limits of zero: no failure in a row is tolerated, no ratio is', () => {
    expect(record(closedBreaker(limits), true, start, { ...limits, breakerConsecutiveFailures: 0 }).state).toBe('open');
    const noRatio = { ...limits, breakerFailureRatio: 0, breakerMinSamples: 0 };
    expect(record(closedBreaker(limits), true, start, noRatio).state).toBe('open');
  });
});

describe('an open breaker', () => {
  it('[E6] admits nothing before its time, and one probe at it', () => {
    expect(admit(opened, halfOpenAt - 1, limits)).toEqual({ admitted: false, breaker: opened });
    expect(admit(opened, halfOpenAt, limits)).toEqual({
      admitted: true,
      breaker: { ...opened, state: 'half_open', halfOpenAt, halfOpenSuccesses: 0, probeAt: halfOpenAt },
    });
  });

  it('[E6] is not changed by late answers but for its record', () => {
    const late = record(record(opened, false, openedAt + second, limits), true, openedAt + 2 * second, limits);
    expect({ ...late, window: [] }).toEqual({ ...opened, window: [] });
    expect(late.window).toEqual([[start, 5, 4]]);
  });
});

describe('a half-open breaker', () => {
  it('[E6] lets one request through at a time, and the next when the first has answered', () => {
    expect(admit(halfOpen, halfOpenAt + second, limits)).toEqual({ admitted: false, breaker: halfOpen });
    const answered = record(halfOpen, false, halfOpenAt + second, limits);
    expect(answered).toMatchObject({ state: 'half_open', halfOpenSuccesses: 1, probeAt: null });
    expect(admit(answered, halfOpenAt + second, limits)).toMatchObject({
      admitted: true,
      breaker: { probeAt: halfOpenAt + second },
    });
  });

  it('[E6] gives a probe that never came back up after its lease', () => {
    const lease = limits.breakerProbeLeaseSeconds * second;
    expect(admit(halfOpen, halfOpenAt + lease - 1, limits).admitted).toBe(false);
    expect(admit(halfOpen, halfOpenAt + lease, limits).admitted).toBe(true);
  });

  it('[E6] closes, with a clean record, after three successes', () => {
    expect(after('..', halfOpen, halfOpenAt).state).toBe('half_open');
    expect(after('...', halfOpen, halfOpenAt)).toEqual(closedBreaker(limits));
  });

  it('[E6] opens again on one failure, for twice as long each time, up to 30 minutes', () => {
    let breaker = opened;
    const lengths = [breaker.openSeconds];
    for (let reopening = 0; reopening < 5; reopening += 1) {
      const probeAt = (breaker.openedAt ?? 0) + breaker.openSeconds * second;
      breaker = record(admit(breaker, probeAt, limits).breaker, true, probeAt + second, limits);
      expect(breaker).toMatchObject({ state: 'open', openedAt: probeAt + second, halfOpenAt: null, probeAt: null });
      lengths.push(breaker.openSeconds);
    }
    expect(lengths).toEqual([300, 600, 1_200, 1_800, 1_800, 1_800]);
  });

  it('[E6] starts again at 5 minutes once it has been closed', () => {
    const long = { ...halfOpen, openSeconds: 1_200 };
    expect(after('...xxx', long, halfOpenAt)).toMatchObject({ state: 'open', openSeconds: 300 });
  });
});

describe('any sequence of requests, answers and pauses', () => {
  interface Step {
    readonly pause: number;
    readonly answer: 'ok' | 'failed' | 'lost';
  }
  const steps = fc.array(
    fc.record<Step>({
      pause: fc.oneof(fc.integer({ min: 0, max: 30 * second }), fc.integer({ min: 0, max: 40 * minute })),
      answer: fc.constantFrom('ok', 'ok', 'failed', 'failed', 'lost'),
    }),
    { maxLength: 120 },
  );

  it('[E6] never admits while open before its time, never two probes at once, and survives storage at every step', () => {
    fc.assert(
      fc.property(steps, (taken) => {
        let breaker = closedBreaker(limits);
        let now: Instant = start;
        let probe: Instant | null = null;
        for (const { pause, answer } of taken) {
          now += pause;
          const before = breaker;
          const verdict = admit(before, now, limits);
          if (before.state === 'open') {
            const openUntil = (before.openedAt ?? Number.NaN) + before.openSeconds * second;
            expect(verdict.admitted).toBe(now >= openUntil);
          }
          if (before.state === 'half_open' && verdict.admitted && probe !== null)
            expect(now - probe).toBeGreaterThanOrEqual(limits.breakerProbeLeaseSeconds * second);
          if (!verdict.admitted) {
            expect(verdict.breaker).toEqual(before);
            continue;
          }
          breaker = verdict.breaker;
          probe = breaker.state === 'half_open' ? now : null;
          if (answer !== 'lost') {
            breaker = record(breaker, answer === 'failed', now, limits);
            probe = null;
            expect(breaker.window.every(([since]) => since > now - limits.breakerWindowSeconds * second)).toBe(true);
            expect(breaker.window.length).toBeLessThanOrEqual(61);
          }
          expect(breaker.openSeconds).toBeLessThanOrEqual(limits.breakerMaxOpenSeconds);
          expect(breaker.state === 'open').toBe(breaker.state !== 'half_open' && breaker.openedAt !== null);
          breaker = JSON.parse(JSON.stringify(breaker)) as Breaker;
        }
      }),
      { numRuns: 300 },
    );
  });
});
