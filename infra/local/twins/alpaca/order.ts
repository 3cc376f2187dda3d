import type { BrokerStatus, Decimal, Instant, Side } from '@torghut/domain';

export const orderTypes = ['market', 'limit', 'stop', 'stop_limit', 'trailing_stop'] as const;
export type OrderType = (typeof orderTypes)[number];
export const timesInForce = ['day', 'gtc', 'opg', 'cls', 'ioc', 'fok'] as const;
export type TimeInForce = (typeof timesInForce)[number];
export const orderClasses = ['simple', 'bracket', 'oco', 'oto'] as const;
export type OrderClass = (typeof orderClasses)[number];

/** How an order came to the broker. */
export type OrderOrigin =
  /** POST /v2/orders. */
  | 'api'
  /** A leg of a bracket, OCO or OTO order. */
  | 'leg'
  /** PATCH /v2/orders. */
  | 'replacement'
  /** DELETE of a position. */
  | 'close_position'
  /** Somebody placed it by hand, past the API key under test. */
  | 'external';

export interface TwinOrder {
  /** Order of arrival, from 1. */
  readonly seq: number;
  readonly id: string;
  readonly clientOrderId: string;
  readonly origin: OrderOrigin;
  readonly symbol: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  /** Shares; of an order by value an estimate until it fills. */
  readonly qty: Decimal;
  /** USD of an order by value, else `null`. */
  readonly notional: Decimal | null;
  readonly limitPrice: Decimal | null;
  readonly stopPrice: Decimal | null;
  readonly trailPrice: Decimal | null;
  readonly trailPercent: Decimal | null;
  /** Best price since a trailing stop went live, else `null`. */
  readonly highWaterMark: Decimal | null;
  /** Whether a stop has been reached; true from the start of an order without a stop. */
  readonly triggered: boolean;
  readonly extendedHours: boolean;
  readonly orderClass: OrderClass;
  readonly positionIntent: string | null;
  /** The order that a leg belongs to. */
  readonly parentId: string | null;
  /** Whether a held leg watches its stop: the entry is filled and its sibling works. */
  readonly armed: boolean;
  readonly submittedAt: Instant;
  /** When the session it is meant for opens. */
  readonly opensAt: Instant;
  /** When its life ends unfilled. */
  readonly expiresAt: Instant;
  readonly status: TwinOrderStatus;
  /** Set by hand: the market neither moves nor fills it, only its expiry and commands do. */
  readonly frozen: boolean;
  readonly filledQty: Decimal;
  /** Sum of price times quantity over its fills. */
  readonly filledValue: Decimal;
  readonly updatedAt: Instant;
  /** When it takes the next step from `accepted` over `pending_new` to `new`; `null` once it is there. */
  readonly nextPhaseAt: Instant | null;
  /** When it began to work; quotes up to then have been looked at. */
  readonly liveAt: Instant | null;
  /** When a requested cancel takes effect; `null` without a request, or when it never will. */
  readonly cancelAt: Instant | null;
  /** When a requested replacement takes effect. */
  readonly replaceAt: Instant | null;
  readonly filledAt: Instant | null;
  readonly canceledAt: Instant | null;
  readonly expiredAt: Instant | null;
  readonly failedAt: Instant | null;
  readonly replacedAt: Instant | null;
  readonly replacedBy: string | null;
  readonly replaces: string | null;
}

export type TwinOrderStatus = BrokerStatus;

export interface StatusRules {
  readonly terminal: boolean;
  readonly cancelable: boolean;
  /** `null` where the broker does not say. */
  readonly replaceable: boolean | null;
  /** Whether the market can fill it. */
  readonly works: boolean;
}

const rules = (terminal: boolean, cancelable: boolean, replaceable: boolean | null, works: boolean): StatusRules => ({
  terminal,
  cancelable,
  replaceable,
  works,
});

export const statusRules: Readonly<Record<TwinOrderStatus, StatusRules>> = {
  accepted: rules(false, true, false, false),
  pending_new: rules(false, true, false, false),
  accepted_for_bidding: rules(false, true, null, false),
  held: rules(false, true, null, false),
  new: rules(false, true, true, true),
  partially_filled: rules(false, true, true, true),
  stopped: rules(false, true, null, false),
  suspended: rules(false, true, null, false),
  calculated: rules(false, false, false, false),
  done_for_day: rules(false, true, null, false),
  pending_cancel: rules(false, false, false, true),
  pending_replace: rules(false, false, false, true),
  filled: rules(true, false, false, false),
  canceled: rules(true, false, false, false),
  expired: rules(true, false, false, false),
  replaced: rules(true, false, false, false),
  rejected: rules(true, false, false, false),
};

/** Whether the order's life has ended. */
export const isTerminal = ({ status }: Pick<TwinOrder, 'status'>): boolean => statusRules[status].terminal;

export const remainingQty = ({ qty, filledQty }: TwinOrder): Decimal => qty.minus(filledQty);

/** The word for a live order: by what of it is done. */
export const liveStatus = ({ filledQty }: TwinOrder): 'new' | 'partially_filled' =>
  filledQty.gt('0') ? 'partially_filled' : 'new';

export interface TwinFill {
  /** The broker's execution id. */
  readonly id: string;
  readonly orderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly at: Instant;
  readonly price: Decimal;
  readonly qty: Decimal;
  readonly cumQty: Decimal;
  readonly leavesQty: Decimal;
  /** Of the symbol after the fill, signed. */
  readonly positionQty: Decimal;
  /** A fill that was busted or corrected no longer counts. */
  readonly state: 'executed' | 'busted' | 'corrected';
  /** The fill that this one corrects. */
  readonly corrects: string | null;
}
