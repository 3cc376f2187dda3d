import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decimal,
  decimalText,
  matchLots,
  unrealisedProfit,
  zero,
  type Decimal,
  type Fill,
  type Lot,
  type Ticker,
} from '@torghut/domain';
import { anyFills, fill } from './fills.ts';

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);
const grossOf = (fills: readonly Fill[], carried: readonly Lot[] = []): string =>
  decimalText(sum(matchLots(fills, carried).realised.map(({ gross }) => gross)));
const lotText = ({ symbol, direction, qty, price, executionId }: Lot): string =>
  `${symbol} ${direction} ${decimalText(qty)} at ${decimalText(price)} of ${executionId}`;

const worked = [
  fill('2026-05-12', '10:00', 'buy', '10', '190.10'),
  fill('2026-05-12', '10:01', 'buy', '5', '191.00'),
  fill('2026-05-12', '10:02', 'sell', '12', '192.50'),
  fill('2026-05-13', '10:00', 'sell', '3', '189.90'),
  fill('2026-05-13', '10:01', 'buy', '4', '188.00'),
  fill('2026-05-13', '10:02', 'sell', '4', '188.50'),
];

describe('first-in, first-out lots', () => {
  it('realise 27.00, -3.30 and 2.00 in the worked example and leave nothing open', () => {
    const { realised, openLots } = matchLots(worked);
    expect(realised.map(({ gross }) => decimalText(gross))).toEqual(['0', '0', '27', '-3.3', '0', '2']);
    expect(openLots).toEqual([]);
  });

  it('take fills in execution-time order, whatever the order they arrive in', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(worked, { minLength: worked.length }), (arrived) => {
        expect(matchLots(arrived)).toEqual(matchLots(worked));
      }),
    );
  });

  it('order executions of one instant by execution id', () => {
    const at = (executionId: string, price: string): Fill =>
      fill('2026-05-12', '10:00', 'buy', '1', price, { executionId });
    const fills = [at('b', '20'), at('a', '10'), fill('2026-05-12', '10:01', 'sell', '1', '30')];
    expect(grossOf(fills)).toBe('20');
    expect(matchLots(fills).openLots.map(lotText)).toEqual(['NVDA long 1 at 20 of b']);
  });

  it('close a position and open the other direction with one fill', () => {
    const fills = [
      fill('2026-05-12', '10:00', 'sell', '5', '100', { executionId: 's' }),
      fill('2026-05-12', '10:01', 'buy', '8', '98', { executionId: 't' }),
    ];
    const { realised, openLots } = matchLots(fills);
    expect(realised.map(({ gross, closedQty }) => [decimalText(gross), decimalText(closedQty)])).toEqual([
      ['0', '0'],
      ['10', '5'],
    ]);
    expect(openLots.map(lotText)).toEqual(['NVDA long 3 at 98 of t']);
  });

  it('keep accounts, strategies and symbols apart', () => {
    const others: readonly Partial<Fill>[] = [
      { accountLabel: 'live' as Fill['accountLabel'] },
      { strategyId: null },
      { strategyId: 'macd_rsi_v1' },
      { symbol: 'SPY' as Ticker },
    ];
    for (const other of others) {
      const { realised, openLots } = matchLots([
        fill('2026-05-12', '10:00', 'buy', '1', '10'),
        fill('2026-05-12', '10:01', 'sell', '1', '20', other),
      ]);
      expect(realised.every(({ gross }) => gross.eq(zero))).toBe(true);
      expect(openLots).toHaveLength(2);
    }
  });

  it('realise the same sum when history is cut anywhere and the open lots are carried over', () => {
    fc.assert(
      fc.property(anyFills, fc.nat(), (fills, at) => {
        const ordered = matchLots(fills).realised.map(({ fill: each }) => each);
        const cut = at % (ordered.length + 1);
        const before = matchLots(ordered.slice(0, cut));
        const after = matchLots(ordered.slice(cut), before.openLots);
        const whole = matchLots(fills);
        expect([...before.realised, ...after.realised]).toEqual(whole.realised);
        expect(after.openLots.map(lotText).sort()).toEqual(whole.openLots.map(lotText).sort());
      }),
    );
  });

  it('realise the same sum when a fill is reported in parts', () => {
    fc.assert(
      fc.property(anyFills, fc.integer({ min: 1, max: 99 }), (fills, percent) => {
        const parts = fills.flatMap((each) => {
          const first = each.qty.times(decimal(String(percent))).times('0.01');
          return [
            { ...each, executionId: `${each.executionId}a`, qty: first },
            { ...each, executionId: `${each.executionId}b`, qty: each.qty.minus(first) },
          ];
        });
        expect(grossOf(parts)).toBe(grossOf(fills));
      }),
    );
  });

  it('realise 0 when everything trades at one price', () => {
    fc.assert(
      fc.property(anyFills, (fills) => {
        expect(grossOf(fills.map((each) => ({ ...each, price: decimal('123.45') })))).toBe('0');
      }),
    );
  });

  it('conserve quantity: what is open is what was bought less what was sold', () => {
    fc.assert(
      fc.property(anyFills, (fills) => {
        const { openLots } = matchLots(fills);
        const key = (of: Fill | Lot): string => [of.accountLabel, of.strategyId, of.symbol].join();
        const lots = Map.groupBy(openLots, key);
        for (const [owner, group] of Map.groupBy(fills, key)) {
          const traded = sum(group.map(({ side, qty }) => (side === 'buy' ? qty : qty.neg())));
          const open = sum(
            (lots.get(owner) ?? []).map(({ direction, qty }) => (direction === 'long' ? qty : qty.neg())),
          );
          expect(decimalText(open)).toBe(decimalText(traded));
        }
        expect(openLots.every(({ qty }) => qty.gt(zero))).toBe(true);
      }),
    );
  });

  it('account for all cash: realised and unrealised together are proceeds less cost plus the value held', () => {
    const marks = new Map([
      ['NVDA' as Ticker, decimal('101.5')],
      ['SPY' as Ticker, decimal('499.99')],
    ]);
    fc.assert(
      fc.property(anyFills, (fills) => {
        const { openLots } = matchLots(fills);
        const open = unrealisedProfit(openLots, marks);
        const signed = (each: Fill, price: Decimal): Decimal =>
          each.qty.times(price).times(each.side === 'buy' ? '1' : '-1');
        const expected = sum(
          fills.map((each) => signed(each, marks.get(each.symbol)!).minus(signed(each, each.price))),
        );
        expect(open.ok && decimalText(open.total.plus(decimal(grossOf(fills))))).toBe(decimalText(expected));
      }),
    );
  });

  it('leave the unrealised total unknown while a mark is missing', () => {
    const { openLots } = matchLots([fill('2026-05-12', '10:00', 'buy', '1', '10')]);
    expect(unrealisedProfit(openLots, new Map())).toMatchObject({ ok: false, code: 'mark_missing', symbols: ['NVDA'] });
    expect(unrealisedProfit([], new Map())).toEqual({ ok: true, total: zero });
  });

  it('refuse a quantity or price that is not above 0, and an execution given twice', () => {
    expect(() => matchLots([fill('2026-05-12', '10:00', 'buy', '0', '10')])).toThrow('above 0, found 0');
    expect(() => matchLots([fill('2026-05-12', '10:00', 'buy', '1', '-3')])).toThrow('above 0, found -3');
    const once = fill('2026-05-12', '10:00', 'buy', '1', '10');
    expect(() => matchLots([once, once])).toThrow(`${once.executionId} of paper twice`);
  });
});
