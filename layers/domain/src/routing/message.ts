import * as z from 'zod';
import { executionAdapters, orderTypes, sides, timesInForce } from '../enumerations.ts';
import { accountLabelSchema, hashSchema, tickerSchema, type AccountLabel, type Hash } from '../identifiers.ts';
import { parseInstant, toText, type Instant } from '../instant.ts';
import type { OrderRequest } from '../ports.ts';
import { routeJson, type FallbackReason, type RouteContext } from './provenance.ts';

const instant = z.string().transform((text, context): Instant => {
  try {
    return parseInstant(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});
const decimalText = z.string().regex(/^\d+(?:\.\d+)?$/, 'expected a non-negative decimal number');

/**
 * An execution request as it travels through the queues. While a release rolls out, routers of two versions read the same
 * queues: within a major version of the schema a writer adds only optional fields that mean nothing to whoever does not
 * know them, and a reader passes over what it does not know. A field that must be understood raises the major version,
 * which older readers refuse; it is written once no older reader is left.
 */
export const executionRequestSchema = z
  .object({
    schema: z.literal('torghut.execution-request.v1'),
    account_label: accountLabelSchema,
    trade_decision_id: z.uuid(),
    decision_identity: hashSchema,
    client_order_id: z.string().min(1).max(128),
    attempt: z.int().min(1),
    symbol: tickerSchema,
    side: z.enum(sides),
    qty: decimalText,
    order_type: z.enum(orderTypes),
    time_in_force: z.enum(timesInForce),
    limit_price: decimalText.nullable(),
    stop_price: decimalText.nullable(),
    decided_at: instant,
    expires_at: instant,
    route: z.object({
      expected: z.enum(executionAdapters),
      policy: z.string(),
      fallback_count: z.int().min(0),
      fallback_reason: z.string().nullable(),
      failed: z.array(
        z.object({
          adapter: z.enum(executionAdapters),
          code: z.string(),
          at: instant,
          receipt_id: z.uuid().nullable(),
          // Requests of earlier releases do not say it.
          sent: z.boolean().optional(),
        }),
      ),
    }),
  })
  .transform((body): ExecutionRequest => ({
    accountLabel: body.account_label,
    tradeDecisionId: body.trade_decision_id,
    decisionIdentity: body.decision_identity,
    attempt: body.attempt,
    order: {
      clientOrderId: body.client_order_id,
      symbol: body.symbol,
      side: body.side,
      qty: body.qty,
      type: body.order_type,
      timeInForce: body.time_in_force,
      limitPrice: body.limit_price,
      stopPrice: body.stop_price,
    },
    decidedAt: body.decided_at,
    expiresAt: body.expires_at,
    route: {
      expected: body.route.expected,
      policy: body.route.policy,
      fallbackCount: body.route.fallback_count,
      // Written by our own routers from the closed vocabulary.
      fallbackReason: body.route.fallback_reason as FallbackReason | null,
      failed: body.route.failed.map((failure) => ({
        adapter: failure.adapter,
        code: failure.code as FallbackReason,
        at: failure.at,
        receiptId: failure.receipt_id,
        sent: failure.sent ?? failure.receipt_id !== null,
      })),
    },
  }));

export interface ExecutionRequest {
  readonly accountLabel: AccountLabel;
  readonly tradeDecisionId: string;
  readonly decisionIdentity: Hash;
  readonly attempt: number;
  readonly order: OrderRequest;
  readonly decidedAt: Instant;
  readonly expiresAt: Instant;
  readonly route: RouteContext;
}

/** JSON body of an execution request; the inverse of `executionRequestSchema`. */
export const executionRequestJson = (request: ExecutionRequest) => ({
  schema: 'torghut.execution-request.v1' as const,
  account_label: request.accountLabel,
  trade_decision_id: request.tradeDecisionId,
  decision_identity: request.decisionIdentity,
  client_order_id: request.order.clientOrderId,
  attempt: request.attempt,
  symbol: request.order.symbol,
  side: request.order.side,
  qty: request.order.qty,
  order_type: request.order.type,
  time_in_force: request.order.timeInForce,
  limit_price: request.order.limitPrice,
  stop_price: request.order.stopPrice,
  decided_at: toText(request.decidedAt),
  expires_at: toText(request.expiresAt),
  route: routeJson(request.route),
});

/** FIFO group of an order: one symbol of one account is worked on in order. */
export const executionGroup = (request: Pick<ExecutionRequest, 'accountLabel' | 'order'>): string =>
  `${request.accountLabel}:${request.order.symbol}`;

/** Follow-up of one open order: looked at again after a delay. Versions as those of an execution request. */
export const followUpSchema = z
  .object({
    schema: z.literal('torghut.order-follow-up.v1'),
    account_label: accountLabelSchema,
    client_order_id: z.string().min(1).max(128),
    reason: z.enum(['time_to_live', 'unknown_outcome']),
  })
  .transform((body) => ({
    accountLabel: body.account_label,
    clientOrderId: body.client_order_id,
    reason: body.reason,
  }));
export type FollowUp = z.output<typeof followUpSchema>;
export const followUpJson = (followUp: FollowUp) => ({
  schema: 'torghut.order-follow-up.v1' as const,
  account_label: followUp.accountLabel,
  client_order_id: followUp.clientOrderId,
  reason: followUp.reason,
});
