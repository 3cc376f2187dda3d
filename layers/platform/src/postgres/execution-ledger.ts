import {
  assessRisk,
  brokerStatusMeaning,
  canonicalJson,
  clientOrderId,
  decimal,
  decimalText,
  executionGroup,
  executionRequestJson,
  fallBack,
  followUpJson,
  isUnknownRefusal,
  provenanceMarkers,
  riskCodes,
  riskContext,
  second,
  sha256,
  statesFor,
  stateSkipReason,
  toText,
  universeTradable,
  zero,
  type AccountLabel,
  type CheckRecord,
  type Claim,
  type ClaimFacts,
  type DecisionStatus,
  type ExecutionAdapter,
  type ExecutionLedger,
  type ExecutionRequest,
  type FallbackReason,
  type Hash,
  type Instant,
  type IntentKind,
  type LimitValues,
  type OrderType,
  type ReceiptOutcome,
  type ReceiptState,
  type RiskOrder,
  type RouteFailure,
  type Side,
  type Telemetry,
  type Ticker,
  type TimeInForce,
  type TransportVerdict,
  type UniverseStatus,
  type VenueExchange,
  type WritePermit,
} from '@torghut/domain';
import { lockAccount } from './account-lock.ts';
import {
  admitThroughBreakers,
  containFallbacks,
  countTransitions,
  recordExchange,
  type RouteTransition,
} from './breaker-store.ts';
import { correlationId } from './correlation-id.ts';
import { refreshDecisionStatus } from './decision-status.ts';
import { jsonText } from './json.ts';
import { addToOutbox, messageId } from './outbox-store.ts';
import { inTransaction, type Pool, type Queryable, type TransactionOptions } from './pool.ts';
import { readRiskFacts } from './risk-facts.ts';

export interface ExecutionLedgerConfig {
  readonly account: AccountLabel;
  readonly limits: LimitValues;
  readonly tradingEnabled: boolean;
  readonly liveEnabled: boolean;
  /** Adapter that takes over when LEAN cannot; `none` keeps the order where it is. */
  readonly fallback: 'alpaca' | 'none';
  readonly universeMaxStaleSeconds: number;
  readonly telemetry: Pick<Telemetry, 'count'>;
}

interface DecisionRow {
  readonly status: DecisionStatus;
  readonly decision_identity: Hash;
  readonly symbol: Ticker;
  readonly action: Side;
  readonly qty: string;
  readonly limit_price: string | null;
  readonly stop_price: string | null;
  readonly order_type: OrderType;
  readonly time_in_force: TimeInForce;
  readonly expires_at: Instant;
  readonly strategy_id: string;
  readonly timeframe: string;
  readonly event_ts: Instant;
  readonly intent: IntentKind;
  readonly reference_price: string | null;
  readonly reference_price_at: Instant | null;
  readonly mean_minute_volume: number | null;
  readonly last_decision_at: Instant | null;
  readonly execution_exists: boolean;
  readonly universe_status: UniverseStatus | null;
  readonly universe_fetched_at: Instant | null;
  readonly in_universe: boolean | null;
  readonly universe_size: number | null;
  readonly receipts: readonly ReceiptRow[];
}

interface ReceiptRow {
  readonly id: string;
  readonly adapter: ExecutionAdapter;
  readonly state: ReceiptState;
  readonly outcome: ReceiptOutcome | null;
  /** Epoch milliseconds. */
  readonly lease_expires_at: Instant;
  readonly outcome_codes: readonly string[];
}

const accountCodes: ReadonlySet<string> = new Set(
  riskCodes.filter(({ group }) => group === 'account').map(({ code }) => code),
);
const isOfAccount = (code: string): boolean => accountCodes.has(code);

const sameAmount = (a: string | null, b: string | null): boolean =>
  a === null || b === null ? a === b : decimal(a).eq(decimal(b));

/**
 * What a message says of an order and its decision does not; null when they agree. A message that was edited, or sent
 * again as another attempt, must not become a second order of the same decision.
 */
