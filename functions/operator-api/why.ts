import {
  checkResults,
  type CheckResult,
  type CheckUnit,
  decimal,
  decimalText,
  type Instant,
  matchLots,
  parseInstant,
  profitSchemaVersion,
  riskCheckTable,
  riskCodes,
  riskGroups,
  type Ticker,
  toText,
  zero,
} from '@torghut/domain';
import type { WhyDecision, WhyExecution, WhyReceipt, WhyRows } from '@torghut/platform';
import * as z from 'zod';

/** One pre-trade check: what it saw and what it allows, in its unit; null where no row says. */
export interface CheckLine {
  readonly code: string;
  readonly result: CheckResult;
  readonly observed: unknown;
  readonly limit: unknown;
  readonly unit: CheckUnit;
}

/** The checks of one group at one moment; its result is the one that matters most. */
export interface CheckGroup {
  readonly group: string;
  readonly result: CheckResult;
  readonly checks: readonly CheckLine[];
}

/** What happened, when, and how long after what happened before; null where there was nothing before. */
export interface TimelineStep {
  readonly at: string;
  readonly step: string;
  readonly what: string;
  readonly ms_since_previous: number | null;
}

export type WhyBody = ReturnType<typeof whyBody>;

type Members = Readonly<Record<string, unknown>>;
const asMembers = (value: unknown): Members | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : null;
const asText = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const groupOf = new Map<string, string>(riskCodes.map(({ code, group }) => [code, group]));

const recordSchema = z.array(z.tuple([z.string(), z.enum(checkResults), z.unknown(), z.unknown()]));
/** The checks as stored, by code; null where no row has a record of them. */
const recordedChecks = (stored: unknown): ReadonlyMap<string, Omit<CheckLine, 'code' | 'unit'>> | null => {
  const record = recordSchema.safeParse(stored);
  return record.success
    ? new Map(record.data.map(([code, result, observed, limit]) => [code, { result, observed, limit }]))
    : null;
};

const unknownCheck = { result: 'unknown', observed: null, limit: null } as const;
const mattersMost = ['failed', 'unknown', 'passed', 'not_applicable'] as const satisfies readonly CheckResult[];

/** Every check of the table in its groups. `failed`: codes that failed, should no record say so. */
const checkGroups = (stored: unknown, failed: readonly string[]): readonly CheckGroup[] => {
  const record = recordedChecks(stored);
  return riskGroups.map((group) => {
    const checks = riskCodes
      .filter((row) => row.group === group)
      .map(({ code }): CheckLine => {
        const seen =
          record?.get(code) ?? (failed.includes(code) ? { ...unknownCheck, result: 'failed' } : unknownCheck);
        return { code, ...seen, unit: riskCheckTable[code].unit };
      });
    const result = mattersMost.find((one) => checks.some((check) => check.result === one)) ?? 'unknown';
    return { group, result, checks };
  });
};

const storedChecks = (decision: WhyDecision | null): unknown => asMembers(decision?.decision_json['risk'])?.['checks'];

/** The checks when it was decided, and again in each transaction that claimed a broker call. */
const checksOf = ({ decision, receipts }: WhyRows) => ({
  at_decision: checkGroups(storedChecks(decision), []),
  at_claim: receipts
    .filter(({ operation }) => operation === 'submit')
    .map((receipt) => ({
      receipt_id: receipt.id,
      adapter: receipt.adapter,
      at: receipt.claimed_at,
      groups: checkGroups(receipt.risk_checks, receipt.outcome === 'denied' ? receipt.outcome_codes : []),
      controls: receipt.control_snapshot,
    })),
  /** Reasons that no pre-trade check gave: the broker's, the route's, the order's life. */
  other_reasons: (decision?.reasons ?? [])
    .filter((code) => !groupOf.has(code))
    .map((code) => ({ code, detail: decision?.reason_details[code] ?? null })),
});

