import type { CalendarDay } from '../market/calendar.ts';
import type { NewYorkDate } from '../market/new-york.ts';
import type { Instant } from '../instant.ts';
import type { Ticker } from '../identifiers.ts';
import type { LimitValues } from '../limits.ts';
import type {
  BrokerAccount,
  BrokerOrder,
  BrokerPosition,
  BrokerReads,
  CancelOutcome,
  Clock,
  ExecutionVenue,
  FillActivity,
  WritePermit,
} from '../ports.ts';
import type { ExecutionAdapter, IntentKind, OrderState } from '../enumerations.ts';
import type { ExecutionLedger } from '../routing/route-order.ts';
import type { ExecutionRequest } from '../routing/message.ts';
import type { Telemetry } from '../telemetry.ts';
import type { OrderHistory } from './absence.ts';

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
  /** When we last sent it, by our clock; by the broker's for an order that somebody else placed. */
  readonly sentAt: Instant;
  /** Requests of ours to cancel it, and when the first was made. */
  readonly cancels: { readonly requests: number; readonly firstAt: Instant | null };
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
  /** Reports that were not known, busts and corrections among them. */
  readonly booked: number;
  readonly duplicate: number;
  readonly late: number;
  /** Booked fills that are older than what was known of their order. */
  readonly outOfOrder: number;
  readonly firstFills: readonly FirstFill[];
}

/**
 * The ledger's side of following orders. What it finds wrong is a break of the run it is found in; a look outside of any run
 * (`runId` null) puts it into the newest one.
 */
export interface OrderLedger {
  /** Opens the run of this scheduled time; `null` when it was completed before. */
  beginRun(scheduledFor: Instant, now: Instant): Promise<string | null>;
  /** Ends a run, with the breaks that were written into it. */
  finishRun(
    runId: string,
    result: {
      readonly sources: Readonly<Record<string, SourceRecord>>;
      readonly checked: number;
      readonly completed: boolean;
    },
    now: Instant,
  ): Promise<void>;
  /** When the newest completed run ended; null before the first. */
  lastCompletedRunAt(): Promise<Instant | null>;
  /** Whether a control stops everything, or the controls cannot be read: then no order is left to rest. */
  isStopped(): Promise<boolean>;
  calendarHorizon(from: NewYorkDate): Promise<{ readonly lastDate: string; readonly fetchedAt: Instant } | null>;
  calendarDays(from: NewYorkDate, to: NewYorkDate): Promise<ReadonlyMap<NewYorkDate, CalendarDay>>;
  saveCalendar(days: readonly CalendarDay[], source: 'alpaca' | 'fallback', fetchedAt: Instant): Promise<void>;
  /** The first reading of a session with a `dayBegunAt` stays the start of its day, as of that moment. */
  saveSnapshot(
    account: BrokerAccount,
    positions: readonly BrokerPosition[],
    asOf: Instant,
    dayBegunAt: Instant | null,
  ): Promise<void>;
  /** Takes over receipts that are due: in flight beyond their lease, or unknown. One that cannot be read is named. */
  takeUnresolved(now: Instant, limit: number, clientOrderId?: string): Promise<TakenReceipts>;
  /**
   * Records a lookup that did not settle, and when to look again, with the message that says so. Only an answer of
   * "absent" counts as a look.
   */
  recheckLater(
    receipt: UnresolvedReceipt,
    absent: boolean,
    at: { readonly now: Instant; readonly nextCheckAt: Instant },
  ): Promise<void>;
  /** Open orders, in an order drawn anew each minute, so that none is passed over for ever. */
  openExecutions(now: Instant, limit: number, clientOrderId?: string): Promise<readonly OpenExecution[]>;
  /**
   * Applies the broker's word through the state machine, on rows re-read under lock. A word that is older than the last one
   * changes nothing.
   */
  applyOrder(
    executionId: string,
    order: BrokerOrder,
    runId: string | null,
    now: Instant,
  ): Promise<'applied' | 'unchanged' | 'illegal'>;
  /** Records that the broker knows nothing of an order we hold open, unless it has ended meanwhile. */
  recordMissing(execution: OpenExecution, runId: string | null, now: Instant): Promise<void>;
  /** Records an order that stands at the broker under an id of ours and is not what we asked for. */
  recordForeign(order: BrokerOrder, difference: string, now: Instant): Promise<void>;
  /** Records that a cancel does not take effect, unless the order has ended meanwhile. */
  recordStuckCancel(execution: OpenExecution, since: Instant, runId: string | null, now: Instant): Promise<void>;
  /**
   * Takes in the order that replaced one of ours at the broker, linked with it and under its provenance: whoever replaced it
   * by hand chose no route.
   */
  adoptReplacement(executionId: string, replacement: BrokerOrder, now: Instant): Promise<OpenExecution>;
  /** Orders of the last day that filled and that the ledger does not know, the newest first. */
  unlinkedOrders(now: Instant, limit: number): Promise<readonly string[]>;
  /**
   * Takes in those of the broker's orders that are ours although lookups had proved them absent: their request arrived late.
   * Returns how many. Orders of somebody else stay where they are.
   */
  adoptStrays(found: readonly BrokerOrder[], runId: string, now: Instant): Promise<number>;
  /** The right to ask for a cancel; `null` while an earlier request is in flight. Cancels are always allowed. */
  claimCancel(execution: OpenExecution, adapter: ExecutionAdapter, now: Instant): Promise<WritePermit | null>;
  settleCancel(permit: WritePermit, adapter: ExecutionAdapter, outcome: CancelOutcome, now: Instant): Promise<void>;
  /** Newest fill that was booked. */
  lastFillAt(): Promise<Instant | null>;
  /**
   * Books fills once per broker execution id, whatever source reports them and in whatever order; busts and corrections
   * change what counts of them. What their orders have filled follows, and its cost is analysed again. A fill of an order
   * that had ended is late: it reopens or fills the order.
   */
  bookFills(fills: readonly FillActivity[], runId: string, now: Instant): Promise<BookedFills>;
  /** Denies decisions that nobody claimed in time; returns how many. */
  denyUnclaimed(now: Instant, olderThanSeconds: number): Promise<number>;
  /** Records outcomes that have been unknown for too long, and heals what follow-ups have settled since. */
  reviewFollowUps(runId: string, now: Instant): Promise<void>;
}

/** The broker's request budget of one minute, as of its last answer. */
export interface RequestBudget {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAt: Instant;
}

export interface SyncPorts {
  readonly orders: OrderLedger;
  readonly executions: ExecutionLedger;
  readonly broker: Pick<ExecutionVenue, 'getOrder' | 'getOrderByClientOrderId' | 'listOrders'> &
    BrokerReads &
    OrderHistory & {
      /** Null before the broker stated one. */
      rateLimit(): RequestBudget | null;
    };
  /** Where an order is cancelled: at the adapter that took it. */
  readonly venues: Readonly<Record<ExecutionAdapter, Pick<ExecutionVenue, 'cancel'>>>;
  /** Compares orders and positions with the broker after nobody has looked for a while; whether all of it was read. */
  readonly reconcileAfterGap: (scheduledFor: Instant) => Promise<boolean>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits: LimitValues;
}
