import { decimalText } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import type { Disturbance } from '../../../../../infra/local/twins/index.ts';
import { midSession, quote, quotedMarket } from '../support.ts';
import { friday, useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();
type World = Awaited<ReturnType<typeof start>>;

const fillsOf = ({ twin }: World) =>
  twin.fills().map(({ qty, price, state }) => `${decimalText(qty)} at ${decimalText(price)} ${state}`);

describe('fills out of turn', () => {
  it('an open order fills in part and whole without a quote', async () => {
    const world = await start();
    const placed = await world.place();
    expect(world.twin.disturb({ kind: 'fill', order: 'order-1', qty: '1', price: '89.5' })).toMatchObject({
      applied: true,
    });
    expect(await world.order(placed)).toMatchObject({
      status: 'partially_filled',
      filled_qty: '1',
      filled_avg_price: '89.5',
    });
    world.twin.disturb({ kind: 'fill', order: { state: 'open' } });
    expect(await world.order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '89.75' });
    expect(world.twin.holdings()).toEqual({ cash: '99820.5', positions: { AAPL: '2' } });
  });

  it('fills in part and expires with that', async () => {
    const world = await start();
    const placed = await world.place();
    world.twin.disturb({ kind: 'fill', order: 'order-1', qty: '1' });
    world.clock.advanceTo(friday('16:00'));
    expect(await world.order(placed)).toMatchObject({ status: 'expired', filled_qty: '1' });
  });

  it('fills after the cancel was accepted and before it took effect', async () => {
    const marketData = quotedMarket({
      AAPL: [quote(midSession, '99.98', '100.02'), quote(midSession + 1_000, '88', '89')],
    });
    const world = await start({ marketData, cancelLatencyMs: 2_000 });
    const placed = await world.place();
    expect((await world.cancel(placed)).status).toBe(204);
    world.clock.advance(5_000);
    expect(await world.order(placed)).toMatchObject({ status: 'filled', canceled_at: null });
  });

  it('fills before the venue acknowledged it', async () => {
    const world = await start({ latencies: { routeMs: 1_000 } });
    const placed = await world.place();
    world.twin.disturb({ kind: 'fill', order: 'order-1' });
    expect(await world.order(placed)).toMatchObject({ status: 'filled' });
  });

  it.each([
    ['in part', '1', 'canceled'],
    ['whole', undefined, 'filled'],
  ])('a canceled order fills %s after all', async (_title, qty, status) => {
    const world = await start();
    const placed = await world.place();
    await world.cancel(placed);
    expect(await world.order(placed)).toMatchObject({ status: 'canceled', filled_qty: '0' });
    world.twin.disturb({ kind: 'late_fill', order: 'order-1', ...(qty === undefined ? {} : { qty }) });
    expect(await world.order(placed)).toMatchObject({ status, filled_qty: qty ?? '2' });
  });

  it('an expired order fills on the next day', async () => {
    const world = await start();
    const placed = await world.place();
    world.clock.advanceTo(friday('16:00'));
    expect(await world.order(placed)).toMatchObject({ status: 'expired' });
    const at = friday('16:00') + 18 * 3_600_000;
    world.twin.disturb({ kind: 'late_fill', order: 'order-1', at });
    world.clock.advanceTo(at - 1);
    expect(await world.order(placed)).toMatchObject({ status: 'expired', filled_qty: '0' });
    world.clock.advanceTo(at);
    expect(await world.order(placed)).toMatchObject({ status: 'filled', filled_at: new Date(at).toISOString() });
    expect(await world.list('/v2/account/activities/FILL')).toMatchObject([
      { transaction_time: new Date(at).toISOString() },
    ]);
  });

  it('an overfill executes more than the order asked for', async () => {
    const world = await start();
    const placed = await world.place();
    world.twin.disturb({ kind: 'overfill', order: 'order-1' });
    expect(await world.order(placed)).toMatchObject({ status: 'filled', qty: '2', filled_qty: '3' });
    expect(fillsOf(world)).toEqual(['2 at 90 executed', '1 at 90 executed']);
    expect(world.twin.holdings().positions).toEqual({ AAPL: '3' });
  });
});

