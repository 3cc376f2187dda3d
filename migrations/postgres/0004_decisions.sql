SET LOCAL ROLE torghut_owner;

CREATE TABLE trade_decisions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  decision_identity hash NOT NULL,
  content_hash hash NOT NULL,
  strategy_pk uuid NOT NULL REFERENCES strategies ON DELETE RESTRICT,
  strategy_id text128 NOT NULL,
  strategy_version text32 NOT NULL,
  symbol text32 NOT NULL,
  timeframe text16 NOT NULL,
  event_ts timestamptz NOT NULL,
  action text NOT NULL CHECK (action IN ('buy', 'sell')),
  intent text NOT NULL CHECK (intent IN ('entry', 'exit', 'reduce')),
  order_type text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
  time_in_force text NOT NULL CHECK (time_in_force IN ('day', 'gtc', 'ioc', 'fok')),
  qty amount NOT NULL CHECK (qty >= 0),
  limit_price amount,
  stop_price amount,
  reference_price amount CHECK (reference_price > 0),
  reference_price_at timestamptz,
  confidence numeric(6,4) NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  rationale_codes text[] NOT NULL,
  decision_json jsonb NOT NULL,
  status text NOT NULL CHECK (status IN (
    'planned', 'denied', 'queued', 'submitted', 'unknown', 'partially_filled', 'filled', 'canceled', 'expired', 'rejected'
  )),
  reasons text[] NOT NULL DEFAULT '{}',
  reason_details jsonb NOT NULL DEFAULT '{}',
  consumer text NOT NULL CHECK (consumer IN ('trading', 'lane')),
  window_start timestamptz NOT NULL,
  capital_stage text NOT NULL CHECK (capital_stage IN ('shadow', 'paper', 'canary', 'live', 'full')),
  feature_contract_id uuid NOT NULL REFERENCES feature_contracts ON DELETE RESTRICT,
  universe_hash hash NOT NULL,
  code_hash hash NOT NULL,
  watermark_event_ts timestamptz NOT NULL,
  signal_lag_ms integer NOT NULL,
  expires_at timestamptz NOT NULL,
  executed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_label, decision_identity),
  FOREIGN KEY (account_label, consumer, window_start) REFERENCES signal_windows ON DELETE RESTRICT,
  CONSTRAINT trade_decisions_denied_has_reasons CHECK (status <> 'denied' OR cardinality(reasons) > 0),
  CONSTRAINT trade_decisions_qty_unless_denied CHECK (qty > 0 OR status = 'denied')
);
CREATE INDEX trade_decisions_status_idx ON trade_decisions (account_label, status);
CREATE INDEX trade_decisions_symbol_idx ON trade_decisions (symbol, event_ts);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON trade_decisions FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON trade_decisions TO torghut_app;
GRANT SELECT ON trade_decisions TO torghut_readonly;

CREATE TABLE llm_decision_reviews (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  trade_decision_id uuid NOT NULL REFERENCES trade_decisions ON DELETE RESTRICT,
  stage integer NOT NULL CHECK (stage BETWEEN 0 AND 4),
  mode text NOT NULL CHECK (mode IN ('shadow', 'effective')),
  model text128 NOT NULL,
  model_version_lock text NOT NULL CHECK (length(model_version_lock) <= 160),
  prompt_version text32 NOT NULL,
  request_sha256 hash NOT NULL,
  input_json jsonb NOT NULL,
  response_json jsonb,
  verdict text NOT NULL CHECK (verdict IN ('approve', 'veto', 'adjust', 'error')),
  effective_verdict text NOT NULL CHECK (effective_verdict IN ('approve', 'veto', 'adjust', 'none')),
  confidence numeric(6,4) CHECK (confidence <> 'NaN'),
  qty_multiplier numeric(6,4) CHECK (qty_multiplier <> 'NaN'),
  adjusted_qty amount,
  adjusted_order_type text CHECK (adjusted_order_type IN ('market', 'limit', 'stop', 'stop_limit')),
  rationale text CHECK (length(rationale) <= 280),
  risk_flags text[] NOT NULL,
  policy_codes text[] NOT NULL,
  error_code text64,
  tokens_prompt integer NOT NULL,
  tokens_completion integer NOT NULL,
  latency_ms integer NOT NULL,
  requested_at timestamptz NOT NULL,
  responded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (trade_decision_id, model, prompt_version),
  CONSTRAINT llm_decision_reviews_error_has_code CHECK ((verdict = 'error') = (error_code IS NOT NULL)),
  CONSTRAINT llm_decision_reviews_shadow_has_no_effect CHECK (mode = 'effective' OR effective_verdict = 'none')
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON llm_decision_reviews EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON llm_decision_reviews TO torghut_app;
GRANT SELECT ON llm_decision_reviews TO torghut_readonly;
