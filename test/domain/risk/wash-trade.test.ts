import { describe, expect, it } from 'vitest';
import { decimal, orderTypes, washTradeConflict, type OrderType, type Side } from '@torghut/domain';

/** The broker's table as published, existing row by new column. */
const published: Record<OrderType, Record<OrderType, 'reject' | 'crossing'>> = {
  market: { market: 'reject', limit: 'reject', stop: 'reject', stop_limit: 'reject' },
  limit: { market: 'reject', limit: 'crossing', stop: 'reject', stop_limit: 'crossing' },
  stop: { market: 'reject', limit: 'reject', stop: 'reject', stop_limit: 'reject' },
  stop_limit: { market: 'reject', limit: 'crossing', stop: 'reject', stop_limit: 'crossing' },
};
const opposite = { buy: 'sell', sell: 'buy' } as const;
const order = (side: Side, orderType: OrderType, limit: string) => ({
  side,
  orderType,
  limitPrice: orderType === 'limit' || orderType === 'stop_limit' ? decimal(limit) : null,
});
const cases = (['buy', 'sell'] as const).flatMap((side) =>
  orderTypes.flatMap((existing) =>
    orderTypes.map((added) => [side, existing, added, published[existing][added]] as const),
  ),
);

describe('wash-trade matrix', () => {
  it('has 32 rows', () => {
    expect(cases).toHaveLength(32);
  });

  it.each(cases)('existing %s %s, new opposite %s: %s', (side, existing, added, rule) => {
    const conflict = (buyLimit: string, sellLimit: string) => {
      const [existingLimit, newLimit] = side === 'buy' ? [buyLimit, sellLimit] : [sellLimit, buyLimit];
      return washTradeConflict(order(side, existing, existingLimit), order(opposite[side], added, newLimit));
    };
    expect(conflict('101', '100')).toBe(true);
    expect(conflict('100', '100')).toBe(true);
    expect(conflict('99', '100')).toBe(rule === 'reject');
  });

  it('never conflicts on the same side', () => {
    for (const [side, existing, added] of cases)
      expect(washTradeConflict(order(side, existing, '1'), order(side, added, '1'))).toBe(false);
  });

  it('counts an unknown limit as crossing', () => {
    expect(
      washTradeConflict({ side: 'buy', orderType: 'limit', limitPrice: null }, order('sell', 'limit', '500')),
    ).toBe(true);
  });
});
