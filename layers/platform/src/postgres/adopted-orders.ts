import {
  brokerStatusMeaning,
  decimalText,
  deriveProvenance,
  differenceFrom,
  executionRequestJson,
  executionRequestSchema,
  provenanceMarkers,
  toText,
  zero,
  type BrokerOrder,
  type ExecutionAdapter,
  type OrderType,
  type Provenance,
  type Side,
  type Telemetry,
  type TimeInForce,
} from '@torghut/domain';
import { correlationId } from './correlation-id.ts';
import { refreshDecisionStatus } from './decision-status.ts';
import { jsonText } from './json.ts';
import { messageId } from './outbox-store.ts';
import type { OrderTransaction } from './order-transactions.ts';

/** What is known of an order of ours from before the broker showed it. */
interface KnownOrder {
  readonly decisionId: string | null;
  readonly attempt: number;
  readonly symbol: string;
  readonly side: Side;
  readonly orderType: OrderType;
  readonly timeInForce: TimeInForce;
  readonly provenance: Provenance;
  readonly routeContext: unknown;
  readonly correlationId: string | null;
  readonly replacesId: string | null;
}

const timesInForce: ReadonlySet<string> = new Set(['day', 'gtc', 'ioc', 'fok'] satisfies TimeInForce[]);

/** Inserts an order that was found at the broker, once; the status of its decision follows. */
const insertAdopted = async (
  { client, account, now }: OrderTransaction,
  known: KnownOrder,
  order: BrokerOrder,
): Promise<boolean> => {
  const { provenance, correlationId } = known;
  const markers = provenanceMarkers(provenance, correlationId ?? '', order.clientOrderId ?? '');
  const inserted = await client.query(
    `INSERT INTO executions (account_label, trade_decision_id, client_order_id, alpaca_order_id, attempt, symbol, side, order_type, time_in_force,
       submitted_qty, filled_qty, avg_fill_price, state, broker_status, execution_expected_adapter, execution_actual_adapter,
       execution_fallback_reason, execution_fallback_count, provenance_source, route_context, execution_correlation_id,
       execution_idempotency_key, replaces_id, raw_order, last_broker_json, order_feed_last_event_ts, submitted_at, last_update_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $3, $22, $23, $24, $25, $26, $27)
     ON CONFLICT DO NOTHING`,
    [
      account,
      known.decisionId,
      order.clientOrderId,
      order.id,
      known.attempt,
      known.symbol,
      known.side,
      known.orderType,
      timesInForce.has(order.timeInForce) ? order.timeInForce : known.timeInForce,
      decimalText(order.qty),
      decimalText(order.filledQty),
      order.filledAvgPrice === null ? null : decimalText(order.filledAvgPrice),
      brokerStatusMeaning(order.status)?.state ?? 'acknowledged',
      order.status.slice(0, 32),
      provenance.expected,
      provenance.actual,
      provenance.fallbackReason,
      provenance.fallbackCount,
      provenance.source,
      jsonText(known.routeContext),
      correlationId,
      known.replacesId,
      jsonText({ ...order.raw, ...markers }),
      JSON.stringify(order.raw),
      order.updatedAt === null ? null : new Date(order.updatedAt),
      new Date(order.submittedAt ?? now),
      new Date(now),
    ],
  );
  return inserted.rowCount === 1;
};

const refreshAfterAdoption = async (
  { client, now }: OrderTransaction,
  decisionId: string | null,
  order: BrokerOrder,
): Promise<void> => {
  if (decisionId === null) return;
  const executedAt = order.filledQty.gt(zero) ? { executedAt: new Date(order.updatedAt ?? now) } : {};
  await refreshDecisionStatus(client, decisionId, executedAt);
};

interface ReplacedRow {
  readonly trade_decision_id: string | null;
  readonly attempt: number;
  readonly symbol: string;
  readonly side: Side;
  readonly order_type: OrderType;
  readonly time_in_force: TimeInForce;
  readonly expected: ExecutionAdapter;
  readonly actual: ExecutionAdapter;
  readonly fallback_reason: Provenance['fallbackReason'];
  readonly fallback_count: number;
  readonly route_context: unknown;
  readonly correlation_id: string | null;
}

/**
 * The order that took the place of one of ours, and the links between the two. Its provenance is that of the original:
 * whoever replaced it by hand chose no route.
 */
