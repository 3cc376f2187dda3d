import type { Moments } from './moments.ts';
import { normalCdf, normalQuantile } from './normal.ts';
import { noStatistic, statistic, type Statistic } from './outcome.ts';

/** The shape of a distribution of returns; Pearson's kurtosis, so 3 for a normal. */
export type Shape = Pick<Moments, 'skewness' | 'kurtosis'>;
export const normalShape: Shape = { skewness: 0, kurtosis: 3 };

const eulerMascheroni = 0.5772156649015329;
/** US trading days in a year. */
export const tradingDaysPerYear = 252;

/** 1 - g3 SR + (g4 - 1)/4 SR^2: how much wider the error of a Sharpe ratio is than that of a normal mean. */
const errorRadicand = (sharpe: number, { skewness, kurtosis }: Shape): Statistic => {
  const radicand = 1 - skewness * sharpe + ((kurtosis - 1) / 4) * sharpe * sharpe;
  return radicand > 0
    ? statistic(radicand)
    : noStatistic(
        'undefined_for_input',
        `no sample has skewness ${skewness} and kurtosis ${kurtosis}: kurtosis is at least skewness squared plus 1`,
      );
};

/**
 * Probabilistic Sharpe ratio (Bailey and Lopez de Prado 2012): probability that the true Sharpe ratio exceeds a benchmark,
 * given its estimate from `count` observations. All ratios per period.
 */
export const probabilisticSharpeRatio = (
  { sharpe, count, skewness, kurtosis }: Pick<Moments, 'sharpe' | 'count'> & Shape,
  benchmark = 0,
): Statistic => {
  if (!(count >= 2)) return noStatistic('too_few_observations', `expected at least 2 observations, found ${count}`);
  const radicand = errorRadicand(sharpe, { skewness, kurtosis });
  if (!radicand.ok) return radicand;
  return statistic(normalCdf(((sharpe - benchmark) * Math.sqrt(count - 1)) / Math.sqrt(radicand.value)));
};

/**
 * Expected maximum of the estimated Sharpe ratios of N trials without skill, in standard deviations of those estimates:
 * (1 - gamma) Z(1 - 1/N) + gamma Z(1 - 1/(N e)). 0 for one trial.
 */
export const expectedMaximum = (trials: number): Statistic => {
  if (!(Number.isSafeInteger(trials) && trials >= 1))
    return noStatistic('parameter_out_of_range', `expected a whole number of trials from 1, found ${trials}`);
  if (trials === 1) return { ok: true, value: 0 };
  const most = normalQuantile(1 - 1 / trials);
  if (!most.ok) return most;
  const beyond = normalQuantile(1 - 1 / (trials * Math.E));
  if (!beyond.ok) return beyond;
  return statistic((1 - eulerMascheroni) * most.value + eulerMascheroni * beyond.value);
};

/** What the best of so many trials has to beat, and the probability that it does. */
export interface DeflatedSharpeRatio {
  /** Per-period Sharpe ratio expected of the best of N trials without skill (SR0). */
  readonly benchmark: number;
  /** A probability, not a reduced Sharpe ratio. */
  readonly dsr: number;
}

/**
 * Deflated Sharpe ratio (Bailey and Lopez de Prado 2014): the probabilistic Sharpe ratio against the best that `trials`
 * trials without skill would show.
 * @param trialVariance variance (n - 1) of the trials' per-period Sharpe ratios
 * @param meanTrialSharpe added to the benchmark in the mean-adjusted variant; 0 is the form of the paper
 */
export const deflatedSharpeRatio = (
  estimate: Pick<Moments, 'sharpe' | 'count'> & Shape,
  trials: number,
  trialVariance: number,
  meanTrialSharpe = 0,
): Statistic<DeflatedSharpeRatio> => {
  if (!(trialVariance >= 0 && Number.isFinite(trialVariance)))
    return noStatistic('parameter_out_of_range', `expected a variance of trials from 0, found ${trialVariance}`);
  const maximum = expectedMaximum(trials);
  if (!maximum.ok) return maximum;
  const benchmark = meanTrialSharpe + Math.sqrt(trialVariance) * maximum.value;
  const dsr = probabilisticSharpeRatio(estimate, benchmark);
  return dsr.ok ? { ok: true, value: { benchmark, dsr: dsr.value } } : dsr;
};

