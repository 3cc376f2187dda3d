import { decimal, decimalText, zero, type Decimal } from '../decimal.ts';
import type { Side } from '../enumerations.ts';
import { toText, type Instant } from '../instant.ts';
import type { BrokerPosition } from '../ports.ts';
import type { FoundBreak } from './breaks.ts';

/** What the fills say is held of a symbol, since the positions last agreed. A short position is negative. */
export interface LedgerPosition {
  readonly symbol: string;
  readonly qty: Decimal;
  /** Average price of the entries of what is held; null where fills before the first known one would be needed. */
  readonly averageEntry: Decimal | null;
  /** Newest fill that counts here; null without one. */
  readonly lastFillAt: Instant | null;
  /** Reading that the quantity is counted from; null for the first fill. */
  readonly countedFrom: Instant | null;
}

export interface LedgerPositions {
  readonly positions: readonly LedgerPosition[];
  /** Reading in which all positions agreed last: of a symbol that is not listed, nothing was held since. */
  readonly agreedAt: Instant | null;
}

/** The average entry price after a fill, as the broker keeps it: entries average, exits leave it, a flip starts anew. */
export const positionAfterFill = (
  position: { readonly qty: Decimal; readonly averageEntry: Decimal | null },
  fill: { readonly side: Side; readonly qty: Decimal; readonly price: Decimal },
): { readonly qty: Decimal; readonly averageEntry: Decimal | null } => {
  const signed = fill.side === 'buy' ? fill.qty : zero.minus(fill.qty);
  const qty = position.qty.plus(signed);
  if (qty.eq(zero)) return { qty, averageEntry: zero };
  if (position.qty.eq(zero) || position.qty.times(qty).lt(zero)) return { qty, averageEntry: fill.price };
  if (position.qty.times(signed).lt(zero) || position.averageEntry === null)
    return { qty, averageEntry: position.averageEntry };
  const value = position.averageEntry.times(position.qty.abs()).plus(fill.price.times(fill.qty));
  return { qty, averageEntry: value.div(qty.abs()) };
};

export interface PositionComparison {
  readonly breaks: readonly FoundBreak[];
  /** Symbols with a fill so close to the reading that nobody can say whether it is in it. They say nothing yet. */
  readonly moving: readonly string[];
}

const averageTolerance = decimal('0.0001');

/**
 * Compares what fills say with a complete list of positions read at `asOf`: only such a list that lacks a symbol means
 * that nothing is held of it. An incomplete list is not compared at all.
 */
export const comparePositions = (
  { positions: ours, agreedAt }: LedgerPositions,
  theirs: readonly BrokerPosition[],
  { asOf, graceMs }: { readonly asOf: Instant; readonly graceMs: number },
): PositionComparison => {
  const known = new Map(ours.map((position) => [position.symbol, position]));
  const held = new Map(theirs.map((position) => [position.symbol, position]));
  const breaks: FoundBreak[] = [];
  const moving: string[] = [];
  for (const symbol of [...new Set([...known.keys(), ...held.keys()])].sort()) {
    const mine = known.get(symbol);
    const broker = held.get(symbol);
    const [qty, brokerQty] = [mine?.qty ?? zero, broker?.qty ?? zero];
    if (mine?.lastFillAt !== null && mine?.lastFillAt !== undefined && mine.lastFillAt > asOf - graceMs) {
      moving.push(symbol);
      continue;
    }
    const values = { ours: decimalText(qty), theirs: decimalText(brokerQty) };
    const countedFrom = mine?.countedFrom ?? agreedAt;
    // Once a person has accepted it, the position counts from there: the same difference again is another one.
    const basis = { symbol, counted_from: countedFrom === null ? '' : toText(countedFrom) };
    const found = { symbol, orderRef: null, healed: false };
    if (!qty.eq(brokerQty)) {
      breaks.push({
        ...found,
        type: 'position_qty_mismatch',
        identity: { ...basis, ...values },
        ours: { qty: values.ours },
        theirs: {
          qty: values.theirs,
          avg_entry_price: broker === undefined ? null : decimalText(broker.avgEntryPrice),
          as_of: new Date(asOf).toISOString(),
        },
      });
    } else if (broker !== undefined && mine?.averageEntry !== null && mine !== undefined) {
      const difference = mine.averageEntry.minus(broker.avgEntryPrice).abs();
      if (!qty.eq(zero) && difference.gt(broker.avgEntryPrice.abs().times(averageTolerance))) {
        const averages = {
          ours: decimalText(mine.averageEntry.round(8, 1)),
          theirs: decimalText(broker.avgEntryPrice),
        };
        breaks.push({
          ...found,
          type: 'position_avg_price_mismatch',
          identity: { ...basis, qty: values.ours, ...averages },
          ours: { avg_entry_price: averages.ours },
          theirs: { avg_entry_price: averages.theirs },
          tolerance: { relative: decimalText(averageTolerance) },
        });
      }
    }
  }
  return { breaks, moving };
};
