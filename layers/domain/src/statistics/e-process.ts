/**
 * Betting test of "the mean is at most mu0" for observations in [0, 1], valid at every moment of looking (Waudby-Smith and
 * Ramdas 2024). Under the null the chance that the value ever reaches 1/alpha is at most alpha (Ville's inequality).
 */
export interface EProcess {
  readonly count: number;
  /** Evidence against the null: 1 at the start, 20 rejects at 5 %, 100 at 1 %. */
  readonly value: number;
  readonly sum: number;
  /** Regularised running mean, 0.5 at the start. */
  readonly mean: number;
  /** Regularised sum of squared deviations from the running means, 0.25 at the start. */
  readonly squares: number;
}

export const startOfEProcess: EProcess = { count: 0, value: 1, sum: 0, mean: 0.5, squares: 0.25 };

/** Regularised running variance. */
export const varianceOf = ({ squares, count }: EProcess): number => squares / (count + 1);

/** The stake on the next observation; it depends on earlier observations only. */
export const stakeOf = (state: EProcess, mu0: number): number => {
  const edge = state.mean - mu0;
  return Math.min(0.5 / mu0, Math.max(0, edge / (varianceOf(state) + edge * edge)));
};

/**
 * The process after one more observation.
 * @throws RangeError when the observation lies outside [0, 1] or mu0 outside (0, 1): the bet would not be fair
 */
export const observe = (state: EProcess, observation: number, mu0: number): EProcess => {
  if (!(observation >= 0 && observation <= 1))
    throw new RangeError(`expected an observation within 0..1, found ${observation}`);
  if (!(mu0 > 0 && mu0 < 1)) throw new RangeError(`expected a mean under the null inside (0, 1), found ${mu0}`);
  const count = state.count + 1;
  const sum = state.sum + observation;
  const mean = (0.5 + sum) / (count + 1);
  return {
    count,
    sum,
    mean,
    value: state.value * (1 + stakeOf(state, mu0) * (observation - mu0)),
    squares: state.squares + (observation - mean) ** 2,
  };
};
