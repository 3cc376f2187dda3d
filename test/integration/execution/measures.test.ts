import { decimal, minute, second, type CounterName, type FillActivity, type HistogramName } from '@torghut/domain';
import { operatorReadModel } from '@torghut/platform';
import { afterEach, describe, expect, it } from 'vitest';
import { account, startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
afterEach(() => world.close());

const observations = (name: HistogramName, dimensions: Readonly<Record<string, string>>): number => {
  const sample = world.telemetry
    .samples()
    .find((one) => one.name === name && JSON.stringify(one.dimensions) === JSON.stringify(dimensions));
  return sample !== undefined && 'count' in sample ? sample.count : 0;
};

/** What was counted while it happened, and what the operator API counts in the rows it left. */
const bothCounts = async (name: CounterName) => {
  const { counters } = await operatorReadModel(world.database.app, account).measurements(world.clock.now());
  const values = (samples: readonly object[]) =>
    (samples as { name: string; dimensions: Record<string, string>; value: number }[])
      .filter((sample) => sample.name === name)
      .map(({ dimensions, value }) => [Object.values(dimensions).join(' '), value] as const)
      .sort();
  return { emitted: values(world.telemetry.samples()), stored: values(counters) };
};

describe('an order that is filled', () => {
  it('measures once how long the broker took to have it, and to fill it', async () => {
    world = await startExecution();
    await world.order({ qty: '2' });
    await world.minutes(3);
    expect(observations('decision_to_ack_ms', { adapter: 'lean' })).toBe(1);
    expect(observations('decision_to_fill_ms', { adapter: 'lean' })).toBe(1);
    expect(observations('broker_call_ms', { op: 'submit_order' })).toBe(1);
    for (const op of ['get_account', 'list_positions', 'list_fills', 'get_order'])
      expect([op, observations('broker_call_ms', { op }) > 0]).toEqual([op, true]);
  });

  it('measures a call that failed like any other, and the adapter that took the order in the end', async () => {
    world = await startExecution();
    await world.faults({ lean: { kind: 'down' } });
    await world.order({ qty: '2' });
    expect(observations('broker_call_ms', { op: 'submit_order' })).toBe(2);
    expect(observations('decision_to_ack_ms', { adapter: 'alpaca' })).toBe(1);
    expect(observations('decision_to_ack_ms', { adapter: 'lean' })).toBe(0);
  });
});

describe('counters of what the ledger writes', () => {
  it('count each change of a breaker that was committed', async () => {
    world = await startExecution();
    await world.faults({ lean: { kind: 'down' } });
    for (const symbol of ['AAPL', 'NVDA', 'MSFT']) await world.order({ symbol });
    await world.faults({ lean: null });
    await world.minutes(6);
    for (const symbol of ['AAPL', 'NVDA', 'MSFT']) await world.order({ symbol });
    const { emitted, stored } = await bothCounts('breaker_transitions_total');
    expect(emitted).toEqual([
      ['lean closed', 1],
      ['lean half_open', 1],
      ['lean open', 1],
    ]);
    expect(emitted).toEqual(stored);
  });

  it('count a break once, however often it is met', async () => {
    world = await startExecution();
    await world.order({ limitPrice: '100.00' });
    await world.database.app.query(`UPDATE executions SET alpaca_order_id = 'gone', client_order_id = 'gone'`);
    await world.minutes(4);
    const { emitted, stored } = await bothCounts('reconciliation_breaks_total');
    expect(emitted).toEqual([['order_missing_at_broker', 1]]);
    expect(emitted).toEqual(stored);
  });

  it('count a fill as out of order when a later one of its order was known before', async () => {
    world = await startExecution();
    const decision = await world.order({ qty: '2', limitPrice: '100.00' });
    const orderId = (await world.rows<{ id: string }>(`SELECT alpaca_order_id AS id FROM executions`))[0]!.id;
    const now = world.clock.now();
    const fill = (id: string, at: number): FillActivity => ({
      id,
      source: 'activities',
      correction: null,
      orderId,
      symbol: 'AAPL',
      side: 'buy',
      qty: decimal('0.5'),
      price: decimal('100'),
      cumQty: decimal('0.5'),
      leavesQty: decimal('1'),
      transactionTime: at,
      raw: {},
    });
    const runId = (await world.ports.sync.orders.beginRun(now + minute, now))!;
    const book = (...fills: FillActivity[]) => world.ports.sync.orders.bookFills(fills, runId, now);
    // Fills of one report are in no order that could be wrong.
    expect(await book(fill('b', now + 20 * second), fill('a', now + 10 * second))).toMatchObject({
      booked: 2,
      outOfOrder: 0,
      firstFills: [{ adapter: 'lean' }],
    });
    expect(await book(fill('early', now + 5 * second), fill('b', now + 20 * second))).toMatchObject({
      booked: 1,
      duplicate: 1,
      outOfOrder: 1,
      firstFills: [],
    });
    // What is stored is the delay of the first fill, whenever it was reported.
    expect(
      await world.rows(
        `SELECT decision_to_fill_ms - extract(epoch FROM $1::timestamptz - d.window_start - interval '1 minute') * 1000 AS after
           FROM execution_tca_metrics t JOIN trade_decisions d ON d.id = t.trade_decision_id WHERE d.id = $2`,
        [new Date(now + 5 * second), decision.id],
      ),
    ).toEqual([{ after: '0.000000' }]);
  });
});
