import type { DecisionStatus, Hash, OrderState, Side } from '@torghut/domain';
import { decimalColumn, instantText } from './sql.ts';

/** What every view of a decision shows. Quantities are decimal text, times are UTC text. */
export interface DecisionView {
  readonly id: string;
  readonly decision_identity: Hash;
  readonly content_hash: string;
  readonly strategy_id: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly action: Side;
  readonly qty: string;
  readonly status: DecisionStatus;
  readonly reasons: readonly string[];
  readonly reason_details: Readonly<Record<string, unknown>>;
  readonly event_ts: string;
  readonly executed_at: string | null;
}

/** Columns of `DecisionView`, of a decision `d`. */
export const decisionView = `d.id, d.decision_identity, d.content_hash, d.strategy_id, d.symbol, d.timeframe, d.action,
       ${decimalColumn('d.qty')} AS qty, d.status, d.reasons, d.reason_details, ${instantText('d.event_ts')} AS event_ts,
       ${instantText('d.executed_at')} AS executed_at`;

/** What every view of an execution shows, its route provenance included. Quantities and prices are decimal text. */
export interface ExecutionView {
  readonly id: string;
  readonly client_order_id: string | null;
  readonly alpaca_order_id: string;
  readonly symbol: string;
  readonly side: Side;
  readonly submitted_qty: string;
  readonly filled_qty: string;
  readonly avg_fill_price: string | null;
  readonly state: OrderState;
  readonly broker_status: string | null;
  readonly execution_expected_adapter: string;
  readonly execution_actual_adapter: string;
  readonly execution_fallback_reason: string | null;
  readonly execution_fallback_count: number;
  readonly provenance_source: string;
  readonly last_update_at: string;
  readonly tca: CostView | null;
}

/** Cost analysis of one execution; prices and notional in USD, rates in basis points. */
export interface CostView {
  readonly arrival_price: string;
  readonly arrival_source: string;
  readonly avg_fill_price: string;
  readonly filled_qty: string;
  readonly slippage_bps: string;
  readonly expected_slippage_bps: string | null;
  readonly divergence_bps: string | null;
  readonly shortfall_notional: string;
  readonly churn_ratio: string;
  readonly decision_to_ack_ms: number | null;
  readonly decision_to_fill_ms: number | null;
  readonly computed_at: string;
}

/** Columns of `ExecutionView`, of an execution `e` with its row `t` of execution_tca_metrics, where there is one. */
export const executionView = `e.id, e.client_order_id, e.alpaca_order_id, e.symbol, e.side,
       ${decimalColumn('e.submitted_qty')} AS submitted_qty, ${decimalColumn('e.filled_qty')} AS filled_qty,
       ${decimalColumn('e.avg_fill_price')} AS avg_fill_price, e.state, e.broker_status, e.execution_expected_adapter,
       e.execution_actual_adapter, e.execution_fallback_reason, e.execution_fallback_count, e.provenance_source,
       ${instantText('e.last_update_at')} AS last_update_at,
       CASE WHEN t.id IS NULL THEN NULL ELSE json_build_object(
         'arrival_price', ${decimalColumn('t.arrival_price')}, 'arrival_source', t.arrival_source,
         'avg_fill_price', ${decimalColumn('t.avg_fill_price')}, 'filled_qty', ${decimalColumn('t.filled_qty')},
         'slippage_bps', ${decimalColumn('t.slippage_bps')},
         'expected_slippage_bps', ${decimalColumn('t.expected_slippage_bps')},
         'divergence_bps', ${decimalColumn('t.divergence_bps')},
         'shortfall_notional', ${decimalColumn('t.shortfall_notional')},
         'churn_ratio', ${decimalColumn('t.churn_ratio')}, 'decision_to_ack_ms', t.decision_to_ack_ms,
         'decision_to_fill_ms', t.decision_to_fill_ms, 'computed_at', ${instantText('t.computed_at')}) END AS tca`;
