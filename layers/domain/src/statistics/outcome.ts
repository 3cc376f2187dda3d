/** Why a statistic has no value. */
export const statisticFailures = [
  'too_few_observations',
  'not_finite',
  'no_variance',
  'probability_out_of_range',
  'parameter_out_of_range',
  'unequal_lengths',
  'undefined_for_input',
] as const;
export type StatisticFailure = (typeof statisticFailures)[number];

/** A value, or the code that says why there is none. Never NaN: a caller cannot overlook that evidence is missing. */
export type Statistic<Value = number> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: StatisticFailure; readonly detail: string };

/** A value; a number that is not finite becomes the failure it is. */
export const statistic = (value: number): Statistic =>
  Number.isFinite(value)
    ? { ok: true, value }
    : { ok: false, code: 'not_finite', detail: `expected a finite value, found ${value}` };

export const noStatistic = (code: StatisticFailure, detail: string): Statistic<never> => ({ ok: false, code, detail });

/** The first value that is not finite, as a failure; null when all are. */
export const firstNotFinite = (values: ArrayLike<number>, name: string): Statistic<never> | null => {
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (!Number.isFinite(value))
      return noStatistic('not_finite', `${name}: expected finite values, found ${value} at index ${index}`);
  }
  return null;
};
