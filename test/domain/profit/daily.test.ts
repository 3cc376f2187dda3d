import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dailyProfit,
  decimalText,
  feeTypes,
  matchLots,
  profitSchemaVersion,
  realisedNetOf,
  zero,
  type DailyProfits,
  type Decimal,
  type Fill,
  type ProfitAmounts,
} from '@torghut/domain';
import { anyFills, fill } from './fills.ts';

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);
const known = (profit: DailyProfits): Extract<DailyProfits, { ok: true }> => {
  if (!profit.ok) throw new Error(profit.detail);
  return profit;
};

const worked = (first: string, second: string): readonly Fill[] => [
  fill(first, '10:00', 'buy', '10', '190.10'),
  fill(first, '10:01', 'buy', '5', '191.00'),
  fill(first, '10:02', 'sell', '12', '192.50'),
  fill(second, '10:00', 'sell', '3', '189.90'),
  fill(second, '10:01', 'buy', '4', '188.00'),
  fill(second, '10:02', 'sell', '4', '188.50'),
];

const row = (amounts: ProfitAmounts): readonly unknown[] => [
  amounts.realisedGross.toFixed(2),
  ...feeTypes.map((type) => amounts.fees[type].toFixed(2)),
  amounts.realisedNet.toFixed(2),
  amounts.fills,
];
const netOf = (profit: DailyProfits): string =>
  sum(known(profit).days.map(({ realisedNet }) => realisedNet)).toFixed(2);

describe('daily profit', () => {
  it('is gross 25.70 and net 25.58 with the section 31 fee at 20.60', () => {
    const { days, openLots, schemaVersion } = known(dailyProfit(worked('2026-05-12', '2026-05-13')));
    expect(days.map(({ tradeDate, accountLabel }) => [tradeDate, accountLabel])).toEqual([
      ['2026-05-12', 'paper'],
      ['2026-05-13', 'paper'],
    ]);
    expect(days.map(row)).toEqual([
      ['27.00', '0.05', '0.01', '0.01', '26.93', 3],
      ['-1.30', '0.03', '0.01', '0.01', '-1.35', 3],
    ]);
    expect(netOf({ ok: true, schemaVersion, days, openLots })).toBe('25.58');
    expect(openLots).toEqual([]);
    expect(schemaVersion).toBe(profitSchemaVersion);
    expect(profitSchemaVersion).toContain('fifo');
  });

  it('is net 25.66 with the section 31 fee at 0', () => {
    expect(netOf(dailyProfit(worked('2026-02-12', '2026-02-13')))).toBe('25.66');
  });

  it('is unknown as a whole when one date has no rate', () => {
    const fills = [...worked('2026-05-12', '2026-05-13'), fill('2027-01-04', '10:00', 'buy', '1', '10')];
    expect(dailyProfit(fills)).toMatchObject({ ok: false, code: 'fee_schedule_missing', tradeDate: '2027-01-04' });
    expect(dailyProfit(worked('2026-05-12', '2026-05-13'), { feeTable: [] })).toMatchObject({
      ok: false,
      tradeDate: '2026-05-12',
    });
  });

  it('belongs to the date in New York, not in UTC', () => {
    const evening = fill('2026-05-12', '20:30', 'buy', '1', '10');
    expect(new Date(evening.executedAt).toISOString()).toContain('2026-05-13');
    expect(known(dailyProfit([evening])).days[0]?.tradeDate).toBe('2026-05-12');
  });

  it('continues from open lots as if the whole history were given', () => {
    const fills = worked('2026-05-12', '2026-05-13');
    const first = known(dailyProfit(fills.slice(0, 3)));
    const second = known(dailyProfit(fills.slice(3), { openLots: first.openLots }));
    expect([...first.days, ...second.days]).toEqual(known(dailyProfit(fills)).days);
  });

  it('breaks down to the cent by strategy and symbol, and loses no fill', () => {
    fc.assert(
      fc.property(anyFills, (fills) => {
        const { days } = known(dailyProfit(fills));
        for (const day of days) {
          const parts = (key: 'realisedGross' | 'realisedNet'): string =>
            decimalText(sum(day.shares.map((share) => share[key])));
          expect(parts('realisedGross')).toBe(decimalText(day.realisedGross));
          expect(parts('realisedNet')).toBe(decimalText(day.realisedNet));
          for (const type of feeTypes) {
            expect(decimalText(sum(day.shares.map(({ fees }) => fees[type])))).toBe(decimalText(day.fees[type]));
          }
          expect(day.shares.reduce((count, share) => count + share.fills, 0)).toBe(day.fills);
        }
        expect(days.reduce((count, day) => count + day.fills, 0)).toBe(fills.length);
        const gross = sum(matchLots(fills).realised.map((each) => each.gross));
        expect(decimalText(sum(days.map((day) => day.realisedGross)))).toBe(decimalText(gross));
      }),
    );
  });

  it('has no days without fills', () => {
    expect(known(dailyProfit([])).days).toEqual([]);
  });
});

describe('the profit of a session', () => {
  it('is that of its day, with what earlier days left open', () => {
    const fills = worked('2026-05-12', '2026-05-13');
    const netOfSession = (session: string): string => {
      const profit = realisedNetOf(session, fills);
      return profit.ok ? profit.net.toFixed(2) : profit.detail;
    };
    expect(['2026-05-12', '2026-05-13', '2026-05-14'].map(netOfSession)).toEqual(['26.93', '-1.35', '0.00']);
  });

  it('is not known without a fee rate of its own day, and needs none of another', () => {
    const unknown = [...worked('2026-05-12', '2026-05-13'), fill('2027-01-04', '10:00', 'buy', '1', '190')];
    expect(realisedNetOf('2027-01-04', unknown)).toMatchObject({ ok: false, code: 'fee_schedule_missing' });
    expect(realisedNetOf('2026-05-13', unknown)).toMatchObject({ ok: true });
  });
});
