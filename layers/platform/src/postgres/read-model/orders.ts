import type { AccountLabel, DecisionStatus, Instant, OrderState, Ticker } from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { decimalColumn, instantParameter, instantText, onlyRow } from './sql.ts';

/** Which rows to list, newest first. */
export interface RowFilter<Status extends string> {
  readonly symbol: Ticker | null;
  readonly since: Instant | null;
  readonly status: Status | null;
  /** 1..500. */
  readonly limit: number;
}

/** A decision as listed; quantities are decimal text, times are UTC text. */
export interface DecisionRow {
  readonly id: string;
  readonly strategy_id: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly action: string;
  readonly qty: string;
  readonly status: DecisionStatus;
  readonly reasons: readonly string[];
  readonly reason_details: unknown;
  readonly decision_identity: string;
  readonly content_hash: string;
  readonly event_ts: string;
  readonly created_at: string;
  readonly executed_at: string | null;
  readonly account_label: string;
}

/** Decisions by event time: the moment of the market, which a replay shares with the original. */
export const listDecisions = async (
  db: Queryable,
  account: AccountLabel,
  { symbol, since, status, limit }: RowFilter<DecisionStatus>,
): Promise<DecisionRow[]> => {
  const { rows } = await db.query<DecisionRow>(
    `SELECT id, strategy_id, symbol, timeframe, action, ${decimalColumn('qty')} AS qty, status, reasons, reason_details,
       decision_identity, content_hash, ${instantText('event_ts')} AS event_ts, ${instantText('created_at')} AS created_at,
       ${instantText('executed_at')} AS executed_at, account_label
     FROM trade_decisions
     WHERE account_label = $1
       AND ($2::text IS NULL OR symbol = $2)
       AND ($3::timestamptz IS NULL OR trade_decisions.event_ts >= $3)
       AND ($4::text IS NULL OR status = $4)
     ORDER BY trade_decisions.event_ts DESC, id
     LIMIT $5`,
    [account, symbol, instantParameter(since), status, limit],
  );
  return rows;
};

export interface ExecutionTca {
  readonly arrival_price: string;
  readonly arrival_source: string;
  readonly slippage_bps: string;
  readonly expected_slippage_bps: string | null;
  readonly divergence_bps: string | null;
  readonly shortfall_notional: string;
  readonly decision_to_ack_ms: number | null;
  readonly decision_to_fill_ms: number | null;
}

/** An execution as listed, with its route provenance and, once it is computed, its cost analysis. */
export interface ExecutionRow {
  readonly id: string;
  readonly trade_decision_id: string | null;
  readonly symbol: string;
  readonly side: string;
  readonly order_type: string;
  readonly time_in_force: string;
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
  readonly alpaca_order_id: string;
  readonly client_order_id: string | null;
  readonly created_at: string;
  readonly last_update_at: string;
  readonly tca: ExecutionTca | null;
}

/** Executions by the time of their submit. */
export const listExecutions = async (
  db: Queryable,
  account: AccountLabel,
  { symbol, since, status, limit }: RowFilter<OrderState>,
): Promise<ExecutionRow[]> => {
  const { rows } = await db.query<ExecutionRow>(
    `SELECT e.id, e.trade_decision_id, e.symbol, e.side, e.order_type, e.time_in_force,
       ${decimalColumn('e.submitted_qty')} AS submitted_qty, ${decimalColumn('e.filled_qty')} AS filled_qty,
       ${decimalColumn('e.avg_fill_price')} AS avg_fill_price, e.state, e.broker_status, e.execution_expected_adapter,
       e.execution_actual_adapter, e.execution_fallback_reason, e.execution_fallback_count, e.provenance_source,
       e.alpaca_order_id, e.client_order_id, ${instantText('e.created_at')} AS created_at,
       ${instantText('e.last_update_at')} AS last_update_at,
       CASE WHEN t.id IS NULL THEN NULL ELSE json_build_object(
         'arrival_price', ${decimalColumn('t.arrival_price')}, 'arrival_source', t.arrival_source,
         'slippage_bps', ${decimalColumn('t.slippage_bps')},
         'expected_slippage_bps', ${decimalColumn('t.expected_slippage_bps')},
         'divergence_bps', ${decimalColumn('t.divergence_bps')},
         'shortfall_notional', ${decimalColumn('t.shortfall_notional')},
         'decision_to_ack_ms', t.decision_to_ack_ms, 'decision_to_fill_ms', t.decision_to_fill_ms) END AS tca
     FROM executions e
     LEFT JOIN execution_tca_metrics t ON t.execution_id = e.id
     WHERE e.account_label = $1
       AND ($2::text IS NULL OR e.symbol = $2)
       AND ($3::timestamptz IS NULL OR e.submitted_at >= $3)
       AND ($4::text IS NULL OR e.state = $4)
     ORDER BY e.submitted_at DESC, e.id
     LIMIT $5`,
    [account, symbol, instantParameter(since), status, limit],
  );
  return rows;
};

/** Route provenance of executions since a moment. An unknown adapter counts as missing. */
export interface ProvenanceSummary {
  readonly total: number;
  readonly complete: number;
  readonly missing: number;
  readonly unknown: number;
  readonly mismatch: number;
  /** Null without executions: nothing was covered. */
  readonly coverage_ratio: number | null;
  readonly by_adapter: readonly {
    readonly expected: string;
    readonly actual: string;
    readonly count: number;
    readonly fallbacks: number;
  }[];
}

/** One row of counts over the executions of account `$1` submitted from `since` (to `until`), SQL expressions. */
export const provenanceCounts = (since: string, until = `'infinity'`): string => `WITH routes AS (
       SELECT execution_expected_adapter AS expected, execution_actual_adapter AS actual, count(*)::float8 AS count,
         sum(execution_fallback_count)::float8 AS fallbacks,
         coalesce('unknown' IN (execution_expected_adapter, execution_actual_adapter), true) AS incomplete
       FROM executions
       WHERE account_label = $1 AND submitted_at >= ${since} AND submitted_at <= ${until}
       GROUP BY execution_expected_adapter, execution_actual_adapter
     )
     SELECT coalesce(sum(count), 0) AS total,
       coalesce(sum(count) FILTER (WHERE NOT incomplete), 0) AS complete,
       coalesce(sum(count) FILTER (WHERE incomplete), 0) AS missing,
       coalesce(sum(count) FILTER (WHERE 'unknown' IN (expected, actual)), 0) AS unknown,
       coalesce(sum(count) FILTER (WHERE NOT incomplete AND expected <> actual), 0) AS mismatch,
       coalesce(json_agg(json_build_object('expected', expected, 'actual', actual, 'count', count, 'fallbacks', fallbacks)
         ORDER BY expected, actual), '[]') AS by_adapter
     FROM routes`;

export const readProvenance = async (
  db: Queryable,
  account: AccountLabel,
  since: Instant,
): Promise<ProvenanceSummary> => {
  const { rows } = await db.query<Omit<ProvenanceSummary, 'coverage_ratio'>>(provenanceCounts('$2'), [
    account,
    instantParameter(since),
  ]);
  const row = onlyRow(rows);
  return { ...row, coverage_ratio: row.total === 0 ? null : row.complete / row.total };
};
