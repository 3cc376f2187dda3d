import { hour, minute, second, type Instant } from '../instant.ts';
import { defaultLimits } from '../limits.ts';
import type { LogFields } from '../telemetry.ts';
import {
  byBrokersClock,
  checkMarketClock,
  readMarketClock,
  refreshCalendar,
  snapshotAccount,
  type MarketClock,
} from './account.ts';
import { followOrder, mayCancel, notRead, type Followed } from './follow-order.ts';
import { resolveReceipt, takeReadable } from './resolve-receipt.ts';
import type { SourceRecord, SyncPorts } from './sync-ports.ts';

export interface SyncResult {
  readonly resolved: number;
  readonly followed: number;
  readonly canceled: number;
  readonly fillsBooked: number;
  readonly completed: boolean;
}

/** Orders, and unknown outcomes, that one run looks at. */
const ordersPerRun = 60;
/** Share of a minute's requests that polling leaves to cancels, lookups of unknown outcomes and submits. */
const shareOfOthers = 0.25;
/**
 * The function is ended after 45 s. What it does about single orders stops early enough for the fills, the account and
 * the calendar to be read in every run; what was not reached is reached by the next one. Milliseconds since its start.
 */
const resolveUntilMs = 10 * second;
const followUntilMs = 20 * second;
/** Activities are stamped with their creation, which may precede what was read last. */
const fillOverlapMs = 10 * minute;
/** After this long without a completed run, orders and positions are compared before the next one is completed. */
const gapMs = 5 * minute;
const dayMs = 24 * hour;

/** Unknown orders that filled: each is asked for by its id. */
const unlinkedPerRun = 10;

/**
 * Looks for orders of ours that the ledger holds for absent: a request may reach the broker after every look for it. Those
 * that are open are in the broker's list; those that are done have fills nobody could link.
 */
const adoptStrays = async (
  { orders, broker, clock }: SyncPorts,
  runId: string,
): Promise<{ source: SourceRecord; adopted: number }> => {
  const open = await broker.listOrders('open');
  const found = open.ok ? [...open.value] : [];
  for (const id of await orders.unlinkedOrders(clock.now(), unlinkedPerRun)) {
    const one = await broker.getOrder(id);
    if (one.kind === 'found') found.push(one.order);
  }
  const adopted = found.length === 0 ? 0 : await orders.adoptStrays(found, runId, clock.now());
  const detail = open.ok ? null : open.detail;
  return { source: { fetched: true, complete: detail === null, asOf: clock.now(), detail }, adopted };
};

