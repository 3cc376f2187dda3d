import pg from 'pg';
import type { PoolClient } from 'pg';
import type { Credentials } from '../aws/credentials.ts';
import { columnTypes } from './column-types.ts';

/** What opens a connection: a password, or a token that stands for one. */
export interface DatabaseLogin {
  readonly password: string;
}

/** Where the database is and who asks. */
export interface PoolConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Asked for every new connection, so that a rotated password or a short-lived token is used. */
  readonly login: Credentials<DatabaseLogin>;
  /** Whether to require TLS with a verified certificate. Off only where nothing leaves the machine, see `staysOnMachine`. */
  readonly tls: boolean;
  /** Shown in `pg_stat_activity`; the name of the function. */
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
}

/** Whether a host is a loopback address or the directory of a Unix socket. */
export const staysOnMachine = (host: string): boolean => /^(?:127\.|localhost$|::1$|\/)/.test(host);

/** Connections of one execution environment, and how long a statement on them may take. */
export interface Pool extends pg.Pool {
  readonly statementTimeoutMs: number;
}
/** A connection inside a transaction, or a pool: anything that runs statements. */
export type Queryable = Pick<PoolClient, 'query'>;

/** How much longer the client waits than the server works, so that the server's own answer comes first. */
const answerGraceMs = 1_000;

/**
 * A pool for one execution environment, which serves one invocation at a time: two connections at most. Times are
 * epoch milliseconds, numerics text, int8 safe integers, dates `YYYY-MM-DD` (see `columnTypes`).
 *
 * A proxy reserves a server connection for a client that changes its session, and refuses start-up parameters that it does
 * not know. So nothing is set when connecting, nor per session later: transactions carry their time limit themselves (see
 * `inTransaction`), and a single statement has that of its role, set in the database by a migration. The client keeps the
 * time as well, a little longer.
 */
export const createPool = (config: PoolConfig): Pool => new RenewingPool(config);

/** Hangs up when it did not get in: the driver leaves a connection without a login to the server, which waits a minute. */
class PoolConnection extends pg.Client {
  override connect(): Promise<this>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<this> | undefined {
    const connected = super.connect().then(
      () => this,
      (error: unknown) => {
        // Nobody waits for it, and the failure to connect is what is told.
        this.end().catch(() => undefined);
        throw error;
      },
    );
    if (callback === undefined) return connected;
    connected.then(() => {
      (callback as () => void)();
    }, callback);
    return undefined;
  }
}

/** Opens a connection once more with a renewed password when the server refused the first. */
class RenewingPool extends pg.Pool implements Pool {
  readonly statementTimeoutMs: number;
  readonly #login: Credentials<DatabaseLogin>;
  /** What the newest connection showed when it was asked. */
  #shown: DatabaseLogin | null = null;
  #renewals = 0;

  constructor(config: PoolConfig) {
    super({
      host: config.host,
      port: config.port,
      database: config.database,
      user: config.user,
      password: async () => (this.#shown = await config.login.get()).password,
      ssl: config.tls,
      application_name: config.applicationName,
      query_timeout: config.statementTimeoutMs + answerGraceMs,
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      allowExitOnIdle: true,
      max: 2,
      types: columnTypes,
      Client: PoolConnection,
    });
    this.statementTimeoutMs = config.statementTimeoutMs;
    this.#login = config.login;
    // The pool has already dropped the connection; without a listener a connection lost while idle ends the process.
    this.on('error', () => undefined);
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    const connected = this.#connect();
    if (callback === undefined) return connected;
    connected.then(
      (client) => {
        callback(undefined, client, (release) => {
          client.release(release);
        });
      },
      (error: unknown) => {
        callback(error as Error, undefined, () => undefined);
      },
    );
    return undefined;
  }

  async #connect(): Promise<PoolClient> {
    const renewals = this.#renewals;
    try {
      return await super.connect();
    } catch (error) {
      if (!refusedLogins.has(sqlState(error) ?? '') || !(await this.#renewedSince(renewals))) throw error;
      return super.connect();
    }
  }

  /** Whether there is another login to try than the one that an attempt begun after so many renewals has shown. */
  async #renewedSince(renewals: number): Promise<boolean> {
    if (this.#renewals !== renewals) return true;
    if (this.#shown === null || (await this.#login.renew(this.#shown)) === null) return false;
    this.#renewals += 1;
    return true;
  }
}

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: Error | boolean) => void,
) => void;

/** SQLSTATE of a wrong password, and of a login that is not allowed or a token that is not accepted. */
const refusedLogins: ReadonlySet<string> = new Set(['28P01', '28000']);

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
  /** Whether the server refuses writes; they are allowed unless given. */
  readonly readOnly?: boolean;
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** How often the work is started again after a conflict; 0 unless given. The work must be safe to repeat. */
  readonly conflictRetries?: number;
}

const conflictCodes: ReadonlySet<string> = new Set(['40001', '40P01']);

export const sqlState = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/**
 * Runs the work in one transaction: committed when it resolves, rolled back when it throws. Its statements take at most the
 * pool's time limit each. Settings inside it are `SET LOCAL`, locks transaction-level.
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
      return await once(pool, work, beginning(pool, options));
    } catch (error) {
      const code = sqlState(error);
      if (code === undefined || !conflictCodes.has(code)) throw error;
      if (attempt >= retries) throw new TransactionConflict(code, error);
    }
  }
};

/** Both commands travel as one message, so that the limit costs no round trip. */
const beginning = (pool: Pool, { isolation = 'read committed', readOnly = false }: TransactionOptions): string =>
  `BEGIN ISOLATION LEVEL ${isolation.toUpperCase()} ${readOnly ? 'READ ONLY' : 'READ WRITE'}; ` +
  `SET LOCAL statement_timeout = ${pool.statementTimeoutMs}`;

/** What the driver says when its own time limit passed; the statement may still be running. */
const clientTimeout = 'Query read timeout';

const once = async <T>(pool: Pool, work: (client: Queryable) => Promise<T>, begin: string): Promise<T> => {
  const client = await pool.connect();
  let broken = false;
  // A connection that is lost fails the statement, and also emits; without a listener that ends the process.
  const onLost = (): void => {
    broken = true;
  };
  client.on('error', onLost);
  try {
    await client.query(begin);
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    // The server answers the COMMIT of a failed transaction with a rollback and no error.
    if (command !== 'COMMIT')
      throw new Error('transaction rolled back: a statement in it failed and its error was swallowed');
    return result;
  } catch (error) {
    // A rollback would wait behind a statement that is still running; closing the connection ends both.
    broken ||= error instanceof Error && error.message === clientTimeout;
    if (!broken) {
      await client.query('ROLLBACK').catch(() => {
        broken = true;
      });
    }
    throw error;
  } finally {
    client.off('error', onLost);
    // A connection that was lost or cannot roll back must not be lent again.
    client.release(broken);
  }
};
