import { decimal, minDecimal, zero, type Decimal } from '../decimal.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import { feeTypes, regulatoryFees, type FeeRate, type FeeType, type FeeUnit } from './fee-table.ts';
import { attributionKey, compareAttributions, fillNotional, tradeDateOf, type Attribution, type Fill } from './fill.ts';
import { splitByLargestRemainder } from './largest-remainder.ts';

/** No rate of a fee type is known for a trade date. It is never taken as 0. */
export interface FeeScheduleMissing {
  readonly ok: false;
  readonly code: 'fee_schedule_missing';
  readonly feeType: FeeType;
  readonly tradeDate: NewYorkDate;
  readonly detail: string;
}

/** One fee type of one account and trade date, USD: `raw` is the exact sum, `charged` is it rounded up to a cent. */
export interface FeeOfDay {
  readonly type: FeeType;
  readonly raw: Decimal;
  readonly charged: Decimal;
}

/** The part of a charged fee that a strategy and symbol bears, USD in whole cents. */
export interface FeeShare extends Attribution {
  readonly type: FeeType;
  readonly amount: Decimal;
}

export type FeesOfDay =
  | {
      readonly ok: true;
      readonly fees: readonly FeeOfDay[];
      readonly total: Decimal;
      /** Per type: every strategy and symbol with a fill the type applies to. Amounts sum to what is charged. */
      readonly shares: readonly FeeShare[];
    }
  | FeeScheduleMissing;

const millionth = decimal('0.000001');

const bases: Record<FeeUnit, { readonly appliesTo: (fill: Fill) => boolean; readonly base: (fill: Fill) => Decimal }> =
  {
    'USD per million USD sold': {
      appliesTo: ({ side }) => side === 'sell',
      base: (fill) => fillNotional(fill).times(millionth),
    },
    'USD per share sold': { appliesTo: ({ side }) => side === 'sell', base: ({ qty }) => qty },
    'USD per share traded': { appliesTo: () => true, base: ({ qty }) => qty },
  };

/** The rate of a fee type on a New York trade date. */
export const feeRateOn = (
  type: FeeType,
  tradeDate: NewYorkDate,
  table: readonly FeeRate[] = regulatoryFees,
): { readonly ok: true; readonly rate: FeeRate } | FeeScheduleMissing => {
  const ofType = table.filter((row) => row.type === type);
  const rate = ofType.find(({ from, to }) => from <= tradeDate && tradeDate <= to);
  if (rate !== undefined) return { ok: true, rate };
  const covered = ofType.map(({ from, to }) => `${from} to ${to}`).join(', ');
  return {
    ok: false,
    code: 'fee_schedule_missing',
    feeType: type,
    tradeDate,
    detail: `expected a ${type} rate for ${tradeDate}, found rates for ${covered === '' ? 'no date' : covered}: add a dated row with its source to the fee table`,
  };
};

const exactFee = (fill: Fill, { rate, unit, cap }: FeeRate): Decimal => {
  const fee = bases[unit].base(fill).times(decimal(rate));
  return cap === null ? fee : minDecimal(fee, decimal(cap));
};

/** Splits what is charged by the notional of the fills it is charged on: who only bought bears no fee on sales. */
const sharesOf = (type: FeeType, charged: Decimal, fills: readonly Fill[]): readonly FeeShare[] => {
  const weights = new Map<string, Attribution & { readonly weight: Decimal }>();
  for (const fill of fills) {
    const key = attributionKey(fill);
    const weight = fillNotional(fill).plus(weights.get(key)?.weight ?? zero);
    weights.set(key, { strategyId: fill.strategyId, symbol: fill.symbol, weight });
  }
  const groups = [...weights.values()].sort(compareAttributions);
  const amounts = splitByLargestRemainder(
    charged,
    groups.map(({ weight }) => weight),
  );
  return groups.map(({ strategyId, symbol }, index) => ({ strategyId, symbol, type, amount: amounts[index] ?? zero }));
};

/**
 * Regulatory fees of one account and one New York trade date. Each type is summed over the fills (the cap holds per
 * fill, which is one trade report) and rounded up to a cent once, as the broker charges it; so the fees of a day are not
 * the sum of the fees of its parts.
 * @param fills at least one, all of one account and trade date.
 * @throws RangeError when the fills are not of exactly one account and trade date.
 */
export const feesOfDay = (fills: readonly Fill[], table: readonly FeeRate[] = regulatoryFees): FeesOfDay => {
  const days = new Set(fills.map((fill) => `${fill.accountLabel} on ${tradeDateOf(fill)}`));
  const [first] = fills;
  if (first === undefined || days.size !== 1) {
    throw new RangeError(
      `expected the fills of one account and trade date, found ${days.size === 0 ? 'none' : [...days].join(', ')}`,
    );
  }
  const tradeDate = tradeDateOf(first);
  const fees: FeeOfDay[] = [];
  const shares: FeeShare[] = [];
  for (const type of feeTypes) {
    const found = feeRateOn(type, tradeDate, table);
    if (!found.ok) return found;
    const charge = fills.filter(bases[found.rate.unit].appliesTo);
    const raw = charge.reduce((sum, fill) => sum.plus(exactFee(fill, found.rate)), zero);
    const charged = raw.round(2, 3);
    fees.push({ type, raw, charged });
    shares.push(...sharesOf(type, charged, charge));
  }
  return { ok: true, fees, total: fees.reduce((sum, { charged }) => sum.plus(charged), zero), shares };
};
