import type { Json } from '../canonical-json.ts';
import { decimalText, zero, type Decimal } from '../decimal.ts';
import { hour, minute, second, toText, type Instant } from '../instant.ts';
import { newYorkDate, newYorkInstant, type NewYorkDate } from '../market/new-york.ts';
import type { BrokerAccount, BrokerOrder, BrokerPosition, FillActivity, Read } from '../ports.ts';
import { isTerminal } from '../order/states.ts';
import { tradeDateOf } from '../profit/fill.ts';
import { activityMeaning, cashOfFill, feeRowOf, type AccountActivity, type BrokerActivity } from './activities.ts';
import type { FoundBreak } from './breaks.ts';
import { compareCash, type CashComparison } from './cash.ts';
import { compareFees, type PostedFee } from './fees.ts';
import { compareOrder, meetOrders, type DisputedOrder, type LedgerOrder } from './orders.ts';
import type {
  CashMoved,
  CurrentRows,
  ReconciledSource,
  ReconciliationMarks,
  ReconciliationPorts,
  ReconciliationScope,
} from './ports.ts';
import { comparePositions } from './positions.ts';

export interface ReconciliationResult {
  readonly scope: ReconciliationScope;
  /** Null when the run of this scheduled time was completed before. */
  readonly runId: string | null;
  /** Whether every source was read, so that what was not found is known not to be there. */
  readonly completed: boolean;
  /** Orders, positions and fees that were compared. */
  readonly checked: number;
  readonly breaks: number;
  readonly healed: number;
  /** Orders that were compared, and those of them with both adapters known. */
  readonly provenance: { readonly orders: number; readonly known: number };
  readonly sources: Readonly<Record<string, ReconciledSource>>;
}

/** Lists of the broker lag behind its single orders. */
const listGraceMs = 2 * second;
/** An order is missing, or somebody else's, once it is this old. */
const orderAgeMs = minute;
/** Single orders that one run asks the broker about; the rest is left to the next. */
const lookupsPerRun = 60;
/** Single orders that a reading of positions asks about, because they may just have ended. */
const lookupsPerReading = 20;
/** Readings of positions and cash in one run, until nothing moves between them. */
const readings = 3;
/** Activities are listed by their creation, and some are created, or changed, days late. */
const activityOverlapMs = 7 * 24 * hour;
const dayOverlapMs = 24 * hour;
/** Trade dates whose fees are compared. */
const feeSessions = 10;
/** What a run of the order sync has left for it before its time limit: cut off there, it would not even be a failed one. */
const afterGapMs = 15 * second;
/** Fills handed to the ledger at a time. */
const fillsPerBatch = 1_000;

const source = (asOf: Instant, detail: string | null, facts?: ReconciledSource['facts']): ReconciledSource => ({
  fetched: true,
  complete: detail === null,
  asOf,
  detail,
  ...(facts === undefined ? {} : { facts }),
});

const outOfTime = ({ until, ports: { clock } }: Run): boolean => until !== null && clock.now() >= until;

/** Batches of a list that may fail: what was read before is given, and the failure kept. */
const untilFailure = <T>(
  run: Run,
  pages: AsyncIterable<Read<readonly T[]>>,
): { readonly batches: AsyncIterable<readonly T[]>; readonly failure: () => string | null } => {
  let failure: string | null = null;
  const batches = async function* (): AsyncGenerator<readonly T[]> {
    for await (const page of pages) {
      if (!page.ok) {
        failure = page.detail;
        return;
      }
      yield page.value;
      if (outOfTime(run)) {
        failure = 'not read to its end in time';
        return;
      }
    }
  };
  return { batches: batches(), failure: () => failure };
};

/** One run: its scope, its id, its time, and what earlier runs left. */
interface Run {
  readonly scope: ReconciliationScope;
  readonly id: string;
  readonly startedAt: Instant;
  /** When it has to give up what it has not looked at yet; null where nobody waits for it. */
  readonly until: Instant | null;
  readonly marks: ReconciliationMarks;
  readonly ports: ReconciliationPorts;
}

