import { decimal, isDecimalText, zero } from '@torghut/domain';
import type { Decimal, Side } from '@torghut/domain';
import * as z from 'zod';
import { orderClasses, orderTypes, timesInForce } from './order.ts';
import type { OrderClass, OrderType, TimeInForce } from './order.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { invalid, invalidField, malformed } from './refusals.ts';
import type { Refusal } from './refusals.ts';

/** The leg that takes a profit or stops a loss; a stop with a limit is a stop-limit order. */
export interface NewLeg {
  readonly type: 'limit' | 'stop' | 'stop_limit';
  readonly limitPrice: Decimal | null;
  readonly stopPrice: Decimal | null;
}

/** An order that is well formed. */
export interface NewOrder {
  /** `null` when the caller left it to the broker. */
  readonly clientOrderId: string | null;
  readonly symbol: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly timeInForce: TimeInForce;
  /** `null` of an order by value. */
  readonly qty: Decimal | null;
  readonly notional: Decimal | null;
  readonly limitPrice: Decimal | null;
  readonly stopPrice: Decimal | null;
  readonly trailPrice: Decimal | null;
  readonly trailPercent: Decimal | null;
  readonly extendedHours: boolean;
  readonly orderClass: OrderClass;
  readonly positionIntent: string | null;
  readonly takeProfit: NewLeg | null;
  readonly stopLoss: NewLeg | null;
}

/** What a replacement changes; `null` keeps what the order has. */
export interface OrderChange {
  readonly clientOrderId: string | null;
  readonly qty: Decimal | null;
  readonly limitPrice: Decimal | null;
  readonly stopPrice: Decimal | null;
  /** In the terms of the order's own trail. */
  readonly trail: Decimal | null;
  readonly timeInForce: TimeInForce | null;
}

const longestClientOrderId = 128;

const scalar = z.union([z.string(), z.number()]).transform(String);
const takeProfitSchema = z.object({ limit_price: scalar });
const stopLossSchema = z.object({ stop_price: scalar, limit_price: scalar.nullish() });
const bodySchema = z.object({
  symbol: z.string({ error: 'symbol is required' }).min(1, { error: 'symbol is required' }),
  qty: scalar.nullish(),
  notional: scalar.nullish(),
  side: z.enum(['buy', 'sell'], { error: 'invalid side' }),
  type: z.enum(orderTypes, { error: 'invalid order type' }),
  time_in_force: z.enum(timesInForce, { error: 'invalid time_in_force' }),
  limit_price: scalar.nullish(),
  stop_price: scalar.nullish(),
  trail_price: scalar.nullish(),
  trail_percent: scalar.nullish(),
  client_order_id: z.string().nullish(),
  extended_hours: z.boolean().nullish(),
  order_class: z.enum(['', ...orderClasses], { error: 'invalid order_class' }).nullish(),
  position_intent: z
    .enum(['buy_to_open', 'buy_to_close', 'sell_to_open', 'sell_to_close'], { error: 'invalid position_intent' })
    .nullish(),
  take_profit: takeProfitSchema.nullish(),
  stop_loss: stopLossSchema.nullish(),
});
const changeSchema = z.object({
  qty: scalar.nullish(),
  limit_price: scalar.nullish(),
  stop_price: scalar.nullish(),
  trail: scalar.nullish(),
  time_in_force: z.enum(timesInForce, { error: 'invalid time_in_force' }).nullish(),
  client_order_id: z.string().nullish(),
});

/** Reads the body of POST /v2/orders. */
export const readNewOrder = (text: string, facts: ProbeFacts): NewOrder | Refusal => {
  const data = readBody(text, bodySchema);
  if ('code' in data) return data;
  if ((data.qty ?? null) !== null && (data.notional ?? null) !== null) {
    return { ...malformed('only one of qty or notional is accepted'), status: facts.bothQtyAndNotionalStatus };
  }
  const numbers = readNumbers({
    qty: data.qty,
    notional: data.notional,
    limit_price: data.limit_price,
    stop_price: data.stop_price,
    trail_price: data.trail_price,
    trail_percent: data.trail_percent,
    'take_profit.limit_price': data.take_profit?.limit_price,
    'stop_loss.stop_price': data.stop_loss?.stop_price,
    'stop_loss.limit_price': data.stop_loss?.limit_price,
  });
  if ('code' in numbers) return numbers;
  const clientOrderId = readClientOrderId(data.client_order_id);
  if (typeof clientOrderId === 'object' && clientOrderId !== null) return clientOrderId;
  const orderClass = data.order_class ?? '';
  const stopLimit = numbers.of('stop_loss.limit_price');
  const order: NewOrder = {
    clientOrderId,
    symbol: data.symbol,
    side: data.side,
    type: data.type,
    timeInForce: data.time_in_force,
    qty: numbers.of('qty'),
    notional: numbers.of('notional'),
    limitPrice: numbers.of('limit_price'),
    stopPrice: numbers.of('stop_price'),
    trailPrice: numbers.of('trail_price'),
    trailPercent: numbers.of('trail_percent'),
    extendedHours: data.extended_hours ?? false,
    orderClass: orderClass === '' ? 'simple' : orderClass,
    positionIntent: data.position_intent ?? null,
    takeProfit:
      data.take_profit === null || data.take_profit === undefined
        ? null
        : { type: 'limit', limitPrice: numbers.of('take_profit.limit_price'), stopPrice: null },
    stopLoss:
      data.stop_loss === null || data.stop_loss === undefined
        ? null
        : {
            type: stopLimit === null ? 'stop' : 'stop_limit',
            limitPrice: stopLimit,
            stopPrice: numbers.of('stop_loss.stop_price'),
          },
  };
  return bodyRules.map((rule) => rule(order, facts)).find((refusal) => refusal !== null) ?? order;
};

