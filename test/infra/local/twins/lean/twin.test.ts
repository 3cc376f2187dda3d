import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAlpacaTwin, startLeanTwin } from '../../../../../infra/local/twins/index.ts';
import type { AlpacaTwin, LeanTwin } from '../../../../../infra/local/twins/index.ts';
import { TestClock, credentials, steadyMarket } from '../support.ts';

let clock: TestClock;
let broker: AlpacaTwin;
let runner: LeanTwin;

beforeEach(async () => {
  clock = new TestClock();
  broker = await startAlpacaTwin({ clock, marketData: steadyMarket, symbols: ['AAPL'], seed: 1, partialFillShare: 0 });
  runner = await startLeanTwin({ clock, brokerUrl: broker.url, credentials, seed: 1 });
});
afterEach(async () => {
  await runner.stop();
  await broker.stop();
});

const order = {
  symbol: 'AAPL',
  side: 'buy',
  qty: 2,
  order_type: 'limit',
  time_in_force: 'day',
  limit_price: 90,
  extra_params: { client_order_id: 'tg1-1' },
};
const call = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${runner.url}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
};

it.each([
  ['an unknown field', { ...order, notional: 5 }, 422, 'contract_unknown_field'],
  ['a missing field', { ...order, symbol: undefined }, 422, 'contract_missing_required_field'],
  ['a quantity as text', { ...order, qty: '2' }, 422, 'contract_missing_required_field'],
  ['another order type', { ...order, order_type: 'magic' }, 400, 'contract_invalid_order_type'],
])('refuses %s before the broker sees it', async (_title, body, status, taxonomy) => {
  expect(await call('POST', '/v1/orders/submit', body)).toMatchObject({ status, body: { taxonomy } });
  expect(broker.log()).toEqual([]);
});

it('passes a refusal on with the order that is in the way', async () => {
  await call('POST', '/v1/orders/submit', order);
  const opposite = { ...order, side: 'sell', limit_price: 80, extra_params: { client_order_id: 'tg1-2' } };
  expect(await call('POST', '/v1/orders/submit', opposite)).toMatchObject({
    status: 403,
    body: {
      taxonomy: 'upstream_rejected',
      broker: { http_status: 403, code: 40310000, existing_order_id: broker.orders()[0]?.id },
    },
  });
});

it('forgets what it submitted when it is restarted; the broker does not', async () => {
  await call('POST', '/v1/orders/submit', order);
  expect(await call('POST', '/v1/orders/submit', order)).toMatchObject({
    body: { _lean_audit: { idempotent_replay: true } },
  });
  await runner.stop();
  runner = await startLeanTwin({ clock, brokerUrl: broker.url, credentials, seed: 1 });
  expect(await call('POST', '/v1/orders/submit', order)).toMatchObject({
    status: 422,
    body: { broker: { code: 40010001 } },
  });
  expect(broker.orders()).toHaveLength(1);
});

it('cancels all orders, and counts requests and failures', async () => {
  await call('POST', '/v1/orders/submit', order);
  expect(await call('POST', '/v1/orders/cancel-all')).toMatchObject({
    status: 200,
    body: { orders: [{ status: 200 }] },
  });
  await broker.setFault({ kind: 'down' });
  expect(await call('GET', '/v1/orders/any')).toMatchObject({
    status: 503,
    body: { taxonomy: 'upstream_unavailable' },
  });
  expect(await call('GET', '/v1/observability')).toMatchObject({
    body: { contract_version: 'lean-v2', metrics: { requests_total: 3, failures_total: 1 } },
  });
});
