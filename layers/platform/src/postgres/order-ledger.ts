import {
  brokerStatusMeaning,
  canTransition,
  decimal,
  decimalText,
  executionGroup,
  executionRequestSchema,
  followUpJson,
  hashJson,
  isTerminal,
  minute,
  newYorkDate,
  openOrderStates,
  second,
  sha256,
  transactionCost,
  zero,
  type AccountLabel,
  type BrokerStatusMeaning,
  type CancelOutcome,
  type ExecutionAdapter,
  type FillActivity,
  type FirstFill,
  type Instant,
  type IntentKind,
  type LimitValues,
  type OpenExecution,
  type OrderLedger,
  type OrderState,
  type ReceiptOutcome,
  type Side,
  type Telemetry,
  type Ticker,
  type UnresolvedReceipt,
} from '@torghut/domain';
import { calendarHorizon, saveCalendar } from './calendar-store.ts';
import { refreshDecisionStatus } from './decision-status.ts';
import { lockAccount } from './execution-ledger.ts';
import { jsonText } from './json.ts';
import { addToOutbox } from './outbox-store.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';

export interface OrderLedgerConfig {
  readonly account: AccountLabel;
  readonly limits: LimitValues;
  readonly telemetry: Pick<Telemetry, 'count'>;
}

/** What becomes of each kind of break that following orders finds. A late fill is applied as it is found. */
const breakHandling = {
  illegal_transition: { severity: 'warn', healPolicy: 'operator', healed: false },
  order_missing_at_broker: { severity: 'critical', healPolicy: 'none', healed: false },
  late_fill: { severity: 'info', healPolicy: 'apply_by_execution_id', healed: true },
} as const;

type BreakType = keyof typeof breakHandling;

interface FoundBreak {
  readonly type: BreakType;
  readonly symbol: string;
  readonly orderId: string;
  /** What makes it the same finding when it is met again. */
  readonly identity: Readonly<Record<string, string>>;
  readonly ours: Readonly<Record<string, string>>;
  readonly theirs: Readonly<Record<string, string>>;
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
  readonly submitted_at: Instant;
}

/**
 * Following orders to their end, in Postgres. Most looks find nothing to do, and to know that takes no lock: what is
 * committed is seen, and what is found is read again under the lock.
 */
