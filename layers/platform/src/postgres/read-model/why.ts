import {
  clientOrderId,
  type AccountLabel,
  type AdapterStateName,
  type BreakerState,
  type ExecutionAdapter,
  type ReceiptOutcome,
  type ReceiptState,
  type Side,
} from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { type DecisionView, decisionView, type ExecutionView, executionView } from './shared-rows.ts';
import { decimalColumn, instantText } from './sql.ts';

/** Which kind of id the question named. */
export const subjectKinds = ['decision_id', 'decision_identity', 'client_order_id', 'broker_order_id'] as const;
export type SubjectKind = (typeof subjectKinds)[number];

/** A decision as stored, with the rows it points to. Quantities and prices are decimal text, times UTC text. */
export interface WhyDecision extends DecisionView {
  readonly strategy_version: string;
  readonly intent: string;
  readonly order_type: string;
  readonly time_in_force: string;
  readonly limit_price: string | null;
  readonly stop_price: string | null;
  readonly reference_price: string | null;
  readonly reference_price_at: string | null;
  readonly confidence: string;
  readonly rationale_codes: readonly string[];
  readonly decision_json: Readonly<Record<string, unknown>>;
  readonly window_start: string;
  readonly capital_stage: string;
  readonly universe_hash: string;
  readonly code_hash: string;
  readonly watermark_event_ts: string;
  readonly signal_lag_ms: number;
  readonly expires_at: string;
  readonly feature_contract: { readonly version: string; readonly hash: string };
  readonly window: {
    readonly scheduled_for: string;
    readonly started_at: string;
    readonly finished_at: string | null;
    readonly rows_read: number;
    readonly signals_evaluated: number;
    readonly decisions_count: number;
  };
  readonly reviews: readonly { readonly model: string; readonly verdict: string; readonly requested_at: string }[];
}

/** One broker call, or the right to make it. */
export interface WhyReceipt {
  readonly id: string;
  readonly operation: string;
  readonly client_order_id: string | null;
  readonly attempt: number;
  readonly adapter: ExecutionAdapter;
  readonly state: ReceiptState;
  readonly outcome: ReceiptOutcome | null;
  readonly outcome_codes: readonly string[];
  readonly broker_order_id: string | null;
  readonly http_status: number | null;
  readonly x_request_id: string | null;
  readonly fencing_token: number;
  readonly claimed_at: string;
  readonly io_at: string | null;
  readonly settled_at: string | null;
  readonly resolved_at: string | null;
  readonly next_check_at: string | null;
  readonly check_count: number;
  readonly route: Readonly<Record<string, unknown>> | null;
  readonly decided_at: string | null;
  readonly control_snapshot: unknown;
  /** What the pre-trade checks saw, as stored; null where none were asked. */
  readonly risk_checks: unknown;
  /** States and breakers of all adapters, as a whole and for the symbol, in force when the call was claimed. */
  readonly adapter_states: readonly WhyAdapterState[];
}

export interface WhyAdapterState {
  readonly adapter: string;
  readonly symbol: string | null;
  readonly state: AdapterStateName;
  readonly breaker: BreakerState;
  readonly health_reason: string | null;
  readonly actor: string;
  readonly reason: string;
  readonly at: string;
}

export interface WhyMessage {
  readonly topic: string;
  readonly dedup_id: string;
  readonly available_at: string;
  readonly published_at: string | null;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly decided_at: string | null;
  readonly route: Readonly<Record<string, unknown>> | null;
}

export interface WhyExecution extends ExecutionView {
  readonly attempt: number;
  readonly execution_correlation_id: string | null;
  readonly replaces_id: string | null;
  readonly replaced_by_id: string | null;
  readonly submitted_at: string;
}

export interface WhyEvent {
  readonly execution_id: string | null;
  readonly alpaca_order_id: string;
  readonly source: string;
  readonly broker_execution_id: string | null;
  /** The execution that a bust or a correction takes back. */
  readonly corrects_execution_id: string | null;
  readonly event_type: string;
  readonly status: string | null;
  readonly event_ts: string;
  readonly received_at: string;
  readonly qty: string | null;
  readonly filled_qty: string | null;
  readonly price: string | null;
}

export interface WhyBreak {
  readonly break_type: string;
  readonly severity: string;
  readonly status: string;
  readonly order_ref: string | null;
  readonly created_at: string;
}

/** A fill that counts now: not taken back, and as corrected. */
export interface WhyFill {
  readonly broker_execution_id: string;
  readonly execution_id: string;
  readonly alpaca_order_id: string;
  readonly side: Side;
  readonly qty: string;
  readonly price: string;
  readonly executed_at: string;
}

