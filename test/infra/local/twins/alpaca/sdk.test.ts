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

it('[A2] lets the official SDK place, read, list and cancel an order', async () => {
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

it('lets the official SDK replace an order, follow it and cancel all of them', async () => {
  const placed = await sdk.trading.orders.limit({ symbol: 'AAPL', qty: 2, side: 'buy', limitPrice: 90 });
  const id = placed.id ?? '';
  await sdk.trading.orders.getOrderByOrderID({ orderId: id });
  const next = await sdk.trading.orders.patchOrderByOrderId({
    orderId: id,
    patchOrderRequest: { limitPrice: '91', qty: '3', clientOrderId: 'sdk-next' },
  });
  expect(next).toMatchObject({ replaces: id, clientOrderId: 'sdk-next', qty: '3', limitPrice: '91' });
  expect(await sdk.trading.orders.getOrderByOrderID({ orderId: id })).toMatchObject({
    status: 'replaced',
    replacedBy: next.id,
  });
  await sdk.trading.orders.limit({ symbol: 'NVDA', qty: 1, side: 'buy', limitPrice: 40 });
  const canceled = await sdk.trading.orders.deleteAllOrders();
  expect(canceled.map(({ status }) => status)).toEqual([200, 200]);
  expect(await sdk.trading.orders.getAllOrders({ status: 'open' })).toEqual([]);
});

it('lets the official SDK use every kind of order', async () => {
  const { orders } = sdk.trading;
  await orders.market({ symbol: 'AAPL', qty: 20, side: 'buy' });
  await sdk.trading.positions.getAllOpenPositions();
  const placed = [
    await orders.stop({ symbol: 'AAPL', qty: 1, side: 'sell', stopPrice: 90 }),
    await orders.stopLimit({ symbol: 'AAPL', qty: 1, side: 'sell', stopPrice: 90, limitPrice: 89 }),
    await orders.trailingStop({ symbol: 'AAPL', qty: 1, side: 'sell', trailPercent: 5 }),
    await orders.oco({
      symbol: 'AAPL',
      qty: 1,
      side: 'sell',
      takeProfit: { limitPrice: 110 },
      stopLoss: { stopPrice: 90 },
    }),
    await orders.bracket({
      symbol: 'AAPL',
      qty: 1,
      side: 'buy',
      limitPrice: 95,
      takeProfit: { limitPrice: 110 },
      stopLoss: { stopPrice: 85 },
    }),
    await orders.oto({
      symbol: 'NVDA',
      qty: 1,
      side: 'buy',
      limitPrice: 45,
      stopLoss: { stopPrice: 40 },
    }),
  ];
  expect(placed.map(({ type, orderClass }) => `${type} ${String(orderClass)}`)).toEqual([
    'stop simple',
    'stop_limit simple',
    'trailing_stop simple',
    'limit oco',
    'limit bracket',
    'limit oto',
  ]);
  const nested = await orders.getAllOrders({ status: 'open', nested: true });
  expect(nested.map(({ legs }) => legs?.length ?? 0)).toEqual([1, 2, 1, 0, 0, 0]);
});

it('lets the official SDK read its activities and close what it holds', async () => {
  await sdk.trading.orders.market({ symbol: 'AAPL', qty: 4, side: 'buy' });
  await sdk.trading.orders.market({ symbol: 'NVDA', qty: 2, side: 'sell' });
  await sdk.trading.account.getAccount();
  twin.disturb({ kind: 'dividend', symbol: 'AAPL', perShare: '0.25' });
  const fills = await sdk.trading.accountActivities.getAccountActivitiesByActivityType({ activityType: 'FILL' });
  expect(fills).toHaveLength(2);
  const all = await sdk.trading.accountActivities.getAccountActivities({ pageSize: 100 });
  expect(all.map(({ activityType }) => activityType)).toEqual(['DIV', 'FILL', 'FILL']);
  const part = await sdk.trading.positions.deleteOpenPosition({ symbolOrAssetId: 'AAPL', qty: 1 });
  expect(part).toMatchObject({ symbol: 'AAPL', side: 'sell', qty: '1' });
  const closed = await sdk.trading.positions.deleteAllOpenPositions({ cancelOrders: true });
  expect(closed).toMatchObject([
    { symbol: 'AAPL', status: 200 },
    { symbol: 'NVDA', status: 200 },
  ]);
  expect(await sdk.trading.positions.getAllOpenPositions()).toEqual([]);
});

it('lets the official SDK suspend trading, and tells it why an order is refused', async () => {
  const { accountConfigurations } = sdk.trading;
  expect(await accountConfigurations.getAccountConfig()).toMatchObject({ suspendTrade: false });
  await accountConfigurations.patchAccountConfig({ accountConfigurations: { suspendTrade: true } });
  await expect(sdk.trading.orders.market({ symbol: 'AAPL', qty: 1, side: 'buy' })).rejects.toMatchObject({
    status: 403,
    code: 40310000,
  });
  expect(await sdk.trading.account.getAccount()).toMatchObject({ tradeSuspendedByUser: true });
});

it('lets the official SDK follow an order on the event stream from submission to its end', async () => {
  const stream = sdk.trading.stream({ url: twin.streamUrl, reconnect: false });
  const seen: { event: string; executionId?: string | undefined }[] = [];
  stream.onTradeUpdate(({ event, executionId }) => seen.push({ event, executionId }));
  stream.connect();
  try {
    const input = { type: 'market', symbol: 'AAPL', qty: 3, side: 'buy', clientOrderId: 'sdk-stream' } as const;
    const done = await sdk.trading.submitAndWait(input, { stream, timeoutMs: 4_000 });
    expect(done).toMatchObject({ clientOrderId: 'sdk-stream', status: 'filled', filledQty: '3' });
    expect(seen).toEqual([
      { event: 'pending_new', executionId: undefined },
      { event: 'new', executionId: undefined },
      { event: 'fill', executionId: twin.fills()[0]?.id },
    ]);
  } finally {
    stream.disconnect();
  }
});
