import { join } from 'node:path';
import { migratePostgres } from '@torghut/platform';
import pg from 'pg';
import type { LocalDeployment } from '../../infra/local/deployment.ts';
import type { Statements } from './recorder.ts';

/** Tables that the loop writes, each after those its foreign keys name. */
const tables = [
  'market_calendar',
  'universe_resolutions',
  'signal_windows',
  'trade_cursor',
  'strategy_health',
  'trade_decisions',
  'outbox',
  'broker_receipts',
  'executions',
  'execution_order_events',
  'account_activities',
  'execution_tca_metrics',
  'adapter_states',
  'position_snapshots',
  'reconciliation_runs',
  'reconciliation_breaks',
  'dead_letters',
] as const;

/** What foreign keys of those tables need beside them. */
const references = ['strategies', 'feature_contracts'] as const;

/** Rows as the text of an array, by table. */
export type Written = readonly { readonly table: string; readonly rows: string }[];

/** The cursor is one row that moves; everything else is counted once, when it was inserted. */
const replaceCursor = `ON CONFLICT (source, account_label) DO UPDATE SET cursor_event_ts = excluded.cursor_event_ts,
  cursor_symbol = excluded.cursor_symbol, cursor_seq = excluded.cursor_seq, overlap_keys = excluded.overlap_keys,
  lock_version = excluded.lock_version`;

const newRows = tables
  .map(
    (table) => `SELECT '${table}' AS "table", array_agg(r)::text AS rows FROM ${table} r
      WHERE ${table === 'trade_cursor' ? 'updated_at' : 'created_at'} > $1 HAVING count(*) > 0`,
  )
  .join(' UNION ALL ');

/**
 * The least that the work of the loop costs on this machine: its reads of ClickHouse sent once more, with the client's own
 * reading of the rows and nothing else; and its rows inserted into equal tables of a second database, one statement for
 * each table, in one transaction. Rows are taken as they were committed, so no row is built, and their changes are free.
 */
export class Floor implements AsyncDisposable {
  readonly #source: pg.Client;
  readonly #target: pg.Client;

  private constructor(source: pg.Client, target: pg.Client) {
    this.#source = source;
    this.#target = target;
  }

  static async open({ postgres }: LocalDeployment): Promise<Floor> {
    const name = 'floor';
    await postgres.createDatabase(name);
    const [source, target] = ['torghut', name].map(
      (database) => new pg.Client({ connectionString: postgres.adminUrl(database) }),
    ) as [pg.Client, pg.Client];
    await Promise.all([source.connect(), target.connect()]);
    await migratePostgres(target, join(import.meta.dirname, '..', '..', 'migrations', 'postgres'));
    for (const table of references) {
      const stored = await source.query<{ rows: string }>(`SELECT array_agg(r)::text AS rows FROM ${table} r`);
      await target.query(insertInto(table), [stored.rows[0]?.rows]);
    }
    return new Floor(source, target);
  }

  /** A moment of the database, to ask later what was written since. */
  async mark(): Promise<string> {
    const { rows } = await this.#source.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
    return rows[0]?.at ?? '';
  }

  async writtenSince(mark: string): Promise<Written> {
    const { rows } = await this.#source.query<Written[number]>(newRows, [mark]);
    return rows;
  }

  /** Pays the floor of one piece of work and resolves with its price, milliseconds. */
  async pay(statements: Statements, written: Written): Promise<number> {
    const started = performance.now();
    for (const { client, query } of statements.clickhouse) {
      const { abort_signal: _deadline, ...again } = query;
      const answer = await client.query({ ...again, format: 'JSONCompactEachRow' });
      await answer.json();
    }
    if (written.length > 0) {
      await this.#target.query('BEGIN');
      for (const { table, rows } of written) await this.#target.query(insertInto(table), [rows]);
      await this.#target.query('COMMIT');
    }
    return performance.now() - started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#source.end(), this.#target.end()]);
  }
}

const insertInto = (table: string): string =>
  `INSERT INTO ${table} SELECT * FROM unnest($1::${table}[]) ${table === 'trade_cursor' ? replaceCursor : ''}`;
