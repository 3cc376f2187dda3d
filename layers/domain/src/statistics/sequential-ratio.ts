import { noStatistic, type Statistic } from './outcome.ts';

/** Bounds of Wald's sequential probability ratio test for a proportion, in log likelihood ratio. */
export interface SequentialRatioTest {
  /** At or above: decide for `p1`. */
  readonly upper: number;
  /** At or below: decide for `p0`. */
  readonly lower: number;
  readonly stepOfOne: number;
  readonly stepOfZero: number;
}

/** @param alpha chance of deciding for p1 under p0; @param beta chance of deciding for p0 under p1 */
export const sequentialRatioTest = (
  p0: number,
  p1: number,
  alpha: number,
  beta: number,
): Statistic<SequentialRatioTest> => {
  const outside = [p0, p1, alpha, beta].find((probability) => !(probability > 0 && probability < 1));
  if (outside !== undefined)
    return noStatistic('probability_out_of_range', `expected probabilities inside (0, 1), found ${outside}`);
  if (p0 === p1)
    return noStatistic('parameter_out_of_range', `expected two proportions that differ, found ${p0} twice`);
  return {
    ok: true,
    value: {
      upper: Math.log((1 - beta) / alpha),
      lower: Math.log(beta / (1 - alpha)),
      stepOfOne: Math.log(p1 / p0),
      stepOfZero: Math.log((1 - p1) / (1 - p0)),
    },
  };
};