const bookNewFills = async (
  { orders, broker, telemetry }: SyncPorts,
  runId: string,
  now: Instant,
): Promise<{ source: SourceRecord; booked: number }> => {
  const last = await orders.lastFillAt();
  const read = await broker.fillsAfter((last ?? now - dayMs) - fillOverlapMs);
  if (!read.ok) return { source: { fetched: true, complete: false, asOf: now, detail: read.detail }, booked: 0 };
  const { booked, duplicate, outOfOrder, firstFills } = await orders.bookFills(read.value, runId, now);
  telemetry.count('order_feed_events_total', booked);
  telemetry.count('order_feed_duplicates_total', duplicate);
  telemetry.count('order_feed_out_of_order_total', outOfOrder);
  for (const { adapter, decisionToFillMs } of firstFills)
    telemetry.observe('decision_to_fill_ms', decisionToFillMs, { adapter });
  return { source: { fetched: true, complete: true, asOf: now, detail: null }, booked };
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

/** Whether the rest of the minute's requests belongs to others than polling, by what the broker last said. */
const pollingSpent = ({ broker, clock }: SyncPorts): boolean => {
  const budget = broker.rateLimit();
  return budget !== null && clock.now() < budget.resetAt && budget.remaining <= budget.limit * shareOfOthers;
};

/**
 * Follows the open orders, each by itself, until the time for them is over. When requests run short, only those that may
 * have to be cancelled are looked at.
 */
const followOrders = async (
  ports: SyncPorts,
  runId: string,
  until: Instant,
): Promise<{ source: SourceRecord; checked: number; followed: readonly Followed[] }> => {
  const { orders, clock } = ports;
  const open = await orders.openExecutions(clock.now(), ordersPerRun);
  const stopped = open.length > 0 && (await orders.isStopped());
  const followed: Followed[] = [];
  for (const execution of open) {
    if (clock.now() >= until) break;
    if (pollingSpent(ports) && !mayCancel(execution, ports, stopped)) continue;
    followed.push(
      await isolated(
        ports,
        'following an order',
        { executionId: execution.id },
        () => followOrder(execution, runId, stopped, ports),
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
  const lastCompletedAt = await orders.lastCompletedRunAt();
  const runId = await orders.beginRun(scheduledFor, startedAt);
  if (runId === null) return { resolved: 0, followed: 0, canceled: 0, fillsBooked: 0, completed: true };
  const failedSource = (detail: string): SourceRecord => ({
    fetched: true,
    complete: false,
    asOf: clock.now(),
    detail,
  });
  const marketClock = await isolated(
    ports,
    'the market clock',
    {},
    () => readMarketClock(ports),
    (detail): MarketClock => ({ askedAt: startedAt, read: { ok: false, detail } }),
  );
  const snapshot = () =>
    isolated(
      ports,
      'the account',
      {},
      () => {
        const now = clock.now();
        return snapshotAccount(ports, now, byBrokersClock(now, marketClock));
      },
      failedSource,
    );

  // First, so that the age of a snapshot does not depend on how long the rest of a run takes.
  let account = await snapshot();
  const calendar = await isolated(ports, 'the calendar', {}, () => refreshCalendar(ports, clock.now()), failedSource);
  const market = await isolated(
    ports,
    'comparing the market clock',
    {},
    () => checkMarketClock(ports, marketClock),
    (detail) => ({ source: failedSource(detail), contradicts: false }),
  );
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
    (detail) => ({ source: failedSource(detail), booked: 0 }),
  );
  const strays = await isolated(
    ports,
    'looking for strays',
    {},
    () => adoptStrays(ports, runId),
    (detail) => ({ source: failedSource(detail), adopted: 0 }),
  );
  const followed = open.followed.filter(({ applied }) => applied).length + strays.adopted;
  // Once more after the fills, so that positions and booked fills are of one time; and when it could not be read at first.
  const changed = receipts.resolved + followed + fills.booked > 0;
  if (changed) await clock.sleep(defaultLimits.positionLagSeconds * second + 1);
  if (changed || !account.complete) account = await snapshot();
  await isolated(
    ports,
    'denying unclaimed decisions',
    {},
    () => orders.denyUnclaimed(clock.now(), limits.plannedDecisionTimeoutSeconds),
    () => 0,
  );
  await isolated(
    ports,
    'reviewing follow-ups',
    {},
    () => orders.reviewFollowUps(runId, clock.now()),
    () => undefined,
  );

  // The calendar is kept days ahead, and an unknown outcome is watched by its own age: neither makes what is known of
  // the account incomplete.
  const read = [open.source, fills.source, account].every(({ complete }) => complete) && !market.contradicts;
  const hasGap = lastCompletedAt !== null && startedAt - lastCompletedAt > gapMs;
  // Claims stay refused for want of a completed run until nothing that happened in the gap is unknown.
  const completed =
    read &&
    (!hasGap ||
      (await isolated(
        ports,
        'reconciling after a gap',
        {},
        () => ports.reconcileAfterGap(scheduledFor),
        () => false,
      )));
  const sources = {
    calendar,
    clock: market.source,
    receipts: receipts.source,
    orders: open.source,
    activities: fills.source,
    strays: strays.source,
    account,
  };
  await orders.finishRun(runId, { sources, checked: open.checked, completed }, clock.now());
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
    await followOrder(execution, null, await ports.orders.isStopped(), ports);
};
