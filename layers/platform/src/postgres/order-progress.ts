import {
  brokerStatusMeaning,
  decimal,
  decimalText,
  isDecimalText,
  orderProgress,
  progressPath,
  zero,
  type BrokerOrder,
  type Decimal,
  type FoundBreak,
  type Instant,
  type OrderProgress,
  type OrderState,
  type ReportedFilled,
} from '@torghut/domain';
import { resolveCancels } from './cancel-receipts.ts';
import { refreshDecisionStatus } from './decision-status.ts';
import type { OrderTransaction } from './order-transactions.ts';

/** Reports of single executions; the last two take back or replace one of the first two. */
export const executionEvents = `('fill', 'partial_fill', 'trade_bust', 'trade_correct')`;

interface ProgressRow {
  readonly trade_decision_id: string | null;
  readonly alpaca_order_id: string;
  readonly symbol: string;
  readonly state: OrderState;
  readonly submitted_qty: string;
  readonly filled_qty: string;
  readonly avg_fill_price: string | null;
  readonly broker_status: string | null;
  readonly reported_qty: string | null;
  readonly reported_price: string | null;
  readonly reported_at: Instant | null;
  readonly executed_qty: string | null;
  readonly executed_at: Instant | null;
  readonly corrected_at: Instant | null;
  readonly booked_qty: string | null;
  readonly booked_notional: string | null;
}

const progressStatement = `SELECT e.trade_decision_id, e.alpaca_order_id, e.symbol, e.state, e.submitted_qty::text AS submitted_qty,
    e.filled_qty::text AS filled_qty, e.avg_fill_price::text AS avg_fill_price, e.broker_status, e.last_broker_json ->> 'filled_qty' AS reported_qty,
    coalesce(e.last_broker_json ->> 'filled_avg_price', e.last_broker_json ->> 'avg_fill_price') AS reported_price,
    e.order_feed_last_event_ts AS reported_at, reports.executed_qty::text AS executed_qty, reports.executed_at, reports.corrected_at,
    booked.qty::text AS booked_qty, booked.notional::text AS booked_notional
  FROM executions e
  CROSS JOIN LATERAL (
    SELECT sum(qty) FILTER (WHERE corrects_execution_id IS NULL) AS executed_qty,
      max(event_ts) FILTER (WHERE corrects_execution_id IS NULL) AS executed_at,
      -- A row that was changed under its old id keeps the time of the trade, so it counts from when it was read.
      max(CASE WHEN substring(broker_execution_id FROM '[^:]*$') LIKE corrects_execution_id || '#%' THEN received_at ELSE event_ts END)
        FILTER (WHERE corrects_execution_id IS NOT NULL) AS corrected_at
      FROM execution_order_events WHERE execution_id = e.id AND event_type IN ${executionEvents}) reports
  CROSS JOIN LATERAL (SELECT sum(qty) AS qty, sum(qty * price) AS notional FROM booked_fills WHERE execution_id = e.id) booked
  WHERE e.id = $1 AND e.account_label = $2 FOR UPDATE OF e`;

const amount = (text: string | null): Decimal => (text !== null && isDecimalText(text) ? decimal(text) : zero);
const price = (text: string | null): Decimal | null => (text !== null && isDecimalText(text) ? decimal(text) : null);
const sameAmount = (a: Decimal | null, b: Decimal | null): boolean => (a === null || b === null ? a === b : a.eq(b));

const reportedOf = (row: ProgressRow, word: BrokerOrder | null): ReportedFilled => {
  if (word !== null) return { qty: word.filledQty, averagePrice: word.filledAvgPrice, at: word.updatedAt };
  // A row from before the broker's words were kept knows what it had filled, and no more.
  if (row.reported_qty === null)
    return { qty: amount(row.filled_qty), averagePrice: price(row.avg_fill_price), at: row.reported_at };
  return { qty: amount(row.reported_qty), averagePrice: price(row.reported_price), at: row.reported_at };
};

