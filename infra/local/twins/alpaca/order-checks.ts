import { decimal, decimalText, maxDecimal, zero } from '@torghut/domain';
import type { Decimal, Side } from '@torghut/domain';
import type { Quote } from './market-data.ts';
import { isWhole, stopIsBeyond } from './order-body.ts';
import type { NewOrder } from './order-body.ts';
import { remainingQty } from './order.ts';
import type { TwinOrder } from './order.ts';
import { closingQty } from './position.ts';
import type { Position } from './position.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { forbidden, invalid } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import type { AccountConfiguration, AccountFlags } from './state.ts';
import { isWashTrade } from './wash-rule.ts';

export interface TwinAsset {
  readonly active: boolean;
  readonly tradable: boolean;
  readonly shortable: boolean;
  readonly easyToBorrow: boolean;
  readonly fractionable: boolean;
  readonly attributes: readonly string[];
}

/** What the checks need to know about the account at the moment of the order. */
export interface AccountView {
  readonly facts: ProbeFacts;
  readonly configuration: AccountConfiguration;
  readonly flags: AccountFlags;
  readonly shortingEnabled: boolean;
  readonly equity: Decimal;
  /** After the holds of open orders. */
  readonly buyingPower: Decimal;
  readonly position: Position;
  /** Of any symbol, USD without its sign. */
  readonly largestPositionValue: Decimal;
  /** Of the symbol. */
  readonly openOrders: readonly TwinOrder[];
  readonly quote: Quote | null;
  /** Which price values an order without a limit. */
  readonly phase: 'core' | 'extended' | 'closed';
}

/** A well-formed order whose quantity is known; that of an order by value is an estimate. */
export type SizedOrder = NewOrder & { readonly qty: Decimal };

type Check = (order: SizedOrder, asset: TwinAsset | null, account: AccountView) => Refusal | null;

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);
const half = decimal('0.5');
const one = decimal('1');

const accountMayTrade: Check = (_order, _asset, { configuration, flags }) => {
  if (flags.status !== 'ACTIVE' || flags.accountBlocked) return forbidden('account is blocked from trading');
  if (flags.tradingBlocked) return forbidden('trading is blocked for this account');
  return configuration.suspendTrade ? forbidden('new orders are rejected by user request') : null;
};

const knownAsset: Check = ({ symbol, type }, asset, { position }) => {
  if (asset === null) return invalid(`asset "${symbol}" not found`);
  if (!asset.active || !asset.tradable) return invalid(`asset "${symbol}" is not tradable`);
  if (asset.attributes.includes('ipo') && type !== 'limit')
    return invalid(`asset "${symbol}" accepts only limit orders before its first trade`);
  return asset.attributes.includes('ptp_no_exception') && position.qty.eq(zero)
    ? forbidden(`asset "${symbol}" is a publicly traded partnership without exception`)
    : null;
};

const fractions: Check = ({ symbol, qty, notional, extendedHours }, asset, { configuration, facts }) => {
  if (notional === null && isWhole(qty)) return null;
  if (asset?.fractionable !== true || !configuration.fractionalTrading)
    return invalid(`asset "${symbol}" is not fractionable`);
  return extendedHours &&
    facts.fractionalExtendedHoursByAttribute &&
    !asset.attributes.includes('fractional_eh_enabled')
    ? invalid(`asset "${symbol}" takes no fractional orders in extended hours`)
    : null;
};

const notionalNeedsNoClosing: Check = ({ notional, side }, _asset, { openOrders, position }) =>
  notional !== null &&
  openOrders.some((open) => open.side !== side && closingQty(position.qty, open.side, remainingQty(open)).gt(zero))
    ? forbidden('notional orders are not allowed while a closing order of the position is open')
    : null;

const noWashTrade: Check = (order, _asset, { openOrders }) => {
  const conflict = openOrders.find((open) => isWashTrade(open, order));
  if (conflict === undefined) return null;
  return forbidden('potential wash trade detected. use complex orders', {
    existing_order_id: conflict.id,
    reject_reason: `opposite side ${conflict.type} order exists`,
  });
};

/** Open orders that hold shares of a position: legs that only watch do not. */
export const holdsShares = (order: TwinOrder, closingSide: Side): boolean =>
  order.side === closingSide && order.status !== 'held';

/** An order against a position closes it; a position cannot be flipped by one order, and open orders hold shares. */
const enoughShares: Check = (order, _asset, { position, openOrders }) => {
  if (closingQty(position.qty, order.side, order.qty).eq(zero)) return null;
  const related = openOrders.filter((open) => holdsShares(open, order.side));
  const held = sum(related.map(remainingQty));
  const available = position.qty.abs().minus(held);
  if (order.qty.lte(available)) return null;
  return forbidden(
    `insufficient qty available for order (requested: ${decimalText(order.qty)}, available: ${decimalText(available)})`,
    {
      available: decimalText(available),
      existing_qty: decimalText(position.qty.abs()),
      held_for_orders: decimalText(held),
      related_orders: related.map(({ id }) => id),
      symbol: order.symbol,
    },
  );
};