/**
 * Minimum track record length (Bailey and Lopez de Prado 2012): observations until a Sharpe ratio is significantly above a
 * benchmark. Fractional.
 * @param confidence inside (0, 1), such as 0.95
 */
export const minimumTrackRecordLength = (
  estimate: Pick<Moments, 'sharpe'> & Shape,
  benchmark = 0,
  confidence = 0.95,
): Statistic => {
  if (!(estimate.sharpe > benchmark))
    return noStatistic(
      'undefined_for_input',
      `expected a Sharpe ratio above its benchmark ${benchmark}, found ${estimate.sharpe}: no record is long enough`,
    );
  const quantile = normalQuantile(confidence);
  if (!quantile.ok) return quantile;
  const radicand = errorRadicand(estimate.sharpe, estimate);
  if (!radicand.ok) return radicand;
  return statistic(1 + radicand.value * (quantile.value / (estimate.sharpe - benchmark)) ** 2);
};

/**
 * Trading days until the probabilistic Sharpe ratio over 0 reaches a confidence, if the true annual Sharpe ratio is as
 * given. Fractional; shown rounded to the nearest day.
 */
export const daysToDecide = (annualSharpe: number, shape: Shape = normalShape, confidence = 0.95): Statistic =>
  minimumTrackRecordLength({ sharpe: annualSharpe / Math.sqrt(tradingDaysPerYear), ...shape }, 0, confidence);

/** Smallest per-period Sharpe ratio that `count` normal returns can tell from 0. */
export const smallestSupportedSharpe = (count: number, confidence = 0.95): Statistic => {
  const quantile = normalQuantile(confidence);
  if (!quantile.ok) return quantile;
  const room = count - 1 - quantile.value ** 2 / 2;
  if (!(room > 0))
    return noStatistic(
      'too_few_observations',
      `expected more than ${1 + quantile.value ** 2 / 2} observations, found ${count}: no Sharpe ratio is large enough`,
    );
  return statistic(quantile.value / Math.sqrt(room));
};

/** Years of data below which the best of N trials without skill is expected to show an annual Sharpe ratio. */
export interface MinimumBacktestLength {
  readonly years: number;
  /** 2 ln N / SR^2. */
  readonly upperBound: number;
}

/** Minimum backtest length (Bailey, Borwein, Lopez de Prado and Zhu 2014). */
export const minimumBacktestLength = (trials: number, annualSharpe: number): Statistic<MinimumBacktestLength> => {
  if (!(annualSharpe > 0))
    return noStatistic('parameter_out_of_range', `expected an annual Sharpe ratio above 0, found ${annualSharpe}`);
  const maximum = expectedMaximum(trials);
  if (!maximum.ok) return maximum;
  return {
    ok: true,
    value: {
      years: (maximum.value / annualSharpe) ** 2,
      upperBound: (2 * Math.log(trials)) / annualSharpe ** 2,
    },
  };
};

/** Standard error of the Sharpe ratio of independent, identically distributed returns (Lo 2002). */
export const sharpeStandardError = (sharpe: number, count: number): Statistic =>
  count >= 1
    ? statistic(Math.sqrt((1 + (sharpe * sharpe) / 2) / count))
    : noStatistic('too_few_observations', `expected at least 1 observation, found ${count}`);

/**
 * eta(q) of Lo (2002): what a per-period Sharpe ratio is multiplied by for q periods, with autocorrelations of lag 1 to
 * q - 1. sqrt(q) without autocorrelation.
 */
export const annualisationFactor = (periods: number, autocorrelation: (lag: number) => number): Statistic => {
  if (!(Number.isSafeInteger(periods) && periods >= 1))
    return noStatistic('parameter_out_of_range', `expected a whole number of periods from 1, found ${periods}`);
  let weighted = 0;
  for (let lag = 1; lag < periods; lag += 1) weighted += (periods - lag) * autocorrelation(lag);
  const variance = periods + 2 * weighted;
  return variance > 0
    ? statistic(periods / Math.sqrt(variance))
    : noStatistic('undefined_for_input', `autocorrelations give a variance of ${variance} over ${periods} periods`);
};
