import {
  builtInStrategies,
  hashJson,
  parseInstant,
  type AccountLabel,
  type DecimalText,
  type Instant,
  type Json,
  type StrategyRegistry,
  type Ticker,
} from '@torghut/domain';
import type { CatalogStrategy, RecordedDecision, RecordedWindow, ReplayLedger } from '@torghut/domain/research';
import type { Queryable } from './pool.ts';

type StoredCursor = { readonly event_ts: string; readonly symbol: string; readonly seq: string } | null;

interface WindowRow extends Omit<RecordedWindow, 'cursorBefore' | 'cursorAfter' | 'held'> {
  readonly before: StoredCursor;
  readonly after: NonNullable<StoredCursor>;
  readonly positions: readonly { readonly symbol: string; readonly qty: DecimalText }[] | null;
}

/** Columns are named as the domain names them, so that a row is what it is read as. */
const windowsStatement = `SELECT w.window_start AS start, w.scheduled_for AS "scheduledFor", w.no_signal_reason AS "noSignalReason",
    w.blocked_reasons AS "blockedReasons", w.rows_read AS "rowsRead", w.rows_late AS "rowsLate", w.rows_quarantined AS "rowsQuarantined",
    w.signals_evaluated AS "signalsEvaluated", w.decisions_count AS "decisionsCount", w.cursor_before AS before, w.cursor_after AS after,
    (SELECT u.symbols FROM universe_resolutions u WHERE u.account_label = w.account_label AND u.resolved_at <= w.scheduled_for
        AND u.universe_hash = w.universe_hash ORDER BY u.resolved_at DESC LIMIT 1) AS universe,
    (SELECT s.positions FROM position_snapshots s WHERE s.account_label = w.account_label AND s.complete AND s.as_of <= w.scheduled_for
      ORDER BY s.as_of DESC, s.created_at DESC LIMIT 1) AS positions
  FROM signal_windows w
 WHERE w.account_label = $1 AND w.consumer = 'trading' AND w.finished_at IS NOT NULL AND w.window_start BETWEEN $2 AND $3
   AND w.scheduled_for BETWEEN $4 AND $5
 ORDER BY w.window_start`;

const decisionsStatement = `SELECT d.decision_identity AS identity, d.content_hash AS "contentHash", d.strategy_id AS "strategyId",
    d.strategy_version AS "strategyVersion", d.symbol, d.timeframe, d.event_ts AS "eventTs", d.action, d.intent, d.qty,
    d.limit_price AS "limitPrice", d.reference_price AS "referencePrice", d.confidence::float8 AS confidence,
    d.rationale_codes AS "rationaleCodes", d.decision_json AS document, d.status, d.window_start AS "windowStart",
    (SELECT c.hash FROM feature_contracts c WHERE c.id = d.feature_contract_id) AS "contractHash"
  FROM trade_decisions d
 WHERE d.account_label = $1 AND d.consumer = 'trading' AND d.window_start BETWEEN $2 AND $3
 ORDER BY d.event_ts, d.symbol, d.strategy_id`;

interface StrategyRow {
  readonly id: string;
  readonly strategy_id: string;
  readonly strategy_type: string;
  readonly version: string;
  readonly base_timeframe: string;
  readonly params: Json;
  readonly universe_filter: readonly Ticker[] | null;
  readonly priority: number;
  readonly enabled: boolean;
  readonly updated_at: Instant;
}

const cursorOf = (stored: StoredCursor): RecordedWindow['cursorBefore'] =>
  stored === null ? null : { eventTs: parseInstant(stored.event_ts), symbol: stored.symbol, seq: stored.seq };

/** How far a window's start lies before its scheduled time, at most. */
const windowMs = 120_000;

/** What the ledger has of a span of windows of one account. */
export const postgresReplayLedger = (
  pool: Queryable,
  account: AccountLabel,
  registry: StrategyRegistry = builtInStrategies,
): ReplayLedger => ({
  windows: async (from, to) => {
    const { rows } = await pool.query<WindowRow>(windowsStatement, [
      account,
      new Date(from - windowMs),
      new Date(to),
      new Date(from),
      new Date(to),
    ]);
    return rows.map(({ before, after, positions, ...window }): RecordedWindow => {
      const held = Object.fromEntries((positions ?? []).map(({ symbol, qty }) => [symbol, qty]));
      const cursorAfter = cursorOf(after);
      if (cursorAfter === null) throw new Error('expected the cursor after a finished window, found none');
      return { ...window, cursorBefore: cursorOf(before), cursorAfter, held };
    });
  },

  decisions: async (from, to) => {
    const { rows } = await pool.query<RecordedDecision>(decisionsStatement, [account, new Date(from), new Date(to)]);
    return rows;
  },

  strategies: async () => {
    const { rows } = await pool.query<StrategyRow>(
      `SELECT id, strategy_id, strategy_type, version, base_timeframe, params, universe_filter, priority, enabled, updated_at
         FROM strategies ORDER BY strategy_id`,
    );
    return rows.flatMap((row): CatalogStrategy[] => {
      const bound = registry.bind(row.strategy_type, row.version, row.params, row.base_timeframe);
      if (!bound.ok) return [];
      return [
        {
          runnable: {
            strategyPk: row.id,
            strategyId: row.strategy_id,
            baseTimeframe: row.base_timeframe,
            // Of what it is bound to, not what the row says of it.
            paramsHash: hashJson(row.params),
            universeFilter: row.universe_filter === null ? null : new Set(row.universe_filter),
            priority: row.priority,
            bound: bound.strategy,
          },
          enabled: row.enabled,
          changedAt: row.updated_at,
        },
      ];
    });
  },
});
