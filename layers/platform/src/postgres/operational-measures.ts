import {
  newYorkDate,
  type AccountLabel,
  type DecimalText,
  type Instant,
  type LeanOrder,
  type OperationalMeasures,
} from '@torghut/domain';
import type { Queryable } from './pool.ts';
import { provenanceCounts } from './read-model/orders.ts';
import { decimalColumn, epochMs, instantParameter, onlyRow, rowOf, rowsOf } from './read-model/sql.ts';

interface MeasuresRow {
  readonly controls: readonly { readonly control: string; readonly engaged: boolean }[];
  readonly adapters: OperationalMeasures['adapters'];
  readonly universe: { readonly symbols_count: number; readonly fetched_at: Instant } | null;
  readonly calendar: readonly { readonly date: string; readonly open_at: Instant | null }[];
  readonly last_hour: { readonly windows_hit: number; readonly decisions: number };
  readonly oldest_unknown_sent_at: Instant | null;
  readonly submits: OperationalMeasures['submits'];
  readonly lean_orders: readonly {
    readonly claimed_at: Instant;
    readonly fell_back: boolean;
    readonly decided: boolean;
  }[];
  readonly provenance: OperationalMeasures['provenance'];
  readonly average_slippage_bps: DecimalText | null;
  readonly equity: { readonly day_start: DecimalText | null; readonly latest: DecimalText | null };
  readonly open_critical_breaks: number;
  readonly reconciled_at: Instant | null;
  readonly drills: readonly { readonly kind: string; readonly finished_at: Instant }[];
  readonly stages: OperationalMeasures['stages'];
}

const since = (span: string): string => `$2::timestamptz - interval '${span}'`;

/**
 * `$1` account label, `$2` now, `$3` New York date of now. Every part reads an index over a bounded span or over the rows in
 * force, so that its cost does not grow with history; but for the drills, all of which are read, because the age of the last
 * one has no limit: people run them, a few in a month.
 *
 * An equity that nobody has read for five minutes is not known: a snapshot that stopped being taken would say that nothing
 * is lost.
 *
 * An order may have several receipts: one at LEAN, one at the adapter that took over. Which adapter it was to go to, and
 * whether it fell back, is in the request that each receipt keeps.
 */
