import type { Json } from './canonical-json.ts';
import type { Decimal, DecimalText } from './decimal.ts';
import type { AdapterStateName, ExecutionAdapter, OrderType, Side, TimeInForce } from './enumerations.ts';
import type { Ticker } from './identifiers.ts';
import type { Instant } from './instant.ts';

/** The only source of "now", of waiting and of deadlines. The replay clock and the simulator implement it virtually. */
export interface Clock {
  now(): Instant;
  /** Resolves after `ms` of this clock's time. */
  sleep(ms: number): Promise<void>;
  /** A signal that aborts after `ms` of this clock's time. */
  deadline(ms: number): AbortSignal;
}

/** Where symbols for live routing come from (Jangar). A failure is a value. */
export interface UniverseSource {
  fetch(): Promise<UniverseFetch>;
}
export type UniverseFetch =
  | { readonly ok: true; readonly symbols: readonly Ticker[]; readonly rejected: readonly string[] }
  | {
      readonly ok: false;
      readonly reason:
        'jangar_url_missing' | 'jangar_fetch_failed' | 'jangar_payload_decode_failed' | 'jangar_payload_empty';
      readonly detail: string;
    };

/** An order as sent to any adapter; decimal text is on the tick and on the lot already. */
export interface OrderRequest {
  readonly clientOrderId: string;
  readonly symbol: Ticker;
  readonly side: Side;
  readonly qty: DecimalText;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  readonly limitPrice: DecimalText | null;
  readonly stopPrice: DecimalText | null;
}

/**
 * The right to make exactly one broker write: a receipt that was claimed and marked `io` in the ledger. Adapters refuse
 * to write without one (the order firewall).
 */
export interface WritePermit {
  readonly receiptId: string;
  readonly fencingToken: number;
  readonly correlationId: string;
}

/** A broker order, parsed. `status` is the broker's own word; `raw` is the payload as received. */
export interface BrokerOrder {
  readonly id: string;
  readonly clientOrderId: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly type: string;
  readonly timeInForce: string;
  readonly qty: Decimal;
  readonly filledQty: Decimal;
  readonly filledAvgPrice: Decimal | null;
  readonly limitPrice: Decimal | null;
  readonly status: string;
  readonly submittedAt: Instant | null;
  readonly updatedAt: Instant | null;
  readonly replaces: string | null;
  readonly replacedBy: string | null;
  readonly raw: Readonly<Record<string, unknown>>;
}

/** What is kept of one HTTP exchange with a venue. `status` is null when no answer arrived. */
export interface VenueExchange {
  readonly status: number | null;
  readonly requestId: string | null;
  readonly body: unknown;
  readonly durationMs: number;
}

/** Why a venue call gave no usable answer. The fallback reason is `<adapter>_<operation>_<failure>`. */
export type TransportFailure = 'timeout' | 'network_error' | 'contract_violation' | `http_${number}`;

export type VenueOperation =
  'submit_order' | 'cancel_order' | 'cancel_all_orders' | 'get_order' | 'get_order_by_client_order_id' | 'list_orders';

/** Business refusals of a broker, one class per cause; stored as `broker_rejected_<class>`. */
export const brokerRejectionClasses = [
  'insufficient_funds',
  'insufficient_qty',
  'wash_trade',
  'not_tradable',
  'not_shortable',
  'invalid_price',
  'invalid_order',
  'suspended',
  'rate_limited',
  'other',
] as const;
export type BrokerRejectionClass = (typeof brokerRejectionClasses)[number];

/** Outcome of exactly one submit call. What is not known stays `unknown`. */
export type SubmitOutcome =
  | { readonly kind: 'acknowledged'; readonly order: BrokerOrder; readonly exchange: VenueExchange }
  | {
      readonly kind: 'rejected';
      readonly rejection: BrokerRejectionClass;
      readonly message: string;
      readonly exchange: VenueExchange;
    }
  /** The broker already knows this client order id: look it up and adopt it. */
  | { readonly kind: 'duplicate'; readonly exchange: VenueExchange }
  /** A structured refusal before acceptance; may be sent again at `retryAt`. */
  | { readonly kind: 'rate_limited'; readonly retryAt: Instant; readonly exchange: VenueExchange }
  /** The connection never opened, so nothing can have been accepted. */
  | {
      readonly kind: 'not_sent';
      readonly failure: TransportFailure;
      readonly detail: string;
      readonly exchange: VenueExchange;
    }
  | {
      readonly kind: 'unknown';
      readonly failure: TransportFailure;
      readonly detail: string;
      readonly exchange: VenueExchange;
    };

export type CancelOutcome =
  /** The request was accepted. It is not an outcome: read the order back. */
  | { readonly kind: 'requested'; readonly exchange: VenueExchange }
  /** Not cancelable: already terminal, or unknown to the broker. */
  | { readonly kind: 'already_terminal'; readonly exchange: VenueExchange }
  | {
      readonly kind: 'unknown';
      readonly failure: TransportFailure;
      readonly detail: string;
      readonly exchange: VenueExchange;
    };

export type Lookup =
  | { readonly kind: 'found'; readonly order: BrokerOrder; readonly exchange: VenueExchange }
  | { readonly kind: 'absent'; readonly exchange: VenueExchange }
  | {
      readonly kind: 'failed';
      readonly failure: TransportFailure;
      readonly detail: string;
      readonly exchange: VenueExchange;
    };

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: TransportFailure; readonly detail: string };