/** The stored rows behind one order or decision, oldest first. */
export interface WhyRows {
  readonly matchedBy: SubjectKind;
  readonly decision: WhyDecision | null;
  readonly messages: readonly WhyMessage[];
  readonly receipts: readonly WhyReceipt[];
  readonly executions: readonly WhyExecution[];
  readonly events: readonly WhyEvent[];
  readonly breaks: readonly WhyBreak[];
  /** Fills of the orders. */
  readonly fills: readonly WhyFill[];
  /** Every fill of the decision's strategy in its symbol; null when there are more than can be matched at once. */
  readonly strategyFills: readonly WhyFill[] | null;
}

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const identityPattern = /^[0-9a-f]{64}$/;
/** Years of one strategy in one symbol. */
const mostFills = 20_000;

interface Subject {
  readonly matchedBy: SubjectKind;
  readonly decisionId: string | null;
  readonly clientOrderIds: readonly string[];
  readonly brokerOrderIds: readonly string[];
}

interface OrderIds {
  readonly trade_decision_id: string | null;
  readonly client_order_id: string | null;
  readonly broker_order_id: string | null;
}

const known = (ids: readonly (string | null)[]): readonly string[] => [...new Set(ids.filter((id) => id !== null))];

const subjectOf = (matchedBy: SubjectKind, rows: readonly OrderIds[]): Subject => ({
  matchedBy,
  decisionId: rows.find((row) => row.trade_decision_id !== null)?.trade_decision_id ?? null,
  clientOrderIds: known(rows.map((row) => row.client_order_id)),
  brokerOrderIds: known(rows.map((row) => row.broker_order_id)),
});

/** Where each kind of id is found; the first statement that finds rows says what was meant. */
const lookups: readonly {
  readonly kind: SubjectKind;
  readonly fits: (id: string) => boolean;
  readonly sql: string;
}[] = [
  {
    kind: 'decision_id',
    fits: (id) => uuidPattern.test(id),
    sql: `SELECT id AS trade_decision_id, NULL AS client_order_id, NULL AS broker_order_id
      FROM trade_decisions WHERE account_label = $1 AND id = $2::uuid`,
  },
  {
    kind: 'decision_identity',
    fits: (id) => identityPattern.test(id),
    sql: `SELECT id AS trade_decision_id, NULL AS client_order_id, NULL AS broker_order_id
      FROM trade_decisions WHERE account_label = $1 AND decision_identity = $2`,
  },
  {
    kind: 'client_order_id',
    fits: () => true,
    sql: `SELECT trade_decision_id, client_order_id, alpaca_order_id AS broker_order_id FROM executions
        WHERE account_label = $1 AND client_order_id = $2
      UNION SELECT trade_decision_id, client_order_id, broker_order_id FROM broker_receipts
        WHERE account_label = $1 AND client_order_id = $2 AND operation = 'submit'
      UNION SELECT (payload ->> 'trade_decision_id')::uuid, dedup_id, NULL FROM outbox
        WHERE dedup_id = $2 AND payload ->> 'account_label' = $1::text`,
  },
  {
    kind: 'broker_order_id',
    fits: () => true,
    sql: `SELECT trade_decision_id, client_order_id, alpaca_order_id AS broker_order_id FROM executions
        WHERE account_label = $1 AND alpaca_order_id = $2
      UNION SELECT trade_decision_id, client_order_id, broker_order_id FROM broker_receipts
        WHERE account_label = $1 AND broker_order_id = $2`,
  },
];

const findSubject = async (db: Queryable, account: AccountLabel, id: string): Promise<Subject | null> => {
  for (const { kind, fits, sql } of lookups) {
    if (!fits(id)) continue;
    const { rows } = await db.query<OrderIds>(sql, [account, id]);
    if (rows.length > 0) return subjectOf(kind, rows);
  }
  return null;
};

