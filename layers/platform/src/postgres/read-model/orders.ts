import type { AccountLabel, DecisionStatus, Instant, OrderState, Ticker } from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { type DecisionView, decisionView, type ExecutionView, executionView } from './shared-rows.ts';
import { instantParameter, instantText, onlyRow } from './sql.ts';

/** Which rows to list, newest first. */
export interface RowFilter<Status extends string> {
  readonly symbol: Ticker | null;
  readonly since: Instant | null;
  readonly status: Status | null;
  /** 1..500. */
  readonly limit: number;
}

/** A decision as listed. */
export interface DecisionRow extends DecisionView {
  readonly created_at: string;
  readonly account_label: string;
}

/** Decisions by event time: the moment of the market, which a replay shares with the original. */
export const listDecisions = async (
  db: Queryable,
  account: AccountLabel,
  { symbol, since, status, limit }: RowFilter<DecisionStatus>,
): Promise<DecisionRow[]> => {
  const { rows } = await db.query<DecisionRow>(
    `SELECT ${decisionView}, ${instantText('d.created_at')} AS created_at, d.account_label
     FROM trade_decisions d
     WHERE d.account_label = $1
       AND ($2::text IS NULL OR d.symbol = $2)
       AND ($3::timestamptz IS NULL OR d.event_ts >= $3)
       AND ($4::text IS NULL OR d.status = $4)
     ORDER BY d.event_ts DESC, d.id
     LIMIT $5`,
    [account, symbol, instantParameter(since), status, limit],
  );
  return rows;
};

/** An execution as listed, with its route provenance and, once it is computed, its cost analysis. */
export interface ExecutionRow extends ExecutionView {
  readonly trade_decision_id: string | null;
  readonly order_type: string;
  readonly time_in_force: string;
  readonly created_at: string;
}

/** Executions by the time of their submit. */
export const listExecutions = async (
  db: Queryable,
  account: AccountLabel,
  { symbol, since, status, limit }: RowFilter<OrderState>,
): Promise<ExecutionRow[]> => {
  const { rows } = await db.query<ExecutionRow>(
    `SELECT ${executionView}, e.trade_decision_id, e.order_type, e.time_in_force, ${instantText('e.created_at')} AS created_at
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
