import { defaultLimits, type Limit, limits, type LimitValues } from '@torghut/domain/limits';

/**
 * The limits the functions will run with: those of the table, and in their place the overrides of the deployment, which
 * the functions read under the same environment keys. What an override must look like is for their settings to judge.
 */
export const limitsInForce = (overrides: Readonly<Record<string, string>>): LimitValues => {
  const replaced = (Object.entries(limits) as readonly (readonly [string, Limit])[]).flatMap(
    ([name, { value, environmentKey }]) => {
      const text = environmentKey === null ? undefined : overrides[environmentKey];
      return text === undefined || typeof value !== 'number' ? [] : [[name, Number(text)] as const];
    },
  );
  return { ...defaultLimits, ...Object.fromEntries(replaced) };
};
