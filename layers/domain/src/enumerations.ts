/**
 * Every closed set that is stored. The CHECK constraints of the migrations hold exactly these values; a test compares
 * them with the catalogue of a migrated database.
 */
export const stages = ['shadow', 'paper', 'canary', 'live', 'full'] as const;
export type Stage = (typeof stages)[number];

export const capitalLevels = ['L0', 'L1', 'L2', 'L3'] as const;
export type CapitalLevel = (typeof capitalLevels)[number];

export const sides = ['buy', 'sell'] as const;
export type Side = (typeof sides)[number];

export const intents = ['entry', 'exit', 'reduce'] as const;
export type IntentKind = (typeof intents)[number];

export const orderTypes = ['market', 'limit', 'stop', 'stop_limit'] as const;
export type OrderType = (typeof orderTypes)[number];

export const timesInForce = ['day', 'gtc', 'ioc', 'fok'] as const;
export type TimeInForce = (typeof timesInForce)[number];

export const consumers = ['trading', 'lane'] as const;
export type Consumer = (typeof consumers)[number];

/** Adapters that can own an order. `unknown` exists only for imported historic rows. */
export const executionAdapters = ['lean', 'alpaca'] as const;
export type ExecutionAdapter = (typeof executionAdapters)[number];
export const provenanceAdapters = ['lean', 'alpaca', 'unknown'] as const;
export type ProvenanceAdapter = (typeof provenanceAdapters)[number];
export const stateAdapters = ['lean', 'alpaca', 'llm'] as const;
export type StateAdapter = (typeof stateAdapters)[number];
export const provenanceSources = ['route', 'adopted', 'backfill'] as const;
export type ProvenanceSource = (typeof provenanceSources)[number];

export const noSignalReasons = [
  'market_closed',
  'kill_switch_engaged',
  'emergency_stop_active',
  'autonomy_disabled',
  'clickhouse_unreachable',
  'universe_source_unavailable',
  'universe_source_stale_cache',
  'feature_quality_rejected',
  'cursor_ahead_of_stream',
  'cursor_tail_stable',
  'no_signals_in_window',
] as const;
export type NoSignalReason = (typeof noSignalReasons)[number];

export const universeStatuses = ['ok', 'degraded', 'blocked', 'unavailable'] as const;
export type UniverseStatus = (typeof universeStatuses)[number];
export const universeReasons = [
  'jangar_fetch_ok',
  'jangar_cache_hit',
  'jangar_url_missing',
  'jangar_fetch_failed',
  'jangar_payload_decode_failed',
  'jangar_payload_empty',
] as const;
export type UniverseReason = (typeof universeReasons)[number];

export const sessionKinds = ['full', 'half', 'closed'] as const;
export type SessionKind = (typeof sessionKinds)[number];
export const calendarSources = ['alpaca', 'fallback'] as const;
export type CalendarSource = (typeof calendarSources)[number];

export const contractStatuses = ['active', 'retired'] as const;

export const decisionStatuses = [
  'planned',
  'denied',
  'queued',
  'submitted',
  'unknown',
  'partially_filled',
  'filled',
  'canceled',
  'expired',
  'rejected',
] as const;
export type DecisionStatus = (typeof decisionStatuses)[number];

export const orderStates = [
  'planned',
  'denied',
  'submitting',
  'unknown',
  'acknowledged',
  'working',
  'partially_filled',
  'pending_cancel',
  'pending_replace',
  'filled',
  'canceled',
  'expired',
  'replaced',
  'rejected',
] as const;
export type OrderState = (typeof orderStates)[number];

export const receiptOperations = [
  'submit',
  'cancel',
  'cancel_all',
  'replace',
  'close_position',
  'suspend_trade',
] as const;
export type ReceiptOperation = (typeof receiptOperations)[number];
export const receiptStates = ['claimed', 'io', 'settled'] as const;
export type ReceiptState = (typeof receiptStates)[number];
export const receiptOutcomes = [
  'acknowledged',
  'rejected',
  'denied',
  'adopted',
  'already_satisfied',
  'not_sent',
  'not_found',
  'unknown',
] as const;
export type ReceiptOutcome = (typeof receiptOutcomes)[number];

export const orderEventSources = ['trade_updates', 'poll', 'activities', 'replay'] as const;
export type OrderEventSource = (typeof orderEventSources)[number];