const readDecision = async (db: Queryable, account: AccountLabel, id: string): Promise<WhyDecision | null> => {
  const { rows } = await db.query<WhyDecision>(
    `SELECT ${decisionView}, d.strategy_version, d.intent, d.order_type, d.time_in_force,
       ${decimalColumn('d.limit_price')} AS limit_price, ${decimalColumn('d.stop_price')} AS stop_price,
       ${decimalColumn('d.reference_price')} AS reference_price,
       ${instantText('d.reference_price_at')} AS reference_price_at, ${decimalColumn('d.confidence')} AS confidence,
       d.rationale_codes, d.decision_json,
       ${instantText('d.window_start')} AS window_start, d.capital_stage, d.universe_hash, d.code_hash,
       ${instantText('d.watermark_event_ts')} AS watermark_event_ts, d.signal_lag_ms,
       ${instantText('d.expires_at')} AS expires_at,
       json_build_object('version', c.version, 'hash', c.hash) AS feature_contract,
       json_build_object('scheduled_for', ${instantText('w.scheduled_for')}, 'started_at', ${instantText('w.started_at')},
         'finished_at', ${instantText('w.finished_at')}, 'rows_read', w.rows_read, 'signals_evaluated', w.signals_evaluated,
         'decisions_count', w.decisions_count) AS "window",
       (SELECT coalesce(json_agg(json_build_object('model', r.model, 'verdict', r.verdict,
           'requested_at', ${instantText('r.requested_at')}) ORDER BY r.requested_at), '[]')
        FROM llm_decision_reviews r WHERE r.trade_decision_id = d.id) AS reviews
     FROM trade_decisions d
     JOIN feature_contracts c ON c.id = d.feature_contract_id
     JOIN signal_windows w ON (w.account_label, w.consumer, w.window_start) = (d.account_label, d.consumer, d.window_start)
     WHERE d.account_label = $1 AND d.id = $2`,
    [account, id],
  );
  return rows[0] ?? null;
};

const readReceipts = async (db: Queryable, account: AccountLabel, subject: Subject): Promise<WhyReceipt[]> => {
  const { rows } = await db.query<WhyReceipt>(
    `SELECT r.id, r.operation, r.client_order_id, r.attempt, r.adapter, r.state, r.outcome, r.outcome_codes,
       r.broker_order_id, r.http_status, r.x_request_id, r.fencing_token, ${instantText('r.claimed_at')} AS claimed_at,
       ${instantText('r.io_at')} AS io_at, ${instantText('r.settled_at')} AS settled_at,
       ${instantText('r.resolved_at')} AS resolved_at, ${instantText('r.next_check_at')} AS next_check_at, r.check_count,
       r.request_json -> 'route' AS route, r.request_json ->> 'decided_at' AS decided_at, r.control_snapshot,
       r.risk_checks,
       (SELECT coalesce(json_agg(json_build_object('adapter', s.adapter, 'symbol', s.symbol, 'state', s.state,
           'breaker', s.breaker, 'health_reason', s.health_reason, 'actor', s.actor, 'reason', s.reason,
           'at', ${instantText('s.at')}) ORDER BY s.adapter, s.symbol NULLS FIRST), '[]')
        FROM adapter_states s
        WHERE s.account_label = r.account_label AND s.adapter <> 'llm' AND (s.symbol IS NULL OR s.symbol = r.symbol)
          AND s.at <= r.claimed_at AND (s.superseded_at IS NULL OR s.superseded_at > r.claimed_at)) AS adapter_states
     FROM broker_receipts r
     -- Submits are found by an index on their client order id; without a decision other calls have nothing else to go by.
     WHERE r.account_label = $1 AND (r.trade_decision_id = $2
       OR (r.client_order_id = ANY($3) AND (r.operation = 'submit' OR $2::uuid IS NULL)))
     ORDER BY r.claimed_at, r.fencing_token`,
    [account, subject.decisionId, subject.clientOrderIds],
  );
  return rows;
};

/** The orders of the decision, with those that replaced them or that they replaced. */
const readExecutions = async (db: Queryable, account: AccountLabel, subject: Subject): Promise<WhyExecution[]> => {
  const { rows } = await db.query<WhyExecution>(
    `WITH RECURSIVE chain AS (
       SELECT e.id, e.replaces_id, e.replaced_by_id FROM executions e
       WHERE e.account_label = $1
         AND (e.trade_decision_id = $2 OR e.client_order_id = ANY($3) OR e.alpaca_order_id = ANY($4))
       UNION
       SELECT e.id, e.replaces_id, e.replaced_by_id FROM executions e
       JOIN chain ON e.id IN (chain.replaces_id, chain.replaced_by_id)
       WHERE e.account_label = $1
     )
     SELECT ${executionView}, e.attempt, e.execution_correlation_id, e.replaces_id, e.replaced_by_id,
       ${instantText('e.submitted_at')} AS submitted_at
     FROM executions e LEFT JOIN execution_tca_metrics t ON t.execution_id = e.id
     WHERE e.id IN (SELECT id FROM chain)
     ORDER BY e.submitted_at, e.id`,
    [account, subject.decisionId, subject.clientOrderIds, subject.brokerOrderIds],
  );
  return rows;
};