/** Reads the body of PATCH /v2/orders. */
export const readOrderChange = (text: string): OrderChange | Refusal => {
  const data = readBody(text, changeSchema);
  if ('code' in data) return data;
  const numbers = readNumbers({
    qty: data.qty,
    limit_price: data.limit_price,
    stop_price: data.stop_price,
    trail: data.trail,
  });
  if ('code' in numbers) return numbers;
  const clientOrderId = readClientOrderId(data.client_order_id);
  if (typeof clientOrderId === 'object' && clientOrderId !== null) return clientOrderId;
  const qty = numbers.of('qty');
  if (qty !== null && !isWhole(qty)) return invalid('qty of a replacement must be whole shares');
  return {
    clientOrderId,
    qty,
    limitPrice: numbers.of('limit_price'),
    stopPrice: numbers.of('stop_price'),
    trail: numbers.of('trail'),
    timeInForce: data.time_in_force ?? null,
  };
};

const readBody = <T>(text: string, schema: z.ZodType<T>): T | Refusal => {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return malformed('request body format is invalid');
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return invalidField(
    issue !== undefined && issue.path.length > 0
      ? `${issue.path.join('.')}: ${issue.message}`
      : 'request body format is invalid',
  );
};

const dollar = decimal('1');
/** Quantities and values have at most nine decimals. */
const quantityPlaces = 9;

export const isWhole = (value: Decimal): boolean => value.round(0, 0).eq(value);

const isPrice = (name: string): boolean => name.endsWith('_price');

/** The named numbers, each > 0; prices from one dollar have at most two decimals, below it four. */
const readNumbers = <Name extends string>(
  texts: Readonly<Record<Name, string | null | undefined>>,
): { readonly of: (name: Name) => Decimal | null } | Refusal => {
  const values = new Map<string, Decimal>();
  for (const [name, text] of Object.entries<string | null | undefined>(texts)) {
    if (text === null || text === undefined) continue;
    if (!isDecimalText(text)) return invalidField(`invalid ${name} ${text}`);
    const value = decimal(text);
    if (value.lte(zero)) return invalidField(`${name} must be > 0`);
    const places = !isPrice(name) ? quantityPlaces : value.gte(dollar) ? 2 : 4;
    if (!value.round(places, 0).eq(value)) {
      return isPrice(name)
        ? invalid(`invalid ${name} ${text}. sub-penny increment does not fulfill minimum pricing criteria`)
        : invalidField(`${name} must have at most ${quantityPlaces} decimals`);
    }
    values.set(name, value);
  }
  return { of: (name) => values.get(name) ?? null };
};

const readClientOrderId = (text: string | null | undefined): string | null | Refusal => {
  if ((text ?? '') === '') return null;
  return (text ?? '').length > longestClientOrderId
    ? invalidField(`client_order_id must be no more than ${longestClientOrderId} characters`)
    : (text ?? null);
};

type BodyRule = (order: NewOrder, facts: ProbeFacts) => Refusal | null;

const cent = decimal('0.01');

/** Which prices an order type has to have; any other price is one too many. */
const pricesOfType: Readonly<Record<OrderType, readonly ('limitPrice' | 'stopPrice')[]>> = {
  market: [],
  limit: ['limitPrice'],
  stop: ['stopPrice'],
  stop_limit: ['limitPrice', 'stopPrice'],
  trailing_stop: [],
};
const priceNames = { limitPrice: 'limit price', stopPrice: 'stop price' } as const;