const routeOf = ({ decision, messages, receipts, executions }: WhyRows) => {
  const planned = asMembers(decision?.decision_json['route']);
  const carried = messages.map(({ route }) => route).find((route) => route !== null) ?? receipts[0]?.route ?? null;
  return {
    policy: asText(carried?.['policy']) ?? asText(planned?.['policy']),
    expected: asText(carried?.['expected']) ?? asText(planned?.['expected']),
    /** Adapters that failed or were passed by, as the last message tells it. */
    failed:
      messages.findLast(({ route }) => route !== null)?.route?.['failed'] ?? receipts.at(-1)?.route?.['failed'] ?? null,
    orders: executions.map((execution) => ({
      broker_order_id: execution.alpaca_order_id,
      expected: execution.execution_expected_adapter,
      actual: execution.execution_actual_adapter,
      fallback_reason: execution.execution_fallback_reason,
      fallback_count: execution.execution_fallback_count,
      provenance_source: execution.provenance_source,
    })),
  };
};

/** USD before fees, and shares. `reason` says why an amount is null. */
const profitOf = ({ decision, executions, strategyFills }: WhyRows) => {
  const unknown = (reason: string) => ({
    method: profitSchemaVersion,
    realised_gross: null,
    closed_by_this_order: null,
    closed_since_of_this_order: null,
    still_open_qty: null,
    reason,
  });
  if (decision === null) return unknown('no decision of ours stands behind the order');
  if (strategyFills === null) return unknown('the strategy has more fills in the symbol than can be matched at once');
  const ids = new Set(executions.map(({ id }) => id));
  const ours = new Set(
    strategyFills.filter((fill) => ids.has(fill.execution_id)).map((fill) => fill.broker_execution_id),
  );
  const { realised, openLots } = matchLots(
    strategyFills.map((fill) => ({
      executionId: fill.broker_execution_id,
      accountLabel: accountOfLots,
      strategyId: decision.strategy_id,
      symbol: decision.symbol as Ticker,
      side: fill.side,
      qty: decimal(fill.qty),
      price: decimal(fill.price),
      executedAt: parseInstant(fill.executed_at),
    })),
  );
  const sum = (amounts: readonly { readonly gross: ReturnType<typeof decimal> }[]) =>
    amounts.reduce((total, { gross }) => total.plus(gross), zero);
  const closedBy = sum(realised.filter(({ fill }) => ours.has(fill.executionId)));
  const closedSince = sum(
    realised.flatMap(({ fill, closures }) =>
      ours.has(fill.executionId) ? [] : closures.filter(({ openedBy }) => ours.has(openedBy)),
    ),
  );
  const open = openLots
    .filter(({ executionId }) => ours.has(executionId))
    .reduce((total, { qty }) => total.plus(qty), zero);
  return {
    method: profitSchemaVersion,
    realised_gross: decimalText(closedBy.plus(closedSince)),
    closed_by_this_order: decimalText(closedBy),
    closed_since_of_this_order: decimalText(closedSince),
    still_open_qty: decimalText(open),
    reason: null,
  };
};
/** Lots are matched within one account, whatever its name. */
const accountOfLots = 'account' as Parameters<typeof matchLots>[0][number]['accountLabel'];

type Step = Pick<TimelineStep, 'step' | 'what'> & { readonly at: string | null };

const decisionSteps = ({ decision, messages, receipts }: WhyRows): readonly Step[] => {
  if (decision === null) return [];
  const { window, symbol, action, qty, order_type: type, limit_price: limit, status, reasons } = decision;
  const signal = asMembers(decision.decision_json['signal']);
  const decidedAt =
    [...messages, ...receipts].map((row) => row.decided_at).find((at) => at !== null) ?? window.finished_at;
  const order = `${action} ${qty} ${symbol} ${type}${limit === null ? '' : ` at ${limit}`}`;
  return [
    { at: decision.event_ts, step: 'signal', what: `${symbol} ${decision.timeframe} bar ended` },
    { at: asText(signal?.['ingest_ts']), step: 'signal', what: 'the stream emitted its indicators' },
    {
      at: decision.reference_price_at,
      step: 'price',
      what: `reference price ${decision.reference_price ?? 'unknown'}`,
    },
    { at: window.started_at, step: 'cycle', what: `trading cycle of ${window.scheduled_for} began` },
    {
      at: decidedAt,
      step: 'decision',
      what: status === 'denied' && reasons.length > 0 ? `${order}: denied, ${reasons.join(', ')}` : order,
    },
  ];
};

