SET LOCAL ROLE torghut_owner;

-- completed means the lane ran; what the gates said is in gate_evaluations.
CREATE TABLE research_runs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  run_id trace_id NOT NULL UNIQUE,
  account_label text64 NOT NULL,
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'skipped')),
  no_signal_reason text CHECK (no_signal_reason IN (
    'market_closed', 'kill_switch_engaged', 'emergency_stop_active', 'autonomy_disabled', 'clickhouse_unreachable',
    'universe_source_unavailable', 'universe_source_stale_cache', 'feature_quality_rejected', 'cursor_ahead_of_stream',
    'cursor_tail_stable', 'no_signals_in_window'
  )),
  attempts integer NOT NULL,
  target text NOT NULL CHECK (target IN ('shadow', 'paper', 'canary', 'live', 'full')),
  strategy_pk uuid NOT NULL REFERENCES strategies ON DELETE RESTRICT,
  strategy_id text128 NOT NULL,
  strategy_type text64 NOT NULL,
  strategy_version text32 NOT NULL,
  code_hash hash NOT NULL,
  runner_version text128 NOT NULL,
  feature_contract_id uuid NOT NULL REFERENCES feature_contracts ON DELETE RESTRICT,
  dataset_hash hash,
  dataset_from timestamptz,
  dataset_to timestamptz,
  dataset_manifest_key text128,
  execution_model_hash hash NOT NULL,
  split_plan_hash hash NOT NULL,
  policy_digest hash NOT NULL,
  window_overlap_seconds integer NOT NULL,
  manifest_key text128,
  manifest_sha256 hash,
  gate_report_trace_id trace_id,
  recommendation_trace_id trace_id,
  failure_code text CHECK (failure_code IN (
    'dataset_unavailable', 'strategy_unresolved', 'evaluation_error', 'artifact_write_failed', 'persistence_failed',
    'signing_failed'
  )),
  failure_detail jsonb,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT research_runs_skipped_has_reason CHECK ((status = 'skipped') = (no_signal_reason IS NOT NULL)),
  CONSTRAINT research_runs_completed_has_manifest CHECK (status <> 'completed' OR manifest_sha256 IS NOT NULL),
  CONSTRAINT research_runs_failed_has_code CHECK ((status = 'failed') = (failure_code IS NOT NULL))
);
CREATE INDEX research_runs_latest_idx ON research_runs (account_label, window_start);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON research_runs FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON research_runs TO torghut_app;
GRANT SELECT ON research_runs TO torghut_readonly;

CREATE TABLE research_candidates (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  candidate_id text64 NOT NULL UNIQUE,
  run_id uuid NOT NULL REFERENCES research_runs ON DELETE RESTRICT,
  candidate_hash hash NOT NULL,
  trial_hash hash NOT NULL,
  family text64 NOT NULL,
  parameter_set jsonb NOT NULL,
  decision_count bigint NOT NULL,
  trade_count bigint NOT NULL,
  symbols_covered text[] NOT NULL,
  universe_hash hash NOT NULL,
  spec_key text128 NOT NULL,
  spec_sha256 hash NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (run_id, candidate_hash)
);
CREATE INDEX research_candidates_family_idx ON research_candidates (family, trial_hash);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON research_candidates EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON research_candidates TO torghut_app;
GRANT SELECT ON research_candidates TO torghut_readonly;

CREATE TABLE research_fold_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  candidate_id uuid NOT NULL REFERENCES research_candidates ON DELETE RESTRICT,
  fold_name text64 NOT NULL,
  fold_order integer NOT NULL,
  train_start timestamptz NOT NULL,
  train_end timestamptz NOT NULL,
  test_start timestamptz NOT NULL,
  test_end timestamptz NOT NULL,
  purge_seconds integer NOT NULL,
  embargo_seconds integer NOT NULL,
  decision_count bigint NOT NULL,
  trade_count bigint NOT NULL,
  gross_pnl amount NOT NULL,
  net_pnl amount NOT NULL,
  total_cost amount NOT NULL,
  max_drawdown_usd amount NOT NULL,
  turnover_ratio amount NOT NULL,
  cost_bps amount,
  sharpe_per_period double precision
    CONSTRAINT research_fold_metrics_sharpe_is_finite CHECK (sharpe_per_period > '-Infinity' AND sharpe_per_period < 'Infinity'),
  regime_label text128 NOT NULL,
  cost_assumptions jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (candidate_id, fold_name),
  CONSTRAINT research_fold_metrics_train_before_test CHECK (
    train_end + make_interval(secs => purge_seconds) <= test_start AND test_start < test_end
  )
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON research_fold_metrics EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON research_fold_metrics TO torghut_app;
GRANT SELECT ON research_fold_metrics TO torghut_readonly;

CREATE TABLE research_stress_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  candidate_id uuid NOT NULL REFERENCES research_candidates ON DELETE RESTRICT,
  stress_case text NOT NULL CHECK (stress_case IN (
    'spread_x2', 'spread_x3', 'volatility_x2', 'liquidity_cut', 'halt_gap', 'delayed_data', 'reject_burst'
  )),
  net_pnl_base amount NOT NULL,
  net_pnl_stressed amount NOT NULL,
  pessimistic_pnl_delta amount NOT NULL,
  metric_bundle jsonb NOT NULL,
  evidence_class text NOT NULL CHECK (evidence_class IN ('observed', 'simulated')),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (candidate_id, stress_case)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON research_stress_metrics EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON research_stress_metrics TO torghut_app;
GRANT SELECT ON research_stress_metrics TO torghut_readonly;

CREATE TABLE gate_evaluations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  candidate_id uuid NOT NULL REFERENCES research_candidates ON DELETE RESTRICT,
  run_id uuid NOT NULL REFERENCES research_runs ON DELETE RESTRICT,
  target text NOT NULL CHECK (target IN ('shadow', 'paper', 'canary', 'live', 'full')),
  policy_version text128 NOT NULL,
  policy_digest hash NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('PASS', 'FAIL', 'INCONCLUSIVE')),
  recommended_stage text NOT NULL CHECK (recommended_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  gates jsonb NOT NULL,
  codes text[] NOT NULL,
  report_key text128 NOT NULL,
  report_sha256 hash NOT NULL,
  envelope_key text128 NOT NULL,
  signing_key_id text128 NOT NULL,
  schema_version text128 NOT NULL,
  trace_id trace_id NOT NULL,
  evaluated_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (candidate_id, target, policy_digest)
);
CREATE INDEX gate_evaluations_run_idx ON gate_evaluations (run_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gate_evaluations EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON gate_evaluations TO torghut_app;
GRANT SELECT ON gate_evaluations TO torghut_readonly;
