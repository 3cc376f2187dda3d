import { fallbackCalendar, type CalendarDay } from '../market/calendar.ts';
import { newYorkDate } from '../market/new-york.ts';
import { hour, second, type Instant } from '../instant.ts';
import type { Ticker } from '../identifiers.ts';
import type { LimitValues } from '../limits.ts';
import type {
  BrokerAccount,
  BrokerOrder,
  BrokerPosition,
  BrokerReads,
  BrokerSession,
  CancelOutcome,
  Clock,
  ExecutionVenue,
  FillActivity,
  WritePermit,
} from '../ports.ts';
import type { ExecutionAdapter, IntentKind, OrderState } from '../enumerations.ts';
import { observeAcknowledgement, type ExecutionLedger } from '../routing/route-order.ts';
import type { ExecutionRequest } from '../routing/message.ts';
import { deriveProvenance, duplicateAtBroker, senderOf, submitFailure } from '../routing/provenance.ts';
import type { LogFields, Telemetry } from '../telemetry.ts';
import { brokerStatusMeaning } from './states.ts';

/** A write whose outcome is not known yet, taken over for resolution: nobody else may settle it now. */
export interface UnresolvedReceipt {
  readonly permit: WritePermit;
  readonly adapter: ExecutionAdapter;
  readonly request: ExecutionRequest;
  readonly sentAt: Instant;
  /** What the receipt recorded of the write; empty when its worker died before it could. */
  readonly codes: readonly string[];
  /** Lookups that found nothing so far. */
  readonly checks: number;
}

export interface TakenReceipts {
  readonly receipts: readonly UnresolvedReceipt[];
  /** Receipts whose stored request is not an execution request, and why. */
  readonly unreadable: readonly { readonly receiptId: string; readonly detail: string }[];
}

export interface OpenExecution {
  readonly id: string;
  readonly clientOrderId: string | null;
  readonly brokerOrderId: string;
  readonly symbol: Ticker;
  readonly state: OrderState;
  readonly adapter: ExecutionAdapter;
  readonly intent: IntentKind;
  readonly submittedAt: Instant;
}

/** What was read in one run, by source: a failed or partial read is recorded as such and decides nothing. */
export interface SourceRecord {
  readonly fetched: boolean;
  readonly complete: boolean;
  readonly asOf: Instant;
  readonly detail: string | null;
}

/** The first fill of an order, at the adapter that took it. */
export interface FirstFill {
  readonly adapter: ExecutionAdapter;
  readonly decisionToFillMs: number;
}

export interface BookedFills {
  readonly booked: number;
  readonly duplicate: number;
  readonly late: number;
  /** Booked fills that are older than what was known of their order. */
  readonly outOfOrder: number;
  readonly firstFills: readonly FirstFill[];
}

/** The ledger's side of following orders. */
export interface OrderLedger {
  /** Opens the run of this scheduled time; `null` when it was completed before. */
  beginRun(scheduledFor: Instant, now: Instant): Promise<string | null>;
  finishRun(
    runId: string,
    result: {
      readonly sources: Readonly<Record<string, SourceRecord>>;
      readonly checked: number;
      readonly breaks: number;
      readonly completed: boolean;
    },
    now: Instant,
  ): Promise<void>;
  calendarHorizon(from: string): Promise<{ readonly lastDate: string; readonly fetchedAt: Instant } | null>;
  saveCalendar(days: readonly CalendarDay[], source: 'alpaca' | 'fallback', fetchedAt: Instant): Promise<void>;
  saveSnapshot(account: BrokerAccount, positions: readonly BrokerPosition[], asOf: Instant): Promise<void>;
  /** Takes over receipts that are due: in flight beyond their lease, or unknown. One that cannot be read is named. */
  takeUnresolved(now: Instant, limit: number, clientOrderId?: string): Promise<TakenReceipts>;
  /**
   * Records a lookup that did not settle, and when to look again, with the message that says so. Only an answer of
   * "absent" counts as a look.
   */
  recheckLater(receipt: UnresolvedReceipt, absent: boolean, nextCheckAt: Instant): Promise<void>;
  /** Open orders, in an order drawn anew each minute, so that none is passed over for ever. */
  openExecutions(now: Instant, limit: number, clientOrderId?: string): Promise<readonly OpenExecution[]>;
  /** Applies the broker's word through the state machine, on rows re-read under lock. */
  applyOrder(
    executionId: string,
    order: BrokerOrder,
    runId: string | null,
    now: Instant,
  ): Promise<'applied' | 'unchanged' | 'illegal'>;
  /** Records that the broker knows nothing of an order we hold open, unless it has ended meanwhile. */
  recordMissing(execution: OpenExecution, runId: string, now: Instant): Promise<void>;
  /** The right to ask for a cancel; `null` while an earlier request is in flight. Cancels are always allowed. */
  claimCancel(execution: OpenExecution, now: Instant): Promise<WritePermit | null>;
  settleCancel(permit: WritePermit, outcome: CancelOutcome, execution: OpenExecution, now: Instant): Promise<void>;
  /** Newest fill that was booked. */
  lastFillAt(): Promise<Instant | null>;
  /**
   * Books fills once per broker execution id, raises what their orders have filled, and analyses their cost. A fill of an
   * order that had ended is late: it reopens or fills the order and is a break of the run.
   */
  bookFills(fills: readonly FillActivity[], runId: string, now: Instant): Promise<BookedFills>;
  /** Denies decisions that nobody claimed in time; returns how many. */
  denyUnclaimed(now: Instant, olderThanSeconds: number): Promise<number>;
}

