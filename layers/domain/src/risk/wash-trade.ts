import type { Decimal } from '../decimal.ts';
import type { OrderType, Side } from '../enumerations.ts';

type Rule = 'reject' | 'reject_if_crossing';

/**
 * The broker's wash-trade rule for a new order beside an open one of the opposite side in the same symbol, the same for
 * both sides: existing type, then new type. Crossing means buy limit >= sell limit.
 */
export const washTradeMatrix = {
  market: { market: 'reject', limit: 'reject', stop: 'reject', stop_limit: 'reject' },
  limit: { market: 'reject', limit: 'reject_if_crossing', stop: 'reject', stop_limit: 'reject_if_crossing' },
  stop: { market: 'reject', limit: 'reject', stop: 'reject', stop_limit: 'reject' },
  stop_limit: { market: 'reject', limit: 'reject_if_crossing', stop: 'reject', stop_limit: 'reject_if_crossing' },
} as const satisfies Record<OrderType, Record<OrderType, Rule>>;

export interface WashTradeOrder {
  readonly side: Side;
  readonly orderType: OrderType;
  readonly limitPrice: Decimal | null;
}

/** Whether the broker would refuse the new order beside the existing one. An unknown limit price counts as crossing. */
export const washTradeConflict = (existing: WashTradeOrder, order: WashTradeOrder): boolean => {
  if (existing.side === order.side) return false;
  if (washTradeMatrix[existing.orderType][order.orderType] === 'reject') return true;
  const [buy, sell] = existing.side === 'buy' ? [existing, order] : [order, existing];
  return buy.limitPrice === null || sell.limitPrice === null || buy.limitPrice.gte(sell.limitPrice);
};
