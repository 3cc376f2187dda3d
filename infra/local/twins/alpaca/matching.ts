import { decimal, floorDecimal } from '@torghut/domain';
import type { Decimal, Side } from '@torghut/domain';
import type { Quote } from './market-data.ts';

/** Share of eligible fills that are partial on paper. */
export const partialFillShare = 0.1;

export interface MatchedOrder {
  readonly side: Side;
  /** `null` for a market order. */
  readonly limitPrice: Decimal | null;
}

/**
 * The price at which an order executes against a quote, or `null` when it is not marketable: a buy at the ask when its
 * limit reaches it, a sell at the bid. The quoted size is not checked.
 */
export const executionPrice = (order: MatchedOrder, quote: Quote): Decimal | null => {
  const far = decimal(order.side === 'buy' ? quote.ask : quote.bid);
  if (order.limitPrice === null) return far;
  const marketable = order.side === 'buy' ? order.limitPrice.gte(far) : order.limitPrice.lte(far);
  return marketable ? far : null;
};

const one = decimal('1');

/**
 * How much of an eligible order is filled: all of it, or for `partialShare` of the draws a random number of whole shares
 * below it. Both draws are in [0, 1).
 */
export const executionQty = (
  remaining: Decimal,
  partialShare: number,
  partialDraw: number,
  sizeDraw: number,
): Decimal => {
  const most = floorDecimal(remaining.minus(one), 0);
  if (partialDraw >= partialShare || most.lt(one)) return remaining;
  return floorDecimal(most.times(decimal(sizeDraw.toFixed(12))), 0).plus(one);
};
