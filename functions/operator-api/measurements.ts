import {
  evaluateFreshness,
  freshnessGauges,
  gaugeSample,
  type Instant,
  metricDefinitions,
  type MetricName,
  type MetricSample,
  operationalGauges,
  toText,
} from '@torghut/domain';
import type { MeasurementReads } from '@torghut/platform';
import type { OperatorApiConfiguration } from './ports.ts';

/**
 * Every metric that stored rows answer. Counters are totals over the account, so they never fall. Gauges come from the same
 * rules as those that the functions emit.
 */
export const metricSamples = (
  reads: MeasurementReads,
  { freshness }: OperatorApiConfiguration,
  now: Instant,
): MetricSample[] => [
  ...reads.counters,
  ...freshnessGauges(evaluateFreshness(reads.freshness, freshness), now),
  ...gaugeSample('ingest_delay_p95_ms', reads.operations.lastCycle?.ingest_delay_p95_ms),
  ...operationalGauges(reads.operational, now),
  ...reads.histograms,
];

/** Body of `/trading/metrics`. `not_stored` names the metrics that only the functions themselves emit. */
export const metricsBody = (samples: readonly MetricSample[], account: string, now: Instant) => {
  const byName = Map.groupBy(samples, ({ name }) => name);
  const names = Object.keys(metricDefinitions) as MetricName[];
  const stored = names.filter((name) => byName.has(name));
  return {
    as_of: toText(now),
    account_label: account,
    metrics: Object.fromEntries(
      stored.map((name) => {
        const { kind, unit, meaning } = metricDefinitions[name];
        const withoutName = (byName.get(name) ?? []).map(({ name: _, ...rest }) => rest);
        return [name, { kind, unit, meaning, samples: withoutName }];
      }),
    ),
    not_stored: names.filter((name) => !byName.has(name)),
  };
};
