import { decimal, decimalText, sides } from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { executionPrice, executionQty } from '../../../../../infra/local/twins/alpaca/matching.ts';
import { afterFill, closingQty } from '../../../../../infra/local/twins/alpaca/position.ts';
import { draw } from '../../../../../infra/local/twins/random.ts';
import { quote } from '../support.ts';

const cents = (value: number) => decimal(String(value)).div(decimal('100'));

describe('execution against a quote', () => {
  const steady = quote(0, '99.98', '100.02');
  it.each([
    ['buy', '100.02', '100.02'],
    ['buy', '100.5', '100.02'],
    ['buy', '100.01', null],
    ['buy', null, '100.02'],
    ['sell', '99.98', '99.98'],
    ['sell', '90', '99.98'],
    ['sell', '99.99', null],
    ['sell', null, '99.98'],
  ] as const)('executes a %s with limit %s at %s', (side, limit, expected) => {
    const price = executionPrice({ side, limitPrice: limit === null ? null : decimal(limit) }, steady);
    expect(price === null ? null : decimalText(price)).toBe(expected);
  });

  it('never executes beyond the limit', () => {
    const price = fc.integer({ min: 1, max: 20_000 });
    fc.assert(
      fc.property(fc.constantFrom(...sides), price, price, price, (side, limit, bid, ask) => {
        const limitPrice = cents(limit);
        const executed = executionPrice(
          { side, limitPrice },
          quote(0, decimalText(cents(bid)), decimalText(cents(ask))),
        );
        expect(executed === null || (side === 'buy' ? executed.lte(limitPrice) : executed.gte(limitPrice))).toBe(true);
      }),
    );
  });

  it('fills part of an order in about one of ten cases, and always a whole number of shares below it', () => {
    const quantities = Array.from({ length: 2_000 }, (_, index) =>
      executionQty(decimal('7'), 0.1, draw(1, 'partial', index), draw(1, 'size', index)),
    );
    const partial = quantities.filter((qty) => !qty.eq(decimal('7')));
    expect(partial.length / quantities.length).toBeCloseTo(0.1, 1);
    expect(new Set(partial.map(decimalText))).toEqual(new Set(['1', '2', '3', '4', '5', '6']));
  });

  it('fills a single share whole', () => {
    expect(decimalText(executionQty(decimal('1'), 1, 0, 0.5))).toBe('1');
    expect(decimalText(executionQty(decimal('0.5'), 1, 0, 0.5))).toBe('0.5');
  });
});

describe('netting', () => {
  const flat = { symbol: 'AAPL', qty: decimal('0'), avgEntryPrice: decimal('0') };
  const fills = (...list: (readonly ['buy' | 'sell', string, string])[]) =>
    list.reduce((position, [side, qty, price]) => afterFill(position, side, decimal(qty), decimal(price)), flat);

  it.each([
    ['averages entries', fills(['buy', '1', '100'], ['buy', '3', '104']), '4', '103'],
    ['keeps the average on exits', fills(['buy', '4', '103'], ['sell', '1', '200']), '3', '103'],
    ['goes flat', fills(['buy', '4', '103'], ['sell', '4', '99']), '0', '0'],
    ['starts anew when it flips', fills(['buy', '1', '100'], ['sell', '3', '90']), '-2', '90'],
    ['averages a short', fills(['sell', '1', '100'], ['sell', '1', '90']), '-2', '95'],
  ])('%s', (_title, position, qty, average) => {
    expect([decimalText(position.qty), decimalText(position.avgEntryPrice)]).toEqual([qty, average]);
  });

  it('splits an order into what closes and what opens', () => {
    expect(decimalText(closingQty(decimal('3'), 'sell', decimal('5')))).toBe('3');
    expect(decimalText(closingQty(decimal('3'), 'buy', decimal('5')))).toBe('0');
    expect(decimalText(closingQty(decimal('-3'), 'buy', decimal('2')))).toBe('2');
  });
});
