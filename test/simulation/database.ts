import { createPool, fixedCredentials, type Pool, type Queryable } from '@torghut/platform';
import type pg from 'pg';
import type { PoolClient } from 'pg';
import { draw } from '../../infra/local/twins/random.ts';
import type { FaultKind } from './faults.ts';
import { hang, type Gates } from './gates.ts';
import type { DatabaseServer } from './ledger.ts';
import type { Actor } from './scheduler.ts';

/** An answer of the server or the driver, with the code by which callers tell them apart. */
const databaseError = (message: string, code: string): Error => Object.assign(new Error(message), { code });

const errors: Partial<Record<FaultKind, () => Error>> = {
  database_unreachable: () => databaseError('connect ECONNREFUSED', 'ECONNREFUSED'),
  connection_lost_before: () => databaseError('terminating connection due to administrator command', '57P01'),
  connection_lost_after: () => databaseError('Connection terminated unexpectedly', 'ECONNRESET'),
  serialization_failure: () => databaseError('could not serialize access', '40001'),
  deadlock: () => databaseError('deadlock detected', '40P01'),
  statement_timeout: () => databaseError('canceling statement due to statement timeout', '57014'),
  lock_timeout: () => databaseError('canceling statement due to lock timeout', '55P03'),
  read_only: () => databaseError('cannot execute UPDATE in a read-only transaction', '25006'),
};

/** What keeps a single statement from having an effect. */
const refusedBefore: ReadonlySet<FaultKind> = new Set([
  'database_unreachable',
  'connection_lost_before',
  'statement_timeout',
]);

/** The farthest statement of a transaction at which it is interrupted; shorter ones are interrupted at their end. */
const deepestStatement = 8;

/** Hears of what an actor has just committed, before anybody else acts. */
export type CommitListener = (actor: Actor, statements: readonly string[]) => Promise<void>;

type Query = Queryable['query'];
const textOf = (query: unknown): string =>
  typeof query === 'string' ? query : (query as { readonly text: string }).text;

/**
 * The database as functions meet it in a simulation: a single statement, or a transaction from its beginning to its end,
 * is one turn, so that nobody ever waits for a lock, and it may be interrupted at each of its statements.
 */
export const simulatedDatabase = (real: Pool, gates: Gates, onCommit: CommitListener): Pool => {
  const query = async (...parameters: unknown[]): Promise<unknown> => {
    const run = () => (real.query as (...all: unknown[]) => Promise<unknown>)(...parameters);
    const gate = await gates.enter('query');
    if (gate === null) return run();
    const { fault, turn, actor } = gate;
    if (fault === 'killed_before') {
      actor.kill(fault);
      turn.end();
      return hang();
    }
    if (fault !== null && refusedBefore.has(fault)) {
      turn.end();
      await gate.answer(fault);
      throw errors[fault]!();
    }
    const result = await run().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await onCommit(actor, [textOf(parameters[0])]);
    if (fault === 'killed_after') actor.kill(fault);
    turn.end();
    await gate.answer(fault);
    if (fault === 'connection_lost_after') throw errors[fault]!();
    if ('error' in result) throw result.error;
    return result.value;
  };

  const connect = async (): Promise<PoolClient> => {
    const gate = await gates.enter('transaction');
    if (gate === null) return real.connect();
    const { fault, turn, actor, key } = gate;
    if (fault === 'killed_before') {
      actor.kill(fault);
      turn.end();
      return hang();
    }
    if (fault === 'database_unreachable') {
      turn.end();
      await gate.answer(fault);
      throw errors[fault]!();
    }
    const client = await real.connect();
    const interruptedAt = 1 + Math.floor(draw(gates.seed, 'statement', key) * deepestStatement);
    const statements: string[] = [];
    let over = false;
    const leave = (): void => {
      over = true;
      client.release();
      turn.end();
    };
    /** The transaction comes to nothing, as the server sees it. */
    const rollBack = async (): Promise<void> => {
      await client.query('ROLLBACK');
    };
    const inside = async (...parameters: unknown[]): Promise<unknown> => {
      const run = () => (client.query as (...all: unknown[]) => Promise<unknown>)(...parameters);
      const text = textOf(parameters[0]);
      if (over) {
        // The driver cannot reach the server any more, not even to roll back.
        if (text === 'ROLLBACK') return { command: 'ROLLBACK' };
        throw errors.connection_lost_after!();
      }
      if (text === 'ROLLBACK') {
        await rollBack();
        leave();
        await gate.answer(null);
        return { command: 'ROLLBACK' };
      }
      const isCommit = text === 'COMMIT';
      statements.push(text);
      const interrupted = statements.length > interruptedAt || isCommit;
      if (interrupted && fault !== null) {
        if (fault === 'killed_in_transaction') {
          await rollBack();
          actor.kill(fault);
          leave();
          return hang();
        }
        const failure = fault === 'connection_lost_after' ? undefined : errors[fault];
        if (failure !== undefined) {
          await rollBack();
          leave();
          await gate.answer(null);
          throw failure();
        }
      }
      if (!isCommit) return run();
      const result = await run();
      await onCommit(actor, statements);
      if (fault === 'killed_after') actor.kill(fault);
      leave();
      await gate.answer(fault);
      if (fault === 'connection_lost_after') throw errors[fault]!();
      return result;
    };
    const simulated = {
      query: inside as Query,
      on: () => simulated,
      off: () => simulated,
      release: () => {
        if (!over) leave();
      },
    };
    return simulated as unknown as PoolClient;
  };

  const simulated: Partial<Record<keyof Pool, unknown>> = { query, connect, end: () => Promise.resolve() };
  return new Proxy(real, {
    get: (target, key) => simulated[key as keyof Pool] ?? (Reflect.get(target, key) as unknown),
  });
};

export interface DatabaseAddress extends DatabaseServer {
  readonly name: string;
}

/** Names of statements, the same on every connection. */
const preparedNames = new Map<string, string>();
const preparedName = (text: string): string => {
  const name = preparedNames.get(text) ?? `simulated_${preparedNames.size}`;
  preparedNames.set(text, name);
  return name;
};

type Statement = pg.QueryConfig & { readonly values: unknown[] };
/** The statement of a call with parameters, and what else the call was given. */
const statementOf = (call: readonly unknown[]): readonly [statement: Statement, rest: readonly unknown[]] | null => {
  const [first, second, ...others] = call;
  if (typeof first === 'string')
    return Array.isArray(second) ? [{ text: first, values: second as unknown[] }, others] : null;
  const config = first as Partial<Statement>;
  return config.text !== undefined && Array.isArray(config.values) ? [config as Statement, call.slice(1)] : null;
};

/** What takes too long is decided in virtual time: a machine that is busy with other work must not change a course. */
export const realTimeoutMs = 60_000;

/**
 * Connections of a worker. Statements with parameters are parsed and planned once for each connection instead of each
 * time: thousands of runs are about what statements do, and half of their time was planning them.
 */
export const openPool = ({ port, password, socketDirectory, name }: DatabaseAddress, user: string): Pool => {
  const pool = createPool({
    host: socketDirectory ?? '127.0.0.1',
    port,
    database: name,
    user,
    login: fixedCredentials({ password }),
    tls: false,
    applicationName: 'simulation',
    statementTimeoutMs: realTimeoutMs,
  });
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...all: unknown[]) => unknown;
    const prepared = (...call: readonly unknown[]): unknown => {
      const found = statementOf(call);
      if (found === null) return query(...call);
      const [statement, rest] = found;
      return query({ ...statement, name: preparedName(statement.text) }, ...rest);
    };
    client.query = prepared as typeof client.query;
  });
  return pool;
};
