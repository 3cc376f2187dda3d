import {
  decimalText,
  executionIdOf,
  sha256,
  zero,
  type AccountLabel,
  type FillActivity,
  type FirstFill,
  type Instant,
  type OrderLedger,
} from '@torghut/domain';
import { analyseCost } from './cost-analysis.ts';
import { jsonText } from './json.ts';
import { executionEvents, settleProgress } from './order-progress.ts';
import type { OrderTransaction, OrderTransactions } from './order-transactions.ts';
import type { Pool } from './pool.ts';

const eventTypes = { bust: 'trade_bust', correct: 'trade_correct' } as const;
const activityStatuses = { bust: 'canceled', correct: 'correct' } as const;

/** One report as a row. A row that was changed under its old id is a report of its own. */
const reportRow = (account: AccountLabel, fill: FillActivity) => {
  const { correction } = fill;
  const key = executionIdOf(fill.id);
  const id = correction?.of === key ? `${fill.id}#${correction.kind}` : fill.id;
  return {
    activity_id: fill.source === 'activities' ? id : null,
    execution: id,
    fingerprint: sha256(
      correction === null
        ? `${account}:${fill.source}:${fill.id}`
        : `${account}:${correction.kind}:${key}:${correction.of}`,
    ),
    source: fill.source,
    corrects: correction?.of ?? null,
    activity_status: correction === null ? null : activityStatuses[correction.kind],
    order_id: fill.orderId,
    symbol: fill.symbol,
    side: fill.side,
    qty: decimalText(fill.qty),
    price: decimalText(fill.price),
    cum_qty: decimalText(fill.cumQty),
    leaves_qty: decimalText(fill.leavesQty),
    at: new Date(fill.transactionTime).toISOString(),
    event_type: correction === null ? (fill.leavesQty.eq(zero) ? 'fill' : 'partial_fill') : eventTypes[correction.kind],
    raw: fill.raw,
  };
};
type ReportRow = ReturnType<typeof reportRow>;

interface InsertedRow {
  readonly execution_id: string | null;
  readonly fingerprint: string;
  readonly symbol: string;
  readonly event_ts: Instant;
  readonly out_of_order: boolean;
}

/** What this statement inserts it does not see itself, so that newer events are those of earlier reports. */
const insertStatement = `WITH reported AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS r(activity_id text, execution text, fingerprint text, source text, corrects text, activity_status text,
      order_id text, symbol text, side text, qty numeric, price numeric, cum_qty numeric, leaves_qty numeric, at timestamptz, event_type text, raw jsonb)
  ), activities AS (
    INSERT INTO account_activities (account_label, activity_id, activity_type, status, activity_ts, symbol, side, qty, price, cum_qty, leaves_qty, order_id, raw)
    SELECT $1, activity_id, 'FILL', activity_status, at, symbol, side, qty, price, cum_qty, leaves_qty, order_id, raw FROM reported
     WHERE activity_id IS NOT NULL ON CONFLICT DO NOTHING
  )
  INSERT INTO execution_order_events (account_label, event_fingerprint, source, broker_execution_id, event_ts, received_at, symbol,
    alpaca_order_id, client_order_id, event_type, qty, filled_qty, price, raw_event, execution_id, trade_decision_id, corrects_execution_id)
  SELECT $1, r.fingerprint, r.source, r.execution, r.at, $3, r.symbol, r.order_id, e.client_order_id, r.event_type, r.qty,
    r.cum_qty, r.price, r.raw, e.id, e.trade_decision_id, r.corrects
    FROM reported r LEFT JOIN executions e ON e.account_label = $1 AND e.alpaca_order_id = r.order_id
  ON CONFLICT DO NOTHING RETURNING execution_id, event_fingerprint AS fingerprint, symbol, event_ts, EXISTS (
    SELECT FROM execution_order_events newer
     WHERE newer.execution_id = execution_order_events.execution_id AND newer.event_ts > execution_order_events.event_ts
  ) AS out_of_order`;

/** Reports are read again for a while after they happened, so most are known, by this source or by the other. */
const newsStatement = `SELECT FROM unnest($2::char(64)[], $3::text[]) AS reported (fingerprint, execution)
   WHERE NOT EXISTS (SELECT FROM execution_order_events WHERE account_label = $1 AND event_fingerprint = reported.fingerprint)
     AND NOT EXISTS (SELECT FROM execution_order_events WHERE account_label = $1 AND broker_execution_id IS NOT NULL
           AND event_type IN ${executionEvents} AND substring(broker_execution_id FROM '[^:]*$') = substring(reported.execution FROM '[^:]*$'))
  UNION ALL
  SELECT FROM execution_order_events v JOIN executions e ON e.account_label = $1 AND e.alpaca_order_id = v.alpaca_order_id
   WHERE v.account_label = $1 AND v.execution_id IS NULL
  LIMIT 1`;

