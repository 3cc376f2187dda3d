import {
  type AccountLabel,
  bucketBounds,
  type CounterName,
  type HistogramName,
  type HistogramSample,
  type ScalarSample,
} from '@torghut/domain';
import type { Queryable } from '../pool.ts';

const count = (table: string, condition = 'true'): string =>
  `SELECT '{}'::json, count(*) FROM ${table} WHERE account_label = $1 AND ${condition}`;
const countBy = (table: string, dimension: string, column: string, condition = 'true'): string =>
  `SELECT json_build_object('${dimension}', ${column}), count(*) FROM ${table} WHERE account_label = $1 AND ${condition} GROUP BY ${column}`;
const countCodes = (table: string, dimension: string, column: string, condition = 'true'): string =>
  `SELECT json_build_object('${dimension}', code), count(*) FROM ${table}, unnest(${column}) AS code
   WHERE account_label = $1 AND ${condition} GROUP BY code`;

/** Changes of a column along the rows of an adapter, or of a symbol on it; the first row changes what holds without one. */
const transitions = (column: 'breaker' | 'state', initial: string): string =>
  `SELECT json_build_object('adapter', adapter, 'to', ${column}), count(*)
    FROM (
      SELECT adapter, ${column}, lag(${column}, 1, '${initial}')
          OVER (PARTITION BY adapter, coalesce(symbol, '*') ORDER BY at, created_at) AS previous
      FROM adapter_states WHERE account_label = $1
    ) s WHERE ${column} <> previous GROUP BY adapter, ${column}`;

const submits = `operation = 'submit'`;
const tradingWindow = `consumer = 'trading' AND finished_at IS NOT NULL`;

/**
 * The counters that stored rows answer, as totals over the account: each statement yields (dimensions, value). What no
 * row records is counted by the functions alone and found in CloudWatch.
 */
const counters: Readonly<Partial<Record<CounterName, string>>> = {
  cycles_total: count('signal_windows', tradingWindow),
  decisions_total: countBy('trade_decisions', 'action', 'action'),
  denials_total: countCodes('trade_decisions', 'code', 'reasons', `status = 'denied'`),
  execution_requests_total: countBy('broker_receipts', 'adapter', 'adapter', submits),
  orders_submitted_total: countBy('executions', 'adapter', 'execution_actual_adapter'),
  orders_rejected_total: countCodes('broker_receipts', 'code', 'outcome_codes', `${submits} AND outcome = 'rejected'`),
  // A receipt is resolved later only when its outcome was unknown at first.
  orders_unknown_total: count('broker_receipts', `${submits} AND (outcome = 'unknown' OR resolved_at IS NOT NULL)`),
  orders_adopted_total: count('broker_receipts', `${submits} AND outcome = 'adopted'`),
  execution_fallback_total: `SELECT json_build_object('from', execution_expected_adapter, 'to', execution_actual_adapter),
      sum(execution_fallback_count)
    FROM executions WHERE account_label = $1 AND execution_fallback_count > 0
    GROUP BY execution_expected_adapter, execution_actual_adapter`,
  execution_fallback_reason_total: `SELECT json_build_object('reason', execution_fallback_reason), sum(execution_fallback_count)
    FROM executions WHERE account_label = $1 AND execution_fallback_count > 0 GROUP BY execution_fallback_reason`,
  no_signal_windows_total: countBy('signal_windows', 'consumer', 'consumer', 'no_signal_reason IS NOT NULL'),
  no_signal_reason_total: countBy(
    'signal_windows',
    'reason',
    'no_signal_reason',
    `${tradingWindow} AND no_signal_reason IS NOT NULL`,
  ),
  cursor_rewinds_total: count(
    'signal_windows',
    `${tradingWindow} AND cursor_after ->> 'event_ts' < cursor_before ->> 'event_ts'`,
  ),
  late_rows_total: `SELECT '{}'::json, coalesce(sum(rows_late), 0) FROM signal_windows WHERE account_label = $1 AND ${tradingWindow}`,
  duplicate_rows_total: `SELECT '{}'::json, coalesce(sum(rows_duplicate), 0) FROM signal_windows
    WHERE account_label = $1 AND ${tradingWindow}`,
  feature_quality_rejections_total: countCodes('dead_letters', 'code', 'codes', `source = 'feature_quality'`),
  universe_resolution_total: countBy('universe_resolutions', 'status', 'status'),
  order_feed_events_total: count('execution_order_events'),
  order_feed_illegal_transition_total: count('reconciliation_breaks', `break_type = 'illegal_transition'`),
  reconciliation_breaks_total: countBy('reconciliation_breaks', 'type', 'break_type'),
  breaker_transitions_total: transitions('breaker', 'closed'),
  adapter_transitions_total: transitions('state', 'enabled'),
  incidents_total: countCodes('safety_incidents', 'code', 'trigger_codes'),
  dead_letters_total: countBy('dead_letters', 'source', 'source'),
};

