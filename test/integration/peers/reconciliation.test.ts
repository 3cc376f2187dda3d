import {
  decimal,
  minute,
  second,
  syncOrders,
  zero,
  type BrokerActivity,
  type BrokerPosition,
  type Read,
  type ReconciliationReads,
} from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { startExecution, type ExecutionOptions, type ExecutionWorld } from '../../support/execution.ts';
import { reconciliationOf } from '../../support/reconciliation.ts';

const worlds: ExecutionWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
const start = async (options?: ExecutionOptions): Promise<ExecutionWorld> => {
  const world = await startExecution(options);
  worlds.push(world);
  return world;
};

/** An order of two shares that is filled at once; the order sync has not looked yet. */
const trade = async (world: ExecutionWorld, symbol = 'AAPL') => {
  const decision = await world.decide({ symbol, qty: '2' });
  await world.drain();
  return decision;
};

/** An order that rests below the market. */
const rest = async (world: ExecutionWorld) => {
  const decision = await world.decide({ symbol: 'AAPL', qty: '2', limitPrice: '99.5' });
  await world.drain();
  return decision;
};

/** Every row that tells what was ordered, filled and moved, without when it was written. */
const ledgerRows = async (world: ExecutionWorld): Promise<string> => {
  const tables = {
    executions: `alpaca_order_id, client_order_id, state, filled_qty, avg_fill_price, broker_status`,
    execution_order_events: `event_fingerprint, broker_execution_id, event_type, alpaca_order_id, qty, price, event_ts`,
    account_activities: `activity_id, activity_type, order_id, side, qty, price, activity_ts`,
    execution_tca_metrics: `filled_qty, avg_fill_price, slippage_bps, shortfall_notional`,
  };
  const rows = await Promise.all(
    Object.entries(tables).map(([table, columns]) => world.rows(`SELECT ${columns} FROM ${table} ORDER BY ${columns}`)),
  );
  return JSON.stringify(rows);
};

const fillsBooked = async (world: ExecutionWorld): Promise<number> =>
  (await world.rows(`SELECT id FROM execution_order_events WHERE event_type IN ('fill', 'partial_fill')`)).length;

const position = (symbol: string, qty: string): BrokerPosition => ({
  symbol,
  qty: decimal(qty),
  qtyAvailable: decimal(qty),
  avgEntryPrice: decimal('100'),
  marketValue: decimal(qty).times('100'),
  currentPrice: null,
});

/** The broker's positions, changed by a test. */
const withPositions = (
  world: ExecutionWorld,
  change: (positions: readonly BrokerPosition[]) => readonly BrokerPosition[],
): Partial<ReconciliationReads> => {
  const plain = reconciliationOf(world).ports.broker;
  return {
    positions: async () => {
      const read = await plain.positions();
      return read.ok ? { ok: true, value: change(read.value) } : read;
    },
  };
};

it('nautilus_3046: a restart that replays all events changes nothing', async () => {
  const world = await start();
  await trade(world);
  await world.minutes(5);
  const { run } = reconciliationOf(world);
  const before = await ledgerRows(world);
  for (let restart = 0; restart < 3; restart += 1) {
    world.clock.advanceTo(world.clock.now() + minute);
    await world.sync();
    expect(await run('nightly')).toMatchObject({ completed: true, breaks: 0 });
  }
  expect(await ledgerRows(world)).toBe(before);
});

it('nautilus_3176: reconciling a position never creates an order, however often it starts', async () => {
  const world = await start();
  await trade(world);
  await world.minutes(5);
  const { run, breaks } = reconciliationOf(
    world,
    withPositions(world, (held) => [...held, position('MSFT', '75')]),
  );
  const orders = world.twins.alpaca.orders().length;
  for (let restart = 0; restart < 3; restart += 1) {
    world.clock.advanceTo(world.clock.now() + minute);
    await run('positions');
  }
  expect(world.twins.alpaca.orders()).toHaveLength(orders);
  expect(await world.rows(`SELECT id FROM executions`)).toHaveLength(1);
  expect((await breaks()).map(({ break_type, symbol }) => [break_type, symbol])).toEqual([
    ['position_qty_mismatch', 'MSFT'],
  ]);
});