export const postgresOrderLedger = (pool: Pool, { account, limits, telemetry }: OrderLedgerConfig): OrderLedger => {
  const nothing = async (select: string, values: readonly unknown[]): Promise<boolean> =>
    (await pool.query(`${select} LIMIT 1`, [...values])).rowCount === 0;

  /** Runs work under the account's lock; the breaks it wrote are counted once they are committed. */
  const locked = async <T>(work: (client: Queryable, breaks: BreakType[]) => Promise<T>): Promise<T> => {
    const breaks: BreakType[] = [];
    const result = await inTransaction(pool, async (client) => {
      await lockAccount(client, account);
      return work(client, breaks);
    });
    for (const type of breaks) telemetry.count('reconciliation_breaks_total', 1, { type });
    return result;
  };

  /** Writes a break once: while it is open, the same finding is not written again. Only a run can hold breaks. */
  const recordBreak = async (
    client: Queryable,
    breaks: BreakType[],
    runId: string,
    found: FoundBreak,
    now: Instant,
  ): Promise<void> => {
    const { severity, healPolicy, healed } = breakHandling[found.type];
    const written = await client.query(
      `INSERT INTO reconciliation_breaks (run_id, account_label, break_type, symbol, order_ref, ours, theirs, tolerance, severity,
         heal_policy, status, dedup_key, healed_at, heal_proof)
       SELECT $1::uuid, $2::text, $3, $4, $5::text, $6::jsonb, $7::jsonb, '{}', $8, $9, $10, $11::char(64), $12::timestamptz, $13::jsonb
        WHERE NOT EXISTS (SELECT FROM reconciliation_breaks WHERE account_label = $2::text AND dedup_key = $11::char(64) AND status = 'open')`,
      [
        runId,
        account,
        found.type,
        found.symbol,
        found.orderId,
        jsonText(found.ours),
        jsonText(found.theirs),
        severity,
        healPolicy,
        healed ? 'healed' : 'open',
        hashJson({ account, type: found.type, ...found.identity }),
        healed ? new Date(now) : null,
        healed ? jsonText(found.theirs) : null,
      ],
    );
    if (written.rowCount === 1) breaks.push(found.type);
  };

  /**
   * Settles requests to cancel whose answer never came by what the broker says of the order now. A worker that still waits
   * for its answer keeps its request, unless the order has ended.
   */
  const resolveCancels = async (
    client: Queryable,
    orderId: string,
    meaning: BrokerStatusMeaning,
    now: Instant,
  ): Promise<void> => {
    const outcome: ReceiptOutcome = meaning.terminal
      ? 'already_satisfied'
      : meaning.state === 'pending_cancel'
        ? 'acknowledged'
        : 'not_found';
    await client.query(
      `UPDATE broker_receipts SET state = 'settled', outcome = $3, settled_at = coalesce(settled_at, $4), resolved_at = $4,
         outcome_codes = CASE state WHEN 'io' THEN array_append(outcome_codes, adapter || '_cancel_order_timeout') ELSE outcome_codes END
       WHERE account_label = $1 AND operation = 'cancel' AND broker_order_id = $2
         AND (outcome = 'unknown' OR (state = 'io' AND ($5 OR lease_expires_at <= $4)))`,
      [account, orderId, outcome, new Date(now), meaning.terminal],
    );
  };

  const applyOrder: OrderLedger['applyOrder'] = (executionId, order, runId, now) =>
    locked(async (client, breaks) => {
      const found = await client.query<{
        id: string;
        trade_decision_id: string | null;
        symbol: string;
        state: OrderState;
        filled_qty: string;
        broker_status: string | null;
      }>(
        `SELECT id, trade_decision_id, symbol, state, filled_qty, broker_status FROM executions WHERE id = $1 AND account_label = $2 FOR UPDATE`,
        [executionId, account],
      );
      const [row] = found.rows;
      if (row === undefined) throw new Error(`expected execution ${executionId} of account ${account}, found none`);
      const meaning = brokerStatusMeaning(order.status);
      if (meaning !== null) await resolveCancels(client, order.id, meaning, now);
      // A word we do not know decides nothing; it is kept, so that an operator can see it.
      const state = meaning?.state ?? row.state;
      const filled = decimal(row.filled_qty);
      const filledQty = order.filledQty.gt(filled) ? order.filledQty : filled;
      if (state === row.state && filledQty.eq(filled) && row.broker_status === order.status.slice(0, 32))
        return 'unchanged';
      if (state !== row.state && !canTransition(row.state, state)) {
        // A follow-up has no run of its own; the next scheduled run meets the same order and records it.
        if (runId !== null) {
          await recordBreak(
            client,
            breaks,
            runId,
            {
              type: 'illegal_transition',
              symbol: row.symbol,
              orderId: order.id,
              identity: { execution: row.id, from: row.state, to: order.status },
              ours: { state: row.state },
              theirs: { status: order.status },
            },
            now,
          );
        }
        return 'illegal';
      }
      await client.query(
        `UPDATE executions SET state = $2, broker_status = $3, filled_qty = $4, avg_fill_price = coalesce($5, avg_fill_price),
           last_broker_json = $6, last_update_at = $7 WHERE id = $1`,
        [
          executionId,
          state,
          order.status.slice(0, 32),
          decimalText(filledQty),
          // A read that is behind the booked fills does not know their average either.
          order.filledAvgPrice === null || order.filledQty.lt(filled) ? null : decimalText(order.filledAvgPrice),
          JSON.stringify(order.raw),
          new Date(now),
        ],
      );
      if (row.trade_decision_id !== null) {
        await refreshDecisionStatus(
          client,
          row.trade_decision_id,
          filledQty.gt(zero) ? { executedAt: new Date(order.updatedAt ?? now) } : {},
        );
      }
      return 'applied';
    });

  const takeUnresolved: OrderLedger['takeUnresolved'] = async (now, limit, clientOrderId) => {
    const due = `account_label = $1 AND operation = 'submit' AND ($3::text IS NULL OR client_order_id = $3)
      AND ((state = 'io' AND lease_expires_at <= $2) OR (outcome = 'unknown' AND next_check_at <= $2))`;
    const values = [account, new Date(now), clientOrderId ?? null];
    if (await nothing(`SELECT FROM broker_receipts WHERE ${due}`, values)) return { receipts: [], unreadable: [] };
    return inTransaction(pool, async (client) => {
      await lockAccount(client, account);
      const taken = await client.query<{
        id: string;
        adapter: ExecutionAdapter;
        fencing_token: number;
        request_json: unknown;
        io_at: Instant | null;
        claimed_at: Instant;
        check_count: number;
        outcome_codes: readonly string[];
      }>(
        `UPDATE broker_receipts SET fencing_token = next_fencing_token(), lease_expires_at = $4
          WHERE id IN (SELECT id FROM broker_receipts WHERE ${due} ORDER BY lease_expires_at, claimed_at LIMIT $5)
          RETURNING id, adapter, fencing_token, request_json, io_at, claimed_at, check_count, outcome_codes`,
        [...values, new Date(now + limits.receiptLeaseSeconds * second), limit],
      );
      const receipts: UnresolvedReceipt[] = [];
      const unreadable: { receiptId: string; detail: string }[] = [];
      for (const row of taken.rows) {
        const request = executionRequestSchema.safeParse(row.request_json);
        if (!request.success) {
          unreadable.push({ receiptId: row.id, detail: request.error.message });
          continue;
        }
        receipts.push({
          permit: {
            receiptId: row.id,
            fencingToken: row.fencing_token,
            correlationId: `torghut-${row.id.replaceAll('-', '').slice(0, 20)}`,
          },
          adapter: row.adapter,
          request: request.data,
          sentAt: row.io_at ?? row.claimed_at,
          codes: row.outcome_codes,
          checks: row.check_count,
        });
      }
      return { receipts, unreadable };
    });
  };

  /**
   * Raises what an execution has filled to the sum of its booked fills. While it is open, its state is the broker's to tell;
   * one that ended is not read any more, so its late fill decides. Whether it was late is returned.
   */
  const raiseFilled = async (
    client: Queryable,
    breaks: BreakType[],
    executionId: string,
    runId: string,
    now: Instant,
  ): Promise<boolean> => {
    const found = await client.query<{
      trade_decision_id: string | null;
      alpaca_order_id: string;
      symbol: string;
      state: OrderState;
      submitted_qty: string;
      filled_qty: string;
      booked_qty: string;
      notional: string;
      last_fill_at: Instant;
    }>(
      `SELECT e.trade_decision_id, e.alpaca_order_id, e.symbol, e.state, e.submitted_qty, e.filled_qty, f.qty::text AS booked_qty,
         f.notional::text AS notional, f.last_at AS last_fill_at
       FROM executions e
       JOIN LATERAL (SELECT sum(qty) AS qty, sum(qty * price) AS notional, max(event_ts) AS last_at
                       FROM execution_order_events WHERE execution_id = e.id AND event_type IN ('fill', 'partial_fill')) f ON f.qty > e.filled_qty
       WHERE e.id = $1 FOR UPDATE OF e`,
      [executionId],
    );
    const [row] = found.rows;
    if (row === undefined) return false;
    const booked = decimal(row.booked_qty);
    const late = isTerminal(row.state);
    const reached = booked.gte(decimal(row.submitted_qty)) ? 'filled' : 'partially_filled';
    const state = late && canTransition(row.state, reached) ? reached : row.state;
    await client.query(
      `UPDATE executions SET state = $2, filled_qty = $3, avg_fill_price = $4, last_update_at = $5 WHERE id = $1`,
      [
        executionId,
        state,
        decimalText(booked),
        decimalText(decimal(row.notional).div(booked).round(8, 1)),
        new Date(now),
      ],
    );
    if (row.trade_decision_id !== null)
      await refreshDecisionStatus(client, row.trade_decision_id, { executedAt: new Date(row.last_fill_at) });
    if (!late) return false;
    await recordBreak(
      client,
      breaks,
      runId,
      {
        type: 'late_fill',
        symbol: row.symbol,
        orderId: row.alpaca_order_id,
        identity: { execution: executionId, filled: decimalText(booked) },
        ours: { state: row.state, filled_qty: decimalText(decimal(row.filled_qty)) },
        theirs: { state, filled_qty: decimalText(booked) },
      },
      now,
    );
    return true;
  };

  /**
   * Cost analysis of an order, from its fills so far. Without a reference price there is none. Returns how long the first
   * fill took when this is the first analysis.
   */
  const analyseCost = async (client: Queryable, executionId: string, now: Instant): Promise<FirstFill | null> => {
    const found = await client.query<{
      trade_decision_id: string;
      strategy_pk: string;
      symbol: string;
      side: Side;
      filled_qty: string;
      notional: string;
      arrival_price: string | null;
      expected_bps: string | null;
      prior_qty: string | null;
      decided_at: Instant;
      submitted_at: Instant;
      first_fill_at: Instant;
      adapter: ExecutionAdapter;
    }>(
      `SELECT e.trade_decision_id, e.execution_actual_adapter AS adapter, d.strategy_pk, e.symbol, e.side, f.qty::text AS filled_qty, f.notional::text AS notional,
         d.reference_price::text AS arrival_price, d.decision_json #>> '{impact,estimate_bps}' AS expected_bps, d.window_start + interval '1 minute' AS decided_at,
         e.submitted_at, f.first_at AS first_fill_at,
         (SELECT sum(CASE o.side WHEN 'buy' THEN v.qty ELSE -v.qty END)::text
            FROM execution_order_events v JOIN executions o ON o.id = v.execution_id JOIN trade_decisions p ON p.id = o.trade_decision_id
           WHERE v.account_label = e.account_label AND v.symbol = e.symbol AND v.event_type IN ('fill', 'partial_fill')
             AND p.strategy_pk = d.strategy_pk AND v.event_ts < f.first_at AND o.id <> e.id) AS prior_qty
       FROM executions e JOIN trade_decisions d ON d.id = e.trade_decision_id
       JOIN LATERAL (SELECT sum(qty) AS qty, sum(qty * price) AS notional, min(event_ts) AS first_at
                       FROM execution_order_events WHERE execution_id = e.id AND event_type IN ('fill', 'partial_fill')) f ON f.qty > 0
       WHERE e.id = $1`,
      [executionId],
    );
    const [row] = found.rows;
    if (row === undefined || row.arrival_price === null) return null;
    const decisionToFillMs = row.first_fill_at - row.decided_at;
    const filledQty = decimal(row.filled_qty);
    const average = decimal(row.notional).div(filledQty).round(8, 1);
    const modelled = row.expected_bps === null ? null : decimal(row.expected_bps);
    const cost = transactionCost({
      side: row.side,
      arrivalPrice: decimal(row.arrival_price),
      averageFillPrice: average,
      filledQty,
      modelledBps: modelled,
      priorSignedQty: decimal(row.prior_qty ?? '0'),
    });
    const { rows } = await client.query<{ is_first: boolean }>(
      `INSERT INTO execution_tca_metrics AS known (execution_id, trade_decision_id, strategy_pk, account_label, symbol, side, arrival_price,
         arrival_source, avg_fill_price, filled_qty, signed_qty, slippage_bps, expected_slippage_bps, divergence_bps, shortfall_notional,
         churn_qty, churn_ratio, decision_to_ack_ms, decision_to_fill_ms, computed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'trade_decisions.reference_price', $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
       ON CONFLICT (execution_id) DO UPDATE SET avg_fill_price = excluded.avg_fill_price, filled_qty = excluded.filled_qty,
         signed_qty = excluded.signed_qty, slippage_bps = excluded.slippage_bps, divergence_bps = excluded.divergence_bps,
         shortfall_notional = excluded.shortfall_notional, churn_qty = excluded.churn_qty, churn_ratio = excluded.churn_ratio,
         decision_to_fill_ms = excluded.decision_to_fill_ms, computed_at = excluded.computed_at
       RETURNING xmax = 0 AS is_first`,
      [
        executionId,
        row.trade_decision_id,
        row.strategy_pk,
        account,
        row.symbol,
        row.side,
        row.arrival_price,
        decimalText(average),
        decimalText(filledQty),
        decimalText(cost.signedQty),
        decimalText(cost.slippageBps),
        row.expected_bps,
        cost.divergenceBps === null ? null : decimalText(cost.divergenceBps),
        decimalText(cost.shortfallNotional),
        decimalText(cost.churnQty),
        decimalText(cost.churnRatio),
        row.submitted_at - row.decided_at,
        decisionToFillMs,
        new Date(now),
      ],
    );
    return rows[0]?.is_first === true ? { adapter: row.adapter, decisionToFillMs } : null;
  };

  return {
    applyOrder,
    takeUnresolved,

    beginRun: async (scheduledFor, now) => {
      const result = await pool.query<{ id: string; status: string }>(
        `INSERT INTO reconciliation_runs AS run (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at)
         VALUES ($1, 'orders', $2, 'running', '{}', 0, 0, 0, $3)
         ON CONFLICT (account_label, scope, scheduled_for) DO UPDATE SET started_at = excluded.started_at, status = 'running'
           WHERE run.status <> 'completed'
         RETURNING id, status`,
        [account, new Date(scheduledFor), new Date(now)],
      );
      return result.rows[0]?.id ?? null;
    },

    finishRun: async (runId, { sources, checked, breaks, completed }, now) => {
      await pool.query(
        `UPDATE reconciliation_runs SET status = $2, sources = $3, checked = $4, breaks = $5, finished_at = $6,
           healed = (SELECT count(*) FROM reconciliation_breaks WHERE run_id = $1 AND status = 'healed')
         WHERE id = $1`,
        [runId, completed ? 'completed' : 'failed', jsonText(sources), checked, breaks, new Date(now)],
      );
    },

    calendarHorizon: (from) => calendarHorizon(pool, from),
    saveCalendar: (days, source, fetchedAt) => saveCalendar(pool, days, source, fetchedAt),

    saveSnapshot: async (broker, positions, asOf) => {
      const values = [
        account,
        new Date(asOf),
        newYorkDate(asOf),
        decimalText(broker.equity),
        decimalText(broker.cash),
        decimalText(broker.buyingPower),
        decimalText(broker.longMarketValue),
        decimalText(broker.shortMarketValue),
        decimalText(broker.maintenanceMargin),
        broker.shortingEnabled,
        jsonText(
          positions.map((position) => ({
            symbol: position.symbol,
            qty: position.qty,
            qty_available: position.qtyAvailable,
            avg_entry_price: position.avgEntryPrice,
            market_value: position.marketValue,
            current_price: position.currentPrice,
          })),
        ),
      ];
      await pool.query(
        `INSERT INTO position_snapshots (account_label, as_of, session_date, equity, cash, buying_power, long_market_value,
           short_market_value, maintenance_margin, shorting_enabled, positions, complete, source, kind)
         SELECT $1, $2::timestamptz, $3::date, $4::numeric, $5::numeric, $6::numeric, $7::numeric, $8::numeric, $9::numeric, $10::boolean,
           $11::jsonb, true, 'alpaca', kind FROM unnest('{cycle,day_start}'::text[]) AS kind
         ON CONFLICT (account_label, session_date) WHERE kind = 'day_start' DO NOTHING`,
        values,
      );
    },

    recheckLater: (receipt, absent, nextCheckAt) =>
      inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        const result = await client.query(
          `UPDATE broker_receipts SET next_check_at = $3, check_count = check_count + $4,
             state = 'settled', outcome = 'unknown', settled_at = coalesce(settled_at, lease_expires_at)
           WHERE id = $1 AND fencing_token = $2 AND (state = 'io' OR outcome = 'unknown')`,
          [receipt.permit.receiptId, receipt.permit.fencingToken, new Date(nextCheckAt), absent ? 1 : 0],
        );
        if (result.rowCount !== 1) return;
        const { request, permit } = receipt;
        await addToOutbox(client, [
          {
            topic: 'followUp',
            groupKey: executionGroup(request),
            // Every look takes the receipt under a token of its own, so the token numbers the looks.
            dedupId: `unknown_outcome:${permit.receiptId}:${permit.fencingToken}`,
            payload: followUpJson({
              accountLabel: account,
              clientOrderId: request.order.clientOrderId,
              reason: 'unknown_outcome',
            }),
            availableAt: nextCheckAt,
          },
        ]);
        await refreshDecisionStatus(client, request.tradeDecisionId);
      }),

    recordMissing: (execution, runId, now) =>
      locked(async (client, breaks) => {
        const current = await client.query<{ state: OrderState }>(`SELECT state FROM executions WHERE id = $1`, [
          execution.id,
        ]);
        const state = current.rows[0]?.state;
        if (state === undefined || isTerminal(state)) return;
        await recordBreak(
          client,
          breaks,
          runId,
          {
            type: 'order_missing_at_broker',
            symbol: execution.symbol,
            orderId: execution.brokerOrderId,
            identity: { execution: execution.id },
            ours: { state },
            theirs: { status: 'absent' },
          },
          now,
        );
      }),

    openExecutions: async (now, limit, clientOrderId) => {
      const result = await pool.query<ExecutionRow>(
        `SELECT e.id, e.client_order_id, e.alpaca_order_id, e.symbol, e.state, e.execution_actual_adapter, e.side, d.intent, e.submitted_at
           FROM executions e LEFT JOIN trade_decisions d ON d.id = e.trade_decision_id
          WHERE e.account_label = $1 AND e.state = ANY($2) AND ($3::text IS NULL OR e.client_order_id = $3)
          -- Drawn anew each minute: orders that never change cannot keep the others from being looked at.
          ORDER BY hashtextextended(e.id::text, $5::bigint) LIMIT $4`,
        [account, openOrderStates, clientOrderId ?? null, limit, Math.floor(now / minute)],
      );
      return result.rows.map((row): OpenExecution => ({
        id: row.id,
        clientOrderId: row.client_order_id,
        brokerOrderId: row.alpaca_order_id,
        symbol: row.symbol,
        state: row.state,
        adapter: row.execution_actual_adapter,
        intent: row.intent ?? (row.side === 'buy' ? 'entry' : 'exit'),
        submittedAt: row.submitted_at,
      }));
    },

    claimCancel: (execution, now) =>
      inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        const row = await client.query<{
          state: OrderState;
          symbol: Ticker;
          attempt: number;
          trade_decision_id: string | null;
        }>(`SELECT state, symbol, attempt, trade_decision_id FROM executions WHERE id = $1`, [execution.id]);
        const [current] = row.rows;
        if (current === undefined || isTerminal(current.state)) return null;
        const body = { operation: 'cancel', broker_order_id: execution.brokerOrderId };
        const receipt = await client.query<{ id: string; fencing_token: number }>(
          `INSERT INTO broker_receipts (account_label, operation, trade_decision_id, client_order_id, attempt, adapter, symbol, request_sha256,
             request_json, state, outcome_codes, broker_order_id, fencing_token, lease_expires_at, claimed_at, io_at, check_count, control_snapshot)
           SELECT $1::text, 'cancel', $2::uuid, $3, $4::int, $5, $6, $7::char(64), $8::jsonb, 'io', '{}', $9::text, next_fencing_token(), $10::timestamptz, $11::timestamptz, $11::timestamptz, 0, '{}'
            WHERE NOT EXISTS (SELECT FROM broker_receipts WHERE account_label = $1::text AND operation = 'cancel' AND broker_order_id = $9::text
                                AND state <> 'settled' AND lease_expires_at > $11::timestamptz)
           RETURNING id, fencing_token`,
          [
            account,
            current.trade_decision_id,
            execution.clientOrderId,
            current.attempt,
            execution.adapter,
            current.symbol,
            sha256(JSON.stringify(body)),
            jsonText(body),
            execution.brokerOrderId,
            new Date(now + limits.receiptLeaseSeconds * second),
            new Date(now),
          ],
        );
        const [claimed] = receipt.rows;
        if (claimed === undefined) return null;
        return {
          receiptId: claimed.id,
          fencingToken: claimed.fencing_token,
          correlationId: `torghut-${claimed.id.replaceAll('-', '').slice(0, 20)}`,
        };
      }),

    settleCancel: async (permit, outcome: CancelOutcome, execution, now) => {
      const settled = { requested: 'acknowledged', already_terminal: 'already_satisfied', unknown: 'unknown' } as const;
      const codes = outcome.kind === 'unknown' ? [`${execution.adapter}_cancel_order_${outcome.failure}`] : [];
      await inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        await client.query(
          `UPDATE broker_receipts SET state = 'settled', outcome = $3, outcome_codes = $4, http_status = $5, x_request_id = $6, settled_at = $7 WHERE id = $1 AND fencing_token = $2 AND state = 'io'`,
          [
            permit.receiptId,
            permit.fencingToken,
            settled[outcome.kind],
            codes,
            outcome.exchange.status,
            outcome.exchange.requestId,
            new Date(now),
          ],
        );
        // The request was accepted; whether the order ends or fills first is read back.
        if (outcome.kind === 'requested') {
          await client.query(
            `UPDATE executions SET state = 'pending_cancel', last_update_at = $2 WHERE id = $1 AND state IN ('acknowledged', 'working', 'partially_filled')`,
            [execution.id, new Date(now)],
          );
        }
      });
    },

    lastFillAt: async () => {
      const result = await pool.query<{ at: Instant | null }>(
        `SELECT max(activity_ts) AS at FROM account_activities WHERE account_label = $1 AND activity_type = 'FILL'`,
        [account],
      );
      return result.rows[0]?.at ?? null;
    },

    bookFills: async (fills: readonly FillActivity[], runId, now) => {
      const rows = fills.map((fill) => ({
        activity_id: fill.id,
        fingerprint: sha256(`${account}:activities:${fill.id}`),
        order_id: fill.orderId,
        symbol: fill.symbol,
        side: fill.side,
        qty: decimalText(fill.qty),
        price: decimalText(fill.price),
        cum_qty: decimalText(fill.cumQty),
        leaves_qty: decimalText(fill.leavesQty),
        at: new Date(fill.transactionTime).toISOString(),
        event_type: fill.leavesQty.eq(zero) ? 'fill' : 'partial_fill',
        raw: fill.raw,
      }));
      // Fills are read again for a while after they happened, so most are known.
      const news = `SELECT FROM unnest($2::char(64)[]) AS reported (fingerprint) WHERE NOT EXISTS (
          SELECT FROM execution_order_events WHERE account_label = $1 AND event_fingerprint = reported.fingerprint)
        UNION ALL
        SELECT FROM execution_order_events v JOIN executions e ON e.account_label = $1 AND e.alpaca_order_id = v.alpaca_order_id
         WHERE v.account_label = $1 AND v.execution_id IS NULL`;
      if (fills.length === 0 || (await nothing(news, [account, rows.map(({ fingerprint }) => fingerprint)])))
        return { booked: 0, duplicate: fills.length, late: 0, outOfOrder: 0, firstFills: [] };
      return locked(async (client, breaks) => {
        const inserted = await client.query<{ execution_id: string | null; out_of_order: boolean }>(
          `WITH reported AS (
             SELECT * FROM jsonb_to_recordset($2::jsonb) AS r(activity_id text, fingerprint text, order_id text, symbol text, side text, qty numeric,
               price numeric, cum_qty numeric, leaves_qty numeric, at timestamptz, event_type text, raw jsonb)
           ), activities AS (
             INSERT INTO account_activities (account_label, activity_id, activity_type, activity_ts, symbol, side, qty, price, cum_qty, leaves_qty, order_id, raw)
             SELECT $1, activity_id, 'FILL', at, symbol, side, qty, price, cum_qty, leaves_qty, order_id, raw FROM reported
             ON CONFLICT DO NOTHING
           )
           INSERT INTO execution_order_events (account_label, event_fingerprint, source, broker_execution_id, event_ts, received_at, symbol,
             alpaca_order_id, client_order_id, event_type, qty, filled_qty, price, raw_event, execution_id, trade_decision_id)
           SELECT $1, r.fingerprint, 'activities', r.activity_id, r.at, $3, r.symbol, r.order_id, e.client_order_id, r.event_type, r.qty,
             r.cum_qty, r.price, r.raw, e.id, e.trade_decision_id
             FROM reported r LEFT JOIN executions e ON e.account_label = $1 AND e.alpaca_order_id = r.order_id
           -- What this statement inserts it does not see itself, so that newer events are those of earlier reports.
           ON CONFLICT DO NOTHING RETURNING execution_id, EXISTS (
             SELECT FROM execution_order_events newer
              WHERE newer.execution_id = execution_order_events.execution_id AND newer.event_ts > execution_order_events.event_ts
           ) AS out_of_order`,
          [account, jsonText(rows), new Date(now)],
        );
        // A fill may be reported before its order is known here; it is linked once it is.
        const linked = await client.query<{ execution_id: string }>(
          `UPDATE execution_order_events v SET execution_id = e.id, trade_decision_id = e.trade_decision_id
             FROM executions e WHERE v.account_label = $1 AND v.execution_id IS NULL AND e.account_label = $1 AND e.alpaca_order_id = v.alpaca_order_id
           RETURNING v.execution_id`,
          [account],
        );
        const touched = new Set(
          [...inserted.rows, ...linked.rows].flatMap(({ execution_id }) =>
            execution_id === null ? [] : [execution_id],
          ),
        );
        let late = 0;
        const firstFills: FirstFill[] = [];
        for (const executionId of touched) {
          if (await raiseFilled(client, breaks, executionId, runId, now)) late += 1;
          const firstFill = await analyseCost(client, executionId, now);
          if (firstFill !== null) firstFills.push(firstFill);
        }
        return {
          booked: inserted.rows.length,
          duplicate: fills.length - inserted.rows.length,
          late,
          outOfOrder: inserted.rows.filter(({ out_of_order: outOfOrder }) => outOfOrder).length,
          firstFills,
        };
      });
    },

    denyUnclaimed: async (now, olderThanSeconds) => {
      const select = `SELECT d.id FROM trade_decisions d
          WHERE d.account_label = $1 AND d.status IN ('planned', 'queued') AND d.expires_at < $2
            AND NOT EXISTS (SELECT FROM broker_receipts r WHERE r.trade_decision_id = d.id
                              AND (r.state = 'io' OR r.outcome = 'unknown' OR (r.state = 'claimed' AND r.lease_expires_at > $3)))`;
      // An order message expires a fixed time after its decision was made.
      const values = [
        account,
        new Date(now - (olderThanSeconds - limits.orderMessageTtlSeconds) * second),
        new Date(now),
      ];
      if (await nothing(select, values)) return 0;
      return inTransaction(pool, async (client) => {
        await lockAccount(client, account);
        const overdue = await client.query<{ id: string }>(select, values);
        for (const { id } of overdue.rows) {
          // A claim that was released and never taken up again ends with its decision.
          await client.query(
            `UPDATE broker_receipts SET state = 'settled', outcome = 'denied', settled_at = $2,
               outcome_codes = outcome_codes || '{decision_timeout_unsubmitted}'::text[]
             WHERE trade_decision_id = $1 AND operation = 'submit' AND state = 'claimed'`,
            [id, new Date(now)],
          );
          await refreshDecisionStatus(client, id, { denied: ['decision_timeout_unsubmitted'] });
        }
        return overdue.rows.length;
      });
    },
  };
};
