import { decimal, decimalText, newYorkDate, newYorkTime, toText, zero } from '@torghut/domain';
import type { Decimal, Instant, TradingDay } from '@torghut/domain';
import { uuidOf } from '../random.ts';
import type { Valuation } from './account-book.ts';
import { effectiveLimit } from './life.ts';
import type { TradeEvent } from './life.ts';
import type { TwinAsset } from './order-checks.ts';
import type { TwinOrder } from './order.ts';
import type { Position } from './position.ts';
import type { ProbeFacts } from './probe-facts.ts';
import type { AccountConfiguration, TwinAccount } from './state.ts';

/** The answers' JSON: numbers are decimal text, times RFC 3339. */

const text = (value: Decimal | null): string | null => (value === null ? null : decimalText(value));
const rounded = (value: Decimal, places = 8): string => decimalText(value.round(places, 1));
const time = (at: Instant | null): string | null => (at === null ? null : toText(at));

const assetId = (symbol: string): string => uuidOf('asset', symbol);

export interface OrderView {
  /** The order's legs when nesting was asked for, else `null`. */
  readonly legs: readonly TwinOrder[] | null;
  /** Whether a buy stop shows the limit it was given. */
  readonly stopConversionShown: boolean;
}

export const orderJson = (order: TwinOrder, view: OrderView): Readonly<Record<string, unknown>> => {
  const isConverted = view.stopConversionShown && order.type === 'stop' && order.side === 'buy';
  const type = isConverted ? 'stop_limit' : order.type;
  return {
    id: order.id,
    client_order_id: order.clientOrderId,
    created_at: toText(order.submittedAt),
    updated_at: toText(order.updatedAt),
    submitted_at: toText(order.submittedAt),
    filled_at: time(order.filledAt),
    expired_at: time(order.expiredAt),
    expires_at: toText(order.expiresAt),
    canceled_at: time(order.canceledAt),
    failed_at: time(order.failedAt),
    replaced_at: time(order.replacedAt),
    replaced_by: order.status === 'replaced' ? order.replacedBy : null,
    replaces: order.replaces,
    asset_id: assetId(order.symbol),
    symbol: order.symbol,
    asset_class: 'us_equity',
    notional: text(order.notional),
    qty: order.notional === null ? decimalText(order.qty) : null,
    filled_qty: decimalText(order.filledQty),
    filled_avg_price: order.filledQty.eq(zero) ? null : rounded(order.filledValue.div(order.filledQty)),
    order_class: order.orderClass,
    order_type: type,
    type,
    side: order.side,
    position_intent: order.positionIntent,
    time_in_force: order.timeInForce,
    limit_price: text(isConverted ? effectiveLimit(order) : order.limitPrice),
    stop_price: text(order.stopPrice),
    trail_price: text(order.trailPrice),
    trail_percent: text(order.trailPercent),
    hwm: text(order.highWaterMark),
    status: order.status,
    extended_hours: order.extendedHours,
    legs:
      view.legs === null || view.legs.length === 0
        ? null
        : view.legs.map((leg) => orderJson(leg, { ...view, legs: null })),
    ratio_qty: null,
  };
};

/** `mid` is the middle of the quote in force, `lastMid` the one at the last close. */
export const positionJson = (position: Position, qtyAvailable: Decimal, mid: Decimal, lastMid: Decimal) => {
  const marketValue = position.qty.times(mid);
  const costBasis = position.qty.times(position.avgEntryPrice);
  const unrealized = marketValue.minus(costBasis);
  const intraday = position.qty.times(mid.minus(lastMid));
  const ratio = (part: Decimal, whole: Decimal): string => (whole.eq(zero) ? '0' : rounded(part.div(whole.abs())));
  return {
    asset_id: assetId(position.symbol),
    symbol: position.symbol,
    exchange: 'NASDAQ',
    asset_class: 'us_equity',
    asset_marginable: true,
    qty: decimalText(position.qty),
    qty_available: decimalText(qtyAvailable),
    side: position.qty.gt(zero) ? 'long' : 'short',
    avg_entry_price: rounded(position.avgEntryPrice),
    market_value: rounded(marketValue),
    cost_basis: rounded(costBasis),
    unrealized_pl: rounded(unrealized),
    unrealized_plpc: ratio(unrealized, costBasis),
    unrealized_intraday_pl: rounded(intraday),
    unrealized_intraday_plpc: ratio(intraday, position.qty.times(lastMid)),
    current_price: rounded(mid),
    lastday_price: rounded(lastMid),
    change_today: ratio(mid.minus(lastMid), lastMid),
  };
};

/** Usual margin of the broker on the gross value, long and short alike. */
const initialMarginShare = decimal('0.5');
const maintenanceMarginShare = decimal('0.3');

