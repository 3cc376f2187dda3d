import { decimal, decimalText } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { buyStopLimit } from '../../../../../infra/local/twins/alpaca/matching.ts';
import type { Quote } from '../../../../../infra/local/twins/index.ts';
import { midSession, quote, quotedMarket } from '../support.ts';
import { useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();

/** AAPL at 99.98 / 100.02, then a bid one second apart each, the ask four cents above. */
const path = (...bids: readonly number[]) =>
  quotedMarket({
    AAPL: [99.98, ...bids].map((bid, index): Quote =>
      quote(midSession - 1_000 + index * 1_000, bid.toFixed(2), (bid + 0.04).toFixed(2)),
    ),
  });
const afterSteps = (count: number): number => count * 1_000;

describe('the way to the venue', () => {
  it('takes its time over accepted and pending_new to new, and fills only then', async () => {
    const { place, order, clock } = await start({ latencies: { routeMs: 40, acknowledgeMs: 60 } });
    const placed = await place({ limit_price: '101' });
    const seen = [placed.body['status']];
    for (const ms of [39, 1, 59, 1]) {
      clock.advance(ms);
      seen.push((await order(placed))['status']);
    }
    expect(seen).toEqual(['accepted', 'accepted', 'pending_new', 'pending_new', 'filled']);
    expect(await order(placed)).toMatchObject({ filled_at: new Date(midSession + 100).toISOString() });
  });
});

it('meets the quote of the moment it goes live once', async () => {
  const { place, order, twin, clock } = await start({
    marketData: path(99.98, 99.98),
    partialFillShare: 1,
    latencies: { routeMs: 1_000 },
  });
  const placed = await place({ qty: '50', limit_price: '101' });
  clock.advance(1_500);
  expect(await order(placed)).toMatchObject({ status: 'partially_filled' });
  expect(twin.fills()).toHaveLength(1);
});

describe('stops', () => {
  it.each([
    ['49.99', '51.99'],
    ['50', '51.25'],
    ['100', '102.5'],
    ['10.01', '10.41'],
    ['0.5', '0.52'],
  ])('a buy stop at %s becomes a limit of %s', (stop, limit) => {
    expect(decimalText(buyStopLimit(decimal(stop)))).toBe(limit);
  });

  it('a buy stop that the market jumps over rests at its limit until the market comes back', async () => {
    const { place, order, clock } = await start({ marketData: path(103, 102) });
    const placed = await place({ type: 'stop', limit_price: undefined, stop_price: '100.5' });
    // 2.5 % above 100.50 is 103.01: the ask of 103.04 triggers without filling.
    clock.advance(afterSteps(0) + 1);
    expect(await order(placed)).toMatchObject({ status: 'new', type: 'stop', limit_price: null });
    clock.advance(afterSteps(1));
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '102.04' });
  });

  it('a sell stop is a market order once the bid reaches it', async () => {
    const { place, market, order, clock } = await start({ marketData: path(99, 90, 85) });
    await market();
    const placed = await place({ side: 'sell', type: 'stop', limit_price: undefined, stop_price: '95' });
    clock.advance(500);
    expect(await order(placed)).toMatchObject({ status: 'new' });
    clock.advance(1_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '90' });
  });

  it('a stop-limit does not sell below its limit', async () => {
    const { place, market, order, clock } = await start({ marketData: path(99, 90, 94.5) });
    await market();
    const placed = await place({ side: 'sell', type: 'stop_limit', stop_price: '95', limit_price: '94' });
    clock.advance(1_500);
    expect(await order(placed)).toMatchObject({ status: 'new' });
    clock.advance(1_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '94.5' });
  });

  it.each([
    [{ trail_price: '5' }, '110', '105', '104.9'],
    [{ trail_percent: '5' }, '110', '104.5', '104.4'],
  ])('a trailing stop %j follows the best price and executes behind it', async (trail, best, stop, executed) => {
    const { place, market, order, clock } = await start({ marketData: path(104, 110, 107, Number(executed)) });
    await market();
    const placed = await place({ side: 'sell', type: 'trailing_stop', limit_price: undefined, ...trail });
    clock.advance(2_500);
    expect(await order(placed)).toMatchObject({ status: 'new', hwm: best, stop_price: stop });
    clock.advance(1_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: executed });
  });

  it('trailing a short follows the lowest ask', async () => {
    const { place, market, order, clock } = await start({ marketData: path(96, 90, 95) });
    await market({ side: 'sell' });
    const placed = await place({ type: 'trailing_stop', limit_price: undefined, trail_price: '4' });
    clock.advance(1_500);
    expect(await order(placed)).toMatchObject({ status: 'new', hwm: '90.04', stop_price: '94.04' });
    clock.advance(1_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '95.04' });
  });
});

const exits = { take_profit: { limit_price: '110' }, stop_loss: { stop_price: '90' } };
const legsOf = async (world: { read: (path: string) => Promise<Body> }, id: unknown): Promise<Body[]> =>
  (await world.read(`/v2/orders/${String(id)}?nested=true`))['legs'] as Body[];
