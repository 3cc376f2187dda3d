import type { Decimal } from '../decimal.ts';
import type { Side } from '../enumerations.ts';
import type { AccountLabel, Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import { newYorkDate, type NewYorkDate } from '../market/new-york.ts';

/** One execution as booked: `qty` in shares and `price` in USD per share, both above 0. */
export interface Fill {
  /** The broker's execution id, unique within the account. */
  readonly executionId: string;
  readonly accountLabel: AccountLabel;
  /** `null` when no decision of ours stands behind the order (an adopted order). */
  readonly strategyId: string | null;
  readonly symbol: Ticker;
  readonly side: Side;
  readonly qty: Decimal;
  readonly price: Decimal;
  readonly executedAt: Instant;
}

/** What profit and fees are attributed to within an account. */
export type Attribution = Pick<Fill, 'strategyId' | 'symbol'>;

/** USD. */
export const fillNotional = (fill: Fill): Decimal => fill.qty.times(fill.price);

/** @throws RangeError outside 2007 to 2099. */
export const tradeDateOf = (fill: Fill): NewYorkDate => newYorkDate(fill.executedAt);

// Code unit order: it must not depend on a locale.
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Execution-time order; executions of one instant are ordered by the broker's execution id. */
export const compareFills = (a: Fill, b: Fill): number =>
  a.executedAt - b.executedAt || compareText(a.executionId, b.executionId);

/** Order of reports: by strategy (unattributed first), then symbol. */
export const compareAttributions = (a: Attribution, b: Attribution): number =>
  compareText(a.strategyId ?? '', b.strategyId ?? '') || compareText(a.symbol, b.symbol);

/** Key of an attribution. A symbol holds no space, so two attributions never share a key. */
export const attributionKey = ({ strategyId, symbol }: Attribution): string => `${symbol} ${strategyId ?? ''}`;
