import type { AccountLabel, AdapterStateName, BreakerState, Instant, ReceiptOutcome } from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { provenanceCounts, type ProvenanceSummary } from './orders.ts';
import { instantParameter, instantText, onlyRow, rowOf, rowsOf } from './sql.ts';

/** A change of an adapter, or of a symbol on it; times are UTC text. */
export interface AdapterTransition {
  readonly adapter: string;
  readonly symbol: string | null;
  readonly state: { readonly from: AdapterStateName; readonly to: AdapterStateName };
  readonly breaker: { readonly from: BreakerState; readonly to: BreakerState };
  readonly health_reason: string | null;
  readonly actor: string;
  readonly reason: string;
  readonly at: string;
}

type Counted<Name extends string> = readonly (Readonly<Record<Name, string>> & { readonly count: number })[];

/** What the ledger says about a span. Times to acknowledgement are milliseconds from sending to the settled answer. */
export interface BurnInReads {
  readonly provenance: Omit<ProvenanceSummary, 'coverage_ratio'>;
  readonly fallbacks: Counted<'reason'>;
  readonly transitions: {
    readonly states: readonly { readonly adapter: string; readonly to: string; readonly count: number }[];
    readonly breakers: readonly { readonly adapter: string; readonly to: string; readonly count: number }[];
    /** The newest, at most `listedTransitions`. */
    readonly newest: readonly AdapterTransition[];
  };
  readonly decisions: {
    readonly total: number;
    readonly by_status: Counted<'status'>;
    readonly denials: Counted<'code'>;
  };
  readonly submits: { readonly total: number; readonly by_outcome: Counted<'outcome'> };
  readonly unknown: {
    readonly total: number;
    readonly open: number;
    readonly resolved_as: readonly {
      readonly outcome: ReceiptOutcome;
      readonly count: number;
      readonly slowest_seconds: number | null;
    }[];
  };
  readonly rejections: Counted<'code'>;
  readonly lean_orders: { readonly total: number; readonly fell_back: number };
  readonly time_to_ack_ms: readonly {
    readonly adapter: string;
    readonly count: number;
    readonly p50: number;
    readonly p95: number;
  }[];
  readonly open_breaks: readonly { readonly break_type: string; readonly severity: string; readonly count: number }[];
  readonly reconciliation: {
    /** Runs that were due in the span. */
    readonly runs: readonly { readonly scope: string; readonly status: string; readonly count: number }[];
    /** Nightly runs completed in the span or, should it be shorter than a day, in the day before its end. */
    readonly nightly_completed: number;
    /** Nightly runs that failed after the last one that was completed. */
    readonly nightly_failed_since: number;
  };
  readonly windows: {
    readonly finished: number;
    readonly session_finished: number;
    readonly signals_evaluated: number;
  };
  readonly sessions: { readonly complete: number; readonly minutes: number };
  readonly trading_mode: string | null;
}

export const listedTransitions = 200;

const from = '$2::timestamptz';
const to = '$3::timestamptz';
const receipts = `broker_receipts WHERE account_label = $1 AND operation = 'submit' AND claimed_at BETWEEN ${from} AND ${to}`;
const decisions = `trade_decisions WHERE account_label = $1 AND event_ts BETWEEN ${from} AND ${to}`;
const nightly = `reconciliation_runs WHERE account_label = $1 AND scope = 'nightly'`;
const changes = `SELECT adapter, symbol, state, breaker, health_reason, actor, reason, at, created_at,
    lag(state, 1, 'enabled') OVER history AS previous_state, lag(breaker, 1, 'closed') OVER history AS previous_breaker
  FROM adapter_states WHERE account_label = $1 AND at <= ${to}
  WINDOW history AS (PARTITION BY adapter, coalesce(symbol, '*') ORDER BY at, created_at)`;

