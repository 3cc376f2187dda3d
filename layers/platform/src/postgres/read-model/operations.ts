import type {
  AccountLabel,
  AdapterStateName,
  BreakerState,
  CapitalLevel,
  ControlName,
  Instant,
  NoSignalReason,
  Stage,
  StateAdapter,
  UniverseReason,
  UniverseStatus,
} from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { decimalColumn, epochMs, instantParameter, instantText, onlyRow, rowOf, rowsOf } from './sql.ts';

export interface ControlRow {
  readonly control: ControlName;
  readonly engaged: boolean;
  readonly value: string | null;
  readonly reasons: readonly unknown[];
  readonly actor: string;
  readonly note: string;
  readonly clean_evaluations: number;
  readonly at: string;
}

export interface AdapterRow {
  readonly adapter: StateAdapter;
  readonly symbol: string | null;
  readonly state: AdapterStateName;
  readonly breaker: BreakerState;
  readonly health_reason: string | null;
  readonly consecutive_failures: number;
  readonly opened_at: string | null;
  readonly at: string;
}

export interface CapitalStageRow {
  readonly strategy_id: string;
  readonly stage: Stage;
  readonly level: CapitalLevel | null;
  readonly symbols: readonly string[];
  readonly cause: string;
  readonly entered_at: string;
}

export interface CycleRow {
  readonly window_start: string;
  readonly window_end: string;
  readonly scheduled_for: string;
  readonly started_at: string;
  readonly finished_at: string | null;
  readonly session_open: boolean;
  readonly no_signal_reason: NoSignalReason | null;
  readonly blocked_reasons: readonly string[];
  readonly rows_read: number;
  readonly signals_evaluated: number;
  readonly decisions_count: number;
  readonly hit: boolean;
  readonly ingest_delay_p95_ms: number | null;
  readonly attempts: number;
  readonly code_hash: string;
}

/** A run of the order sync or of a reconciliation. */
export interface RunRow {
  readonly scope: string;
  readonly status: string;
  readonly scheduled_for: string;
  readonly finished_at: string | null;
  readonly breaks: number;
  readonly healed: number;
}

/** The state of the control plane at one moment, as stored. */
export interface Operations {
  readonly controls: readonly ControlRow[];
  readonly adapters: readonly AdapterRow[];
  readonly capitalStages: readonly CapitalStageRow[];
  readonly lastCycle: CycleRow | null;
  /** The newest comparison with the broker, nightly or within the session. */
  readonly lastReconcile: RunRow | null;
  readonly lastOrderSync: RunRow | null;
  readonly universe: {
    readonly status: UniverseStatus;
    readonly reason: UniverseReason;
    readonly symbols_count: number;
    readonly fetched_at: Instant;
  } | null;
  readonly incidents: {
    readonly total: number;
    readonly last: {
      readonly triggered_at: string;
      readonly evidence_key: string | null;
      readonly evidence_complete: boolean;
    } | null;
  };
  readonly tca: {
    readonly order_count: number;
    readonly avg_slippage_bps: string | null;
    readonly p95_slippage_bps: string | null;
    readonly last_computed_at: string | null;
  };
  readonly featureContract: { readonly version: string; readonly hash: string } | null;
}

/** The capital stages a person can look at; a larger catalog is a listing of its own. */
const listedRows = 500;

const newestRun = (scopes: string): string =>
  rowOf(`SELECT scope, status, ${instantText('scheduled_for')} AS scheduled_for, ${instantText('finished_at')} AS finished_at,
      breaks, healed
    FROM reconciliation_runs r WHERE account_label = $1 AND scope IN (${scopes}) AND r.scheduled_for <= $2
    ORDER BY r.scheduled_for DESC, scope`);

const statement = `SELECT
  ${rowsOf(`SELECT control, engaged, value, reasons, actor, note, clean_evaluations, ${instantText('at')} AS at
    FROM trading_controls WHERE account_label = $1 AND superseded_at IS NULL ORDER BY control`)} AS controls,
  ${rowsOf(`SELECT adapter, symbol, state, breaker, health_reason, consecutive_failures, ${instantText('opened_at')} AS opened_at,
      ${instantText('at')} AS at
    FROM adapter_states WHERE account_label = $1 AND superseded_at IS NULL
    ORDER BY adapter, symbol NULLS FIRST LIMIT ${listedRows}`)} AS adapters,
  ${rowsOf(`SELECT s.strategy_id, c.stage, c.level, c.symbols, c.cause, ${instantText('c.entered_at')} AS entered_at
    FROM capital_stages c JOIN strategies s ON s.id = c.strategy_pk
    WHERE c.account_label = $1 AND c.superseded_at IS NULL ORDER BY s.strategy_id LIMIT ${listedRows}`)} AS "capitalStages",
  ${rowOf(`SELECT ${instantText('window_start')} AS window_start, ${instantText('window_end')} AS window_end,
      ${instantText('scheduled_for')} AS scheduled_for, ${instantText('started_at')} AS started_at,
      ${instantText('finished_at')} AS finished_at, session_open, no_signal_reason, blocked_reasons, rows_read,
      signals_evaluated, decisions_count, hit, ingest_delay_p95_ms, attempts, code_hash
    FROM signal_windows w
    WHERE account_label = $1 AND consumer = 'trading' AND w.window_start <= $2
    ORDER BY w.window_start DESC`)} AS "lastCycle",
  ${newestRun(`'nightly', 'positions'`)} AS "lastReconcile",
  ${newestRun(`'orders'`)} AS "lastOrderSync",
  ${rowOf(`SELECT status, reason, cardinality(symbols) AS symbols_count, ${epochMs('fetched_at')} AS fetched_at
    FROM universe_resolutions WHERE account_label = $1 AND resolved_at <= $2
    ORDER BY resolved_at DESC`)} AS universe,
  json_build_object(
    'total', (SELECT count(*) FROM safety_incidents WHERE account_label = $1),
    'last', ${rowOf(`SELECT ${instantText('triggered_at')} AS triggered_at, evidence_key, evidence_complete
      FROM safety_incidents i WHERE account_label = $1 ORDER BY i.triggered_at DESC`)}
  ) AS incidents,
  ${rowOf(`SELECT count(*) AS order_count, ${decimalColumn('avg(t.slippage_bps)::numeric(20,8)')} AS avg_slippage_bps,
      ${decimalColumn('(percentile_cont(0.95) WITHIN GROUP (ORDER BY t.slippage_bps))::numeric(20,8)')} AS p95_slippage_bps,
      ${instantText('max(t.computed_at)')} AS last_computed_at
    FROM executions e JOIN execution_tca_metrics t ON t.execution_id = e.id
    WHERE e.account_label = $1 AND e.submitted_at > $2::timestamptz - interval '24 hours'`)} AS tca,
  ${rowOf(`SELECT version, hash FROM feature_contracts WHERE status = 'active' ORDER BY created_at DESC`)} AS "featureContract"`;

/** Everything the status page shows, in one statement. */
export const readOperations = async (db: Queryable, account: AccountLabel, now: Instant): Promise<Operations> => {
  const { rows } = await db.query<Operations>(statement, [account, instantParameter(now)]);
  return onlyRow(rows);
};
