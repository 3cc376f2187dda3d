SET LOCAL ROLE torghut_owner;

-- Legal changes of an order's state; the domain's orderTransitions, which a test compares. A change that is not listed
-- is stored as a reconciliation break, not applied. canceled and expired lead on by a late fill only.
CREATE TABLE order_state_transitions (
  from_state text NOT NULL,
  to_state text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO order_state_transitions (from_state, to_state)
SELECT from_state, unnest(to_states)
FROM (VALUES
  ('planned', '{submitting,denied}'::text[]),
  ('submitting', '{acknowledged,working,partially_filled,filled,canceled,expired,rejected,unknown,denied}'),
  ('unknown', '{acknowledged,working,partially_filled,filled,canceled,expired,rejected,replaced,submitting,denied}'),
  ('acknowledged', '{working,partially_filled,filled,pending_cancel,pending_replace,canceled,expired,rejected}'),
  ('working', '{partially_filled,filled,pending_cancel,pending_replace,canceled,expired,replaced,rejected}'),
  ('partially_filled', '{partially_filled,filled,pending_cancel,pending_replace,canceled,expired,replaced}'),
  ('pending_cancel', '{canceled,filled,partially_filled,working,expired}'),
  ('pending_replace', '{replaced,working,partially_filled,filled,canceled}'),
  ('canceled', '{filled,partially_filled}'),
  ('expired', '{filled,partially_filled}')
) AS legal (from_state, to_states);
GRANT SELECT ON order_state_transitions TO torghut_app, torghut_readonly;

-- Rises with every claim, so that a worker whose claim was taken over can be told from the one that holds it.
CREATE SEQUENCE fencing_token AS bigint;
GRANT USAGE ON SEQUENCE fencing_token TO torghut_app;

-- The right to make one broker write, and what became of it.
CREATE TABLE broker_receipts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  operation text NOT NULL CHECK (operation IN (
    'submit', 'cancel', 'cancel_all', 'replace', 'close_position', 'suspend_trade'
  )),
  trade_decision_id uuid REFERENCES trade_decisions ON DELETE RESTRICT,
  client_order_id text128,
  attempt integer NOT NULL CHECK (attempt >= 1),
  adapter text NOT NULL CHECK (adapter IN ('lean', 'alpaca')),
  symbol text32,
  request_sha256 hash NOT NULL,
  request_json jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('claimed', 'io', 'settled')),
  outcome text CHECK (outcome IN (
    'acknowledged', 'rejected', 'denied', 'adopted', 'already_satisfied', 'not_sent', 'not_found', 'unknown'
  )),
  outcome_codes text[] NOT NULL,
  broker_order_id text128,
  http_status integer,
  x_request_id text,
  response_json jsonb,
  fencing_token bigint NOT NULL,
  lease_expires_at timestamptz NOT NULL,
  claimed_at timestamptz NOT NULL,
  io_at timestamptz,
  settled_at timestamptz,
  resolved_at timestamptz,
  next_check_at timestamptz,
  check_count integer NOT NULL,
  control_snapshot jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT broker_receipts_settled_has_outcome CHECK ((state = 'settled') = (outcome IS NOT NULL))
);
CREATE UNIQUE INDEX broker_receipts_submit_key
  ON broker_receipts (account_label, client_order_id, adapter, attempt) WHERE operation = 'submit';
-- Nothing can be claimed beside an open or unknown submit of the same order.
CREATE UNIQUE INDEX broker_receipts_open_submit_key
  ON broker_receipts (account_label, client_order_id)
  WHERE operation = 'submit' AND (state IN ('claimed', 'io') OR outcome = 'unknown');
