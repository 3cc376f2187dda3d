import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decimal, decimalText, zero } from '@torghut/domain';
import type { Decimal } from '@torghut/domain';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { orderTypes, timesInForce } from '../../../../../infra/local/twins/alpaca/order.ts';
import type { AlpacaTwin, Disturbance } from '../../../../../infra/local/twins/index.ts';
import { startAlpacaTwin } from '../../../../../infra/local/twins/index.ts';
import { TestClock, midSession, quote, quotedMarket } from '../support.ts';
import { client } from './support.ts';

/** AAPL between 90 and 110 for twenty minutes, one quote every two seconds. */
const marketData = quotedMarket({
  AAPL: Array.from({ length: 600 }, (_, index) => {
    const bid = 100 + 10 * Math.sin(index / 20);
    return quote(midSession + index * 2_000, bid.toFixed(2), (bid + 0.04).toFixed(2));
  }),
});

const price = fc.integer({ min: 90, max: 110 }).map(String);
/** Exits around the market; an OCO order is itself the exit. */
const exits = (orderClass: string, side: string) => {
  const sells = (side === 'buy') !== (orderClass === 'oco');
  const stopLoss = { stop_loss: { stop_price: sells ? '85' : '115' } };
  return orderClass === 'oto' ? stopLoss : { ...stopLoss, take_profit: { limit_price: sells ? '108' : '92' } };
};
const order = fc
  .record({
    type: fc.constantFrom(...orderTypes),
    side: fc.constantFrom('buy', 'sell'),
    time_in_force: fc.constantFrom(...timesInForce),
    order_class: fc.constantFrom('simple', 'simple', 'bracket', 'oto', 'oco'),
    qty: fc.integer({ min: 1, max: 20 }).map(String),
    limit: price,
    stop: price,
  })
  .map(({ limit, stop, ...body }) => ({
    ...body,
    symbol: 'AAPL',
    ...(body.type.includes('limit') ? { limit_price: limit } : {}),
    ...(body.type.startsWith('stop') ? { stop_price: stop } : {}),
    ...(body.type === 'trailing_stop' ? { trail_price: '2' } : {}),
    ...(body.order_class === 'simple' ? {} : exits(body.order_class, body.side)),
  }));
const disturbance = fc.constantFrom<Disturbance>(
  { kind: 'fill', order: { state: 'open' }, qty: '1' },
  { kind: 'fill', order: { state: 'open' } },
  { kind: 'late_fill', order: { state: 'canceled' } },
  { kind: 'late_fill', order: { state: 'expired' }, qty: '1' },
  { kind: 'overfill', order: { state: 'any' } },
  { kind: 'trade_bust', fill: { newest: true } },
  { kind: 'trade_correct', fill: { newest: true }, price: '99', qty: '3' },
  { kind: 'order_status', order: { state: 'open' }, status: 'suspended' },
  { kind: 'order_status', order: { state: 'open' }, status: 'new' },
  { kind: 'order_status', order: { state: 'open' }, status: 'rejected' },
  { kind: 'external_replace', order: { state: 'new' }, body: { qty: '30' } },
  { kind: 'cancels_stick', on: true },
  { kind: 'cancels_stick', on: false },
  { kind: 'latencies', routeMs: 500, acknowledgeMs: 500, replaceMs: 3_000 },
  { kind: 'cash', activity: 'CSD', amount: '12.34' },
  { kind: 'dividend', symbol: 'AAPL', perShare: '0.1' },
  { kind: 'shares_moved', symbol: 'AAPL', qty: '4', price: '100' },
);
const step = fc.oneof(
  { weight: 4, arbitrary: order.map((body) => ({ kind: 'place', body }) as const) },
  { weight: 2, arbitrary: fc.nat({ max: 20 }).map((index) => ({ kind: 'cancel', index }) as const) },
  { weight: 3, arbitrary: disturbance.map((event) => ({ kind: 'disturb', event }) as const) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 60_000 }).map((ms) => ({ kind: 'wait', ms }) as const) },
);

const sum = (values: readonly Decimal[]) => values.reduce((total, value) => total.plus(value), zero);
const startingCash = '100000';

