import { parseInstant, toText } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { midSession, quote, quotedMarket } from '../support.ts';
import { friday, useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();

describe('buying power', () => {
  it.each([
    ['4', '100000', '400000'],
    ['2', '100000', '200000'],
    ['1', '100000', '100000'],
    // Leverage needs an equity of 2,000 USD.
    ['4', '1999', '1999'],
  ] as const)('with a multiplier of %s on %s USD is %s', async (multiplier, startingCash, power) => {
    const { read } = await start({ multiplier, startingCash });
    expect(await read('/v2/account')).toMatchObject({ buying_power: power });
  });

  it('is held by open orders: a buy at its limit, a short at 1.03 times the ask or its limit', async () => {
    const { place, read } = await start({ multiplier: '1' });
    const power = async () => Number((await read('/v2/account'))['buying_power']);
    await place({ qty: '10' });
    expect(await power()).toBe(100_000 - 900);
    await place({ symbol: 'NVDA', side: 'sell', qty: '10', limit_price: '51' });
    expect(await power()).toBe(100_000 - 900 - 10 * 51.5103);
    await place({ symbol: 'NVDA', side: 'sell', qty: '10', limit_price: '60' });
    expect(await power()).toBeCloseTo(100_000 - 900 - 10 * 51.5103 - 600, 6);
  });

  it('comes back with a sale only when it executed', async () => {
    const { place, market, read, clock } = await start({ multiplier: '1' });
    await market({ qty: '10' });
    const power = async () => (await read('/v2/account'))['buying_power'];
    const held = await power();
    await place({ side: 'sell', qty: '10', limit_price: '120' });
    expect(await power()).toBe(held);
    await place({ symbol: 'NVDA', side: 'buy', qty: '10', limit_price: '40' });
    clock.advance(1);
    expect(Number(await power())).toBe(Number(held) - 400);
  });

  it('holds nothing for the exits of a bracket', async () => {
    const { place, read } = await start({ multiplier: '1' });
    await place({
      qty: '10',
      order_class: 'bracket',
      take_profit: { limit_price: '110' },
      stop_loss: { stop_price: '80' },
    });
    expect(await read('/v2/account')).toMatchObject({ buying_power: '99100' });
  });

  it('a position above 600 % of the equity restricts the account to closing', async () => {
    const { place, twin } = await start({ startingCash: '10000' });
    twin.disturb({ kind: 'shares_moved', symbol: 'AAPL', qty: '10000', price: '100' });
    twin.disturb({ kind: 'cash', activity: null, amount: '-900000' });
    for (const symbol of ['AAPL', 'NVDA'])
      expect(await place({ symbol, limit_price: '40' })).toMatchObject({
        status: 403,
        body: { message: expect.stringMatching(/closing positions only/) as string },
      });
    expect(await place({ side: 'sell', limit_price: '120' })).toMatchObject({ status: 200 });
  });

  it.each([
    ['core', '12:00', '100.02'],
    ['extended', '08:00', '100'],
  ])('values a market order in the %s session', async (_title, time, price) => {
    const marketData = quotedMarket({ AAPL: [quote(friday('04:00'), '99.98', '100.02')] });
    const { market } = await start({ multiplier: '1', startingCash: '10', marketData }, friday(time));
    expect(await market({ qty: '1' })).toMatchObject({ body: { cost_basis: price, buying_power: '10' } });
  });
});

describe('configuration', () => {
  it.each([
    ['suspend_trade', true],
    ['no_shorting', true],
    ['fractional_trading', false],
    ['max_margin_multiplier', '2'],
    ['trade_confirm_email', 'none'],
    ['max_options_trading_level', 2],
    ['disable_overnight_trading', true],
    ['ptp_no_exception_entry', true],
  ])('%s can be changed to %s and read back', async (name, value) => {
    const { call, read } = await start();
    const before = await read('/v2/account/configurations');
    expect(before[name]).not.toBe(value);
    expect(await call('PATCH', '/v2/account/configurations', { [name]: value })).toMatchObject({
      status: 200,
      body: { ...before, [name]: value },
    });
    expect(await read('/v2/account/configurations')).toEqual({ ...before, [name]: value });
  });

  it.each([[{ suspend_trade: 'yes' }], [{ max_margin_multiplier: '3' }], [{ pdt_check: 'both' }], ['{']])(
    'refuses %j',
    async (change) => {
      const { call } = await start();
      expect(await call('PATCH', '/v2/account/configurations', change)).toMatchObject({
        status: 422,
        body: { code: 42210000 },
      });
    },
  );

  it('takes effect on new orders', async () => {
    const { place, read, call } = await start();
    await call('PATCH', '/v2/account/configurations', {
      no_shorting: true,
      fractional_trading: false,
      max_margin_multiplier: '1',
    });
    expect(await read('/v2/account')).toMatchObject({
      shorting_enabled: false,
      multiplier: '1',
      buying_power: '100000',
    });
    expect(await place({ side: 'sell', limit_price: '120' })).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/short/) as string },
    });
    expect(await place({ qty: '1.5' })).toMatchObject({ status: 422 });
  });
});