CREATE INDEX broker_receipts_due_idx ON broker_receipts (account_label, next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX broker_receipts_decision_idx ON broker_receipts (trade_decision_id);

CREATE FUNCTION guard_broker_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'settled' AND NEW.state <> 'settled' THEN
    RAISE EXCEPTION 'broker receipt % is settled as % and cannot be reopened as %', OLD.id, OLD.outcome, NEW.state
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.outcome <> 'unknown' AND NEW.outcome IS DISTINCT FROM OLD.outcome THEN
    RAISE EXCEPTION 'broker receipt % is settled as %; only an unknown outcome can become %', OLD.id, OLD.outcome, NEW.outcome
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.fencing_token < OLD.fencing_token THEN
    RAISE EXCEPTION 'broker receipt % is held under fencing token %; token % is stale', OLD.id, OLD.fencing_token, NEW.fencing_token
      USING ERRCODE = 'restrict_violation';
  END IF;
  -- After I/O only a new claim can start over; the old one no longer knows what the broker did.
  IF OLD.state = 'io' AND NEW.state = 'claimed' AND NEW.fencing_token = OLD.fencing_token THEN
    RAISE EXCEPTION 'broker receipt % is in I/O under fencing token %; a new claim needs a higher token', OLD.id, OLD.fencing_token
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER guard_broker_receipt BEFORE UPDATE ON broker_receipts FOR EACH ROW EXECUTE FUNCTION guard_broker_receipt();
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON broker_receipts FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON broker_receipts TO torghut_app;
GRANT SELECT ON broker_receipts TO torghut_readonly;

-- Messages, written in the transaction of the fact they announce and drained in id order per group.
CREATE TABLE outbox (
  id bigserial PRIMARY KEY,
  topic text128 NOT NULL,
  group_key text128 NOT NULL,
  dedup_id text128 NOT NULL UNIQUE,
  payload jsonb NOT NULL,
  available_at timestamptz NOT NULL,
  published_at timestamptz,
  attempts integer NOT NULL,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_unpublished_idx ON outbox (id) WHERE published_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON outbox TO torghut_app;
GRANT USAGE ON SEQUENCE outbox_id_seq TO torghut_app;
GRANT SELECT ON outbox TO torghut_readonly;

CREATE TABLE executions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  trade_decision_id uuid REFERENCES trade_decisions ON DELETE RESTRICT,
  client_order_id text128,
  alpaca_order_id text128 NOT NULL,
  attempt integer NOT NULL CHECK (attempt >= 1),
  symbol text32 NOT NULL,
  side text NOT NULL CHECK (side IN ('buy', 'sell')),
  order_type text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
  time_in_force text NOT NULL CHECK (time_in_force IN ('day', 'gtc', 'ioc', 'fok')),
  submitted_qty amount NOT NULL CHECK (submitted_qty > 0),
  filled_qty amount NOT NULL CHECK (filled_qty >= 0),
  avg_fill_price amount,
  state text NOT NULL CHECK (state IN (
    'planned', 'denied', 'submitting', 'unknown', 'acknowledged', 'working', 'partially_filled', 'pending_cancel',
    'pending_replace', 'filled', 'canceled', 'expired', 'replaced', 'rejected'
  )),
  broker_status text32,
  execution_expected_adapter text NOT NULL CHECK (execution_expected_adapter IN ('lean', 'alpaca', 'unknown')),
  execution_actual_adapter text NOT NULL CHECK (execution_actual_adapter IN ('lean', 'alpaca', 'unknown')),
  execution_fallback_reason text128,
  execution_fallback_count integer NOT NULL DEFAULT 0 CHECK (execution_fallback_count >= 0),
  provenance_source text NOT NULL CHECK (provenance_source IN ('route', 'adopted', 'backfill')),
  route_context jsonb NOT NULL,
  execution_correlation_id text64,
  execution_idempotency_key text128,
  replaces_id uuid REFERENCES executions ON DELETE RESTRICT,
  replaced_by_id uuid REFERENCES executions ON DELETE RESTRICT,
  raw_order jsonb NOT NULL,
  last_broker_json jsonb,
  order_feed_last_event_ts timestamptz,
  order_feed_last_seq bigint,
  submitted_at timestamptz NOT NULL,
  last_update_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_label, alpaca_order_id),
  UNIQUE (account_label, client_order_id),
  CONSTRAINT executions_unknown_adapter_is_historic CHECK (
    'unknown' NOT IN (execution_expected_adapter, execution_actual_adapter) OR provenance_source = 'backfill'
  ),
  CONSTRAINT executions_fallback_has_reason CHECK ((execution_fallback_count = 0) = (execution_fallback_reason IS NULL)),
  CONSTRAINT executions_fallback_reason_not_blank CHECK (
    execution_fallback_reason IS NULL OR btrim(execution_fallback_reason) <> ''
  ),
  CONSTRAINT executions_other_adapter_is_fallback CHECK (
    execution_expected_adapter = execution_actual_adapter
    OR execution_fallback_count >= 1
    OR 'unknown' IN (execution_expected_adapter, execution_actual_adapter)
  )
);
CREATE INDEX executions_decision_idx ON executions (trade_decision_id);
CREATE INDEX executions_submitted_idx ON executions (account_label, submitted_at);
CREATE INDEX executions_open_idx ON executions (account_label, symbol)
  WHERE state NOT IN ('denied', 'filled', 'canceled', 'expired', 'replaced', 'rejected');