it('nautilus_3878: two runs on the same state give byte-equal rows', async () => {
  const corrected = async (): Promise<string> => {
    const world = await start({ venueSeed: 7 });
    await trade(world);
    world.clock.advanceTo(world.clock.now() + 10 * minute);
    const { run, breaks } = reconciliationOf(world);
    await run('positions');
    const once = await ledgerRows(world);
    await run('positions', world.clock.now() + minute);
    expect(await ledgerRows(world)).toBe(once);
    const found = (await breaks()).map(({ id: _id, ...stored }) => stored);
    expect(found.map(({ break_type: type }) => type)).toContain('fill_missing_locally');
    return JSON.stringify([once, found]);
  };
  expect(await corrected()).toBe(await corrected());
});

it('nautilus_3104: a position older than the history stops its symbol only, until an operator adopts it', async () => {
  const world = await start();
  const { run, breaks, accept } = reconciliationOf(
    world,
    withPositions(world, (held) => [...held, position('MSFT', '75')]),
  );
  world.clock.advanceTo(world.clock.now() + minute);
  expect(await run('positions')).toMatchObject({ completed: true, breaks: 1 });
  expect(await breaks()).toMatchObject([
    { break_type: 'position_qty_mismatch', symbol: 'MSFT', ours: { qty: '0' }, theirs: { qty: '75' }, status: 'open' },
  ]);
  await world.sync();
  const stopped = await world.decide({ symbol: 'MSFT', qty: '1' });
  const trading = await world.decide({ symbol: 'AAPL', qty: '1' });
  await world.drain();
  expect(await world.decision(stopped.id)).toMatchObject({ status: 'denied', reasons: ['reduce_only_active'] });
  expect((await world.decision(trading.id)).reasons).toEqual([]);

  await accept('position_qty_mismatch');
  await world.minutes(5);
  expect(await run('positions')).toMatchObject({ completed: true, breaks: 0 });
  const free = await world.decide({ symbol: 'MSFT', qty: '1' });
  await world.drain();
  expect((await world.decision(free.id)).reasons).toEqual([]);
});

it('nautilus_4736: no synthetic fill offsets a position, and the broker’s word stands until reviewed', async () => {
  const world = await start();
  await trade(world);
  await world.minutes(5);
  const booked = await fillsBooked(world);
  const { run, breaks } = reconciliationOf(
    world,
    withPositions(world, () => []),
  );
  await run('positions');
  expect(await fillsBooked(world)).toBe(booked);
  expect(await breaks()).toMatchObject([
    { break_type: 'position_qty_mismatch', symbol: 'AAPL', ours: { qty: '2' }, theirs: { qty: '0' }, status: 'open' },
  ]);
  const double = await trade(world);
  expect(await world.decision(double.id)).toMatchObject({ status: 'denied' });
  expect((await world.decision(double.id)).reasons).toContain('reduce_only_active');
});

it('nautilus_5000: an order working at the broker is kept, though fills do not explain the position', async () => {
  const world = await start();
  const resting = await rest(world);
  world.clock.advanceTo(world.clock.now() + 70 * second);
  const { run, types } = reconciliationOf(
    world,
    withPositions(world, () => [position('AAPL', '5')]),
  );
  await run('positions');
  expect(await types()).toEqual(['position_qty_mismatch']);
  expect((await world.execution(resting))?.state).not.toBe('canceled');
  expect(world.twins.alpaca.orders().map(({ status }) => status)).toEqual(['new']);
});

it('nautilus_4991: duplicate and superseded reports change nothing', async () => {
  const world = await start();
  const decision = await trade(world);
  await world.minutes(5);
  const before = await ledgerRows(world);
  const plain = reconciliationOf(world).ports.broker;
  const { run, types } = reconciliationOf(world, {
    activitiesAfter: async function* (after): AsyncGenerator<Read<readonly BrokerActivity[]>> {
      for await (const page of plain.activitiesAfter(after))
        yield page.ok ? { ok: true, value: [...page.value, ...page.value] } : page;
    },
    ordersFrom: async function* (from) {
      for await (const page of plain.ordersFrom(from))
        yield page.ok
          ? {
              ok: true,
              value: page.value.map((order) => ({ ...order, status: 'new', filledQty: zero, filledAvgPrice: null })),
            }
          : page;
    },
  });
  expect(await run('positions')).toMatchObject({ completed: true });
  expect(await ledgerRows(world)).toBe(before);
  expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '2' });
  expect(new Set(await types())).toEqual(new Set(['fill_duplicate']));
});

