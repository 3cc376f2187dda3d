import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decimal,
  decimalText,
  feeRateOn,
  feesOfDay,
  feeTypes,
  regulatoryFees,
  splitByLargestRemainder,
  tradeDateOf,
  zero,
  type Decimal,
  type FeesOfDay,
  type FeeType,
  type Fill,
  type Ticker,
} from '@torghut/domain';
import { anyFills, fill } from './fills.ts';

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);
const known = (fees: FeesOfDay): Extract<FeesOfDay, { ok: true }> => {
  if (!fees.ok) throw new Error(fees.detail);
  return fees;
};
const texts = (fees: FeesOfDay): readonly string[] =>
  known(fees).fees.map(({ type, raw, charged }) => `${type} ${decimalText(raw)} -> ${decimalText(charged)}`);
const dayBefore = (date: string): string => new Date(Date.parse(date) - 86_400_000).toISOString().slice(0, 10);
const rateOf = (type: FeeType, date: string): string => {
  const found = feeRateOn(type, date);
  return found.ok ? found.rate.rate : found.code;
};

describe('the fee table', () => {
  it.each(feeTypes)('covers every date from 2013-01-01 to 2026-12-31 exactly once for %s', (type) => {
    const rows = regulatoryFees.filter((row) => row.type === type);
    expect(rows[0]?.from).toBe('2013-01-01');
    expect(rows.at(-1)?.to).toBe('2026-12-31');
    expect(rows.slice(1).map(({ from }) => dayBefore(from))).toEqual(rows.slice(0, -1).map(({ to }) => to));
    for (const { from, to, source } of rows) {
      expect(from <= to).toBe(true);
      expect(source).not.toBe('');
    }
  });

  it.each([
    ['REG', '2013-10-07', '17.40'],
    ['REG', '2018-02-16', '23.10'],
    ['REG', '2023-08-03', '8.00'],
    ['REG', '2024-05-21', '8.00'],
    ['REG', '2024-05-22', '27.80'],
    ['REG', '2025-05-13', '27.80'],
    ['REG', '2025-05-14', '0'],
    ['REG', '2026-04-03', '0'],
    ['REG', '2026-04-04', '20.60'],
    ['TAF', '2021-12-31', '0.000119'],
    ['TAF', '2026-11-02', '0.000195'],
    ['CAT', '2024-08-31', '0'],
    ['CAT', '2026-05-12', '0.000003'],
  ] as const)('charges %s on %s at %s', (type, date, rate) => {
    expect(rateOf(type, date)).toBe(rate);
  });

  it('has no rate for a date outside it: an error that names type and date, never 0', () => {
    const early = feesOfDay([fill('2012-12-31', '10:00', 'buy', '1', '10')]);
    expect(early).toMatchObject({ ok: false, code: 'fee_schedule_missing', feeType: 'REG', tradeDate: '2012-12-31' });
    const late = feesOfDay(
      [fill('2027-01-04', '10:00', 'buy', '1', '10')],
      regulatoryFees.map((row) => (row.type === 'TAF' ? row : { ...row, to: '2027-12-31' })),
    );
    expect(late).toMatchObject({ ok: false, feeType: 'TAF', tradeDate: '2027-01-04' });
    expect(late.ok || late.detail).toContain('expected a TAF rate for 2027-01-04');
  });
});

