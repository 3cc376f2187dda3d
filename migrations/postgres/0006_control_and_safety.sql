SET LOCAL ROLE torghut_owner;

-- Controls in force and their history. A change supersedes and appends; a control without a row reads as closed.
CREATE TABLE trading_controls (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  control text NOT NULL CHECK (control IN (
    'kill_switch', 'emergency_stop', 'reduce_only', 'trading_enabled', 'autonomy_enabled', 'trading_mode', 'broker_suspend'
  )),
  engaged boolean NOT NULL,
  value text,
  reasons jsonb NOT NULL CHECK (jsonb_typeof(reasons) = 'array'),
  actor text128 NOT NULL,
  note text NOT NULL,
  clean_evaluations integer NOT NULL DEFAULT 0,
  acknowledged_by text128,
  acknowledged_at timestamptz,
  cleared_by text128,
  cleared_at timestamptz,
  at timestamptz NOT NULL,
  superseded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT trading_controls_emergency_stop_has_reasons CHECK (
    control <> 'emergency_stop' OR NOT engaged OR jsonb_array_length(reasons) > 0
  )
);
CREATE UNIQUE INDEX trading_controls_current_key ON trading_controls (account_label, control) WHERE superseded_at IS NULL;
CREATE TRIGGER supersede_only BEFORE UPDATE ON trading_controls FOR EACH ROW EXECUTE FUNCTION refuse_rewrite(
  'superseded_at', 'clean_evaluations', 'acknowledged_by', 'acknowledged_at', 'cleared_by', 'cleared_at'
);
CREATE TRIGGER no_removal BEFORE DELETE OR TRUNCATE ON trading_controls EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT,
  UPDATE (superseded_at, clean_evaluations, acknowledged_by, acknowledged_at, cleared_by, cleared_at)
  ON trading_controls TO torghut_app;
GRANT SELECT ON trading_controls TO torghut_readonly;

CREATE TABLE safety_incidents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  class text NOT NULL CHECK (class IN ('A', 'B', 'C', 'D')),
  severity text NOT NULL CHECK (severity IN ('info', 'warn', 'critical')),
  trigger_codes text[] NOT NULL CONSTRAINT safety_incidents_has_trigger CHECK (cardinality(trigger_codes) > 0),
  triggered_at timestamptz NOT NULL,
  evidence_key text128,
  evidence_sha256 hash,
  evidence_complete boolean NOT NULL,
  hooks jsonb NOT NULL,
  cancelled_orders jsonb NOT NULL,
  contained_at timestamptz,
  resolved_at timestamptz,
  resolved_by text128,
  resolution_note text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_label, triggered_at, trigger_codes)
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON safety_incidents FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON safety_incidents TO torghut_app;
GRANT SELECT ON safety_incidents TO torghut_readonly;

CREATE TABLE drills (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  kind text NOT NULL CHECK (kind IN (
    'kill_switch', 'rollback', 'cancel_all', 'flatten', 'lean_disable', 'restore', 'replay'
  )),
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  succeeded boolean NOT NULL,
  time_to_flat_seconds numeric CHECK (time_to_flat_seconds <> 'NaN'),
  operator text128 NOT NULL,
  evidence_key text128,
  codes text[] NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT drills_expire_after_72_hours CHECK (expires_at = finished_at + interval '72 hours')
);
CREATE INDEX drills_latest_idx ON drills (account_label, kind, started_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON drills EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON drills TO torghut_app;
GRANT SELECT ON drills TO torghut_readonly;

CREATE TABLE dead_letters (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  source text NOT NULL CHECK (source IN (
    'feature_quality', 'research_persistence', 'queue', 'outbox', 'order_feed', 'llm'
  )),
  account_label text64 NOT NULL,
  key text NOT NULL,
  codes text[] NOT NULL CONSTRAINT dead_letters_has_codes CHECK (cardinality(codes) > 0),
  payload_key text128,
  payload jsonb,
  attempts integer NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  resolved_at timestamptz,
  resolved_by text128,
  resolution text CHECK (resolution IN ('replayed', 'discarded', 'superseded')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (source, key)
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON dead_letters FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON dead_letters TO torghut_app;
GRANT SELECT ON dead_letters TO torghut_readonly;

CREATE TABLE reconciliation_runs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  scope text NOT NULL CHECK (scope IN ('orders', 'positions', 'cash', 'evidence', 'nightly')),
  scheduled_for timestamptz NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'completed', 'failed')),
  sources jsonb NOT NULL,
  checked integer NOT NULL,
  breaks integer NOT NULL,
  healed integer NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_label, scope, scheduled_for)
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON reconciliation_runs FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON reconciliation_runs TO torghut_app;
GRANT SELECT ON reconciliation_runs TO torghut_readonly;

CREATE TABLE reconciliation_breaks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  run_id uuid NOT NULL REFERENCES reconciliation_runs ON DELETE RESTRICT,
  account_label text64 NOT NULL,
  break_type text NOT NULL CHECK (break_type IN (
    'order_missing_at_broker', 'external_order', 'order_status_mismatch', 'fill_missing_locally', 'fill_duplicate',
    'fill_qty_mismatch', 'fill_price_mismatch', 'overfill', 'position_qty_mismatch', 'position_avg_price_mismatch',
    'cash_mismatch', 'fee_mismatch', 'corporate_action_pending', 'trade_bust', 'trade_correct', 'unknown_receipt_aged',
    'stuck_pending_cancel', 'late_fill', 'illegal_transition', 'provenance_missing', 'evidence_chain_incomplete',
    'evidence_hash_mismatch', 'evidence_empty'
  )),
  symbol text32,
  order_ref text128,
  ours jsonb NOT NULL,
  theirs jsonb NOT NULL,
  tolerance jsonb NOT NULL,
  severity text NOT NULL CHECK (severity IN ('info', 'warn', 'critical')),
  heal_policy text128 NOT NULL,
  healed_at timestamptz,
  heal_proof jsonb,
  status text NOT NULL CHECK (status IN ('open', 'healed', 'accepted', 'escalated')),
  status_by text128,
  dedup_key hash NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX reconciliation_breaks_open_key ON reconciliation_breaks (account_label, dedup_key) WHERE status = 'open';
CREATE INDEX reconciliation_breaks_run_idx ON reconciliation_breaks (run_id);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON reconciliation_breaks FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON reconciliation_breaks TO torghut_app;
GRANT SELECT ON reconciliation_breaks TO torghut_readonly;