export interface SyncPorts {
  readonly orders: OrderLedger;
  readonly executions: ExecutionLedger;
  readonly broker: Pick<ExecutionVenue, 'getOrder' | 'getOrderByClientOrderId'> & BrokerReads;
  /** Where an order is cancelled: at the adapter that took it. */
  readonly venues: Readonly<Record<ExecutionAdapter, Pick<ExecutionVenue, 'cancel'>>>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits: LimitValues;
}

export interface SyncResult {
  readonly resolved: number;
  readonly followed: number;
  readonly canceled: number;
  readonly fillsBooked: number;
  readonly completed: boolean;
}

/** Within the broker's rate budget: lookups of one run. */
const ordersPerRun = 60;
/**
 * The function is ended after 45 s. What it does about single orders stops early enough for the fills, the account and
 * the calendar to be read in every run; what was not reached is reached by the next one. Milliseconds since its start.
 */
const resolveUntilMs = 10 * second;
const followUntilMs = 20 * second;
/** Reads of the broker lag behind its writes; an order it does not know is missing once it is this old. */
const missingAgeMs = 60 * second;
/** Activities are stamped with their creation, which may precede what was read last. */
const fillOverlapMs = 10 * 60 * second;
const calendarDaysAhead = 20;
const calendarMaxAgeMs = 20 * hour;
const dayMs = 24 * hour;
/** Looks after a write whose outcome is not known, seconds after it was sent; then every minute. */
const recheckSeconds = [1, 2, 5, 10, 30, 60] as const;
const nextLook = (sentAt: Instant, now: Instant): Instant =>
  recheckSeconds.map((wait) => sentAt + wait * second).find((at) => at > now) ?? now + 60 * second;
/** Absence is believed after this many looks, the last at least five seconds after the write. */
const absentLooks = 3;
const absenceAgeMs = 5 * second;

/** Calendar days for every date of a range: what the broker did not list was closed. */
const calendarOf = (from: string, to: string, sessions: readonly BrokerSession[]): CalendarDay[] => {
  const byDate = new Map(sessions.map((session) => [session.date, session]));
  const days: CalendarDay[] = [];
  for (let day = Date.parse(from); day <= Date.parse(to); day += dayMs) {
    const date = new Date(day).toISOString().slice(0, 10);
    const session = byDate.get(date);
    if (session === undefined) {
      days.push({
        date,
        kind: 'closed',
        openAt: null,
        closeAt: null,
        extendedOpenAt: null,
        extendedCloseAt: null,
        settlementDate: null,
      });
      continue;
    }
    const { openAt, closeAt, extendedOpenAt, extendedCloseAt, settlementDate } = session;
    // A regular session lasts 6.5 hours.
    const kind = closeAt - openAt < 6 * hour ? 'half' : 'full';
    days.push({ date, kind, openAt, closeAt, extendedOpenAt, extendedCloseAt, settlementDate });
  }
  return days;
};

