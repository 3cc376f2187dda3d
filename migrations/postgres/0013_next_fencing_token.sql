-- compatible-from: 0012
SET LOCAL ROLE torghut_owner;

-- Drawn inside a function: a connection proxy reserves a server connection for every client whose statements name
-- nextval, because such a client might ask for the current value later.
CREATE FUNCTION next_fencing_token() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT nextval('public.fencing_token')
$$;
REVOKE EXECUTE ON FUNCTION next_fencing_token() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION next_fencing_token() TO torghut_app;