describe('closing positions', () => {
  const world = async () => {
    const started = await start();
    await started.market({ qty: '4' });
    await started.market({ symbol: 'NVDA', side: 'sell', qty: '3' });
    return started;
  };

  it.each([
    ['all of it', '', '4', null],
    ['a quantity', '?qty=1', '1', '3'],
    ['a percentage', '?percentage=50', '2', '2'],
  ])('closes %s at the market', async (_title, query, qty, left) => {
    const { call, read } = await world();
    expect(await call('DELETE', `/v2/positions/AAPL${query}`)).toMatchObject({
      status: 200,
      body: { symbol: 'AAPL', side: 'sell', type: 'market', qty },
    });
    const position = await read('/v2/positions/AAPL');
    expect(position['qty'] ?? null).toBe(left);
  });

  it('covers a short, and finds a position by its asset id', async () => {
    const { call, read } = await world();
    const id = String((await read('/v2/positions/NVDA'))['asset_id']);
    expect(await call('DELETE', `/v2/positions/${id}`)).toMatchObject({ body: { side: 'buy', qty: '3' } });
    expect(await read('/v2/positions/NVDA')).toMatchObject({ code: 40410000 });
  });

  it.each([
    ['/v2/positions/MSFT', 404],
    ['/v2/positions/AAPL?qty=0', 422],
    ['/v2/positions/AAPL?qty=x', 422],
    ['/v2/positions/AAPL?qty=1&percentage=1', 400],
    ['/v2/positions/AAPL?qty=5', 403],
  ])('DELETE %s answers %i', async (path, status) => {
    const { call } = await world();
    expect((await call('DELETE', path)).status).toBe(status);
  });

  it('is refused while an open stop holds the shares, unless its orders are canceled first', async () => {
    const { place, call, read } = await world();
    const stop = await place({ side: 'sell', type: 'stop', limit_price: undefined, stop_price: '90', qty: '4' });
    expect(await call('DELETE', '/v2/positions/AAPL')).toMatchObject({
      status: 403,
      body: { code: 40310000, related_orders: [stop.body['id']] },
    });
    const all = await call('DELETE', '/v2/positions');
    expect(all.status).toBe(207);
    expect(all.body).toMatchObject([
      { symbol: 'AAPL', status: 403, body: { code: 40310000 } },
      { symbol: 'NVDA', status: 200, body: { symbol: 'NVDA', side: 'buy' } },
    ]);
    expect(await call('DELETE', '/v2/positions?cancel_orders=true')).toMatchObject({
      status: 207,
      body: [{ symbol: 'AAPL', status: 200, body: { side: 'sell', qty: '4' } }],
    });
    expect(await read('/v2/positions')).toEqual([]);
  });

  it('canceling all orders tells for each whether it could', async () => {
    const { place, call, twin, status } = await start();
    const [first, second] = [await place(), await place()];
    await status(second);
    twin.disturb({ kind: 'order_status', order: 'order-2', status: 'calculated' });
    const answer = await call('DELETE', '/v2/orders');
    expect(answer).toMatchObject({
      status: 207,
      body: [
        { id: first.body['id'], status: 200 },
        { id: second.body['id'], status: 422 },
      ],
    });
  });
});

