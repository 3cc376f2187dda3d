import { noStatistic, statistic, type Statistic } from './outcome.ts';

/** A forecast probability and what came: 1 when it did, 0 when it did not. */
export interface Forecast {
  readonly probability: number;
  readonly outcome: 0 | 1;
}

const checked = (forecasts: readonly Forecast[]): Statistic<never> | null => {
  if (forecasts.length === 0) return noStatistic('too_few_observations', 'expected at least 1 forecast, found none');
  const outside = forecasts.find(({ probability }) => !(probability >= 0 && probability <= 1));
  return outside === undefined
    ? null
    : noStatistic('probability_out_of_range', `expected probabilities within 0..1, found ${outside.probability}`);
};

/** Mean squared error of forecast probabilities; 0 is perfect. */
export const brierScore = (forecasts: readonly Forecast[]): Statistic => {
  const failure = checked(forecasts);
  if (failure !== null) return failure;
  return statistic(
    forecasts.reduce((sum, { probability, outcome }) => sum + (probability - outcome) ** 2, 0) / forecasts.length,
  );
};

/**
 * Expected calibration error: mean distance between forecast and frequency over equal-width bins, weighted by their
 * forecasts. A probability of 1 belongs to the last bin.
 */
export const expectedCalibrationError = (forecasts: readonly Forecast[], bins = 5): Statistic => {
  const failure = checked(forecasts);
  if (failure !== null) return failure;
  const forecast = new Float64Array(bins);
  const observed = new Float64Array(bins);
  for (const { probability, outcome } of forecasts) {
    const bin = Math.min(bins - 1, Math.floor(bins * probability));
    forecast[bin] = (forecast[bin] ?? 0) + probability;
    observed[bin] = (observed[bin] ?? 0) + outcome;
  }
  return statistic(
    forecast.reduce((sum, value, bin) => sum + Math.abs(value - (observed[bin] ?? 0)), 0) / forecasts.length,
  );
};