export const snapshotKinds = ['cycle', 'day_start', 'reconcile', 'incident'] as const;
export type SnapshotKind = (typeof snapshotKinds)[number];

export const adapterStates = ['enabled', 'canary', 'disabled', 'manual_review'] as const;
export type AdapterStateName = (typeof adapterStates)[number];
export const breakerStates = ['closed', 'open', 'half_open'] as const;
export type BreakerState = (typeof breakerStates)[number];

export const parityKinds = ['request', 'behaviour'] as const;
export const parityResults = ['pass', 'fail', 'inconclusive'] as const;
export const evidenceClasses = ['observed', 'simulated'] as const;
export type EvidenceClass = (typeof evidenceClasses)[number];

export const controls = [
  'kill_switch',
  'emergency_stop',
  'reduce_only',
  'trading_enabled',
  'autonomy_enabled',
  'trading_mode',
  'broker_suspend',
] as const;
export type ControlName = (typeof controls)[number];

export const incidentClasses = ['A', 'B', 'C', 'D'] as const;
export const severities = ['info', 'warn', 'critical'] as const;
export type Severity = (typeof severities)[number];
export const drillKinds = [
  'kill_switch',
  'rollback',
  'cancel_all',
  'flatten',
  'lean_disable',
  'restore',
  'replay',
] as const;
export const deadLetterSources = [
  'feature_quality',
  'research_persistence',
  'queue',
  'outbox',
  'order_feed',
  'llm',
] as const;
export type DeadLetterSource = (typeof deadLetterSources)[number];
export const deadLetterResolutions = ['replayed', 'discarded', 'superseded'] as const;
export const reconciliationScopes = ['orders', 'positions', 'cash', 'evidence', 'nightly'] as const;
export const reconciliationStatuses = ['running', 'completed', 'failed'] as const;
export const breakTypes = [
  'order_missing_at_broker',
  'external_order',
  'order_status_mismatch',
  'fill_missing_locally',
  'fill_duplicate',
  'fill_qty_mismatch',
  'fill_price_mismatch',
  'overfill',
  'position_qty_mismatch',
  'position_avg_price_mismatch',
  'cash_mismatch',
  'fee_mismatch',
  'corporate_action_pending',
  'unknown_activity',
  'trade_bust',
  'trade_correct',
  'unknown_receipt_aged',
  'stuck_pending_cancel',
  'late_fill',
  'illegal_transition',
  'provenance_missing',
  'evidence_chain_incomplete',
  'evidence_hash_mismatch',
  'evidence_empty',
] as const;
export type BreakType = (typeof breakTypes)[number];
export const breakStatuses = ['open', 'healed', 'accepted', 'escalated'] as const;

export const runStatuses = ['running', 'completed', 'failed', 'skipped'] as const;
export const runFailureCodes = [
  'dataset_unavailable',
  'strategy_unresolved',
  'evaluation_error',
  'artifact_write_failed',
  'persistence_failed',
  'signing_failed',
] as const;
export const stressCases = [
  'spread_x2',
  'spread_x3',
  'volatility_x2',
  'liquidity_cut',
  'halt_gap',
  'delayed_data',
  'reject_burst',
] as const;
export type StressCase = (typeof stressCases)[number];
/** Tables whose rows the hash chain of the research ledger holds. */
export const chainedTables = [
  'research_runs',
  'research_trials',
  'research_candidates',
  'research_fold_metrics',
  'research_stress_metrics',
  'gate_evaluations',
  'research_promotions',
] as const;
export const gateVerdicts = ['PASS', 'FAIL', 'INCONCLUSIVE'] as const;
export const promotionActions = ['promote', 'hold', 'deny', 'demote', 'rollback', 'expire'] as const;
export const approvalStatuses = ['pending', 'approved', 'denied', 'expired', 'consumed'] as const;
export const approvalDecisions = ['approve', 'deny'] as const;
export const capitalStageCauses = ['promotion', 'ramp', 'de_escalation', 'rollback', 'operator'] as const;
export const evidenceStates = ['sufficient', 'insufficient'] as const;

export const reviewModes = ['shadow', 'effective'] as const;
export const reviewVerdicts = ['approve', 'veto', 'adjust', 'error'] as const;
export const effectiveVerdicts = ['approve', 'veto', 'adjust', 'none'] as const;