const locked = <T>({ id, ports }: Run, work: (current: CurrentRows) => Promise<T>): Promise<T> =>
  ports.reconciliation.underLock(id, ports.clock.now(), work);

const recordAll = async (current: CurrentRows, breaks: readonly FoundBreak[]): Promise<void> => {
  for (const found of breaks) await current.record(found);
};

const activityBreak = (activity: AccountActivity): FoundBreak | null => {
  const meaning = activityMeaning(activity.type);
  if (meaning !== 'corporate_action' && meaning !== 'unknown') return null;
  return {
    type: meaning === 'unknown' ? 'unknown_activity' : 'corporate_action_pending',
    symbol: activity.symbol,
    orderRef: activity.id.slice(0, 128),
    identity: { activity: activity.id },
    ours: {},
    theirs: {
      type: activity.type,
      at: toText(activity.at),
      net_amount: activity.netAmount === null ? null : decimalText(activity.netAmount),
      qty: activity.qty === null ? null : decimalText(activity.qty),
      description: activity.description,
    },
    healed: false,
  };
};

const fillBreak = (type: 'fill_missing_locally' | 'fill_duplicate', fill: FillActivity): FoundBreak => ({
  type,
  symbol: fill.symbol,
  orderRef: fill.orderId,
  identity: { execution: fill.id },
  ours: type === 'fill_missing_locally' ? { qty: '0' } : { qty: decimalText(fill.qty) },
  theirs: { qty: decimalText(fill.qty), price: decimalText(fill.price), at: toText(fill.transactionTime) },
  healed: true,
});

/**
 * Books the broker's fills under their own execution ids. One that the order sync had the time to see and did not is a
 * break that is healed by this; nothing is ever inferred from an order or a position.
 */
const bookFills = async (run: Run, fills: readonly FillActivity[]): Promise<number> => {
  if (fills.length === 0) return 0;
  const { orders, clock, limits } = run.ports;
  const seen = new Map<string, FillActivity>();
  const duplicates = new Map<string, FillActivity>();
  for (const fill of fills) (seen.has(fill.id) && fill.correction === null ? duplicates : seen).set(fill.id, fill);
  const settledBefore = run.startedAt - limits.orderSyncMaxAgeSeconds * second;
  // A bust or a correction is a break of its own kind.
  const overdue = [...seen.values()].filter(
    ({ transactionTime, correction }) => correction === null && transactionTime < settledBefore,
  );
  const known = await locked(run, (current) => current.booked(overdue.map(({ id }) => id)));
  const missing = overdue.filter(({ id }) => !known.has(id));
  const { booked } = await orders.bookFills([...seen.values()], run.id, clock.now());
  if (missing.length + duplicates.size > 0) {
    await locked(run, async (current) => {
      const now = await current.booked(missing.map(({ id }) => id));
      await recordAll(current, [
        ...missing.filter(({ id }) => now.has(id)).map((fill) => fillBreak('fill_missing_locally', fill)),
        ...[...duplicates.values()].map((fill) => fillBreak('fill_duplicate', fill)),
      ]);
    });
  }
  return booked;
};

/** Reads, stores and books activities; what cannot be known without a person becomes a break as it is stored. */
const takeActivities = async (run: Run, after: Instant | null): Promise<ReconciledSource> => {
  const { broker, clock } = run.ports;
  const { batches, failure } = untilFailure<BrokerActivity>(run, broker.activitiesAfter(after));
  let [read, booked] = [0, 0];
  let fills: FillActivity[] = [];
  const others: AccountActivity[] = [];
  for await (const batch of batches) {
    read += batch.length;
    for (const one of batch) {
      if (one.kind === 'fill') fills.push(one.fill);
      else others.push(one.activity);
    }
    if (fills.length >= fillsPerBatch) {
      booked += await bookFills(run, fills);
      fills = [];
    }
  }
  booked += await bookFills(run, fills);
  if (others.length > 0) {
    await locked(run, async (current) => {
      const news = await current.saveActivities(others);
      await recordAll(
        current,
        news.flatMap((activity) => activityBreak(activity) ?? []),
      );
    });
  }
  return source(clock.now(), failure(), { read, booked });
};