const isClosing = (order: SizedOrder, position: Position): boolean =>
  !closingQty(position.qty, order.side, order.qty).eq(zero);

const closingIntent: Check = (order, _asset, { position }) =>
  (order.positionIntent?.endsWith('_to_close') ?? false) && !isClosing(order, position)
    ? forbidden('position intent mismatch: there is no position to close')
    : null;

const mayShort: Check = (order, asset, { position, shortingEnabled, configuration }) => {
  if (order.side === 'buy' || position.qty.gt(zero) || order.orderClass === 'oco') return null;
  if (!shortingEnabled || configuration.noShorting) return forbidden('account is not allowed to short');
  if (asset?.shortable !== true || !asset.easyToBorrow)
    return forbidden(`asset "${order.symbol}" cannot be sold short`);
  return isWhole(order.qty) ? null : forbidden('fractional orders cannot be sold short');
};

const restrictionMultiple = decimal('6');

/** A position above six times the equity, or the broker, restricts the account to closing. */
const mayOpen: Check = (order, _asset, { position, largestPositionValue, equity, flags }) =>
  !isClosing(order, position) && (flags.closingOnly || largestPositionValue.gt(equity.times(restrictionMultiple)))
    ? forbidden('account is restricted to closing positions only')
    : null;

const limitNearTheMarket: Check = ({ limitPrice, symbol }, _asset, { facts, quote }) => {
  if (limitPrice === null || quote === null || facts.priceAwayLimit === null) return null;
  const mid = decimal(quote.bid).plus(decimal(quote.ask)).times(half);
  return limitPrice
    .minus(mid)
    .abs()
    .gt(mid.times(decimal(facts.priceAwayLimit)))
    ? invalid(`limit_price of "${symbol}" is too far away from the market`)
    : null;
};

/** A protective stop has to lie beyond the market as well. */
const stopBeyondTheMarket: Check = ({ orderClass, stopLoss, side }, _asset, { quote }) => {
  if (stopLoss?.stopPrice === undefined || stopLoss.stopPrice === null || quote === null) return null;
  const exitSells = orderClass === 'oco' ? side === 'sell' : side === 'buy';
  const market = decimal(exitSells ? quote.bid : quote.ask);
  return stopIsBeyond(exitSells, stopLoss.stopPrice, market)
    ? null
    : invalid(`stop_loss.stop_price must be ${exitSells ? '<= base_price - 0.01' : '>= base_price + 0.01'}`);
};

const shortBuffer = decimal('1.03');

/**
 * What one share of an order holds of the buying power while it opens a position: its limit, a short at no less than
 * 1.03 times the ask. `null` when there is no price.
 */
export const openingPrice = (
  order: { readonly side: Side; readonly limitPrice: Decimal | null; readonly stopPrice: Decimal | null },
  { quote, phase, facts }: Pick<AccountView, 'quote' | 'phase' | 'facts'>,
): Decimal | null => {
  const stated = order.limitPrice ?? order.stopPrice;
  if (order.side === 'sell') {
    if (quote === null) return stated;
    const short = decimal(quote.ask).times(shortBuffer);
    return stated === null ? short : maxDecimal(stated, short);
  }
  if (stated !== null || quote === null) return stated;
  const mid = decimal(quote.bid).plus(decimal(quote.ask)).times(half);
  return (phase === 'core' ? decimal(quote.ask) : mid).times(one.plus(decimal(facts.marketOrderBuffer)));
};

const smallestCostBasis = decimal('1');

const affordable: Check = (order, _asset, account) => {
  if (isClosing(order, account.position) || order.orderClass === 'oco') return null;
  const price = openingPrice(order, account);
  if (price === null) return invalid(`no quote to value a market order in ${order.symbol}`);
  const cost = order.notional ?? price.times(order.qty);
  if (order.side === 'buy' && cost.lt(smallestCostBasis)) {
    return forbidden('cost basis must be >= minimal amount of order 1');
  }
  if (cost.lte(account.buyingPower)) return null;
  return forbidden('insufficient buying power', {
    buying_power: decimalText(account.buyingPower),
    cost_basis: decimalText(cost),
  });
};

const exitNeedsAPosition: Check = ({ orderClass, side, qty }, _asset, { position }) =>
  orderClass === 'oco' && closingQty(position.qty, side, qty).eq(zero)
    ? forbidden('oco orders must be exit orders')
    : null;

const checks: readonly Check[] = [
  accountMayTrade,
  knownAsset,
  fractions,
  limitNearTheMarket,
  notionalNeedsNoClosing,
  noWashTrade,
  exitNeedsAPosition,
  enoughShares,
  closingIntent,
  mayShort,
  mayOpen,
  stopBeyondTheMarket,
  affordable,
];

/** The first reason to refuse a well-formed order, or `null`. */
export const refusalOf: Check = (order, asset, account) => {
  for (const check of checks) {
    const refusal = check(order, asset, account);
    if (refusal !== null) return refusal;
  }
  return null;
};
