import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { builtInStrategies, parseCatalog } from '@torghut/domain';
import { migratePostgres, registerFeatureContract, syncCatalog } from '@torghut/platform';
import pg from 'pg';
import { parse } from 'yaml';
import { postgresMigrations } from '../support/migrations.ts';

/** Where the server listens that all workers share. */
export interface DatabaseServer {
  readonly port: number;
  /** Of every role. */
  readonly password: string;
  /** Where its Unix socket is; its port is used without one. */
  readonly socketDirectory: string | null;
}

const clientOf = async ({ port, password }: DatabaseServer, user: string, database: string): Promise<pg.Client> => {
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database });
  await client.connect();
  return client;
};

/** Identifiers that are a function of the seed and of how many were drawn before: a random one is another in every run. */
const repeatableIdentifiers = `
  CREATE SEQUENCE simulation_identifier;
  CREATE TABLE simulation_run (seed text NOT NULL);
  INSERT INTO simulation_run VALUES ('');
  CREATE FUNCTION simulation_uuid() RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER AS $$
    SELECT overlay(overlay(md5(seed || ':' || nextval('public.simulation_identifier')) placing '4' from 13) placing '8' from 17)::uuid
      FROM public.simulation_run
  $$;
  DO $$
  DECLARE found record;
  BEGIN
    FOR found IN SELECT table_name, column_name FROM information_schema.columns
                  WHERE table_schema = 'public' AND column_default = 'gen_random_uuid()'
    LOOP
      EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT simulation_uuid()', found.table_name, found.column_name);
    END LOOP;
  END $$;`;

/**
 * Statements are planned once, when the tables are empty, for whatever account comes: by indices, as a planner does that
 * knows of many accounts. For an empty table it would read the whole of it, and go on to when the table is full.
 */
const plannerSettings = { plan_cache_mode: 'force_generic_plan', enable_seqscan: 'off', enable_bitmapscan: 'off' };

/** Makes the database of one worker: the schema, the catalog, and identifiers that repeat. `change` alters the schema. */
export const createLedger = async (server: DatabaseServer, name: string, change: string | null): Promise<void> => {
  const administrator = await clientOf(server, 'postgres', 'postgres');
  try {
    await administrator.query(`CREATE DATABASE ${name} OWNER torghut_owner`);
  } finally {
    await administrator.end();
  }
  const owner = await clientOf(server, 'torghut_owner', name);
  try {
    await migratePostgres(owner, postgresMigrations);
    const text = await readFile(resolve(import.meta.dirname, '../../infra/strategies.yaml'), 'utf8');
    const catalog = parseCatalog(parse(text), builtInStrategies);
    if (!catalog.ok) throw new Error(`expected a usable strategy catalog, found ${JSON.stringify(catalog.errors)}`);
    await registerFeatureContract(owner);
    await syncCatalog(owner, catalog.entries, 'sync');
    await owner.query(repeatableIdentifiers);
    if (change !== null) await owner.query(change);
    for (const [setting, value] of Object.entries(plannerSettings))
      await owner.query(`ALTER DATABASE ${name} SET ${setting} = ${value}`);
    await owner.query('GRANT EXECUTE ON FUNCTION simulation_uuid() TO torghut_app');
  } finally {
    await owner.end();
  }
};

export const dropLedger = async (server: DatabaseServer, name: string): Promise<void> => {
  const administrator = await clientOf(server, 'postgres', 'postgres');
  try {
    await administrator.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  } finally {
    await administrator.end();
  }
};

/** What a run may leave behind that the next one would meet although it belongs to no account. */
export const resetShared = (owner: pg.Pool, seed: number): Promise<unknown> =>
  owner.query(`
    DELETE FROM market_calendar;
    UPDATE simulation_run SET seed = '${seed}';
    ALTER SEQUENCE simulation_identifier RESTART`);

/** Forgets what accounts left behind, for a seed that is run again. */
export const forgetRuns = async (server: DatabaseServer, name: string): Promise<void> => {
  const administrator = await clientOf(server, 'postgres', name);
  try {
    const { rows } = await administrator.query<{ table_name: string }>(
      `SELECT DISTINCT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND (column_name = 'account_label' OR table_name = 'outbox')`,
    );
    // Tables that are only ever added to refuse to be emptied.
    await administrator.query('SET session_replication_role = replica');
    await administrator.query(`TRUNCATE ${rows.map(({ table_name: table }) => table).join(', ')} CASCADE`);
  } finally {
    await administrator.end();
  }
};