/** The broker's orders of the range: older ones that are open first, so that the whole is in the order of submission. */
async function* brokerOrders(
  run: Run,
  from: Instant | null,
  fail: (detail: string) => void,
): AsyncGenerator<readonly BrokerOrder[]> {
  const { broker } = run.ports;
  if (from !== null) {
    const open = await broker.listOrders('open');
    if (!open.ok) {
      fail(open.detail);
      return;
    }
    const older = open.value.filter(({ submittedAt }) => submittedAt !== null && submittedAt < from);
    yield older.toSorted((a, b) => (a.submittedAt ?? 0) - (b.submittedAt ?? 0));
  }
  const { batches, failure } = untilFailure(run, broker.ordersFrom(from));
  for await (const batch of batches) {
    const ofRange = batch.filter(({ submittedAt }) => submittedAt === null || submittedAt < run.startedAt);
    if (ofRange.length > 0) yield ofRange;
    if (ofRange.length < batch.length) break;
  }
  const detail = failure();
  if (detail !== null) fail(detail);
}

/** By id first, then by client order id: an order is absent when neither leads to it. Null when the broker did not say. */
const lookUp = async (
  { ports: { broker } }: Run,
  { brokerOrderId, clientOrderId }: Pick<LedgerOrder, 'brokerOrderId' | 'clientOrderId'>,
): Promise<BrokerOrder | 'absent' | null> => {
  const byId = await broker.getOrder(brokerOrderId);
  const found =
    byId.kind === 'absent' && clientOrderId !== null ? await broker.getOrderByClientOrderId(clientOrderId) : byId;
  return found.kind === 'found' ? found.order : found.kind === 'absent' ? 'absent' : null;
};

/** Whether the order sync had the time to see what the broker says of an order: before, it is its work, and no break. */
const isSettled = ({ startedAt, ports: { limits } }: Run, { updatedAt }: BrokerOrder): boolean =>
  updatedAt === null || updatedAt < startedAt - limits.orderSyncMaxAgeSeconds * second;

/**
 * Decides about one order by rows read again under the lock, after the broker was asked for this very order. The broker's
 * state is applied through the state machine, which refuses and records what it does not allow. Fills were read before the
 * order: those of one that moved meanwhile are not compared.
 */
const settleOrder = async (run: Run, theirs: BrokerOrder, fillsComplete: boolean): Promise<void> => {
  const { orders, clock } = run.ports;
  const settled = isSettled(run, theirs);
  const ours = await locked(run, async (current) => {
    const row = await current.order(theirs.id, theirs.clientOrderId);
    if (row === null) return null;
    const findings = compareOrder(row, theirs, { fillsComplete: fillsComplete && settled });
    await recordAll(current, findings.breaks);
    return findings.applyBrokerState ? row : null;
  });
  if (ours === null) return;
  if ((await orders.applyOrder(ours.executionId, theirs, run.id, clock.now())) !== 'applied') return;
  await locked(run, async (current) => {
    await current.record({
      type: 'order_status_mismatch',
      symbol: ours.symbol,
      orderRef: theirs.id,
      identity: { execution: ours.executionId, from: ours.state, to: theirs.status },
      ours: { state: ours.state },
      theirs: { status: theirs.status, filled_qty: decimalText(theirs.filledQty) },
      healed: true,
    });
  });
};