const recordCorrections = async (
  transaction: OrderTransaction,
  rows: readonly ReportRow[],
  inserted: readonly InsertedRow[],
): Promise<void> => {
  const news = new Set(inserted.map(({ fingerprint }) => fingerprint));
  for (const row of rows) {
    if (row.corrects === null || !news.has(row.fingerprint)) continue;
    await transaction.record({
      type: row.event_type === 'trade_bust' ? 'trade_bust' : 'trade_correct',
      symbol: row.symbol,
      orderRef: row.order_id,
      identity: { execution: executionIdOf(row.execution) },
      ours: { execution: row.corrects },
      theirs: { execution: executionIdOf(row.execution), qty: row.qty, price: row.price, at: row.at },
      healed: false,
    });
  }
};

/** Orders of the symbols that filled later than a fill which became known only now: what they add to or turn has changed. */
const laterExecutions = async (
  { client, account }: OrderTransaction,
  inserted: readonly InsertedRow[],
  touched: ReadonlySet<string>,
): Promise<readonly string[]> => {
  if (inserted.length === 0) return [];
  const later = await client.query<{ execution_id: string }>(
    `SELECT DISTINCT execution_id FROM execution_order_events
      WHERE account_label = $1 AND event_type IN ('fill', 'partial_fill') AND event_ts > $2 AND symbol = ANY($3)
        AND execution_id IS NOT NULL AND execution_id <> ALL($4)`,
    [
      account,
      new Date(Math.min(...inserted.map(({ event_ts: at }) => at))),
      [...new Set(inserted.map(({ symbol }) => symbol))],
      [...touched],
    ],
  );
  return later.rows.map(({ execution_id: id }) => id);
};

/** Booking of executions: once per execution id, whatever source reports it and in whatever order. */
export const fillLedger = (
  pool: Pool,
  account: AccountLabel,
  transact: OrderTransactions,
): Pick<OrderLedger, 'bookFills' | 'lastFillAt'> => ({
  lastFillAt: async () => {
    const result = await pool.query<{ at: Instant | null }>(
      `SELECT max(activity_ts) AS at FROM account_activities WHERE account_label = $1 AND activity_type = 'FILL'`,
      [account],
    );
    return result.rows[0]?.at ?? null;
  },

  bookFills: async (fills, runId, now) => {
    const rows = fills.map((fill) => reportRow(account, fill));
    const known = { booked: 0, duplicate: fills.length, late: 0, outOfOrder: 0, firstFills: [] };
    if (fills.length === 0) return known;
    const values = [account, rows.map(({ fingerprint }) => fingerprint), rows.map(({ execution }) => execution)];
    if ((await pool.query(newsStatement, values)).rowCount === 0) return known;
    return transact(runId, now, async (transaction) => {
      const { client } = transaction;
      const inserted = await client.query<InsertedRow>(insertStatement, [account, jsonText(rows), new Date(now)]);
      // A fill may be reported before its order is known here; it is linked once it is.
      const linked = await client.query<{ execution_id: string }>(
        `UPDATE execution_order_events v SET execution_id = e.id, trade_decision_id = e.trade_decision_id
           FROM executions e WHERE v.account_label = $1 AND v.execution_id IS NULL AND e.account_label = $1 AND e.alpaca_order_id = v.alpaca_order_id
         RETURNING v.execution_id`,
        [account],
      );
      const touched = new Set(
        [...inserted.rows, ...linked.rows].flatMap(({ execution_id }) => (execution_id === null ? [] : [execution_id])),
      );
      let late = 0;
      const firstFills: FirstFill[] = [];
      for (const executionId of touched) {
        const progress = await settleProgress(transaction, executionId, null);
        if (progress.late) late += 1;
        const firstFill = await analyseCost(client, account, executionId, now);
        if (firstFill !== null) firstFills.push(firstFill);
      }
      for (const executionId of await laterExecutions(transaction, inserted.rows, touched))
        await analyseCost(client, account, executionId, now);
      await recordCorrections(transaction, rows, inserted.rows);
      return {
        booked: inserted.rows.length,
        duplicate: fills.length - inserted.rows.length,
        late,
        outOfOrder: inserted.rows.filter(({ out_of_order: outOfOrder }) => outOfOrder).length,
        firstFills,
      };
    });
  },
});
