import { decimal, decimalText, isDecimalText, maxDecimal, zero } from '@torghut/domain';
import type { Decimal, DecimalText, Side } from '@torghut/domain';
import * as z from 'zod';
import type { Quote } from './market-data.ts';
import { closingQty } from './position.ts';
import type { Position } from './position.ts';
import { forbidden, invalid, invalidField, malformed } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import type { TwinOrder } from './state.ts';

/** An order that is well formed; the twin takes what the control plane sends and what an operator commonly does. */
export interface NewOrder {
  /** `null` when the caller left it to the broker. */
  readonly clientOrderId: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly type: 'market' | 'limit';
  readonly timeInForce: 'day' | 'gtc';
  readonly qty: Decimal;
  readonly limitPrice: Decimal | null;
}

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
  readonly suspendTrade: boolean;
  readonly shortingEnabled: boolean;
  /** After the holds of open orders. */
  readonly buyingPower: Decimal;
  readonly position: Position;
  /** Of the symbol. */
  readonly openOrders: readonly TwinOrder[];
  readonly quote: Quote | null;
}

const longestClientOrderId = 128;

const scalar = z.union([z.string(), z.number()]).transform(String);
const bodySchema = z.looseObject({
  symbol: z.string().min(1, { error: 'symbol is required' }),
  qty: scalar.nullish(),
  notional: scalar.nullish(),
  side: z.enum(['buy', 'sell'], { error: 'invalid side' }),
  type: z.enum(['market', 'limit', 'stop', 'stop_limit', 'trailing_stop'], { error: 'invalid order type' }),
  time_in_force: z.enum(['day', 'gtc', 'opg', 'cls', 'ioc', 'fok'], { error: 'invalid time_in_force' }),
  limit_price: scalar.nullish(),
  client_order_id: z.string().nullish(),
  extended_hours: z.boolean().nullish(),
  order_class: z.string().nullish(),
});

/** Reads the body of POST /v2/orders. */
export const readNewOrder = (text: string): NewOrder | Refusal => {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return malformed('request body format is invalid');
  }
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return invalidField(
      issue?.path.length === 1 ? `${String(issue.path[0])}: ${issue.message}` : 'request body format is invalid',
    );
  }
  const { data } = parsed;
  const qty = data.qty ?? null;
  const limitPrice = data.limit_price ?? null;
  if (qty !== null && (data.notional ?? null) !== null) return malformed('only one of qty or notional is accepted');
  if (qty === null) return invalidField('qty is required; this twin takes no notional orders');
  if (!isDecimalText(qty)) return invalidField(`invalid qty ${qty}`);
  if (decimal(qty).lte(zero)) return invalidField('qty must be > 0');
  if (data.type !== 'market' && data.type !== 'limit')
    return invalid(`this twin takes market and limit orders, found ${data.type}`);
  if (data.time_in_force !== 'day' && data.time_in_force !== 'gtc') {
    return invalid(`this twin takes time_in_force day and gtc, found ${data.time_in_force}`);
  }
  if (data.extended_hours === true) return invalid('this twin takes no extended hours orders');
  if (!['', 'simple'].includes(data.order_class ?? ''))
    return invalid(`this twin takes simple orders, found ${data.order_class ?? ''}`);
  if (data.type === 'limit' && limitPrice === null) return invalidField('limit orders require a limit price');
  if (data.type === 'market' && limitPrice !== null) return invalidField('market orders require no limit price');
  if (limitPrice !== null) {
    const problem = priceProblem(limitPrice);
    if (problem !== null) return problem;
  }
  const clientOrderId = data.client_order_id ?? '';
  if (clientOrderId.length > longestClientOrderId) {
    return invalidField(`client_order_id must be no more than ${longestClientOrderId} characters`);
  }
  return {
    clientOrderId: clientOrderId === '' ? null : clientOrderId,
    symbol: data.symbol,
    side: data.side,
    type: data.type,
    timeInForce: data.time_in_force,
    qty: decimal(qty),
    limitPrice: limitPrice === null ? null : decimal(limitPrice),
  };
};

const dollar = decimal('1');

