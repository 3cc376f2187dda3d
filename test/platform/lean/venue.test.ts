import type { ExecutionVenue, OrderRequest, Ticker } from '@torghut/domain';
import { alpacaVenue, cachedCredentials, fixedCredentials, leanVenue } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startAlpacaTwin, startLeanTwin } from '../../../infra/local/twins/index.ts';
import type { AlpacaTwin, Fault, LeanTwin } from '../../../infra/local/twins/index.ts';
import { TestClock, buyOrder, credentials, permit, steadyMarket } from '../../infra/local/twins/support.ts';

let clock: TestClock;
let broker: AlpacaTwin;
let runner: LeanTwin;
let venue: ExecutionVenue;

beforeEach(async () => {
  clock = new TestClock();
  broker = await startAlpacaTwin({ clock, marketData: steadyMarket, symbols: ['AAPL'], seed: 1, partialFillShare: 0 });
  runner = await startLeanTwin({ clock, brokerUrl: broker.url, credentials, seed: 1 });
  venue = leanVenue({ baseUrl: runner.url, apiKey: fixedCredentials(null) }, clock);
});
afterEach(async () => {
  await runner.stop();
  await broker.stop();
});

const accepted = () => broker.log().filter(({ effect }) => effect === 'accepted').length;

describe('submit', () => {
  it("acknowledges the broker's order with the runner's markers", async () => {
    const outcome = await venue.submit(buyOrder(), permit);
    expect(outcome).toMatchObject({
      kind: 'acknowledged',
      order: {
        symbol: 'AAPL',
        raw: {
          _execution_adapter: 'lean',
          _lean_contract_version: 'v2',
          _lean_audit: {
            operation: 'submit_order',
            correlation_id: permit.correlationId,
            idempotency_key: buyOrder().clientOrderId,
            idempotent_replay: false,
          },
        },
      },
    });
  });

  it("has one effect when the same order is sent again within the runner's memory, and is a duplicate after it", async () => {
    await venue.submit(buyOrder(), permit);
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({
      kind: 'acknowledged',
      order: { raw: { _lean_audit: { idempotent_replay: true } } },
    });
    clock.advance(300_000);
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({ kind: 'duplicate' });
    expect(accepted()).toBe(1);
  });

  it.each<[string, Partial<OrderRequest>, string]>([
    ['a sub-penny price', { limitPrice: '100.025' }, 'invalid_price'],
    ['an unknown symbol', { symbol: 'ZZZZ' as Ticker }, 'not_tradable'],
    ['more than the buying power', { qty: '5000' }, 'insufficient_funds'],
  ])("passes on the broker's refusal of %s by its class", async (_title, change, rejection) => {
    expect(await venue.submit(buyOrder(change), permit)).toMatchObject({ kind: 'rejected', rejection });
  });

  const error = (status: number, body: unknown): Fault => ({ kind: 'answer', answer: { status, body } });
  it.each<[string, Fault, object]>([
    [
      'an order type outside the contract',
      error(400, { detail: 'x', taxonomy: 'contract_invalid_order_type' }),
      { kind: 'rejected', rejection: 'invalid_order' },
    ],
    [
      'a missing field',
      error(422, { detail: 'x', taxonomy: 'contract_missing_required_field' }),
      { kind: 'rejected', rejection: 'invalid_order' },
    ],
    [
      'an unknown field',
      error(422, { detail: 'x', taxonomy: 'contract_unknown_field' }),
      { kind: 'rejected', rejection: 'invalid_order' },
    ],
    [
      'refused credentials',
      error(502, { detail: 'x', taxonomy: 'upstream_auth' }),
      { kind: 'rejected', rejection: 'other' },
    ],
    [
      'a broker refusal under 502',
      error(502, {
        detail: 'x',
        taxonomy: 'upstream_rejected',
        broker: { http_status: 403, code: 40310000, message: 'insufficient buying power' },
      }),
      { kind: 'rejected', rejection: 'insufficient_funds', message: 'insufficient buying power' },
    ],
    [
      'a broker refusal nobody knows',
      error(409, {
        detail: 'x',
        taxonomy: 'upstream_rejected',
        broker: { http_status: 409, code: 40910000, message: 'new' },
      }),
      { kind: 'rejected', rejection: 'other' },
    ],
    [
      'a duplicate id at the broker',
      error(422, {
        detail: 'x',
        taxonomy: 'upstream_rejected',
        broker: { http_status: 422, code: 40010001, message: 'client_order_id must be unique' },
      }),
      { kind: 'duplicate' },
    ],
    [
      'a rate limit at the broker',
      error(429, {
        detail: 'x',
        taxonomy: 'upstream_rejected',
        broker: { http_status: 429, code: 42910000, message: 'slow' },
      }),
      { kind: 'rate_limited' },
    ],
    [
      'a refusal without its payload',
      error(422, { detail: 'x', taxonomy: 'upstream_rejected' }),
      { kind: 'unknown', failure: 'http_422' },
    ],
    [
      'a broker error called a refusal',
      error(502, { detail: 'x', taxonomy: 'upstream_rejected', broker: { http_status: 503 } }),
      { kind: 'unknown', failure: 'http_502' },
    ],
    [
      'an error upstream',
      error(502, { detail: 'x', taxonomy: 'upstream_error' }),
      { kind: 'unknown', failure: 'http_502' },
    ],
    [
      'a broker out of reach',
      error(503, { detail: 'x', taxonomy: 'upstream_unavailable' }),
      { kind: 'unknown', failure: 'http_503' },
    ],
    [
      'a timeout upstream',
      error(504, { detail: 'x', taxonomy: 'network_timeout' }),
      { kind: 'unknown', failure: 'http_504' },
    ],
    ['a new taxonomy', error(502, { detail: 'x', taxonomy: 'cosmic_rays' }), { kind: 'unknown', failure: 'http_502' }],
    ['an error without taxonomy', error(500, 'Internal Server Error'), { kind: 'unknown', failure: 'http_500' }],
    [
      'an error of another contract',
      error(422, { detail: [{ loc: ['body'], msg: 'x' }] }),
      { kind: 'unknown', failure: 'http_422' },
    ],
    ['nonsense under 200', error(200, { hello: 'world' }), { kind: 'unknown', failure: 'contract_violation' }],
    [
      'an order for another symbol',
      { kind: 'altered_body', change: { symbol: 'TSLA' } },
      { kind: 'unknown', failure: 'contract_violation' },
    ],
    [
      'an order of another client',
      { kind: 'altered_body', change: { client_order_id: 'x' } },
      { kind: 'unknown', failure: 'contract_violation' },
    ],
    [
      'an order without a quantity',
      { kind: 'altered_body', change: { qty: null, filled_qty: '0' } },
      { kind: 'unknown', failure: 'contract_violation' },
    ],
    ['a cut body', { kind: 'cut_body' }, { kind: 'unknown', failure: 'contract_violation' }],
    ['a reset', { kind: 'reset', processed: true }, { kind: 'unknown', failure: 'network_error' }],
    ['a closed port', { kind: 'down' }, { kind: 'not_sent', failure: 'network_error' }],
  ])('%s', async (_title, fault, expected) => {
    await runner.setFault(fault);
    expect(await venue.submit(buyOrder(), permit)).toMatchObject(expected);
  });

  it('accepts a symbol in lower case and numbers that a runner wrote as JSON numbers', async () => {
    await runner.setFault({
      kind: 'altered_body',
      change: { symbol: 'aapl', qty: 2, filled_qty: 0, limit_price: 100.02 },
    });
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({ kind: 'acknowledged' });
  });

  it('answers for a dead broker with an unknown outcome, never with a refusal', async () => {
    await broker.setFault({ kind: 'down' });
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({ kind: 'unknown', failure: 'http_503' });
  });

  it('meets its own late order: a slow runner submits after the caller gave up and the order went elsewhere', async () => {
    await runner.setFault({ kind: 'slow', lateByMs: 8_000 }, ['submit_order']);
    clock.impatient();
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({ kind: 'unknown', failure: 'timeout' });
    clock.patient();
    await expect.poll(() => clock.sleeping()).toBe(1);
    const direct = alpacaVenue({ baseUrl: broker.url, credentials: fixedCredentials(credentials) }, clock);
    expect(await direct.getOrderByClientOrderId(buyOrder().clientOrderId)).toMatchObject({ kind: 'absent' });
    expect(await direct.submit(buyOrder(), permit)).toMatchObject({ kind: 'acknowledged' });
    clock.advance(8_000);
    await expect.poll(() => broker.log().map(({ effect }) => effect)).toContain('duplicate_refused');
    expect(accepted()).toBe(1);
  });

  it('refuses every write without a permit', async () => {
    await expect(venue.submit(buyOrder(), { ...permit, receiptId: '' })).rejects.toThrow(TypeError);
    await expect(venue.cancel('any', { ...permit, fencingToken: -1 })).rejects.toThrow(TypeError);
    expect(runner.log()).toEqual([]);
  });
});

