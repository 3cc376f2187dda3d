import { hashJson } from '../canonical-json.ts';
import type { Hash } from '../identifiers.ts';

/**
 * Feature contract: the one description of what a strategy is shown, in live, lane, replay and walk-forward alike. Its
 * hash is on every run and decision; two evaluations are comparable only under the same hash.
 */
export const featureContractVersion = '3.0.0';
export const featureSchemaMajor = 3;

/** A bound on a value; with `timesPrice` it is a multiple of the price of the same row. */
export type FeatureBound = {
  readonly value: number;
  readonly inclusive: boolean;
  readonly timesPrice: boolean;
};

export type FeatureField = {
  readonly name: string;
  readonly type: 'double' | 'integer';
  readonly unit: string;
  readonly nullable: boolean;
  /** Counted by the null-rate check of the quality gate. */
  readonly required: boolean;
  readonly min: FeatureBound | null;
  readonly max: FeatureBound | null;
};

const atLeast = (value: number): FeatureBound => ({ value, inclusive: true, timesPrice: false });
const atMost = atLeast;
const above = (value: number): FeatureBound => ({ value, inclusive: false, timesPrice: false });
const ofPrice = (value: number): FeatureBound => ({ value, inclusive: true, timesPrice: true });

const field = <const Name extends string>(
  name: Name,
  unit: string,
  options: { type?: 'integer'; required?: boolean; min?: FeatureBound; max?: FeatureBound } = {},
) =>
  ({
    name,
    type: options.type ?? 'double',
    unit,
    nullable: options.type !== 'integer',
    required: options.required ?? false,
    min: options.min ?? null,
    max: options.max ?? null,
  }) as const;

/** Fields in order; order, units and ranges are part of the hash. */
export const featureFields = [
  field('price', 'USD', { required: true, min: above(0) }),
  field('ema12', 'USD', { required: true }),
  field('ema26', 'USD', { required: true }),
  field('macd', 'USD', { required: true }),
  field('macd_signal', 'USD', { required: true }),
  field('macd_hist', 'USD'),
  field('rsi14', 'index 0..100', { required: true, min: atLeast(0), max: atMost(100) }),
  field('boll_mid', 'USD'),
  field('boll_upper', 'USD'),
  field('boll_lower', 'USD'),
  field('vwap_session', 'USD'),
  field('vwap_w5m', 'USD'),
  field('vol_realized_w60s', 'standard deviation of log returns per bar', { min: atLeast(0), max: atMost(0.05) }),
  field('imbalance_spread', 'USD', { min: atLeast(0), max: ofPrice(0.05) }),
  field('staleness_ms', 'ms', { type: 'integer', min: atLeast(0) }),
  field('macd_hist_bps', 'bps of price'),
  field('spread_bps', 'bps of price'),
] as const satisfies readonly FeatureField[];

export type FeatureName = (typeof featureFields)[number]['name'];
export type FeatureValues = Readonly<Record<FeatureName, number | null>>;

export const requiredFeatures: readonly FeatureName[] = featureFields
  .filter(({ required }) => required)
  .map(({ name }) => name);

/** Hash of the ordered field list with units and ranges. */
export const featureContractHash = hashJson(featureFields) as Hash;

const limitOf = (limit: FeatureBound, price: number | null): number | null =>
  limit.timesPrice ? (price === null ? null : limit.value * price) : limit.value;

/** Fields that have a range. */
export const rangedFields: readonly (FeatureField & { readonly name: FeatureName })[] = featureFields.filter(
  ({ min, max }) => min !== null || max !== null,
);

/** Fields whose value lies outside their range. A null value, or a bound relative to an unknown price, is not judged. */
export const outOfRange = (features: FeatureValues): FeatureName[] => {
  const found: FeatureName[] = [];
  for (const { name, min, max } of rangedFields) {
    const value = features[name];
    if (value === null) continue;
    const low = min === null ? null : limitOf(min, features.price);
    const high = max === null ? null : limitOf(max, features.price);
    const tooLow = low !== null && (min?.inclusive === true ? value < low : value <= low);
    const tooHigh = high !== null && (max?.inclusive === true ? value > high : value >= high);
    if (tooLow || tooHigh) found.push(name);
  }
  return found;
};
