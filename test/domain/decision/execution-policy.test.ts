import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  collar,
  decimal,
  decimalText,
  expectedCost,
  planOrder,
  tickAt,
  type LimitValues,
  type Side,
} from '@torghut/domain';
import { limitsWith } from './fixtures.ts';

const plan = (action: Side, reference: string, spread: number | null, changes: Partial<LimitValues> = {}) =>
  planOrder(
    { action, intent: action === 'buy' ? 'entry' : 'exit', reference: decimal(reference), spread },
    limitsWith(changes),
  );
const limitOf = (...parameters: Parameters<typeof plan>) => {
  const { limitPrice } = plan(...parameters);
  return limitPrice === null ? null : decimalText(limitPrice);
};

describe('execution policy', () => {
  it.each<[string, Side, string, number | null, string]>([
    ['half the spread above the reference', 'buy', '100', 0.04, '100.02'],
    ['half the spread below the reference', 'sell', '100', 0.04, '99.98'],
    ['a buy up to the tick', 'buy', '100', 0.03, '100.02'],
    ['a sell down to the tick', 'sell', '100', 0.03, '99.98'],
    ['2 bps when the spread is unknown', 'buy', '100', null, '100.02'],
    ['an unknown spread of a sell', 'sell', '100', null, '99.98'],
    ['a spread clamped to 20 bps', 'buy', '100', 5, '100.1'],
    ['a crossed quote as no spread', 'buy', '100', -1, '100'],
    ['a spread of zero as zero, not as unknown', 'buy', '100', 0, '100'],
    ['four decimals below one dollar', 'buy', '0.5', 0.0003, '0.5002'],
    ['a sell below one dollar', 'sell', '0.5', 0.0003, '0.4998'],
    ['one dollar, where the coarser tick above it lies beyond the collar', 'buy', '0.99995', 0.0002, '1'],
  ])('prices %s', (_claim, action, reference, spread, limit) => {
    expect(limitOf(action, reference, spread)).toBe(limit);
  });

  it('never goes beyond the collar, and gives no price when no tick lies within it', () => {
    expect(limitOf('buy', '100', 0.4, { priceCollarBps: '5' })).toBe('100.05');
    expect(limitOf('buy', '100', 0.04, { priceCollarBps: '0' })).toBe('100');
    expect(limitOf('buy', '100.005', 0.04, { priceCollarBps: '0' })).toBeNull();
    expect(limitOf('buy', '0.00005', null)).toBeNull();
  });

  it('gives entries and exits their own time to live, zero included', () => {
    expect([plan('buy', '100', 0).ttlSeconds, plan('sell', '100', 0).ttlSeconds]).toEqual([120, 60]);
    expect(plan('buy', '100', 0, { entryTtlSeconds: 0 }).ttlSeconds).toBe(0);
  });

  it('sends market orders without a limit when limits are not preferred', () => {
    expect(plan('buy', '100', 0, { preferLimit: false })).toMatchObject({ orderType: 'market', limitPrice: null });
  });

  it('keeps every limit on the tick, within the collar, and on the marketable side of the reference unless the collar forbids', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500_000_000 }),
        fc.option(fc.double({ min: -1, max: 10, noNaN: true })),
        fc.constantFrom<Side>('buy', 'sell'),
        fc.constantFrom('0', '1', '10', '100'),
        (tenThousandths, spread, action, priceCollarBps) => {
          const reference = decimal((tenThousandths / 10_000).toFixed(4));
          const { limitPrice } = planOrder(
            { action, intent: 'entry', reference, spread },
            limitsWith({ priceCollarBps }),
          );
          if (limitPrice === null) return;
          expect(limitPrice.mod(tickAt(limitPrice)).eq(decimal('0'))).toBe(true);
          const distance = limitPrice.minus(reference).abs().times(decimal('10000'));
          expect(distance.lte(reference.times(decimal(priceCollarBps)))).toBe(true);
          const { low, high } = collar(reference, { priceCollarBps });
          if (action === 'buy') expect(limitPrice.gte(reference) || limitPrice.eq(high)).toBe(true);
          else expect(limitPrice.lte(reference) || limitPrice.eq(low)).toBe(true);
        },
      ),
    );
  });
});

describe('expected cost', () => {
  const cost = (changes: Partial<Parameters<typeof expectedCost>[0]>) =>
    expectedCost(
      {
        reference: decimal('100'),
        halfSpread: decimal('0.02'),
        notional: decimal('200'),
        timeframe: '1Sec',
        volatility: 0.0002,
        meanMinuteVolume: 1_000,
        ...changes,
      },
      limitsWith(),
    );

  it('adds half spread, a tenth of one minute of volatility, and 50 bps per day of volume', () => {
    const expected = 2 + 0.1 * 0.0002 * Math.sqrt(60) * 1e4 + (50 * 200) / (1_000 * 390 * 100);
    expect(cost({}).estimateBps).toBeCloseTo(expected, 9);
  });

  it('reads the volatility per bar of the timeframe: the same minute costs the same in either series', () => {
    expect(cost({ timeframe: '1Min', volatility: 0.0002 * Math.sqrt(60) }).volatilityBps).toBeCloseTo(
      cost({}).volatilityBps ?? 0,
      9,
    );
  });

  it('stays unknown while an input is unknown', () => {
    expect(cost({ volatility: null }).estimateBps).toBeNull();
    expect(cost({ meanMinuteVolume: null }).estimateBps).toBeNull();
    expect(cost({ meanMinuteVolume: 0 }).estimateBps).toBeNull();
    expect(cost({ volatility: 0 }).volatilityBps).toBe(0);
  });
});
