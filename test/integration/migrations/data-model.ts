/**
 * The data model, transcribed from the specification in its own shorthand: `name:type?`, where `?` is nullable and a
 * missing type follows from the name (`inferredType`). `U` adds updated_at; every table has created_at.
 */
export interface TableModel {
  readonly columns: string;
  readonly updated?: true;
}

export const dataModel: Readonly<Record<string, TableModel>> = {
  strategies: {
    updated: true,
    columns: `id:uuid strategy_id:text(128) name:text(255) description:text? enabled:bool strategy_type:text(64)
      version:text(32) base_timeframe:text(16) params:jsonb params_hash universe_filter:jsonb? priority:int
      max_position_pct_equity:numeric(20,8)? max_notional_per_trade:numeric(20,8)? config_sha256`,
  },
  // Not in the specification's list: the durable streak of evaluation errors that suspends a strategy.
  strategy_health: {
    updated: true,
    columns: `account_label strategy_pk:uuid consecutive_errors:int degraded_until:timestamptz? last_error:text?`,
  },
  feature_contracts: { columns: `id:uuid version:text(32) hash fields:jsonb schema_major:int status:text` },
  market_calendar: {
    updated: true,
    columns: `session_date kind:text open_at? close_at? extended_open_at? extended_close_at? settlement_date? source:text
      fetched_at`,
  },
  universe_resolutions: {
    columns: `id:uuid account_label symbols:text[] universe_hash status:text reason:text fetched_at resolved_at`,
  },
  signal_windows: {
    updated: true,
    columns: `account_label consumer:text window_start window_end scheduled_for:timestamptz session_open:bool
      no_signal_reason:text? blocked_reasons:text[] rows_read:int rows_late:int rows_duplicate:int rows_quarantined:int
      signals_evaluated:int decisions_count:int tail_event_ts? lag_seconds:numeric? effective_lag_seconds:numeric?
      ingest_delay_p95_ms:int? hit:bool cursor_before:jsonb cursor_after:jsonb universe_hash? universe_status:text
      feature_contract_id:uuid? code_hash attempts:int started_at finished_at?`,
  },
  trade_cursor: {
    updated: true,
    columns: `source account_label cursor_event_ts cursor_symbol:text(32) cursor_seq:numeric(20,0) overlap_keys:jsonb
      last_rewind_at? lock_version:bigint`,
  },
  trade_decisions: {
    updated: true,
    columns: `id:uuid account_label decision_identity:hash content_hash strategy_pk:uuid strategy_id strategy_version:text(32)
      symbol timeframe:text(16) event_ts action:text intent:text order_type:text time_in_force:text qty limit_price?
      stop_price? reference_price? reference_price_at? confidence:numeric(6,4) rationale_codes:text[] decision_json:jsonb
      status:text reasons:text[] reason_details:jsonb consumer:text window_start capital_stage:text
      feature_contract_id:uuid universe_hash code_hash watermark_event_ts signal_lag_ms:int expires_at executed_at?`,
  },
  llm_decision_reviews: {
    columns: `id:uuid trade_decision_id:uuid stage:int mode:text model:text(128) model_version_lock:text(160)
      prompt_version:text(32) request_sha256 input_json:jsonb response_json:jsonb? verdict:text effective_verdict:text
      confidence:numeric(6,4)? qty_multiplier:numeric(6,4)? adjusted_qty? adjusted_order_type:text? rationale:text(280)?
      risk_flags:text[] policy_codes:text[] error_code:text(64)? tokens_prompt:int tokens_completion:int latency_ms:int
      requested_at responded_at?`,
  },
  broker_receipts: {
    updated: true,
    columns: `id:uuid account_label operation:text trade_decision_id:uuid? client_order_id? attempt:int adapter:text symbol?
      request_sha256 request_json:jsonb state:text outcome:text? outcome_codes:text[] broker_order_id? http_status:int?
      x_request_id:text? response_json:jsonb? fencing_token:bigint lease_expires_at claimed_at io_at? settled_at?
      resolved_at? next_check_at? check_count:int control_snapshot:jsonb risk_checks:jsonb?`,
  },
  outbox: {
    columns: `id:bigint topic group_key dedup_id payload:jsonb available_at published_at? attempts:int last_error:text?`,
  },
  executions: {
    updated: true,
    columns: `id:uuid account_label trade_decision_id:uuid? client_order_id? alpaca_order_id attempt:int symbol side:text
      order_type:text time_in_force:text submitted_qty filled_qty avg_fill_price? state:text broker_status:text(32)?
      execution_expected_adapter:text execution_actual_adapter:text execution_fallback_reason:text(128)?
      execution_fallback_count:int provenance_source:text route_context:jsonb execution_correlation_id:text(64)?
      execution_idempotency_key:text(128)? replaces_id:uuid? replaced_by_id:uuid? raw_order:jsonb last_broker_json:jsonb?
      order_feed_last_event_ts? order_feed_last_seq:bigint? submitted_at last_update_at`,
  },
  execution_order_events: {
    // corrects_execution_id: the fill that a trade bust or a trade correction takes back.
    columns: `id:uuid account_label event_fingerprint:hash source:text broker_execution_id? feed_seq:bigint? event_ts
      received_at symbol alpaca_order_id client_order_id? event_type status? qty? filled_qty? price? avg_fill_price?
      raw_event:jsonb execution_id:uuid? trade_decision_id:uuid? corrects_execution_id?`,
  },
  account_activities: {
    columns: `account_label activity_id activity_type sub_type? status? activity_ts settle_date? symbol? side? qty? price?
      cum_qty? leaves_qty? order_id? net_amount? raw:jsonb`,
  },
  position_snapshots: {
    // maintenance_margin and shorting_enabled: what the pre-trade checks need of the account besides the balances.
    columns: `id:uuid account_label as_of session_date kind:text equity cash buying_power long_market_value
      short_market_value maintenance_margin? shorting_enabled:bool? positions:jsonb complete:bool source`,
  },
  execution_tca_metrics: {
    updated: true,
    columns: `id:uuid execution_id:uuid trade_decision_id:uuid? strategy_pk:uuid? account_label symbol side:text arrival_price
      arrival_source avg_fill_price filled_qty signed_qty slippage_bps expected_slippage_bps? divergence_bps?
      shortfall_notional churn_qty churn_ratio decision_to_ack_ms:int? decision_to_fill_ms:int? computed_at`,
  },
  adapter_states: {
    columns: `id:uuid account_label adapter:text symbol? state:text breaker:text health_reason:text(64)?
      consecutive_failures:int opened_at? half_open_at? window_stats:jsonb actor:text(128) reason:text at superseded_at?`,
  },
  parity_checks: {
    columns: `id:uuid account_label symbol session_date kind:text sample_lean:int sample_alpaca:int metrics:jsonb
      tolerances:jsonb result:text codes:text[] evidence_class:text evidence_key? checked_at`,
  },
  trading_controls: {
    columns: `id:uuid account_label control:text engaged:bool value:text? reasons:jsonb actor:text(128) note:text
      clean_evaluations:int acknowledged_by? acknowledged_at? cleared_by? cleared_at? at superseded_at?`,
  },
  safety_incidents: {
    updated: true,
    columns: `id:uuid account_label class:text severity:text trigger_codes:text[] triggered_at evidence_key?
      evidence_sha256? evidence_complete:bool hooks:jsonb cancelled_orders:jsonb contained_at? resolved_at? resolved_by?
      resolution_note:text?`,
  },
  drills: {
    columns: `id:uuid account_label kind:text started_at finished_at? succeeded:bool time_to_flat_seconds:numeric? operator
      evidence_key? codes:text[] expires_at`,
  },
  dead_letters: {
    updated: true,
    columns: `id:uuid source:text account_label key:text codes:text[] payload_key? payload:jsonb? attempts:int first_seen_at
      last_seen_at resolved_at? resolved_by? resolution:text?`,
  },
  reconciliation_runs: {
    updated: true,
    columns: `id:uuid account_label scope:text scheduled_for:timestamptz status:text sources:jsonb checked:int breaks:int
      healed:int started_at finished_at?`,
  },
  reconciliation_breaks: {
    updated: true,
    columns: `id:uuid run_id:uuid account_label break_type:text symbol? order_ref? ours:jsonb theirs:jsonb tolerance:jsonb
      severity:text heal_policy healed_at? heal_proof:jsonb? status:text status_by? dedup_key:hash
      status_reason:text? status_at? last_found_at`,
  },
  research_runs: {
    updated: true,
    columns: `id:uuid run_id:char(24) account_label window_start window_end status:text no_signal_reason:text? attempts:int
      target:text strategy_pk:uuid strategy_id strategy_type:text(64) strategy_version:text(32) code_hash runner_version
      feature_contract_id:uuid dataset_hash? dataset_from:timestamptz? dataset_to:timestamptz? dataset_manifest_key?
      execution_model_hash split_plan_hash policy_digest window_overlap_seconds:int manifest_key? manifest_sha256?
      gate_report_trace_id:char(24)? recommendation_trace_id:char(24)? failure_code:text? failure_detail:jsonb? finished_at?`,
  },
  // Not in the specification's list: which bytes hold a finished session.
  dataset_snapshots: {
    columns: `id:uuid session_date symbol window_size:text(16) row_count:int sha256 byte_count:int`,
  },
  // Not in the specification's list: every distinct trial of a family, which the statistics count.
  research_trials: {
    columns: `id:uuid family:text(64) trial_hash strategy_type:text(64) strategy_version:text(32) params:jsonb profile
      feature_contract_hash code_hash run_id:uuid`,
  },
  research_candidates: {
    columns: `id:uuid candidate_id:text(64) run_id:uuid candidate_hash trial_hash family:text(64) parameter_set:jsonb
      decision_count trade_count symbols_covered:text[] universe_hash spec_key spec_sha256`,
  },
  research_fold_metrics: {
    columns: `id:uuid candidate_id:uuid fold_name:text(64) fold_order:int train_start train_end test_start test_end
      purge_seconds:int embargo_seconds:int decision_count trade_count gross_pnl net_pnl total_cost max_drawdown_usd
      turnover_ratio cost_bps? sharpe_per_period:double? regime_label cost_assumptions:jsonb`,
  },
  research_stress_metrics: {
    columns: `id:uuid candidate_id:uuid stress_case:text net_pnl_base net_pnl_stressed pessimistic_pnl_delta
      metric_bundle:jsonb evidence_class:text`,
  },
  gate_evaluations: {
    columns: `id:uuid candidate_id:uuid run_id:uuid target:text policy_version policy_digest verdict:text
      recommended_stage:text gates:jsonb codes:text[] report_key report_sha256 envelope_key signing_key_id schema_version
      trace_id:char(24) evaluated_at`,
  },
  approvals: {
    updated: true,
    columns: `id:uuid account_label candidate_id:uuid gate_evaluation_id:uuid from_stage:text to_stage:text evidence_digest
      requested_by required_approvers:int status:text acknowledged_codes:text[] requested_at expires_at decided_at?
      consumed_at? execution_arn:text(256) task_token_ciphertext:bytea?`,
  },
  approval_responses: {
    columns: `id:uuid approval_id:uuid approver approver_role decision:text evidence_digest reason:text accepted:bool
      refusal_codes:text[] envelope_key? responded_at`,
  },
  research_promotions: {
    columns: `id:uuid candidate_id:uuid run_id:uuid gate_evaluation_id:uuid? approval_id:uuid? from_stage:text
      requested_stage:text approved_stage:text? decision_action:text reasons:text[] reason_details:jsonb requested_by
      evidence_digest? record_key? record_sha256? envelope_key? effective_at`,
  },
  capital_stages: {
    columns: `id:uuid account_label strategy_pk:uuid candidate_id:uuid? stage:text level:text? symbols:text[]
      max_notional_per_trade:numeric(20,8)? max_position_pct_equity:numeric(20,8)? cause:text codes:text[]
      promotion_id:uuid? actor entered_at superseded_at?`,
  },
  profitability_snapshots: {
    columns: `id:uuid account_label strategy_pk:uuid? candidate_id:uuid? stage:text session_date window_start window_end
      realized_gross commissions regulatory_fees realized_net unrealized fills:int decisions:int rejected:int
      llm_errors:int qty_below_min:int mae_bps_p50? mae_bps_p95? mfe_bps_p50? net_ci_low? net_ci_high? trade_count:int
      evidence_state:text session_accepted:bool? failing_codes:text[] attribution:jsonb input_digest computed_at`,
  },
  // Not in the specification's list: the hash chain over the research tables, and where it was signed.
  research_chain: {
    columns: `sequence:bigint previous_hash table_name:text row_key row_text:text row_hash entry_hash`,
  },
  chain_checkpoints: {
    columns: `id:uuid sequence:bigint entry_hash signing_key_id envelope:text store_key:text(256) signed_at`,
  },
};

const inferences: readonly (readonly [RegExp, string])[] = [
  [/^(account_label)$/, 'text(64)'],
  [/^symbol$/, 'text(32)'],
  [/(_at|_ts|_start|_end)$|^as_of$|^at$/, 'timestamptz'],
  [/_date$/, 'date'],
  [/_count$/, 'bigint'],
  [/(hash|digest|sha256)$/, 'hash'],
  [
    /price|qty|notional|pnl|cost|bps|ratio|_market_value$|_ci_|^realized_|^equity$|^cash$|^buying_power$|^net_amount$|^max_drawdown_usd$|^commissions$|^regulatory_fees$|^unrealized$|^maintenance_margin$/,
    'numeric(20,8)',
  ],
];

/** The type of a column that is named without one. */
export const inferredType = (name: string): string =>
  inferences.find(([pattern]) => pattern.test(name))?.[1] ?? 'text(128)';
