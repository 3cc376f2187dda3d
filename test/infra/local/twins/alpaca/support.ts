import { parseInstant } from '@torghut/domain';
import type { Instant } from '@torghut/domain';
import { afterEach } from 'vitest';
import { startAlpacaTwin } from '../../../../../infra/local/twins/index.ts';
import type { AlpacaTwin, AlpacaTwinConfig } from '../../../../../infra/local/twins/index.ts';
import { TestClock, midSession, steadyMarket } from '../support.ts';

export type Body = Record<string, unknown>;

/** Instants of the Friday whose session is under way at `midSession`, by New York wall time. */
export const friday = (time: string): Instant => parseInstant(`2026-02-13T${time}:00.000-05:00`);

const headers = { 'apca-api-key-id': 'PK', 'apca-api-secret-key': 'secret' };

/** A caller of one twin; every answer is its status, headers and parsed body. */
export const client = (url: string) => {
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : null) as Body,
    };
  };
  let placed = 0;
  /** A limit buy of two shares that rests below the market, unless changed. */
  const place = (change: Body = {}) => {
    placed += 1;
    return call('POST', '/v2/orders', {
      symbol: 'AAPL',
      qty: '2',
      side: 'buy',
      type: 'limit',
      time_in_force: 'day',
      limit_price: '90',
      client_order_id: `order-${String(placed)}`,
      ...change,
    });
  };
  /** A market order of two shares unless changed. */
  const market = (change: Body = {}) => place({ type: 'market', limit_price: undefined, ...change });
  const read = async (path: string) => (await call('GET', path)).body;
  const list = async (path: string) => (await read(path)) as unknown as Body[];
  const order = (placed: { body: Body }) => read(`/v2/orders/${String(placed.body['id'])}`);
  const status = async (placed: { body: Body }) => (await order(placed))['status'];
  const cancel = (placed: { body: Body }) => call('DELETE', `/v2/orders/${String(placed.body['id'])}`);
  const replace = (placed: { body: Body }, change: Body) =>
    call('PATCH', `/v2/orders/${String(placed.body['id'])}`, change);
  return { call, place, market, read, list, order, status, cancel, replace };
};

/** Starts twins that stop after each test. */
export const useTwins = () => {
  const started: AlpacaTwin[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((twin) => twin.stop()));
  });
  return async (change: Partial<AlpacaTwinConfig> = {}, at: Instant = midSession) => {
    const clock = new TestClock(at);
    const twin = await startAlpacaTwin({
      clock,
      marketData: steadyMarket,
      symbols: ['AAPL', 'NVDA'],
      seed: 1,
      partialFillShare: 0,
      ...change,
    });
    started.push(twin);
    return { clock, twin, ...client(twin.url) };
  };
};