/** A place orders can be sent to. Holds no mutable route state: everything about a call is in its return value. */
export interface ExecutionVenue {
  readonly adapter: ExecutionAdapter;
  submit(order: OrderRequest, permit: WritePermit): Promise<SubmitOutcome>;
  cancel(orderId: string, permit: WritePermit): Promise<CancelOutcome>;
  getOrder(id: string): Promise<Lookup>;
  getOrderByClientOrderId(clientOrderId: string): Promise<Lookup>;
  listOrders(status: 'open' | 'closed' | 'all'): Promise<Read<readonly BrokerOrder[]>>;
  health(): Promise<Read<{ readonly status: string }>>;
}

export interface BrokerAccount {
  readonly status: string;
  readonly equity: Decimal;
  readonly lastEquity: Decimal;
  readonly cash: Decimal;
  readonly buyingPower: Decimal;
  readonly longMarketValue: Decimal;
  readonly shortMarketValue: Decimal;
  readonly maintenanceMargin: Decimal;
  readonly tradingBlocked: boolean;
  readonly shortingEnabled: boolean;
}

export interface BrokerPosition {
  readonly symbol: string;
  /** Signed: a short position is negative. */
  readonly qty: Decimal;
  readonly qtyAvailable: Decimal;
  readonly avgEntryPrice: Decimal;
  readonly marketValue: Decimal;
  readonly currentPrice: Decimal | null;
}

/**
 * One execution as the broker reports it: in the list of activities, or again on the stream. A fill may be taken back or
 * replaced later, by a report of its own under a new id.
 */
export interface FillActivity {
  /** As the source writes it: activities put the time before the execution id, the stream does not. */
  readonly id: string;
  readonly source: 'activities' | 'trade_updates';
  /** What this report does to an earlier one, by that one's execution id; `qty` and `price` of a correction are the new ones. */
  readonly correction: { readonly kind: 'bust' | 'correct'; readonly of: string } | null;
  readonly orderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly qty: Decimal;
  readonly price: Decimal;
  readonly cumQty: Decimal;
  readonly leavesQty: Decimal;
  readonly transactionTime: Instant;
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface BrokerAsset {
  readonly symbol: string;
  readonly active: boolean;
  readonly tradable: boolean;
  readonly shortable: boolean;
  readonly easyToBorrow: boolean;
  readonly fractionable: boolean;
  readonly attributes: readonly string[];
  /** Maintenance margin as a share of notional; `null` when the broker does not say. */
  readonly marginRequirement: { readonly long: Decimal; readonly short: Decimal } | null;
}

export interface BrokerSession {
  /** New York date, `YYYY-MM-DD`. */
  readonly date: string;
  readonly openAt: Instant;
  readonly closeAt: Instant;
  readonly extendedOpenAt: Instant | null;
  readonly extendedCloseAt: Instant | null;
  readonly settlementDate: string | null;
}

/** Reads of the broker of record. Reads always go to Alpaca, whatever adapter sent the order. */
export interface BrokerReads {
  account(): Promise<Read<BrokerAccount>>;
  positions(): Promise<Read<readonly BrokerPosition[]>>;
  /** FILL activities created after `after` (inclusive of it), oldest first, all pages; busts and corrections are among them. */
  fillsAfter(after: Instant): Promise<Read<readonly FillActivity[]>>;
  sessions(from: string, to: string): Promise<Read<readonly BrokerSession[]>>;
  asset(symbol: Ticker): Promise<Read<BrokerAsset | null>>;
  marketClock(): Promise<Read<{ readonly at: Instant; readonly isOpen: boolean }>>;
}

/** Adapter state in force, with its breaker, for one adapter and one symbol or all (`symbol` null). */
export interface AdapterState {
  readonly adapter: ExecutionAdapter;
  readonly symbol: Ticker | null;
  readonly state: AdapterStateName;
  readonly breaker: 'closed' | 'open' | 'half_open';
  readonly healthReason: string | null;
}

/** Messages go to queues by outbox topic, in order within a group. */
export interface OutboxMessage {
  readonly id: number;
  readonly topic: string;
  readonly groupKey: string;
  readonly dedupId: string;
  readonly body: string;
  readonly delaySeconds: number;
}
export interface MessagePublisher {
  /** Sends all messages; resolves with the ids that were accepted. Order within a group is kept: after a failure no later message of that group is sent. */
  publish(
    messages: readonly OutboxMessage[],
  ): Promise<{ readonly accepted: readonly number[]; readonly failed: readonly { id: number; error: string }[] }>;
}

/** A fact for other systems to react to. Nothing in the control plane depends on its delivery. */
export interface DomainEvent {
  /** Such as `decision.planned`; the detail type on the bus. */
  readonly type: string;
  readonly at: Instant;
  readonly detail: { readonly [key: string]: Json | undefined };
}
export interface EventBus {
  /** Resolves with what was not accepted, by position; never throws for what the bus does. */
  put(
    events: readonly DomainEvent[],
  ): Promise<{ readonly accepted: number; readonly failed: readonly { index: number; error: string }[] }>;
}
