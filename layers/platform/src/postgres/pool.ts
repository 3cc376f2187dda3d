import pg from 'pg';
import type { PoolClient } from 'pg';
import { columnTypes } from './column-types.ts';

/** Where the database is and who asks. */
export interface PoolConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Called for every new connection, so that a rotated password or a short-lived IAM token is used. */
  readonly password: () => Promise<string>;
  /** Whether to require TLS with a verified certificate. Off on a loopback address only. */
  readonly tls: boolean;
  /** Shown in `pg_stat_activity`; the name of the function. */
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
}

export type Pool = pg.Pool;
/** A connection inside a transaction, or a pool: anything that runs statements. */
export type Queryable = Pick<PoolClient, 'query'>;

/**
 * A pool for one execution environment, which serves one invocation at a time: two connections at most. Times are
 * epoch milliseconds, numerics text, int8 safe integers, dates `YYYY-MM-DD` (see `columnTypes`). Nothing is set per
 * session after connecting, so that connection proxies do not pin it.
 */
export const createPool = (config: PoolConfig): Pool => {
  const pool = new pg.Pool({
    host: config.host,
    port: config.port,
    database: config.database,
    user: config.user,
    password: config.password,
    ssl: config.tls,
    application_name: config.applicationName,
    statement_timeout: config.statementTimeoutMs,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    allowExitOnIdle: true,
    max: 2,
    types: columnTypes,
  });
  // The pool has already dropped the connection; without a listener a connection lost while idle ends the process.
  pool.on('error', () => undefined);
  return pool;
};

/** Another transaction was in the way; the same work may succeed when it is tried again. */
export class TransactionConflict extends Error {
  override readonly name = 'TransactionConflict';
  /** SQLSTATE: 40001 serialization failure or 40P01 deadlock. */
  readonly code: string;

  constructor(code: string, cause: unknown) {
    super(`transaction given up after a conflict with another one (SQLSTATE ${code}); try again`, { cause });
    this.code = code;
  }
}

export interface TransactionOptions {
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** How often the work is started again after a conflict; 0 unless given. The work must be safe to repeat. */
  readonly conflictRetries?: number;
}

const conflictCodes: ReadonlySet<string> = new Set(['40001', '40P01']);

const sqlState = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/**
 * Runs the work in one transaction: committed when it resolves, rolled back when it throws. Settings inside it are
 * `SET LOCAL`, locks transaction-level.
 * @throws TransactionConflict for a serialization failure or deadlock that outlived the retries; otherwise what the
 * work threw.
 */
export const inTransaction = async <T>(
  pool: Pool,
  work: (client: Queryable) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> => {
  const retries = options.conflictRetries ?? 0;
  for (let attempt = 0; ; attempt++) {
    try {
      return await once(pool, work, options.isolation ?? 'read committed');
    } catch (error) {
      const code = sqlState(error);
      if (code === undefined || !conflictCodes.has(code)) throw error;
      if (attempt >= retries) throw new TransactionConflict(code, error);
    }
  }
};

const once = async <T>(pool: Pool, work: (client: Queryable) => Promise<T>, isolation: string): Promise<T> => {
  const client = await pool.connect();
  let broken = false;
  // A connection that is lost fails the statement, and also emits; without a listener that ends the process.
  const onLost = (): void => {
    broken = true;
  };
  client.on('error', onLost);
  try {
    await client.query(`BEGIN ISOLATION LEVEL ${isolation.toUpperCase()}`);
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    // The server answers the COMMIT of a failed transaction with a rollback and no error.
    if (command !== 'COMMIT')
      throw new Error('transaction rolled back: a statement in it failed and its error was swallowed');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.off('error', onLost);
    // A connection that was lost or cannot roll back must not be lent again.
    client.release(broken);
  }
};
