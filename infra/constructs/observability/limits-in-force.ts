import { defaultLimits, type Limit, limits, type LimitValues } from '@torghut/domain/limits';

import { SettingsError } from '../../config.ts';

interface Reading {
  readonly expected: string;
  readonly isReadable: (text: string) => boolean;
}

const wholeNumberMaximum = 100_000_000;

/** How the functions read the text of an override, by the kind of the limit's default. */
const readingOf = ({ value, unit }: Limit): Reading => {
  if (typeof value === 'boolean')
    return { expected: 'true or false', isReadable: (text) => text === 'true' || text === 'false' };
  if (typeof value === 'number' && unit !== 'fraction' && Number.isInteger(value)) {
    return {
      expected: `a whole number from 0 to ${wholeNumberMaximum}`,
      isReadable: (text) => /^\d+$/.test(text) && Number(text) <= wholeNumberMaximum,
    };
  }
  const isDecimal = (text: string): boolean => /^-?\d+(?:\.\d+)?$/.test(text) && Number(text) >= 0;
  return unit === 'fraction'
    ? { expected: 'a decimal number from 0 to 1', isReadable: (text) => isDecimal(text) && Number(text) <= 1 }
    : { expected: 'a decimal number of at least 0', isReadable: isDecimal };
};

const valueOf = ({ value }: Limit, text: string): Limit['value'] => {
  if (typeof value === 'boolean') return text === 'true';
  return typeof value === 'number' ? Number(text) : text;
};

/**
 * The limits the functions will run with: those of the table, and in their place the overrides of the deployment, which
 * the functions read under the same environment keys. An override that belongs to no limit is for their settings to judge.
 * @throws SettingsError naming every override that the functions would refuse: an alarm would have no threshold
 */
export const limitsInForce = (overrides: Readonly<Record<string, string>>): LimitValues => {
  const overridden = (Object.entries(limits) as readonly (readonly [string, Limit])[]).flatMap(([name, limit]) => {
    const { environmentKey } = limit;
    const text = environmentKey === null ? undefined : overrides[environmentKey];
    return environmentKey === null || text === undefined ? [] : [{ name, limit, environmentKey, text }];
  });
  const problems = overridden.flatMap(({ limit, environmentKey, text }) => {
    const { expected, isReadable } = readingOf(limit);
    return isReadable(text) ? [] : [`${environmentKey}: expected ${expected}, found ${JSON.stringify(text)}`];
  });
  if (problems.length > 0) throw new SettingsError(problems.join('\n'));
  return {
    ...defaultLimits,
    ...Object.fromEntries(overridden.map(({ name, limit, text }) => [name, valueOf(limit, text)])),
  };
};