describe('trades taken back', () => {
  it('a bust takes shares and cash back, keeps the order filled, and adds a row beside the original', async () => {
    const world = await start();
    const placed = await world.market();
    await world.order(placed);
    world.clock.advance(60_000);
    expect(world.twin.disturb({ kind: 'trade_bust', fill: { newest: true } })).toMatchObject({ applied: true });
    expect(world.twin.holdings()).toEqual({ cash: '100000', positions: {} });
    expect(await world.order(placed)).toMatchObject({ status: 'filled', filled_qty: '0', filled_avg_price: null });
    expect(fillsOf(world)).toEqual(['2 at 100.02 busted']);
    const [original, bust] = await world.list('/v2/account/activities/FILL?direction=asc');
    expect(bust).toMatchObject({ status: 'canceled', order_id: placed.body['id'], qty: '2', price: '100.02' });
    expect(String(original?.['id'])).toContain(String(bust?.['previous_execution_id']));
    expect(bust?.['id']).not.toBe(original?.['id']);
    expect(world.twin.disturb({ kind: 'trade_bust', fill: { newest: true } })).toMatchObject({ applied: false });
  });

  it('a correction puts another price and quantity in the place of the fill', async () => {
    const world = await start();
    const placed = await world.market();
    await world.order(placed);
    world.twin.disturb({ kind: 'trade_correct', fill: { newest: true, symbol: 'AAPL' }, price: '99.02', qty: '1' });
    expect(world.twin.holdings()).toEqual({ cash: '99900.98', positions: { AAPL: '1' } });
    expect(await world.order(placed)).toMatchObject({ filled_qty: '1', filled_avg_price: '99.02' });
    expect(fillsOf(world)).toEqual(['2 at 100.02 corrected', '1 at 99.02 executed']);
    expect(await world.list('/v2/account/activities/FILL?direction=asc')).toMatchObject([
      { qty: '2', price: '100.02' },
      { qty: '1', price: '99.02', status: 'correct' },
    ]);
  });
});

describe('what others do to the account', () => {
  it('places, replaces and cancels orders by hand', async () => {
    const { twin, list } = await start();
    const body = { symbol: 'AAPL', qty: '1', side: 'buy', type: 'limit', time_in_force: 'day', limit_price: '80' };
    expect(twin.disturb({ kind: 'external_order', body })).toMatchObject({ applied: true });
    const [order] = await list('/v2/orders');
    expect(order).toMatchObject({ status: 'new', qty: '1' });
    expect(twin.orders()).toMatchObject([{ origin: 'external' }]);
    twin.disturb({ kind: 'external_replace', order: { state: 'open' }, body: { limit_price: '81' } });
    expect(await list('/v2/orders')).toMatchObject([{ status: 'new', limit_price: '81', replaces: order?.['id'] }]);
    twin.disturb({ kind: 'external_cancel', order: { state: 'open' } });
    expect(await list('/v2/orders')).toEqual([]);
    expect(twin.disturb({ kind: 'external_order', body: { ...body, qty: '0' } })).toMatchObject({ applied: false });
  });

  it.each<[string, Disturbance, string, string, Body]>([
    [
      'a deposit',
      { kind: 'cash', activity: 'CSD', amount: '500' },
      '100299.96',
      '2',
      { activity_type: 'CSD', net_amount: '500' },
    ],
    [
      'a fee taken back',
      { kind: 'cash', activity: 'FEE', subType: 'REG', amount: '0.01', status: 'canceled' },
      '99799.97',
      '2',
      { activity_type: 'FEE', activity_sub_type: 'REG', status: 'canceled' },
    ],
    [
      'a dividend',
      { kind: 'dividend', symbol: 'AAPL', perShare: '0.255' },
      '99800.47',
      '2',
      { activity_type: 'DIV', net_amount: '0.51', qty: '2', per_share_amount: '0.255', symbol: 'AAPL' },
    ],
    [
      'a split',
      { kind: 'split', symbol: 'AAPL', from: 1, to: 4 },
      '99799.96',
      '8',
      { activity_type: 'SPLIT', activity_sub_type: 'FSPLIT', qty: '6', net_amount: '0' },
    ],
    [
      'shares from elsewhere',
      { kind: 'shares_moved', symbol: 'AAPL', qty: '3', price: '100' },
      '99799.96',
      '5',
      { activity_type: 'JNLS', qty: '3' },
    ],
  ])('%s moves cash or shares and says so in the activities', async (_title, event, cash, qty, row) => {
    const { market, twin, list } = await start();
    await market();
    expect(twin.disturb(event)).toMatchObject({ applied: true });
    expect(twin.holdings()).toEqual({ cash, positions: { AAPL: qty } });
    expect((await list('/v2/account/activities'))[0]).toMatchObject(row);
  });

  it('a merger pays for the shares and cancels the open orders of the symbol', async () => {
    const { market, place, status, twin } = await start();
    await market();
    const resting = await place();
    twin.disturb({ kind: 'merger', symbol: 'AAPL', cashPerShare: '120' });
    expect(twin.holdings()).toEqual({ cash: '100039.96', positions: {} });
    expect(await status(resting)).toBe('canceled');
  });

  it('cash moves without a row', async () => {
    const { twin, list } = await start();
    twin.disturb({ kind: 'cash', activity: null, amount: '-1.5' });
    expect(twin.holdings().cash).toBe('99998.5');
    expect(await list('/v2/account/activities')).toEqual([]);
  });
});

