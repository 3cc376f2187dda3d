import type {
  AccountLabel,
  DecisionStatus,
  ExecutionAdapter,
  Instant,
  ProvenanceAdapter,
  ReceiptOutcome,
} from '@torghut/domain';
import { decimal, decimalText, zero } from '@torghut/domain';
import type { Queryable } from '@torghut/platform';
import type { LeanSubmission, OrderEffect, TwinFill, TwinOrder } from '../../infra/local/twins/index.ts';

/** What the venues know of themselves, whatever they told the control plane. */
export interface VenueTruth {
  readonly orders: readonly TwinOrder[];
  readonly effects: readonly OrderEffect[];
  readonly fills: readonly TwinFill[];
  /** `null` when the runner's log did not survive its process. */
  readonly leanSubmissions: readonly LeanSubmission[] | null;
}

export interface InvariantOptions {
  readonly now: Instant;
  /** Nothing is on its way any more: every outcome is known and every fill is booked. */
  readonly settled: boolean;
  /** The account looked at; every one unless given. */
  readonly account?: AccountLabel;
}

interface LedgerDecision {
  readonly id: string;
  readonly client_order_id: string;
  readonly status: DecisionStatus;
  readonly reasons: readonly string[];
}
interface LedgerReceipt {
  readonly client_order_id: string;
  readonly adapter: ExecutionAdapter;
  readonly operation: string;
  readonly state: string;
  readonly outcome: ReceiptOutcome | null;
  /** Of the answer; `null` without one. */
  readonly http_status: number | null;
  readonly io_at: Instant | null;
  readonly lease_expires_at: Instant;
}
interface LedgerExecution {
  readonly client_order_id: string;
  /** Of the order that was sent: somebody else's replacements of it have ids of their own. */
  readonly sent_as: string;
  readonly alpaca_order_id: string;
  readonly symbol: string;
  readonly side: string;
  readonly submitted_qty: string;
  readonly trade_decision_id: string | null;
  readonly state: string;
  readonly filled_qty: string;
  readonly expected: ProvenanceAdapter | null;
  readonly actual: ProvenanceAdapter | null;
  readonly fallback_reason: string | null;
  readonly fallback_count: number;
  readonly first_expected: string;
  readonly raw_order: Readonly<Record<string, unknown>>;
}
interface BookedFill {
  readonly broker_execution_id: string;
  readonly alpaca_order_id: string;
  readonly qty: string;
  readonly price: string;
  readonly times: number;
}

interface Ledger {
  readonly decisions: readonly LedgerDecision[];
  readonly receipts: readonly LedgerReceipt[];
  readonly executions: readonly LedgerExecution[];
  readonly booked: readonly BookedFill[];
}

const readLedger = async (client: Queryable, account: AccountLabel | null): Promise<Ledger> => {
  const ofAccount = `($1::text IS NULL OR account_label = $1)`;
  const decisions = await client.query<LedgerDecision>(
    `SELECT id, 'tg1-' || left(decision_identity, 48) || '-1' AS client_order_id, status, reasons FROM trade_decisions WHERE ${ofAccount}`,
    [account],
  );
  const receipts = await client.query<LedgerReceipt>(
    `SELECT client_order_id, adapter, operation, state, outcome, http_status, io_at, lease_expires_at FROM broker_receipts WHERE ${ofAccount}`,
    [account],
  );
  const executions = await client.query<LedgerExecution>(
    `WITH RECURSIVE sent AS (
       SELECT id, client_order_id AS sent_as FROM executions WHERE replaces_id IS NULL AND ${ofAccount}
       UNION ALL SELECT e.id, sent.sent_as FROM executions e JOIN sent ON e.replaces_id = sent.id)
     SELECT client_order_id, sent_as, alpaca_order_id, symbol, side, submitted_qty::text AS submitted_qty, trade_decision_id, state, filled_qty, execution_expected_adapter AS expected,
       execution_actual_adapter AS actual, execution_fallback_reason AS fallback_reason, execution_fallback_count AS fallback_count,
       route_context ->> 'expected' AS first_expected, raw_order
     FROM executions LEFT JOIN sent USING (id) WHERE ${ofAccount}`,
    [account],
  );
  const booked = await client.query<BookedFill>(
    `SELECT broker_execution_id, alpaca_order_id, min(qty)::text AS qty, min(price)::text AS price, count(*) AS times
       FROM execution_order_events WHERE event_type IN ('fill', 'partial_fill') AND ${ofAccount} GROUP BY 1, 2`,
    [account],
  );
  return { decisions: decisions.rows, receipts: receipts.rows, executions: executions.rows, booked: booked.rows };
};