-- A route is known once, when the order is sent; a later read of the broker knows less. Only a backfill may correct it.
CREATE FUNCTION guard_execution_provenance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user <> 'torghut_owner' THEN
    RAISE EXCEPTION 'route provenance of execution % is written once, at submit, and was not changed', OLD.id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER guard_execution_provenance BEFORE UPDATE ON executions FOR EACH ROW
  WHEN (
    (OLD.execution_expected_adapter, OLD.execution_actual_adapter, OLD.execution_fallback_reason,
     OLD.execution_fallback_count, OLD.provenance_source, OLD.raw_order)
    IS DISTINCT FROM
    (NEW.execution_expected_adapter, NEW.execution_actual_adapter, NEW.execution_fallback_reason,
     NEW.execution_fallback_count, NEW.provenance_source, NEW.raw_order)
  )
  EXECUTE FUNCTION guard_execution_provenance();

CREATE FUNCTION guard_execution_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM public.order_state_transitions WHERE from_state = OLD.state AND to_state = NEW.state
  ) THEN
    RAISE EXCEPTION 'execution % cannot go from % to %; record an illegal_transition break instead', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER guard_execution_state BEFORE UPDATE OF state ON executions FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION guard_execution_state();
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON executions FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON executions TO torghut_app;
GRANT SELECT ON executions TO torghut_readonly;

-- What the broker reported about orders; linked to our rows when they are known, which may be later.
CREATE TABLE execution_order_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  event_fingerprint hash NOT NULL UNIQUE,
  source text NOT NULL CHECK (source IN ('trade_updates', 'poll', 'activities', 'replay')),
  broker_execution_id text128,
  feed_seq bigint,
  event_ts timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  symbol text32 NOT NULL,
  alpaca_order_id text128 NOT NULL,
  client_order_id text128,
  event_type text128 NOT NULL,
  status text128,
  qty amount,
  filled_qty amount,
  price amount,
  avg_fill_price amount,
  raw_event jsonb NOT NULL,
  execution_id uuid REFERENCES executions ON DELETE RESTRICT,
  trade_decision_id uuid REFERENCES trade_decisions ON DELETE RESTRICT,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX execution_order_events_fill_key ON execution_order_events (account_label, broker_execution_id)
  WHERE broker_execution_id IS NOT NULL AND event_type IN ('fill', 'partial_fill');
CREATE INDEX execution_order_events_execution_idx ON execution_order_events (execution_id);
CREATE TRIGGER links_only BEFORE UPDATE ON execution_order_events FOR EACH ROW
  EXECUTE FUNCTION refuse_rewrite('execution_id', 'trade_decision_id');
CREATE TRIGGER no_removal BEFORE DELETE OR TRUNCATE ON execution_order_events EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT, UPDATE (execution_id, trade_decision_id) ON execution_order_events TO torghut_app;
GRANT SELECT ON execution_order_events TO torghut_readonly;

CREATE TABLE account_activities (
  account_label text64 NOT NULL,
  activity_id text128 NOT NULL,
  activity_type text128 NOT NULL,
  sub_type text128,
  status text128,
  activity_ts timestamptz NOT NULL,
  settle_date date,
  symbol text32,
  side text128,
  qty amount,
  price amount,
  cum_qty amount,
  leaves_qty amount,
  order_id text128,
  net_amount amount,
  raw jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_label, activity_id)
);
CREATE INDEX account_activities_time_idx ON account_activities (account_label, activity_ts);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON account_activities EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON account_activities TO torghut_app;
GRANT SELECT ON account_activities TO torghut_readonly;

