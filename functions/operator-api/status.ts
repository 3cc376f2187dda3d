import {
  type ControlName,
  evaluateFreshness,
  type FreshnessReport,
  type Instant,
  second,
  toText,
} from '@torghut/domain';
import type { ControlRow, StatusReads } from '@torghut/platform';
import type { OperatorApiConfiguration } from './ports.ts';
import type { EvidenceContinuity } from './evidence-continuity.ts';

export const controlOf = ({ operations }: StatusReads, name: ControlName): ControlRow | undefined =>
  operations.controls.find(({ control }) => control === name);

/** A control that permits something: without a row it does not. */
export const isPermitted = (reads: StatusReads, name: 'trading_enabled' | 'autonomy_enabled'): boolean =>
  controlOf(reads, name)?.engaged === true;

const signalContinuity = (report: FreshnessReport, sloHours: number) => ({
  session_open: report.sessionOpen,
  lag_seconds: report.lagSeconds,
  effective_lag_seconds: report.effectiveLagSeconds,
  stale: report.stale,
  stage: report.stage,
  causes: report.causes,
  last_reason: report.lastReason,
  streaks: Object.fromEntries(
    Object.entries(report.streaks).map(([consumer, { length, byReason }]) => [
      consumer,
      { length, by_reason: byReason },
    ]),
  ),
  cursor_ahead: report.cursorAhead,
  restart_silence: {
    since: report.restartSilence.since === null ? null : toText(report.restartSilence.since),
    page: report.restartSilence.page,
  },
  missing_cycle: { age_seconds: report.missingCycle.ageSeconds, page: report.missingCycle.page },
  slo: {
    window_hours: sloHours,
    windows: report.slo.windows,
    hits: report.slo.hits,
    hit_ratio: report.slo.hitRatio,
    met: report.slo.met,
    burn_rate: Object.fromEntries(Object.entries(report.slo.burn).map(([window, { rate }]) => [window, rate])),
    page: report.slo.page,
    ticket: report.slo.ticket,
  },
  latch: {
    set: report.continuityLatch.set,
    healthy_windows: report.continuityLatch.healthyWindows,
    healthy_windows_needed: report.continuityLatch.healthyWindowsNeeded,
  },
});

/** Body of `/trading/status`. Parts that nothing has written yet are null or empty. */
export const statusBody = (
  reads: StatusReads,
  { freshness, mode, llmStage, codeHash }: OperatorApiConfiguration,
  now: Instant,
) => {
  const { operations, autonomy } = reads;
  const report = evaluateFreshness(reads.freshness, freshness);
  const emergencyStop = controlOf(reads, 'emergency_stop');
  const { universe } = operations;
  return {
    as_of: toText(now),
    enabled: isPermitted(reads, 'trading_enabled'),
    mode: controlOf(reads, 'trading_mode')?.value ?? mode,
    capital_stages: operations.capitalStages,
    controls: operations.controls,
    last_cycle: operations.lastCycle,
    last_reconcile: operations.lastReconcile,
    last_order_sync: operations.lastOrderSync,
    autonomy: {
      enabled: isPermitted(reads, 'autonomy_enabled'),
      runs_total: autonomy.runs_total,
      last_run_id: autonomy.last_run?.run_id ?? null,
      last_run_status: autonomy.last_run?.status ?? null,
      failure_streak: autonomy.failure_streak,
    },
    signal_continuity: signalContinuity(report, freshness.signalSloHours),
    universe:
      universe === null
        ? null
        : {
            status: universe.status,
            reason: universe.reason,
            count: universe.symbols_count,
            /** Seconds since the fetch. */
            age: (now - universe.fetched_at) / second,
          },
    rollback: {
      emergency_stop: {
        active: emergencyStop?.engaged ?? false,
        reasons: emergencyStop?.engaged === true ? emergencyStop.reasons : [],
        triggered_at: emergencyStop?.engaged === true ? emergencyStop.at : null,
        clean_evaluations: emergencyStop?.clean_evaluations ?? 0,
      },
      incidents_total: operations.incidents.total,
      last_evidence: operations.incidents.last,
    },
    adapters: operations.adapters,
    llm: {
      stage: llmStage,
      mode: llmStage === 0 ? 'disabled' : 'shadow',
      circuit: null,
      budgets: null,
      guardrail_codes: [],
    },
    tca: { window_hours: 24, ...operations.tca },
    code_hash: codeHash ?? operations.lastCycle?.code_hash ?? null,
    feature_contract: operations.featureContract,
  };
};

/** Body of `/trading/autonomy`: the cycle's windows and the research runs, with the evidence they left. */
export const autonomyBody = (
  reads: StatusReads,
  evidence: EvidenceContinuity,
  { freshness }: OperatorApiConfiguration,
  now: Instant,
) => {
  const { operations, autonomy } = reads;
  const report = evaluateFreshness(reads.freshness, freshness);
  return {
    as_of: toText(now),
    enabled: isPermitted(reads, 'autonomy_enabled'),
    runs_total: autonomy.runs_total,
    signals_total: autonomy.signals_total,
    no_signal_streak: report.streaks.trading.length,
    last_run_id: autonomy.last_run?.run_id ?? null,
    last_run_status: autonomy.last_run?.status ?? null,
    last_run_reason: autonomy.last_run?.no_signal_reason ?? autonomy.last_run?.failure_code ?? null,
    last_reason: report.lastReason,
    last_window_start: operations.lastCycle?.window_start ?? null,
    last_window_end: operations.lastCycle?.window_end ?? null,
    last_gates: autonomy.last_run?.gates ?? null,
    last_recommendation: autonomy.last_run?.recommendation ?? null,
    failure_streak: autonomy.failure_streak,
    evidence_continuity: evidence,
  };
};
