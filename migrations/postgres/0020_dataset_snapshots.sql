-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- Which bytes hold a finished session of a symbol: the stream forgets its rows after two weeks, research does not.
CREATE TABLE dataset_snapshots (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  session_date date NOT NULL,
  symbol text32 NOT NULL,
  window_size text16 NOT NULL,
  row_count integer NOT NULL CHECK (row_count >= 0),
  sha256 hash NOT NULL,
  byte_count integer NOT NULL CHECK (byte_count > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (session_date, symbol, window_size)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dataset_snapshots EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON dataset_snapshots TO torghut_app;
GRANT SELECT ON dataset_snapshots TO torghut_readonly;