const statuses = (orders: readonly Body[]) => orders.map(({ type, status }) => `${String(type)} ${String(status)}`);

describe('groups of orders', () => {
  it('a bracket holds its exits until the whole entry is filled', async () => {
    const world = await start({ partialFillShare: 1, marketData: path(...Array.from({ length: 40 }, () => 99.98)) });
    const entry = await world.market({ qty: '50', order_class: 'bracket', ...exits });
    expect(statuses(entry.body['legs'] as Body[])).toEqual(['limit held', 'stop held']);
    expect((await world.order(entry))['status']).toBe('partially_filled');
    expect(statuses(await legsOf(world, entry.body['id']))).toEqual(['limit held', 'stop held']);
    world.clock.advance(40_000);
    expect((await world.order(entry))['status']).toBe('filled');
    expect(statuses(await legsOf(world, entry.body['id']))).toEqual(['limit new', 'stop held']);
  });

  it.each([
    ['takes the profit and drops the stop', 111, ['limit filled', 'stop canceled'], '111'],
    ['stops the loss and drops the profit', 89, ['limit canceled', 'stop filled'], '89'],
  ])('a bracket %s', async (_title, bid, expected, price) => {
    const world = await start({ marketData: path(100, bid) });
    const entry = await world.market({ order_class: 'bracket', ...exits });
    world.clock.advance(2_000);
    const legs = await legsOf(world, entry.body['id']);
    expect(statuses(legs)).toEqual(expected);
    expect(legs.find(({ status }) => status === 'filled')).toMatchObject({ filled_avg_price: price });
    expect(await world.read('/v2/positions')).toEqual([]);
  });

  it('a bracket that never enters takes its exits with it', async () => {
    const world = await start();
    const entry = await world.place({ order_class: 'bracket', ...exits, stop_loss: { stop_price: '80' } });
    await world.cancel(entry);
    expect(await world.status(entry)).toBe('canceled');
    expect(statuses(await legsOf(world, entry.body['id']))).toEqual(['limit canceled', 'stop canceled']);
  });

  it('a profit that is taken in part leaves a stop for the rest only', async () => {
    const world = await start({ marketData: path(100, 105, 89) });
    const entry = await world.market({ qty: '10', order_class: 'bracket', ...exits });
    await world.order(entry);
    const [profit] = await legsOf(world, entry.body['id']);
    world.twin.disturb({ kind: 'fill', order: String(profit?.['id']), qty: '4' });
    expect((await legsOf(world, entry.body['id'])).map(({ qty }) => qty)).toEqual(['10', '6']);
    world.clock.advance(3_000);
    const [canceled, filled] = await legsOf(world, entry.body['id']);
    expect(canceled).toMatchObject({ status: 'canceled', filled_qty: '4' });
    expect(filled).toMatchObject({ status: 'filled', filled_qty: '6', filled_avg_price: '89' });
    expect(await world.read('/v2/positions')).toEqual([]);
  });

  it('an exit that is canceled ends the other one', async () => {
    const world = await start();
    const entry = await world.market({ order_class: 'bracket', ...exits });
    await world.order(entry);
    const [profit] = await legsOf(world, entry.body['id']);
    await world.call('DELETE', `/v2/orders/${String(profit?.['id'])}`);
    expect(statuses(await legsOf(world, entry.body['id']))).toEqual(['limit canceled', 'stop canceled']);
  });

  it.each([
    ['the profit', 111, 'filled', 'canceled'],
    ['the stop', 89, 'canceled', 'filled'],
  ])('an OCO pair executes one side: %s', async (_title, bid, parent, leg) => {
    const world = await start({ marketData: path(100, bid) });
    await world.market({ qty: '2' });
    const pair = await world.place({ side: 'sell', limit_price: undefined, order_class: 'oco', ...exits });
    expect(pair).toMatchObject({ status: 200, body: { limit_price: '110', type: 'limit' } });
    expect(statuses(await legsOf(world, pair.body['id']))).toEqual(['stop held']);
    world.clock.advance(2_000);
    expect(await world.status(pair)).toBe(parent);
    expect((await legsOf(world, pair.body['id']))[0]).toMatchObject({ status: leg });
    expect(await world.read('/v2/positions')).toEqual([]);
  });

  it.each([
    ['profit', { take_profit: { limit_price: '110' } }, 111, '111'],
    ['stop', { stop_loss: { stop_price: '90' } }, 89, '89'],
  ])('an OTO order lets its %s work after the entry', async (_title, exit, bid, price) => {
    const world = await start({ marketData: path(100, bid) });
    const entry = await world.market({ order_class: 'oto', ...exit });
    await world.order(entry);
    expect((await legsOf(world, entry.body['id'])).map(({ status }) => status)).toEqual(['new']);
    world.clock.advance(2_000);
    expect((await legsOf(world, entry.body['id']))[0]).toMatchObject({ status: 'filled', filled_avg_price: price });
  });

  it('shows legs with their parent when nested, as orders of their own otherwise', async () => {
    const world = await start();
    const entry = await world.market({ order_class: 'bracket', ...exits });
    const flat = await world.list('/v2/orders?status=all');
    expect(flat.map(({ type, legs }) => [type, legs])).toEqual([
      ['stop', null],
      ['limit', null],
      ['market', null],
    ]);
    const nested = await world.list('/v2/orders?status=all&nested=true');
    expect(nested.map(({ id }) => id)).toEqual([entry.body['id']]);
    expect(nested[0]?.['legs']).toHaveLength(2);
  });

  it('a held exit keeps no shares from its sibling', async () => {
    const world = await start();
    await world.order(await world.market({ order_class: 'bracket', ...exits }));
    expect(await world.read('/v2/positions/AAPL')).toMatchObject({ qty: '2', qty_available: '0' });
  });
});