/** Keeps the market calendar ahead of time. Without the broker, rule-based days fill only dates that are unknown. */
const refreshCalendar = async ({ orders, broker }: SyncPorts, now: Instant): Promise<SourceRecord> => {
  const from = newYorkDate(now - dayMs);
  const to = newYorkDate(now + calendarDaysAhead * dayMs);
  const horizon = await orders.calendarHorizon(from);
  const far = newYorkDate(now + (calendarDaysAhead - 5) * dayMs);
  if (horizon !== null && horizon.lastDate >= far && now - horizon.fetchedAt < calendarMaxAgeMs) {
    return { fetched: false, complete: true, asOf: horizon.fetchedAt, detail: null };
  }
  const read = await broker.sessions(from, to);
  if (read.ok) {
    await orders.saveCalendar(calendarOf(from, to, read.value), 'alpaca', now);
    return { fetched: true, complete: true, asOf: now, detail: null };
  }
  await orders.saveCalendar(fallbackCalendar(from, to), 'fallback', now);
  return { fetched: true, complete: false, asOf: now, detail: read.detail };
};

const snapshotAccount = async ({ orders, broker }: SyncPorts, now: Instant): Promise<SourceRecord> => {
  const [account, positions] = await Promise.all([broker.account(), broker.positions()]);
  if (!account.ok || !positions.ok) {
    const failed = account.ok ? positions : account;
    return { fetched: true, complete: false, asOf: now, detail: failed.ok ? null : failed.detail };
  }
  await orders.saveSnapshot(account.value, positions.value, now);
  return { fetched: true, complete: true, asOf: now, detail: null };
};

/** Looks for one write by client order id: adopts it, proves its absence, or leaves it unknown. */
const resolveReceipt = async (receipt: UnresolvedReceipt, ports: SyncPorts): Promise<boolean> => {
  const { broker, executions, orders, clock, telemetry } = ports;
  const { request, permit, adapter } = receipt;
  const found = await broker.getOrderByClientOrderId(request.order.clientOrderId);
  const now = clock.now();
  const failure = submitFailure(adapter, receipt.codes);
  const known = failure === duplicateAtBroker;
  if (found.kind === 'found') {
    const sender = senderOf(request.route, adapter, failure);
    const provenance = deriveProvenance(request.route, sender, found.order.raw, 'adopted');
    telemetry.count('orders_adopted_total', 1);
    const settled = await executions.settleOrder(
      permit,
      {
        request,
        outcome: 'adopted',
        order: found.order,
        provenance,
        exchange: found.exchange,
        codes: known ? [] : [failure],
        verdict: 'unobserved',
      },
      now,
    );
    if (settled) observeAcknowledgement(telemetry, request, { adapter: sender, order: found.order, now });
    return settled;
  }
  const looked = receipt.checks + 1 >= absentLooks && now - receipt.sentAt >= absenceAgeMs;
  // "Known" and "absent" at once is a contradiction, not a proof of absence.
  if (found.kind === 'absent' && looked && !known) {
    const settled = await executions.settleAbsent(
      permit,
      {
        request,
        failure: { adapter, code: failure, at: now, receiptId: permit.receiptId },
        exchange: found.exchange,
        verdict: 'unobserved',
      },
      now,
    );
    return settled !== 'superseded';
  }
  await orders.recheckLater(receipt, found.kind === 'absent', nextLook(receipt.sentAt, now));
  return false;
};

/** Takes over what is due for one order or all; a receipt that cannot be read does not hold up the others. */
const takeReadable = async (
  { orders, clock, telemetry }: SyncPorts,
  limit: number,
  clientOrderId?: string,
): Promise<TakenReceipts> => {
  const taken = await orders.takeUnresolved(clock.now(), limit, clientOrderId);
  for (const { receiptId, detail } of taken.unreadable)
    telemetry.error('the request of a receipt cannot be read; its outcome stays unknown', { receiptId, detail });
  return taken;
};

interface Followed {
  readonly applied: boolean;
  readonly canceled: boolean;
  readonly breaks: number;
  readonly read: boolean;
}
const notRead: Followed = { applied: false, canceled: false, breaks: 0, read: false };

