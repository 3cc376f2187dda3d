import type { AccountLabel } from '@torghut/domain';
import { postgresReconciliationLedger } from '@torghut/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

const account = 'paper' as AccountLabel;
const startAt = Date.parse('2026-02-13T15:00:00.000Z');
const count = 12_500;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  // More of one millisecond than a batch holds, and differences that a millisecond does not tell.
  await database.owner.query(
    `INSERT INTO executions (account_label, alpaca_order_id, attempt, symbol, side, order_type, time_in_force, submitted_qty, filled_qty, state,
       execution_expected_adapter, execution_actual_adapter, provenance_source, route_context, raw_order, submitted_at, last_update_at)
     SELECT 'paper', 'order-' || md5(i::text), 1, 'AAPL', 'buy', 'limit', 'day', 1, 0, CASE WHEN i % 2 = 0 THEN 'working' ELSE 'canceled' END,
       'lean', 'lean', 'route', '{}', '{}', at, at
       FROM generate_series(1, $1) AS i,
         LATERAL (SELECT $2::timestamptz + CASE WHEN i <= 12200 THEN (i % 3) * interval '1 microsecond' ELSE i * interval '1 millisecond' END AS at)`,
    [count, new Date(startAt)],
  );
});
afterAll(() => database.close());

const listed = async (from: number | null, until: number): Promise<string[]> => {
  const ledger = postgresReconciliationLedger(database.app, { account, telemetry: { count: () => undefined } });
  const ids: string[] = [];
  for await (const { rows } of ledger.orders(from, until)) ids.push(...rows.map(({ brokerOrderId: id }) => id));
  return ids;
};

it('gives each order once, however many were sent in one millisecond', async () => {
  const ids = await listed(null, startAt + 60_000);
  expect(ids).toHaveLength(count);
  expect(new Set(ids).size).toBe(count);
});

it('gives the orders of a range, and older ones only while they are open', async () => {
  // 300 of the range, and of the 12,200 before it the half that works.
  expect(await listed(startAt + 1_000, startAt + 60_000)).toHaveLength(300 + 6_100);
  expect(await listed(null, startAt)).toEqual([]);
});

it('keeps a run completed that another worker then fails at, and begins a failed one without an end', async () => {
  const ledger = postgresReconciliationLedger(database.app, { account, telemetry: { count: () => undefined } });
  const of = (completed: boolean) => ({ sources: {}, checked: 0, completed });
  const status = async (id: string) =>
    (await database.owner.query('SELECT status, finished_at FROM reconciliation_runs WHERE id = $1', [id]))
      .rows[0] as unknown;
  const first = (await ledger.beginRun('positions', startAt, startAt))!;
  await ledger.finishRun(first, of(false), startAt + 1);
  expect(await ledger.beginRun('positions', startAt, startAt + 2)).toBe(first);
  expect(await status(first)).toEqual({ status: 'running', finished_at: null });
  await ledger.finishRun(first, of(true), startAt + 3);
  expect(await ledger.finishRun(first, of(false), startAt + 4)).toEqual({ breaks: 0, healed: 0 });
  expect(await status(first)).toMatchObject({ status: 'completed' });
  expect(await ledger.beginRun('positions', startAt, startAt + 5)).toBeNull();
  await expect(ledger.finishRun('00000000-0000-4000-8000-000000000000', of(true), startAt)).rejects.toThrow(
    'found none',
  );
});
