import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseInstant } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import { midSession, quote, quotedMarket } from '../support.ts';
import { client, useTwins } from './support.ts';
import type { Body } from './support.ts';

const start = useTwins();
const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

const stateFile = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'alpaca-twin-'));
  directories.push(directory);
  return join(directory, 'state.sqlite');
};

describe('the life of an order', () => {
  it('goes from accepted over live to filled at the far side of the quote', async () => {
    const { place, order, twin } = await start();
    const placed = await place({ limit_price: '100.05' });
    expect(placed.body).toMatchObject({ status: 'pending_new', filled_qty: '0', filled_avg_price: null });
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_qty: '2', filled_avg_price: '100.02' });
    expect(twin.log().map(({ effect, detail }) => [effect, detail])).toEqual([
      ['accepted', ''],
      ['filled', '2 at 100.02'],
    ]);
  });

  it('rests until a quote between two looks makes it marketable, and fills at that quote', async () => {
    const at = midSession + 30_000;
    const marketData = quotedMarket({
      AAPL: [quote(midSession, '99.98', '100.02'), quote(at, '89.5', '89.6'), quote(at + 1_000, '99', '99.1')],
    });
    const { place, order, clock } = await start({ marketData });
    const placed = await place();
    expect(await order(placed)).toMatchObject({ status: 'new' });
    clock.advance(60_000);
    expect(await order(placed)).toMatchObject({
      status: 'filled',
      filled_avg_price: '89.6',
      filled_at: new Date(at).toISOString(),
    });
  });

  it('fills in parts, each an activity, while it stays marketable', async () => {
    const quotes = Array.from({ length: 40 }, (_, index) => quote(midSession + index * 1_000, '99.98', '100.02'));
    const { place, order, read, clock } = await start({
      marketData: quotedMarket({ AAPL: quotes }),
      partialFillShare: 1,
    });
    const placed = await place({ qty: '50', limit_price: '101' });
    expect(await order(placed)).toMatchObject({ status: 'partially_filled' });
    clock.advance(40_000);
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_qty: '50' });
    const fills = (await read('/v2/account/activities/FILL?direction=asc')) as unknown as Body[];
    expect(fills.length).toBeGreaterThan(1);
    expect(fills.map((fill) => fill['type'])).toEqual([...fills.slice(1).map(() => 'partial_fill'), 'fill']);
    expect(fills.reduce((total, fill) => total + Number(fill['qty']), 0)).toBe(50);
    expect(fills.at(-1)).toMatchObject({ cum_qty: '50', leaves_qty: '0', order_status: 'filled' });
  });

  it('waits for the open when it was sent before it', async () => {
    const { place, order, clock } = await start({}, parseInstant('2026-02-13T13:00:00.000Z'));
    const placed = await place({ limit_price: '101' });
    expect(placed.body).toMatchObject({ status: 'accepted' });
    expect(await order(placed)).toMatchObject({ status: 'accepted' });
    clock.advanceTo(parseInstant('2026-02-13T14:30:00.000Z'));
    expect(await order(placed)).toMatchObject({ status: 'filled', filled_at: '2026-02-13T14:30:00.000Z' });
  });

  it.each([
    ['a full day', '2026-02-13T15:00:00.000Z', '2026-02-13T21:00:00.000Z'],
    ['a half day', '2026-11-27T15:00:00.000Z', '2026-11-27T18:00:00.000Z'],
    ['the session after a long weekend', '2026-02-13T21:00:00.000Z', '2026-02-17T21:00:00.000Z'],
  ])('expires at the close of %s', async (_title, sentAt, closesAt) => {
    const { place, order, clock } = await start({}, parseInstant(sentAt));
    const placed = await place();
    expect(placed.body).toMatchObject({ expires_at: closesAt });
    clock.advanceTo(parseInstant(closesAt) - 1);
    expect(await order(placed)).toMatchObject({ status: 'new' });
    clock.advanceTo(parseInstant(closesAt));
    expect(await order(placed)).toMatchObject({ status: 'expired', expired_at: closesAt, filled_qty: '0' });
  });

  it('never matches outside the session, also an order that is good till canceled', async () => {
    const night = parseInstant('2026-02-14T02:00:00.000Z');
    const marketData = quotedMarket({ AAPL: [quote(midSession, '99.98', '100.02'), quote(night, '80', '80.1')] });
    const { place, order, clock } = await start({ marketData });
    const placed = await place({ time_in_force: 'gtc' });
    clock.advanceTo(parseInstant('2026-02-16T12:00:00.000Z'));
    expect(await order(placed)).toMatchObject({ status: 'new' });
  });

  it('is canceled by a request, which a second request and a filled order refuse', async () => {
    const { place, order, call } = await start();
    const placed = await place();
    const path = `/v2/orders/${String(placed.body['id'])}`;
    expect((await call('DELETE', path)).status).toBe(204);
    expect(await order(placed)).toMatchObject({ status: 'canceled' });
    expect(await call('DELETE', path)).toMatchObject({ status: 422, body: { code: 42210000 } });
    expect(await call('DELETE', '/v2/orders/none')).toMatchObject({ status: 404, body: { code: 40410000 } });
  });

  it('cancels all open orders with one status each', async () => {
    const { place, call, read } = await start();
    const ids = [(await place()).body['id'], (await place()).body['id']];
    expect(await call('DELETE', '/v2/orders')).toMatchObject({
      status: 207,
      body: ids.map((id) => ({ id, status: 200 })),
    });
    expect(await read('/v2/orders?status=open')).toEqual([]);
  });
});

