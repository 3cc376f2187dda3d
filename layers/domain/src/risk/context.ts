import type { Decimal, DecimalText } from '../decimal.ts';
import type { OrderType, Side, Stage } from '../enumerations.ts';
import type { PriceSnapshot } from '../features/reference-price.ts';
import type { Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';
import type { BrokerAsset } from '../ports.ts';

export type TradingMode = 'paper' | 'live';

/** Controls as read in the transaction that will write; unreadable is a state of its own and means closed. */
export type TradingControls =
  | { readonly readable: false; readonly detail: string }
  | {
      readonly readable: true;
      readonly killSwitch: boolean;
      readonly emergencyStop: boolean;
      readonly reduceOnly: boolean;
      readonly tradingEnabled: boolean;
      readonly tradingMode: TradingMode;
    };

/** Core session of the day of "now". `unknown`: the calendar has no row. A disagreeing broker clock is `closed`. */
export type RiskSession =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'trading_day'; readonly openAt: Instant; readonly closeAt: Instant };

/** Capital stage in force for one strategy. Null caps take the caps of the stage. */
export interface StageStanding {
  readonly stage: Stage;
  /** Symbols the stage is granted for; read for canary and live only, where an empty list grants nothing. */
  readonly symbols: ReadonlySet<Ticker>;
  readonly maxNotionalPerTrade: DecimalText | null;
  readonly maxPositionPctEquity: DecimalText | null;
  readonly expiresAt: Instant | null;
}

export interface StrategyStanding {
  readonly enabled: boolean;
  readonly degraded: boolean;
  /** Null means no filter; an empty set allows nothing. */
  readonly universeFilter: ReadonlySet<Ticker> | null;
  readonly maxNotionalPerTrade: DecimalText | null;
  readonly maxPositionPctEquity: DecimalText | null;
  readonly stage: StageStanding | null;
}

/** Whether an order of a symbol has somewhere to go. */
export interface RouteAvailability {
  /** At least one adapter takes new entries of it. */
  readonly available: boolean;
  /** At least one adapter takes orders that only reduce a position in it. */
  readonly availableToReduce: boolean;
  /** An operator has to look at the symbol first. */
  readonly manualReview: boolean;
}

export interface RiskPosition {
  readonly symbol: Ticker;
  /** Signed: a short position is negative. */
  readonly qty: Decimal;
  readonly marketValue: Decimal;
}

/** The latest account snapshot. `complete = false` marks a partial read, which may not be used as "flat". */
export interface AccountSnapshot {
  readonly asOf: Instant;
  readonly complete: boolean;
  readonly equity: Decimal;
  readonly buyingPower: Decimal;
  readonly maintenanceMargin: Decimal;
  readonly shortingEnabled: boolean;
  readonly positions: readonly RiskPosition[];
}

/**
 * Something that may still trade, or has traded since the account was read: an open order at its remaining quantity, an
 * ended order whose fills the snapshot has not seen, a receipt of unknown outcome at full
 * quantity, or an earlier accepted decision. The order under assessment is never among them.
 */
export interface Commitment {
  readonly kind: 'open_order' | 'unseen_fill' | 'unknown_receipt' | 'reservation';
  readonly symbol: Ticker;
  readonly side: Side;
  readonly orderType: OrderType;
  readonly qty: Decimal;
  readonly limitPrice: Decimal | null;
  /** Price the exposure is valued at: the reference price at decision time, else the limit, USD. */
  readonly price: Decimal;
}

/**
 * Everything the orders of one cycle, or one claim, share. The same checks run at decision time, to deny early, and
 * under the lock of the account in the claiming transaction, where they are authoritative.
 */
export interface RiskContext {
  /** Echoed in the verdict, so that a refusal says where it happened. */
  readonly phase: 'decision' | 'claim';
  readonly now: Instant;
  readonly limits: LimitValues;
  /** The deployment permits live orders. */
  readonly liveEnabled: boolean;
  readonly controls: TradingControls;
  readonly session: RiskSession;
  readonly universe: { readonly available: boolean; readonly symbols: Pick<ReadonlySet<Ticker>, 'has' | 'size'> };
  /** By strategy id; a missing one counts as disabled. */
  readonly strategies: ReadonlyMap<string, StrategyStanding>;
  readonly routes: { readonly global: RouteAvailability; readonly bySymbol: ReadonlyMap<Ticker, RouteAvailability> };
  /** A missing symbol means that its metadata is unavailable. */
  readonly assets: ReadonlyMap<Ticker, BrokerAsset>;
  readonly account: AccountSnapshot | null;
  readonly lastOrderSyncAt: Instant | null;
  /** When the newest completed comparison of the account with the broker ended. */
  readonly lastReconciliationAt: Instant | null;
  /** Critical breaks of the account that wait for a person, escalated ones among them. */
  readonly openCriticalBreaks: number;
  readonly commitments: readonly Commitment[];
  /** Symbols in which only exits are allowed, because a break about them is open. */
  readonly reduceOnlySymbols: ReadonlySet<Ticker>;
  readonly ordersLastMinute: number;
  readonly ordersInSession: number;
  readonly sessionNotional: Decimal;
}

/** One order to be assessed. */
export interface RiskOrder {
  readonly strategyId: string;
  readonly symbol: Ticker;
  readonly side: Side;
  readonly timeframe: string;
  readonly eventTs: Instant;
  readonly qty: Decimal;
  readonly orderType: OrderType;
  /** Null for a limit order means that no price on the tick lies within the collar. */
  readonly limitPrice: Decimal | null;
  readonly price: PriceSnapshot;
  /** Sizing found no cap at all. */
  readonly unbounded: boolean;
  readonly expiresAt: Instant;
  readonly meanMinuteVolume: number | null;
  /** Event time of the last non-denied decision of the same account, strategy, symbol and action, this one excluded. */
  readonly lastDecisionAt: Instant | null;
}