-- complete = false marks a failed or partial read, which may not be used as "flat".
CREATE TABLE position_snapshots (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  as_of timestamptz NOT NULL,
  session_date date NOT NULL,
  kind text NOT NULL CHECK (kind IN ('cycle', 'day_start', 'reconcile', 'incident')),
  equity amount NOT NULL,
  cash amount NOT NULL,
  buying_power amount NOT NULL,
  long_market_value amount NOT NULL,
  short_market_value amount NOT NULL,
  -- As the broker states them; null where it does not: then the whole market value counts, and shorting is off.
  maintenance_margin amount,
  shorting_enabled boolean,
  positions jsonb NOT NULL CHECK (jsonb_typeof(positions) = 'array'),
  complete boolean NOT NULL,
  source text128 NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX position_snapshots_day_start_key ON position_snapshots (account_label, session_date)
  WHERE kind = 'day_start';
CREATE INDEX position_snapshots_latest_idx ON position_snapshots (account_label, as_of);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON position_snapshots EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON position_snapshots TO torghut_app;
GRANT SELECT ON position_snapshots TO torghut_readonly;

CREATE TABLE execution_tca_metrics (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  execution_id uuid NOT NULL UNIQUE REFERENCES executions ON DELETE RESTRICT,
  trade_decision_id uuid REFERENCES trade_decisions ON DELETE RESTRICT,
  strategy_pk uuid REFERENCES strategies ON DELETE RESTRICT,
  account_label text64 NOT NULL,
  symbol text32 NOT NULL,
  side text NOT NULL CHECK (side IN ('buy', 'sell')),
  arrival_price amount NOT NULL,
  arrival_source text128 NOT NULL,
  avg_fill_price amount NOT NULL,
  filled_qty amount NOT NULL,
  signed_qty amount NOT NULL,
  slippage_bps amount NOT NULL,
  expected_slippage_bps amount,
  divergence_bps amount,
  shortfall_notional amount NOT NULL,
  churn_qty amount NOT NULL,
  churn_ratio amount NOT NULL,
  decision_to_ack_ms integer,
  decision_to_fill_ms integer,
  computed_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX execution_tca_metrics_strategy_idx ON execution_tca_metrics (account_label, strategy_pk, symbol);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON execution_tca_metrics FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON execution_tca_metrics TO torghut_app;
GRANT SELECT ON execution_tca_metrics TO torghut_readonly;

-- State and breaker in force, per adapter and per adapter and symbol (symbol null: all). A change supersedes and appends.
CREATE TABLE adapter_states (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  adapter text NOT NULL CHECK (adapter IN ('lean', 'alpaca', 'llm')),
  symbol text32,
  state text NOT NULL CHECK (state IN ('enabled', 'canary', 'disabled', 'manual_review')),
  breaker text NOT NULL CHECK (breaker IN ('closed', 'open', 'half_open')),
  health_reason text64,
  consecutive_failures integer NOT NULL,
  opened_at timestamptz,
  half_open_at timestamptz,
  window_stats jsonb NOT NULL,
  actor text128 NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL,
  superseded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT adapter_states_not_enabled_has_reason CHECK (state = 'enabled' OR health_reason IS NOT NULL)
);
CREATE UNIQUE INDEX adapter_states_current_key ON adapter_states (account_label, adapter, coalesce(symbol, '*'))
  WHERE superseded_at IS NULL;
-- Samples accumulate on the row in force; a change of state or breaker appends a row.
CREATE TRIGGER supersede_only BEFORE UPDATE ON adapter_states FOR EACH ROW
  EXECUTE FUNCTION refuse_rewrite('superseded_at', 'consecutive_failures', 'window_stats');
CREATE TRIGGER no_removal BEFORE DELETE OR TRUNCATE ON adapter_states EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT, UPDATE (superseded_at, consecutive_failures, window_stats) ON adapter_states TO torghut_app;
GRANT SELECT ON adapter_states TO torghut_readonly;

CREATE TABLE parity_checks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  symbol text32 NOT NULL,
  session_date date NOT NULL,
  kind text NOT NULL CHECK (kind IN ('request', 'behaviour')),
  sample_lean integer NOT NULL,
  sample_alpaca integer NOT NULL,
  metrics jsonb NOT NULL,
  tolerances jsonb NOT NULL,
  result text NOT NULL CHECK (result IN ('pass', 'fail', 'inconclusive')),
  codes text[] NOT NULL,
  evidence_class text NOT NULL CHECK (evidence_class IN ('observed', 'simulated')),
  evidence_key text128,
  checked_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT parity_checks_pass_is_observed CHECK (result <> 'pass' OR evidence_class = 'observed')
);
CREATE INDEX parity_checks_symbol_idx ON parity_checks (account_label, symbol, session_date);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON parity_checks EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON parity_checks TO torghut_app;
GRANT SELECT ON parity_checks TO torghut_readonly;