describe('a market that misbehaves', () => {
  const halted = quotedMarket({
    AAPL: [
      quote(midSession, '99.98', '100.02'),
      quote(midSession + 10_000, '88', '89'),
      quote(midSession + 20_000, '88', '88.5'),
    ],
  });

  it('a halted symbol takes orders and fills none until it trades again', async () => {
    const { place, order, twin, clock } = await start({ marketData: halted });
    twin.disturb({ kind: 'halt', symbol: 'AAPL', on: true });
    const placed = await place();
    clock.advance(15_000);
    expect(await order(placed)).toMatchObject({ status: 'new', filled_qty: '0' });
    twin.disturb({ kind: 'halt', symbol: 'AAPL', on: false });
    clock.advance(5_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '88.5' });
  });

  it.each([
    [true, '13:00'],
    [false, '16:00'],
  ])('a session that closes early, announced: %s', async (announced, close) => {
    const { place, order, twin, clock, read } = await start();
    const placed = await place();
    twin.disturb({ kind: 'early_close', closeAt: friday('13:00'), announced });
    expect(await read('/v2/calendar?start=2026-02-13&end=2026-02-13')).toMatchObject([{ close }]);
    clock.advanceTo(friday('13:00') - 1);
    expect(await read('/v2/clock')).toMatchObject({ is_open: true });
    clock.advanceTo(friday('13:00'));
    expect(await order(placed)).toMatchObject({ status: 'expired' });
    expect(await read('/v2/clock')).toMatchObject({ is_open: false });
  });

  it('a clock that is wrong', async () => {
    const { twin, read } = await start();
    twin.disturb({ kind: 'clock_skew', ms: -300_000 });
    expect(await read('/v2/clock')).toMatchObject({
      timestamp: new Date(midSession - 300_000).toISOString(),
      is_open: true,
    });
  });
});

