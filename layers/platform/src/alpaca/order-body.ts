import { canonicalJson } from '@torghut/domain';
import type { OrderRequest } from '@torghut/domain';
import * as z from 'zod';

/** The request body of a submit: prices and quantity are decimal text, absent prices are left out. */
export const alpacaOrderBody = (order: OrderRequest): string =>
  JSON.stringify({
    symbol: order.symbol,
    qty: order.qty,
    side: order.side,
    type: order.type,
    time_in_force: order.timeInForce,
    ...(order.limitPrice === null ? {} : { limit_price: order.limitPrice }),
    ...(order.stopPrice === null ? {} : { stop_price: order.stopPrice }),
    client_order_id: order.clientOrderId,
  });

/** What an order says, free of how an adapter's wire format says it: the canonical JSON of these fields. */
export interface NormalisedOrder {
  readonly client_order_id: string;
  readonly limit_price: string | null;
  readonly qty: string;
  readonly side: string;
  readonly stop_price: string | null;
  readonly symbol: string;
  readonly time_in_force: string;
  readonly type: string;
}

export const normalisedOrderText = (order: NormalisedOrder): string => canonicalJson({ ...order });

const alpacaBodySchema = z.strictObject({
  symbol: z.string(),
  qty: z.string(),
  side: z.string(),
  type: z.string(),
  time_in_force: z.string(),
  limit_price: z.string().optional(),
  stop_price: z.string().optional(),
  client_order_id: z.string(),
});

/** Normal form of a submit body of this adapter, for the comparison of requests between adapters. */
export const normaliseAlpacaBody = (body: string): string => {
  const order = alpacaBodySchema.parse(JSON.parse(body));
  return normalisedOrderText({
    ...order,
    limit_price: order.limit_price ?? null,
    stop_price: order.stop_price ?? null,
  });
};