type Check = (ledger: Ledger, truth: VenueTruth, options: InvariantOptions) => readonly string[];

const identityOf = (clientOrderId: string): string => clientOrderId.replace(/-\d+$/, '');

const oneOrderPerDecision: Check = (_ledger, { orders, effects }) => [
  ...[...Map.groupBy(orders, ({ clientOrderId }) => identityOf(clientOrderId))].flatMap(([identity, same]) =>
    same.length > 1 ? [`${identity}: ${same.length} orders at the broker`] : [],
  ),
  ...[
    ...Map.groupBy(
      effects.filter(({ effect }) => effect === 'accepted'),
      ({ clientOrderId }) => clientOrderId,
    ),
  ].flatMap(([id, same]) => (same.length > 1 ? [`${id}: accepted ${same.length} times`] : [])),
];

const everyOrderHasAReceipt: Check = ({ receipts, executions }, { orders }) => {
  const wrote = new Set(
    receipts.flatMap((one) => (one.operation === 'submit' && one.io_at !== null ? [one.client_order_id] : [])),
  );
  return [
    ...orders.flatMap(({ clientOrderId, replaces }) =>
      wrote.has(clientOrderId) || replaces !== null
        ? []
        : [`${clientOrderId}: an order at the broker without a receipt`],
    ),
    ...executions.flatMap(({ client_order_id: id, sent_as: sent }) =>
      wrote.has(sent) ? [] : [`${id}: an execution without a receipt`],
    ),
  ];
};

/**
 * Who carried an order, by the venues' own logs; `null` when they cannot tell. With only one adapter that ever wrote, it
 * was that one. With both, the runner knows whether the broker took its request or refused it.
 */
const carrier = (clientOrderId: string, ledger: Ledger, truth: VenueTruth): ExecutionAdapter | null => {
  const wrote = ledger.receipts.filter(
    (one) => one.client_order_id === clientOrderId && one.operation === 'submit' && one.io_at !== null,
  );
  const [only, other] = new Set(wrote.map(({ adapter }) => adapter));
  if (only !== undefined && other === undefined) return only;
  const own = truth.leanSubmissions?.filter((one) => one.clientOrderId === clientOrderId && !one.idempotentReplay);
  if (own === undefined) return null;
  // An order found at the broker after a request to LEAN that may have left: the control plane is not told who sent it.
  const mayHaveLeft = wrote.some(({ adapter, outcome }) => adapter === 'lean' && outcome !== 'not_sent');
  const found = wrote.filter(({ adapter, outcome }) => adapter === 'alpaca' && outcome === 'adopted');
  // When neither request was answered, either may have been the first.
  if (mayHaveLeft && found.some(({ http_status: status }) => status === null)) return null;
  if (own.some(({ status }) => status === 200)) return 'lean';
  // Refused as a duplicate: it was LEAN's, unless a network delivered our own request twice.
  if (mayHaveLeft && found.length > 0) return null;
  return own.every(({ status }) => status < 500) ? 'alpaca' : null;
};

const provenanceIsTrue: Check = (ledger, truth) =>
  ledger.executions.flatMap((one) => {
    const {
      client_order_id: id,
      sent_as: sent,
      expected,
      actual,
      fallback_count: count,
      fallback_reason: reason,
      raw_order: raw,
    } = one;
    if (expected === null || actual === null || expected === 'unknown' || actual === 'unknown')
      return [`${id}: provenance is not complete`];
    const problems: string[] = [];
    if (expected !== one.first_expected) problems.push(`expected ${expected}, meant for ${one.first_expected}`);
    const truly = carrier(sent, ledger, truth);
    if (truly !== null && actual !== truly) problems.push(`actual ${actual}, carried by ${truly}`);
    if (expected !== actual && count === 0) problems.push('another adapter than expected without a fallback');
    if (count > 0 !== (reason !== null)) problems.push(`${count} fallbacks, reason ${reason ?? 'none'}`);
    const markers = {
      _execution_route_expected: expected,
      _execution_route_actual: actual,
      _execution_adapter: actual,
      _execution_fallback_reason: reason,
      _execution_fallback_count: count,
      _execution_idempotency_key: id,
    };
    for (const [name, value] of Object.entries(markers))
      if (raw[name] !== value) problems.push(`marker ${name} is ${String(raw[name])}, column says ${String(value)}`);
    return problems.map((problem) => `${id}: ${problem}`);
  });

const refusalsHaveCodes: Check = ({ decisions }) =>
  decisions.flatMap(({ client_order_id: id, status, reasons }) =>
    ['denied', 'rejected'].includes(status) && reasons.length === 0 ? [`${id}: ${status} without a code`] : [],
  );