const readEvents = async (db: Queryable, executionIds: readonly string[]): Promise<WhyEvent[]> => {
  const { rows } = await db.query<WhyEvent>(
    `SELECT execution_id, alpaca_order_id, source, broker_execution_id, corrects_execution_id, event_type, status,
       ${instantText('v.event_ts')} AS event_ts, ${instantText('v.received_at')} AS received_at,
       ${decimalColumn('qty')} AS qty, ${decimalColumn('filled_qty')} AS filled_qty, ${decimalColumn('price')} AS price
     FROM execution_order_events v WHERE execution_id = ANY($1::uuid[])
     ORDER BY v.event_ts, v.received_at, v.event_fingerprint`,
    [executionIds],
  );
  return rows;
};

/** The messages that carried the order: its request, its fallback, its follow-ups. */
const readMessages = async (db: Queryable, clientOrderIds: readonly string[]): Promise<WhyMessage[]> => {
  const { rows } = await db.query<WhyMessage>(
    `SELECT topic, dedup_id, ${instantText('o.available_at')} AS available_at, ${instantText('o.published_at')} AS published_at,
       attempts, last_error, payload ->> 'decided_at' AS decided_at, payload -> 'route' AS route
     FROM outbox o
     WHERE dedup_id IN (SELECT prefix || id FROM unnest($1::text[]) AS id, unnest(ARRAY['', 'fallback:']) AS prefix)
       OR (topic = 'followUp' AND payload ->> 'client_order_id' = ANY($1))
     ORDER BY o.id`,
    [clientOrderIds],
  );
  return rows;
};

const readBreaks = async (db: Queryable, account: AccountLabel, references: readonly string[]): Promise<WhyBreak[]> => {
  const { rows } = await db.query<WhyBreak>(
    `SELECT break_type, severity, status, order_ref, ${instantText('b.created_at')} AS created_at
     FROM reconciliation_breaks b WHERE account_label = $1 AND order_ref = ANY($2) ORDER BY b.created_at, id`,
    [account, references],
  );
  return rows;
};

const fillColumns = `f.broker_execution_id, f.execution_id, f.alpaca_order_id, f.side, ${decimalColumn('f.qty')} AS qty,
       ${decimalColumn('f.price')} AS price, ${instantText('f.executed_at')} AS executed_at`;

const readFills = async (db: Queryable, executionIds: readonly string[]): Promise<WhyFill[]> => {
  const { rows } = await db.query<WhyFill>(
    `SELECT ${fillColumns} FROM booked_fills f WHERE f.execution_id = ANY($1::uuid[])
     ORDER BY f.executed_at, f.broker_execution_id`,
    [executionIds],
  );
  return rows;
};

const readStrategyFills = async (
  db: Queryable,
  account: AccountLabel,
  { strategy_id: strategy, symbol }: WhyDecision,
): Promise<WhyFill[] | null> => {
  const { rows } = await db.query<WhyFill>(
    `SELECT ${fillColumns}
     FROM trade_decisions d
     JOIN executions e ON e.trade_decision_id = d.id
     JOIN booked_fills f ON f.execution_id = e.id
     WHERE d.account_label = $1 AND d.strategy_id = $2 AND d.symbol = $3
     LIMIT ${mostFills + 1}`,
    [account, strategy, symbol],
  );
  return rows.length > mostFills ? null : rows;
};

/**
 * Everything the ledger has on one order or decision; null when no row names the id. The caller provides one snapshot.
 * @param id of a decision, its identity, a client order id or the broker's order id
 */
export const readWhy = async (db: Queryable, account: AccountLabel, id: string): Promise<WhyRows | null> => {
  const found = await findSubject(db, account, id);
  if (found === null) return null;
  const decision = found.decisionId === null ? null : await readDecision(db, account, found.decisionId);
  const receipts = await readReceipts(db, account, found);
  const executions = await readExecutions(db, account, found);
  // A denied decision was never given to a router, and its order id is found nowhere.
  const clientOrderIds = known([
    ...found.clientOrderIds,
    ...receipts.map((receipt) => receipt.client_order_id),
    ...executions.map((execution) => execution.client_order_id),
    ...(decision === null ? [] : [clientOrderId(decision.decision_identity, 1)]),
  ]);
  const brokerOrderIds = known([
    ...found.brokerOrderIds,
    ...receipts.map((receipt) => receipt.broker_order_id),
    ...executions.map((execution) => execution.alpaca_order_id),
  ]);
  const executionIds = executions.map((execution) => execution.id);
  return {
    matchedBy: found.matchedBy,
    decision,
    messages: await readMessages(db, clientOrderIds),
    receipts,
    executions,
    events: await readEvents(db, executionIds),
    fills: await readFills(db, executionIds),
    breaks: await readBreaks(db, account, [...clientOrderIds, ...brokerOrderIds]),
    strategyFills: decision === null ? null : await readStrategyFills(db, account, decision),
  };
};
