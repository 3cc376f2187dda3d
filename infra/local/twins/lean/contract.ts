import * as z from 'zod';
import type { TwinAnswer } from '../faults.ts';

/** The runner's submit contract; unknown fields are refused. */
const submitSchema = z.strictObject({
  symbol: z.string().min(1),
  side: z.enum(['buy', 'sell']),
  qty: z.number().positive(),
  order_type: z.enum(['market', 'limit', 'stop', 'stop_limit']),
  time_in_force: z.enum(['day', 'gtc', 'ioc', 'fok']),
  limit_price: z.number().positive().optional(),
  stop_price: z.number().positive().optional(),
  extra_params: z.strictObject({ client_order_id: z.string().min(1) }),
});
export type LeanSubmit = z.infer<typeof submitSchema>;

export const runnerError = (
  status: number,
  taxonomy: string,
  detail: string,
  broker?: Readonly<Record<string, unknown>>,
): TwinAnswer => ({
  status,
  body: { detail, taxonomy, ...(broker === undefined ? {} : { broker }) },
});

/** Reads a submit, or answers with the contract's error. */
export const readSubmit = (text: string): LeanSubmit | TwinAnswer => {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return runnerError(400, 'contract_missing_required_field', 'the body is not JSON');
  }
  const parsed = submitSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  if (issue?.code === 'unrecognized_keys')
    return runnerError(422, 'contract_unknown_field', `unknown field ${issue.keys.join(', ')}`);
  if (field === 'order_type') return runnerError(400, 'contract_invalid_order_type', `invalid order_type`);
  return runnerError(422, 'contract_missing_required_field', `missing or invalid field ${field}`);
};

/** The broker's body for an order: decimal text, never the number it came as. */
export const brokerBody = (order: LeanSubmit): string =>
  JSON.stringify({
    symbol: order.symbol,
    qty: String(order.qty),
    side: order.side,
    type: order.order_type,
    time_in_force: order.time_in_force,
    ...(order.limit_price === undefined ? {} : { limit_price: String(order.limit_price) }),
    ...(order.stop_price === undefined ? {} : { stop_price: String(order.stop_price) }),
    client_order_id: order.extra_params.client_order_id,
  });