const pricesFitTheType: BodyRule = (order) => {
  // The parent of an OCO pair is its limit order; its price is the one of the profit leg.
  if (order.orderClass === 'oco') return null;
  for (const name of ['limitPrice', 'stopPrice'] as const) {
    const needed = pricesOfType[order.type].includes(name);
    if (needed && order[name] === null) return invalidField(`${order.type} orders require a ${priceNames[name]}`);
    if (!needed && order[name] !== null) return invalidField(`${order.type} orders require no ${priceNames[name]}`);
  }
  const trails = [order.trailPrice, order.trailPercent].filter((trail) => trail !== null).length;
  if (order.type === 'trailing_stop')
    return trails === 1 ? null : invalidField('trailing_stop orders require exactly one of trail_price, trail_percent');
  return trails === 0 ? null : invalidField(`${order.type} orders require no trail`);
};

const hasAQuantity: BodyRule = ({ qty, notional }) =>
  qty === null && notional === null ? invalidField('qty or notional is required') : null;

const trailingStop: BodyRule = ({ type, timeInForce, orderClass, extendedHours }) => {
  if (type !== 'trailing_stop') return null;
  if (timeInForce !== 'day' && timeInForce !== 'gtc')
    return invalid('trailing stop orders must have time_in_force day or gtc');
  if (orderClass !== 'simple') return invalid('trailing stop orders must be simple orders');
  return extendedHours ? invalid('trailing stop orders are not eligible for extended hours') : null;
};

const extendedHours: BodyRule = ({ extendedHours: extended, type, timeInForce, orderClass }, facts) => {
  if (!extended) return null;
  const allowed = facts.extendedHoursGtc ? ['day', 'gtc'] : ['day'];
  if (type !== 'limit' || !allowed.includes(timeInForce))
    return invalid(`extended hours order must be ${allowed.join(' or ')} limit orders`);
  return orderClass === 'simple' ? null : invalid('complex orders are not eligible for extended hours');
};

const fractions: BodyRule = ({ qty, notional, timeInForce, type, orderClass }, facts) => {
  if (notional === null && (qty === null || isWhole(qty))) return null;
  if (timeInForce !== 'day') return invalid('fractional orders must be day orders');
  if (type === 'trailing_stop' || orderClass !== 'simple') return invalid('fractional orders must be simple orders');
  if (notional !== null && facts.notionalMarketDayOnly && type !== 'market')
    return invalid('notional orders must be market orders');
  return null;
};

const immediateOrders: BodyRule = ({ timeInForce }, facts) =>
  (timeInForce === 'ioc' || timeInForce === 'fok') && !facts.immediateOrders
    ? invalid(`time_in_force ${timeInForce} is not available on this plan`)
    : null;

/** Legs lie on the right sides of each other and of the entry, a stop at least one cent away. */
const legs: BodyRule = ({ orderClass, type, side, timeInForce, takeProfit, stopLoss, limitPrice, qty }) => {
  if (orderClass === 'simple') {
    return takeProfit === null && stopLoss === null
      ? null
      : invalid('take_profit and stop_loss need an order_class of bracket, oco or oto');
  }
  if (timeInForce !== 'day' && timeInForce !== 'gtc')
    return invalid('complex orders must have time_in_force day or gtc');
  if (qty === null) return invalid('complex orders require qty');
  if (orderClass === 'oto' ? (takeProfit === null) === (stopLoss === null) : takeProfit === null || stopLoss === null) {
    return invalid(
      orderClass === 'oto'
        ? 'oto orders require exactly one of take_profit, stop_loss'
        : `${orderClass} orders require take_profit.limit_price and stop_loss.stop_price`,
    );
  }
  if (orderClass === 'oco' && type !== 'limit') return invalid('oco orders must be of type limit');
  // The exit of a buy is a sale: its profit lies above its stop. An OCO order is itself the exit.
  const exitSells = orderClass === 'oco' ? side === 'sell' : side === 'buy';
  const farther = (a: Decimal, b: Decimal): boolean => (exitSells ? a.gt(b) : a.lt(b));
  const profit = takeProfit?.limitPrice ?? null;
  const stop = stopLoss?.stopPrice ?? null;
  if (profit !== null && stop !== null && !farther(profit, stop))
    return invalid(`take_profit.limit_price must be ${exitSells ? '>' : '<'} stop_loss.stop_price`);
  const base = orderClass === 'oco' ? profit : type === 'limit' ? limitPrice : null;
  if (base !== null && stop !== null && !stopIsBeyond(exitSells, stop, base))
    return invalid(`stop_loss.stop_price must be ${exitSells ? '<= base_price - 0.01' : '>= base_price + 0.01'}`);
  return null;
};

/** Whether a stop lies at least one cent beyond the price it protects. */
export const stopIsBeyond = (exitSells: boolean, stop: Decimal, base: Decimal): boolean =>
  exitSells ? stop.lte(base.minus(cent)) : stop.gte(base.plus(cent));

const bodyRules: readonly BodyRule[] = [
  hasAQuantity,
  pricesFitTheType,
  trailingStop,
  extendedHours,
  fractions,
  immediateOrders,
  legs,
];
