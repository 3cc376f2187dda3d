import { firstNotFinite, noStatistic, type Statistic } from './outcome.ts';

/** Moments of a sample of per-period returns. */
export interface Moments {
  /** Number of observations, at least 2. */
  readonly count: number;
  readonly mean: number;
  /** Standard deviation with n - 1; above 0. */
  readonly standardDeviation: number;
  /** Mean over standard deviation, per period. */
  readonly sharpe: number;
  /** Population moment (divided by n). */
  readonly skewness: number;
  /** Pearson's, a population moment: 3 for a normal distribution, not 0. */
  readonly kurtosis: number;
}

export const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += values[index] ?? 0;
  return sum / values.length;
};

/** Sum of squared deviations from a centre. */
const squaresAround = (values: ArrayLike<number>, centre: number): number => {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += ((values[index] ?? 0) - centre) ** 2;
  return sum;
};

/** Variance with n - 1. */
export const sampleVariance = (values: ArrayLike<number>): Statistic => {
  if (values.length < 2)
    return noStatistic('too_few_observations', `expected at least 2 observations, found ${values.length}`);
  const failure = firstNotFinite(values, 'values');
  if (failure !== null) return failure;
  return { ok: true, value: squaresAround(values, meanOf(values)) / (values.length - 1) };
};

/** Mean, deviation, Sharpe ratio, skewness and kurtosis of per-period returns, each less a benchmark per period. */
export const momentsOf = (returns: ArrayLike<number>, benchmark = 0): Statistic<Moments> => {
  const variance = sampleVariance(returns);
  if (!variance.ok) return variance;
  const count = returns.length;
  const gross = meanOf(returns);
  // Equal returns leave a rounding error, not a deviation: 0.1 added ten times is not ten times 0.1.
  if (variance.value <= (4 * Number.EPSILON * gross) ** 2)
    return noStatistic('no_variance', `expected returns that differ, found ${count} times ${gross}`);
  let [cubes, fourths] = [0, 0];
  for (let index = 0; index < count; index += 1) {
    const deviation = (returns[index] ?? 0) - gross;
    cubes += deviation ** 3;
    fourths += deviation ** 4;
  }
  const population = (variance.value * (count - 1)) / count;
  const mean = gross - benchmark;
  const standardDeviation = Math.sqrt(variance.value);
  return {
    ok: true,
    value: {
      count,
      mean,
      standardDeviation,
      sharpe: mean / standardDeviation,
      skewness: cubes / count / population ** 1.5,
      kurtosis: fourths / count / population ** 2,
    },
  };
};
