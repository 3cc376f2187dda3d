SET LOCAL ROLE torghut_owner;

-- A streak of evaluation errors outlives the process that met them: three in a row suspend the strategy for a while.
CREATE TABLE strategy_health (
  account_label text64 NOT NULL,
  strategy_pk uuid NOT NULL REFERENCES strategies ON DELETE RESTRICT,
  consecutive_errors integer NOT NULL CHECK (consecutive_errors >= 0),
  degraded_until timestamptz,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_label, strategy_pk)
);
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON strategy_health FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
GRANT SELECT, INSERT, UPDATE ON strategy_health TO torghut_app;
GRANT SELECT ON strategy_health TO torghut_readonly;
