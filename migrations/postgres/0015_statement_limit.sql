-- compatible-from: 0012
-- A statement outside a transaction would go on after its client has given up, and commit what nobody waits for any more.
-- The limit is the role's own, because a connection proxy reserves a server connection for a client that sets anything.
-- Run by whoever deploys, not by torghut_owner: a role is altered by its administrators. A limit that is there stays.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_db_role_setting AS kept, unnest(kept.setconfig) AS setting
    WHERE kept.setrole = to_regrole('torghut_app') AND setting LIKE 'statement\_timeout=%'
      AND kept.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  ) THEN
    RETURN;
  END IF;
  EXECUTE format('ALTER ROLE torghut_app IN DATABASE %I SET statement_timeout = %L', current_database(), '8s');
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION 'expected a statement_timeout of torghut_app, found none, and % may not set it: run ALTER ROLE torghut_app SET statement_timeout = ''8s'' as an administrator, then migrate again', current_user
    USING ERRCODE = 'insufficient_privilege';
END
$$;