/** Each statement yields (dimensions, milliseconds) of single observations. */
const histograms: Readonly<Partial<Record<HistogramName, string>>> = {
  decision_to_ack_ms: `SELECT jsonb_build_object('adapter', e.execution_actual_adapter), t.decision_to_ack_ms
    FROM execution_tca_metrics t JOIN executions e ON e.id = t.execution_id
    WHERE t.account_label = $1 AND t.decision_to_ack_ms IS NOT NULL`,
  decision_to_fill_ms: `SELECT jsonb_build_object('adapter', e.execution_actual_adapter), t.decision_to_fill_ms
    FROM execution_tca_metrics t JOIN executions e ON e.id = t.execution_id
    WHERE t.account_label = $1 AND t.decision_to_fill_ms IS NOT NULL`,
  cycle_duration_ms: `SELECT '{}'::jsonb, extract(epoch FROM finished_at - started_at) * 1000
    FROM signal_windows WHERE account_label = $1 AND ${tradingWindow}`,
};

const countersStatement = Object.entries(counters)
  .map(
    ([name, sql]) =>
      `SELECT '${name}' AS name, dimensions, value::float8 AS value FROM (${sql}) AS t (dimensions, value)`,
  )
  .join('\nUNION ALL\n');

// A bucket is the first bound not below the value: the bounds that are not below it are counted on the negated axis,
// because width_bucket takes each bound as the lower end of its bucket.
const histogramsStatement = Object.entries(histograms)
  .map(
    ([
      name,
      sql,
    ]) => `SELECT '${name}' AS name, dimensions, ${bucketBounds.length} - width_bucket(-ms::float8, $2::float8[]) AS bucket,
       count(*)::float8 AS count, sum(ms)::float8 AS sum
     FROM (${sql}) AS t (dimensions, ms) GROUP BY dimensions, bucket`,
  )
  .join('\nUNION ALL\n');

export const readCounters = async (db: Queryable, account: AccountLabel): Promise<ScalarSample[]> => {
  const { rows } = await db.query<ScalarSample>(countersStatement, [account]);
  return rows;
};

interface BucketRow {
  readonly name: HistogramName;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly bucket: number;
  readonly count: number;
  readonly sum: number;
}

export const readHistograms = async (db: Queryable, account: AccountLabel): Promise<HistogramSample[]> => {
  const negatedBounds = bucketBounds.map((bound) => -bound).toReversed();
  const { rows } = await db.query<BucketRow>(histogramsStatement, [account, negatedBounds]);
  const groups = Map.groupBy(rows, ({ name, dimensions }) => JSON.stringify([name, dimensions]));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const buckets = Array.from({ length: bucketBounds.length + 1 }, () => 0);
    for (const { bucket, count: observations } of group) buckets[bucket] = observations;
    const total = (member: 'count' | 'sum'): number => group.reduce((sum, row) => sum + row[member], 0);
    return [{ name: first.name, dimensions: first.dimensions, buckets, count: total('count'), sum: total('sum') }];
  });
};
