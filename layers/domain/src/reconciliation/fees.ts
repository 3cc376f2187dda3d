import { decimal, decimalText, zero, type Decimal } from '../decimal.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import { feeTypes, regulatoryFees, type FeeRate, type FeeType } from '../profit/fee-table.ts';
import { feesOfDay } from '../profit/fees.ts';
import { tradeDateOf, type Fill } from '../profit/fill.ts';
import { cashTolerance, type FoundBreak } from './breaks.ts';

/** What the broker took of one fee type for one trade date, USD. */
export interface PostedFee {
  readonly type: FeeType;
  readonly tradeDate: NewYorkDate;
  readonly amount: Decimal;
}

export interface FeeComparison {
  readonly breaks: readonly FoundBreak[];
  /** Trade dates and types that were compared. */
  readonly checked: number;
  /** Expected of trade dates that are not closed, less what is posted of them already, USD. */
  readonly pending: Decimal;
  /** Trade dates the fee table does not reach: what it does not know is an error, not nothing. */
  readonly unknownDates: readonly NewYorkDate[];
}

/**
 * Compares posted fees with the fee table, per type and trade date: each type is the sum of the day rounded up to a cent.
 * @param closedThrough newest trade date whose fees are posted by now: the session before last.
 */
export const compareFees = (
  fills: readonly Fill[],
  posted: readonly PostedFee[],
  closedThrough: NewYorkDate,
  table: readonly FeeRate[] = regulatoryFees,
): FeeComparison => {
  const paid = new Map<string, Decimal>();
  for (const { type, tradeDate, amount } of posted) {
    const key = `${tradeDate} ${type}`;
    paid.set(key, (paid.get(key) ?? zero).plus(amount));
  }
  const tolerance = decimal(cashTolerance);
  const fillsByDate = Map.groupBy(fills, tradeDateOf);
  const dates = [...new Set([...fillsByDate.keys(), ...posted.map(({ tradeDate }) => tradeDate)])].sort();
  const breaks: FoundBreak[] = [];
  const unknownDates: NewYorkDate[] = [];
  let pending = zero;
  let checked = 0;
  for (const date of dates) {
    const ofDate = fillsByDate.get(date) ?? [];
    const expected = ofDate.length === 0 ? null : feesOfDay(ofDate, table);
    if (expected?.ok === false) {
      unknownDates.push(date);
      continue;
    }
    for (const type of feeTypes) {
      const due = expected?.fees.find((fee) => fee.type === type)?.charged ?? zero;
      const taken = paid.get(`${date} ${type}`) ?? zero;
      if (date > closedThrough) {
        if (due.gt(taken)) pending = pending.plus(due.minus(taken));
        continue;
      }
      checked += 1;
      if (due.minus(taken).abs().lte(tolerance)) continue;
      breaks.push({
        type: 'fee_mismatch',
        symbol: null,
        orderRef: null,
        identity: { date, fee: type, taken: decimalText(taken) },
        ours: { date, fee: type, amount: decimalText(due) },
        theirs: { date, fee: type, amount: decimalText(taken) },
        tolerance: { usd: cashTolerance },
        healed: false,
      });
    }
  }
  return { breaks, checked, pending, unknownDates };
};
