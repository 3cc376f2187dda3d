import {
  decimalText,
  isTerminal,
  minute,
  openOrderStates,
  toText,
  tradingControls,
  type AccountLabel,
  type ControlRow,
  type ExecutionAdapter,
  type Instant,
  type IntentKind,
  type LimitValues,
  type OpenExecution,
  type OrderLedger,
  type OrderState,
  type Side,
  type Telemetry,
  type Ticker,
} from '@torghut/domain';
import { adoptReplacement, adoptStray } from './adopted-orders.ts';
import { calendarDays, calendarHorizon, saveCalendar } from './calendar-store.ts';
import { cancelReceipts } from './cancel-receipts.ts';
import { fillLedger } from './fill-ledger.ts';
import { jsonText } from './json.ts';
import { settleProgress } from './order-progress.ts';
import { orderTransactions } from './order-transactions.ts';
import type { Pool, Queryable } from './pool.ts';
import { snapshotStore } from './position-snapshots.ts';
import { unresolvedReceipts } from './unresolved-receipts.ts';

export interface OrderLedgerConfig {
  readonly account: AccountLabel;
  readonly limits: LimitValues;
  readonly telemetry: Pick<Telemetry, 'count' | 'error'>;
}

interface ExecutionRow {
  readonly id: string;
  readonly client_order_id: string | null;
  readonly alpaca_order_id: string;
  readonly symbol: Ticker;
  readonly state: OrderState;
  readonly execution_actual_adapter: ExecutionAdapter;
  readonly side: Side;
  readonly intent: IntentKind | null;
  readonly sent_at: Instant;
  readonly cancel_requests: number;
  readonly cancel_first_at: Instant | null;
}

/** Executions with what following them needs; the rest of a statement begins with WHERE. */
const executionColumns = `SELECT e.id, e.client_order_id, e.alpaca_order_id, e.symbol, e.state, e.execution_actual_adapter, e.side, d.intent, sent.at AS sent_at,
    cancels.requests AS cancel_requests, cancels.first_at AS cancel_first_at
  FROM executions e LEFT JOIN trade_decisions d ON d.id = e.trade_decision_id
  -- By our own clock, against which its age is measured: the broker's may differ by minutes.
  CROSS JOIN LATERAL (SELECT coalesce(max(io_at), e.submitted_at) AS at FROM broker_receipts s
     WHERE s.account_label = e.account_label AND s.operation = 'submit' AND s.client_order_id = e.client_order_id) sent
  -- One request may have gone to both adapters.
  CROSS JOIN LATERAL (SELECT coalesce(max(asked), 0) AS requests, min(first_at) AS first_at FROM (
    SELECT count(*) AS asked, min(io_at) AS first_at FROM broker_receipts r
     WHERE r.account_label = e.account_label AND r.operation = 'cancel' AND r.broker_order_id = e.alpaca_order_id
       AND r.outcome IS DISTINCT FROM 'not_found' GROUP BY r.adapter) AS at_adapter) cancels`;

const openExecution = (row: ExecutionRow): OpenExecution => ({
  id: row.id,
  clientOrderId: row.client_order_id,
  brokerOrderId: row.alpaca_order_id,
  symbol: row.symbol,
  state: row.state,
  adapter: row.execution_actual_adapter,
  intent: row.intent ?? (row.side === 'buy' ? 'entry' : 'exit'),
  sentAt: row.sent_at,
  cancels: { requests: row.cancel_requests, firstAt: row.cancel_first_at },
});

const stateOf = async (client: Queryable, executionId: string): Promise<OrderState | null> => {
  const current = await client.query<{ state: OrderState }>(`SELECT state FROM executions WHERE id = $1`, [
    executionId,
  ]);
  return current.rows[0]?.state ?? null;
};

/**
 * Following orders to their end, in Postgres. Most looks find nothing to do, and to know that takes no lock: what is
 * committed is seen, and what is found is read again under the lock.
 */
