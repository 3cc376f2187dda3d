import { alpacaVenue, cachedCredentials, fixedCredentials } from '@torghut/platform';
import type { AlpacaVenue } from '@torghut/platform';
import { decimal } from '@torghut/domain';
import type { OrderRequest, Ticker, WritePermit } from '@torghut/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAlpacaTwin } from '../../../infra/local/twins/index.ts';
import type { AlpacaTwin, Fault } from '../../../infra/local/twins/index.ts';
import { TestClock, buyOrder, credentials, midSession, permit, steadyMarket } from '../../infra/local/twins/support.ts';

let clock: TestClock;
let twin: AlpacaTwin;
let venue: AlpacaVenue;

beforeEach(async () => {
  clock = new TestClock();
  twin = await startAlpacaTwin({
    clock,
    marketData: steadyMarket,
    symbols: ['AAPL', 'NVDA'],
    seed: 1,
    partialFillShare: 0,
    requestsPerMinute: 700,
  });
  venue = alpacaVenue({ baseUrl: twin.url, credentials: fixedCredentials(credentials) }, clock);
});
afterEach(() => twin.stop());

const accepted = () => twin.log().filter(({ effect }) => effect === 'accepted').length;
const resting = (change: Partial<OrderRequest> = {}) => buyOrder({ limitPrice: '90', ...change });