const statement = `SELECT
  ${rowsOf(`SELECT control, engaged FROM trading_controls WHERE account_label = $1 AND superseded_at IS NULL`)} AS controls,
  ${rowsOf(`SELECT adapter, symbol, state, breaker FROM adapter_states
    WHERE account_label = $1 AND superseded_at IS NULL`)} AS adapters,
  ${rowOf(`SELECT cardinality(symbols) AS symbols_count, ${epochMs('fetched_at')} AS fetched_at FROM universe_resolutions
    WHERE account_label = $1 AND resolved_at <= $2 ORDER BY resolved_at DESC`)} AS universe,
  ${rowsOf(`SELECT session_date AS date, ${epochMs('open_at')} AS open_at FROM market_calendar
    WHERE session_date BETWEEN $3::date AND $3::date + 10`)} AS calendar,
  ${rowOf(`SELECT count(*) FILTER (WHERE hit) AS windows_hit, coalesce(sum(decisions_count), 0) AS decisions FROM signal_windows
    WHERE account_label = $1 AND consumer = 'trading' AND window_start > ${since('60 minutes')} AND window_start <= $2`)} AS last_hour,
  (SELECT ${epochMs('min(coalesce(io_at, claimed_at))')} FROM broker_receipts
    WHERE account_label = $1 AND operation = 'submit' AND (state IN ('claimed', 'io') OR outcome = 'unknown')
      AND (outcome = 'unknown' OR (state = 'io' AND lease_expires_at <= $2))) AS oldest_unknown_sent_at,
  ${rowOf(`SELECT count(*) AS known, count(*) FILTER (WHERE outcome = 'rejected') AS rejected FROM broker_receipts
    WHERE account_label = $1 AND operation = 'submit' AND outcome IN ('acknowledged', 'adopted', 'rejected')
      AND claimed_at > ${since('15 minutes')} AND claimed_at <= $2`)} AS submits,
  ${rowsOf(`SELECT ${epochMs('max(claimed_at)')} AS claimed_at, bool_or(fell_back) AS fell_back,
      bool_or(fell_back OR coalesce(outcome IN ('acknowledged', 'adopted', 'rejected'), false)) AS decided
    FROM (
      SELECT client_order_id, claimed_at, outcome, coalesce((request_json #>> '{route,fallback_count}')::integer, 0) > 0 AS fell_back
      FROM broker_receipts
      WHERE account_label = $1 AND operation = 'submit' AND request_json #>> '{route,expected}' = 'lean'
        AND claimed_at > ${since('24 hours')} AND claimed_at <= $2
      ORDER BY broker_receipts.claimed_at DESC LIMIT 1000
    ) AS newest
    GROUP BY client_order_id
    -- A refused claim was never on its way to LEAN.
    HAVING bool_or(fell_back OR outcome IS DISTINCT FROM 'denied')
    ORDER BY max(newest.claimed_at) DESC`)} AS lean_orders,
  ${rowOf(provenanceCounts(since('24 hours')))} AS provenance,
  (SELECT ${decimalColumn('avg(t.slippage_bps)::numeric(20,8)')}
    FROM executions e JOIN execution_tca_metrics t ON t.execution_id = e.id
    WHERE e.account_label = $1 AND e.submitted_at > ${since('24 hours')}) AS average_slippage_bps,
  json_build_object(
    'day_start', (SELECT ${decimalColumn('equity')} FROM position_snapshots
      WHERE account_label = $1 AND session_date = $3::date AND kind = 'day_start' AND complete),
    'latest', (SELECT ${decimalColumn('equity')} FROM position_snapshots
      WHERE account_label = $1 AND complete AND as_of <= $2
        AND as_of >= ${since('5 minutes')} AND session_date = $3::date
      ORDER BY as_of DESC LIMIT 1)
  ) AS equity,
  (SELECT count(*)::float8 FROM reconciliation_breaks
    WHERE account_label = $1 AND status IN ('open', 'escalated') AND severity = 'critical') AS open_critical_breaks,
  (SELECT ${epochMs('finished_at')} FROM reconciliation_runs
    WHERE account_label = $1 AND scope = 'nightly' AND status = 'completed' AND scheduled_for <= $2
    ORDER BY scheduled_for DESC LIMIT 1) AS reconciled_at,
  ${rowsOf(`SELECT kind, ${epochMs('max(finished_at)')} AS finished_at FROM drills
    WHERE account_label = $1 AND succeeded AND finished_at <= $2 GROUP BY kind ORDER BY kind`)} AS drills,
  (SELECT coalesce(json_agg(DISTINCT stage), '[]') FROM capital_stages
    WHERE account_label = $1 AND superseded_at IS NULL) AS stages`;

const leanOrder = (row: MeasuresRow['lean_orders'][number]): LeanOrder => ({
  claimedAt: row.claimed_at,
  fellBack: row.fell_back,
  decided: row.decided,
});

/** Everything of the ledger that is measured, as it stands at `now`, in one statement. */
export const readOperationalMeasures = async (
  db: Queryable,
  account: AccountLabel,
  now: Instant,
): Promise<OperationalMeasures> => {
  const { rows } = await db.query<MeasuresRow>(statement, [account, instantParameter(now), newYorkDate(now)]);
  const row = onlyRow(rows);
  const engaged = (name: string): boolean | null =>
    row.controls.find(({ control }) => control === name)?.engaged ?? null;
  const { universe } = row;
  return {
    emergencyStop: engaged('emergency_stop'),
    killSwitch: engaged('kill_switch'),
    adapters: row.adapters,
    universe: universe === null ? null : { symbolsCount: universe.symbols_count, fetchedAt: universe.fetched_at },
    calendar: row.calendar.map(({ date, open_at: openAt }) => ({ date, openAt })),
    lastHour: { windowsHit: row.last_hour.windows_hit, decisions: row.last_hour.decisions },
    oldestUnknownSentAt: row.oldest_unknown_sent_at,
    submits: row.submits,
    leanOrders: row.lean_orders.map(leanOrder),
    provenance: row.provenance,
    averageSlippageBps: row.average_slippage_bps,
    equity: { dayStart: row.equity.day_start, latest: row.equity.latest },
    openCriticalBreaks: row.open_critical_breaks,
    reconciledAt: row.reconciled_at,
    drills: row.drills.map(({ kind, finished_at: finishedAt }) => ({ kind, finishedAt })),
    stages: row.stages,
  };
};