it('nautilus_3493: no fill is inferred from an order; the real one is booked once when it is listed', async () => {
  const world = await start();
  const decision = await trade(world);
  const until = world.clock.now() + 20 * minute;
  world.twins.alpaca.disturb({ kind: 'activities_missing', until });
  world.clock.advanceTo(world.clock.now() + 10 * minute);
  const { run, types } = reconciliationOf(world);
  await run('positions');
  // Whether the fill was created before it was hidden or after, an order alone books nothing.
  const booked = await fillsBooked(world);
  expect(booked).toBe(0);
  expect(await types()).toContain('fill_qty_mismatch');
  world.clock.advanceTo(until + minute);
  await run('positions');
  await run('positions', world.clock.now() + minute);
  expect(await fillsBooked(world)).toBe(1);
  expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '2' });
});

it('nautilus_4517: a fill between the broker’s answer and the decision is no difference', async () => {
  const world = await start();
  await world.minutes(1);
  const plain = reconciliationOf(world).ports.broker;
  let readings = 0;
  const { run, types } = reconciliationOf(world, {
    positions: async () => {
      const read = await plain.positions();
      readings += 1;
      if (readings <= 2) {
        // The answer is on its way while an order is sent, filled and booked.
        await trade(world, readings === 1 ? 'AAPL' : 'NVDA');
        world.clock.advanceTo(world.clock.now() + second);
        await world.sync();
      }
      return read;
    },
  });
  expect(await run('positions', world.clock.now() + 7 * minute)).toMatchObject({ completed: true, breaks: 0 });
  expect(readings).toBe(3);
  expect(await types()).toEqual([]);
});

it('lean_ib_249: fills of a disconnect are recovered from the activities', async () => {
  const world = await start();
  await trade(world, 'AAPL');
  await trade(world, 'NVDA');
  // Nothing was heard of the broker for hours.
  world.clock.advanceTo(world.clock.now() + 180 * minute);
  const { run } = reconciliationOf(world);
  expect(await run('positions')).toMatchObject({ completed: true });
  expect(await fillsBooked(world)).toBe(2);
  await world.expectConsistent();
});

it('lean_tradestation_95: a feed that loses fills while it lives is seen by its content', async () => {
  const world = await start();
  for (const symbol of ['AAPL', 'NVDA', 'MSFT']) {
    await world.decide({ symbol, qty: '1' });
    await world.drain();
  }
  const { broker } = world.ports.sync;
  const deaf = {
    ...world.ports.sync,
    broker: {
      ...broker,
      fillsAfter: async (after: number) => {
        const read = await broker.fillsAfter(after);
        return read.ok ? { ok: true as const, value: read.value.filter(({ symbol }) => symbol === 'AAPL') } : read;
      },
    },
  };
  for (let passed = 0; passed < 5; passed += 1) {
    world.clock.advanceTo(world.clock.now() + minute);
    expect(await syncOrders(world.clock.now(), deaf)).toMatchObject({ completed: true });
  }
  expect(await fillsBooked(world)).toBe(1);
  const { run, types } = reconciliationOf(world);
  await run('positions');
  expect((await types()).filter((type) => type === 'fill_missing_locally')).toHaveLength(2);
  expect(await fillsBooked(world)).toBe(3);
  await world.expectConsistent();
});

it('freqtrade_3640: an open order that vanished at the broker is missed, and its symbol goes to review', async () => {
  const world = await start();
  const resting = await rest(world);
  world.twins.alpaca.disturb({ kind: 'order_vanished', order: { state: 'open' }, on: true });
  world.clock.advanceTo(world.clock.now() + 90 * second);
  const { run, breaks } = reconciliationOf(world);
  await run('positions');
  expect(await breaks()).toMatchObject([
    { break_type: 'order_missing_at_broker', symbol: 'AAPL', severity: 'critical', status: 'open' },
  ]);
  expect((await world.execution(resting))?.state).not.toBe('canceled');
  expect(
    await world.rows(
      `SELECT adapter, state FROM adapter_states WHERE symbol = 'AAPL' AND superseded_at IS NULL ORDER BY 1`,
    ),
  ).toEqual([
    { adapter: 'alpaca', state: 'manual_review' },
    { adapter: 'lean', state: 'manual_review' },
  ]);
});
