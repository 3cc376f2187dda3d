type TablePrivilege = 'SELECT' | 'INSERT' | 'UPDATE';

/** What the runtime role may do with a table: the whole table, and single columns it may update besides. */
export interface RuntimePrivileges {
  readonly table: readonly TablePrivilege[];
  readonly updatableColumns: readonly string[];
}

const readOnly: RuntimePrivileges = { table: ['SELECT'], updatableColumns: [] };
const appendOnly: RuntimePrivileges = { table: ['SELECT', 'INSERT'], updatableColumns: [] };
const mutable: RuntimePrivileges = { table: ['SELECT', 'INSERT', 'UPDATE'], updatableColumns: [] };
const appendAndUpdate = (...columns: string[]): RuntimePrivileges => ({
  table: ['SELECT', 'INSERT'],
  updatableColumns: columns,
});

/** Every table and view, with exactly the privileges `torghut_app` holds on it. A test compares it with the catalogue. */
export const runtimePrivileges: Readonly<Record<string, RuntimePrivileges>> = {
  schema_migrations: readOnly,
  strategies: mutable,
  strategy_health: mutable,
  feature_contracts: appendOnly,
  market_calendar: mutable,
  universe_resolutions: appendOnly,
  signal_windows: mutable,
  trade_cursor: mutable,
  trade_decisions: mutable,
  llm_decision_reviews: appendOnly,
  order_state_transitions: readOnly,
  broker_receipts: mutable,
  outbox: mutable,
  executions: mutable,
  execution_order_events: appendAndUpdate('execution_id', 'trade_decision_id'),
  account_activities: appendOnly,
  position_snapshots: appendOnly,
  execution_tca_metrics: mutable,
  booked_fills: readOnly,
  fill_movements: readOnly,
  execution_tca_by_strategy: readOnly,
  execution_tca_by_strategy_symbol: readOnly,
  adapter_states: appendAndUpdate('superseded_at', 'consecutive_failures', 'window_stats'),
  parity_checks: appendOnly,
  trading_controls: appendAndUpdate(
    'superseded_at',
    'clean_evaluations',
    'acknowledged_by',
    'acknowledged_at',
    'cleared_by',
    'cleared_at',
  ),
  safety_incidents: mutable,
  drills: appendOnly,
  dead_letters: mutable,
  reconciliation_runs: mutable,
  reconciliation_breaks: mutable,
  research_runs: mutable,
  research_trials: appendOnly,
  research_candidates: appendOnly,
  research_fold_metrics: appendOnly,
  research_stress_metrics: appendOnly,
  gate_evaluations: appendOnly,
  approvals: mutable,
  approval_responses: appendOnly,
  research_promotions: appendOnly,
  capital_stages: appendAndUpdate('superseded_at'),
  profitability_snapshots: appendOnly,
  // Filled by a trigger of its owner's.
  research_chain: readOnly,
  chain_checkpoints: appendOnly,
  dataset_snapshots: appendOnly,
};

/** Sequences the runtime role draws from (USAGE). */
export const runtimeSequences = ['fencing_token', 'outbox_id_seq'] as const;

/** Functions the runtime role calls (EXECUTE). */
export const runtimeFunctions = ['next_fencing_token()', 'lock_research_chain()'] as const;