const receiptSteps = (receipt: WhyReceipt): readonly Step[] => {
  const { adapter, operation } = receipt;
  const call = `${operation} at ${adapter}`;
  const token = `fencing token ${receipt.fencing_token}`;
  const codes = receipt.outcome_codes.length === 0 ? '' : ` (${receipt.outcome_codes.join(', ')})`;
  const http = receipt.http_status === null ? '' : `, HTTP ${receipt.http_status}`;
  const request = receipt.x_request_id === null ? '' : `, request id ${receipt.x_request_id}`;
  return [
    { at: receipt.claimed_at, step: 'claim', what: `${call} claimed, ${token}` },
    { at: receipt.io_at, step: 'call', what: `${call} sent, ${token}` },
    {
      at: receipt.settled_at,
      step: 'answer',
      what: `${call}: ${receipt.resolved_at === null ? (receipt.outcome ?? 'open') : 'unknown at first'}${codes}${http}${request}`,
    },
    { at: receipt.resolved_at, step: 'lookup', what: `${call}: found to be ${receipt.outcome ?? 'unknown'}` },
  ];
};

const executionSteps = ({ tca, ...execution }: WhyExecution): readonly Step[] => [
  {
    at: execution.submitted_at,
    step: 'order',
    what: `order ${execution.alpaca_order_id} at ${execution.execution_actual_adapter}, expected ${execution.execution_expected_adapter}`,
  },
  {
    at: execution.last_update_at,
    step: 'order',
    what: `${execution.state}, ${execution.filled_qty} of ${execution.submitted_qty} filled`,
  },
  {
    at: tca?.computed_at ?? null,
    step: 'cost',
    what: `slippage ${tca?.slippage_bps ?? 'unknown'} bps, shortfall ${tca?.shortfall_notional ?? 'unknown'} USD`,
  },
];

const timelineOf = (rows: WhyRows): readonly TimelineStep[] => {
  const steps: readonly Step[] = [
    ...decisionSteps(rows),
    ...rows.messages.map((message) => ({
      at: message.published_at,
      step: 'message',
      what: `${message.dedup_id.split(':').length > 1 ? `${message.dedup_id.split(':')[0] ?? ''} ` : ''}message to the ${message.topic} queue`,
    })),
    ...rows.receipts.flatMap(receiptSteps),
    ...rows.executions.flatMap(executionSteps),
    ...rows.events.map((event) => ({
      at: event.event_ts,
      step: event.event_type,
      what: `${event.qty ?? 'unknown'} at ${event.price ?? 'unknown'} (${event.broker_execution_id ?? 'no execution id'}${event.corrects_execution_id === null ? '' : `, takes back ${event.corrects_execution_id}`}, from ${event.source}, received ${event.received_at})`,
    })),
    ...rows.breaks.map((found) => ({
      at: found.created_at,
      step: 'break',
      what: `${found.break_type}, ${found.severity}, ${found.status}`,
    })),
  ];
  const dated = steps
    .flatMap(({ at, ...step }) => (at === null ? [] : [{ ...step, at, instant: parseInstant(at) }]))
    .toSorted((a, b) => a.instant - b.instant);
  return dated.map(({ at, step, what, instant }, index) => ({
    at,
    step,
    what,
    ms_since_previous: index === 0 ? null : instant - (dated[index - 1]?.instant ?? instant),
  }));
};

/** What the chain has no row of, each said in words. */
const missingOf = ({
  decision,
  messages,
  receipts,
  executions,
  events,
  fills,
  matchedBy,
}: WhyRows): readonly string[] => {
  const submits = receipts.filter(({ operation }) => operation === 'submit');
  const denied = decision?.status === 'denied';
  const booked = events.some(({ broker_execution_id: id }) => id !== null);
  const rules: readonly (readonly [boolean, string])[] = [
    [decision === null, `decision: no row of ours is linked to this ${matchedBy.replaceAll('_', ' ')}`],
    [
      decision !== null && recordedChecks(storedChecks(decision)) === null,
      'checks: the decision document has no record of them',
    ],
    [
      submits.some(({ risk_checks: checks }) => recordedChecks(checks) === null),
      'checks: the receipt of a submit has no record of them',
    ],
    [
      decision !== null && asMembers(decision.decision_json['signal']) === null,
      'features: the decision document has no record of them',
    ],
    [
      messages.length === 0,
      `message: none in the outbox${denied ? '; the decision was denied before it was sent on' : ''}`,
    ],
    [submits.length === 0, `broker calls: no receipt of a submit${denied ? '; nothing was sent' : ''}`],
    [executions.length === 0, 'order: no execution; no adapter acknowledged an order'],
    [
      executions.length > 0 && fills.length === 0,
      booked ? 'fills: none counts any more; the broker took them back' : 'fills: none booked so far',
    ],
    [
      fills.length > 0 && executions.every(({ tca }) => tca === null),
      'cost: no analysis; without a reference price at the decision there is none',
    ],
    [
      submits.some(({ outcome, state }) => outcome === 'unknown' || state === 'io'),
      'outcome: a submit is unknown so far; the order sync looks it up',
    ],
  ];
  return rules.flatMap(([missing, text]) => (missing ? [text] : []));
};

