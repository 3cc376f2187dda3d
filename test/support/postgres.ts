import { randomUUID } from 'node:crypto';
import { createPool, fixedCredentials } from '@torghut/platform';
import type { Pool, PoolConfig } from '@torghut/platform';
import pg from 'pg';
import { inject } from 'vitest';
import { templateDatabase } from './migrations.ts';

export type TestRole = 'torghut_owner' | 'torghut_app' | 'torghut_readonly' | 'postgres';

/** A database of the test file's own. */
export interface TestDatabase {
  readonly name: string;
  /** Pools as the three roles; made when first used. */
  readonly owner: Pool;
  readonly app: Pool;
  readonly readonly: Pool;
  /** Directory of the server's Unix socket, which costs less than its port, or its address. */
  readonly nearest: string;
  /** What `createPool` takes to connect as the role by way of the port. */
  config(role: TestRole): PoolConfig;
  url(role: TestRole): string;
  /** Ends the pools and drops the database. */
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** An empty database instead of a migrated one. */
  readonly empty?: boolean;
}

/** Makes a database for the calling test file: a copy of the migrated one, or an empty one owned by `torghut_owner`. */
export const testDatabase = async (options: TestDatabaseOptions = {}): Promise<TestDatabase> => {
  const { port, password, socketDirectory } = inject('postgres');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const url = (role: TestRole, database = name): string =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;
  const administer = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url('postgres', 'postgres') });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await administer(
    `CREATE DATABASE ${name} OWNER torghut_owner TEMPLATE ${options.empty === true ? 'template1' : templateDatabase}`,
  );

  const config = (role: TestRole): PoolConfig => ({
    host: '127.0.0.1',
    port,
    database: name,
    user: role,
    login: fixedCredentials({ password }),
    tls: false,
    applicationName: 'test',
    statementTimeoutMs: 15_000,
  });
  const nearest = socketDirectory ?? '127.0.0.1';
  const pools = new Map<TestRole, Pool>();
  const pool = (role: TestRole): Pool => {
    const known = pools.get(role);
    if (known) return known;
    const made = createPool({ ...config(role), host: nearest });
    pools.set(role, made);
    return made;
  };

  return {
    name,
    nearest,
    get owner() {
      return pool('torghut_owner');
    },
    get app() {
      return pool('torghut_app');
    },
    get readonly() {
      return pool('torghut_readonly');
    },
    config,
    url: (role) => url(role),
    close: async () => {
      await Promise.all([...pools.values()].map((made) => made.end()));
      await administer(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
};