describe('fractions and values', () => {
  it('an order by value buys the fraction that the money pays for', async () => {
    const { market, order, read } = await start();
    const placed = await market({ qty: undefined, notional: '250.05' });
    expect(placed.body).toMatchObject({ notional: '250.05', qty: null });
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_qty: '2.5', filled_avg_price: '100.02' });
    expect(await read('/v2/positions/AAPL')).toMatchObject({ qty: '2.5' });
  });

  it('is refused while a closing order of the position is open', async () => {
    const { market, place } = await start();
    await market();
    await place({ side: 'sell', type: 'limit', limit_price: '120' });
    expect(await market({ qty: undefined, notional: '50' })).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/closing order/) as string },
    });
  });
});

describe('activities', () => {
  const fees = { facts: { feeRows: true } } as const;
  /** The worked example of the fee schedule: a sale of 100 at 250 and a purchase of 100 in May 2026. */
  const mayDay = parseInstant('2026-05-04T10:00:00.000-04:00');
  const mayMarket = quotedMarket({ AAPL: [quote(mayDay - 1_000, '250', '250')] });

  it('charges the regulatory fees of a day on the next UTC day, to the cent', async () => {
    const { market, list, read, clock } = await start({ ...fees, marketData: mayMarket }, mayDay);
    await market({ qty: '100' });
    await market({ side: 'sell', qty: '100' });
    clock.advanceTo(parseInstant('2026-05-04T23:59:59.999Z'));
    expect(await list('/v2/account/activities/FEE')).toEqual([]);
    expect(await read('/v2/account')).toMatchObject({ cash: '100000', accrued_fees: '0.55' });
    clock.advanceTo(parseInstant('2026-05-05T06:00:00.000Z'));
    const rows = await list('/v2/account/activities/FEE?direction=asc');
    expect(rows).toMatchObject([
      { activity_sub_type: 'REG', net_amount: '-0.52', date: '2026-05-05', status: 'executed' },
      { activity_sub_type: 'TAF', net_amount: '-0.02' },
      { activity_sub_type: 'CAT', net_amount: '-0.01' },
    ]);
    expect(rows[0]?.['description']).toContain('on 2026-05-04');
    expect(await read('/v2/account')).toMatchObject({ cash: '99999.45', accrued_fees: '0' });
    // By the time of creation, not by the trade date.
    expect(await list('/v2/account/activities?date=2026-05-04')).toHaveLength(2);
    expect(await list('/v2/account/activities?date=2026-05-05')).toHaveLength(3);
    clock.advanceTo(parseInstant('2026-05-07T06:00:00.000Z'));
    expect(await list('/v2/account/activities/FEE')).toHaveLength(3);
  });

  it('charges no fees on paper', async () => {
    const { market, list, clock } = await start({ marketData: mayMarket }, mayDay);
    await market({ qty: '100' });
    clock.advanceTo(parseInstant('2026-05-06T06:00:00.000Z'));
    expect(await list('/v2/account/activities')).toHaveLength(1);
  });

  it('lists all types, chosen types and one order, in pages that end empty', async () => {
    const { market, list, twin, clock } = await start();
    const first = await market();
    await market();
    clock.advance(1_000);
    twin.disturb({ kind: 'cash', activity: 'CSD', amount: '100' });
    twin.disturb({ kind: 'dividend', symbol: 'AAPL', perShare: '0.25' });
    const types = async (query: string) =>
      (await list(`/v2/account/activities${query}`)).map((row) => row['activity_type']);
    expect(await types('?direction=asc')).toEqual(['FILL', 'FILL', 'CSD', 'DIV']);
    expect(await types('')).toEqual(['DIV', 'CSD', 'FILL', 'FILL']);
    expect(await types('?activity_types=DIV,CSD')).toEqual(['DIV', 'CSD']);
    expect(await types('/CSD')).toEqual(['CSD']);
    expect(await types(`?order_id=${String(first.body['id'])}`)).toEqual(['FILL']);
    expect(await types(`?after=${toText(midSession)}`)).toEqual(['DIV', 'CSD']);
    expect(await types(`?until=${toText(midSession + 1_000)}`)).toEqual(['FILL', 'FILL']);
    const seen: Body[] = [];
    for (let token = ''; ;) {
      const page = await list(`/v2/account/activities?direction=asc&page_size=3${token}`);
      if (page.length === 0) break;
      seen.push(...page);
      token = `&page_token=${encodeURIComponent(String(page.at(-1)?.['id']))}`;
    }
    expect(seen.map((row) => row['activity_type'])).toEqual(['FILL', 'FILL', 'CSD', 'DIV']);
    expect(new Set(seen.map((row) => row['id'])).size).toBe(4);
  });

  it.each([
    'page_size=101',
    'direction=up',
    'after=yesterday',
    'date=soon',
    'page_token=x',
    'date=2026-02-13&after=2026-02-13',
  ])('refuses %s', async (query) => {
    const { call } = await start();
    expect(await call('GET', `/v2/account/activities?${query}`)).toMatchObject({ status: 422 });
  });
});