const recordMissing = (run: Run, order: Pick<LedgerOrder, 'brokerOrderId' | 'clientOrderId'>): Promise<void> =>
  locked(run, async (current) => {
    const row = await current.order(order.brokerOrderId, order.clientOrderId);
    if (row === null) return;
    await current.record({
      type: 'order_missing_at_broker',
      symbol: row.symbol,
      orderRef: row.brokerOrderId,
      identity: { execution: row.executionId },
      ours: { state: row.state },
      theirs: { status: 'absent' },
      healed: false,
    });
  });

/** What the ledger has of an order of the broker's: its row, or a submit under its client order id, or none. */
const standingOf = async (
  current: CurrentRows,
  { id, clientOrderId }: BrokerOrder,
): Promise<'ours' | Awaited<ReturnType<CurrentRows['submitOf']>>> => {
  if ((await current.order(id, clientOrderId)) !== null) return 'ours';
  return clientOrderId === null ? 'none' : current.submitOf(clientOrderId);
};

/**
 * An order that only the broker has: one that is on its way into the ledger, one whose request arrived after it was looked
 * for in vain and that nobody has met while it was open, or somebody else's.
 */
const settleForeign = async (run: Run, theirs: BrokerOrder): Promise<'ours' | 'adopted' | 'decided'> => {
  const { orders, clock } = run.ports;
  const standing = await locked(run, (current) => standingOf(current, theirs));
  if (standing === 'ours') return 'ours';
  if (standing === 'in_flight' || (standing === 'settled' && !isSettled(run, theirs))) return 'decided';
  if ((await orders.adoptStrays([theirs], run.id, clock.now())) > 0) return 'adopted';
  return locked(run, async (current) => {
    const now = await standingOf(current, theirs);
    if (now === 'ours') return 'ours';
    // A submit under its id that was claimed since, or has ended since, is for the next run to look at.
    if (now === standing)
      await current.record({
        type: 'external_order',
        symbol: theirs.symbol,
        orderRef: theirs.id,
        identity: { order: theirs.id },
        ours: {},
        theirs: {
          client_order_id: theirs.clientOrderId,
          side: theirs.side,
          qty: decimalText(theirs.qty),
          filled_qty: decimalText(theirs.filledQty),
          status: theirs.status,
          replaces: theirs.replaces,
        },
        healed: false,
      });
    return 'decided';
  });
};

interface OrdersCompared {
  readonly source: ReconciledSource;
  readonly orders: number;
  readonly known: number;
}

const reconcileOrders = async (run: Run, from: Instant | null, fillsComplete: boolean): Promise<OrdersCompared> => {
  const { reconciliation, clock } = run.ports;
  const { startedAt } = run;
  const failures: string[] = [];
  const theirs = brokerOrders(run, from, (detail) => failures.push(detail));
  const old = (at: Instant | null): boolean => at === null || at < startedAt - orderAgeMs;
  const { orders, known, disputed } = await meetOrders(
    { ours: reconciliation.orders(from, startedAt), theirs },
    { fillsComplete },
  );
  // A list that broke off says nothing about what it lacks.
  const listed = failures.length === 0;
  // What has a break already waits for a person: it comes last, and need not be reached.
  const standing =
    disputed.length <= lookupsPerRun
      ? new Set<string>()
      : await locked(run, (current) => current.standingOrders(disputed.map(({ brokerOrderId: id }) => id)));
  const isStanding = ({ brokerOrderId }: DisputedOrder): boolean => standing.has(brokerOrderId);
  let [lookedUp, unanswered, unreached] = [0, 0, 0];
  let adopted = 0;
  const settleLone = async (order: BrokerOrder): Promise<void> => {
    const found = await settleForeign(run, order);
    if (found === 'adopted') adopted += 1;
    else if (found === 'ours' && isSettled(run, order)) await settleOrder(run, order, fillsComplete);
  };
  const settle = async (one: DisputedOrder): Promise<void> => {
    if (lookedUp >= lookupsPerRun || outOfTime(run)) {
      if (!isStanding(one)) unreached += 1;
      return;
    }
    lookedUp += 1;
    const ours = await locked(run, (current) => current.order(one.brokerOrderId, null));
    if (ours === null) return;
    const order = await lookUp(run, ours);
    if (order === null) unanswered += 1;
    else if (order === 'absent') await recordMissing(run, ours);
    else await settleOrder(run, order, fillsComplete);
  };
  for (const one of disputed.toSorted((a, b) => Number(isStanding(a)) - Number(isStanding(b)))) {
    const { ours, theirs: order } = one;
    if (ours !== null && order !== null) {
      if (isSettled(run, order)) await settle(one);
    } else if (ours !== null) {
      if (listed && old(ours.submittedAt)) await settle(one);
    } else if (order !== null) {
      if (listed && old(order.submittedAt)) await settleLone(order);
    } else if (listed) {
      // Of an order that is older than the lists: booked and reported fills of it differ.
      await settle(one);
    }
  }
  if (unanswered + unreached > 0) failures.push(`${unanswered} orders not answered, ${unreached} not reached`);
  // An adopted order has the route of its request.
  const compared = { orders: orders + adopted, known: known + adopted };
  const facts = {
    orders: compared.orders,
    provenance_known: compared.known,
    disputed: disputed.length,
    looked_up: lookedUp,
    adopted,
  };
  return {
    source: source(clock.now(), failures.length === 0 ? null : failures.join('; '), facts),
    ...compared,
  };
};