describe('submit', () => {
  it('acknowledges the order the broker answers with and keeps the request id', async () => {
    const outcome = await venue.submit(buyOrder(), permit);
    expect(outcome).toMatchObject({
      kind: 'acknowledged',
      order: {
        clientOrderId: buyOrder().clientOrderId,
        symbol: 'AAPL',
        side: 'buy',
        status: 'pending_new',
        submittedAt: midSession,
      },
      exchange: { status: 200 },
    });
    expect(outcome.exchange.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.stringify(outcome)).not.toContain(credentials.secretKey);
  });

  it('reports a client order id the broker already knows as duplicate, never as rejected', async () => {
    await venue.submit(buyOrder(), permit);
    expect(await venue.submit(buyOrder({ qty: '9' }), permit)).toMatchObject({
      kind: 'duplicate',
      exchange: { status: 422 },
    });
    expect(accepted()).toBe(1);
  });

  it.each<[string, Partial<OrderRequest>, string]>([
    ['a sub-penny price', { limitPrice: '100.025' }, 'invalid_price'],
    ['an unknown symbol', { symbol: 'ZZZZ' as Ticker }, 'not_tradable'],
    ['more than the buying power', { qty: '5000' }, 'insufficient_funds'],
    ['a limit order without a price', { limitPrice: null }, 'invalid_order'],
    ['a basis under one dollar', { qty: '0.001' }, 'invalid_order'],
  ])('rejects %s by its class', async (_title, change, rejection) => {
    expect(await venue.submit(buyOrder(change), permit)).toMatchObject({ kind: 'rejected', rejection });
    expect(accepted()).toBe(0);
  });

  it('rejects a wash trade and names the broker order that is in the way in the kept answer', async () => {
    const first = await venue.submit(resting(), permit);
    const outcome = await venue.submit(buyOrder({ clientOrderId: 'sell-1', side: 'sell', limitPrice: '89' }), permit);
    expect(outcome).toMatchObject({ kind: 'rejected', rejection: 'wash_trade' });
    expect(outcome.exchange.body).toHaveProperty(
      'existing_order_id',
      first.kind === 'acknowledged' ? first.order.id : '',
    );
  });

  it('tells when a rate-limited order may be sent again', async () => {
    const resetAt = midSession + 55_000;
    await twin.setFault({
      kind: 'answer',
      answer: {
        status: 429,
        body: { code: 42910000, message: 'slow down' },
        headers: { 'x-ratelimit-reset': String(resetAt / 1_000) },
      },
    });
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({ kind: 'rate_limited', retryAt: resetAt });
  });

  const order = { status: 200, body: { nonsense: true } };
  it.each<[string, Fault, object, number]>([
    ['a closed port proves that nothing was sent', { kind: 'down' }, { kind: 'not_sent', failure: 'network_error' }, 0],
    ['a reset after acceptance', { kind: 'reset', processed: true }, { kind: 'unknown', failure: 'network_error' }, 1],
    [
      'a reset before acceptance',
      { kind: 'reset', processed: false },
      { kind: 'unknown', failure: 'network_error' },
      0,
    ],
    ['a cut body', { kind: 'cut_body' }, { kind: 'unknown', failure: 'contract_violation' }, 1],
    [
      'another content type',
      { kind: 'content_type', contentType: 'text/html' },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'a missing status',
      { kind: 'altered_body', change: { status: undefined } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'a missing id',
      { kind: 'altered_body', change: { id: undefined } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'another symbol',
      { kind: 'altered_body', change: { symbol: 'TSLA' } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'another client order id',
      { kind: 'altered_body', change: { client_order_id: 'x' } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'another side',
      { kind: 'altered_body', change: { side: 'sell' } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'another quantity',
      { kind: 'altered_body', change: { qty: '3' } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    [
      'a quantity that is no number',
      { kind: 'altered_body', change: { qty: 'NaN' } },
      { kind: 'unknown', failure: 'contract_violation' },
      1,
    ],
    ['nonsense under 200', { kind: 'answer', answer: order }, { kind: 'unknown', failure: 'contract_violation' }, 0],
    [
      'text under 200',
      { kind: 'answer', answer: { status: 200, body: 'OK' } },
      { kind: 'unknown', failure: 'contract_violation' },
      0,
    ],
    [
      'a redirect',
      { kind: 'answer', answer: { status: 307, headers: { location: '/v2/orders' } } },
      { kind: 'unknown', failure: 'http_307' },
      0,
    ],
    [
      '503 after acceptance',
      { kind: 'accept_then_answer', answer: { status: 503 } },
      { kind: 'unknown', failure: 'http_503' },
      1,
    ],
    [
      '503 without acceptance',
      { kind: 'answer', answer: { status: 503 } },
      { kind: 'unknown', failure: 'http_503' },
      0,
    ],
    [
      'a refusal of something in between',
      { kind: 'answer', answer: { status: 403, body: '<html>' } },
      { kind: 'unknown', failure: 'http_403' },
      0,
    ],
    ['a request duplicated on the way', { kind: 'processed_twice' }, { kind: 'duplicate' }, 1],
    [
      'credentials that are refused',
      { kind: 'answer', answer: { status: 401, body: { code: 40110000, message: 'no' } } },
      { kind: 'rejected', rejection: 'other' },
      0,
    ],
  ])('%s', async (_title, fault, expected, effects) => {
    await twin.setFault(fault, fault.kind === 'down' ? undefined : ['submit_order']);
    expect(await venue.submit(buyOrder(), permit)).toMatchObject(expected);
    expect(accepted()).toBe(effects);
  });

  it.each<[string, Fault, number]>([
    ['accepted', { kind: 'accept_then_timeout' }, 1],
    ['lost', { kind: 'refuse_then_timeout' }, 0],
  ])('leaves an order unknown when its answer does not come in time: %s', async (_title, fault, effects) => {
    await twin.setFault(fault, ['submit_order']);
    clock.impatient();
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({
      kind: 'unknown',
      failure: 'timeout',
      exchange: { status: null, body: null },
    });
    expect(accepted()).toBe(effects);
  });

  it('keeps a status it does not know as the word it was', async () => {
    await twin.setFault({ kind: 'altered_body', change: { status: 'reticulating', a_new_field: 1 } });
    expect(await venue.submit(buyOrder(), permit)).toMatchObject({
      kind: 'acknowledged',
      order: { status: 'reticulating' },
    });
  });

  it.each([
    ['receipt', { receiptId: '' }],
    ['fencing token', { fencingToken: 0 }],
    ['whole fencing token', { fencingToken: Number.NaN }],
  ])('refuses every write without a %s and sends nothing', async (_title, change) => {
    const unclaimed: WritePermit = { ...permit, ...change };
    await expect(venue.submit(buyOrder(), unclaimed)).rejects.toThrow(TypeError);
    await expect(venue.cancel('any', unclaimed)).rejects.toThrow(TypeError);
    expect(twin.log()).toEqual([]);
    expect(venue.rateLimit()).toBeNull();
  });
});

describe('cancel', () => {
  const placed = async (order = resting()) => {
    const outcome = await venue.submit(order, permit);
    return outcome.kind === 'acknowledged' ? outcome.order.id : '';
  };

  it('reports an accepted request, whose outcome is read back', async () => {
    const id = await placed();
    expect(await venue.cancel(id, permit)).toMatchObject({ kind: 'requested', exchange: { status: 204 } });
    expect(await venue.getOrder(id)).toMatchObject({ kind: 'found', order: { status: 'canceled' } });
  });

  it('finds nothing left to cancel on a filled order and on one the broker does not know', async () => {
    const id = await placed(buyOrder());
    expect(await venue.cancel(id, permit)).toMatchObject({ kind: 'already_terminal', exchange: { status: 422 } });
    expect(await venue.cancel('00000000-0000-4000-8000-000000000000', permit)).toMatchObject({
      kind: 'already_terminal',
    });
  });

  it.each<[string, Fault, string]>([
    ['503', { kind: 'answer', answer: { status: 503 } }, 'http_503'],
    ['a closed port', { kind: 'down' }, 'network_error'],
    ['a 404 of something in between', { kind: 'answer', answer: { status: 404, body: '<html>' } }, 'http_404'],
    [
      'a replacement under way',
      { kind: 'answer', answer: { status: 422, body: { code: 42210000, message: 'order is pending_replace' } } },
      'http_422',
    ],
  ])('leaves the order unknown after %s', async (_title, fault, failure) => {
    const id = await placed();
    await twin.setFault(fault);
    expect(await venue.cancel(id, permit)).toMatchObject({ kind: 'unknown', failure });
  });
});

describe('lookups and lists', () => {
  it('finds an order whose answer was lost by its client order id, with the same numbers', async () => {
    await twin.setFault({ kind: 'accept_then_answer', answer: { status: 504 } }, ['submit_order']);
    await venue.submit(buyOrder(), permit);
    const found = await venue.getOrderByClientOrderId(buyOrder().clientOrderId);
    expect(found).toMatchObject({ kind: 'found', order: { status: 'filled', timeInForce: 'day', type: 'limit' } });
    if (found.kind !== 'found') throw new Error('not found');
    expect(found.order.filledAvgPrice?.eq(decimal('100.02'))).toBe(true);
    expect(found.order.raw).toHaveProperty('asset_class', 'us_equity');
  });

  it("takes only the broker's own word for absence", async () => {
    expect(await venue.getOrderByClientOrderId('tg1-never-sent')).toMatchObject({
      kind: 'absent',
      exchange: { status: 404 },
    });
    await twin.setFault({ kind: 'answer', answer: { status: 404, body: '<html>Not Found</html>' } });
    expect(await venue.getOrderByClientOrderId('tg1-never-sent')).toMatchObject({
      kind: 'failed',
      failure: 'http_404',
    });
  });

  it('refuses an answer about another order', async () => {
    await venue.submit(buyOrder(), permit);
    await twin.setFault({ kind: 'altered_body', change: { client_order_id: 'tg1-another' } });
    expect(await venue.getOrderByClientOrderId(buyOrder().clientOrderId)).toMatchObject({
      kind: 'failed',
      failure: 'contract_violation',
    });
  });

  it('lists every page of the orders, oldest first', async () => {
    const ids = Array.from({ length: 501 }, (_, index) => `page-${String(index)}`);
    for (const clientOrderId of ids) await venue.submit(buyOrder({ clientOrderId, qty: '1' }), permit);
    const listed = await venue.listOrders('all');
    expect(listed.ok && listed.value.map(({ clientOrderId }) => clientOrderId)).toEqual(ids);
  });

  it('repeats a read once with renewed keys, and never a write, whose refusal renews them for the next', async () => {
    let published = { keyId: 'PKTEST', secretKey: 'one' };
    const rotating = alpacaVenue(
      {
        baseUrl: twin.url,
        credentials: cachedCredentials({ read: () => Promise.resolve(published), clock, maxAgeSeconds: 300 }),
      },
      clock,
    );
    const rotate = (secretKey: string) => {
      published = { keyId: 'PKTEST', secretKey };
      twin.setKeys(published);
    };
    twin.setKeys(published);
    expect(await rotating.listOrders('all')).toMatchObject({ ok: true });

    rotate('two');
    expect(await rotating.listOrders('all')).toMatchObject({ ok: true });

    clock.advance(10_000);
    rotate('three');
    expect(await rotating.submit(buyOrder(), permit)).toMatchObject({ kind: 'rejected', rejection: 'other' });
    expect(accepted()).toBe(0);
    expect(await rotating.submit(buyOrder(), permit)).toMatchObject({ kind: 'acknowledged' });
    expect(accepted()).toBe(1);
  });

  it('shows the request budget of the last answer and the health of the venue', async () => {
    expect(await venue.health()).toEqual({ ok: true, value: { status: 'ok' } });
    expect(venue.rateLimit()).toEqual({ limit: 700, remaining: 699, resetAt: midSession + 55_000 });
    await twin.setFault({ kind: 'down' });
    expect(await venue.health()).toMatchObject({ ok: false, failure: 'network_error' });
    await twin.setFault(null);
    expect(await venue.health()).toMatchObject({ ok: true });
  });
});
