import type { EvidenceClass } from '../enumerations.ts';
import { hour } from '../instant.ts';

/** What stored rows say about a span of paper trading, as far as the verdict looks at it. */
export interface BurnInFacts {
  readonly spanMs: number;
  readonly tradingMode: string | null;
  /** Whole sessions within the span, and what the cycle left of the session minutes in it. */
  readonly sessions: { readonly complete: number; readonly minutes: number; readonly windowsFinished: number };
  readonly signalsEvaluated: number;
  readonly decisions: number;
  readonly executions: number;
  /** Executions with a null or unknown adapter. */
  readonly provenanceMissing: number;
  /** Orders meant for LEAN, and those of them that fell back. */
  readonly leanOrders: { readonly total: number; readonly fellBack: number };
  /** Submits with a known outcome, and those the broker refused. */
  readonly submits: { readonly known: number; readonly rejected: number };
  /** Submits whose outcome is still unknown at the end of the span. */
  readonly unknownOpen: number;
  /** Critical breaks that nobody has accepted, escalated ones included. */
  readonly openCriticalBreaks: number;
  /** Nightly reconciliations completed in the day before the end, and those that failed after the last completed one. */
  readonly nightly: { readonly completed: number; readonly failedSince: number };
  /** Whether orders went to the broker, or to what stands in for it. */
  readonly evidence: EvidenceClass;
}

export interface BurnInRule {
  /** `insufficient`: more of the same evidence could pass. Nothing to look at fails. */
  readonly outcome: 'fail' | 'insufficient';
  readonly unit: 'hours' | 'count' | 'ratio' | 'word';
  readonly limit: number | string;
  readonly meaning: string;
  /** Null where the rule has nothing to judge; another rule says so. */
  readonly observed: (facts: BurnInFacts) => number | string | null;
  readonly holds: (observed: number | string, limit: number | string) => boolean;
}

const atLeast = (observed: number | string, limit: number | string): boolean => observed >= limit;
const atMost = (observed: number | string, limit: number | string): boolean => observed <= limit;
const is = (observed: number | string, limit: number | string): boolean => observed === limit;

/** Below this many orders a ratio says nothing. */
const smallestSample = 20;
const ratioOf = (part: number, whole: number): number | null => (whole < smallestSample ? null : part / whole);

const minimum = (outcome: BurnInRule['outcome'], limit: number, meaning: string, observed: BurnInRule['observed']) =>
  ({ outcome, unit: 'count', limit, meaning, observed, holds: atLeast }) as const satisfies BurnInRule;
const none = (meaning: string, observed: BurnInRule['observed']) =>
  ({ outcome: 'fail', unit: 'count', limit: 0, meaning, observed, holds: atMost }) as const satisfies BurnInRule;

/** What a burn-in has to show; the code of each rule that does not hold is in the report. */
export const burnInRules = {
  burn_in_not_paper: {
    outcome: 'fail',
    unit: 'word',
    limit: 'paper',
    meaning: 'a burn-in is shown on paper',
    observed: ({ tradingMode }) => tradingMode ?? 'unknown',
    holds: is,
  },
  burn_in_simulated: {
    outcome: 'fail',
    unit: 'word',
    limit: 'observed',
    meaning: 'orders at the broker; whatever stands in for it shows nothing about it',
    observed: ({ evidence }) => evidence,
    holds: is,
  },
  burn_in_no_signals: minimum('fail', 1, 'signals evaluated', (facts) => facts.signalsEvaluated),
  burn_in_no_decisions: minimum('fail', 1, 'decisions written', (facts) => facts.decisions),
  burn_in_no_executions: minimum('fail', 1, 'orders that an adapter took', (facts) => facts.executions),
  route_provenance_incomplete: none('executions with a null or unknown adapter', (facts) => facts.provenanceMissing),
  unknown_outcome_unresolved: none('submits whose outcome is still unknown', (facts) => facts.unknownOpen),
  reconciliation_missing: minimum(
    'fail',
    1,
    'nightly reconciliations completed in the span or in the day before its end',
    ({ nightly }) => nightly.completed,
  ),
  reconciliation_failed: none(
    'nightly reconciliations that failed after the last that was completed',
    ({ nightly }) => nightly.failedSince,
  ),
  reconciliation_open_breaks: none('critical breaks that nobody has accepted', (facts) => facts.openCriticalBreaks),
  fallback_ratio_exceeded: {
    outcome: 'fail',
    unit: 'ratio',
    limit: 0.15,
    meaning: `fallbacks of orders meant for LEAN, of at least ${smallestSample}`,
    observed: ({ leanOrders }) => ratioOf(leanOrders.fellBack, leanOrders.total),
    holds: atMost,
  },
  reject_ratio_exceeded: {
    outcome: 'fail',
    unit: 'ratio',
    limit: 0.25,
    meaning: `refusals of submits with a known outcome, of at least ${smallestSample}`,
    observed: ({ submits }) => ratioOf(submits.rejected, submits.known),
    holds: atMost,
  },
  burn_in_span_short: {
    outcome: 'insufficient',
    unit: 'hours',
    limit: 24,
    meaning: 'length of the span',
    observed: ({ spanMs }) => spanMs / hour,
    holds: atLeast,
  },
  burn_in_no_complete_session: minimum(
    'insufficient',
    1,
    'whole sessions in the span',
    (facts) => facts.sessions.complete,
  ),
  burn_in_windows_missing: {
    outcome: 'insufficient',
    unit: 'ratio',
    limit: 0.95,
    meaning: 'finished cycles for each minute of session in the span',
    observed: ({ sessions }) => (sessions.minutes === 0 ? null : sessions.windowsFinished / sessions.minutes),
    holds: atLeast,
  },
  burn_in_sample_small: minimum(
    'insufficient',
    smallestSample,
    'submits with a known outcome',
    (facts) => facts.submits.known,
  ),
} as const satisfies Readonly<Record<string, BurnInRule>>;
export type BurnInCode = keyof typeof burnInRules;

export type BurnInVerdict = 'pass' | 'fail' | 'insufficient';

/** One rule with what was found. `not_judged`: there was nothing to judge, and another rule says so. */
export interface BurnInCheck {
  readonly code: BurnInCode;
  readonly result: 'pass' | 'fail' | 'insufficient' | 'not_judged';
  readonly observed: number | string | null;
  readonly limit: number | string;
  readonly unit: BurnInRule['unit'];
  readonly meaning: string;
}

/** Judges a span by every rule. The verdict is the worst result. */
export const judgeBurnIn = (
  facts: BurnInFacts,
): {
  readonly verdict: BurnInVerdict;
  readonly codes: readonly BurnInCode[];
  readonly checks: readonly BurnInCheck[];
} => {
  const checks = (Object.entries(burnInRules) as [BurnInCode, BurnInRule][]).map(([code, rule]): BurnInCheck => {
    const { outcome, unit, limit, meaning } = rule;
    const observed = rule.observed(facts);
    const result = observed === null ? 'not_judged' : rule.holds(observed, limit) ? 'pass' : outcome;
    return { code, result, observed, limit, unit, meaning };
  });
  const results = new Set(checks.map(({ result }) => result));
  return {
    verdict: results.has('fail') ? 'fail' : results.has('insufficient') ? 'insufficient' : 'pass',
    codes: checks.flatMap(({ code, result }) => (result === 'fail' || result === 'insufficient' ? [code] : [])),
    checks,
  };
};