/** Fees of the last trade dates, as far as the broker posts any. */
const reconcileFees = async (
  run: Run,
): Promise<{
  readonly source: ReconciledSource;
  readonly breaks: readonly FoundBreak[];
  readonly checked: number;
  readonly pending: Decimal;
  readonly closing: ClosedSession | null;
}> => {
  const { reconciliation, clock } = run.ports;
  const sessions = run.marks.sessions.slice(-feeSessions);
  const [first] = sessions;
  const [closed, last] = [sessions.at(-2), sessions.at(-1)];
  if (first === undefined || last === undefined)
    return {
      source: source(clock.now(), null, { compared: false }),
      breaks: [],
      checked: 0,
      pending: zero,
      closing: null,
    };
  const { fills, others } = await reconciliation.activitiesFrom(first);
  const feeRows = others
    .filter(({ type }) => activityMeaning(type) === 'fee')
    .flatMap((activity): PostedFee[] => {
      const row = feeRowOf(activity, run.marks.sessions);
      return row === null || row.tradeDate < first ? [] : [row];
    });
  // Everything of later trade dates, taken off the cash of now, leaves what there was when that session was closed.
  const later = (date: NewYorkDate | undefined): boolean => closed !== undefined && date !== undefined && date > closed;
  const laterCash = [
    ...fills.filter((fill) => later(tradeDateOf(fill))).map(cashOfFill),
    ...feeRows.filter(({ tradeDate }) => later(tradeDate)).map(({ amount }) => zero.minus(amount)),
    ...others
      .filter((one) => feeRowOf(one, run.marks.sessions) === null && later(one.date ?? newYorkDate(one.at)))
      .map(({ netAmount }) => netAmount ?? zero),
  ].reduce((sum, amount) => sum.plus(amount), zero);
  const closing = closed === undefined ? null : { session: closed, provisional: last, laterCash };
  if (!run.marks.feesPosted) {
    const facts = { compared: false, because: 'the broker posts no fees' };
    return { source: source(clock.now(), null, facts), breaks: [], checked: 0, pending: zero, closing };
  }
  const compared = compareFees(fills, feeRows, closed ?? '');
  const detail =
    compared.unknownDates.length === 0 ? null : `fee_schedule_missing: ${compared.unknownDates.join(', ')}`;
  const facts = { compared: true, pending: decimalText(compared.pending), closed_through: closed ?? null };
  return { ...compared, source: source(clock.now(), detail, facts), closing };
};

