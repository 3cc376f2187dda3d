import {
  builtInStrategies,
  clientOrderId,
  cooldownKey,
  executionGroup,
  executionRequestJson,
  featureContractHash,
  initialRoute,
  minute,
  sessionAt,
  toText,
  type AccountLabel,
  type CommitResult,
  type Cursor,
  type CycleCommit,
  type CycleLedger,
  type CycleState,
  type DenialCode,
  type ExecutionRequest,
  type Hash,
  type Instant,
  type Json,
  type LimitValues,
  type OrderRequest,
  type PastDenial,
  type PlannedDecision,
  type RunnableStrategy,
  type Side,
  type StrategyHealth,
  type StrategyRegistry,
  type Ticker,
  type UnresolvedStrategy,
} from '@torghut/domain';
import { jsonText } from './json.ts';
import { addToOutbox, type NewMessage } from './outbox-store.ts';
import { inTransaction, type Pool, type Queryable } from './pool.ts';
import { readRiskFacts } from './risk-facts.ts';

export interface CycleLedgerConfig {
  readonly account: AccountLabel;
  readonly limits: LimitValues;
  /** Names the series a cursor reads: window size and source. */
  readonly cursorSource: string;
  readonly registry?: StrategyRegistry;
}

interface StateRow {
  readonly finished: boolean;
  readonly cursor: {
    event_ms: number;
    symbol: string;
    seq: string;
    overlap_keys: string[];
    rewind_ms: number | null;
    lock_version: number;
  } | null;
  readonly universe: { symbols: Ticker[]; fetched_ms: number } | null;
  readonly strategies: {
    id: string;
    strategy_id: string;
    strategy_type: string;
    version: string;
    base_timeframe: string;
    params: Json;
    params_hash: string;
    universe_filter: Ticker[] | null;
    priority: number;
    consecutive_errors: number | null;
    degraded_ms: number | null;
  }[];
  readonly recent: {
    strategy_id: string;
    symbol: string;
    action: Side;
    denied: boolean;
    event_ms: number;
    reasons: DenialCode[];
  }[];
  readonly previous_codes: string[] | null;
  readonly last_tail_ms: number | null;
  readonly feature_contract_id: string | null;
}

/** `$1` account, `$2` window start, `$3` cursor source, `$4` now, `$5` feature contract hash, `$6` start of the cooldown. */
const stateStatement = `
SELECT
  EXISTS (SELECT FROM signal_windows WHERE account_label = $1 AND consumer = 'trading' AND window_start = $2 AND finished_at IS NOT NULL) AS finished,
  (SELECT json_build_object('event_ms', (extract(epoch FROM cursor_event_ts) * 1000)::bigint, 'symbol', cursor_symbol, 'seq', cursor_seq::text,
            'overlap_keys', overlap_keys, 'rewind_ms', (extract(epoch FROM last_rewind_at) * 1000)::bigint, 'lock_version', lock_version)
     FROM trade_cursor WHERE source = $3 AND account_label = $1) AS cursor,
  (SELECT json_build_object('symbols', symbols, 'fetched_ms', (extract(epoch FROM fetched_at) * 1000)::bigint)
     FROM universe_resolutions WHERE account_label = $1 AND reason = 'jangar_fetch_ok' AND resolved_at <= $4
     ORDER BY resolved_at DESC LIMIT 1) AS universe,
  (SELECT coalesce(json_agg(strategy ORDER BY strategy_id), '[]') FROM (
     SELECT s.id, s.strategy_id, s.strategy_type, s.version, s.base_timeframe, s.params, s.params_hash, s.universe_filter, s.priority,
            h.consecutive_errors, (extract(epoch FROM h.degraded_until) * 1000)::bigint AS degraded_ms
       FROM strategies s LEFT JOIN strategy_health h ON h.strategy_pk = s.id AND h.account_label = $1 WHERE s.enabled
   ) AS strategy) AS strategies,
  (SELECT coalesce(json_agg(decision), '[]') FROM (
     SELECT DISTINCT ON (strategy_id, symbol, action, status = 'denied') strategy_id, symbol, action, status = 'denied' AS denied,
            (extract(epoch FROM event_ts) * 1000)::bigint AS event_ms, reasons
       FROM trade_decisions WHERE account_label = $1 AND window_start >= $6
      ORDER BY strategy_id, symbol, action, status = 'denied', event_ts DESC
   ) AS decision) AS recent,
  (SELECT blocked_reasons FROM signal_windows WHERE account_label = $1 AND consumer = 'trading' AND window_start < $2
    ORDER BY window_start DESC LIMIT 1) AS previous_codes,
  (SELECT (extract(epoch FROM tail_event_ts) * 1000)::bigint FROM signal_windows
    WHERE account_label = $1 AND consumer = 'trading' AND window_start < $2 AND tail_event_ts IS NOT NULL
    ORDER BY window_start DESC LIMIT 1) AS last_tail_ms,
  (SELECT id FROM feature_contracts WHERE hash = $5 AND status = 'active') AS feature_contract_id`;

