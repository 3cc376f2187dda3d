import {
  compareAdapters,
  executionRequestSchema,
  type AccountLabel,
  type EvidenceClass,
  type Instant,
  type NewYorkDate,
  type ParityFinding,
  type ParityLimits,
  type ParityOrder,
  type ParityVerdict,
  type Ticker,
} from '@torghut/domain';
import { alpacaOrderBody, normaliseAlpacaBody } from '../alpaca/order-body.ts';
import { leanOrderBody, normaliseLeanBody } from '../lean/order-body.ts';
import { jsonText } from './json.ts';
import type { Queryable } from './pool.ts';

export interface ParityConfig {
  readonly account: AccountLabel;
  /** The fixed subset that both adapters trade. */
  readonly symbols: readonly Ticker[];
  readonly evidence: EvidenceClass;
  readonly limits: ParityLimits;
}

export interface ParityOutcome {
  readonly symbol: Ticker;
  readonly kind: 'behaviour' | 'request';
  readonly result: ParityVerdict['result'];
  readonly codes: readonly ParityFinding[];
  readonly score: number | null;
}

interface OrderRow {
  readonly symbol: Ticker;
  readonly adapter: ParityOrder['adapter'];
  readonly session: NewYorkDate;
  readonly rejected: boolean;
  readonly ack_ms: number | null;
  readonly slippage_bps: string | null;
  readonly provenance_error: boolean;
  readonly request_json: unknown;
}

/** `$1` account, `$2` symbols, `$3` New York date of the last session, `$4` how many sessions. */
const ordersOfSessions = `
WITH sessions AS (
  SELECT session_date FROM market_calendar WHERE kind <> 'closed' AND session_date <= $3::date ORDER BY session_date DESC LIMIT $4
)
SELECT r.symbol, r.adapter, (r.claimed_at AT TIME ZONE 'America/New_York')::date::text AS session, r.outcome = 'rejected' AS rejected,
       CASE WHEN r.outcome = 'acknowledged' THEN (extract(epoch FROM r.settled_at - r.io_at) * 1000)::float8 END AS ack_ms,
       t.slippage_bps::text AS slippage_bps,
       r.outcome <> 'rejected' AND (e.id IS NULL
         OR e.execution_actual_adapter NOT IN ('lean', 'alpaca')
         OR e.raw_order ->> '_execution_adapter' IS DISTINCT FROM e.execution_actual_adapter
         OR e.execution_actual_adapter <> r.adapter) AS provenance_error,
       r.request_json
  FROM broker_receipts r
  LEFT JOIN executions e ON e.account_label = r.account_label AND e.client_order_id = r.client_order_id
  LEFT JOIN execution_tca_metrics t ON t.execution_id = e.id AND t.filled_qty > 0
 WHERE r.account_label = $1 AND r.operation = 'submit' AND r.symbol = ANY($2) AND r.io_at IS NOT NULL
   AND r.outcome IN ('acknowledged', 'adopted', 'rejected') AND r.request_json #>> '{route,policy}' = 'parity:' || r.adapter
   AND r.claimed_at >= (SELECT min(session_date) FROM sessions)::timestamp AT TIME ZONE 'America/New_York'
   AND r.claimed_at < ($3::date + 1)::timestamp AT TIME ZONE 'America/New_York'`;

/** Whether both adapters build the same request of an order that was sent. */
const sameRequest = (requestJson: unknown): boolean => {
  const { order } = executionRequestSchema.parse(requestJson);
  return normaliseLeanBody(leanOrderBody(order)) === normaliseAlpacaBody(alpacaOrderBody(order));
};

/** Judged again, a session has one row of each kind for as long as nothing new is known of it. */
const insert = async (
  db: Queryable,
  { account, evidence, limits }: ParityConfig,
  sessionDate: NewYorkDate,
  {
    symbol,
    kind,
    verdict,
  }: { readonly symbol: Ticker; readonly kind: ParityOutcome['kind']; readonly verdict: ParityVerdict },
  now: Instant,
): Promise<void> => {
  await db.query(
    `INSERT INTO parity_checks (account_label, symbol, session_date, kind, sample_lean, sample_alpaca, metrics, tolerances, result, codes,
       evidence_class, checked_at)
     SELECT $1::text, $2::text, $3::date, $4::text, $5::int, $6::int, $7::jsonb, $8::jsonb, $9::text, $10::text[], $11, $12
      WHERE NOT EXISTS (SELECT FROM parity_checks known WHERE known.account_label = $1::text AND known.symbol = $2::text
              AND known.session_date = $3::date AND known.kind = $4::text AND known.result = $9::text AND known.metrics = $7::jsonb
              AND known.sample_lean = $5::int AND known.sample_alpaca = $6::int)`,
    [
      account,
      symbol,
      sessionDate,
      kind,
      verdict.sampleLean,
      verdict.sampleAlpaca,
      jsonText({ ...verdict.metrics }),
      jsonText({
        reject_rate: limits.parityRejectRate,
        ack_p95_ms: limits.parityAckMs,
        slippage_bps: limits.paritySlippageBps,
        sessions: limits.parityMinSessions,
        orders: limits.parityMinOrders,
      }),
      verdict.result,
      verdict.codes,
      evidence,
      new Date(now),
    ],
  );
};

/**
 * Compares the adapters by the orders of the parity symbols up to and including a session, over as many sessions as a pass
 * may be old, and appends what was found. Nothing is written of requests when no order was sent.
 * @returns the outcome of each symbol and kind.
 */
export const computeParity = async (
  db: Queryable,
  config: ParityConfig,
  sessionDate: NewYorkDate,
  now: Instant,
): Promise<readonly ParityOutcome[]> => {
  const { account, symbols, evidence, limits } = config;
  if (symbols.length === 0) return [];
  const { rows } = await db.query<OrderRow>(ordersOfSessions, [
    account,
    symbols,
    sessionDate,
    limits.parityPassMaxSessions,
  ]);
  const outcomes: ParityOutcome[] = [];
  const record = async (symbol: Ticker, kind: ParityOutcome['kind'], verdict: ParityVerdict): Promise<void> => {
    await insert(db, config, sessionDate, { symbol, kind, verdict }, now);
    outcomes.push({ symbol, kind, result: verdict.result, codes: verdict.codes, score: verdict.metrics.score });
  };
  for (const symbol of symbols) {
    const own = rows.filter((row) => row.symbol === symbol);
    const behaviour = compareAdapters(
      own.map((row) => ({
        adapter: row.adapter,
        session: row.session,
        rejected: row.rejected,
        ackMs: row.ack_ms,
        slippageBps: row.slippage_bps === null ? null : Number(row.slippage_bps),
        provenanceError: row.provenance_error,
      })),
      evidence,
      limits,
    );
    await record(symbol, 'behaviour', behaviour);
    if (own.length === 0) continue;
    const different = own.filter((row) => !sameRequest(row.request_json)).length;
    const observed = evidence === 'observed';
    await record(symbol, 'request', {
      ...behaviour,
      result: different > 0 ? 'fail' : observed ? 'pass' : 'inconclusive',
      codes: different > 0 ? ['parity_request'] : observed ? [] : ['parity_evidence_simulated'],
      metrics: { ...behaviour.metrics, score: different > 0 ? 0 : 1 },
    });
  }
  return outcomes;
};