describe('cancel, lookups, lists and health', () => {
  const resting = buyOrder({ limitPrice: '90' });

  it('requests a cancel, finds nothing left to cancel the second time, and knows nothing of an order it does not have', async () => {
    const outcome = await venue.submit(resting, permit);
    const id = outcome.kind === 'acknowledged' ? outcome.order.id : '';
    expect(await venue.cancel(id, permit)).toMatchObject({ kind: 'requested' });
    expect(await venue.getOrder(id)).toMatchObject({ kind: 'found', order: { status: 'canceled' } });
    expect(await venue.cancel(id, permit)).toMatchObject({ kind: 'already_terminal' });
    // A runner that lost an order says the same; the broker may have it.
    expect(await venue.cancel('unknown-order', permit)).toMatchObject({ kind: 'unknown', failure: 'http_404' });
    await runner.setFault({ kind: 'down' });
    expect(await venue.cancel(id, permit)).toMatchObject({ kind: 'unknown', failure: 'network_error' });
  });

  it("finds by client order id, and takes only the contract's word for absence", async () => {
    expect(await venue.getOrderByClientOrderId(resting.clientOrderId)).toMatchObject({ kind: 'absent' });
    await venue.submit(resting, permit);
    expect(await venue.getOrderByClientOrderId(resting.clientOrderId)).toMatchObject({ kind: 'found' });
    await runner.setFault({ kind: 'answer', answer: { status: 404, body: { detail: 'Not Found' } } });
    expect(await venue.getOrderByClientOrderId(resting.clientOrderId)).toMatchObject({
      kind: 'failed',
      failure: 'http_404',
    });
  });

  it('lists orders and reports its health', async () => {
    await venue.submit(resting, permit);
    expect(await venue.listOrders('open')).toMatchObject({
      ok: true,
      value: [{ clientOrderId: resting.clientOrderId }],
    });
    expect(await venue.health()).toMatchObject({ ok: true, value: { status: 'ok' } });
    await runner.setFault({ kind: 'answer', answer: { status: 200, body: { status: 'degraded' } } }, ['health']);
    expect(await venue.health()).toMatchObject({ ok: true, value: { status: 'degraded' } });
    await runner.setFault({ kind: 'refuse_then_timeout' }, ['health']);
    clock.impatient();
    expect(await venue.health()).toMatchObject({ ok: false, failure: 'timeout' });
  });
});