/** What contradicts itself in a twin's books. */
const contradictions = (twin: AlpacaTwin): string[] => {
  const found: string[] = [];
  const fills = twin.fills().filter(({ state }) => state === 'executed');
  const signed = fills.map(({ side, qty }) => (side === 'buy' ? qty : zero.minus(qty)));
  const others = twin.activities().filter(({ type }) => type !== 'FILL');
  const cash = sum([
    decimal(startingCash),
    ...fills.map(({ side, qty, price: paid }) => (side === 'buy' ? zero.minus(qty.times(paid)) : qty.times(paid))),
    ...others.map(({ body }) => decimal(String(body['net_amount']))),
  ]);
  if (decimalText(cash) !== twin.holdings().cash)
    found.push(`cash ${twin.holdings().cash}, fills say ${decimalText(cash)}`);
  const moved = others.filter(({ type }) => type === 'JNLS').map(({ body }) => decimal(String(body['qty'])));
  const held = decimalText(sum([...signed, ...moved]));
  if (held !== (twin.holdings().positions['AAPL'] ?? '0'))
    found.push(`position ${JSON.stringify(twin.holdings())}, fills say ${held}`);
  for (const one of twin.orders()) {
    const own = fills.filter(({ orderId }) => orderId === one.id);
    if (!sum(own.map(({ qty }) => qty)).eq(one.filledQty)) found.push(`${one.clientOrderId}: filled quantity`);
    if (!sum(own.map((fill) => fill.qty.times(fill.price))).eq(one.filledValue))
      found.push(`${one.clientOrderId}: filled value`);
    if (one.replacedBy !== null && one.status === 'replaced' && !twin.orders().some(({ id }) => id === one.replacedBy))
      found.push(`${one.clientOrderId}: replaced by nothing`);
    const live = twin.orders().filter(({ parentId }) => parentId === one.id && one.status === 'canceled');
    for (const leg of live)
      if (['held', 'new'].includes(leg.status) && one.orderClass !== 'oco')
        found.push(`${leg.clientOrderId}: a leg outlived its entry`);
  }
  return found;
};

it('books agree with fills and activities after any history of orders and disturbances', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(), async (steps, seed) => {
      const clock = new TestClock();
      const twin = await startAlpacaTwin({
        clock,
        marketData,
        symbols: ['AAPL'],
        seed,
        startingCash,
        partialFillShare: 0.4,
        requestsPerMinute: 1_000,
        cancelLatencyMs: 1_000,
      });
      try {
        const { call } = client(twin.url);
        for (const one of steps) {
          if (one.kind === 'place') await call('POST', '/v2/orders', one.body);
          else if (one.kind === 'wait') clock.advance(one.ms);
          else if (one.kind === 'disturb') twin.disturb(one.event);
          else {
            const id = twin.orders()[one.index]?.id;
            if (id !== undefined) await call('DELETE', `/v2/orders/${id}`);
          }
          twin.advance();
          expect(contradictions(twin)).toEqual([]);
        }
      } finally {
        await twin.stop();
      }
    }),
    { numRuns: 60 },
  );
});

it('everything survives a restart on the same file', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'alpaca-books-'));
  const config = {
    clock: new TestClock(),
    marketData,
    symbols: ['AAPL'],
    seed: 7,
    partialFillShare: 0,
    stateFile: join(directory, 'state.sqlite'),
  };
  const everything = (twin: AlpacaTwin) =>
    JSON.stringify([twin.orders(), twin.fills(), twin.activities(), twin.log(), twin.holdings()]);
  try {
    const first = await startAlpacaTwin(config);
    const { place, market, replace, order: read } = client(first.url);
    await market({ qty: '3' });
    await market({ qty: undefined, notional: '123.45' });
    const placed = await place({
      order_class: 'bracket',
      take_profit: { limit_price: '115' },
      stop_loss: { stop_price: '80' },
    });
    await read(placed);
    await replace(placed, { limit_price: '91' });
    await place({ side: 'sell', type: 'trailing_stop', limit_price: undefined, trail_price: '2', qty: '1' });
    config.clock.advance(30_000);
    await read(placed);
    first.disturb({ kind: 'dividend', symbol: 'AAPL', perShare: '0.01' });
    first.disturb({ kind: 'trade_bust', fill: { newest: true } });
    first.disturb({ kind: 'account', suspendTrade: true, transfersBlocked: true });
    const before = everything(first);
    await first.stop();
    const second = await startAlpacaTwin(config);
    try {
      expect(everything(second)).toBe(before);
      const { read: get, list } = client(second.url);
      expect(await get('/v2/account')).toMatchObject({ trade_suspended_by_user: true, transfers_blocked: true });
      expect((await list('/v2/orders?status=all')).length).toBe(second.orders().length);
    } finally {
      await second.stop();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
