import { type BurnInCode, type BurnInFacts, burnInRules, hour, judgeBurnIn } from '@torghut/domain';
import { describe, expect, it } from 'vitest';

const good: BurnInFacts = {
  spanMs: 24 * hour,
  tradingMode: 'paper',
  sessions: { complete: 1, minutes: 390, windowsFinished: 390 },
  signalsEvaluated: 3_000,
  decisions: 40,
  executions: 30,
  provenanceMissing: 0,
  leanOrders: { total: 30, fellBack: 1 },
  submits: { known: 30, rejected: 1 },
  unknownOpen: 0,
  openCriticalBreaks: 0,
  nightly: { completed: 1, failedSince: 0 },
  evidence: 'observed',
};

/** The smallest change of a good day that each rule must find. */
const spoiled: Readonly<Record<BurnInCode, Partial<BurnInFacts>>> = {
  burn_in_not_paper: { tradingMode: 'live' },
  burn_in_no_signals: { signalsEvaluated: 0 },
  burn_in_no_decisions: { decisions: 0 },
  burn_in_no_executions: { executions: 0 },
  route_provenance_incomplete: { provenanceMissing: 1 },
  unknown_outcome_unresolved: { unknownOpen: 1 },
  burn_in_simulated: { evidence: 'simulated' },
  reconciliation_missing: { nightly: { completed: 0, failedSince: 0 } },
  reconciliation_failed: { nightly: { completed: 1, failedSince: 1 } },
  reconciliation_open_breaks: { openCriticalBreaks: 1 },
  fallback_ratio_exceeded: { leanOrders: { total: 20, fellBack: 4 } },
  reject_ratio_exceeded: { submits: { known: 20, rejected: 6 } },
  burn_in_span_short: { spanMs: 24 * hour - 1 },
  burn_in_no_complete_session: { sessions: { complete: 0, minutes: 389, windowsFinished: 389 } },
  burn_in_windows_missing: { sessions: { complete: 1, minutes: 390, windowsFinished: 370 } },
  burn_in_sample_small: { submits: { known: 19, rejected: 0 } },
};

describe('the verdict of a burn-in', () => {
  it('passes a good day, with every rule judged', () => {
    const { verdict, codes, checks } = judgeBurnIn(good);
    expect([verdict, codes]).toEqual(['pass', []]);
    expect(checks.map(({ result }) => result)).toEqual(checks.map(() => 'pass'));
  });

  it.each(Object.keys(burnInRules) as BurnInCode[])('finds %s, and nothing else', (code) => {
    const { verdict, codes } = judgeBurnIn({ ...good, ...spoiled[code] });
    expect([verdict, codes]).toEqual([burnInRules[code].outcome, [code]]);
  });

  it.each([
    ['exactly the limit of fallbacks', { leanOrders: { total: 20, fellBack: 3 } }],
    ['exactly the limit of refusals', { submits: { known: 20, rejected: 5 } }],
    ['too few orders for LEAN to judge a ratio', { leanOrders: { total: 19, fellBack: 19 } }],
  ])('passes %s', (_what, change) => {
    expect(judgeBurnIn({ ...good, ...change }).verdict).toBe('pass');
  });

  it('fails, not only lacks, when nothing happened, and when the mode is unknown', () => {
    const nothing = judgeBurnIn({
      ...good,
      tradingMode: null,
      sessions: { complete: 0, minutes: 0, windowsFinished: 0 },
      signalsEvaluated: 0,
      decisions: 0,
      executions: 0,
      leanOrders: { total: 0, fellBack: 0 },
      submits: { known: 0, rejected: 0 },
    });
    expect(nothing.verdict).toBe('fail');
    expect(nothing.codes).toContain('burn_in_not_paper');
  });
});