describe('the fees of a day', () => {
  it('come to 0.55 USD for a sale of 100 at 250 against a purchase of 100 in May 2026', () => {
    const fees = feesOfDay([
      fill('2026-05-12', '10:00', 'buy', '100', '249'),
      fill('2026-05-12', '10:01', 'sell', '100', '250'),
    ]);
    expect(texts(fees)).toEqual(['REG 0.515 -> 0.52', 'TAF 0.0195 -> 0.02', 'CAT 0.0006 -> 0.01']);
    expect(decimalText(known(fees).total)).toBe('0.55');
  });

  it('are rounded up once per type, not once per fill', () => {
    const fills = Array.from({ length: 20 }, () => fill('2026-05-12', '10:00', 'sell', '1', '10'));
    expect(texts(feesOfDay(fills))).toEqual(['REG 0.00412 -> 0.01', 'TAF 0.0039 -> 0.01', 'CAT 0.00006 -> 0.01']);
  });

  it('cap the trading activity fee per trade', () => {
    const big = fill('2026-05-12', '10:00', 'sell', '60000', '1');
    expect(texts(feesOfDay([big]))[1]).toBe('TAF 9.79 -> 9.79');
    expect(texts(feesOfDay([big, { ...big, executionId: 'other' }]))[1]).toBe('TAF 19.58 -> 19.58');
  });

  it('are borne by the strategies and symbols they were charged on, by notional', () => {
    const fees = known(
      feesOfDay([
        fill('2026-05-12', '10:00', 'buy', '100', '250', { strategyId: 'buyer' }),
        fill('2026-05-12', '10:01', 'sell', '100', '250', { strategyId: 'seller' }),
        fill('2026-05-12', '10:02', 'sell', '300', '250', { strategyId: 'seller', symbol: 'SPY' as Ticker }),
      ]),
    );
    expect(
      fees.shares.map(
        ({ type, strategyId, symbol, amount }) => `${type} ${String(strategyId)} ${symbol} ${decimalText(amount)}`,
      ),
    ).toEqual([
      'REG seller NVDA 0.52',
      'REG seller SPY 1.54',
      'TAF seller NVDA 0.02',
      'TAF seller SPY 0.06',
      'CAT buyer NVDA 0',
      'CAT seller NVDA 0',
      'CAT seller SPY 0.01',
    ]);
  });

  it('are allocated to the cent: shares sum to what is charged, in any order of the fills', () => {
    fc.assert(
      fc.property(anyFills, (fills) => {
        for (const day of Map.groupBy(fills, (each: Fill) => `${each.accountLabel} ${tradeDateOf(each)}`).values()) {
          const fees = known(feesOfDay(day));
          expect(feesOfDay(day.toReversed())).toEqual(fees);
          for (const { type, raw, charged } of fees.fees) {
            const shares = fees.shares.filter((share) => share.type === type).map(({ amount }) => amount);
            expect(decimalText(sum(shares))).toBe(decimalText(charged));
            expect(charged.gte(raw) && charged.minus(raw).lt(decimal('0.01'))).toBe(true);
          }
        }
      }),
    );
  });

  it('are of one account and trade date', () => {
    expect(() => feesOfDay([])).toThrow('found none');
    expect(() =>
      feesOfDay([fill('2026-05-12', '10:00', 'buy', '1', '10'), fill('2026-05-13', '10:00', 'buy', '1', '10')]),
    ).toThrow('found paper on 2026-05-12, paper on 2026-05-13');
  });
});

describe('the split by largest remainder', () => {
  const split = (amount: string, weights: readonly string[]): readonly string[] =>
    splitByLargestRemainder(decimal(amount), weights.map(decimal)).map(decimalText);

  it('gives left-over cents to the largest remainders, of equal ones to the first', () => {
    expect(split('0.10', ['1', '1', '1'])).toEqual(['0.04', '0.03', '0.03']);
    expect(split('0.05', ['1', '1', '4'])).toEqual(['0.01', '0.01', '0.03']);
    expect(split('0', ['0'])).toEqual(['0']);
  });

  it('keeps every share within a cent of its exact part', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.nat({ max: 100_000 }), weights, (cents, parts) => {
        const amount = decimal(String(cents)).times('0.01');
        const shares = splitByLargestRemainder(
          amount,
          parts.map((part) => decimal(String(part))),
        );
        expect(decimalText(sum(shares))).toBe(decimalText(amount));
        const total = decimal(String(parts.reduce((a, b) => a + b)));
        shares.forEach((share, index) => {
          const error = share
            .times(total)
            .minus(amount.times(String(parts[index]!)))
            .abs();
          expect(error.lt(total.times('0.01'))).toBe(true);
        });
      }),
    );
  });

  it('refuses parts of a cent and weights that are all 0', () => {
    expect(() => split('0.005', ['1'])).toThrow('whole cents');
    expect(() => split('0.01', ['0'])).toThrow('weight above 0');
  });
});
