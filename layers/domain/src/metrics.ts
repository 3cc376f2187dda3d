export const metricKinds = ['counter', 'gauge', 'histogram'] as const;
export type MetricKind = (typeof metricKinds)[number];

/** Units of metric values. `state` is a small ordinal whose values the meaning names; `flag` is 0 or 1. */
export const metricUnits = [
  'count',
  'seconds',
  'milliseconds',
  'hours',
  'ratio',
  'bps',
  'usd',
  'state',
  'flag',
] as const;
export type MetricUnit = (typeof metricUnits)[number];

export interface MetricDefinition {
  readonly kind: MetricKind;
  readonly unit: MetricUnit;
  /** Names of the dimensions every sample carries, in this order. */
  readonly dimensions: readonly string[];
  readonly meaning: string;
}

const counter = <const D extends readonly string[]>(dimensions: D, meaning: string) =>
  ({ kind: 'counter', unit: 'count', dimensions, meaning }) as const;
const gauge = <const U extends MetricUnit, const D extends readonly string[]>(
  unit: U,
  dimensions: D,
  meaning: string,
) => ({ kind: 'gauge', unit, dimensions, meaning }) as const;
const milliseconds = <const D extends readonly string[]>(dimensions: D, meaning: string) =>
  ({ kind: 'histogram', unit: 'milliseconds', dimensions, meaning }) as const;

/**
 * Every metric of the control plane. The exposition puts `torghut_trading_` before the name; the CloudWatch namespace
 * uses the name as it stands. Telemetry, alarms, dashboards and the operator API read this one table.
 */
