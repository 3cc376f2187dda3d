import { decimal, floorDecimal, fromDouble, maxDecimal, minDecimal, zero, type Decimal } from '../decimal.ts';
import type { IntentKind, OrderType, Side, TimeInForce } from '../enumerations.ts';
import type { LimitValues } from '../limits.ts';
import { timeframeMs } from '../identifiers.ts';

/** Price increments of the venue: the number of decimals from a price upward, highest first. */
export const tickTable = [
  { from: decimal('1'), places: 2, tick: decimal('0.01') },
  { from: zero, places: 4, tick: decimal('0.0001') },
] as const;

const incrementOf = (price: Decimal) => (price.gte(tickTable[0].from) ? tickTable[0] : tickTable[1]);

/** Smallest price step at this price, USD. */
export const tickAt = (price: Decimal): Decimal => incrementOf(price).tick;

/** Whether the venue takes a price as it is. */
export const isOnTick = (price: Decimal): boolean => floorToTick(price).eq(price);

const floorToTick = (price: Decimal): Decimal => floorDecimal(price, incrementOf(price).places);
const ceilToTick = (price: Decimal): Decimal => {
  const { tick } = incrementOf(price);
  const floored = floorToTick(price);
  return floored.eq(price) ? price : floored.plus(tick);
};

const bps = decimal('10000');
const two = decimal('2');

export type ExecutionLimits = Pick<
  LimitValues,
  'preferLimit' | 'priceCollarBps' | 'maxSpreadBps' | 'defaultHalfSpreadBps' | 'entryTtlSeconds' | 'exitTtlSeconds'
>;

/** Lowest and highest price on the tick within the collar around the reference. */
export const collar = (
  reference: Decimal,
  limits: Pick<LimitValues, 'priceCollarBps'>,
): { readonly low: Decimal; readonly high: Decimal } => {
  const width = reference.times(decimal(limits.priceCollarBps)).div(bps);
  return { low: ceilToTick(reference.minus(width)), high: floorToTick(reference.plus(width)) };
};

/** Half the spread, USD: clamped when known, a default share of the price when not. */
const halfSpread = (reference: Decimal, spread: number | null, limits: ExecutionLimits): Decimal => {
  if (spread === null) return reference.times(decimal(limits.defaultHalfSpreadBps)).div(bps);
  const widest = reference.times(decimal(limits.maxSpreadBps)).div(bps);
  return minDecimal(widest, maxDecimal(zero, fromDouble(spread))).div(two);
};

export interface OrderPlan {
  readonly orderType: OrderType;
  readonly timeInForce: TimeInForce;
  /** Null for a market order, and when no price on the tick lies within the collar (`price_collar_exceeded`). */
  readonly limitPrice: Decimal | null;
  readonly tick: Decimal;
  readonly halfSpread: Decimal;
  /** Time the order may rest before it is cancelled. */
  readonly ttlSeconds: number;
}

/**
 * A day limit order half a spread through the reference price. Buys round up to the tick and sells down, toward the
 * market, but never beyond the collar.
 */
export const planOrder = (
  order: {
    readonly action: Side;
    readonly intent: IntentKind;
    readonly reference: Decimal;
    readonly spread: number | null;
  },
  limits: ExecutionLimits,
): OrderPlan => {
  const { action, reference } = order;
  const half = halfSpread(reference, order.spread, limits);
  const common = {
    timeInForce: 'day',
    tick: tickAt(reference),
    halfSpread: half,
    ttlSeconds: order.intent === 'entry' ? limits.entryTtlSeconds : limits.exitTtlSeconds,
  } as const;
  if (!limits.preferLimit) return { ...common, orderType: 'market', limitPrice: null };
  const { low, high } = collar(reference, limits);
  const wanted =
    action === 'buy'
      ? minDecimal(ceilToTick(reference.plus(half)), high)
      : maxDecimal(floorToTick(reference.minus(half)), low);
  const possible = low.lte(high) && wanted.gt(zero) && wanted.gte(low) && wanted.lte(high);
  return { ...common, orderType: 'limit', limitPrice: possible ? wanted : null };
};

export const impactModel = 'half_spread_volatility_participation@1';
const sessionMinutes = 390;
const secondsPerMinute = 60;

export interface ExpectedCost {
  readonly halfSpreadBps: number;
  readonly volatilityBps: number | null;
  readonly participationBps: number | null;
  /** Sum of the three; null while one of them is unknown. */
  readonly estimateBps: number | null;
}

/**
 * Expected cost against the reference price, bps: half spread + 0.1 x one minute of volatility + 50 x notional / average
 * daily volume. Volatility comes per bar of the timeframe; daily volume is estimated as 390 mean minutes.
 */
export const expectedCost = (
  input: {
    readonly reference: Decimal;
    readonly halfSpread: Decimal;
    readonly notional: Decimal;
    readonly timeframe: string;
    readonly volatility: number | null;
    readonly meanMinuteVolume: number | null;
  },
  limits: Pick<LimitValues, 'volatilityCostFactor' | 'participationCostBps'>,
): ExpectedCost => {
  // A statistic, not money: doubles are enough and are stored as such.
  const reference = Number(input.reference.toFixed());
  const halfSpreadBps = (1e4 * Number(input.halfSpread.toFixed())) / reference;
  const perSecond =
    input.volatility === null ? null : input.volatility / Math.sqrt(timeframeMs(input.timeframe) / 1_000);
  const volatilityBps =
    perSecond === null ? null : limits.volatilityCostFactor * perSecond * Math.sqrt(secondsPerMinute) * 1e4;
  const dailyNotional = input.meanMinuteVolume === null ? null : input.meanMinuteVolume * sessionMinutes * reference;
  const participationBps =
    dailyNotional === null || dailyNotional <= 0
      ? null
      : (limits.participationCostBps * Number(input.notional.toFixed())) / dailyNotional;
  return {
    halfSpreadBps,
    volatilityBps,
    participationBps,
    estimateBps:
      volatilityBps === null || participationBps === null ? null : halfSpreadBps + volatilityBps + participationBps,
  };
};
