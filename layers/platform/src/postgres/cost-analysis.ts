import {
  decimal,
  decimalText,
  transactionCost,
  type AccountLabel,
  type ExecutionAdapter,
  type FirstFill,
  type Instant,
  type Side,
} from '@torghut/domain';
import type { Queryable } from './pool.ts';

/**
 * Cost analysis of an order, from its fills so far. Without a reference price there is none. Returns how long the first
 * fill took when this is the first analysis.
 */
export const analyseCost = async (
  client: Queryable,
  account: AccountLabel,
  executionId: string,
  now: Instant,
): Promise<FirstFill | null> => {
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
          FROM booked_fills v JOIN executions o ON o.id = v.execution_id JOIN trade_decisions p ON p.id = o.trade_decision_id
         WHERE v.account_label = e.account_label AND v.symbol = e.symbol
           AND p.strategy_pk = d.strategy_pk AND v.executed_at < f.first_at AND o.id <> e.id) AS prior_qty
     FROM executions e JOIN trade_decisions d ON d.id = e.trade_decision_id
     JOIN LATERAL (SELECT sum(qty) AS qty, sum(qty * price) AS notional, min(executed_at) AS first_at
                     FROM booked_fills WHERE execution_id = e.id) f ON f.qty > 0
     WHERE e.id = $1`,
    [executionId],
  );
  const [row] = found.rows;
  if (row === undefined) {
    // Everything that was filled has been busted: nothing was traded, and nothing cost anything.
    await client.query(
      `UPDATE execution_tca_metrics SET filled_qty = 0, signed_qty = 0, slippage_bps = 0, divergence_bps = NULL, shortfall_notional = 0,
         churn_qty = 0, churn_ratio = 0, computed_at = $2 WHERE execution_id = $1`,
      [executionId, new Date(now)],
    );
    return null;
  }
  if (row.arrival_price === null) return null;
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
