import { feeTypes, regulatoryFees, type FeeRate, type FeeType } from '../profit/fee-table.ts';
import { feeRateOn, type FeeScheduleMissing } from '../profit/fees.ts';
import type { NewYorkDate } from '../market/new-york.ts';

/** Rates of one trade date as doubles. */
export interface SessionFees {
  /** Of the notional sold. */
  readonly perUsdSold: number;
  readonly perShareSold: number;
  /** Largest fee per share sold of one fill, USD. */
  readonly shareSoldCap: number;
  readonly perShareTraded: number;
}

export const noFees: SessionFees = { perUsdSold: 0, perShareSold: 0, shareSoldCap: Infinity, perShareTraded: 0 };

/** Fee types in the order of the columns of a simulation's fee sums. */
export const feeColumns = feeTypes;

/** Rates in force on a trade date; a date the table does not cover is an error, never a fee of zero. */
export const sessionFeesOn = (
  date: NewYorkDate,
  table: readonly FeeRate[] = regulatoryFees,
): { readonly ok: true; readonly fees: SessionFees } | FeeScheduleMissing => {
  const rates = new Map<FeeType, FeeRate>();
  for (const type of feeTypes) {
    const found = feeRateOn(type, date, table);
    if (!found.ok) return found;
    rates.set(type, found.rate);
  }
  const rateOf = (type: FeeType): number => Number(rates.get(type)?.rate ?? Number.NaN);
  const cap = rates.get('TAF')?.cap ?? null;
  return {
    ok: true,
    fees: {
      perUsdSold: rateOf('REG') / 1e6,
      perShareSold: rateOf('TAF'),
      shareSoldCap: cap === null ? Infinity : Number(cap),
      perShareTraded: rateOf('CAT'),
    },
  };
};

/** A fee of one type, account and day as it is charged: rounded up to a cent, once. */
export const chargedFee = (raw: number): number => (raw <= 0 ? 0 : Math.ceil(raw * 100 - 1e-7) / 100);