export const accountJson = (
  account: TwinAccount,
  { equity, longMarketValue, shortMarketValue, buyingPower, multiplier }: Valuation,
  shortingEnabled: boolean,
  accruedFees: Decimal,
) => {
  const gross = longMarketValue.minus(shortMarketValue);
  const cash = account.cash.gt(zero) ? account.cash : zero;
  return {
    id: uuidOf('account'),
    account_number: 'PA0000000001',
    status: account.flags.status,
    crypto_status: 'INACTIVE',
    options_approved_level: 0,
    options_trading_level: 0,
    currency: 'USD',
    cash: rounded(account.cash),
    equity: rounded(equity),
    portfolio_value: rounded(equity),
    last_equity: rounded(account.lastEquity),
    buying_power: rounded(buyingPower),
    regt_buying_power: rounded(buyingPower),
    non_marginable_buying_power: rounded(cash),
    options_buying_power: '0',
    multiplier: decimalText(multiplier),
    initial_margin: rounded(gross.times(initialMarginShare)),
    maintenance_margin: rounded(gross.times(maintenanceMarginShare)),
    last_maintenance_margin: '0',
    long_market_value: rounded(longMarketValue),
    short_market_value: rounded(shortMarketValue),
    sma: '0',
    accrued_fees: rounded(accruedFees),
    pending_transfer_in: '0',
    pending_transfer_out: '0',
    pending_reg_taf_fees: '0',
    intraday_adjustments: '0',
    balance_asof: newYorkDate(account.lastCloseAt ?? account.advancedTo),
    trading_blocked: account.flags.tradingBlocked,
    transfers_blocked: account.flags.transfersBlocked,
    account_blocked: account.flags.accountBlocked,
    trade_suspended_by_user: account.configuration.suspendTrade,
    shorting_enabled: shortingEnabled && !account.configuration.noShorting,
    created_at: '2024-01-02T14:30:00.000Z',
  };
};

/** The answer of GET and PATCH /v2/account/configurations. */
export const configurationJson = (configuration: AccountConfiguration) => ({
  suspend_trade: configuration.suspendTrade,
  no_shorting: configuration.noShorting,
  fractional_trading: configuration.fractionalTrading,
  max_margin_multiplier: configuration.maxMarginMultiplier,
  trade_confirm_email: configuration.tradeConfirmEmail,
  max_options_trading_level: configuration.maxOptionsTradingLevel,
  disable_overnight_trading: configuration.disableOvernightTrading,
  ptp_no_exception_entry: configuration.ptpNoExceptionEntry,
});

/** One message of the event stream. */
export const tradeUpdateJson = (event: TradeEvent, facts: ProbeFacts) => ({
  stream: 'trade_updates',
  data: {
    event: event.event,
    timestamp: toText(event.at),
    order: orderJson(event.order, { legs: null, stopConversionShown: facts.stopConversionShown }),
    ...(event.reason === undefined ? {} : { reason: event.reason }),
    ...(event.fill === undefined
      ? {}
      : {
          execution_id: event.fill.id,
          ...(event.fill.corrects === null ? {} : { previous_execution_id: event.fill.corrects }),
          price: decimalText(
            facts.streamFillPrice === 'average' && event.order.filledQty.gt(zero)
              ? event.order.filledValue.div(event.order.filledQty)
              : event.fill.price,
          ),
          qty: decimalText(event.fill.qty),
          position_qty: decimalText(event.fill.positionQty),
        }),
  },
});

const wall = (at: Instant): string => newYorkTime(at);
const compactWall = (at: Instant | null): string => (at === null ? '' : newYorkTime(at).replace(':', ''));

export const calendarJson = (day: TradingDay) => ({
  date: day.date,
  open: wall(day.openAt),
  close: wall(day.closeAt),
  session_open: compactWall(day.extendedOpenAt),
  session_close: compactWall(day.extendedCloseAt),
  settlement_date: day.settlementDate ?? day.date,
});

/** `session` is the one under way or the next, `following` the one after it. */
export const clockJson = (now: Instant, session: TradingDay, following: TradingDay) => {
  const isOpen = session.openAt <= now;
  return {
    timestamp: toText(now),
    is_open: isOpen,
    next_open: toText(isOpen ? following.openAt : session.openAt),
    next_close: toText(session.closeAt),
  };
};

export const assetJson = (symbol: string, asset: TwinAsset) => ({
  id: assetId(symbol),
  class: 'us_equity',
  exchange: 'NASDAQ',
  symbol,
  name: symbol,
  status: asset.active ? 'active' : 'inactive',
  tradable: asset.tradable,
  marginable: true,
  shortable: asset.shortable,
  easy_to_borrow: asset.easyToBorrow,
  fractionable: asset.fractionable,
  margin_requirement_long: '30',
  margin_requirement_short: '30',
  maintenance_margin_requirement: 30,
  attributes: asset.attributes,
});