const signalOf = (decision: WhyDecision) => {
  const signal = asMembers(decision.decision_json['signal']);
  return {
    event_ts: decision.event_ts,
    ingest_ts: asText(signal?.['ingest_ts']),
    seq: asText(signal?.['seq']),
    source: asText(signal?.['source']),
    timeframe: decision.timeframe,
    lag_ms: decision.signal_lag_ms,
    watermark_event_ts: decision.watermark_event_ts,
    window: { start: decision.window_start, ...decision.window },
    universe_hash: decision.universe_hash,
  };
};

const featuresOf = (decision: WhyDecision) => {
  const runtime = asMembers(decision.decision_json['strategy_runtime']);
  return {
    contract: decision.feature_contract,
    feature_hash: asText(runtime?.['feature_hash']),
    values: asMembers(asMembers(decision.decision_json['signal'])?.['features']),
  };
};

const decisionOf = ({ decision_json: document, ...decision }: WhyDecision) => ({
  id: decision.id,
  identity: decision.decision_identity,
  content_hash: decision.content_hash,
  strategy_id: decision.strategy_id,
  strategy_version: decision.strategy_version,
  strategy_runtime: document['strategy_runtime'] ?? null,
  symbol: decision.symbol,
  action: decision.action,
  intent: decision.intent,
  qty: decision.qty,
  order_type: decision.order_type,
  time_in_force: decision.time_in_force,
  limit_price: decision.limit_price,
  stop_price: decision.stop_price,
  reference_price: decision.reference_price,
  reference_price_at: decision.reference_price_at,
  confidence: decision.confidence,
  rationale_codes: decision.rationale_codes,
  sizing: document['sizing'] ?? null,
  execution_policy: document['execution_policy'] ?? null,
  impact: document['impact'] ?? null,
  capital_stage: decision.capital_stage,
  code_hash: decision.code_hash,
  status: decision.status,
  reasons: decision.reasons,
  reason_details: decision.reason_details,
  expires_at: decision.expires_at,
  executed_at: decision.executed_at,
  reviews: decision.reviews,
});

/**
 * Body of `/trading/why/{id}`: signal, features, decision, checks, route, broker calls, events, fills, cost and profit of
 * one order or decision, from stored rows only. What no row says is null and named in `missing`.
 */
export const whyBody = (rows: WhyRows, asked: string, account: string, now: Instant) => {
  const { decision, receipts, executions, events } = rows;
  return {
    as_of: toText(now),
    account_label: account,
    asked,
    matched_by: rows.matchedBy,
    signal: decision === null ? null : signalOf(decision),
    features: decision === null ? null : featuresOf(decision),
    decision: decision === null ? null : decisionOf(decision),
    checks: checksOf(rows),
    route: routeOf(rows),
    messages: rows.messages,
    calls: receipts.map(
      ({ route: _route, control_snapshot: _controls, risk_checks: _checks, decided_at: _decided, ...call }) => call,
    ),
    orders: executions.map(({ tca: _tca, ...order }) => order),
    events,
    /** Those that count now: without what was taken back, and as corrected. */
    fills: rows.fills,
    cost: executions.flatMap(({ tca, alpaca_order_id: order }) =>
      tca === null ? [] : [{ broker_order_id: order, ...tca }],
    ),
    profit: profitOf(rows),
    breaks: rows.breaks,
    timeline: timelineOf(rows),
    missing: missingOf(rows),
  };
};
