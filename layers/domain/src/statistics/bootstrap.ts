import { firstNotFinite, noStatistic, type Statistic } from './outcome.ts';
import type { Uniform } from './random.ts';

/** How a bootstrap interval is made; all of it belongs to the artifact that holds the interval. */
export interface BootstrapPlan {
  /** Replicates; at least 40, because the interval leaves 2.5 % out on either side. */
  readonly replicates: number;
  /** Mean length of a block of consecutive observations, at least 1. */
  readonly meanBlock: number;
}

/** A 95 % percentile interval over sorted replicates. */
export interface BootstrapInterval {
  readonly low: number;
  readonly high: number;
  readonly median: number;
  /** Replicates whose statistic was defined, ascending. */
  readonly sorted: Float64Array;
}

/**
 * Stationary bootstrap indices (Politis and Romano 1994). Draws, in this order: the start; then for each further element
 * one draw that says whether a new block begins, and only then one for its start.
 */
export const stationaryIndices = (count: number, meanBlock: number, uniform: Uniform, into: Uint32Array): void => {
  const restart = 1 / meanBlock;
  let index = Math.floor(uniform() * count);
  into[0] = index;
  for (let element = 1; element < count; element += 1) {
    index = uniform() < restart ? Math.floor(uniform() * count) : (index + 1) % count;
    into[element] = index;
  }
};

/**
 * Percentile interval of a statistic of resampled indices; positions floor(0.025 B) - 1 and ceil(0.975 B) - 1 of the sorted
 * replicates. Replicates without a value, such as the Sharpe ratio of equal returns, are refused, not left out: an
 * interval of the others would be too narrow.
 * @param statisticOf of the observations at these indices; the array is reused between calls
 */
export const bootstrapInterval = (
  count: number,
  { replicates, meanBlock }: BootstrapPlan,
  uniform: Uniform,
  statisticOf: (indices: Uint32Array) => number,
): Statistic<BootstrapInterval> => {
  if (count < 2) return noStatistic('too_few_observations', `expected at least 2 observations, found ${count}`);
  if (!(Number.isSafeInteger(replicates) && replicates >= 40))
    return noStatistic('parameter_out_of_range', `expected at least 40 replicates, found ${replicates}`);
  if (!(meanBlock >= 1))
    return noStatistic('parameter_out_of_range', `expected a mean block length from 1, found ${meanBlock}`);
  const indices = new Uint32Array(count);
  const sorted = new Float64Array(replicates);
  for (let replicate = 0; replicate < replicates; replicate += 1) {
    stationaryIndices(count, meanBlock, uniform, indices);
    sorted[replicate] = statisticOf(indices);
  }
  const failure = firstNotFinite(sorted, 'replicates');
  if (failure !== null) return failure;
  sorted.sort();
  const at = (position: number): number => sorted[position] ?? Number.NaN;
  return {
    ok: true,
    value: {
      low: at(Math.floor(0.025 * replicates) - 1),
      high: at(Math.ceil(0.975 * replicates) - 1),
      median: at(Math.ceil(0.5 * replicates) - 1),
      sorted,
    },
  };
};

/** Interval of the mean of a sample. */
export const meanInterval = (
  values: ArrayLike<number>,
  plan: BootstrapPlan,
  uniform: Uniform,
): Statistic<BootstrapInterval> =>
  bootstrapInterval(values.length, plan, uniform, (indices) => {
    let sum = 0;
    for (const index of indices) sum += values[index] ?? Number.NaN;
    return sum / indices.length;
  });
