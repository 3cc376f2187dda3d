import { falseDiscoveryRejections } from '../statistics/comparison.ts';
import { momentsOf, sampleVariance, meanOf, type Moments } from '../statistics/moments.ts';
import { noStatistic, statistic, type Statistic } from '../statistics/outcome.ts';
import { overfittingProbability, type OverfittingProbability } from '../statistics/overfitting.ts';
import {
  annualisationFactor,
  daysToDecide,
  deflatedSharpeRatio,
  minimumTrackRecordLength,
  probabilisticSharpeRatio,
  smallestSupportedSharpe,
  tradingDaysPerYear,
} from '../statistics/sharpe-ratio.ts';
import type { AlphaRow, EvaluationReport } from './artifacts.ts';
import { measured } from './metrics.ts';

const chain = <Value>(found: Statistic<Value>, next: (value: Value) => Statistic): Statistic =>
  found.ok ? next(found.value) : found;

/** What the returns of the trials say about how much of a result is the search for it. */
export interface Overfitting {
  readonly pbo: Statistic<OverfittingProbability>;
  readonly sessions: number;
  readonly blocks: number;
  /** Variance of the trials' Sharpe ratios; where not all of them are known, at least that of trials without skill. */
  readonly trialVariance: Statistic;
  readonly trialVarianceOf: 'trials' | 'no_skill';
  readonly meanTrialSharpe: number;
  /** Which trials earn more than nothing, with at most `falseDiscoveryRate` of them expected not to; by trial. */
  readonly discoveries: readonly boolean[];
}

/** Share of discoveries that may be false. */
export const falseDiscoveryRate = 0.05;

/** Of a Sharpe ratio above zero, for a trial without any; a record that has no ratio speaks for nothing. */
const pValueOf = (returns: readonly number[]): number => {
  const psr = chain(momentsOf(returns), (own) => probabilisticSharpeRatio(own));
  return psr.ok ? 1 - psr.value : 1;
};

const mostBlocks = 16;

/** Largest even number of blocks, up to 16, that have at least two sessions each. */
export const blockCount = (sessions: number): number => Math.min(mostBlocks, 2 * Math.floor(sessions / 4));

/**
 * @param simulated returns of every simulated session, by trial; the splits of cross-validation are their own tests
 * @param tested returns of the tested sessions, by trial
 * @param trialCount distinct trials of the family, by the ledger
 */
export const overfittingOf = (
  simulated: readonly (readonly number[])[],
  tested: readonly (readonly number[])[],
  trialCount: number,
): Overfitting => {
  const columns = simulated.length;
  const rows = simulated[0]?.length ?? 0;
  const values = new Float64Array(rows * columns);
  for (const [column, returns] of simulated.entries())
    for (const [row, value] of returns.entries()) values[row * columns + column] = value;
  const sharpes = tested.flatMap((returns) => {
    const moments = momentsOf(returns);
    return moments.ok ? [moments.value.sharpe] : [];
  });
  const observations = tested[0]?.length ?? 0;
  const own = sampleVariance(sharpes);
  const noSkill =
    observations >= 2
      ? statistic(1 / (observations - 1))
      : noStatistic('too_few_observations', `expected at least 2 sessions, found ${observations}`);
  // Trials of earlier runs are counted and their ratios are not here: they may be spread as widely as luck spreads them.
  const all = sharpes.length >= trialCount;
  const discoveries = falseDiscoveryRejections(tested.map(pValueOf), falseDiscoveryRate);
  const ownIsEnough = own.ok && (all || (noSkill.ok && own.value >= noSkill.value));
  return {
    pbo: overfittingProbability({ values, rows, columns }, blockCount(rows)),
    sessions: rows,
    blocks: blockCount(rows),
    trialVariance: ownIsEnough ? own : noSkill,
    trialVarianceOf: ownIsEnough ? 'trials' : 'no_skill',
    meanTrialSharpe: sharpes.length === 0 ? 0 : meanOf(sharpes),
    discoveries: discoveries.ok ? discoveries.value : tested.map(() => false),
  };
};