export const postgresOrderLedger = (pool: Pool, { account, limits, telemetry }: OrderLedgerConfig): OrderLedger => {
  const transact = orderTransactions(pool, account, telemetry);

  return {
    ...cancelReceipts(pool, account, limits),
    ...fillLedger(pool, account, transact),
    ...unresolvedReceipts(pool, account, limits, transact),
    ...snapshotStore(pool, account),

    beginRun: async (scheduledFor, now) => {
      const result = await pool.query<{ id: string }>(
        `INSERT INTO reconciliation_runs AS run (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at)
         VALUES ($1, 'orders', $2, 'running', '{}', 0, 0, 0, $3)
         ON CONFLICT (account_label, scope, scheduled_for) DO UPDATE SET started_at = excluded.started_at, status = 'running', finished_at = NULL
           WHERE run.status <> 'completed'
         RETURNING id`,
        [account, new Date(scheduledFor), new Date(now)],
      );
      return result.rows[0]?.id ?? null;
    },

    finishRun: async (runId, { sources, checked, completed }, now) => {
      await pool.query(
        `UPDATE reconciliation_runs AS run SET status = $2, sources = $3, checked = $4, breaks = found.breaks, healed = found.healed, finished_at = $5
           FROM (SELECT count(*)::int AS breaks, count(*) FILTER (WHERE status = 'healed')::int AS healed
                   FROM reconciliation_breaks WHERE run_id = $1) AS found
          WHERE run.id = $1`,
        [runId, completed ? 'completed' : 'failed', jsonText(sources), checked, new Date(now)],
      );
    },

    lastCompletedRunAt: async () => {
      const result = await pool.query<{ finished_at: Instant | null }>(
        `SELECT finished_at FROM reconciliation_runs WHERE account_label = $1 AND scope = 'orders' AND status = 'completed'
          ORDER BY scheduled_for DESC LIMIT 1`,
        [account],
      );
      return result.rows[0]?.finished_at ?? null;
    },

    isStopped: async () => {
      const result = await pool.query<ControlRow>(
        `SELECT control, engaged, value FROM trading_controls WHERE account_label = $1 AND superseded_at IS NULL`,
        [account],
      );
      const controls = tradingControls(result.rows);
      return !controls.readable || controls.killSwitch || controls.emergencyStop;
    },

    calendarHorizon: (from) => calendarHorizon(pool, from),
    calendarDays: (from, to) => calendarDays(pool, from, to),
    saveCalendar: (days, source, fetchedAt) => saveCalendar(pool, days, source, fetchedAt),

    openExecutions: async (now, limit, clientOrderId) => {
      const result = await pool.query<ExecutionRow>(
        `${executionColumns} WHERE e.id IN (
           SELECT id FROM executions WHERE account_label = $1 AND state = ANY($2)
           UNION ALL
           -- Somebody else may have applied the end of an order before its successor was taken in.
           SELECT id FROM executions WHERE account_label = $1 AND state = 'replaced' AND replaced_by_id IS NULL
              AND submitted_at > $6::timestamptz - interval '7 days')
           AND ($3::text IS NULL OR e.client_order_id = $3)
         -- Drawn anew each minute: orders that never change cannot keep the others from being looked at.
         ORDER BY hashtextextended(e.id::text, $5::bigint) LIMIT $4`,
        [account, openOrderStates, clientOrderId ?? null, limit, Math.floor(now / minute), new Date(now)],
      );
      return result.rows.map(openExecution);
    },

    applyOrder: (executionId, order, runId, now) =>
      transact(runId, now, async (transaction) => (await settleProgress(transaction, executionId, order)).result),

    adoptReplacement: (executionId, order, now) =>
      transact(null, now, async (transaction) => {
        await adoptReplacement(transaction, executionId, order);
        const { rows } = await transaction.client.query<ExecutionRow>(
          `${executionColumns} WHERE e.account_label = $1 AND e.alpaca_order_id = $2`,
          [account, order.id],
        );
        const [row] = rows;
        if (row === undefined) throw new Error(`expected the replacement ${order.id}, found none`);
        return openExecution(row);
      }),

    unlinkedOrders: async (now, limit) => {
      const result = await pool.query<{ id: string }>(
        `SELECT alpaca_order_id AS id FROM execution_order_events
          WHERE account_label = $1 AND execution_id IS NULL AND event_ts > $2::timestamptz - interval '1 day' AND event_type IN ('fill', 'partial_fill')
          GROUP BY alpaca_order_id ORDER BY max(event_ts) DESC LIMIT $3`,
        [account, new Date(now), limit],
      );
      return result.rows.map(({ id }) => id);
    },

    adoptStrays: async (found, runId, now) => {
      const strays = await pool.query<{ id: string }>(
        `SELECT found.id FROM unnest($2::text[], $3::text[]) AS found (id, client_order_id)
          WHERE NOT EXISTS (SELECT FROM executions WHERE account_label = $1 AND alpaca_order_id = found.id)
            AND EXISTS (SELECT FROM broker_receipts WHERE account_label = $1 AND operation = 'submit' AND client_order_id = found.client_order_id
                          AND outcome = 'not_found')`,
        [account, found.map(({ id }) => id), found.map(({ clientOrderId }) => clientOrderId)],
      );
      if (strays.rowCount === 0) return 0;
      const ids = new Set(strays.rows.map(({ id }) => id));
      return transact(runId, now, async (transaction) => {
        let adopted = 0;
        for (const order of found)
          if (ids.has(order.id) && (await adoptStray(transaction, order, telemetry))) adopted += 1;
        return adopted;
      });
    },

    recordMissing: (execution, runId, now) =>
      transact(runId, now, async ({ client, record }) => {
        const state = await stateOf(client, execution.id);
        if (state === null || isTerminal(state)) return;
        await record({
          type: 'order_missing_at_broker',
          symbol: execution.symbol,
          orderRef: execution.brokerOrderId,
          identity: { execution: execution.id },
          ours: { state },
          theirs: { status: 'absent' },
          healed: false,
        });
      }),

    recordForeign: (order, difference, now) =>
      transact(null, now, ({ record }) =>
        record({
          type: 'external_order',
          symbol: order.symbol,
          orderRef: order.id,
          identity: { order: order.id },
          ours: { difference },
          theirs: {
            client_order_id: order.clientOrderId,
            side: order.side,
            qty: decimalText(order.qty),
            filled_qty: decimalText(order.filledQty),
            status: order.status,
            replaces: order.replaces,
          },
          healed: false,
        }),
      ),

    recordStuckCancel: (execution, since, runId, now) =>
      transact(runId, now, async ({ client, record }) => {
        const state = await stateOf(client, execution.id);
        if (state === null || isTerminal(state)) return;
        await record({
          type: 'stuck_pending_cancel',
          symbol: execution.symbol,
          orderRef: execution.brokerOrderId,
          identity: { execution: execution.id, since: toText(since) },
          ours: { execution: execution.id, state, cancel_requested_at: toText(since) },
          theirs: { status: 'pending_cancel' },
          healed: false,
        });
      }),
  };
};
