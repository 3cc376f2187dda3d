import { Alpaca } from '@alpacahq/alpaca-trade-api';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAlpacaTwin } from '../../../../../infra/local/twins/index.ts';
import type { AlpacaTwin } from '../../../../../infra/local/twins/index.ts';
import { TestClock, credentials, steadyMarket } from '../support.ts';

let clock: TestClock;
let twin: AlpacaTwin;
let sdk: Alpaca;

beforeEach(async () => {
  clock = new TestClock();
  twin = await startAlpacaTwin({
    clock,
    marketData: steadyMarket,
    symbols: ['AAPL', 'NVDA'],
    seed: 1,
    partialFillShare: 0,
  });
  sdk = new Alpaca({
    keyId: credentials.keyId,
    secret: credentials.secretKey,
    fetchApi: (url, init) => fetch(atTwin(url), init),
    retry: false,
    rateLimit: false,
  });
});
afterEach(() => twin.stop());

/** The client has no setting for its host, so its requests are pointed at the twin; nothing leaves the machine. */
const atTwin = (url: unknown): string => {
  const { origin, pathname, search } = new URL(String(url));
  expect(origin).toBe('https://paper-api.alpaca.markets');
  return `${twin.url}${pathname}${search}`;
};

it('lets the official SDK place, read, list and cancel an order', async () => {
  const placed = await sdk.trading.orders.limit({
    symbol: 'AAPL',
    qty: 2,
    side: 'buy',
    limitPrice: 90,
    clientOrderId: 'sdk-1',
  });
  expect(placed).toMatchObject({ clientOrderId: 'sdk-1', symbol: 'AAPL', status: 'pending_new' });
  const byId = await sdk.trading.orders.getOrderByOrderID({ orderId: placed.id ?? '' });
  expect(byId).toMatchObject({ id: placed.id, status: 'new', limitPrice: '90' });
  const listed = await sdk.trading.orders.getAllOrders({ status: 'open' });
  expect(listed.map(({ id }) => id)).toEqual([placed.id]);
  await sdk.trading.orders.deleteOrderByOrderID({ orderId: placed.id ?? '' });
  const byClientId = await sdk.trading.orders.getOrderByClientOrderId({ clientOrderId: 'sdk-1' });
  expect(byClientId).toMatchObject({ id: placed.id, status: 'canceled' });
});

it('lets the official SDK read the position and the account after a fill, the clock and the calendar', async () => {
  await sdk.trading.orders.market({ symbol: 'AAPL', qty: 3, side: 'buy', clientOrderId: 'sdk-2' });
  const positions = await sdk.trading.positions.getAllOpenPositions();
  expect(positions).toMatchObject([{ symbol: 'AAPL', qty: '3', avgEntryPrice: '100.02', side: 'long' }]);
  expect(await sdk.trading.account.getAccount()).toMatchObject({ status: 'ACTIVE', cash: '99699.94' });
  expect(await sdk.trading.clock.legacyClock()).toMatchObject({ isOpen: true });
  const days = await sdk.trading.calendar.legacyCalendar({
    start: new Date('2026-02-13'),
    end: new Date('2026-02-17'),
  });
  expect(days).toMatchObject([
    { open: '09:30', close: '16:00' },
    { open: '09:30', close: '16:00' },
  ]);
});