describe("the runner's key", () => {
  const rotating = () => {
    let published = 'one';
    runner.setApiKey(published);
    return {
      keyed: leanVenue(
        {
          baseUrl: runner.url,
          apiKey: cachedCredentials({ read: () => Promise.resolve(published), clock, maxAgeSeconds: 300 }),
        },
        clock,
      ),
      rotate: (next: string): void => {
        clock.advance(10_000);
        published = next;
        runner.setApiKey(next);
      },
    };
  };

  it('is renewed once after a refused read, which is then repeated', async () => {
    const { keyed, rotate } = rotating();
    expect(await keyed.listOrders('all')).toMatchObject({ ok: true });
    rotate('two');
    expect(await keyed.listOrders('all')).toMatchObject({ ok: true });
  });

  it('is renewed after a refused submit, which is not repeated and whose outcome stays to be looked up', async () => {
    const { keyed, rotate } = rotating();
    await keyed.listOrders('all');
    rotate('two');
    expect(await keyed.submit(buyOrder(), permit)).toMatchObject({ kind: 'unknown', failure: 'http_401' });
    expect(runner.log()).toEqual([]);
    expect(await keyed.submit(buyOrder(), permit)).toMatchObject({ kind: 'acknowledged' });
    expect(accepted()).toBe(1);
  });

  it('keeps nobody waiting who has a refused submit to report while the secret does not answer', async () => {
    const keys = [Promise.resolve('old'), new Promise<string>(() => undefined)];
    const read = vi.fn(() => keys[read.mock.calls.length - 1] ?? Promise.reject(new Error('a third read')));
    runner.setApiKey('new');
    const keyed = leanVenue(
      { baseUrl: runner.url, apiKey: cachedCredentials({ read, clock, maxAgeSeconds: 300 }) },
      clock,
    );
    expect(await keyed.submit(buyOrder(), permit)).toMatchObject({ kind: 'unknown', failure: 'http_401' });
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('is not doubted when the broker refuses the order with the same status', async () => {
    const read = vi.fn(() => Promise.resolve('one'));
    runner.setApiKey('one');
    const keyed = leanVenue(
      { baseUrl: runner.url, apiKey: cachedCredentials({ read, clock, maxAgeSeconds: 300 }) },
      clock,
    );
    const outcome = await keyed.submit(buyOrder({ qty: '1000000' }), permit);
    expect(outcome).toMatchObject({ kind: 'rejected', exchange: { status: 403 } });
    expect(read).toHaveBeenCalledTimes(1);
  });
});