describe('refusals', () => {
  it.each<[string, Body | string, number, number, RegExp]>([
    ['text that is not JSON', '{', 400, 40010000, /format/],
    ['both qty and notional', { notional: '5' }, 400, 40010000, /only one/],
    ['no symbol', { symbol: '' }, 422, 40010001, /symbol/],
    ['an unknown side', { side: 'hold' }, 422, 40010001, /side/],
    ['an unknown type', { type: 'magic' }, 422, 40010001, /type/],
    ['no time in force', { time_in_force: undefined }, 422, 40010001, /time_in_force/],
    ['no limit price', { limit_price: undefined }, 422, 40010001, /limit price/],
    ['a negative quantity', { qty: '-1' }, 422, 40010001, /qty must be > 0/],
    ['a client order id over 128 characters', { client_order_id: 'x'.repeat(129) }, 422, 40010001, /128/],
    ['three decimals from one dollar', { limit_price: '90.001' }, 422, 42210000, /sub-penny/],
    ['five decimals below one dollar', { limit_price: '0.12345' }, 422, 42210000, /sub-penny/],
    ['an unknown symbol', { symbol: 'ZZZZ' }, 422, 42210000, /not found/],
    ['a fraction of an asset without fractions', { symbol: 'NVDA', qty: '1.5' }, 422, 42210000, /not fractionable/],
    ['less than a dollar', { qty: '0.01' }, 403, 40310000, /cost basis/],
    ['a short of an asset that is not lent', { symbol: 'NVDA', side: 'sell' }, 403, 40310000, /cannot be sold short/],
  ])('%s', async (_title, change, status, code, message) => {
    const { place, call } = await start({ assets: { NVDA: { fractionable: false, shortable: false } } });
    const answer = typeof change === 'string' ? await call('POST', '/v2/orders', change) : await place(change);
    expect(answer).toMatchObject({ status, body: { code, message: expect.stringMatching(message) as string } });
  });

  it('a client order id that was ever used, also by an order that is long canceled', async () => {
    const { place, call, twin } = await start();
    const placed = await place({ client_order_id: 'once' });
    await call('DELETE', `/v2/orders/${String(placed.body['id'])}`);
    expect(await place({ client_order_id: 'once' })).toMatchObject({
      status: 422,
      body: { code: 40010001, message: 'client_order_id must be unique' },
    });
    expect(twin.orders()).toHaveLength(1);
  });

  it('an order beyond the buying power that open orders have left', async () => {
    const { place } = await start({ multiplier: '1', startingCash: '1000' });
    await place({ qty: '6' });
    expect(await place({ qty: '6' })).toMatchObject({
      status: 403,
      body: { code: 40310000, message: 'insufficient buying power', buying_power: '460', cost_basis: '540' },
    });
    expect(await place({ qty: '5' })).toMatchObject({ status: 200 });
  });

  it('a sale of more shares than are held and free', async () => {
    const { place } = await start();
    await place({ qty: '5', limit_price: '101' });
    const resting = await place({ side: 'sell', qty: '3', limit_price: '110' });
    expect(await place({ side: 'sell', qty: '3', limit_price: '111' })).toMatchObject({
      status: 403,
      body: {
        code: 40310000,
        existing_qty: '5',
        available: '2',
        held_for_orders: '3',
        related_orders: [resting.body['id']],
        symbol: 'AAPL',
      },
    });
  });

  it.each([
    ['limit', '110', 'limit', '110', 403],
    ['limit', '110', 'limit', '109.99', 200],
    ['limit', '110', 'market', null, 403],
  ])('a wash trade: %s sell at %s against a %s buy at %s answers %i', async (_open, sellAt, type, buyAt, status) => {
    const { place } = await start({ marketData: quotedMarket({ AAPL: [quote(midSession, '100', '112')] }) });
    const resting = await place({ side: 'sell', limit_price: sellAt });
    const answer = await place({ type, limit_price: buyAt });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body).toMatchObject({ existing_order_id: resting.body['id'] });
  });

  it('every new order while trading is suspended; cancels still work', async () => {
    const { place, call } = await start();
    const placed = await place();
    expect(await call('PATCH', '/v2/account/configurations', { suspend_trade: true })).toMatchObject({
      body: { suspend_trade: true },
    });
    expect(await place()).toMatchObject({ status: 403, body: { code: 40310000 } });
    expect(await call('DELETE', `/v2/orders/${String(placed.body['id'])}`)).toMatchObject({ status: 204 });
  });

  it('a request without keys, and any beyond the budget of the minute', async () => {
    const { read, call, clock, twin } = await start({ requestsPerMinute: 2 });
    expect((await fetch(`${twin.url}/v2/clock`)).status).toBe(401);
    await read('/v2/clock');
    const refused = await call('GET', '/v2/clock');
    expect(refused).toMatchObject({ status: 429, body: { code: 42910000 } });
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(refused.headers.get('x-ratelimit-reset')).toBe(String((midSession + 55_000) / 1_000));
    clock.advance(55_000);
    expect((await call('GET', '/v2/clock')).status).toBe(200);
  });
});

