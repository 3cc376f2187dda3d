import { realisedNetOf, sha256, type AccountLabel } from '@torghut/domain';
import { sessionFills } from '@torghut/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

const account = 'paper' as AccountLabel;
let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  const fills = [
    ['a', '2026-02-10T15:00:00Z', 'AAPL', 'buy', '10', '90'],
    ['b', '2026-02-10T15:00:00Z', 'AAPL', 'sell', '10', '95'],
    ['c', '2026-02-11T15:00:00Z', 'AAPL', 'buy', '10', '100'],
    ['d', '2026-02-11T15:00:00Z', 'MSFT', 'buy', '1', '400'],
    ['e', '2026-02-12T15:00:00Z', 'AAPL', 'sell', '4', '103'],
    ['f', '2026-02-12T15:01:00Z', 'NVDA', 'buy', '1', '50'],
    ['g', '2026-02-13T15:00:00Z', 'AAPL', 'sell', '6', '200'],
  ] as const;
  for (const [id, at, symbol, side, qty, price] of fills) {
    const row = { broker_execution_id: id, event_ts: at, symbol, qty, price, raw_event: { side }, event_type: 'fill' };
    await insertRow(
      database.app,
      'execution_order_events',
      sampleRow('execution_order_events', { ...row, event_fingerprint: sha256(id) }),
    );
  }
});
afterAll(() => database.close());

it('gives the fills of a session and what they closed, from where the symbol was flat', async () => {
  const fills = await sessionFills(database.app, account, '2026-02-12');
  expect(fills.map(({ executionId, side }) => [executionId, side])).toEqual([
    ['c', 'buy'],
    ['e', 'sell'],
    ['f', 'buy'],
  ]);
  // 4 shares at 3 USD, less one cent each of TAF and CAT.
  const profit = realisedNetOf('2026-02-12', fills);
  expect(profit.ok && profit.net.toFixed()).toBe('11.98');
});

it('of a session without fills is nothing', async () => {
  const fills = await sessionFills(database.app, account, '2026-02-09');
  expect([fills, realisedNetOf('2026-02-09', fills)]).toMatchObject([[], { ok: true }]);
});