const contradictionOf = ({ order, attempt, expiresAt }: ExecutionRequest, decision: DecisionRow): string | null => {
  const agrees: Readonly<Record<string, boolean>> = {
    client_order_id: order.clientOrderId === clientOrderId(decision.decision_identity, attempt),
    symbol: order.symbol === decision.symbol,
    side: order.side === decision.action,
    qty: sameAmount(order.qty, decision.qty),
    order_type: order.type === decision.order_type,
    time_in_force: order.timeInForce === decision.time_in_force,
    limit_price: sameAmount(order.limitPrice, decision.limit_price),
    stop_price: sameAmount(order.stopPrice, decision.stop_price),
    expires_at: expiresAt === decision.expires_at,
  };
  const fields = Object.keys(agrees).filter((field) => agrees[field] === false);
  return fields.length === 0 ? null : `another ${fields.join(', ')}`;
};

/** The receipts of broker writes and what became of them, in Postgres. */
export const postgresExecutionLedger = (pool: Pool, config: ExecutionLedgerConfig): ExecutionLedger => {
  const { account, limits, telemetry } = config;
  const lease = (now: Instant): Date => new Date(now + limits.receiptLeaseSeconds * second);

  /** Runs work whose changes of breakers and states are counted once it is committed, and not when it is rolled back or repeated. */
  const transact = async <T>(
    work: (client: Queryable, transitions: RouteTransition[]) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T> => {
    let transitions: RouteTransition[] = [];
    const result = await inTransaction(
      pool,
      (client) => {
        transitions = [];
        return work(client, transitions);
      },
      options,
    );
    countTransitions(telemetry, transitions);
    return result;
  };

  const writeReceipt = async (
    client: Queryable,
    request: ExecutionRequest,
    adapter: ExecutionAdapter,
    existing: ReceiptRow | undefined,
    written: {
      readonly state: ReceiptState;
      readonly outcome: ReceiptOutcome | null;
      readonly codes: readonly string[];
      readonly controls: unknown;
      readonly checks: readonly CheckRecord[];
    },
    now: Instant,
  ): Promise<WritePermit> => {
    const at = new Date(now);
    const correlation = correlationId(request.order.clientOrderId, adapter);
    const settledAt = written.state === 'settled' ? at : null;
    if (existing !== undefined) {
      const renewed = await client.query<{ fencing_token: number }>(
        `UPDATE broker_receipts SET state = $2, outcome = $3, outcome_codes = outcome_codes || $4::text[], control_snapshot = $5,
           fencing_token = next_fencing_token(), lease_expires_at = $6, claimed_at = $7, settled_at = $8, risk_checks = $9
         WHERE id = $1 RETURNING fencing_token`,
        [
          existing.id,
          written.state,
          written.outcome,
          written.codes,
          jsonText(written.controls),
          lease(now),
          at,
          settledAt,
          jsonText(written.checks),
        ],
      );
      return { receiptId: existing.id, fencingToken: renewed.rows[0]?.fencing_token ?? 0, correlationId: correlation };
    }
    const body = canonicalJson(executionRequestJson(request));
    const inserted = await client.query<{ id: string; fencing_token: number }>(
      `INSERT INTO broker_receipts (account_label, operation, trade_decision_id, client_order_id, attempt, adapter, symbol,
         request_sha256, request_json, state, outcome, outcome_codes, fencing_token, lease_expires_at, claimed_at, settled_at,
         check_count, control_snapshot, risk_checks)
       VALUES ($1, 'submit', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, next_fencing_token(), $12, $13, $14, 0, $15, $16)
       RETURNING id, fencing_token`,
      [
        account,
        request.tradeDecisionId,
        request.order.clientOrderId,
        request.attempt,
        adapter,
        request.order.symbol,
        sha256(body),
        body,
        written.state,
        written.outcome,
        written.codes,
        lease(now),
        at,
        settledAt,
        jsonText(written.controls),
        jsonText(written.checks),
      ],
    );
    const [row] = inserted.rows;
    if (row === undefined) throw new Error('expected the inserted receipt, found none');
    return { receiptId: row.id, fencingToken: row.fencing_token, correlationId: correlation };
  };

  /** Moves a request to the fallback queue with its route, in the caller's transaction. */
  const moveToFallback = (
    client: Queryable,
    request: ExecutionRequest,
    failure: RouteFailure,
    now: Instant,
  ): Promise<void> =>
    addToOutbox(client, [
      {
        topic: 'alpaca',
        groupKey: executionGroup(request),
        dedupId: messageId('fallback', request.order.clientOrderId),
        payload: executionRequestJson({ ...request, route: fallBack(request.route, failure) }),
        availableAt: now,
      },
    ]);

  /** Counts one finished exchange on the breakers. */
  const count = async (
    client: Queryable,
    transitions: RouteTransition[],
    adapter: ExecutionAdapter,
    symbol: Ticker,
    verdict: TransportVerdict,
    now: Instant,
  ): Promise<void> => {
    if (verdict === 'unobserved') return;
    transitions.push(...(await recordExchange(client, account, adapter, symbol, verdict === 'failed', now, limits)));
  };

  /** The settled receipt, unless this worker was overtaken. An unknown outcome may be settled again. */
  const settleReceipt = async (
    client: Queryable,
    transitions: RouteTransition[],
    permit: WritePermit,
    settled: {
      readonly outcome: ReceiptOutcome;
      readonly codes: readonly string[];
      readonly exchange: VenueExchange;
      readonly brokerOrderId: string | null;
      readonly nextCheckAt: Instant | null;
      readonly verdict: TransportVerdict;
    },
    now: Instant,
  ): Promise<{ readonly adapter: ExecutionAdapter; readonly intent: IntentKind | null } | null> => {
    const at = new Date(now);
    const result = await client.query<{
      adapter: ExecutionAdapter;
      symbol: Ticker;
      previous: ReceiptOutcome | null;
      intent: IntentKind | null;
    }>(
      `WITH before AS (SELECT id, outcome FROM broker_receipts WHERE id = $1 FOR UPDATE)
       UPDATE broker_receipts AS receipt SET state = 'settled', outcome = $3,
         outcome_codes = (SELECT array(SELECT DISTINCT code FROM unnest(receipt.outcome_codes || $4::text[]) AS code)),
         broker_order_id = coalesce($5, receipt.broker_order_id), http_status = coalesce($6, receipt.http_status), x_request_id = coalesce($7, receipt.x_request_id),
         response_json = coalesce($8::jsonb, receipt.response_json), settled_at = coalesce(receipt.settled_at, $9),
         resolved_at = CASE WHEN before.outcome = 'unknown' AND $3 <> 'unknown' THEN $9::timestamptz END,
         next_check_at = $10, check_count = receipt.check_count + CASE WHEN before.outcome = 'unknown' AND $3 <> 'unknown' THEN 1 ELSE 0 END
       FROM before
       WHERE receipt.id = before.id AND receipt.fencing_token = $2 AND (receipt.state = 'io' OR before.outcome = 'unknown')
       RETURNING receipt.adapter, receipt.symbol, before.outcome AS previous,
         (SELECT intent FROM trade_decisions d WHERE d.id = receipt.trade_decision_id) AS intent`,
      [
        permit.receiptId,
        permit.fencingToken,
        settled.outcome,
        settled.codes,
        settled.brokerOrderId,
        settled.exchange.status,
        settled.exchange.requestId,
        settled.exchange.body === null || settled.exchange.body === undefined
          ? null
          : JSON.stringify(settled.exchange.body),
        at,
        settled.nextCheckAt === null ? null : new Date(settled.nextCheckAt),
      ],
    );
    const [row] = result.rows;
    if (row === undefined) return null;
    // One exchange is one sample: an unknown outcome was counted when it became unknown.
    if (row.previous !== 'unknown') await count(client, transitions, row.adapter, row.symbol, settled.verdict, now);
    return row;
  };

  const claim = async (
    client: Queryable,
    transitions: RouteTransition[],
    request: ExecutionRequest,
    adapter: ExecutionAdapter,
    { asset, accountRead }: ClaimFacts,
    now: Instant,
  ): Promise<Claim> => {
    const { order } = request;
    await lockAccount(client, account);
    const found = await client.query<DecisionRow>(
      `SELECT d.status, d.decision_identity, d.symbol, d.action, d.qty, d.limit_price, d.stop_price, d.order_type, d.time_in_force,
         d.expires_at, d.strategy_id, d.timeframe, d.event_ts, d.intent, d.reference_price, d.reference_price_at,
         (d.decision_json #>> '{impact,inputs,mean_minute_volume}')::float8 AS mean_minute_volume,
         (SELECT max(other.event_ts) FROM trade_decisions other
           WHERE other.account_label = $2 AND other.strategy_id = d.strategy_id AND other.symbol = d.symbol AND other.action = d.action
             AND other.status <> 'denied' AND other.event_ts < d.event_ts
             AND other.event_ts > d.event_ts - make_interval(secs => $5)) AS last_decision_at,
         EXISTS (SELECT FROM executions e WHERE e.account_label = $2 AND e.client_order_id = $3) AS execution_exists,
         u.status AS universe_status, u.fetched_at AS universe_fetched_at, d.symbol = ANY(u.symbols) AS in_universe,
         cardinality(u.symbols) AS universe_size,
         (SELECT coalesce(json_agg(json_build_object('id', r.id, 'adapter', r.adapter, 'state', r.state, 'outcome', r.outcome,
                   'lease_expires_at', floor(extract(epoch FROM r.lease_expires_at) * 1000), 'outcome_codes', r.outcome_codes)), '[]')
            FROM broker_receipts r
           WHERE r.account_label = $2 AND r.client_order_id = $3 AND r.operation = 'submit') AS receipts
       FROM trade_decisions d
       LEFT JOIN LATERAL (SELECT status, fetched_at, symbols FROM universe_resolutions
                           WHERE account_label = $2 AND resolved_at <= $4 ORDER BY resolved_at DESC LIMIT 1) u ON true
       WHERE d.id = $1 AND d.account_label = $2`,
      [request.tradeDecisionId, account, order.clientOrderId, new Date(now), limits.cooldownSeconds],
    );
    const [decision] = found.rows;
    if (decision === undefined)
      throw new Error(`expected decision ${request.tradeDecisionId} of account ${account}, found none`);
    const contradiction = contradictionOf(request, decision);
    if (contradiction !== null)
      throw new Error(
        `expected a request that says what decision ${request.tradeDecisionId} says, found ${contradiction}; nothing is sent for it`,
      );
    if (decision.execution_exists || !['planned', 'queued', 'unknown'].includes(decision.status))
      return { kind: 'finished' };

    const { receipts } = decision;
    const unresolved = receipts.find((row) => row.state === 'io' || row.outcome === 'unknown');
    const own = receipts.find((row) => row.adapter === adapter);
    const abandoned = receipts.find((row) => row.state === 'claimed' && row.adapter !== adapter);
    if (unresolved !== undefined) {
      if (unresolved.state === 'io' && unresolved.lease_expires_at > now)
        return { kind: 'busy', until: unresolved.lease_expires_at, written: true };
      if (unresolved.adapter !== adapter) {
        // Orders move from LEAN to Alpaca, never back: this message was delivered again after its order had moved on.
        if (adapter === 'lean') return { kind: 'finished' };
        return { kind: 'busy', until: now + limits.receiptLeaseSeconds * second, written: false };
      }
      const taken = await client.query<{ fencing_token: number }>(
        `UPDATE broker_receipts SET fencing_token = next_fencing_token(), lease_expires_at = $2 WHERE id = $1 RETURNING fencing_token`,
        [unresolved.id, lease(now)],
      );
      const fencingToken = taken.rows[0]?.fencing_token ?? 0;
      return {
        kind: 'unresolved',
        permit: { receiptId: unresolved.id, fencingToken, correlationId: correlationId(order.clientOrderId, adapter) },
        codes: unresolved.outcome_codes,
      };
    }
    if (own?.state === 'settled') return { kind: 'finished' };
    if (abandoned !== undefined) {
      if (abandoned.lease_expires_at > now) return { kind: 'busy', until: abandoned.lease_expires_at, written: false };
      // Its worker died before it wrote: left open, the claim would keep this adapter from claiming.
      await client.query(
        `UPDATE broker_receipts SET state = 'settled', outcome = 'not_sent', settled_at = $2, fencing_token = next_fencing_token() WHERE id = $1`,
        [abandoned.id, new Date(now)],
      );
    }
    if (own !== undefined && own.lease_expires_at > now)
      return { kind: 'busy', until: own.lease_expires_at, written: false };

    const facts = await readRiskFacts(client, account, now, order.clientOrderId);
    const universeAge = decision.universe_fetched_at === null ? null : now - decision.universe_fetched_at;
    const available =
      decision.universe_status !== null &&
      universeTradable(decision.universe_status) &&
      universeAge !== null &&
      universeAge <= config.universeMaxStaleSeconds * second;
    const riskOrder: RiskOrder = {
      strategyId: decision.strategy_id,
      symbol: order.symbol,
      side: order.side,
      timeframe: decision.timeframe,
      eventTs: decision.event_ts,
      qty: decimal(order.qty),
      orderType: order.type,
      limitPrice: order.limitPrice === null ? null : decimal(order.limitPrice),
      price: {
        price: decision.reference_price === null ? null : decimal(decision.reference_price),
        asOf: decision.reference_price_at,
        source: 'trade_decisions.reference_price',
      },
      unbounded: false,
      expiresAt: request.expiresAt,
      meanMinuteVolume: decision.mean_minute_volume,
      lastDecisionAt: decision.last_decision_at,
    };
    const context = riskContext(facts, {
      phase: 'claim',
      now,
      limits,
      tradingEnabled: config.tradingEnabled,
      liveEnabled: config.liveEnabled,
      // The list itself stays in the database: the claim concerns one symbol of perhaps ten thousand.
      universe: {
        available,
        symbols: {
          size: decision.universe_size ?? 0,
          has: (symbol) => symbol === order.symbol && decision.in_universe === true,
        },
      },
      assets: new Map(asset === null ? [] : [[order.symbol, asset]]),
    });
    const verdict = assessRisk({ context, order: riskOrder });
    const { checks } = verdict;
    const record = { controls: facts.controlRows, checks };
    const deny = async (
      codes: readonly string[],
      details: unknown,
      recorded: readonly CheckRecord[],
    ): Promise<Claim> => {
      const written = { state: 'settled', outcome: 'denied', codes, ...record, checks: recorded } as const;
      await writeReceipt(client, request, adapter, own, written, now);
      await refreshDecisionStatus(client, request.tradeDecisionId, { denied: codes, details: jsonText(details) });
      return { kind: 'denied', codes };
    };
    if (!verdict.ok) {
      const outdated = verdict.codes.includes('account_snapshot_stale') && verdict.codes.every(isOfAccount);
      return outdated && !accountRead ? { kind: 'outdated' } : deny(verdict.codes, verdict.details, checks);
    }
    /** Breakers and the states of this one adapter are asked last, so that the check of the route is judged again. */
    const denyRoute = (skip: FallbackReason): Promise<Claim> => {
      const [observed, limit] = [`${adapter}: ${skip.replaceAll('_', ' ')}`, 'available'];
      return deny(
        ['route_unavailable'],
        { route_unavailable: { observed, limit } },
        checks.map((check) => (check[0] === 'route_unavailable' ? [check[0], 'failed', observed, limit] : check)),
      );
    };

    let skipped: FallbackReason | null = stateSkipReason(
      facts.adapterStates,
      adapter,
      order.symbol,
      verdict.reducing ? 'exit' : 'entry',
    );
    // A closed breaker admits without being asked; most claims meet no other.
    const { global, own: ofSymbol } = statesFor(facts.adapterStates, adapter, order.symbol);
    if (skipped === null && [global, ofSymbol].some((state) => state !== null && state.breaker !== 'closed')) {
      const admission = await admitThroughBreakers(client, account, adapter, order.symbol, now, limits);
      transitions.push(...admission.transitions);
      if (!admission.admitted) skipped = 'breaker_open';
    }
    if (skipped !== null) {
      if (adapter === 'alpaca' || config.fallback === 'none') return denyRoute(skipped);
      // A claim of ours that sent nothing is over: left open, it would keep the other adapter from claiming.
      if (own !== undefined)
        await writeReceipt(
          client,
          request,
          adapter,
          own,
          { state: 'settled', outcome: 'not_sent', codes: [skipped], ...record },
          now,
        );
      await moveToFallback(client, request, { adapter, code: skipped, at: now, receiptId: null, sent: false }, now);
      return { kind: 'rerouted', reason: skipped };
    }
    const permit = await writeReceipt(
      client,
      request,
      adapter,
      own,
      { state: 'claimed', outcome: null, codes: [], ...record },
      now,
    );
    return { kind: 'claimed', permit };
  };

  return {
    claim: (request, adapter, facts, now) =>
      transact((client, transitions) => claim(client, transitions, request, adapter, facts, now), {
        conflictRetries: 2,
      }),

    markInFlight: async (permit, now) => {
      const until = lease(now);
      const result = await pool.query(
        `UPDATE broker_receipts AS receipt SET state = 'io', io_at = $3, lease_expires_at = $4
          WHERE id = $1 AND fencing_token = $2 AND state = 'claimed' AND lease_expires_at > $3
            AND (request_json ->> 'expires_at')::timestamptz >= $3
            AND NOT EXISTS (SELECT FROM trading_controls
                             WHERE account_label = receipt.account_label AND control IN ('kill_switch', 'emergency_stop')
                               AND engaged AND superseded_at IS NULL)`,
        [permit.receiptId, permit.fencingToken, new Date(now), until],
      );
      return result.rowCount === 1 ? until.getTime() : null;
    },

    release: (permit, codes, verdict, now) =>
      transact(async (client, transitions) => {
        await lockAccount(client, account);
        const result = await client.query<{ adapter: ExecutionAdapter; symbol: Ticker }>(
          `UPDATE broker_receipts SET state = 'claimed', io_at = NULL, lease_expires_at = $3, fencing_token = next_fencing_token(),
             outcome_codes = (SELECT array(SELECT DISTINCT code FROM unnest(outcome_codes || $4::text[]) AS code))
           WHERE id = $1 AND fencing_token = $2 AND state IN ('claimed', 'io') RETURNING adapter, symbol`,
          [permit.receiptId, permit.fencingToken, new Date(now), codes],
        );
        const [row] = result.rows;
        if (row === undefined) return false;
        await count(client, transitions, row.adapter, row.symbol, verdict, now);
        return true;
      }),

    settleOrder: (permit, { request, outcome, order, provenance, exchange, codes, verdict }, now) =>
      transact(async (client, transitions) => {
        await lockAccount(client, account);
        const receipt = await settleReceipt(
          client,
          transitions,
          permit,
          { outcome, codes, exchange, brokerOrderId: order.id, nextCheckAt: null, verdict },
          now,
        );
        if (receipt === null) return false;
        const at = new Date(now);
        const state = brokerStatusMeaning(order.status)?.state ?? 'acknowledged';
        const correlation = correlationId(request.order.clientOrderId, provenance.actual);
        await client.query(
          `INSERT INTO executions (account_label, trade_decision_id, client_order_id, alpaca_order_id, attempt, symbol, side, order_type,
             time_in_force, submitted_qty, filled_qty, avg_fill_price, state, broker_status, execution_expected_adapter,
             execution_actual_adapter, execution_fallback_reason, execution_fallback_count, provenance_source, route_context,
             execution_correlation_id, execution_idempotency_key, raw_order, last_broker_json, submitted_at, last_update_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $3, $22, $23, $24, $25)
           ON CONFLICT (account_label, client_order_id) DO NOTHING`,
          [
            account,
            request.tradeDecisionId,
            request.order.clientOrderId,
            order.id,
            request.attempt,
            request.order.symbol,
            request.order.side,
            request.order.type,
            request.order.timeInForce,
            request.order.qty,
            decimalText(order.filledQty),
            order.filledAvgPrice === null ? null : decimalText(order.filledAvgPrice),
            state,
            order.status.slice(0, 32),
            provenance.expected,
            provenance.actual,
            provenance.fallbackReason,
            provenance.fallbackCount,
            provenance.source,
            jsonText(executionRequestJson(request).route),
            correlation,
            jsonText({ ...order.raw, ...provenanceMarkers(provenance, correlation, request.order.clientOrderId) }),
            JSON.stringify(order.raw),
            new Date(order.submittedAt ?? now),
            at,
          ],
        );
        const ttl = receipt.intent === 'entry' ? limits.entryTtlSeconds : limits.exitTtlSeconds;
        await addToOutbox(client, [
          {
            topic: 'followUp',
            groupKey: executionGroup(request),
            dedupId: messageId('time_to_live', request.order.clientOrderId),
            payload: followUpJson({
              accountLabel: account,
              clientOrderId: request.order.clientOrderId,
              reason: 'time_to_live',
            }),
            availableAt: now + ttl * second,
          },
        ]);
        await refreshDecisionStatus(
          client,
          request.tradeDecisionId,
          order.filledQty.gt(zero) ? { executedAt: at } : {},
        );
        return true;
      }),

    settleRejected: (permit, { request, codes, message, exchange, verdict }, now) =>
      transact(async (client, transitions) => {
        await lockAccount(client, account);
        const receipt = await settleReceipt(
          client,
          transitions,
          permit,
          { outcome: 'rejected', codes, exchange, brokerOrderId: null, nextCheckAt: null, verdict },
          now,
        );
        if (receipt === null) return false;
        const { adapter } = receipt;
        await refreshDecisionStatus(client, request.tradeDecisionId, {
          reasons: codes,
          details: jsonText(
            Object.fromEntries(codes.map((code) => [code, { adapter, message, http_status: exchange.status }])),
          ),
        });
        return true;
      }),

    settleUnknown: (permit, { request, codes, exchange, verdict }, now) =>
      transact(async (client, transitions) => {
        await lockAccount(client, account);
        const receipt = await settleReceipt(
          client,
          transitions,
          permit,
          { outcome: 'unknown', codes, exchange, brokerOrderId: null, nextCheckAt: now + second, verdict },
          now,
        );
        if (receipt === null) return false;
        await addToOutbox(client, [
          {
            topic: 'followUp',
            groupKey: executionGroup(request),
            // An order may become unknown more than once; its token numbers the times.
            dedupId: `unknown_outcome:${permit.receiptId}:${permit.fencingToken}`,
            payload: followUpJson({
              accountLabel: account,
              clientOrderId: request.order.clientOrderId,
              reason: 'unknown_outcome',
            }),
            availableAt: now + second,
          },
        ]);
        await refreshDecisionStatus(client, request.tradeDecisionId, {});
        return true;
      }),

    settleAbsent: (permit, { request, failure, exchange, verdict }, now) =>
      transact(async (client, transitions) => {
        await lockAccount(client, account);
        const refused = isUnknownRefusal(failure.code);
        const receipt = await settleReceipt(
          client,
          transitions,
          permit,
          {
            outcome: refused ? 'rejected' : failure.sent ? 'not_found' : 'not_sent',
            codes: [failure.code],
            exchange,
            brokerOrderId: null,
            nextCheckAt: null,
            verdict,
          },
          now,
        );
        if (receipt === null) return 'superseded';
        const { adapter } = receipt;
        if (refused) {
          await refreshDecisionStatus(client, request.tradeDecisionId, {
            reasons: ['broker_rejected_other'],
            details: jsonText({ broker_rejected_other: { adapter, because: failure.code, at: toText(now) } }),
          });
          return 'rejected';
        }
        if (adapter === 'lean' && config.fallback === 'alpaca') {
          await moveToFallback(client, request, failure, now);
          transitions.push(...(await containFallbacks(client, account, request.order.symbol, now, limits)));
          await refreshDecisionStatus(client, request.tradeDecisionId, {});
          return 'fallen_back';
        }
        const codes = now > request.expiresAt ? ['order_message_expired', 'route_exhausted'] : ['route_exhausted'];
        await refreshDecisionStatus(client, request.tradeDecisionId, {
          denied: codes,
          details: jsonText({ route_exhausted: { adapter, because: failure.code, at: toText(now) } }),
        });
        return 'denied';
      }),
  };
};
