import { builtInStrategies, windowSizeOf, type CatalogEntry, type RunnableStrategy } from '@torghut/domain';
import { UsageError } from './options.ts';
import { barFrequencies, type BarFrequency } from '../local/bars/bars.ts';

/** A strategy to be measured, and the bars that give it its signals. */
export interface MeasuredStrategy {
  readonly strategy: RunnableStrategy;
  readonly frequency: BarFrequency;
}

const frequencyOf = (timeframe: string): BarFrequency | undefined =>
  (Object.keys(barFrequencies) as BarFrequency[]).find(
    (frequency) => barFrequencies[frequency].windowSize === windowSizeOf(timeframe),
  );

/** An entry of the catalog with a profile in place of its own; empty when the entry cannot run it. */
const withProfile = (entry: CatalogEntry, profile: string): MeasuredStrategy[] => {
  const { strategyId, baseTimeframe, paramsHash, priority } = entry;
  const frequency = frequencyOf(baseTimeframe);
  const params = { ...entry.params, profile };
  const bound = builtInStrategies.bind(entry.strategyType, entry.version, params, baseTimeframe);
  if (!bound.ok || frequency === undefined) return [];
  const strategy = {
    strategyPk: strategyId,
    strategyId,
    baseTimeframe,
    paramsHash,
    universeFilter: null,
    priority,
    bound: bound.strategy,
  };
  return [{ strategy, frequency }];
};

/** The enabled strategy of a bar length, as it is deployed. @throws UsageError when there is none. */
export const enabledStrategy = (catalog: readonly CatalogEntry[], frequency: BarFrequency): MeasuredStrategy => {
  const [first] = catalog
    .filter(({ enabled }) => enabled)
    .flatMap((entry) => withProfile(entry, entry.params.profile))
    .filter((measured) => measured.frequency === frequency);
  if (first !== undefined) return first;
  throw new UsageError(
    `expected a strategy enabled for ${frequency} bars in the catalog, found none; name a --profile`,
  );
};

/** The first strategy of the catalog that can run a profile. @throws UsageError when none can. */
export const strategyWithProfile = (catalog: readonly CatalogEntry[], profile: string): MeasuredStrategy => {
  const [first] = catalog.flatMap((entry) => withProfile(entry, profile));
  if (first !== undefined) return first;
  const known = new Set(
    catalog.flatMap(({ strategyType, version }) => builtInStrategies.resolve(strategyType, version)?.profiles ?? []),
  );
  throw new UsageError(`--profile: expected ${[...known].join(', ')}, found "${profile}"`);
};