describe('account, lists and calendar', () => {
  it('keeps cash, positions and the equity of the last close', async () => {
    const close = parseInstant('2026-02-13T21:00:00.000Z');
    const marketData = quotedMarket({
      AAPL: [
        quote(midSession, '99.98', '100.02'),
        quote(close - 1_000, '109.98', '110.02'),
        quote(close + 1_000, '119', '121'),
      ],
    });
    const { place, read, clock } = await start({ marketData });
    await place({ qty: '10', limit_price: '101' });
    clock.advanceTo(close + 60_000);
    expect(await read('/v2/account')).toMatchObject({
      cash: '98999.8',
      last_equity: '100099.8',
      equity: '100199.8',
      long_market_value: '1200',
      short_market_value: '0',
    });
    expect(await read('/v2/positions')).toMatchObject([
      {
        symbol: 'AAPL',
        qty: '10',
        avg_entry_price: '100.02',
        current_price: '120',
        lastday_price: '110',
        unrealized_pl: '199.8',
      },
    ]);
    expect(await read('/v2/positions/NVDA')).toMatchObject({ code: 40410000 });
  });

  it('filters and pages orders', async () => {
    const { place, read, clock } = await start();
    const first = await place();
    clock.advance(1_000);
    const second = await place({ symbol: 'NVDA', limit_price: '51' });
    const ids = async (query: string) =>
      ((await read(`/v2/orders?${query}`)) as unknown as Body[]).map((order) => order['client_order_id']);
    expect(await ids('')).toEqual(['order-1']);
    expect(await ids('status=closed')).toEqual(['order-2']);
    expect(await ids('status=all')).toEqual(['order-2', 'order-1']);
    expect(await ids('status=all&direction=asc&limit=1')).toEqual(['order-1']);
    expect(await ids(`status=all&after_order_id=${String(first.body['id'])}`)).toEqual(['order-2']);
    expect(await ids(`status=all&before_order_id=${String(second.body['id'])}`)).toEqual(['order-1']);
    expect(await ids(`status=all&after=${new Date(midSession).toISOString()}`)).toEqual(['order-2']);
    expect(await ids('status=all&symbols=NVDA,TSLA')).toEqual(['order-2']);
    expect(await read('/v2/orders?limit=501')).toMatchObject({ code: 42210000 });
  });

  it('pages fills until a page is empty', async () => {
    const { place, read } = await start();
    for (let index = 0; index < 3; index += 1) await place({ limit_price: '101' });
    const page = async (query: string) =>
      (await read(`/v2/account/activities/FILL?direction=asc&page_size=2${query}`)) as unknown as Body[];
    const first = await page('');
    const second = await page(`&page_token=${String(first.at(-1)?.['id'])}`);
    expect([first.length, second.length]).toEqual([2, 1]);
    expect(await page(`&page_token=${String(second.at(-1)?.['id'])}`)).toEqual([]);
    expect(first[0]?.['id']).toMatch(/^20260213100405000::[0-9a-f-]{36}$/);
    expect(await page(`&after=${new Date(midSession).toISOString()}`)).toEqual([]);
  });

  it('states the clock and the calendar in New York time', async () => {
    const { read, clock } = await start();
    expect(await read('/v2/clock')).toMatchObject({
      is_open: true,
      next_open: '2026-02-17T14:30:00.000Z',
      next_close: '2026-02-13T21:00:00.000Z',
    });
    clock.advanceTo(parseInstant('2026-02-14T15:00:00.000Z'));
    expect(await read('/v2/clock')).toMatchObject({ is_open: false, next_open: '2026-02-17T14:30:00.000Z' });
    expect(await read('/v2/calendar?start=2026-11-26&end=2026-11-27')).toEqual([
      {
        date: '2026-11-27',
        open: '09:30',
        close: '13:00',
        session_open: '0400',
        session_close: '1700',
        settlement_date: '2026-11-30',
      },
    ]);
  });
});

