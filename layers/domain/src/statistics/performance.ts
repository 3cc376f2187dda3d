import { firstNotFinite, noStatistic, statistic, type Statistic } from './outcome.ts';

/** Sum of gains above a threshold over the sum of shortfalls below it. */
export const omegaRatio = (returns: ArrayLike<number>, threshold: number): Statistic => {
  const failure = firstNotFinite(returns, 'returns');
  if (failure !== null) return failure;
  let [gains, shortfalls] = [0, 0];
  for (let index = 0; index < returns.length; index += 1) {
    const excess = (returns[index] ?? 0) - threshold;
    if (excess > 0) gains += excess;
    else shortfalls -= excess;
  }
  return shortfalls > 0
    ? statistic(gains / shortfalls)
    : noStatistic('undefined_for_input', `expected a return below ${threshold}, found none in ${returns.length}`);
};

/** Mean excess over a target, over the downside deviation, whose squares are averaged over all observations. */
export const sortinoRatio = (returns: ArrayLike<number>, target = 0): Statistic => {
  if (returns.length === 0) return noStatistic('too_few_observations', 'expected at least 1 observation, found none');
  const failure = firstNotFinite(returns, 'returns');
  if (failure !== null) return failure;
  let [sum, squares] = [0, 0];
  for (let index = 0; index < returns.length; index += 1) {
    const excess = (returns[index] ?? 0) - target;
    sum += excess;
    squares += Math.min(excess, 0) ** 2;
  }
  return squares > 0
    ? statistic(sum / returns.length / Math.sqrt(squares / returns.length))
    : noStatistic('undefined_for_input', `expected a return below ${target}, found none in ${returns.length}`);
};

/** Profits over losses, both as positive sums. */
export const profitFactor = (profits: ArrayLike<number>): Statistic => omegaRatio(profits, 0);

/** A fall from the highest point before it, as a fraction of that point. Not comparable with a fraction of day-start equity. */
export type FractionOfPeak = number & { readonly __unit: 'fraction of peak' };
/** A fall below the equity at the start of the day, as a fraction of that equity. */
export type FractionOfDayStart = number & { readonly __unit: 'fraction of day-start equity' };

/** Deepest fall of a curve of equity from its peak so far, 0..1. @param equity at least one value, all above 0 */
export const maximumDrawdown = (equity: ArrayLike<number>): Statistic<FractionOfPeak> => {
  if (equity.length === 0)
    return noStatistic('too_few_observations', 'expected at least 1 value of equity, found none');
  let [peak, deepest] = [0, 0];
  for (let index = 0; index < equity.length; index += 1) {
    const value = equity[index] ?? Number.NaN;
    if (!(value > 0 && value < Infinity))
      return noStatistic('parameter_out_of_range', `expected equity above 0, found ${value} at index ${index}`);
    peak = Math.max(peak, value);
    deepest = Math.max(deepest, (peak - value) / peak);
  }
  return { ok: true, value: deepest as FractionOfPeak };
};

/** Deepest fall of a day's equity below its first value, as a fraction of it; 0 when it never fell below. */
export const dayDrawdown = (equity: ArrayLike<number>): Statistic<FractionOfDayStart> => {
  const start = equity[0];
  if (start === undefined)
    return noStatistic('too_few_observations', 'expected at least 1 value of equity, found none');
  if (!(start > 0)) return noStatistic('parameter_out_of_range', `expected day-start equity above 0, found ${start}`);
  const failure = firstNotFinite(equity, 'equity');
  if (failure !== null) return failure;
  let lowest = start;
  for (let index = 1; index < equity.length; index += 1) lowest = Math.min(lowest, equity[index] ?? lowest);
  return { ok: true, value: ((start - lowest) / start) as FractionOfDayStart };
};