/** `$1` is the account label. */
const statement = `SELECT
  ${rowOf(provenanceCounts(from, to))} AS provenance,
  ${rowsOf(`SELECT execution_fallback_reason AS reason, sum(execution_fallback_count)::float8 AS count FROM executions
    WHERE account_label = $1 AND submitted_at BETWEEN ${from} AND ${to} AND execution_fallback_count > 0
    GROUP BY reason ORDER BY reason`)} AS fallbacks,
  json_build_object(
    'states', ${rowsOf(`SELECT adapter, state AS "to", count(*) AS count FROM (${changes}) c
      WHERE at >= ${from} AND state <> previous_state GROUP BY adapter, state ORDER BY adapter, state`)},
    'breakers', ${rowsOf(`SELECT adapter, breaker AS "to", count(*) AS count FROM (${changes}) c
      WHERE at >= ${from} AND breaker <> previous_breaker GROUP BY adapter, breaker ORDER BY adapter, breaker`)},
    'newest', ${rowsOf(`SELECT adapter, symbol, json_build_object('from', previous_state, 'to', state) AS state,
        json_build_object('from', previous_breaker, 'to', breaker) AS breaker, health_reason, actor, reason,
        ${instantText('c.at')} AS at
      FROM (${changes}) c WHERE c.at >= ${from} AND (state <> previous_state OR breaker <> previous_breaker)
      ORDER BY c.at DESC, c.created_at DESC LIMIT ${listedTransitions}`)}
  ) AS transitions,
  json_build_object(
    'total', (SELECT count(*) FROM ${decisions}),
    'by_status', ${rowsOf(`SELECT status, count(*) AS count FROM ${decisions} GROUP BY status ORDER BY status`)},
    'denials', ${rowsOf(`SELECT code, count(*) AS count FROM (SELECT unnest(reasons) AS code FROM ${decisions} AND status = 'denied') d
      GROUP BY code ORDER BY code`)}
  ) AS decisions,
  json_build_object(
    'total', (SELECT count(*) FROM ${receipts}),
    'by_outcome', ${rowsOf(`SELECT coalesce(outcome, state) AS outcome, count(*) AS count FROM ${receipts} GROUP BY 1 ORDER BY 1`)}
  ) AS submits,
  json_build_object(
    'total', (SELECT count(*) FROM ${receipts} AND (outcome = 'unknown' OR resolved_at IS NOT NULL)),
    'open', (SELECT count(*) FROM broker_receipts WHERE account_label = $1 AND operation = 'submit' AND claimed_at <= ${to}
      AND (outcome = 'unknown' OR (state = 'io' AND lease_expires_at <= ${to}))),
    'resolved_as', ${rowsOf(`SELECT outcome, count(*) AS count,
        max(extract(epoch FROM resolved_at - coalesce(io_at, claimed_at)))::float8 AS slowest_seconds
      FROM ${receipts} AND resolved_at IS NOT NULL GROUP BY outcome ORDER BY outcome`)}
  ) AS unknown,
  ${rowsOf(`SELECT code, count(*) AS count FROM (SELECT unnest(outcome_codes) AS code FROM ${receipts} AND outcome = 'rejected') r
    GROUP BY code ORDER BY code`)} AS rejections,
  ${rowOf(`SELECT count(*) AS total, count(*) FILTER (WHERE fell_back) AS fell_back FROM (
      SELECT bool_or(coalesce((request_json #>> '{route,fallback_count}')::integer, 0) > 0) AS fell_back
      FROM ${receipts} AND request_json #>> '{route,expected}' = 'lean' GROUP BY client_order_id
      HAVING bool_or(outcome IS DISTINCT FROM 'denied')
    ) o`)} AS lean_orders,
  ${rowsOf(`SELECT adapter, count(*) AS count,
      (percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::float8 AS p50, (percentile_cont(0.95) WITHIN GROUP (ORDER BY ms))::float8 AS p95
    FROM (SELECT adapter, extract(epoch FROM settled_at - io_at) * 1000 AS ms
          FROM ${receipts} AND outcome = 'acknowledged' AND io_at IS NOT NULL) a
    GROUP BY adapter ORDER BY adapter`)} AS time_to_ack_ms,
  ${rowsOf(`SELECT break_type, severity, count(*) AS count FROM reconciliation_breaks
    WHERE account_label = $1 AND status IN ('open', 'escalated') GROUP BY break_type, severity ORDER BY break_type, severity`)} AS open_breaks,
  json_build_object(
    'runs', ${rowsOf(`SELECT scope, status, count(*) AS count FROM reconciliation_runs
      WHERE account_label = $1 AND scheduled_for BETWEEN ${from} AND ${to} GROUP BY scope, status ORDER BY scope, status`)},
    'nightly_completed', (SELECT count(*) FROM ${nightly} AND status = 'completed'
      AND finished_at BETWEEN least(${from}, ${to} - interval '26 hours') AND ${to}),
    'nightly_failed_since', (SELECT count(*) FROM ${nightly} AND status = 'failed' AND scheduled_for <= ${to} AND scheduled_for >
      coalesce((SELECT max(scheduled_for) FROM ${nightly} AND status = 'completed' AND scheduled_for <= ${to}), '-infinity'))
  ) AS reconciliation,
  ${rowOf(`SELECT count(*) AS finished, count(*) FILTER (WHERE session_open) AS session_finished,
      coalesce(sum(signals_evaluated), 0) AS signals_evaluated
    FROM signal_windows WHERE account_label = $1 AND consumer = 'trading' AND finished_at IS NOT NULL
      AND window_start BETWEEN ${from} AND ${to}`)} AS windows,
  ${rowOf(`SELECT count(*) FILTER (WHERE open_at >= ${from} AND close_at <= ${to}) AS complete,
      coalesce(sum(floor(extract(epoch FROM least(close_at, ${to}) - greatest(open_at, ${from})) / 60)), 0)::float8 AS minutes
    FROM market_calendar WHERE kind <> 'closed' AND open_at < ${to} AND close_at > ${from}`)} AS sessions,
  (SELECT value FROM trading_controls WHERE account_label = $1 AND control = 'trading_mode' AND superseded_at IS NULL) AS trading_mode`;

/** What a span of trading left in the ledger, in one statement. */
export const readBurnIn = async (
  db: Queryable,
  account: AccountLabel,
  since: Instant,
  until: Instant,
): Promise<BurnInReads> => {
  const { rows } = await db.query<BurnInReads>(statement, [account, instantParameter(since), instantParameter(until)]);
  return onlyRow(rows);
};