const fillsAreBookedOnce: Check = ({ booked, executions }, { fills }, { settled }) => {
  const truth = new Map(fills.map((fill) => [fill.id, fill]));
  const known = new Set(booked.map(({ broker_execution_id: id }) => executionIdOf(id)));
  const perOrder = Map.groupBy(fills, ({ orderId }) => orderId);
  return [
    ...booked.flatMap(({ broker_execution_id: activity, times, qty, price, alpaca_order_id: order }) => {
      const fill = truth.get(executionIdOf(activity));
      if (fill === undefined) return [`fill ${activity}: booked, unknown to the broker`];
      if (times !== 1) return [`fill ${activity}: booked ${times} times`];
      const same = fill.orderId === order && fill.qty.eq(decimal(qty)) && fill.price.eq(decimal(price));
      return same ? [] : [`fill ${activity}: booked ${qty} at ${price} of ${order}`];
    }),
    ...(settled
      ? fills
          .filter(({ id, corrects }) => corrects === null && !known.has(id))
          .map(({ id }) => `fill ${id}: never booked`)
      : []),
    ...executions.flatMap(({ client_order_id: id, alpaca_order_id: order, filled_qty: qty }) => {
      const filled = (perOrder.get(order) ?? [])
        .filter(({ state }) => state === 'executed')
        .reduce((sum, fill) => sum.plus(fill.qty), zero);
      const wrong = settled ? !filled.eq(decimal(qty)) : filled.lt(decimal(qty));
      return wrong ? [`${id}: ${qty} filled in the ledger, ${decimalText(filled)} at the broker`] : [];
    }),
  ];
};

/** An execution says what the order is that the broker has under its id. */
const executionsAreTheirOrders: Check = ({ executions }, { orders }) => {
  const known = new Map(orders.map((order) => [order.id, order]));
  return executions.flatMap(({ client_order_id: id, alpaca_order_id: orderId, symbol, side, submitted_qty: qty }) => {
    const order = known.get(orderId);
    if (order === undefined) return [`${id}: order ${orderId} is unknown to the broker`];
    return order.clientOrderId === id && order.symbol === symbol && order.side === side && order.qty.eq(decimal(qty))
      ? []
      : [`${id}: ${side} ${qty} ${symbol}, the broker has ${order.side} ${decimalText(order.qty)} ${order.symbol}`];
  });
};

/** An activity id is a time and the broker's execution id. */
const executionIdOf = (activityId: string): string => activityId.slice(activityId.indexOf('::') + 2);

const nothingIsLeftHalfDone: Check = ({ receipts, decisions }, _truth, { settled, now }) => {
  if (!settled) return [];
  return [
    ...receipts.flatMap(({ client_order_id: id, adapter, operation, state, outcome, lease_expires_at: lease }) => {
      if (state === 'io' && lease < now) return [`${id}: ${operation} receipt of ${adapter} in io beyond its lease`];
      return operation === 'submit' && outcome === 'unknown' ? [`${id}: outcome at ${adapter} still unknown`] : [];
    }),
    ...decisions.flatMap(({ client_order_id: id, status }) =>
      ['planned', 'queued', 'unknown'].includes(status) ? [`${id}: still ${status}`] : [],
    ),
  ];
};

/** Every order the broker took is an execution: money at work that the ledger does not know would be an exposure. */
const everyOrderIsKnown: Check = ({ executions, receipts }, { orders }, { settled }) => {
  if (!settled) return [];
  const known = new Set(executions.map(({ alpaca_order_id: id }) => id));
  const unknown = new Set(
    receipts.flatMap((one) => (one.outcome === 'unknown' || one.state === 'io' ? [one.client_order_id] : [])),
  );
  return orders.flatMap(({ id, clientOrderId }) =>
    known.has(id) || unknown.has(clientOrderId) ? [] : [`${clientOrderId}: at the broker, not in the ledger`],
  );
};

const checks: readonly Check[] = [
  oneOrderPerDecision,
  everyOrderHasAReceipt,
  everyOrderIsKnown,
  executionsAreTheirOrders,
  provenanceIsTrue,
  refusalsHaveCodes,
  fillsAreBookedOnce,
  nothingIsLeftHalfDone,
];

/** Everything in the ledger that contradicts the venues or itself, one line each; empty when all is well. */
export const violations = async (
  client: Queryable,
  truth: VenueTruth,
  options: InvariantOptions,
): Promise<readonly string[]> => {
  const ledger = await readLedger(client, options.account ?? null);
  return checks.flatMap((check) => check(ledger, truth, options));
};
