import { decimal, floorDecimal, maxDecimal, minDecimal } from '@torghut/domain';
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

/** Whether a quote reaches a stop: a buy stop from below, a sell stop from above. */
export const reachesStop = (side: Side, stop: Decimal, quote: Quote): boolean =>
  side === 'buy' ? decimal(quote.ask).gte(stop) : decimal(quote.bid).lte(stop);

const hundred = decimal('100');

export interface TrailingStop {
  readonly side: Side;
  readonly trailPrice: Decimal | null;
  readonly trailPercent: Decimal | null;
  readonly highWaterMark: Decimal | null;
}

/** The best price so far and the stop behind it: a sale trails the highest bid, a purchase the lowest ask. */
export const trail = (order: TrailingStop, quote: Quote): { highWaterMark: Decimal; stopPrice: Decimal } => {
  const price = decimal(order.side === 'buy' ? quote.ask : quote.bid);
  const best = order.side === 'buy' ? minDecimal : maxDecimal;
  const highWaterMark = order.highWaterMark === null ? price : best(order.highWaterMark, price);
  const distance = order.trailPrice ?? highWaterMark.times(order.trailPercent ?? one).div(hundred);
  return {
    highWaterMark,
    stopPrice: order.side === 'buy' ? highWaterMark.plus(distance) : highWaterMark.minus(distance),
  };
};

const fifty = decimal('50');
const below50 = decimal('1.04');
const from50 = decimal('1.025');

/** The limit that a buy stop gets: 4 % above a stop under 50 USD, 2.5 % above others, to the increment. */
export const buyStopLimit = (stop: Decimal): Decimal =>
  stop.times(stop.lt(fifty) ? below50 : from50).round(stop.gte(one) ? 2 : 4, 1);