export const adoptReplacement = async (
  transaction: OrderTransaction,
  executionId: string,
  order: BrokerOrder,
): Promise<void> => {
  const { client, account } = transaction;
  const found = await client.query<ReplacedRow>(
    `SELECT trade_decision_id, attempt, symbol, side, order_type, time_in_force, execution_expected_adapter AS expected,
       execution_actual_adapter AS actual, execution_fallback_reason AS fallback_reason, execution_fallback_count AS fallback_count,
       route_context, execution_correlation_id AS correlation_id
       FROM executions WHERE id = $1 AND account_label = $2 FOR UPDATE`,
    [executionId, account],
  );
  const [original] = found.rows;
  if (original === undefined) throw new Error(`expected execution ${executionId} of account ${account}, found none`);
  const isNew = await insertAdopted(
    transaction,
    {
      decisionId: original.trade_decision_id,
      attempt: original.attempt,
      symbol: original.symbol,
      side: original.side,
      orderType: original.order_type,
      timeInForce: original.time_in_force,
      provenance: {
        expected: original.expected,
        actual: original.actual,
        fallbackReason: original.fallback_reason,
        fallbackCount: original.fallback_count,
        source: 'adopted',
      },
      routeContext: original.route_context,
      correlationId: original.correlation_id,
      replacesId: executionId,
    },
    order,
  );
  await client.query(
    `UPDATE executions SET replaced_by_id = (SELECT id FROM executions WHERE account_label = $2 AND alpaca_order_id = $3)
      WHERE id = $1 AND replaced_by_id IS NULL`,
    [executionId, account, order.id],
  );
  if (isNew) await refreshAfterAdoption(transaction, original.trade_decision_id, order);
};

/**
 * Takes in an order under one of our client order ids whose request was proved absent, and reached the broker after all.
 * False for an order that is no such one. Nothing is known of it but what its receipt asked for: of several receipts the
 * first whose request may have left, because the later ones would have met its order. A fallback that was begun stays
 * counted. A receipt that cannot be read is told, and its order left: nothing says that it is the one that was asked for.
 */
export const adoptStray = async (
  transaction: OrderTransaction,
  order: BrokerOrder,
  telemetry: Pick<Telemetry, 'error'>,
): Promise<boolean> => {
  const { client, account, record } = transaction;
  const found = await client.query<{ id: string; adapter: ExecutionAdapter; outcome: string; request_json: unknown }>(
    `SELECT id, adapter, outcome,
       coalesce((SELECT payload FROM outbox WHERE topic = 'alpaca' AND dedup_id = $3), request_json) AS request_json
       FROM broker_receipts r
      WHERE account_label = $1 AND operation = 'submit' AND client_order_id = $2 AND io_at IS NOT NULL AND outcome = 'not_found'
        AND NOT EXISTS (SELECT FROM broker_receipts open WHERE open.account_label = $1 AND open.operation = 'submit' AND open.client_order_id = $2
                          AND (open.state <> 'settled' OR open.outcome IN ('unknown', 'acknowledged', 'adopted')))
      ORDER BY io_at LIMIT 1`,
    [account, order.clientOrderId, messageId('fallback', order.clientOrderId ?? '')],
  );
  const [receipt] = found.rows;
  if (receipt === undefined) return false;
  const parsed = executionRequestSchema.safeParse(receipt.request_json);
  if (!parsed.success) {
    const { id: receiptId } = receipt;
    telemetry.error('a receipt cannot be read, and an order under its id is not adopted', {
      receiptId,
      orderId: order.id,
      detail: parsed.error.message,
    });
    return false;
  }
  const request = parsed.data;
  // Not what we asked for, whatever its id says: the reconciliation finds it as somebody else's.
  if (differenceFrom(request.order, order) !== null) return false;
  const provenance = deriveProvenance(request.route, receipt.adapter, order.raw, 'adopted');
  const isNew = await insertAdopted(
    transaction,
    {
      decisionId: request.tradeDecisionId,
      attempt: request.attempt,
      symbol: request.order.symbol,
      side: request.order.side,
      orderType: request.order.type,
      timeInForce: request.order.timeInForce,
      provenance,
      routeContext: executionRequestJson(request).route,
      correlationId: correlationId(request.order.clientOrderId, provenance.actual),
      replacesId: null,
    },
    order,
  );
  if (!isNew) return false;
  await refreshAfterAdoption(transaction, request.tradeDecisionId, order);
  await record({
    type: 'order_status_mismatch',
    symbol: order.symbol,
    orderRef: order.id,
    identity: { receipt: receipt.id, order: order.id },
    ours: { receipt: receipt.id, outcome: receipt.outcome },
    theirs: { status: order.status, submitted_at: order.submittedAt === null ? null : toText(order.submittedAt) },
    healed: true,
  });
  return true;
};
