import { brokerStatuses, brokerStatusMeanings, decimal, parseInstant } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { statusRules } from '../../../../../infra/local/twins/alpaca/order.ts';
import { isWashTrade, washRules } from '../../../../../infra/local/twins/alpaca/wash-rule.ts';
import type { WashType } from '../../../../../infra/local/twins/alpaca/wash-rule.ts';
import { limitedFaults } from '../../../../../infra/local/twins/index.ts';
import type { AlpacaTwinConfig, LimitedFaultName } from '../../../../../infra/local/twins/index.ts';
import { midSession, quote, quotedMarket } from '../support.ts';
import { friday, useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();
/** Quoted since early in the morning. */
const earlyMarket = quotedMarket({ AAPL: [quote(friday('04:00'), '99.98', '100.02')] });
type World = Awaited<ReturnType<typeof start>>;
type Placed = Awaited<ReturnType<World['place']>>;

describe('the 17 statuses', () => {
  interface Way {
    readonly config?: Partial<AlpacaTwinConfig>;
    readonly at?: number;
    /** Places an order and brings it there. */
    readonly reach: (world: World) => Promise<Placed>;
  }
  const slow = { latencies: { routeMs: 1_000, acknowledgeMs: 1_000, replaceMs: 5_000 }, cancelLatencyMs: 5_000 };
  const byHand = (status: (typeof brokerStatuses)[number]): Way => ({
    reach: async ({ place, twin, order }) => {
      const placed = await place();
      await order(placed);
      expect(twin.disturb({ kind: 'order_status', order: 'order-1', status })).toMatchObject({ applied: true });
      return placed;
    },
  });
  const live = async ({ place, clock }: World, change: Body = {}): Promise<Placed> => {
    const placed = await place(change);
    clock.advance(2_000);
    return placed;
  };
  const ways: Readonly<Record<(typeof brokerStatuses)[number], Way>> = {
    accepted: { config: slow, reach: ({ place }) => place() },
    pending_new: {
      config: slow,
      reach: async ({ place, clock }) => {
        const placed = await place();
        clock.advance(1_000);
        return placed;
      },
    },
    accepted_for_bidding: byHand('accepted_for_bidding'),
    held: {
      reach: async ({ place }) => {
        const entry = await place({
          order_class: 'bracket',
          take_profit: { limit_price: '110' },
          stop_loss: { stop_price: '80' },
        });
        return { ...entry, body: (entry.body['legs'] as Body[])[1]! };
      },
    },
    new: { config: slow, reach: (world) => live(world) },
    partially_filled: {
      config: { partialFillShare: 1 },
      reach: (world) => live(world, { qty: '50', limit_price: '101' }),
    },
    stopped: byHand('stopped'),
    suspended: byHand('suspended'),
    calculated: byHand('calculated'),
    done_for_day: byHand('done_for_day'),
    pending_cancel: {
      config: slow,
      reach: async (world) => {
        const placed = await live(world);
        expect((await world.cancel(placed)).status).toBe(204);
        return placed;
      },
    },
    pending_replace: {
      config: slow,
      reach: async (world) => {
        const placed = await live(world);
        expect((await world.replace(placed, { limit_price: '91' })).status).toBe(200);
        return placed;
      },
    },
    filled: { reach: (world) => live(world, { limit_price: '101' }) },
    canceled: {
      reach: async (world) => {
        const placed = await world.place();
        await world.cancel(placed);
        return placed;
      },
    },
    expired: {
      reach: async ({ place, clock }) => {
        const placed = await place();
        clock.advanceTo(friday('16:00'));
        return placed;
      },
    },
    replaced: {
      reach: async (world) => {
        const placed = await live(world);
        await world.replace(placed, { limit_price: '91' });
        return placed;
      },
    },
    rejected: {
      config: slow,
      // The replacement of an order that fills before it takes effect.
      reach: async (world) => {
        const placed = await live(world);
        const replacement = await world.replace(placed, { limit_price: '91' });
        world.twin.disturb({ kind: 'fill', order: String(placed.body['client_order_id']) });
        return replacement;
      },
    },
  };

  it.each(brokerStatuses)('%s is reached, and lets an order be canceled and replaced as tabled', async (status) => {
    const way = ways[status];
    const world = await start(way.config ?? {});
    const placed = await way.reach(world);
    expect(await world.status(placed)).toBe(status);
    const { cancelable, replaceable } = statusRules[status];
    const replacing = await world.replace(placed, { client_order_id: 'replacement', qty: '50' });
    expect(replacing.status).toBe(replaceable === true ? 200 : 422);
    if (replaceable !== true) {
      expect(replacing.body).toMatchObject({ code: 42210000 });
      const canceling = await world.cancel(placed);
      expect(canceling.status).toBe(cancelable ? 204 : 422);
      if (!cancelable) expect(canceling.body).toMatchObject({ code: 42210000 });
    }
  });

  it.each(brokerStatuses)('%s is terminal, cancelable and replaceable as the control plane believes', (status) => {
    const { terminal, cancelable, replaceable } = statusRules[status];
    expect(brokerStatusMeanings[status]).toMatchObject({ terminal, cancelable, replaceable });
  });

  it('leaves an order that was set by hand alone until it is handed back to the market', async () => {
    const market = quotedMarket({
      AAPL: [quote(midSession, '99.98', '100.02'), quote(midSession + 1_000, '80', '81')],
    });
    const { place, status, twin, clock } = await start({ marketData: market });
    const placed = await place();
    await status(placed);
    twin.disturb({ kind: 'order_status', order: 'order-1', status: 'suspended' });
    clock.advance(5_000);
    expect(await status(placed)).toBe('suspended');
    twin.disturb({ kind: 'order_status', order: 'order-1', status: 'new' });
    expect(await status(placed)).toBe('new');
  });
});

/** The rule as the broker states it, row by row: an open order of one type against a new one of the opposite side. */
const always = { buyBelow: 403, buyAt: 403, buyAbove: 403 } as const;
const crossing = { buyBelow: 200, buyAt: 403, buyAbove: 403 } as const;
const washTypes = ['market', 'limit', 'stop', 'stop_limit'] as const;
const washRows: Readonly<Record<WashType, Readonly<Record<WashType, typeof always | typeof crossing>>>> = {
  market: { market: always, limit: always, stop: always, stop_limit: always },
  limit: { market: always, limit: crossing, stop: always, stop_limit: crossing },
  stop: { market: always, limit: always, stop: always, stop_limit: always },
  stop_limit: { market: always, limit: crossing, stop: always, stop_limit: crossing },
};
const washCases = (['buy', 'sell'] as const).flatMap((newSide) =>
  washTypes.flatMap((open) => washTypes.map((next) => ({ newSide, open, next, expected: washRows[open][next] }))),
);

describe('the wash-trade rule', () => {
  it.each(washCases)('a new $newSide $next against an open $open order', async ({ newSide, open, next, expected }) => {
    // Sells are around 110, above the market, so that nothing executes; the open order waits for the session.
    const openSide = newSide === 'buy' ? 'sell' : 'buy';
    for (const [relation, buyLimit] of [
      ['buyBelow', '109.99'],
      ['buyAt', '110'],
      ['buyAbove', '110.01'],
    ] as const) {
      const { place, twin, call } = await start({ marketData: earlyMarket }, friday('08:00'));
      // A position to sell, so that no sale is refused for another reason.
      twin.disturb({ kind: 'shares_moved', symbol: 'AAPL', qty: '10', price: '100' });
      const body = (side: string, type: WashType): Body => ({
        side,
        type,
        limit_price: type.includes('limit') ? (side === 'buy' ? buyLimit : '110') : undefined,
        stop_price: type.includes('stop') ? (side === 'buy' ? '105' : '95') : undefined,
      });
      const resting = await place(body(openSide, open));
      expect(resting).toMatchObject({ status: 200, body: { status: 'accepted' } });
      const answer = await place(body(newSide, next));
      expect([relation, answer.status]).toEqual([relation, expected[relation]]);
      if (answer.status === 403) {
        expect(answer.body).toMatchObject({
          code: 40310000,
          existing_order_id: resting.body['id'],
          reject_reason: `opposite side ${open} order exists`,
        });
      }
      // The order in the way is not touched.
      expect((await call('GET', `/v2/orders/${String(resting.body['id'])}`)).body['status']).toBe('accepted');
    }
  });

  it('knows the 32 rows and no other', () => {
    expect(washCases).toHaveLength(32);
    for (const { open, next, expected } of washCases)
      expect([open, next, washRules[open][next]]).toEqual([open, next, expected === always ? 'always' : 'crossing']);
  });

  it.each(washTypes)('never sees a conflict on the same side, nor with groups or trailing stops: %s', (type) => {
    const limit = decimal('100');
    const open = { side: 'sell', type, orderClass: 'simple', limitPrice: limit } as const;
    const next = { side: 'buy', type: 'market', orderClass: 'simple', limitPrice: null } as const;
    expect(isWashTrade(open, next)).toBe(true);
    expect(isWashTrade({ ...open, side: 'buy' }, next)).toBe(false);
    for (const orderClass of ['bracket', 'oco'] as const) {
      expect(isWashTrade({ ...open, orderClass }, next)).toBe(false);
      expect(isWashTrade(open, { ...next, orderClass })).toBe(false);
    }
    expect(isWashTrade({ ...open, type: 'trailing_stop' }, next)).toBe(false);
    expect(isWashTrade(open, { ...next, type: 'trailing_stop' })).toBe(false);
  });
});

describe('price increments', () => {
  it.each([
    ['limit_price', '90', 200],
    ['limit_price', '90.1', 200],
    ['limit_price', '90.12', 200],
    ['limit_price', '90.120', 200],
    ['limit_price', '90.123', 422],
    ['limit_price', '1', 200],
    ['limit_price', '1.001', 422],
    ['limit_price', '0.9999', 200],
    ['limit_price', '0.99999', 422],
    ['stop_price', '120.12', 200],
    ['stop_price', '120.123', 422],
  ])('%s %s answers %i', async (name, price, status) => {
    const { place } = await start();
    const answer = await place(
      name === 'limit_price' ? { limit_price: price } : { type: 'stop', limit_price: undefined, stop_price: price },
    );
    expect(answer.status).toBe(status);
    if (status === 422)
      expect(answer.body).toMatchObject({ code: 42210000, message: expect.stringMatching(/sub-penny/) as string });
  });

  it.each([
    ['take_profit', { limit_price: '110.001' }],
    ['stop_loss', { stop_price: '80.001' }],
    ['stop_loss', { stop_price: '80', limit_price: '79.999' }],
  ])('of a leg as well: %s %j', async (name, leg) => {
    const { place } = await start();
    const legs = { take_profit: { limit_price: '110' }, stop_loss: { stop_price: '80' }, [name]: leg };
    expect(await place({ order_class: 'bracket', ...legs })).toMatchObject({ status: 422, body: { code: 42210000 } });
  });
});

describe('times in force', () => {
  const openAt = friday('09:30');
  const closeAt = friday('16:00');
  const market = quotedMarket({
    AAPL: [
      quote(friday('04:00'), '99.98', '100.02'),
      quote(openAt, '101.98', '102.02'),
      quote(friday('12:00'), '103.98', '104.02'),
      quote(closeAt - 60_000, '104.98', '105.02'),
    ],
  });
  const nextOpen = parseInstant('2026-02-17T09:30:00.000-05:00');

  it.each<[string, Body, number, number, string, string | null]>([
    // Time in force, change of a market buy, sent at, looked at, status, price.
    ['day', {}, friday('12:00'), friday('12:00'), 'filled', '104.02'],
    ['day', {}, friday('08:00'), openAt, 'filled', '102.02'],
    ['day', { type: 'limit', limit_price: '90' }, friday('12:00'), closeAt, 'expired', null],
    ['day', {}, friday('16:30'), friday('19:00'), 'accepted', null],
    ['day', {}, friday('16:30'), nextOpen, 'filled', '105.02'],
    ['gtc', { type: 'limit', limit_price: '90' }, friday('12:00'), nextOpen, 'new', null],
    ['ioc', {}, friday('12:00'), friday('12:00'), 'filled', '104.02'],
    ['ioc', { type: 'limit', limit_price: '104' }, friday('12:00'), friday('12:00'), 'canceled', null],
    ['fok', {}, friday('12:00'), friday('12:00'), 'filled', '104.02'],
    ['fok', { type: 'limit', limit_price: '104' }, friday('12:00'), friday('12:00'), 'canceled', null],
    ['opg', {}, friday('09:00'), friday('09:29'), 'accepted', null],
    ['opg', {}, friday('09:00'), openAt, 'filled', '102.02'],
    ['opg', { type: 'limit', limit_price: '102' }, friday('09:00'), openAt + 1, 'expired', null],
    ['cls', {}, friday('12:00'), friday('15:59'), 'accepted', null],
    ['cls', {}, friday('12:00'), closeAt, 'filled', '105.02'],
    ['cls', { type: 'limit', limit_price: '105' }, friday('12:00'), closeAt, 'expired', null],
  ])('%s with %j', async (timeInForce, change, sentAt, readAt, status, price) => {
    const { market: send, order, clock } = await start({ marketData: market }, sentAt);
    const placed = await send({ time_in_force: timeInForce, ...change });
    expect(placed.status).toBe(200);
    clock.advanceTo(readAt);
    expect(await order(placed)).toMatchObject({ status, filled_avg_price: price });
  });

  it.each([
    ['opg', '09:27', 200],
    ['opg', '09:28', 422],
    ['opg', '12:00', 422],
    ['opg', '18:59', 422],
    ['opg', '19:00', 200],
    ['cls', '09:00', 200],
    ['cls', '15:49', 200],
    ['cls', '15:50', 422],
    ['cls', '18:59', 422],
    ['cls', '19:00', 200],
  ])('%s at %s in New York answers %i', async (timeInForce, time, status) => {
    const { market: send } = await start({ marketData: earlyMarket }, friday(time));
    expect((await send({ time_in_force: timeInForce })).status).toBe(status);
  });

  it('ioc keeps what it got of a partial fill, fok never fills in part', async () => {
    const { market: send, order } = await start({ partialFillShare: 1 });
    const ioc = await order(await send({ qty: '50', time_in_force: 'ioc' }));
    expect(ioc).toMatchObject({ status: 'canceled' });
    expect(Number(ioc['filled_qty'])).toBeGreaterThan(0);
    expect(Number(ioc['filled_qty'])).toBeLessThan(50);
    expect(await order(await send({ qty: '50', time_in_force: 'fok' }))).toMatchObject({
      status: 'filled',
      filled_qty: '50',
    });
  });

  it('gtc ends 90 days on, a quarter past four in New York', async () => {
    const { place, order, clock } = await start();
    const placed = await place({ time_in_force: 'gtc' });
    const end = parseInstant('2026-05-14T16:15:00.000-04:00');
    expect(placed.body['expires_at']).toBe(new Date(end).toISOString());
    clock.advanceTo(end - 1);
    expect(await order(placed)).toMatchObject({ status: 'new' });
    clock.advanceTo(end);
    expect(await order(placed)).toMatchObject({ status: 'canceled', canceled_at: new Date(end).toISOString() });
  });

  it.each([
    ['in extended hours', true, 'filled', friday('08:00')],
    ['in the core session only', false, 'accepted', null],
  ])('a limit order before the open fills %s', async (_title, extended, status, filledAt) => {
    const { place, order, clock } = await start({ marketData: market }, friday('08:00'));
    const placed = await place({ limit_price: '101', extended_hours: extended });
    clock.advance(60_000);
    expect(await order(placed)).toMatchObject({
      status,
      filled_at: filledAt === null ? null : new Date(filledAt).toISOString(),
    });
  });

  it('an extended-hours order lives on until eight in the evening', async () => {
    const { place, status, clock } = await start({}, friday('12:00'));
    const placed = await place({ extended_hours: true });
    clock.advanceTo(friday('20:00') - 1);
    expect(await status(placed)).toBe('new');
    clock.advanceTo(friday('20:00'));
    expect(await status(placed)).toBe('expired');
  });
});

describe('errors', () => {
  it.each<[string, Body | string, number, number, RegExp]>([
    ['text that is not JSON', '{', 400, 40010000, /format/],
    ['both qty and notional', { notional: '5' }, 400, 40010000, /only one/],
    ['neither qty nor notional', { qty: undefined }, 422, 40010001, /qty or notional/],
    ['an unknown order class', { order_class: 'pair' }, 422, 40010001, /order_class/],
    ['ten decimals of a share', { qty: '0.0123456789' }, 422, 40010001, /9 decimals/],
    ['a stop without a stop price', { type: 'stop', limit_price: undefined }, 422, 40010001, /stop price/],
    ['a market order with a limit', { type: 'market' }, 422, 40010001, /no limit price/],
    [
      'a trailing stop without a trail',
      { type: 'trailing_stop', limit_price: undefined },
      422,
      40010001,
      /trail_price, trail_percent/,
    ],
    [
      'a trailing stop with two trails',
      { type: 'trailing_stop', limit_price: undefined, trail_price: '1', trail_percent: '1' },
      422,
      40010001,
      /exactly one/,
    ],
    [
      'an immediate trailing stop',
      { type: 'trailing_stop', limit_price: undefined, trail_price: '1', time_in_force: 'ioc' },
      422,
      42210000,
      /day or gtc/,
    ],
    [
      'a market order in extended hours',
      { type: 'market', limit_price: undefined, extended_hours: true },
      422,
      42210000,
      /extended hours/,
    ],
    [
      'a bracket in extended hours',
      {
        order_class: 'bracket',
        extended_hours: true,
        take_profit: { limit_price: '110' },
        stop_loss: { stop_price: '80' },
      },
      422,
      42210000,
      /extended hours/,
    ],
    [
      'a bracket with one leg',
      { order_class: 'bracket', take_profit: { limit_price: '110' } },
      422,
      42210000,
      /stop_loss/,
    ],
    ['legs of a simple order', { take_profit: { limit_price: '110' } }, 422, 42210000, /order_class/],
    [
      'a profit below the stop',
      { order_class: 'bracket', take_profit: { limit_price: '80' }, stop_loss: { stop_price: '85' } },
      422,
      42210000,
      /must be > stop_loss/,
    ],
    [
      'a stop within a cent of the entry',
      { order_class: 'bracket', take_profit: { limit_price: '110' }, stop_loss: { stop_price: '90' } },
      422,
      42210000,
      /base_price - 0.01/,
    ],
    [
      'a stop beyond the entry but not the market',
      {
        limit_price: '101',
        order_class: 'bracket',
        take_profit: { limit_price: '110' },
        stop_loss: { stop_price: '99.98' },
      },
      422,
      42210000,
      /base_price - 0.01/,
    ],
    [
      'an immediate bracket',
      {
        time_in_force: 'ioc',
        order_class: 'bracket',
        take_profit: { limit_price: '110' },
        stop_loss: { stop_price: '80' },
      },
      422,
      42210000,
      /day or gtc/,
    ],
    [
      'an exit without a position',
      { order_class: 'oco', take_profit: { limit_price: '80' }, stop_loss: { stop_price: '110' } },
      403,
      40310000,
      /exit orders/,
    ],
    ['fractions that are not for the day', { qty: '1.5', time_in_force: 'gtc' }, 422, 42210000, /day orders/],
    ['a limit order by value', { qty: undefined, notional: '100' }, 422, 42210000, /market orders/],
    ['an intent without a position', { position_intent: 'buy_to_close' }, 403, 40310000, /position intent/],
    ['more than the buying power', { qty: '100000' }, 403, 40310000, /insufficient buying power/],
  ])('%s', async (_title, change, status, code, message) => {
    const { place, call, twin } = await start();
    const answer = typeof change === 'string' ? await call('POST', '/v2/orders', change) : await place(change);
    expect(answer).toMatchObject({ status, body: { code, message: expect.stringMatching(message) as string } });
    expect(twin.orders()).toEqual([]);
  });

  it.each<[string, Parameters<World['twin']['disturb']>[0], RegExp]>([
    ['trading is suspended by the user', { kind: 'account', suspendTrade: true }, /by user request/],
    ['trading is blocked', { kind: 'account', tradingBlocked: true }, /blocked/],
    ['the account is blocked', { kind: 'account', accountBlocked: true }, /blocked/],
    ['the account is not active', { kind: 'account', status: 'ACCOUNT_UPDATED' }, /blocked/],
    ['the account may only close', { kind: 'account', closingOnly: true }, /closing positions only/],
  ])('403 while %s', async (_title, event, message) => {
    const { place, twin } = await start();
    twin.disturb(event);
    expect(await place()).toMatchObject({
      status: 403,
      body: { code: 40310000, message: expect.stringMatching(message) as string },
    });
  });

  it.each<[string, Body, number]>([
    ['is inactive', { active: false }, 422],
    ['is not tradable', { tradable: false }, 422],
    ['is a partnership without exception', { attributes: ['ptp_no_exception'] }, 403],
    ['is before its first trade, for a market order', { attributes: ['ipo'] }, 422],
  ])('an asset that %s', async (_title, change, status) => {
    const { market, twin } = await start();
    twin.disturb({ kind: 'asset', symbol: 'AAPL', change });
    expect((await market()).status).toBe(status);
  });

  const statusOf: Readonly<Record<LimitedFaultName, number | 'none'>> = {
    accept_then_timeout: 'none',
    refuse_then_timeout: 'none',
    accept_then_500: 500,
    accept_then_502: 502,
    accept_then_503: 503,
    accept_then_504: 504,
    refuse_with_503: 503,
    reset_before: 'none',
    reset_after: 'none',
    slow_body: 'none',
    cut_body: 'none',
    other_content_type: 200,
    not_json: 200,
    missing_status: 200,
    missing_id: 200,
    wrong_symbol: 200,
    wrong_client_order_id: 200,
    unknown_status: 200,
    unknown_fields: 200,
    processed_twice: 422,
    unauthorized: 401,
    rate_limited: 429,
    other_validation_error: 422,
    wash_trade: 403,
    insufficient_qty: 403,
    insufficient_funds: 403,
    cost_basis: 403,
    suspended: 403,
    blocked: 403,
    not_shortable: 403,
    position_action: 403,
    unknown_refusal: 418,
  };
  const refusals = ['answer', 'refuse_then_timeout'];
  it.each(Object.entries(statusOf))('the fault %s answers %s, once', async (name, status) => {
    const { place, twin, clock } = await start();
    const fault = limitedFaults[name as LimitedFaultName];
    const isTaken = !refusals.includes(fault.kind) && name !== 'reset_before';
    // A held answer ends after 60 ms by the twin's own bound.
    clock.impatient(0.001);
    twin.disturb({ kind: 'answers', fault: name as LimitedFaultName, operations: ['submit_order'] });
    const answer = await place().catch(() => null);
    expect(answer?.status ?? 'none').toBe(status);
    expect(twin.orders()).toHaveLength(isTaken ? 1 : 0);
    expect((await place()).status).toBe(200);
  });
});