describe('lists', () => {
  it('are behind by 150 to 250 ms while an order by its id is current', async () => {
    const { place, order, list, clock } = await start({ listLag: { fromMs: 150, toMs: 250 } });
    const placed = await place({ limit_price: '101' });
    expect(await order(placed)).toMatchObject({ status: 'filled' });
    const shown = async () => (await list('/v2/orders?status=all')).map(({ status }) => status);
    for (let look = 0; look < 10; look += 1) expect(await shown()).toEqual([]);
    clock.advance(149);
    expect(await shown()).toEqual([]);
    clock.advance(101);
    expect(await shown()).toEqual(['filled']);
  });

  it.each([
    'status=done',
    'limit=0',
    'limit=501',
    'direction=up',
    'after=x',
    'after_order_id=none',
    'after_order_id=ID&before_order_id=ID',
    'after_order_id=ID&until=2026-02-13',
  ])('of orders refuse %s', async (query) => {
    const { place, call } = await start();
    const { body } = await place();
    expect((await call('GET', `/v2/orders?${query.replaceAll('ID', String(body['id']))}`)).status).toBe(422);
  });

  it('filter orders by side and give 50 unless asked for up to 500', async () => {
    const { place, list } = await start({ requestsPerMinute: 1_000 });
    for (let index = 0; index < 51; index += 1) await place();
    await place({ symbol: 'NVDA', side: 'sell', limit_price: '60' });
    expect(await list('/v2/orders')).toHaveLength(50);
    expect(await list('/v2/orders?limit=500')).toHaveLength(52);
    expect(await list('/v2/orders?side=sell')).toHaveLength(1);
  });

  it('of assets filter by status and attribute', async () => {
    const { list } = await start({ assets: { NVDA: { active: false, attributes: ['ipo'] } } });
    const symbols = async (query: string) => (await list(`/v2/assets?${query}`)).map(({ symbol }) => symbol);
    expect(await symbols('')).toEqual(['AAPL', 'NVDA']);
    expect(await symbols('status=active')).toEqual(['AAPL']);
    expect(await symbols('attributes=ipo,has_options')).toEqual(['NVDA']);
  });
});
