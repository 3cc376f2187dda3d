import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migratePostgres } from '@torghut/platform';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../infra/local/engines/postgres.ts';
import { postgresMigrations, templateDatabase } from './migrations.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { readonly port: number; readonly password: string; readonly socketDirectory: string | null };
  }
}

/** Starts one PostgreSQL for the run, with a migrated database to copy. Returns how to end it. */
const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const dataDir = join(tmpdir(), `torghut-test-${randomUUID()}`);
  const postgres = await startPostgres({ dataDir, persistent: false });
  await postgres.createDatabase(templateDatabase);
  const client = new pg.Client({ connectionString: postgres.url('torghut_owner', templateDatabase) });
  await client.connect();
  try {
    await migratePostgres(client, postgresMigrations);
  } finally {
    await client.end();
  }
  const { port, password, socketDirectory } = postgres;
  project.provide('postgres', { port, password, socketDirectory });
  return () => postgres.stop();
};

export default setup;