describe('answers that mislead', () => {
  it('a position is missing from the list for as many requests as asked', async () => {
    const { market, twin, list, read } = await start();
    await market();
    await market({ symbol: 'NVDA' });
    const symbols = async () => (await list('/v2/positions')).map(({ symbol }) => symbol);
    twin.disturb({ kind: 'positions_missing', symbol: 'AAPL', requests: 2 });
    expect([await symbols(), await symbols(), await symbols()]).toEqual([['NVDA'], ['NVDA'], ['AAPL', 'NVDA']]);
    twin.disturb({ kind: 'positions_missing' });
    expect(await read('/v2/positions/AAPL')).toMatchObject({ qty: '2' });
    expect([await symbols(), await symbols()]).toEqual([[], ['AAPL', 'NVDA']]);
    expect(twin.disturb({ kind: 'positions_missing', symbol: 'MSFT' })).toMatchObject({ applied: false });
  });

  it('an order is not found by its client order id at first', async () => {
    const { place, twin, call, clock } = await start();
    twin.disturb({ kind: 'lookup_delay', ms: 2_000 });
    await place();
    const look = async () => (await call('GET', '/v2/orders:by_client_order_id?client_order_id=order-1')).status;
    expect(await look()).toBe(404);
    clock.advance(1_999);
    expect(await look()).toBe(404);
    clock.advance(1);
    expect(await look()).toBe(200);
  });

  it('an order vanishes and comes back', async () => {
    const { place, twin, call, list } = await start();
    const { body } = await place();
    const found = async () => [
      (await call('GET', `/v2/orders/${String(body['id'])}`)).status,
      (await call('GET', '/v2/orders:by_client_order_id?client_order_id=order-1')).status,
      (await list('/v2/orders?status=all')).length,
    ];
    twin.disturb({ kind: 'order_vanished', order: 'order-1', on: true });
    expect(await found()).toEqual([404, 404, 0]);
    twin.disturb({ kind: 'order_vanished', order: 'order-1', on: false });
    expect(await found()).toEqual([200, 200, 1]);
  });

  it('activities come late', async () => {
    const { market, twin, list, clock } = await start();
    await market();
    clock.advance(1_000);
    twin.disturb({ kind: 'activities_missing', until: midSession + 60_000 });
    await market();
    const shown = async () => (await list('/v2/account/activities')).length;
    expect(await shown()).toBe(1);
    clock.advance(58_999);
    expect(await shown()).toBe(1);
    clock.advance(1);
    expect(await shown()).toBe(2);
  });

  it('a burst of 401, and a budget that is spent until the minute ends', async () => {
    const { twin, call, clock } = await start();
    const look = async () => (await call('GET', '/v2/clock')).status;
    twin.disturb({ kind: 'keys_refused', requests: 2 });
    expect([await look(), await look(), await look()]).toEqual([401, 401, 200]);
    twin.disturb({ kind: 'budget_spent' });
    const refused = await call('GET', '/v2/clock');
    expect(refused.status).toBe(429);
    const reset = Number(refused.headers.get('x-ratelimit-reset')) * 1_000;
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    clock.advanceTo(reset);
    expect(await look()).toBe(200);
  });

  it('alters every item of a list', async () => {
    const { place, twin, list } = await start();
    await place();
    await place();
    twin.disturb({ kind: 'answers', fault: 'unknown_status', operations: ['list_orders'] });
    expect((await list('/v2/orders')).map(({ status }) => status)).toEqual(['under_review', 'under_review']);
    expect((await list('/v2/orders')).map(({ status }) => status)).toEqual(['new', 'new']);
  });

  it('meets faults in the order they were asked for, each by its own operations', async () => {
    const { place, call, twin } = await start();
    twin.disturb({ kind: 'answers', fault: 'suspended', operations: ['submit_order'], requests: 2 });
    twin.disturb({ kind: 'answers', fault: 'wash_trade', operations: ['submit_order'] });
    expect((await call('GET', '/v2/clock')).status).toBe(200);
    const messages = [];
    for (let index = 0; index < 4; index += 1) messages.push((await place()).body['message']);
    expect(messages).toEqual([
      expect.stringMatching('user request'),
      expect.stringMatching('user request'),
      expect.stringMatching('wash'),
      undefined,
    ]);
  });
});

describe('cancels that stick', () => {
  it('are pending for ever, beyond the end of the day, until they are let go', async () => {
    const { place, order, cancel, status, twin, clock } = await start();
    twin.disturb({ kind: 'cancels_stick', on: true });
    const placed = await place();
    expect((await cancel(placed)).status).toBe(204);
    clock.advanceTo(friday('20:00'));
    expect(await order(placed)).toMatchObject({ status: 'pending_cancel' });
    expect((await cancel(placed)).status).toBe(422);
    twin.disturb({ kind: 'cancels_stick', on: false });
    expect(await status(placed)).not.toBe('pending_cancel');
  });
});

describe('determinism', () => {
  it('the same seed and the same requests and disturbances give the same history', async () => {
    const history = async (seed: number) => {
      const world = await start({
        seed,
        partialFillShare: 0.5,
        listLag: { fromMs: 150, toMs: 250 },
        marketData: quotedMarket({
          AAPL: Array.from({ length: 60 }, (_, index) => quote(midSession + index * 1_000, '99.98', '100.02')),
        }),
      });
      const lists: unknown[] = [];
      for (let index = 0; index < 8; index += 1) {
        await world.place({ limit_price: '101', qty: '30' });
        world.clock.advance(200);
        lists.push((await world.list('/v2/orders?status=all')).map(({ status, filled_qty: qty }) => [status, qty]));
        world.twin.disturb({ kind: 'trade_bust', fill: { newest: true } });
      }
      return JSON.stringify([world.twin.log(), world.twin.fills(), world.twin.orders(), lists]);
    };
    const first = await history(1);
    expect(await history(1)).toBe(first);
    expect(await history(2)).not.toBe(first);
  });
});