/** A session whose fees are posted, and what cash the activities of later trade dates moved. */
interface ClosedSession {
  readonly session: NewYorkDate;
  readonly provisional: NewYorkDate;
  readonly laterCash: Decimal;
}

interface Holdings {
  readonly account: BrokerAccount;
  readonly positions: readonly BrokerPosition[];
  readonly asOf: Instant;
}

const readHoldings = async ({ ports: { broker, clock } }: Run): Promise<Holdings | string> => {
  // Before the call: whatever is filled while it runs counts as later.
  const asOf = clock.now();
  const [account, positions] = await Promise.all([broker.account(), broker.positions()]);
  if (!account.ok) return account.detail;
  if (!positions.ok) return positions.detail;
  return { account: account.value, positions: positions.value, asOf };
};

interface HoldingsResult {
  readonly positions: ReconciledSource;
  readonly cash: ReconciledSource;
  readonly checked: number;
  /** Null when cash was not read. What it says of moments is the ledger's: no part of the result of the run. */
  readonly checkpoint: CashMoved['checkpoint'] | null;
}

const notCompared = (failed: ReconciledSource): HoldingsResult => ({
  positions: failed,
  cash: failed,
  checked: 0,
  checkpoint: null,
});

interface HoldingsCompared {
  readonly holdings: Holdings;
  /** Breaks of positions, but for symbols that nothing can be said of yet. */
  readonly breaks: readonly FoundBreak[];
  readonly cash: CashComparison | null;
  readonly moved: CashMoved;
  /** Why not all of it could be compared; null when it was. */
  readonly open: string | null;
}

const compareHoldings = async (
  run: Run,
  current: CurrentRows,
  holdings: Holdings,
  pendingFees: Decimal,
  unreported: ReadonlySet<string>,
): Promise<HoldingsCompared> => {
  const { asOf } = holdings;
  const [ours, moved] = [await current.positions(), await current.cashMoved()];
  const { opening } = run.marks;
  const closing = { cash: holdings.account.cash, activitiesNet: moved.net, asOf };
  const { breaks, moving } = comparePositions(ours, holdings.positions, { asOf, graceMs: listGraceMs });
  const cash = opening === null ? null : compareCash(opening, closing, pendingFees);
  const differs = breaks.length > 0 || (cash?.found ?? null) !== null;
  const named = (reason: string, symbols: readonly string[]): readonly string[] =>
    symbols.length === 0 ? [] : [`${reason}: ${symbols.join(', ')}`];
  const reasons = [
    ...named('still trading', moving),
    ...named('fills that are not reported yet', differs ? [...unreported].sort() : []),
  ];
  return {
    holdings,
    breaks: breaks.filter(({ symbol }) => symbol === null || !unreported.has(symbol)),
    cash,
    moved,
    open: reasons.length === 0 ? null : reasons.join('; '),
  };
};

/**
 * Symbols of orders that have filled lately what the activities do not show yet: it is in position and cash already. Orders
 * move on after they were compared, so this is asked before a difference is believed, of orders of the last day and of open
 * ones. Ours that the list of them lacks may just have ended, and are asked about one by one. A text says why it is not
 * known.
 */
const symbolsUnreported = async (run: Run): Promise<ReadonlySet<string> | string> => {
  const { reconciliation, clock } = run.ports;
  const now = clock.now();
  const again: Run = { ...run, startedAt: now };
  const from = Math.max(rangeOf('positions', run.marks, now).orders ?? -Infinity, now - dayOverlapMs);
  const failures: string[] = [];
  const lists = {
    ours: reconciliation.orders(from, now),
    theirs: brokerOrders(again, from, (detail) => failures.push(detail)),
  };
  const { disputed } = await meetOrders(lists, { fillsComplete: true });
  const [failure] = failures;
  if (failure !== undefined) return failure;
  const symbols = new Set<string>();
  let lookedUp = 0;
  for (const { brokerOrderId, ours, theirs: listed, filled } of disputed) {
    let theirs = listed;
    if (theirs === null && ours !== null && !isTerminal(ours.state)) {
      if (lookedUp >= lookupsPerReading || outOfTime(run)) continue;
      lookedUp += 1;
      const found = await lookUp(again, { brokerOrderId, clientOrderId: null });
      theirs = found === 'absent' ? null : found;
    }
    if (theirs !== null && !isSettled(again, theirs) && theirs.filledQty.gt(filled)) symbols.add(theirs.symbol);
  }
  return symbols;
};

