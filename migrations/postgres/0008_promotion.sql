SET LOCAL ROLE torghut_owner;

CREATE TABLE approvals (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  candidate_id uuid NOT NULL REFERENCES research_candidates ON DELETE RESTRICT,
  gate_evaluation_id uuid NOT NULL REFERENCES gate_evaluations ON DELETE RESTRICT,
  from_stage text NOT NULL CHECK (from_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  to_stage text NOT NULL CHECK (to_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  evidence_digest hash NOT NULL,
  requested_by text128 NOT NULL,
  required_approvers integer NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'approved', 'denied', 'expired', 'consumed')),
  acknowledged_codes text[] NOT NULL,
  requested_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  decided_at timestamptz,
  consumed_at timestamptz,
  execution_arn text NOT NULL CHECK (length(execution_arn) <= 256),
  task_token_ciphertext bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT approvals_expire_after_24_hours CHECK (expires_at = requested_at + interval '24 hours')
);
CREATE UNIQUE INDEX approvals_pending_key ON approvals (candidate_id, to_stage) WHERE status = 'pending';
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON approvals TO torghut_app;
GRANT SELECT ON approvals TO torghut_readonly;

-- Refused and late answers are rows too (accepted = false).
CREATE TABLE approval_responses (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  approval_id uuid NOT NULL REFERENCES approvals ON DELETE RESTRICT,
  approver text128 NOT NULL,
  approver_role text128 NOT NULL,
  decision text NOT NULL CHECK (decision IN ('approve', 'deny')),
  evidence_digest hash NOT NULL,
  reason text NOT NULL,
  accepted boolean NOT NULL,
  refusal_codes text[] NOT NULL,
  envelope_key text128,
  responded_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX approval_responses_accepted_key ON approval_responses (approval_id, approver) WHERE accepted;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approval_responses EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON approval_responses TO torghut_app;
GRANT SELECT ON approval_responses TO torghut_readonly;

-- Every attempt, allowed or denied.
CREATE TABLE research_promotions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  candidate_id uuid NOT NULL REFERENCES research_candidates ON DELETE RESTRICT,
  run_id uuid NOT NULL REFERENCES research_runs ON DELETE RESTRICT,
  gate_evaluation_id uuid REFERENCES gate_evaluations ON DELETE RESTRICT,
  approval_id uuid REFERENCES approvals ON DELETE RESTRICT,
  from_stage text NOT NULL CHECK (from_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  requested_stage text NOT NULL CHECK (requested_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  approved_stage text CHECK (approved_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  decision_action text NOT NULL CHECK (decision_action IN ('promote', 'hold', 'deny', 'demote', 'rollback', 'expire')),
  reasons text[] NOT NULL,
  reason_details jsonb NOT NULL,
  requested_by text128 NOT NULL,
  evidence_digest hash,
  record_key text128,
  record_sha256 hash,
  envelope_key text128,
  effective_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT research_promotions_promote_has_proof CHECK (
    decision_action <> 'promote' OR (gate_evaluation_id IS NOT NULL AND record_sha256 IS NOT NULL)
  ),
  CONSTRAINT research_promotions_refusal_has_reasons CHECK (
    decision_action NOT IN ('deny', 'demote', 'rollback', 'expire') OR cardinality(reasons) > 0
  ),
  -- An unnamed stage would pass the next check by having nothing to compare.
  CONSTRAINT research_promotions_promote_names_stage CHECK (decision_action <> 'promote' OR approved_stage IS NOT NULL),
  CONSTRAINT research_promotions_capital_has_approval CHECK (
    decision_action <> 'promote' OR approved_stage NOT IN ('canary', 'live', 'full') OR approval_id IS NOT NULL
  )
);
CREATE INDEX research_promotions_candidate_idx ON research_promotions (candidate_id);
CREATE INDEX research_promotions_run_idx ON research_promotions (run_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON research_promotions EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON research_promotions TO torghut_app;
GRANT SELECT ON research_promotions TO torghut_readonly;

-- The stage a strategy holds, with its limits. A change supersedes and appends.
CREATE TABLE capital_stages (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  strategy_pk uuid NOT NULL REFERENCES strategies ON DELETE RESTRICT,
  candidate_id uuid REFERENCES research_candidates ON DELETE RESTRICT,
  stage text NOT NULL CHECK (stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  level text CHECK (level IN ('L0', 'L1', 'L2', 'L3')),
  symbols text[] NOT NULL,
  max_notional_per_trade amount,
  max_position_pct_equity amount,
  cause text NOT NULL CHECK (cause IN ('promotion', 'ramp', 'de_escalation', 'rollback', 'operator')),
  codes text[] NOT NULL,
  promotion_id uuid REFERENCES research_promotions ON DELETE RESTRICT,
  actor text128 NOT NULL,
  entered_at timestamptz NOT NULL,
  superseded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT capital_stages_canary_is_narrow CHECK (stage <> 'canary' OR cardinality(symbols) BETWEEN 1 AND 2)
);
CREATE UNIQUE INDEX capital_stages_current_key ON capital_stages (account_label, strategy_pk) WHERE superseded_at IS NULL;
CREATE TRIGGER supersede_only BEFORE UPDATE ON capital_stages FOR EACH ROW EXECUTE FUNCTION refuse_rewrite('superseded_at');
CREATE TRIGGER no_removal BEFORE DELETE OR TRUNCATE ON capital_stages EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT, UPDATE (superseded_at) ON capital_stages TO torghut_app;
GRANT SELECT ON capital_stages TO torghut_readonly;

CREATE TABLE profitability_snapshots (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  strategy_pk uuid REFERENCES strategies ON DELETE RESTRICT,
  candidate_id uuid REFERENCES research_candidates ON DELETE RESTRICT,
  stage text NOT NULL CHECK (stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  session_date date NOT NULL,
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  realized_gross amount NOT NULL,
  commissions amount NOT NULL,
  regulatory_fees amount NOT NULL,
  realized_net amount NOT NULL,
  unrealized amount NOT NULL,
  fills integer NOT NULL,
  decisions integer NOT NULL,
  rejected integer NOT NULL,
  llm_errors integer NOT NULL,
  qty_below_min integer NOT NULL,
  mae_bps_p50 amount,
  mae_bps_p95 amount,
  mfe_bps_p50 amount,
  net_ci_low amount,
  net_ci_high amount,
  trade_count integer NOT NULL,
  evidence_state text NOT NULL CHECK (evidence_state IN ('sufficient', 'insufficient')),
  session_accepted boolean,
  failing_codes text[] NOT NULL,
  attribution jsonb NOT NULL,
  input_digest hash NOT NULL,
  computed_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT profitability_snapshots_input_key
    UNIQUE NULLS NOT DISTINCT (account_label, strategy_pk, session_date, input_digest)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON profitability_snapshots EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON profitability_snapshots TO torghut_app;
GRANT SELECT ON profitability_snapshots TO torghut_readonly;
