import { normalQuantile } from './normal.ts';
import { noStatistic, type Statistic } from './outcome.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Wilson's score interval of a proportion. */
export const wilsonInterval = (hits: number, count: number, confidence = 0.95): Statistic<Interval> => {
  if (!(Number.isSafeInteger(count) && count >= 1))
    return noStatistic('too_few_observations', `expected at least 1 observation, found ${count}`);
  if (!(Number.isSafeInteger(hits) && hits >= 0 && hits <= count))
    return noStatistic('parameter_out_of_range', `expected 0 to ${count} hits, found ${hits}`);
  const quantile = normalQuantile(0.5 + confidence / 2);
  if (!quantile.ok) return quantile;
  const z = quantile.value;
  const ratio = hits / count;
  const scale = 1 + (z * z) / count;
  const centre = (ratio + (z * z) / (2 * count)) / scale;
  const half = (z / scale) * Math.sqrt((ratio * (1 - ratio)) / count + (z * z) / (4 * count * count));
  // At 0 and at all hits one end is exactly the ratio; rounding must not put it outside.
  return {
    ok: true,
    value: { low: hits === 0 ? 0 : centre - half, high: hits === count ? 1 : centre + half },
  };
};