/**
 * Positions and cash against fills and activities. A difference is believed only in a second reading, after the time that
 * lists lag, with the activities read again; a symbol that was filled meanwhile is read once more, and then left alone.
 */
const reconcileHoldings = async (
  run: Run,
  activities: ReconciledSource,
  fees: Awaited<ReturnType<typeof reconcileFees>>,
): Promise<HoldingsResult> => {
  const { clock } = run.ports;
  if (!activities.complete) {
    return notCompared(source(clock.now(), 'not compared: the activities are incomplete'));
  }
  for (let reading = 1; ; reading += 1) {
    const holdings = await readHoldings(run);
    if (typeof holdings === 'string') {
      return notCompared(source(clock.now(), holdings));
    }
    const caughtUp = await takeActivities(run, holdings.asOf - 10 * minute);
    if (!caughtUp.complete) {
      return notCompared(source(clock.now(), `not compared: ${caughtUp.detail ?? ''}`));
    }
    const unreported = reading === 1 ? new Set<string>() : await symbolsUnreported(run);
    if (typeof unreported === 'string') {
      return notCompared(source(clock.now(), `not compared: ${unreported}`));
    }
    const result = await locked(run, async (current) => {
      const compared = await compareHoldings(run, current, holdings, fees.pending, unreported);
      const { breaks, cash, open } = compared;
      const found = cash?.found ?? null;
      const agreed = breaks.length === 0 && found === null && open === null;
      if (!agreed && reading < readings && (reading === 1 || open !== null)) return null;
      await recordAll(current, breaks);
      // While something moves, nobody can say what of the cash has moved already.
      if (found !== null && open === null) await current.record(found);
      return compared;
    });
    if (result !== null) return holdingsResult(run, result, fees.closing);
    await clock.sleep(listGraceMs);
  }
};

const holdingsResult = async (
  run: Run,
  { holdings, breaks, cash, moved, open }: HoldingsCompared,
  closing: ClosedSession | null,
): Promise<HoldingsResult> => {
  const { account, asOf } = holdings;
  const differs = breaks.some(({ type }) => type === 'position_qty_mismatch');
  if (run.scope === 'nightly' && open === null && !differs)
    await run.ports.reconciliation.saveAgreed(account, holdings.positions, asOf);
  const { opening } = run.marks;
  const agreed = cash === null || (cash.found === null && cash.provisional.eq(zero));
  // What rounding left stays in what the next run expects: a cent a night must not pass unseen.
  const expected = cash === null ? account.cash : account.cash.minus(cash.difference);
  const basis = agreed || opening === null ? { cash: expected, activitiesNet: moved.net, asOf } : opening;
  const cashFacts: Record<string, Json> = {
    cash: decimalText(account.cash),
    activities_net: decimalText(moved.net),
    difference: cash === null ? null : decimalText(cash.difference),
    provisional: cash === null ? null : decimalText(cash.provisional),
    // What the next run counts from: it moves on only with cash that agreed.
    opening_cash: decimalText(basis.cash),
    opening_activities_net: decimalText(basis.activitiesNet),
    opened_at: toText(basis.asOf),
    closed_session: closing?.session ?? null,
    closing_cash: closing === null ? null : decimalText(account.cash.minus(closing.laterCash)),
    provisional_session: closing?.provisional ?? null,
  };
  return {
    positions: source(asOf, open, { held: holdings.positions.length, agreed: !differs && open === null }),
    cash: source(asOf, open, cashFacts),
    checked: holdings.positions.length + (cash === null ? 0 : 1),
    checkpoint: moved.checkpoint,
  };
};

