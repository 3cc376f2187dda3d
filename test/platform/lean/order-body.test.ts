import { decimal, decimalText, orderTypes, sides, timesInForce } from '@torghut/domain';
import type { OrderRequest, Ticker } from '@torghut/domain';
import { alpacaOrderBody, leanOrderBody, normaliseAlpacaBody, normaliseLeanBody } from '@torghut/platform';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { buyOrder } from '../../infra/local/twins/support.ts';

const amount = (places: number) =>
  fc
    .integer({ min: 1, max: 99_999_999 })
    .map((units) => decimalText(decimal(String(units)).div(decimal(`1${'0'.repeat(places)}`))));
const price = fc.option(amount(4));

const order: fc.Arbitrary<OrderRequest> = fc.record({
  clientOrderId: fc.stringMatching(/^tg1-[0-9a-f]{48}-[1-9]$/),
  symbol: fc.stringMatching(/^[A-Z]{1,5}$/).map((text) => text as Ticker),
  side: fc.constantFrom(...sides),
  qty: amount(6),
  type: fc.constantFrom(...orderTypes),
  timeInForce: fc.constantFrom(...timesInForce),
  limitPrice: price,
  stopPrice: price,
});

it('builds the same normalised order, byte for byte, for both adapters', () => {
  fc.assert(
    fc.property(order, (request) => {
      expect(normaliseLeanBody(leanOrderBody(request))).toBe(normaliseAlpacaBody(alpacaOrderBody(request)));
    }),
  );
});

it('normalises an order to canonical JSON', () => {
  expect(normaliseAlpacaBody(alpacaOrderBody(buyOrder({ clientOrderId: 'tg1-1' })))).toBe(
    '{"client_order_id":"tg1-1","limit_price":"100.02","qty":"2","side":"buy","stop_price":null,"symbol":"AAPL","time_in_force":"day","type":"limit"}',
  );
});

it('writes the digits of the decimal text as the JSON number', () => {
  const body = leanOrderBody(buyOrder({ qty: '1234567890.123456789', limitPrice: '0.1001' }));
  expect(body).toContain('"qty":1234567890.123456789,');
  expect(body).toContain('"limit_price":0.1001,');
});

it('refuses a quantity that is not a decimal number', () => {
  expect(() => leanOrderBody(buyOrder({ qty: '1e3' }))).toThrow(RangeError);
});