/** Prices from one dollar have at most two decimals, below it four. */
const priceProblem = (price: DecimalText): Refusal | null => {
  if (!isDecimalText(price)) return invalidField(`invalid limit_price ${price}`);
  const value = decimal(price);
  if (value.lte(zero)) return invalidField('limit_price must be > 0');
  const places = value.gte(dollar) ? 2 : 4;
  return value.round(places, 0).eq(value)
    ? null
    : invalid(`invalid limit_price ${price}. sub-penny increment does not fulfill minimum pricing criteria`);
};

type Check = (order: NewOrder, asset: TwinAsset | null, account: AccountView) => Refusal | null;

const remaining = (order: TwinOrder): Decimal => order.qty.minus(order.filledQty);
const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);

const knownAsset: Check = ({ symbol }, asset) => {
  if (asset === null) return invalid(`asset "${symbol}" not found`);
  return asset.active && asset.tradable ? null : invalid(`asset "${symbol}" is not tradable`);
};

const wholeShares: Check = ({ symbol, qty }, asset) =>
  asset?.fractionable === true || qty.round(0, 0).eq(qty) ? null : invalid(`asset "${symbol}" is not fractionable`);

const notSuspended: Check = (_order, _asset, { suspendTrade }) =>
  suspendTrade ? forbidden('new orders are rejected by user request') : null;

/** Orders of the opposite side conflict when either is a market order or the limits cross. */
const noWashTrade: Check = (order, _asset, { openOrders }) => {
  const conflict = openOrders.find((open) => {
    if (open.side === order.side) return false;
    if (open.limitPrice === null || order.limitPrice === null) return true;
    const [buy, sell] =
      order.side === 'buy' ? [order.limitPrice, open.limitPrice] : [open.limitPrice, order.limitPrice];
    return buy.gte(sell);
  });
  if (conflict === undefined) return null;
  return forbidden('potential wash trade detected. use complex orders', {
    existing_order_id: conflict.id,
    reject_reason: `opposite side ${conflict.type} order exists`,
  });
};

/** An order against a position closes it; a position cannot be flipped by one order, and open orders hold shares. */
const enoughShares: Check = (order, _asset, { position, openOrders }) => {
  if (closingQty(position.qty, order.side, order.qty).eq(zero)) return null;
  const related = openOrders.filter(({ side }) => side === order.side);
  const held = sum(related.map(remaining));
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

const mayShort: Check = (order, asset, { position, shortingEnabled }) => {
  if (order.side === 'buy' || position.qty.gt(zero)) return null;
  if (!shortingEnabled) return forbidden('account is not allowed to short');
  if (asset?.shortable !== true || !asset.easyToBorrow)
    return forbidden(`asset "${order.symbol}" cannot be sold short`);
  return order.qty.round(0, 0).eq(order.qty) ? null : forbidden('fractional orders cannot be sold short');
};

const shortBuffer = decimal('1.03');

/**
 * What an order holds of the buying power while it opens a position: limit times quantity, a short at no less than 1.03
 * times the ask. `null` when there is no price.
 */
export const openingPrice = (side: Side, limitPrice: Decimal | null, quote: Quote | null): Decimal | null => {
  const ask = quote === null ? null : decimal(quote.ask);
  if (side === 'buy') return limitPrice ?? ask;
  if (ask === null) return limitPrice;
  return limitPrice === null ? ask.times(shortBuffer) : maxDecimal(limitPrice, ask.times(shortBuffer));
};

const smallestCostBasis = decimal('1');

const affordable: Check = (order, _asset, { position, buyingPower, quote }) => {
  if (!closingQty(position.qty, order.side, order.qty).eq(zero)) return null;
  const price = openingPrice(order.side, order.limitPrice, quote);
  if (price === null) return invalid(`no quote to value a market order in ${order.symbol}`);
  const cost = price.times(order.qty);
  if (order.side === 'buy' && cost.lt(smallestCostBasis)) {
    return forbidden('cost basis must be >= minimal amount of order 1');
  }
  if (cost.lte(buyingPower)) return null;
  return forbidden('insufficient buying power', {
    buying_power: decimalText(buyingPower),
    cost_basis: decimalText(cost),
  });
};

const checks: readonly Check[] = [
  knownAsset,
  wholeShares,
  notSuspended,
  noWashTrade,
  enoughShares,
  mayShort,
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
