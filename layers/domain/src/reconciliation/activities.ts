import { decimal, zero, type Decimal } from '../decimal.ts';
import type { Side } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import { feeTypes, type FeeType } from '../profit/fee-table.ts';
import type { FillActivity } from '../ports.ts';

/** One row of the broker's account activities that is no fill. `raw` is the payload as received. */
export interface AccountActivity {
  readonly id: string;
  readonly type: string;
  readonly subType: string | null;
  /** `executed`, or `correct` or `canceled` where the broker changed its mind about a row. */
  readonly status: string | null;
  /** Creation where the broker tells it, else the start of `date`. */
  readonly at: Instant;
  /** The broker's posting date. */
  readonly date: NewYorkDate | null;
  readonly symbol: string | null;
  readonly qty: Decimal | null;
  readonly price: Decimal | null;
  /** Effect on cash, USD; null where the row moves none. */
  readonly netAmount: Decimal | null;
  readonly description: string | null;
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What was read of the account's activities. */
export type BrokerActivity =
  | { readonly kind: 'fill'; readonly fill: FillActivity }
  | { readonly kind: 'other'; readonly activity: AccountActivity };

/** What an activity that is no fill means to the ledger. */
export type ActivityMeaning = 'cash' | 'fee' | 'corporate_action' | 'unknown';

const meaningOf = (
  meaning: ActivityMeaning,
  ...types: readonly string[]
): readonly (readonly [string, ActivityMeaning])[] => types.map((type) => [type, meaning]);

/** Types of the broker, older names included. A type that is not here moves cash all the same, and is pointed out. */
const activityMeanings: ReadonlyMap<string, ActivityMeaning> = new Map([
  ...meaningOf('fee', 'FEE'),
  ...meaningOf('cash', 'INT', 'JNLC', 'CSD', 'CSW', 'TRANS', 'PTC', 'PTR', 'ACATC'),
  ...meaningOf('cash', 'DIV', 'DIVCGL', 'DIVCGS', 'DIVFEE', 'DIVFT', 'DIVNRA', 'DIVROC', 'DIVTW', 'DIVTXEX'),
  ...meaningOf('corporate_action', 'SPLIT', 'FSPLIT', 'RSPLIT', 'USPLIT', 'SPIN', 'REORG', 'SC', 'SSO', 'SSP'),
  ...meaningOf('corporate_action', 'MA', 'CMA', 'SMA', 'SCMA', 'NC', 'SNC', 'CNC', 'SCNC', 'JNLS', 'ACATS'),
]);

export const activityMeaning = (type: string): ActivityMeaning => activityMeanings.get(type) ?? 'unknown';

/** Cash that a fill moved, USD: a buy costs, a sale brings. */
export const cashOfFill = (fill: { readonly side: Side; readonly qty: Decimal; readonly price: Decimal }): Decimal => {
  const notional = fill.qty.times(fill.price);
  return fill.side === 'buy' ? zero.minus(notional) : notional;
};

const describedDate = /\bon (\d{4}-\d\d-\d\d)\b/;
const describedType = /\b(REG|TAF|CAT)\b/;

/**
 * The fee type and trade date of a fee row. The broker posts a fee on the next UTC day and names the trade date in words;
 * where it does not, the fee is of the last of `sessions` (trade dates in order) before its posting date. Null for a fee of
 * another kind, which is cash and nothing to compare.
 */
export const feeRowOf = (
  activity: Pick<AccountActivity, 'subType' | 'description' | 'date' | 'netAmount'>,
  sessions: readonly NewYorkDate[],
): { readonly type: FeeType; readonly tradeDate: NewYorkDate; readonly amount: Decimal } | null => {
  const { subType, description, date, netAmount } = activity;
  const named = subType ?? describedType.exec(description ?? '')?.[1];
  const type = feeTypes.find((one) => one === named);
  const tradeDate =
    describedDate.exec(description ?? '')?.[1] ??
    (date === null ? undefined : sessions.findLast((session) => session < date));
  if (type === undefined || tradeDate === undefined || netAmount === null) return null;
  return { type, tradeDate, amount: netAmount.times(decimal('-1')) };
};
