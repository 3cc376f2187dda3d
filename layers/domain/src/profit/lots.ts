import { decimalText, minDecimal, zero, type Decimal } from '../decimal.ts';
import type { AccountLabel, Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import { attributionKey, compareFills, type Fill } from './fill.ts';

/**
 * Version of everything reported from here. It names the lot method: average cost attributes the same fills to other
 * days, so figures of two methods must never be mixed.
 */
export const profitSchemaVersion = 'torghut.profit.fifo-lots.v1';

/** Shares still open of one fill: `qty` above 0 in either direction, `price` USD per share. */
export interface Lot {
  readonly accountLabel: AccountLabel;
  readonly strategyId: string | null;
  readonly symbol: Ticker;
  readonly direction: 'long' | 'short';
  readonly qty: Decimal;
  readonly price: Decimal;
  readonly openedAt: Instant;
  readonly executionId: string;
}

/** The part of a lot that one fill closed. `gross` is USD before fees. */
export interface Closure {
  /** Execution id of the fill that opened the lot. */
  readonly openedBy: string;
  readonly qty: Decimal;
  readonly gross: Decimal;
}

/** What one fill closed. `gross` is USD before fees; 0 when the fill only opened. */
export interface RealisedFill {
  readonly fill: Fill;
  readonly closedQty: Decimal;
  readonly gross: Decimal;
  /** Oldest lot first. */
  readonly closures: readonly Closure[];
}

export interface MatchedLots {
  /** One per fill, in execution-time order. */
  readonly realised: readonly RealisedFill[];
  /** Oldest first within an account, strategy and symbol. */
  readonly openLots: readonly Lot[];
}

const assertFill = ({ executionId, qty, price }: Fill): void => {
  if (!qty.gt(zero))
    throw new RangeError(`expected the quantity of fill ${executionId} above 0, found ${decimalText(qty)}`);
  if (!price.gt(zero))
    throw new RangeError(`expected the price of fill ${executionId} above 0, found ${decimalText(price)}`);
};

const openingLot = (fill: Fill, qty: Decimal): Lot => ({
  accountLabel: fill.accountLabel,
  strategyId: fill.strategyId,
  symbol: fill.symbol,
  direction: fill.side === 'buy' ? 'long' : 'short',
  qty,
  price: fill.price,
  openedAt: fill.executedAt,
  executionId: fill.executionId,
});

const gainPerShare = (lot: Lot, price: Decimal): Decimal =>
  lot.direction === 'long' ? price.minus(lot.price) : lot.price.minus(price);

/** Closes the oldest opposite lots of `book` with the fill and opens a lot with what is left. Changes `book`. */
const apply = (book: Lot[], fill: Fill): RealisedFill => {
  const closes = fill.side === 'buy' ? 'short' : 'long';
  const closures: Closure[] = [];
  let left = fill.qty;
  let oldest = book[0];
  while (oldest?.direction === closes && left.gt(zero)) {
    const closed = minDecimal(oldest.qty, left);
    closures.push({
      openedBy: oldest.executionId,
      qty: closed,
      gross: gainPerShare(oldest, fill.price).times(closed),
    });
    left = left.minus(closed);
    if (closed.eq(oldest.qty)) book.shift();
    else book[0] = { ...oldest, qty: oldest.qty.minus(closed) };
    oldest = book[0];
  }
  if (left.gt(zero)) book.push(openingLot(fill, left));
  const gross = closures.reduce((sum, closure) => sum.plus(closure.gross), zero);
  return { fill, closedQty: fill.qty.minus(left), gross, closures };
};

/**
 * First-in, first-out lots per (account, strategy, symbol). Fills may come in any order and are taken in execution-time
 * order. A fill larger than the position closes it and opens the other direction.
 * @param carried open lots from before the first fill. Without them the fills must reach back to a flat book.
 * @throws RangeError for a quantity or price that is not above 0, and for an execution id given twice in an account.
 */
export const matchLots = (fills: readonly Fill[], carried: readonly Lot[] = []): MatchedLots => {
  const books = new Map<string, Lot[]>();
  const bookOf = (owner: Fill | Lot): Lot[] => {
    const key = `${owner.accountLabel} ${attributionKey(owner)}`;
    let book = books.get(key);
    if (book === undefined) books.set(key, (book = []));
    return book;
  };
  for (const lot of carried) bookOf(lot).push(lot);

  const seen = new Set<string>();
  const realised = fills.toSorted(compareFills).map((fill) => {
    assertFill(fill);
    const id = `${fill.accountLabel} ${fill.executionId}`;
    if (seen.has(id))
      throw new RangeError(`expected each execution once, found ${fill.executionId} of ${fill.accountLabel} twice`);
    seen.add(id);
    return apply(bookOf(fill), fill);
  });
  return { realised, openLots: [...books.values()].flat() };
};

export type Unrealised =
  | { readonly ok: true; readonly total: Decimal }
  | { readonly ok: false; readonly code: 'mark_missing'; readonly symbols: readonly Ticker[]; readonly detail: string };

/**
 * Gain of open lots at given prices, USD before fees. Reported beside realised profit, never added to it.
 * @param marks USD per share. A lot without a mark makes the whole unknown.
 */
export const unrealisedProfit = (lots: readonly Lot[], marks: ReadonlyMap<Ticker, Decimal>): Unrealised => {
  const missing = new Set<Ticker>();
  let total = zero;
  for (const lot of lots) {
    const mark = marks.get(lot.symbol);
    if (mark === undefined) missing.add(lot.symbol);
    else total = total.plus(gainPerShare(lot, mark).times(lot.qty));
  }
  if (missing.size === 0) return { ok: true, total };
  const symbols = [...missing].sort();
  return {
    ok: false,
    code: 'mark_missing',
    symbols,
    detail: `expected a mark for every open lot, found none for ${symbols.join(', ')}`,
  };
};