/** Reads one order back and applies it; cancels it first when it rested for longer than it may. */
const followOrder = async (execution: OpenExecution, runId: string | null, ports: SyncPorts): Promise<Followed> => {
  const { broker, orders, clock, telemetry, limits } = ports;
  const read = async (): Promise<BrokerOrder | 'absent' | null> => {
    const byId = await broker.getOrder(execution.brokerOrderId);
    // Missing is what neither id leads to.
    const found =
      byId.kind === 'absent' && execution.clientOrderId !== null
        ? await broker.getOrderByClientOrderId(execution.clientOrderId)
        : byId;
    return found.kind === 'found' ? found.order : found.kind === 'absent' ? 'absent' : null;
  };
  const apply = async (order: BrokerOrder): Promise<'applied' | 'unchanged' | 'illegal'> => {
    const result = await orders.applyOrder(execution.id, order, runId, clock.now());
    if (result === 'illegal') telemetry.count('order_feed_illegal_transition_total', 1);
    return result;
  };
  const order = await read();
  if (order === 'absent' && clock.now() - execution.submittedAt > missingAgeMs) {
    if (runId !== null) await orders.recordMissing(execution, runId, clock.now());
    return { ...notRead, breaks: 1, read: true };
  }
  if (order === null || order === 'absent') return notRead;
  const results = [await apply(order)];
  const outcome = (canceled: boolean): Followed => ({
    applied: results.includes('applied'),
    canceled,
    breaks: results.includes('illegal') ? 1 : 0,
    read: true,
  });
  const ttl = (execution.intent === 'entry' ? limits.entryTtlSeconds : limits.exitTtlSeconds) * second;
  const meaning = brokerStatusMeaning(order.status);
  if (meaning === null || !meaning.cancelable || clock.now() - execution.submittedAt < ttl) return outcome(false);
  const permit = await orders.claimCancel(execution, clock.now());
  if (permit === null) return outcome(false);
  let cancel = await ports.venues[execution.adapter].cancel(execution.brokerOrderId, permit);
  // Asking twice is harmless, so an answer that never came from LEAN is asked for at the broker at once.
  if (cancel.kind === 'unknown' && execution.adapter === 'lean')
    cancel = await ports.venues.alpaca.cancel(execution.brokerOrderId, permit);
  await orders.settleCancel(permit, cancel, execution, clock.now());
  const after = await read();
  if (after !== null && after !== 'absent') results.push(await apply(after));
  return outcome(cancel.kind === 'requested');
};

const bookNewFills = async (
  { orders, broker, telemetry }: SyncPorts,
  runId: string,
  now: Instant,
): Promise<{ source: SourceRecord; booked: number; late: number }> => {
  const last = await orders.lastFillAt();
  const read = await broker.fillsAfter((last ?? now - dayMs) - fillOverlapMs);
  if (!read.ok)
    return { source: { fetched: true, complete: false, asOf: now, detail: read.detail }, booked: 0, late: 0 };
  const { booked, duplicate, late, outOfOrder, firstFills } = await orders.bookFills(read.value, runId, now);
  telemetry.count('order_feed_events_total', booked);
  telemetry.count('order_feed_duplicates_total', duplicate);
  telemetry.count('order_feed_out_of_order_total', outOfOrder);
  for (const { adapter, decisionToFillMs } of firstFills)
    telemetry.observe('decision_to_fill_ms', decisionToFillMs, { adapter });
  return { source: { fetched: true, complete: true, asOf: now, detail: null }, booked, late };
};

/** Runs one part of a run; its failure is reported and leaves the other parts to do their work. */
const isolated = async <T>(
  { telemetry }: SyncPorts,
  part: string,
  fields: LogFields,
  work: () => Promise<T>,
  otherwise: (detail: string) => T,
): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    telemetry.error(`order sync: ${part} failed`, { ...fields, error });
    return otherwise(error instanceof Error ? error.message : String(error));
  }
};

/** What a loop over single orders left undone; `null` when nothing. */
const shortfall = (unreached: number, failed: number): string | null =>
  unreached + failed === 0 ? null : `${failed} failed, ${unreached} not reached in time`;

/** Resolves unknown outcomes, and says which part of them was dealt with. */
const resolveReceipts = async (
  ports: SyncPorts,
  until: Instant,
): Promise<{ source: SourceRecord; resolved: number }> => {
  const { clock } = ports;
  const { receipts, unreadable } = await takeReadable(ports, ordersPerRun);
  let resolved = 0;
  let failed = unreadable.length;
  let reached = 0;
  for (const receipt of receipts) {
    if (clock.now() >= until) break;
    reached += 1;
    const fields = { receiptId: receipt.permit.receiptId };
    const settled = await isolated(
      ports,
      'resolving an unknown outcome',
      fields,
      () => resolveReceipt(receipt, ports),
      () => null,
    );
    if (settled === null) failed += 1;
    if (settled === true) resolved += 1;
  }
  const detail = shortfall(receipts.length - reached, failed);
  return {
    source: {
      fetched: receipts.length > 0 || unreadable.length > 0,
      complete: detail === null,
      asOf: clock.now(),
      detail,
    },
    resolved,
  };
};