describe('faults and survival', () => {
  it('is flaky in the same way on every run of a seed, and takes every order it answered for', async () => {
    const run = async () => {
      const { place, twin, clock } = await start();
      // A held request ends after 60 ms by the twin's own bound, so that no answer depends on how busy the machine is.
      clock.impatient(0.001);
      await twin.setFault({ kind: 'flaky', ratio: 0.5 }, ['submit_order']);
      const answers: (number | 'none')[] = [];
      for (let index = 0; index < 24; index += 1) {
        const answer = place({ client_order_id: `flaky-${String(index)}` });
        answers.push(await answer.then(({ status }) => status).catch(() => 'none' as const));
      }
      await twin.setFault(null);
      return { answers, accepted: twin.orders().map(({ clientOrderId }) => clientOrderId) };
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(new Set(first.answers)).toEqual(new Set([200, 503, 'none']));
    first.answers.forEach((answer, index) => {
      if (answer === 200) expect(first.accepted).toContain(`flaky-${String(index)}`);
    });
    expect(first.accepted.length).toBeGreaterThan(first.answers.filter((answer) => answer === 200).length);
  });

  it('keeps its port through an outage', async () => {
    const { read, twin } = await start();
    await twin.setFault({ kind: 'down' });
    await expect(read('/v2/clock')).rejects.toThrow('fetch failed');
    await twin.setFault(null);
    expect(await read('/v2/clock')).toMatchObject({ is_open: true });
  });

  it('keeps every answered order when its process is killed', async () => {
    const file = stateFile();
    const code = `
      const { startAlpacaTwin } = await import('./infra/local/twins/alpaca/twin.ts');
      const clock = { now: () => ${String(midSession)}, sleep: async () => {}, deadline: (ms) => AbortSignal.timeout(ms) };
      const marketData = { quoteAt: (symbol, at) => ({ at, bid: '99.98', ask: '100.02' }), quotesBetween: () => [] };
      const twin = await startAlpacaTwin({ clock, marketData, symbols: ['AAPL'], seed: 1, partialFillShare: 0, stateFile: process.env.STATE_FILE });
      console.log(twin.url);
    `;
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', code],
      {
        env: { ...process.env, STATE_FILE: file },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const exited = once(child, 'exit');
    try {
      const died = exited.then(([status]) => {
        throw new Error(`the twin's process ended with ${String(status)} before it served`);
      });
      const [line] = (await Promise.race([once(child.stdout, 'data'), died])) as [Buffer];
      const { place, order } = client(line.toString().trim());
      expect(await order(await place({ limit_price: '101' }))).toMatchObject({ status: 'filled' });
      await place({ client_order_id: 'resting' });
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    const { read, place, twin } = await start({ stateFile: file });
    expect(await read('/v2/positions')).toMatchObject([{ symbol: 'AAPL', qty: '2' }]);
    expect(await read('/v2/orders:by_client_order_id?client_order_id=resting')).toMatchObject({ status: 'new' });
    expect(await place({ client_order_id: 'resting' })).toMatchObject({ status: 422 });
    expect(twin.log().map(({ effect }) => effect)).toEqual(['accepted', 'filled', 'accepted', 'duplicate_refused']);
  });
});
