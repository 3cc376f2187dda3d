import { type BurnInFacts, hashJson, type Instant, type Json, judgeBurnIn, toText } from '@torghut/domain';
import type { BurnInReads } from '@torghut/platform';
import type { OperatorApiConfiguration } from './ports.ts';

const countOf = <Row extends { readonly count: number }>(rows: readonly Row[], of: (row: Row) => boolean): number =>
  rows.filter(of).reduce((sum, { count }) => sum + count, 0);

const factsOf = (reads: BurnInReads, spanMs: number, evidence: BurnInFacts['evidence']): BurnInFacts => {
  const known = ['acknowledged', 'adopted', 'rejected'];
  return {
    spanMs,
    tradingMode: reads.trading_mode,
    sessions: {
      complete: reads.sessions.complete,
      minutes: reads.sessions.minutes,
      windowsFinished: reads.windows.session_finished,
    },
    signalsEvaluated: reads.windows.signals_evaluated,
    decisions: reads.decisions.total,
    executions: reads.provenance.total,
    provenanceMissing: reads.provenance.missing,
    leanOrders: { total: reads.lean_orders.total, fellBack: reads.lean_orders.fell_back },
    submits: {
      known: countOf(reads.submits.by_outcome, ({ outcome }) => known.includes(outcome)),
      rejected: countOf(reads.submits.by_outcome, ({ outcome }) => outcome === 'rejected'),
    },
    unknownOpen: reads.unknown.open,
    nightly: {
      completed: reads.reconciliation.nightly_completed,
      failedSince: reads.reconciliation.nightly_failed_since,
    },
    evidence,
    openCriticalBreaks: countOf(reads.open_breaks, ({ severity }) => severity === 'critical'),
  };
};

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/** Body of `/trading/burn-in`: the report and the hash of its canonical form, which is the form to keep. */
export const burnInBody = (
  reads: BurnInReads,
  account: string,
  { codeHash, evidence }: OperatorApiConfiguration,
  since: Instant,
  until: Instant,
) => {
  const { verdict, codes, checks } = judgeBurnIn(factsOf(reads, until - since, evidence));
  const { provenance } = reads;
  const report = {
    schema: 'torghut.burn-in.v1',
    account_label: account,
    since: toText(since),
    until: toText(until),
    code_hash: codeHash,
    evidence_class: evidence,
    verdict,
    codes,
    checks,
    routes: {
      executions: provenance.total,
      by_adapter: provenance.by_adapter,
      missing: provenance.missing,
      missing_ratio: ratio(provenance.missing, provenance.total),
      mismatch: provenance.mismatch,
    },
    fallbacks: reads.fallbacks,
    lean_orders: reads.lean_orders,
    transitions: reads.transitions,
    decisions: reads.decisions,
    submits: reads.submits,
    unknown_outcomes: reads.unknown,
    rejections: reads.rejections,
    time_to_ack_ms: reads.time_to_ack_ms,
    open_breaks: reads.open_breaks,
    reconciliation: reads.reconciliation,
    windows: reads.windows,
    sessions: reads.sessions,
  };
  return { report, sha256: hashJson(report as unknown as Json) };
};
