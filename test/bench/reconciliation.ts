import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { migratePostgres } from '@torghut/platform';
import pg from 'pg';
import { startPostgres } from '../../infra/local/engines/postgres.ts';
import { benchRow, type BenchRow } from './row.ts';

/** What the measured process is told, and what it answers. */
export interface ReconciliationTask {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly password: string;
  readonly executions: number;
}
export interface ReconciliationFigures {
  readonly seconds: number;
  readonly peakMebibytes: number;
  readonly checked: number;
  readonly breaks: number;
  readonly completed: boolean;
  readonly sources: unknown;
}

export const bench = {
  account: 'paper',
  symbols: 20,
  /** Between two orders. */
  spacingMs: 20_000,
  startAt: Date.parse('2025-01-02T15:00:00.000Z'),
  openingCash: '1000000',
} as const;

/**
 * Executions that were all filled in one piece, with their booked fill and the activity it came from. Buys and sales take
 * turns, so that nothing is held at the end. Constraints hold by construction and are not checked again while loading.
 */
export const generate = (executions: number): readonly string[] => {
  const order = (index: string): string => `md5(${index}::text)`;
  const at = (index: string): string =>
    `to_timestamp(${bench.startAt / 1_000}) + ${index} * interval '${bench.spacingMs} milliseconds'`;
  const symbol = (index: string): string => `'SYM' || (${index} / 2) % ${bench.symbols}`;
  const side = (index: string): string => `CASE WHEN ${index} % 2 = 0 THEN 'buy' ELSE 'sell' END`;
  const fill = (index: string): string => `'20250102000000000::' || md5('fill' || ${index})`;
  const series = `generate_series(0, ${executions - 1}) AS i`;
  return [
    `SET session_replication_role = replica`,
    `INSERT INTO executions (id, account_label, client_order_id, alpaca_order_id, attempt, symbol, side, order_type, time_in_force, submitted_qty,
       filled_qty, avg_fill_price, state, broker_status, execution_expected_adapter, execution_actual_adapter, provenance_source,
       route_context, raw_order, submitted_at, last_update_at)
     SELECT ${order('i')}::uuid, '${bench.account}', 'tg1-' || ${order('i')}, ${order('i')}, 1, ${symbol('i')}, ${side('i')}, 'limit', 'day', 10, 10,
       100 + i % 7, 'filled', 'filled', 'lean', 'lean', 'route', '{}', '{}', ${at('i')}, ${at('i')} FROM ${series}`,
    `INSERT INTO execution_order_events (account_label, event_fingerprint, source, broker_execution_id, event_ts, received_at, symbol,
       alpaca_order_id, event_type, qty, filled_qty, price, raw_event, execution_id)
     SELECT '${bench.account}', encode(sha256(i::text::bytea), 'hex'), 'activities', ${fill('i')}, ${at('i')}, ${at('i')}, ${symbol('i')},
       ${order('i')}, 'fill', 10, 10, 100 + i % 7, '{}', ${order('i')}::uuid FROM ${series}`,
    `INSERT INTO account_activities (account_label, activity_id, activity_type, activity_ts, symbol, side, qty, price, cum_qty, leaves_qty,
       order_id, raw)
     SELECT '${bench.account}', ${fill('i')}, 'FILL', ${at('i')}, ${symbol('i')}, ${side('i')}, 10, 100 + i % 7, 10, 0, ${order('i')}, '{}'
       FROM ${series}`,
    `INSERT INTO position_snapshots (account_label, as_of, session_date, kind, equity, cash, buying_power, long_market_value,
       short_market_value, positions, complete, source)
     SELECT '${bench.account}', ${at('0')} - interval '1 hour', '2025-01-02', 'day_start', ${bench.openingCash}, ${bench.openingCash}, 0, 0, 0, '[]', true, 'bench'`,
    `RESET session_replication_role`,
    `VACUUM ANALYZE executions, execution_order_events, account_activities`,
  ];
};

/**
 * The bare SQL of the same rows: every execution with its fill as it is booked and as the broker listed it, once through
 * the connection and thrown away.
 */
const bareRead = `COPY (
  SELECT e.id, e.alpaca_order_id, e.client_order_id, e.symbol, e.state, e.submitted_qty, e.submitted_at, e.execution_expected_adapter,
    e.execution_actual_adapter, v.broker_execution_id, v.qty, v.price, a.activity_id, a.side, a.qty, a.price
  FROM executions e
  LEFT JOIN execution_order_events v ON v.execution_id = e.id AND v.event_type IN ('fill', 'partial_fill')
  LEFT JOIN account_activities a ON a.account_label = e.account_label AND a.order_id = e.alpaca_order_id AND a.activity_type = 'FILL'
  WHERE e.account_label = '${bench.account}' ORDER BY e.submitted_at, e.alpaca_order_id
) TO STDOUT`;

const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
};

/** Reconciles a ledger with a broker that lists the same orders, in a process of its own, so that its memory is its own. */
export const reconciliationBench = async (
  progress: (text: string) => void,
  { size = 1_000_000 }: { readonly size?: number } = {},
): Promise<readonly BenchRow[]> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-bench-'));
  // Started by root, PostgreSQL runs as another user, who has to get through to its own directory.
  await chmod(directory, 0o711);
  const postgres = await startPostgres({ dataDir: join(directory, 'postgres'), persistent: false });
  try {
    const database = 'reconciliation';
    await postgres.createDatabase(database);
    const client = new pg.Client({ connectionString: postgres.adminUrl(database) });
    await client.connect();
    try {
      await migratePostgres(client, join(import.meta.dirname, '..', '..', 'migrations', 'postgres'));
      progress(`generating ${size} executions, fills and activities`);
      const generated = await secondsOf(async () => {
        for (const statement of generate(size)) await client.query(statement);
      });
      progress(`generated in ${generated.toFixed(1)} s; reading them bare`);
      const floors = [await secondsOf(() => client.query(bareRead)), await secondsOf(() => client.query(bareRead))];
      const floor = Math.min(...floors);
      progress(`bare SQL: ${floors.map((seconds) => seconds.toFixed(2)).join(' s, ')} s; reconciling`);
      const task: ReconciliationTask = {
        host: postgres.host,
        port: postgres.port,
        database,
        password: postgres.password,
        executions: size,
      };
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(import.meta.dirname, 'reconciliation-process.ts'),
        JSON.stringify(task),
      ]);
      const figures = JSON.parse(stdout) as ReconciliationFigures;
      if (!figures.completed || figures.breaks !== 0)
        throw new Error(`expected a completed run without breaks, found ${JSON.stringify(figures)}`);
      progress(
        `${figures.checked} compared in ${figures.seconds.toFixed(2)} s, peak ${figures.peakMebibytes.toFixed(0)} MiB`,
      );
      return [
        benchRow({
          name: 'reconciliation_ratio',
          value: figures.seconds,
          unit: 's',
          floor,
          goal: { of: 'ratio', atMost: 3 },
        }),
        benchRow({
          name: 'reconciliation_million',
          value: (figures.seconds * 1_000_000) / size,
          unit: 's per million',
          goal: { of: 'value', atMost: 60 },
        }),
        benchRow({
          name: 'reconciliation_memory',
          value: figures.peakMebibytes,
          unit: 'MiB',
          goal: { of: 'value', atMost: 512 },
        }),
      ];
    } finally {
      await client.end();
    }
  } finally {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
};
