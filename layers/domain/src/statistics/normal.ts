import { noStatistic, statistic, type Statistic } from './outcome.ts';

const inverseSqrtPi = 1 / Math.sqrt(Math.PI);
const sqrt2 = Math.SQRT2;
const sqrt2Pi = Math.sqrt(2 * Math.PI);

/** erf by 2x/sqrt(pi) exp(-x^2) sum (2x^2)^n / (1*3*..*(2n+1)), DLMF 7.6.2: all terms have one sign, nothing cancels. */
const errorFunctionBySeries = (x: number): number => {
  let term = 1;
  let sum = 1;
  for (let n = 1; term > sum * Number.EPSILON * 0.25; n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return 2 * x * inverseSqrtPi * Math.exp(-x * x) * sum;
};

/**
 * erfc for x > 1 by its continued fraction, DLMF 7.9.1, evaluated from the inside out: exact in the tail, where 1 - erf
 * has no digits left. 120 levels reach the last digit from x = 1.5 on.
 */
const complementByFraction = (x: number): number => {
  let fraction = 0;
  for (let level = 120; level >= 1; level -= 1) fraction = level / 2 / (x + fraction);
  return (inverseSqrtPi * Math.exp(-x * x)) / (x + fraction);
};

/** Complementary error function. */
const complementaryError = (x: number): number => {
  if (x < 0) return 2 - complementaryError(-x);
  return x < 1.5 ? 1 - errorFunctionBySeries(x) : complementByFraction(x);
};

/** Density of the standard normal distribution. */
export const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / sqrt2Pi;

/** Distribution function of the standard normal, accurate relatively in the lower tail. */
export const normalCdf = (x: number): number => 0.5 * complementaryError(-x / sqrt2);

/** Rational first guess of the lower-tail quantile, Abramowitz and Stegun 26.2.23, within 4.5e-4. */
const lowerTailGuess = (p: number): number => {
  const t = Math.sqrt(-2 * Math.log(p));
  return (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
};

/** Quantile for p <= 0.5: the guess, polished by Halley's method, which triples the digits at each step. */
const lowerTailQuantile = (p: number): number => {
  let x = lowerTailGuess(p);
  for (let step = 0; step < 3; step += 1) {
    const newton = (normalCdf(x) - p) / normalDensity(x);
    x -= newton / (1 + (x * newton) / 2);
  }
  return x;
};

/** Inverse of the standard normal distribution function. @param probability inside (0, 1) */
export const normalQuantile = (probability: number): Statistic => {
  if (!(probability > 0 && probability < 1))
    return noStatistic('probability_out_of_range', `expected a probability inside (0, 1), found ${probability}`);
  if (probability === 0.5) return { ok: true, value: 0 };
  // 1 - p is exact for p >= 0.5, so the upper half is as accurate as its argument.
  return statistic(probability < 0.5 ? lowerTailQuantile(probability) : -lowerTailQuantile(1 - probability));
};
