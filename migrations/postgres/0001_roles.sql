-- The three roles of the database. Run by whoever deploys: a member of the cluster's administrators the first time,
-- any member of torghut_owner later. Roles are cluster-wide and several databases may share a cluster, so each is
-- created when absent only, and losing the race for it is not an error.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['torghut_owner NOLOGIN', 'torghut_app LOGIN', 'torghut_readonly LOGIN'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = split_part(wanted, ' ', 1)) THEN
      BEGIN
        EXECUTE 'CREATE ROLE ' || wanted;
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
  END LOOP;

  -- SET without INHERIT: the administrator can act as the owner and holds no more than that.
  IF NOT pg_has_role(current_user, 'torghut_owner', 'SET') THEN
    EXECUTE format('GRANT torghut_owner TO %I WITH INHERIT FALSE, SET TRUE', current_user);
  END IF;

  -- On Amazon RDS membership of rds_iam turns passwords off, for indirect members too; hence never the owner, whose
  -- members are the administrators.
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
    GRANT rds_iam TO torghut_app, torghut_readonly;
  END IF;

  -- A temporary table would shadow a reference table, and is DDL.
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO torghut_owner;
GRANT USAGE ON SCHEMA public TO torghut_app, torghut_readonly;

ALTER TABLE schema_migrations OWNER TO torghut_owner;
SET LOCAL ROLE torghut_owner;
GRANT SELECT ON schema_migrations TO torghut_app, torghut_readonly;
