-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- What has been tried: one row for each distinct combination of a family, written before its first backtest. Their number
-- deflates the Sharpe ratio, so none is ever removed.
CREATE TABLE research_trials (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  family text64 NOT NULL,
  trial_hash hash NOT NULL,
  strategy_type text64 NOT NULL,
  strategy_version text32 NOT NULL,
  params jsonb NOT NULL,
  profile text128 NOT NULL,
  feature_contract_hash hash NOT NULL,
  code_hash hash NOT NULL,
  -- The run that tried it first.
  run_id uuid NOT NULL REFERENCES research_runs ON DELETE RESTRICT,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (family, trial_hash)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON research_trials EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON research_trials TO torghut_app;
GRANT SELECT ON research_trials TO torghut_readonly;

-- A result without a counted trial cannot be stored.
ALTER TABLE research_candidates ADD CONSTRAINT research_candidates_trial_is_counted
  FOREIGN KEY (family, trial_hash) REFERENCES research_trials (family, trial_hash) ON DELETE RESTRICT;

-- Every state a research row was ever written in, each bound to all before it. An entry's hash is that of the canonical
-- JSON of its place, what it follows, and the hash of the row; the row is kept as text, because its hash is over the text.
CREATE TABLE research_chain (
  sequence bigint PRIMARY KEY CONSTRAINT research_chain_begins_at_one CHECK (sequence >= 1),
  previous_hash hash NOT NULL,
  table_name text NOT NULL CHECK (table_name IN (
    'research_runs', 'research_trials', 'research_candidates', 'research_fold_metrics', 'research_stress_metrics',
    'gate_evaluations', 'research_promotions'
  )),
  row_key text128 NOT NULL,
  row_text text NOT NULL,
  row_hash hash NOT NULL,
  entry_hash hash NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX research_chain_row_idx ON research_chain (table_name, row_key, sequence);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON research_chain EXECUTE FUNCTION refuse_change();
GRANT SELECT ON research_chain TO torghut_app, torghut_readonly;

-- Entries that were signed: a chain that is cut at its end or written anew no longer leads to them.
CREATE TABLE chain_checkpoints (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sequence bigint NOT NULL REFERENCES research_chain ON DELETE RESTRICT,
  entry_hash hash NOT NULL,
  signing_key_id text128 NOT NULL,
  envelope text NOT NULL,
  store_key text NOT NULL CHECK (length(store_key) <= 256),
  signed_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (sequence, signing_key_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chain_checkpoints EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON chain_checkpoints TO torghut_app;
GRANT SELECT ON chain_checkpoints TO torghut_readonly;

-- One writer at a time, until it commits: an entry follows one that is committed, and a number is not drawn in vain. Taken
-- before any row is, so that two writers cannot wait for each other. Whoever locks rows of a run first takes it first.
CREATE FUNCTION lock_research_chain() RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('research_chain', 0))
$$;
REVOKE EXECUTE ON FUNCTION lock_research_chain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_research_chain() TO torghut_app;

CREATE FUNCTION hold_research_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM lock_research_chain();
  RETURN NULL;
END
$$;

-- As the owner, so that nobody who writes research rows can write the chain. The settings are those that the text of a row
-- depends on.
CREATE FUNCTION append_to_research_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1 AS $$
DECLARE
  content text := to_jsonb(NEW)::text;
  content_hash text := encode(sha256(convert_to(content, 'UTF8')), 'hex');
  follows text := repeat('0', 64);
  place bigint := 0;
BEGIN
  SELECT sequence, entry_hash INTO place, follows FROM research_chain ORDER BY sequence DESC LIMIT 1;
  place := coalesce(place, 0) + 1;
  follows := coalesce(follows, repeat('0', 64));
  INSERT INTO research_chain (sequence, previous_hash, table_name, row_key, row_text, row_hash, entry_hash)
  VALUES (place, follows, TG_TABLE_NAME, NEW.id::text, content, content_hash, encode(sha256(convert_to(format(
    '{"previous_hash":"%s","row_hash":"%s","row_key":"%s","sequence":%s,"table":"%s"}',
    follows, content_hash, NEW.id, place, TG_TABLE_NAME
  ), 'UTF8')), 'hex'));
  RETURN NULL;
END
$$;

DO $$
DECLARE
  chained text;
BEGIN
  FOREACH chained IN ARRAY ARRAY[
    'research_runs', 'research_trials', 'research_candidates', 'research_fold_metrics', 'research_stress_metrics',
    'gate_evaluations', 'research_promotions'
  ] LOOP
    EXECUTE format('CREATE TRIGGER chain_lock BEFORE INSERT OR UPDATE ON %I EXECUTE FUNCTION hold_research_chain()', chained);
    EXECUTE format(
      'CREATE TRIGGER chained AFTER INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION append_to_research_chain()', chained
    );
  END LOOP;
END
$$;

-- What a run is about is written once; how it ended is written once. Only a run whose evidence could not be stored has a
-- way on, when the evidence is stored after all.
CREATE FUNCTION refuse_research_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'running' OR (
    OLD.status = 'failed' AND OLD.failure_code = 'persistence_failed'
    AND NEW.status IN ('completed', 'skipped') AND NEW.attempts = OLD.attempts + 1
  ) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'UPDATE on research_runs refused: run % is %, which is final', OLD.run_id, OLD.status
    USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER final_states BEFORE UPDATE ON research_runs FOR EACH ROW EXECUTE FUNCTION refuse_research_rewrite();
CREATE TRIGGER late_columns BEFORE UPDATE ON research_runs FOR EACH ROW EXECUTE FUNCTION refuse_rewrite(
  'status', 'no_signal_reason', 'attempts', 'dataset_hash', 'dataset_from', 'dataset_to', 'dataset_manifest_key',
  'manifest_key', 'manifest_sha256', 'gate_report_trace_id', 'recommendation_trace_id', 'failure_code', 'failure_detail',
  'finished_at', 'updated_at'
);
CREATE TRIGGER no_removal BEFORE DELETE OR TRUNCATE ON research_runs EXECUTE FUNCTION refuse_change();