export const metricDefinitions = {
  cycles_total: counter([], 'Trading cycles that finished'),
  decisions_total: counter(['action'], 'Decisions written'),
  denials_total: counter(['code'], 'Reasons of denied decisions; a decision with two reasons counts under both'),
  orders_submitted_total: counter(['adapter'], 'Orders an adapter owns after submit or adoption'),
  orders_rejected_total: counter(['code'], 'Submits refused by the broker'),
  orders_unknown_total: counter([], 'Submits whose outcome was unknown at first'),
  orders_adopted_total: counter([], 'Submits settled by finding our order at the broker'),
  execution_requests_total: counter(['adapter'], 'Submit receipts claimed'),
  execution_fallback_total: counter(['from', 'to'], 'Route fallbacks'),
  execution_fallback_reason_total: counter(['reason'], 'Route fallbacks by the failure that caused them'),
  no_signal_windows_total: counter(['consumer'], 'Windows that ended without a signal reaching the evaluator'),
  no_signal_reason_total: counter(['reason'], 'Windows of the trading cycle without a signal, by reason'),
  signal_staleness_alert_total: counter(['stage'], 'Staleness stages reached'),
  cursor_rewinds_total: counter([], 'Cursor rewinds to the tail of the stream'),
  cursor_fast_forward_rows_total: counter([], 'Rows skipped when the cursor was moved forward'),
  late_rows_total: counter([], 'Rows that arrived behind the cursor'),
  duplicate_rows_total: counter([], 'Rows dropped because their identity was processed already'),
  feature_quality_rejections_total: counter(['code'], 'Batches rejected by the feature quality gate'),
  universe_resolution_total: counter(['status'], 'Universe resolutions'),
  strategy_condition_rejections_total: counter(['condition'], 'Strategy evaluations that a condition turned down'),
  strategy_errors_total: counter([], 'Strategy evaluations that failed'),
  decision_content_divergence_total: counter([], 'Reprocessed decisions whose content differs from the stored one'),
  order_feed_events_total: counter([], 'Order events stored'),
  order_feed_duplicates_total: counter([], 'Order events seen before'),
  order_feed_out_of_order_total: counter([], 'Order events older than the state they describe'),
  order_feed_illegal_transition_total: counter([], 'Order events the state machine refuses'),
  market_clock_contradictions_total: counter([], 'Runs in which the market clock contradicted the calendar'),
  reconciliation_breaks_total: counter(['type'], 'Reconciliation breaks found'),
  breaker_transitions_total: counter(['adapter', 'to'], 'Circuit breaker transitions'),
  adapter_transitions_total: counter(['adapter', 'to'], 'Changes of an adapter state, of the whole or of a symbol'),
  promotion_attempts_total: counter(['action', 'code'], 'Promotion attempts'),
  approvals_total: counter(['result'], 'Answers to approval requests'),
  incidents_total: counter(['code'], 'Safety incidents by trigger'),
  dead_letters_total: counter(['source'], 'Dead letters recorded'),
  llm_requests_total: counter([], 'Advisory requests'),
  llm_approve_total: counter([], 'Advisory approvals'),
  llm_veto_total: counter([], 'Advisory vetoes'),
  llm_adjust_total: counter([], 'Advisory adjustments'),
  llm_error_total: counter([], 'Advisory errors'),
  llm_parse_error_total: counter([], 'Advisory answers that could not be parsed'),
  llm_shadow_total: counter([], 'Advisory reviews without effect'),
  llm_guardrail_block_total: counter([], 'Advisory answers blocked by a guardrail'),
  llm_circuit_open_total: counter([], 'Advisory requests not made because the circuit was open'),
  llm_tokens_total: counter(['kind'], 'Advisory tokens'),
  evidence_continuity_checks_total: counter([], 'Evidence continuity checks'),
  evidence_continuity_failures_total: counter([], 'Evidence continuity checks that failed'),
  decision_replays_total: counter([], 'Sessions decided again from the stored stream'),
  decision_replay_failures_total: counter([], 'Sessions that did not come out again, or could not be read'),

  signal_lag_seconds: gauge('seconds', [], 'Now minus the newest signal time'),
  signal_effective_lag_seconds: gauge('seconds', [], 'Signal lag counted from the session open at the earliest'),
  ingest_delay_p95_ms: gauge('milliseconds', [], '95th percentile of arrival minus event time in the last window'),
  no_signal_streak: gauge('count', ['consumer'], 'Consecutive session windows without a signal'),
  window_hit_ratio_4h: gauge('ratio', [], 'Share of 5-minute session windows with a hit, rolling 4 h'),
  slo_burn_rate: gauge('ratio', ['window'], 'Miss ratio of 5-minute windows as a multiple of the error budget'),
  market_session_open: gauge('flag', [], 'Whether the calendar says the session is open'),
  universe_symbols_count: gauge('count', [], 'Symbols of the universe in force'),
  universe_cache_age_seconds: gauge('seconds', [], 'Age of the universe in force'),
  emergency_stop_active: gauge('flag', [], 'Whether the emergency stop is active'),
  kill_switch_engaged: gauge('flag', [], 'Whether the kill switch is engaged'),
  adapter_state: gauge('state', ['adapter'], 'Adapter state: 0 enabled, 1 canary, 2 disabled, 3 manual review'),
  breaker_open: gauge('flag', ['adapter'], 'Whether the circuit breaker of the adapter is open or half open'),
  route_provenance_coverage_ratio: gauge('ratio', [], 'Executions of 24 h with both adapters known'),
  route_provenance_unknown_ratio: gauge('ratio', [], 'Executions of 24 h with an unknown adapter'),
  route_provenance_mismatch_ratio: gauge(
    'ratio',
    [],
    'Executions of 24 h whose actual adapter is not the expected one',
  ),
  tca_avg_slippage_bps: gauge('bps', [], 'Mean slippage of executions of 24 h'),
  realized_net_usd_day: gauge('usd', [], 'Realized profit of the last closed session after cost'),
  drawdown_fraction: gauge('ratio', [], 'Day-start equity minus equity, as a fraction of day-start equity'),
  open_critical_breaks: gauge('count', [], 'Open critical reconciliation breaks'),
  last_reconciliation_age_seconds: gauge('seconds', [], 'Age of the last completed reconciliation'),
  drill_age_hours: gauge('hours', ['kind'], 'Age of the last successful drill'),
  capital_stage_level: gauge('state', [], 'Highest capital stage: 0 shadow, 1 paper, 2 canary, 3 live, 4 full'),
  canary_e_value: gauge('ratio', ['metric', 'side'], 'E-value of the canary test'),

  boot_check_ok: gauge('flag', [], 'Whether schema version, privileges and controls are what this code needs'),
  calendar_next_session_known: gauge('flag', [], 'Whether the calendar knows the next session'),
  restart_silence_seconds: gauge('seconds', [], 'Silence since the first cycle after a restart; 0 once heard'),
  cursor_ahead_incidents_10m: gauge('count', [], 'Distinct incidents of a cursor ahead of the stream in 10 min'),
  microbar_lag_seconds: gauge('seconds', [], 'Now minus the newest bar, counted from the session open at the earliest'),
  windows_hit_60m: gauge('count', [], 'Trading windows of 60 min with rows of the source'),
  decisions_60m: gauge('count', [], 'Decisions written in 60 min, denied ones included'),
  unknown_order_age_seconds: gauge('seconds', [], 'Age of the oldest submit whose outcome is unknown; 0 without one'),
  order_submissions_15m: gauge('count', [], 'Submits with a known outcome in 15 min'),
  order_rejections_15m: gauge('count', [], 'Submits of 15 min that the broker refused'),
  lean_submissions_15m: gauge('count', [], 'Orders of 15 min that were to go to LEAN'),
  lean_fallbacks_15m: gauge('count', [], 'Orders of 15 min that were to go to LEAN and fell back'),
  execution_fallback_streak: gauge('count', [], 'Newest orders in a row that were to go to LEAN and fell back'),
  manual_review_symbols_count: gauge('count', [], 'Symbols whose adapter is in manual review'),
  disabled_symbols_count: gauge(
    'count',
    ['adapter'],
    'Symbols that are disabled on the adapter by a state of their own',
  ),
  breaker_open_symbols_count: gauge('count', ['adapter'], 'Symbols whose own breaker on the adapter is not closed'),
  route_provenance_executions_24h: gauge('count', [], 'Executions of 24 h: the sample of the provenance ratios'),
  route_provenance_null_24h: gauge('count', [], 'Executions of 24 h with a null or unknown adapter'),
  clickhouse_replica_readonly: gauge('flag', [], 'Whether a replica of the signal store refuses writes'),
  clickhouse_disk_free_ratio: gauge('ratio', [], 'Free share of the fullest disk of the signal store'),

  decision_to_ack_ms: milliseconds(['adapter'], 'Decision to broker acknowledgement'),
  decision_to_fill_ms: milliseconds(['adapter'], 'Decision to first fill'),
  cycle_duration_ms: milliseconds([], 'Duration of a trading cycle'),
  broker_call_ms: milliseconds(['op'], 'Duration of a broker call'),
  llm_latency_ms: milliseconds([], 'Duration of an advisory request'),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricDefinitions;
type NameOfKind<K extends MetricKind> = {
  [N in MetricName]: (typeof metricDefinitions)[N]['kind'] extends K ? N : never;
}[MetricName];
export type CounterName = NameOfKind<'counter'>;
export type GaugeName = NameOfKind<'gauge'>;
export type HistogramName = NameOfKind<'histogram'>;

export const laterCapabilities = ['promotion', 'advisory', 'safety'] as const;
/** A part of the control plane that is not built yet. */
export type LaterCapability = (typeof laterCapabilities)[number];

/**
 * Metrics without values yet, by the capability that will emit them or write the rows they measure: an alarm on one is not
 * deployed before.
 */
export const emittedLater: Readonly<Partial<Record<MetricName, LaterCapability>>> = {
  drill_age_hours: 'safety',
  promotion_attempts_total: 'promotion',
  approvals_total: 'promotion',
  canary_e_value: 'promotion',
  incidents_total: 'safety',
  llm_requests_total: 'advisory',
  llm_approve_total: 'advisory',
  llm_veto_total: 'advisory',
  llm_adjust_total: 'advisory',
  llm_error_total: 'advisory',
  llm_parse_error_total: 'advisory',
  llm_shadow_total: 'advisory',
  llm_guardrail_block_total: 'advisory',
  llm_circuit_open_total: 'advisory',
  llm_tokens_total: 'advisory',
  llm_latency_ms: 'advisory',
};

/** Exactly the dimensions the table gives a metric. */
export type MetricDimensions<N extends MetricName> = Readonly<
  Record<(typeof metricDefinitions)[N]['dimensions'][number], string>
>;
/** The dimensions argument of a metric: required when it has dimensions, absent when it has none. */
export type DimensionArguments<N extends MetricName> = (typeof metricDefinitions)[N]['dimensions'] extends readonly []
  ? []
  : [dimensions: MetricDimensions<N>];

/** One value of a counter or gauge. */
export interface ScalarSample {
  readonly name: CounterName | GaugeName;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly value: number;
}
/** A histogram: `buckets[i]` observations were at most `bucketBounds[i]`, not cumulated; the last bucket has no bound. */
export interface HistogramSample {
  readonly name: HistogramName;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly buckets: readonly number[];
  readonly count: number;
  readonly sum: number;
}
export type MetricSample = ScalarSample | HistogramSample;

/** Upper bounds of histogram buckets, milliseconds. */
export const bucketBounds = [
  5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
] as const;

/** Index of the bucket an observation belongs to. */
export const bucketOf = (value: number): number => {
  const index = bucketBounds.findIndex((bound) => value <= bound);
  return index === -1 ? bucketBounds.length : index;
};
