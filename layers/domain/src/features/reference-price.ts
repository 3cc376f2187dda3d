import { fromDouble, zero, type Decimal } from '../decimal.ts';
import { second, type Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';

/** The one price that feeds sizing, limit, risk and cost analysis: the close of the newest micro bar at the signal. */
export interface PriceSnapshot {
  readonly price: Decimal | null;
  /** Event time of the bar the price is the close of. */
  readonly asOf: Instant | null;
  readonly source: string;
}

export const microbarClose = 'ta_microbars.c';

export const priceSnapshot = (price: number | null, asOf: Instant | null): PriceSnapshot => ({
  price: price === null || !Number.isFinite(price) ? null : fromDouble(price),
  asOf,
  source: microbarClose,
});

/** Oldest usable reference price of a timeframe, ms before the signal. */
export const priceMaxAgeMs = (
  timeframe: string,
  limits: Pick<LimitValues, 'priceMaxAgeSeconds1Sec' | 'priceMaxAgeSeconds1Min'>,
): number => second * (timeframe.endsWith('Sec') ? limits.priceMaxAgeSeconds1Sec : limits.priceMaxAgeSeconds1Min);

/** Why a price may not be used for a signal of `eventTs`; null when it may. A price from after the signal is none. */
export const priceProblem = (
  { price, asOf }: PriceSnapshot,
  eventTs: Instant,
  maxAgeMs: number,
): 'missing_price' | 'price_stale' | 'price_non_positive' | null => {
  if (price === null || asOf === null || asOf > eventTs) return 'missing_price';
  if (eventTs - asOf > maxAgeMs) return 'price_stale';
  return price.lte(zero) ? 'price_non_positive' : null;
};