/** A uuid that is a function of the decision: a repeated cycle writes the same row, and messages can name it beforehand. */
const decisionId = (identity: Hash): string => {
  const hex = identity;
  // Version 8 (RFC 9562): the bits are ours to define.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

const requestOf = (decision: PlannedDecision, decidedAt: Instant): ExecutionRequest => {
  const order: OrderRequest = {
    clientOrderId: clientOrderId(decision.decisionIdentity, 1),
    symbol: decision.symbol,
    side: decision.action,
    qty: decision.qty,
    type: decision.orderType,
    timeInForce: decision.timeInForce,
    limitPrice: decision.limitPrice,
    stopPrice: decision.stopPrice,
  };
  return {
    accountLabel: decision.accountLabel,
    tradeDecisionId: decisionId(decision.decisionIdentity),
    decisionIdentity: decision.decisionIdentity,
    attempt: 1,
    order,
    decidedAt,
    expiresAt: decision.expiresAt,
    route: initialRoute(decision.expectedAdapter, decision.routePolicy),
  };
};

const columnsOf = (decision: PlannedDecision) => ({
  id: decisionId(decision.decisionIdentity),
  decision_identity: decision.decisionIdentity,
  content_hash: decision.contentHash,
  strategy_pk: decision.strategyPk,
  strategy_id: decision.strategyId,
  strategy_version: decision.strategyVersion,
  symbol: decision.symbol,
  timeframe: decision.timeframe,
  event_ts: toText(decision.eventTs),
  action: decision.action,
  intent: decision.intent,
  order_type: decision.orderType,
  time_in_force: decision.timeInForce,
  qty: decision.qty,
  limit_price: decision.limitPrice,
  reference_price: decision.referencePrice,
  reference_price_at: decision.referencePriceAt === null ? null : toText(decision.referencePriceAt),
  confidence: decision.confidence,
  rationale_codes: decision.rationaleCodes,
  decision_json: decision.decisionJson,
  status: decision.status,
  reasons: decision.reasons,
  reason_details: decision.reasonDetails,
  capital_stage: decision.capitalStage,
  universe_hash: decision.universeHash,
  code_hash: decision.codeHash,
  watermark_event_ts: toText(decision.watermarkEventTs),
  signal_lag_ms: decision.signalLagMs,
  expires_at: toText(decision.expiresAt),
});

/** Windows, decisions and the cursor of one account, in Postgres. */
export const postgresCycleLedger = (pool: Pool, config: CycleLedgerConfig): CycleLedger => {
  const { account, cursorSource, limits } = config;
  const registry = config.registry ?? builtInStrategies;

  const load = async (now: Instant, windowStart: Instant): Promise<CycleState> =>
    inTransaction(
      pool,
      async (client) => {
        const facts = await readRiskFacts(client, account, now, null);
        const cooldownStart = now - Math.max(2, Math.ceil(limits.cooldownSeconds / 60) + 3) * minute;
        const result = await client.query<StateRow>({
          text: stateStatement,
          values: [
            account,
            new Date(windowStart),
            cursorSource,
            new Date(now),
            featureContractHash,
            new Date(cooldownStart),
          ],
        });
        const [row] = result.rows;
        if (row === undefined) throw new Error('expected one row of cycle state, found none');
        const strategies: RunnableStrategy[] = [];
        const unresolved: UnresolvedStrategy[] = [];
        const health = new Map<string, StrategyHealth>();
        for (const entry of row.strategies) {
          const bound = registry.bind(entry.strategy_type, entry.version, entry.params, entry.base_timeframe);
          if (!bound.ok) {
            unresolved.push({ strategyId: entry.strategy_id, problem: `${bound.reason}: ${bound.detail}` });
            continue;
          }
          strategies.push({
            strategyPk: entry.id,
            strategyId: entry.strategy_id,
            baseTimeframe: entry.base_timeframe,
            paramsHash: entry.params_hash,
            universeFilter: entry.universe_filter === null ? null : new Set(entry.universe_filter),
            priority: entry.priority,
            bound: bound.strategy,
          });
          if (entry.consecutive_errors !== null) {
            health.set(entry.strategy_id, {
              consecutiveErrors: entry.consecutive_errors,
              degradedUntil: entry.degraded_ms,
            });
          }
        }
        const lastDecisionAt = new Map<string, Instant>();
        const lastDenials = new Map<string, PastDenial>();
        for (const past of row.recent) {
          const key = cooldownKey(account, past.strategy_id, past.symbol, past.action);
          if (past.denied) lastDenials.set(key, { eventTs: past.event_ms, reasons: past.reasons });
          else lastDecisionAt.set(key, past.event_ms);
        }
        const cursor: Cursor | null =
          row.cursor === null
            ? null
            : {
                eventTs: row.cursor.event_ms,
                symbol: row.cursor.symbol,
                seq: row.cursor.seq,
                overlapKeys: row.cursor.overlap_keys,
                lastRewindAt: row.cursor.rewind_ms,
                lockVersion: row.cursor.lock_version,
              };
        return {
          finished: row.finished,
          facts: { ...facts, session: sessionAt(now, facts.calendar) },
          cursor,
          universe:
            row.universe === null ? null : { symbols: row.universe.symbols, fetchedAt: row.universe.fetched_ms },
          strategies,
          unresolved,
          health,
          lastDecisionAt,
          lastDenials,
          lastTailEventTs: row.last_tail_ms,
          previousCodes: row.previous_codes ?? [],
          featureContractId: row.feature_contract_id,
        };
      },
      { isolation: 'repeatable read' },
    );

  const writeWindow = async (client: Queryable, commit: CycleCommit): Promise<boolean> => {
    const { window, universe } = commit;
    const result = await client.query(
      `INSERT INTO signal_windows AS known (account_label, consumer, window_start, window_end, scheduled_for, session_open, no_signal_reason,
         blocked_reasons, rows_read, rows_late, rows_duplicate, rows_quarantined, signals_evaluated, decisions_count, tail_event_ts, lag_seconds,
         effective_lag_seconds, ingest_delay_p95_ms, hit, cursor_before, cursor_after, universe_hash, universe_status, feature_contract_id,
         code_hash, attempts, started_at, finished_at)
       VALUES ($1, 'trading', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, 1, $25, $26)
       ON CONFLICT (account_label, consumer, window_start) DO NOTHING`,
      [
        account,
        new Date(window.start),
        new Date(window.end),
        new Date(window.scheduledFor),
        window.sessionOpen,
        window.noSignalReason,
        window.blockedReasons,
        window.rowsRead,
        window.rowsLate,
        window.rowsDuplicate,
        window.rowsQuarantined,
        window.signalsEvaluated,
        window.decisionsCount,
        window.tailEventTs === null ? null : new Date(window.tailEventTs),
        window.lagSeconds,
        window.effectiveLagSeconds,
        window.ingestDelayP95Ms,
        window.rowsRead > 0,
        jsonText(window.cursorBefore),
        jsonText(window.cursorAfter),
        universe.universeHash,
        universe.status,
        commit.featureContractId,
        window.codeHash,
        new Date(window.startedAt),
        new Date(window.finishedAt),
      ],
    );
    return result.rowCount === 1;
  };

  /** Moves the cursor if nobody else did since it was read. */
  const moveCursor = async (client: Queryable, cursor: Cursor): Promise<boolean> => {
    const values = [
      cursorSource,
      account,
      new Date(cursor.eventTs),
      cursor.symbol,
      cursor.seq,
      JSON.stringify(cursor.overlapKeys),
      cursor.lastRewindAt === null ? null : new Date(cursor.lastRewindAt),
      cursor.lockVersion,
    ];
    const result =
      cursor.lockVersion === 0
        ? await client.query(
            `INSERT INTO trade_cursor (source, account_label, cursor_event_ts, cursor_symbol, cursor_seq, overlap_keys, last_rewind_at, lock_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8::bigint + 1) ON CONFLICT DO NOTHING`,
            values,
          )
        : await client.query(
            `UPDATE trade_cursor SET cursor_event_ts = $3, cursor_symbol = $4, cursor_seq = $5, overlap_keys = $6, last_rewind_at = $7,
               lock_version = lock_version + 1 WHERE source = $1 AND account_label = $2 AND lock_version = $8`,
            values,
          );
    return result.rowCount === 1;
  };

  const writeDecisions = async (
    client: Queryable,
    commit: CycleCommit,
  ): Promise<{ written: Set<string>; divergence: number }> => {
    const { decisions, window, featureContractId } = commit;
    if (decisions.length === 0) return { written: new Set(), divergence: 0 };
    const result = await client.query<{ id: string | null; divergent: boolean | null }>(
      `WITH proposed AS (
         SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, decision_identity hash, content_hash hash, strategy_pk uuid, strategy_id text,
           strategy_version text, symbol text, timeframe text, event_ts timestamptz, action text, intent text, order_type text, time_in_force text,
           qty numeric, limit_price numeric, reference_price numeric, reference_price_at timestamptz, confidence numeric, rationale_codes text[],
           decision_json jsonb, status text, reasons text[], reason_details jsonb, capital_stage text, universe_hash text, code_hash text,
           watermark_event_ts timestamptz, signal_lag_ms int, expires_at timestamptz)
       ), written AS (
         INSERT INTO trade_decisions (id, account_label, decision_identity, content_hash, strategy_pk, strategy_id, strategy_version, symbol,
           timeframe, event_ts, action, intent, order_type, time_in_force, qty, limit_price, reference_price, reference_price_at, confidence,
           rationale_codes, decision_json, status, reasons, reason_details, consumer, window_start, capital_stage, feature_contract_id,
           universe_hash, code_hash, watermark_event_ts, signal_lag_ms, expires_at)
         SELECT id, $2, decision_identity, content_hash, strategy_pk, strategy_id, strategy_version, symbol, timeframe, event_ts, action, intent,
           order_type, time_in_force, qty, limit_price, reference_price, reference_price_at, confidence, rationale_codes, decision_json, status,
           reasons, reason_details, 'trading', $3, capital_stage, $4, universe_hash, code_hash, watermark_event_ts, signal_lag_ms, expires_at
         FROM proposed ON CONFLICT (account_label, decision_identity) DO NOTHING RETURNING id
       )
       SELECT w.id, d.content_hash <> p.content_hash AS divergent
         FROM proposed p LEFT JOIN written w ON w.id = p.id
         LEFT JOIN trade_decisions d ON d.account_label = $2 AND d.decision_identity = p.decision_identity`,
      [jsonText(decisions.map(columnsOf)), account, new Date(window.start), featureContractId],
    );
    return {
      written: new Set(result.rows.flatMap(({ id }) => (id === null ? [] : [id]))),
      divergence: result.rows.filter(({ divergent }) => divergent === true).length,
    };
  };

  const writeRest = async (client: Queryable, commit: CycleCommit, written: ReadonlySet<string>): Promise<void> => {
    const { universe, window, deadLetters, health } = commit;
    const messages = commit.decisions.flatMap((decision): NewMessage[] => {
      if (decision.status !== 'planned' || !written.has(decisionId(decision.decisionIdentity))) return [];
      const request = requestOf(decision, window.scheduledFor);
      return [
        {
          topic: decision.expectedAdapter,
          groupKey: executionGroup(request),
          dedupId: request.order.clientOrderId,
          payload: executionRequestJson(request),
          availableAt: window.scheduledFor,
        },
      ];
    });
    await addToOutbox(client, messages);
    if (commit.universeAsked) {
      await client.query(
        `INSERT INTO universe_resolutions (account_label, symbols, universe_hash, status, reason, fetched_at, resolved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [
          account,
          universe.symbols,
          universe.universeHash,
          universe.status,
          universe.reason,
          new Date(universe.fetchedAt),
          new Date(window.scheduledFor),
        ],
      );
    }
    if (deadLetters.length > 0) {
      await client.query(
        `INSERT INTO dead_letters AS known (source, account_label, key, codes, payload, attempts, first_seen_at, last_seen_at)
         SELECT r.source, $2, r.key, r.codes, r.payload, 1, $3, $3
           FROM jsonb_to_recordset($1::jsonb) AS r(source text, key text, codes text[], payload jsonb)
         ON CONFLICT (source, key) DO UPDATE SET attempts = known.attempts + 1, last_seen_at = excluded.last_seen_at`,
        [jsonText(deadLetters), account, new Date(window.finishedAt)],
      );
    }
    if (health.size > 0) {
      await client.query(
        `INSERT INTO strategy_health AS known (account_label, strategy_pk, consecutive_errors, degraded_until)
         SELECT $2, s.id, r.errors, r.until FROM jsonb_to_recordset($1::jsonb) AS r(strategy_id text, errors int, until timestamptz)
           JOIN strategies s ON s.strategy_id = r.strategy_id
         ON CONFLICT (account_label, strategy_pk) DO UPDATE SET consecutive_errors = excluded.consecutive_errors, degraded_until = excluded.degraded_until`,
        [
          jsonText(
            [...health].map(([strategyId, one]) => ({
              strategy_id: strategyId,
              errors: one.consecutiveErrors,
              until: one.degradedUntil === null ? null : toText(one.degradedUntil),
            })),
          ),
          account,
        ],
      );
    }
  };

  /** Thrown to roll back a transaction that lost the race for the cursor or the window. */
  class Overtaken extends Error {
    readonly result: CommitResult;
    constructor(result: CommitResult) {
      super('another cycle was faster');
      this.result = result;
    }
  }

  return {
    load,
    commit: async (commit) => {
      try {
        return await inTransaction(pool, async (client): Promise<CommitResult> => {
          if (!(await writeWindow(client, commit))) throw new Overtaken({ kind: 'finished' });
          if (!(await moveCursor(client, commit.cursor))) throw new Overtaken({ kind: 'conflict' });
          const { written, divergence } = await writeDecisions(client, commit);
          await writeRest(client, commit, written);
          return {
            kind: 'committed',
            decisions: written.size,
            duplicates: commit.decisions.length - written.size,
            contentDivergence: divergence,
          };
        });
      } catch (error) {
        if (error instanceof Overtaken) return error.result;
        throw error;
      }
    },
  };
};
