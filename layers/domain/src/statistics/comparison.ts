import { momentsOf, meanOf } from './moments.ts';
import { normalCdf, normalQuantile } from './normal.ts';
import { noStatistic, type Statistic } from './outcome.ts';

/** Two Sharpe ratios of the same periods, compared. */
export interface SharpeDifference {
  /** Per period, first minus second. */
  readonly difference: number;
  readonly standardError: number;
  /** Two-sided normal interval. */
  readonly low: number;
  readonly high: number;
  /** Two-sided, of no difference. */
  readonly pValue: number;
  /** Lags the long-run covariance reaches back. */
  readonly lags: number;
}

/**
 * Difference of two Sharpe ratios with a standard error that allows for heavy tails, serial and mutual correlation: delta
 * method on the first two moments, long-run covariance with Bartlett weights (Ledoit and Wolf 2008; Newey and West 1987).
 * Lags: floor(4 (T/100)^(2/9)).
 */
export const sharpeDifference = (
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  confidence = 0.95,
): Statistic<SharpeDifference> => {
  const count = first.length;
  if (count !== second.length)
    return noStatistic('unequal_lengths', `expected returns of the same periods, found ${count} and ${second.length}`);
  const ours = momentsOf(first);
  if (!ours.ok) return ours;
  const theirs = momentsOf(second);
  if (!theirs.ok) return theirs;
  const quantile = normalQuantile(0.5 + confidence / 2);
  if (!quantile.ok) return quantile;

  const [meanA, meanB] = [meanOf(first), meanOf(second)];
  const square = (values: ArrayLike<number>) => Float64Array.from(values, (value) => value * value);
  const [squareA, squareB] = [meanOf(square(first)), meanOf(square(second))];
  const [varianceA, varianceB] = [squareA - meanA * meanA, squareB - meanB * meanB];
  // Derivatives of mean / sqrt(second moment - mean^2) by mean and second moment.
  const gradient = [
    squareA / varianceA ** 1.5,
    -squareB / varianceB ** 1.5,
    -meanA / (2 * varianceA ** 1.5),
    meanB / (2 * varianceB ** 1.5),
  ] as const;
  // The difference is linear in the moments near their estimates, so its own long-run variance is that of one series.
  const influence = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    const [a, b] = [first[index] ?? 0, second[index] ?? 0];
    influence[index] =
      gradient[0] * (a - meanA) +
      gradient[1] * (b - meanB) +
      gradient[2] * (a * a - squareA) +
      gradient[3] * (b * b - squareB);
  }
  const lags = Math.floor(4 * (count / 100) ** (2 / 9));
  let variance = 0;
  for (let lag = 0; lag <= Math.min(lags, count - 1); lag += 1) {
    let sum = 0;
    for (let index = lag; index < count; index += 1) sum += (influence[index] ?? 0) * (influence[index - lag] ?? 0);
    variance += (lag === 0 ? 1 : 2 * (1 - lag / (lags + 1))) * (sum / count);
  }
  const standardError = Math.sqrt(variance / count);
  if (!(standardError > 0))
    return noStatistic('no_variance', 'expected two series that differ, found the same returns up to scale');
  const difference = ours.value.sharpe - theirs.value.sharpe;
  return {
    ok: true,
    value: {
      difference,
      standardError,
      low: difference - quantile.value * standardError,
      high: difference + quantile.value * standardError,
      pValue: 2 * normalCdf(-Math.abs(difference) / standardError),
      lags,
    },
  };
};

/**
 * Benjamini and Hochberg (1995): which hypotheses are rejected while at most `rate` of the rejections are expected false.
 * In the order of `pValues`.
 */
export const falseDiscoveryRejections = (pValues: readonly number[], rate = 0.05): Statistic<readonly boolean[]> => {
  const outside = pValues.find((p) => !(p >= 0 && p <= 1));
  if (outside !== undefined)
    return noStatistic('probability_out_of_range', `expected p-values within 0..1, found ${outside}`);
  const ascending = pValues.toSorted((a, b) => a - b);
  const last = ascending.findLastIndex((p, index) => p <= ((index + 1) / ascending.length) * rate);
  const limit = ascending[last];
  return { ok: true, value: pValues.map((p) => limit !== undefined && p <= limit) };
};
