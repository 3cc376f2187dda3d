import { decimal } from '../decimal.ts';
import type { BrokerOrder, OrderRequest } from '../ports.ts';

/**
 * How an order of the broker differs from what was asked for, or `null`. What stands under our id and is another order
 * acknowledges nothing, and is not ours to adopt.
 */
export const differenceFrom = (asked: OrderRequest, order: BrokerOrder): string | null => {
  const compared: readonly (readonly [field: string, expected: string, found: string | null, equal: boolean])[] = [
    ['client_order_id', asked.clientOrderId, order.clientOrderId, order.clientOrderId === asked.clientOrderId],
    ['symbol', asked.symbol, order.symbol, order.symbol.toUpperCase() === asked.symbol],
    ['side', asked.side, order.side, order.side === asked.side],
    ['qty', asked.qty, order.qty.toFixed(), order.qty.eq(decimal(asked.qty))],
  ];
  const different = compared.find(([, , , equal]) => !equal);
  return different === undefined ? null : `expected ${different[0]} ${different[1]}, found ${different[2] ?? 'none'}`;
};
