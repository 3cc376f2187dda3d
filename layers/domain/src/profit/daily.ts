import { zero, type Decimal } from '../decimal.ts';
import type { AccountLabel } from '../identifiers.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import { feeTypes, regulatoryFees, type FeeRate, type FeeType } from './fee-table.ts';
import { feesOfDay, type FeeScheduleMissing, type FeeShare } from './fees.ts';
import { attributionKey, compareAttributions, tradeDateOf, type Attribution, type Fill } from './fill.ts';
import { matchLots, profitSchemaVersion, type Lot, type RealisedFill } from './lots.ts';

/** USD. `realisedNet` is gross less the fees; unrealised profit is no part of it. */
export interface ProfitAmounts {
  readonly realisedGross: Decimal;
  readonly fees: Readonly<Record<FeeType, Decimal>>;
  readonly realisedNet: Decimal;
  readonly fills: number;
}

/** What a strategy and symbol contributed to a day. */
export interface ProfitShare extends Attribution, ProfitAmounts {}

/** One account on one New York trade date. Amounts are the exact sums of those of `shares`. */
export interface DailyProfit extends ProfitAmounts {
  readonly tradeDate: NewYorkDate;
  readonly accountLabel: AccountLabel;
  readonly shares: readonly ProfitShare[];
}

export type DailyProfits =
  | {
      readonly ok: true;
      readonly schemaVersion: typeof profitSchemaVersion;
      /** Days with a fill, by date and account. A day without a fill has no profit to report and is not here. */
      readonly days: readonly DailyProfit[];
      readonly openLots: readonly Lot[];
    }
  | FeeScheduleMissing;

const amounts = (realised: readonly RealisedFill[], feeShares: readonly FeeShare[]): ProfitAmounts => {
  const realisedGross = realised.reduce((sum, { gross }) => sum.plus(gross), zero);
  const fees: Record<FeeType, Decimal> = { REG: zero, TAF: zero, CAT: zero };
  for (const { type, amount } of feeShares) fees[type] = fees[type].plus(amount);
  const realisedNet = feeTypes.reduce((rest, type) => rest.minus(fees[type]), realisedGross);
  return { realisedGross, fees, realisedNet, fills: realised.length };
};

const contributions = (realised: readonly RealisedFill[], feeShares: readonly FeeShare[]): readonly ProfitShare[] => {
  const feesByKey = Map.groupBy(feeShares, attributionKey);
  return [...Map.groupBy(realised, ({ fill }) => attributionKey(fill))]
    .flatMap(([key, group]) => {
      const [first] = group;
      if (first === undefined) return [];
      const { strategyId, symbol } = first.fill;
      return [{ strategyId, symbol, ...amounts(group, feesByKey.get(key) ?? []) }];
    })
    .sort(compareAttributions);
};

/**
 * Realised profit per account and New York trade date, after the regulatory fees of the date. The broker takes no
 * commission on US equities.
 * @param fills in any order, back to a flat book unless `openLots` carries what was open before them.
 * @returns every day, or the first fee that has no rate: a series with a day left out would be a different claim.
 * @throws RangeError as `matchLots` does.
 */
export const dailyProfit = (
  fills: readonly Fill[],
  {
    feeTable = regulatoryFees,
    openLots = [],
  }: { readonly feeTable?: readonly FeeRate[]; readonly openLots?: readonly Lot[] } = {},
): DailyProfits => {
  const matched = matchLots(fills, openLots);
  const byDay = Map.groupBy(matched.realised, ({ fill }) => `${tradeDateOf(fill)} ${fill.accountLabel}`);
  const days: DailyProfit[] = [];
  for (const [, realised] of [...byDay].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [first] = realised;
    if (first === undefined) continue;
    const fees = feesOfDay(
      realised.map(({ fill }) => fill),
      feeTable,
    );
    if (!fees.ok) return fees;
    days.push({
      tradeDate: tradeDateOf(first.fill),
      accountLabel: first.fill.accountLabel,
      ...amounts(realised, fees.shares),
      shares: contributions(realised, fees.shares),
    });
  }
  return { ok: true, schemaVersion: profitSchemaVersion, days, openLots: matched.openLots };
};