const earliest = (...times: readonly (Instant | null)[]): Instant | null =>
  times.some((at) => at === null) ? null : Math.min(...(times as readonly Instant[]));

/** Where a run begins to read orders and activities; null for the very beginning. */
const rangeOf = (
  scope: ReconciliationScope,
  { lastNightlyAt, lastCompletedAt }: ReconciliationMarks,
  now: Instant,
): { readonly orders: Instant | null; readonly activities: Instant | null } => {
  if (scope === 'nightly') {
    return lastNightlyAt === null
      ? { orders: null, activities: null }
      : { orders: lastNightlyAt - dayOverlapMs, activities: lastNightlyAt - activityOverlapMs };
  }
  const today = newYorkInstant(newYorkDate(now), '00:00');
  // After a gap, from where the last run of any kind ended.
  return {
    orders: earliest(today, lastCompletedAt === null ? null : lastCompletedAt - 10 * minute),
    activities: earliest(today - dayOverlapMs, lastCompletedAt === null ? null : lastCompletedAt - dayOverlapMs),
  };
};

/**
 * Compares the ledger with the broker: orders, fills, positions, cash and fees. Differences become breaks; what heals
 * itself is mended by the broker's own word, everything else waits for a person. No order is created and no fill inferred.
 * A source that was not read whole fails the run, and the checks that need it are left out.
 * @param withinMs after which what was not looked at yet is left, and the run fails; null without a limit.
 */
export const reconcile = async (
  scope: ReconciliationScope,
  scheduledFor: Instant,
  ports: ReconciliationPorts,
  withinMs: number | null = null,
): Promise<ReconciliationResult> => {
  const { reconciliation, clock } = ports;
  const startedAt = clock.now();
  const id = await reconciliation.beginRun(scope, scheduledFor, startedAt);
  const none = { orders: 0, known: 0 };
  if (id === null)
    return { scope, runId: null, completed: true, checked: 0, breaks: 0, healed: 0, provenance: none, sources: {} };
  const marks = await reconciliation.marks(startedAt);
  const run: Run = { scope, id, startedAt, until: withinMs === null ? null : startedAt + withinMs, marks, ports };
  const range = rangeOf(scope, marks, startedAt);

  const activities = await takeActivities(run, range.activities);
  const orders = await reconcileOrders(run, range.orders, activities.complete);
  // The activities just stored may hold the first fee.
  const fees = await reconcileFees({ ...run, marks: await reconciliation.marks(startedAt) });
  if (scope === 'nightly' && activities.complete && fees.breaks.length > 0)
    await locked(run, (current) => recordAll(current, fees.breaks));
  const holdings = await reconcileHoldings(run, activities, fees);

  const sources = {
    activities,
    orders: orders.source,
    positions: holdings.positions,
    cash: holdings.cash,
    fees: fees.source,
  };
  const completed = Object.values(sources).every(({ complete }) => complete);
  const checked = orders.orders + holdings.checked + (scope === 'nightly' ? fees.checked : 0);
  const counts = await reconciliation.finishRun(
    id,
    { sources, checked, completed, ...(holdings.checkpoint === null ? {} : { cashCheckpoint: holdings.checkpoint }) },
    clock.now(),
  );
  const provenance = { orders: orders.orders, known: orders.known };
  return { scope, runId: id, completed, checked, ...counts, provenance, sources };
};

/**
 * What the order sync asks for after a gap, before its run counts as completed and claims are let through again: whether
 * orders, positions and cash were compared whole.
 */
export const reconcileAfterGap =
  (ports: ReconciliationPorts): ((scheduledFor: Instant) => Promise<boolean>) =>
  async (scheduledFor) =>
    (await reconcile('positions', scheduledFor, ports, afterGapMs)).completed;