/** Follows the open orders, each by itself, until the time for them is over. */
const followOrders = async (
  ports: SyncPorts,
  runId: string,
  until: Instant,
): Promise<{ source: SourceRecord; checked: number; followed: readonly Followed[] }> => {
  const { orders, clock } = ports;
  const open = await orders.openExecutions(clock.now(), ordersPerRun);
  const followed: Followed[] = [];
  for (const execution of open) {
    if (clock.now() >= until) break;
    followed.push(
      await isolated(
        ports,
        'following an order',
        { executionId: execution.id },
        () => followOrder(execution, runId, ports),
        () => notRead,
      ),
    );
  }
  const detail = shortfall(open.length - followed.length, followed.filter(({ read }) => !read).length);
  return {
    source: { fetched: open.length > 0, complete: detail === null, asOf: clock.now(), detail },
    checked: followed.length,
    followed,
  };
};

/**
 * One scheduled run: account, calendar, unknown outcomes, open orders, fills, decisions nobody claimed. A source that
 * could not be read makes the run incomplete; what it would have told stays as it was, and the others are still read.
 */
export const syncOrders = async (scheduledFor: Instant, ports: SyncPorts): Promise<SyncResult> => {
  const { orders, clock, limits } = ports;
  const startedAt = clock.now();
  const runId = await orders.beginRun(scheduledFor, startedAt);
  if (runId === null) return { resolved: 0, followed: 0, canceled: 0, fillsBooked: 0, completed: true };
  const failedSource = (detail: string): SourceRecord => ({
    fetched: true,
    complete: false,
    asOf: clock.now(),
    detail,
  });
  const snapshot = () => isolated(ports, 'the account', {}, () => snapshotAccount(ports, clock.now()), failedSource);

  // First, so that the age of a snapshot does not depend on how long the rest of a run takes.
  let account = await snapshot();
  const calendar = await isolated(ports, 'the calendar', {}, () => refreshCalendar(ports, clock.now()), failedSource);
  const receipts = await isolated(
    ports,
    'unknown outcomes',
    {},
    () => resolveReceipts(ports, startedAt + resolveUntilMs),
    (detail) => ({ source: failedSource(detail), resolved: 0 }),
  );
  const open = await isolated(
    ports,
    'open orders',
    {},
    () => followOrders(ports, runId, startedAt + followUntilMs),
    (detail) => ({ source: failedSource(detail), checked: 0, followed: [] }),
  );
  const fills = await isolated(
    ports,
    'fills',
    {},
    () => bookNewFills(ports, runId, clock.now()),
    (detail) => ({ source: failedSource(detail), booked: 0, late: 0 }),
  );
  const followed = open.followed.filter(({ applied }) => applied).length;
  // Once more after the fills, so that positions and booked fills are of one time.
  if (receipts.resolved + followed + fills.booked > 0) account = await snapshot();
  await isolated(
    ports,
    'denying unclaimed decisions',
    {},
    () => orders.denyUnclaimed(clock.now(), limits.plannedDecisionTimeoutSeconds),
    () => 0,
  );

  // The calendar is kept days ahead, and an unknown outcome is watched by its own age: neither makes what is known of
  // the account incomplete.
  const completed = [open.source, fills.source, account].every(({ complete }) => complete);
  const breaks = open.followed.reduce((sum, one) => sum + one.breaks, fills.late);
  const sources = { calendar, receipts: receipts.source, orders: open.source, activities: fills.source, account };
  await orders.finishRun(runId, { sources, checked: open.checked, breaks, completed }, clock.now());
  return {
    resolved: receipts.resolved,
    followed,
    canceled: open.followed.filter(({ canceled }) => canceled).length,
    fillsBooked: fills.booked,
    completed,
  };
};

/** Looks at one order again, when its follow-up message falls due. */
export const followUpOrder = async (clientOrderId: string, ports: SyncPorts): Promise<void> => {
  const { receipts } = await takeReadable(ports, 1, clientOrderId);
  for (const receipt of receipts) await resolveReceipt(receipt, ports);
  for (const execution of await ports.orders.openExecutions(ports.clock.now(), 1, clientOrderId))
    await followOrder(execution, null, ports);
};
