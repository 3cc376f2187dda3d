import { decimal, decimalText } from '@torghut/domain';
import type { OrderRequest } from '@torghut/domain';
import * as z from 'zod';
import { normalisedOrderText } from '../alpaca/order-body.ts';

/**
 * The request body of a submit. The runner's contract asks for JSON numbers; they are the digits of the decimal text, so
 * that no binary float stands between a decision and its order.
 */
export const leanOrderBody = (order: OrderRequest): string => {
  const members = [
    ['symbol', JSON.stringify(order.symbol)],
    ['side', JSON.stringify(order.side)],
    ['qty', jsonNumber(order.qty)],
    ['order_type', JSON.stringify(order.type)],
    ['time_in_force', JSON.stringify(order.timeInForce)],
    ...(order.limitPrice === null ? [] : [['limit_price', jsonNumber(order.limitPrice)]]),
    ...(order.stopPrice === null ? [] : [['stop_price', jsonNumber(order.stopPrice)]]),
    ['extra_params', JSON.stringify({ client_order_id: order.clientOrderId })],
  ];
  return `{${members.map(([name, value]) => `"${name ?? ''}":${value ?? ''}`).join(',')}}`;
};

/** Canonical decimal text is a JSON number. @throws RangeError for anything else. */
const jsonNumber = (text: string): string => decimalText(decimal(text));

const numberText = z.number().transform((value) => decimalText(decimal(String(value))));
const leanBodySchema = z.strictObject({
  symbol: z.string(),
  side: z.string(),
  qty: numberText,
  order_type: z.string(),
  time_in_force: z.string(),
  limit_price: numberText.optional(),
  stop_price: numberText.optional(),
  extra_params: z.strictObject({ client_order_id: z.string() }),
});

/** Normal form of a submit body of this adapter, for the comparison of requests between adapters. */
export const normaliseLeanBody = (body: string): string => {
  const {
    order_type: type,
    extra_params: extra,
    limit_price: limit,
    stop_price: stop,
    ...order
  } = leanBodySchema.parse(JSON.parse(body));
  return normalisedOrderText({ ...order, ...extra, type, limit_price: limit ?? null, stop_price: stop ?? null });
};
