import type { Json } from '../canonical-json.ts';
import type { Decimal } from '../decimal.ts';
import type { Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';
import type { CalendarDay } from '../market/calendar.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import type { OrderLedger, SourceRecord } from '../order/sync-ports.ts';
import type { BrokerAccount, BrokerOrder, BrokerPosition, BrokerReads, Clock, ExecutionVenue, Read } from '../ports.ts';
import type { Fill } from '../profit/fill.ts';
import type { Telemetry } from '../telemetry.ts';
import type { AccountActivity, BrokerActivity } from './activities.ts';
import type { FoundBreak } from './breaks.ts';
import type { CashReading } from './cash.ts';
import type { LedgerBatch, LedgerOrder } from './orders.ts';
import type { LedgerPositions } from './positions.ts';

/**
 * `positions` is the light one, every quarter of an hour of a session and after a gap: orders, positions and cash of the
 * day. `nightly` reaches back to the night before and compares fees as well.
 */
export type ReconciliationScope = 'positions' | 'nightly';

/** What a run can be of: `evidence` looks at what research left, and asks no broker. */
export type RunScope = ReconciliationScope | 'evidence';

/** A source of a run, and what it showed. */
export interface ReconciledSource extends SourceRecord {
  readonly facts?: Readonly<Record<string, Json>>;
}

/** Where earlier runs have got to. */
export interface ReconciliationMarks {
  /** Scheduled time of the newest completed run of the scope. */
  readonly lastNightlyAt: Instant | null;
  /** Scheduled time of the newest completed run of either scope. */
  readonly lastCompletedAt: Instant | null;
  /** Cash of the last run that agreed, or that a person accepted; else of the first day that was begun. */
  readonly opening: CashReading | null;
  /** New York dates of the last sessions that have closed, oldest first. */
  readonly sessions: readonly NewYorkDate[];
  /** Whether the broker ever posted a fee: a paper account posts none, and then there is nothing to compare. */
  readonly feesPosted: boolean;
}

/** What all activities together did to cash, USD. */
export interface CashMoved {
  readonly net: Decimal;
  /** The part of it that later readings count on from, as the ledger has it; kept with a run that was completed. */
  readonly checkpoint: Readonly<Record<string, Json>>;
}

/** The ledger as it stands, read again under the lock of the account after the broker was asked. */
export interface CurrentRows {
  /** The order under one of its ids; null when it is not ours. */
  order(brokerOrderId: string, clientOrderId: string | null): Promise<LedgerOrder | null>;
  /** Whether we have submitted under this client order id, and know what came of it. */
  submitOf(clientOrderId: string): Promise<'none' | 'in_flight' | 'settled'>;
  /** Those of these orders with a break that a person has not decided about, or has accepted. */
  standingOrders(brokerOrderIds: readonly string[]): Promise<ReadonlySet<string>>;
  positions(): Promise<LedgerPositions>;
  /** Everything the stored activities did to cash. */
  cashMoved(): Promise<CashMoved>;
  /** Stores activities that are no fills; returns those that were not known. */
  saveActivities(activities: readonly AccountActivity[]): Promise<readonly AccountActivity[]>;
  /** Those of these execution ids that are booked. */
  booked(executionIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Writes a break, and what contains it, unless the same finding stands already. Returns whether it was written. */
  record(found: FoundBreak): Promise<boolean>;
}

/** The ledger's side of a reconciliation. It creates no orders and no fills. */
export interface ReconciliationLedger {
  /** Opens the run of this scheduled time, or goes on with one that failed; null when it was completed before. */
  beginRun(scope: RunScope, scheduledFor: Instant, now: Instant): Promise<string | null>;
  finishRun(
    runId: string,
    result: {
      readonly sources: Readonly<Record<string, ReconciledSource>>;
      readonly checked: number;
      readonly completed: boolean;
      /** What later runs count cash on from, in the ledger's own terms; of runs that read cash only. */
      readonly cashCheckpoint?: CashMoved['checkpoint'];
    },
    now: Instant,
  ): Promise<{ readonly breaks: number; readonly healed: number }>;
  marks(now: Instant): Promise<ReconciliationMarks>;
  /** The calendar's row of a New York date; null when it has none. */
  calendarDay(date: NewYorkDate): Promise<CalendarDay | null>;
  /**
   * Orders submitted in `[from, until)`, and older ones that are open, in the order of submission, with all of their fills;
   * and fills of `from` or later of orders that are neither.
   */
  orders(from: Instant | null, until: Instant): AsyncIterable<LedgerBatch>;
  /** Stored fills and other activities of trade dates from `from` on. */
  activitiesFrom(
    from: NewYorkDate,
  ): Promise<{ readonly fills: readonly Fill[]; readonly others: readonly AccountActivity[] }>;
  /** Runs work under the lock of the account, all of it or nothing. */
  underLock<T>(runId: string, now: Instant, work: (current: CurrentRows) => Promise<T>): Promise<T>;
  /** Keeps positions that agreed: what comes after is counted from them. */
  saveAgreed(account: BrokerAccount, positions: readonly BrokerPosition[], asOf: Instant): Promise<void>;
}

/** Reads of the broker that a reconciliation needs beside those of an order. Lists come page by page, oldest first. */
export interface ReconciliationReads
  extends
    Pick<BrokerReads, 'account' | 'positions'>,
    Pick<ExecutionVenue, 'getOrder' | 'getOrderByClientOrderId' | 'listOrders'> {
  /** Activities of every type created after `after`; all of them for null. A failure ends the list. */
  activitiesAfter(after: Instant | null): AsyncIterable<Read<readonly BrokerActivity[]>>;
  /** Orders of every status submitted at `from` or later; all of them for null. A failure ends the list. */
  ordersFrom(from: Instant | null): AsyncIterable<Read<readonly BrokerOrder[]>>;
}

export interface ReconciliationPorts {
  readonly reconciliation: ReconciliationLedger;
  readonly orders: Pick<OrderLedger, 'adoptStrays' | 'applyOrder' | 'bookFills'>;
  readonly broker: ReconciliationReads;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits: LimitValues;
}