const supported = 0.95;
const refuted = 0.05;

const verdictOf = (psr: Statistic, dsr: Statistic): AlphaRow['alpha_verdict'] => {
  if (psr.ok && psr.value <= refuted) return 'REFUTED';
  return psr.ok && dsr.ok && psr.value >= supported && dsr.value >= supported ? 'SUPPORTED' : 'INSUFFICIENT_EVIDENCE';
};

/** @param returns per tested session @param trialCount distinct trials of the family, by the ledger */
export const alphaOf = (
  moments: Statistic<Moments>,
  returns: number,
  overfitting: Overfitting,
  trialCount: number,
): AlphaRow => {
  const psr = chain(moments, (own) => probabilisticSharpeRatio(own));
  const deflated = (meanTrialSharpe: number): Statistic =>
    chain(moments, (own) =>
      chain(overfitting.trialVariance, (variance) =>
        chain(deflatedSharpeRatio(own, trialCount, variance, meanTrialSharpe), ({ dsr }) => statistic(dsr)),
      ),
    );
  const dsr = deflated(0);
  return {
    psr: measured(psr, returns),
    dsr: measured(dsr, returns),
    dsr_mean_adjusted: measured(deflated(overfitting.meanTrialSharpe), returns),
    pbo: measured(
      chain(overfitting.pbo, ({ pbo }) => statistic(pbo)),
      overfitting.sessions,
    ),
    n_trials: trialCount,
    min_trl_days: measured(
      chain(moments, (own) => minimumTrackRecordLength(own)),
      returns,
    ),
    // Of a normal distribution with this Sharpe ratio; the track record above has the moments that were found.
    days_to_decide: measured(
      chain(moments, ({ sharpe }) => daysToDecide(sharpe * Math.sqrt(tradingDaysPerYear))),
      returns,
    ),
    alpha_verdict: verdictOf(psr, dsr),
  };
};

/** What a record of so many sessions can show, whatever it shows. */
export const trackRecordOf = (sessions: number): EvaluationReport['track_record'] => ({
  sessions,
  smallest_supported_annual_sharpe: measured(
    chain(smallestSupportedSharpe(sessions), (sharpe) => statistic(sharpe * Math.sqrt(tradingDaysPerYear))),
    sessions,
  ),
  days_to_decide: [0.5, 1, 1.5, 2, 3, 4].flatMap((sharpe) => {
    const days = daysToDecide(sharpe);
    return days.ok ? [{ annual_sharpe: sharpe, days: Math.round(days.value) }] : [];
  }),
});

/** Autocorrelation of lag 1; 0 for too few returns to tell. */
const firstAutocorrelation = (returns: ArrayLike<number>): number => {
  const least = 20;
  if (returns.length < least) return 0;
  const mean = meanOf(returns);
  let [products, squares] = [0, 0];
  for (let index = 0; index < returns.length; index += 1) {
    const deviation = (returns[index] ?? 0) - mean;
    squares += deviation * deviation;
    if (index > 0) products += deviation * ((returns[index - 1] ?? 0) - mean);
  }
  return squares > 0 ? products / squares : 0;
};

/** Shape of the returns; the annual ratio takes autocorrelation for that of a process of first order. */
export const momentsRowOf = (moments: Statistic<Moments>, returns: ArrayLike<number>): EvaluationReport['moments'] => {
  const correlation = firstAutocorrelation(returns);
  const of = (value: (own: Moments) => Statistic) => measured(chain(moments, value), returns.length);
  return {
    sharpe_per_session: of(({ sharpe }) => statistic(sharpe)),
    skewness: of(({ skewness }) => statistic(skewness)),
    kurtosis: of(({ kurtosis }) => statistic(kurtosis)),
    annualised_sharpe: of(({ sharpe }) =>
      chain(
        annualisationFactor(tradingDaysPerYear, (lag) => correlation ** lag),
        (factor) => statistic(factor * sharpe),
      ),
    ),
  };
};
