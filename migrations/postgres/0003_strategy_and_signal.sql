SET LOCAL ROLE torghut_owner;

CREATE TABLE strategies (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  strategy_id text128 NOT NULL UNIQUE,
  name text NOT NULL UNIQUE CHECK (length(name) <= 255),
  description text,
  enabled boolean NOT NULL DEFAULT false,
  strategy_type text64 NOT NULL,
  version text32 NOT NULL,
  base_timeframe text16 NOT NULL,
  params jsonb NOT NULL,
  params_hash hash NOT NULL,
  universe_filter jsonb,
  priority integer NOT NULL DEFAULT 100,
  max_position_pct_equity amount CHECK (max_position_pct_equity > 0 AND max_position_pct_equity <= 1),
  max_notional_per_trade amount CHECK (max_notional_per_trade > 0),
  config_sha256 hash NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT strategies_universe_filter_is_array CHECK (jsonb_typeof(universe_filter) = 'array')
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON strategies FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON strategies TO torghut_app;
GRANT SELECT ON strategies TO torghut_readonly;

CREATE TABLE feature_contracts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  version text32 NOT NULL UNIQUE,
  hash hash NOT NULL UNIQUE,
  fields jsonb NOT NULL,
  schema_major integer NOT NULL,
  status text NOT NULL CHECK (status IN ('active', 'retired')),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON feature_contracts EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON feature_contracts TO torghut_app;
GRANT SELECT ON feature_contracts TO torghut_readonly;

-- A date without a row is "calendar unknown": closed for trading, and alarmed.
CREATE TABLE market_calendar (
  session_date date PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('full', 'half', 'closed')),
  open_at timestamptz,
  close_at timestamptz,
  extended_open_at timestamptz,
  extended_close_at timestamptz,
  settlement_date date,
  source text NOT NULL CHECK (source IN ('alpaca', 'fallback')),
  fetched_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT market_calendar_closed_has_no_hours CHECK ((kind = 'closed') = (open_at IS NULL)),
  CONSTRAINT market_calendar_open_has_close CHECK ((open_at IS NULL) = (close_at IS NULL)),
  CONSTRAINT market_calendar_hours_in_order CHECK (close_at > open_at)
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON market_calendar FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON market_calendar TO torghut_app;
GRANT SELECT ON market_calendar TO torghut_readonly;

CREATE TABLE universe_resolutions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_label text64 NOT NULL,
  symbols text[] NOT NULL,
  universe_hash hash NOT NULL,
  status text NOT NULL CHECK (status IN ('ok', 'degraded', 'blocked', 'unavailable')),
  reason text NOT NULL CHECK (reason IN (
    'jangar_fetch_ok', 'jangar_cache_hit', 'jangar_url_missing', 'jangar_fetch_failed',
    'jangar_payload_decode_failed', 'jangar_payload_empty'
  )),
  fetched_at timestamptz NOT NULL,
  resolved_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX universe_resolutions_latest_idx ON universe_resolutions (account_label, resolved_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON universe_resolutions EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON universe_resolutions TO torghut_app;
GRANT SELECT ON universe_resolutions TO torghut_readonly;

-- One row per scheduled window and consumer. An unfinished window keeps finished_at null and counts as a miss.
CREATE TABLE signal_windows (
  account_label text64 NOT NULL,
  consumer text NOT NULL CHECK (consumer IN ('trading', 'lane')),
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  scheduled_for timestamptz NOT NULL,
  session_open boolean NOT NULL,
  no_signal_reason text CHECK (no_signal_reason IN (
    'market_closed', 'kill_switch_engaged', 'emergency_stop_active', 'autonomy_disabled', 'clickhouse_unreachable',
    'universe_source_unavailable', 'universe_source_stale_cache', 'feature_quality_rejected', 'cursor_ahead_of_stream',
    'cursor_tail_stable', 'no_signals_in_window'
  )),
  blocked_reasons text[] NOT NULL,
  rows_read integer NOT NULL CHECK (rows_read >= 0),
  rows_late integer NOT NULL CHECK (rows_late >= 0),
  rows_duplicate integer NOT NULL CHECK (rows_duplicate >= 0),
  rows_quarantined integer NOT NULL CHECK (rows_quarantined >= 0),
  signals_evaluated integer NOT NULL CHECK (signals_evaluated >= 0),
  decisions_count integer NOT NULL CHECK (decisions_count >= 0),
  tail_event_ts timestamptz,
  lag_seconds numeric CHECK (lag_seconds <> 'NaN'),
  effective_lag_seconds numeric CHECK (effective_lag_seconds <> 'NaN'),
  ingest_delay_p95_ms integer,
  hit boolean NOT NULL,
  cursor_before jsonb NOT NULL,
  cursor_after jsonb NOT NULL,
  universe_hash hash,
  universe_status text NOT NULL CHECK (universe_status IN ('ok', 'degraded', 'blocked', 'unavailable')),
  feature_contract_id uuid REFERENCES feature_contracts ON DELETE RESTRICT,
  code_hash hash NOT NULL,
  attempts integer NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_label, consumer, window_start),
  CONSTRAINT signal_windows_reason_or_signals
    CHECK (finished_at IS NULL OR (no_signal_reason IS NULL) = (signals_evaluated > 0)),
  CONSTRAINT signal_windows_hit_means_rows CHECK (hit = (rows_read > 0))
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON signal_windows FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON signal_windows TO torghut_app;
GRANT SELECT ON signal_windows TO torghut_readonly;

-- Where reading of a signal source continues. The tie-breakers are never null: a null one would drop the rows that
-- share the cursor's second.
CREATE TABLE trade_cursor (
  source text128 NOT NULL,
  account_label text64 NOT NULL,
  cursor_event_ts timestamptz NOT NULL,
  cursor_symbol text32 NOT NULL DEFAULT '',
  cursor_seq numeric(20,0) NOT NULL DEFAULT 0,
  overlap_keys jsonb NOT NULL,
  last_rewind_at timestamptz,
  lock_version bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, account_label),
  CONSTRAINT trade_cursor_overlap_is_bounded CHECK (jsonb_array_length(overlap_keys) <= 20000)
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON trade_cursor FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON trade_cursor TO torghut_app;
GRANT SELECT ON trade_cursor TO torghut_readonly;
