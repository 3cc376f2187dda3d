import { classifySubmitRefusal } from '@torghut/platform';
import { describe, expect, it } from 'vitest';

describe('refusals of a submit', () => {
  it.each([
    [400, 40010000, 'request body format is invalid', 'invalid_order'],
    [401, 40110000, 'request is not authorized', 'other'],
    [401, null, '', 'other'],
    [403, 40310000, 'insufficient buying power', 'insufficient_funds'],
    [403, 40310000, 'insufficient qty available for order (requested: 5, available: 2)', 'insufficient_qty'],
    [403, 40310000, 'potential wash trade detected. use complex orders', 'wash_trade'],
    [403, 40310000, 'opposite side limit order exists', 'wash_trade'],
    [403, 40310000, 'cost basis must be >= minimal amount of order 1', 'invalid_order'],
    [403, 40310000, 'asset "ARM" cannot be sold short', 'not_shortable'],
    [403, 40310000, 'account is not allowed to short', 'not_shortable'],
    [403, 40310000, 'trading is suspended', 'suspended'],
    [403, 40310000, 'new orders are rejected by user request', 'suspended'],
    [403, 40310000, 'account is blocked', 'suspended'],
    [403, 40310000, 'account is restricted to closing positions', 'suspended'],
    [403, 40310000, 'a reason nobody has seen', 'other'],
    [403, 40310001, 'action not allowed for this position', 'other'],
    [404, 40410000, 'asset not found for XYZ', 'not_tradable'],
    [422, 40010001, 'client_order_id must be unique', 'duplicate'],
    [422, 40010001, 'client_order_id must be no more than 128 characters', 'invalid_order'],
    [422, 40010001, 'limit orders require a limit price', 'invalid_order'],
    [
      422,
      42210000,
      'invalid limit_price 10.001. sub-penny increment does not fulfill minimum pricing criteria',
      'invalid_price',
    ],
    [422, 42210000, 'asset "ARM" is not tradable', 'not_tradable'],
    [422, 42210000, 'asset "ARM" is not fractionable', 'not_tradable'],
    [422, 42210000, 'invalid symbol', 'not_tradable'],
    [422, 42210000, 'bracket orders must be day or gtc', 'invalid_order'],
    [429, 42910000, 'rate limit exceeded', 'rate_limited'],
    [429, null, '', 'rate_limited'],
  ])('reads HTTP %i, code %s, "%s" as %s', (status, code, message, expected) => {
    expect(classifySubmitRefusal({ status, code, message })).toBe(expected);
  });

  it.each([
    [403, null, 'Forbidden'],
    [404, null, ''],
    [404, 40410000, 'order not found'],
    [409, 40910000, 'conflict'],
    [422, 42219999, 'a new code'],
    [500, 50010000, 'internal server error'],
  ])('leaves HTTP %i, code %s, "%s" to a lookup', (status, code, message) => {
    expect(classifySubmitRefusal({ status, code, message })).toBeNull();
  });
});