const findings = (
  executionId: string,
  row: ProgressRow,
  { state, filledQty }: OrderProgress,
): Readonly<Record<'late' | 'overfill', FoundBreak>> => {
  const filled = decimalText(filledQty);
  const common = { symbol: row.symbol, orderRef: row.alpaca_order_id };
  return {
    late: {
      ...common,
      type: 'late_fill',
      identity: { execution: executionId, filled },
      ours: { state: row.state, filled_qty: decimalText(decimal(row.filled_qty)) },
      theirs: { state, filled_qty: filled },
      healed: true,
    },
    overfill: {
      ...common,
      type: 'overfill',
      identity: { order: row.alpaca_order_id, filled },
      ours: { submitted_qty: decimalText(decimal(row.submitted_qty)) },
      theirs: { filled_qty: filled },
      healed: false,
    },
  };
};

export interface SettledProgress {
  readonly result: 'applied' | 'unchanged' | 'illegal';
  readonly late: boolean;
}

/**
 * Brings an execution to where the broker's last word and its booked executions put it. `word` is null when executions were
 * booked. What the state machine refuses is recorded and changes nothing.
 */
export const settleProgress = async (
  transaction: OrderTransaction,
  executionId: string,
  word: BrokerOrder | null,
): Promise<SettledProgress> => {
  const { client, account, now } = transaction;
  const standing = await client.query<ProgressRow>(progressStatement, [executionId, account]);
  const [row] = standing.rows;
  if (row === undefined) throw new Error(`expected execution ${executionId} of account ${account}, found none`);
  const unchanged: SettledProgress = { result: 'unchanged', late: false };
  const wordAt = word?.updatedAt ?? null;
  if (wordAt !== null && row.reported_at !== null && wordAt < row.reported_at) return unchanged;
  const meaning = word === null ? null : brokerStatusMeaning(word.status);
  if (word !== null && meaning !== null) await resolveCancels(client, account, word.id, meaning, now);

  const progress = orderProgress(
    // A word we do not know decides nothing; it is kept, so that an operator can see it.
    meaning?.state ?? row.state,
    decimal(row.submitted_qty),
    reportedOf(row, word),
    {
      executedQty: amount(row.executed_qty),
      qty: amount(row.booked_qty),
      notional: amount(row.booked_notional),
      correctedAt: row.corrected_at,
    },
  );
  const path = progressPath(row.state, progress);
  if (path === null) {
    await transaction.record({
      type: 'illegal_transition',
      symbol: row.symbol,
      orderRef: row.alpaca_order_id,
      identity: { execution: executionId, from: row.state, to: word?.status ?? progress.state },
      ours: { state: row.state },
      theirs: { status: word?.status ?? progress.state },
      healed: false,
    });
    return { result: 'illegal', late: false };
  }
  const status = word === null ? row.broker_status : word.status.slice(0, 32);
  const changed =
    path.length > 0 ||
    status !== row.broker_status ||
    !progress.filledQty.eq(decimal(row.filled_qty)) ||
    !sameAmount(progress.averagePrice, price(row.avg_fill_price));
  const newer = wordAt !== null && wordAt !== row.reported_at;
  const found = findings(executionId, row, progress);
  if (progress.overfilled) await transaction.record(found.overfill);
  if (!changed && !newer) return unchanged;
  for (const state of path.slice(0, -1))
    await client.query(`UPDATE executions SET state = $2 WHERE id = $1`, [executionId, state]);
  await client.query(
    `UPDATE executions SET state = $2, broker_status = $3, filled_qty = $4, avg_fill_price = $5, last_broker_json = coalesce($6::jsonb, last_broker_json),
       order_feed_last_event_ts = coalesce($7, order_feed_last_event_ts), last_update_at = CASE WHEN $8 THEN $9 ELSE last_update_at END WHERE id = $1`,
    [
      executionId,
      progress.state,
      status,
      decimalText(progress.filledQty),
      progress.averagePrice === null ? null : decimalText(progress.averagePrice),
      word === null ? null : JSON.stringify(word.raw),
      wordAt === null ? null : new Date(wordAt),
      changed,
      new Date(now),
    ],
  );
  if (!changed) return unchanged;
  if (progress.late) await transaction.record(found.late);
  if (row.trade_decision_id !== null) {
    const executedAt = word === null ? row.executed_at : (word.updatedAt ?? now);
    await refreshDecisionStatus(
      client,
      row.trade_decision_id,
      progress.filledQty.gt(zero) && executedAt !== null ? { executedAt: new Date(executedAt) } : {},
    );
  }
  return { result: 'applied', late: progress.late };
};