describe('replacement', () => {
  it('puts a new order in the place of the old one', async () => {
    const { place, order, replace, clock } = await start({ latencies: { replaceMs: 50 } });
    const placed = await place();
    await order(placed);
    const next = await replace(placed, { limit_price: '91', qty: '3', client_order_id: 'next' });
    expect(next).toMatchObject({
      status: 200,
      body: { status: 'accepted', replaces: placed.body['id'], client_order_id: 'next', qty: '3', limit_price: '91' },
    });
    expect(await order(placed)).toMatchObject({ status: 'pending_replace', replaced_by: null });
    clock.advance(50);
    expect(await order(placed)).toMatchObject({
      status: 'replaced',
      replaced_by: next.body['id'],
      replaced_at: new Date(midSession + 50).toISOString(),
    });
    expect(await order(next)).toMatchObject({ status: 'new' });
  });

  it('chains three deep, each naming the one before', async () => {
    const world = await start();
    const chain = [await world.place()];
    for (const limit of ['91', '92', '93']) {
      const last = chain.at(-1)!;
      await world.order(last);
      chain.push(await world.replace(last, { limit_price: limit }));
    }
    const orders = await Promise.all(chain.map((one) => world.order(one)));
    expect(orders.map(({ status }) => status)).toEqual(['replaced', 'replaced', 'replaced', 'new']);
    expect(orders.map(({ replaces }) => replaces)).toEqual([null, ...chain.slice(0, 3).map(({ body }) => body['id'])]);
    expect(orders.map(({ replaced_by: next }) => next)).toEqual([
      ...chain.slice(1).map(({ body }) => body['id']),
      null,
    ]);
  });

  it('is rejected when the old order fills first', async () => {
    const { place, order, replace, clock, cancel } = await start({
      latencies: { replaceMs: 5_000 },
      marketData: path(99.98, 89),
    });
    const placed = await place();
    await order(placed);
    const next = await replace(placed, { limit_price: '91' });
    // While it is under way nothing can be canceled.
    expect(await cancel(placed)).toMatchObject({ status: 422, body: { code: 42210000 } });
    clock.advance(5_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_avg_price: '89.04' });
    expect(await order(next)).toMatchObject({ status: 'rejected', filled_qty: '0' });
    expect((await order(next))['failed_at']).not.toBeNull();
  });

  it('leaves the old order at work when the new one is canceled before', async () => {
    const { place, order, replace, cancel, clock } = await start({ latencies: { replaceMs: 5_000 } });
    const placed = await place();
    await order(placed);
    const next = await replace(placed, { limit_price: '91' });
    await cancel(next);
    clock.advance(5_000);
    expect([await order(placed), await order(next)]).toMatchObject([{ status: 'new' }, { status: 'canceled' }]);
  });

  it('holds the buying power of the larger of the two until settled', async () => {
    const { place, read, order, replace, clock } = await start({
      multiplier: '1',
      startingCash: '10000',
      latencies: { replaceMs: 1_000 },
    });
    const placed = await place({ qty: '10' });
    await order(placed);
    const power = async () => (await read('/v2/account'))['buying_power'];
    expect(await power()).toBe('9100');
    await replace(placed, { qty: '20' });
    expect(await power()).toBe('8200');
    clock.advance(1_000);
    expect(await power()).toBe('8200');
    const again = (await read('/v2/orders?status=open')) as unknown as Body[];
    await replace({ body: again[0]! }, { qty: '5' });
    expect(await power()).toBe('8200');
    clock.advance(1_000);
    expect(await power()).toBe('9550');
  });

  it.each<[string, Body, RegExp]>([
    ['fractions', { qty: '1.5' }, /whole shares/],
    ['a sub-penny price', { limit_price: '90.001' }, /sub-penny/],
    ['a stop of an order without one', { stop_price: '80' }, /no stop_price/],
    ['a trail of an order without one', { trail: '1' }, /no trail/],
    ['a client order id that is taken', { client_order_id: 'order-1' }, /unique/],
  ])('refuses %s', async (_title, change, message) => {
    const { place, order, replace } = await start();
    const placed = await place();
    await order(placed);
    expect(await replace(placed, change)).toMatchObject({
      status: 422,
      body: { message: expect.stringMatching(message) as string },
    });
    expect(await order(placed)).toMatchObject({ status: 'new' });
  });
});
