import {
  adapterStates,
  decimal,
  type DimensionArguments,
  evaluateFreshness,
  type GaugeName,
  hour,
  type Instant,
  metricDefinitions,
  type MetricName,
  type MetricSample,
  type ScalarSample,
  second,
  stages,
  toText,
} from '@torghut/domain';
import type { MeasurementReads } from '@torghut/platform';
import type { OperatorApiConfiguration } from './ports.ts';
import { controlOf } from './status.ts';

/** A gauge whose value is not known has no sample: null is not 0. */
const sample = <N extends GaugeName>(
  name: N,
  value: number | boolean | null | undefined,
  ...[dimensions]: DimensionArguments<N>
): ScalarSample[] =>
  value === null || value === undefined ? [] : [{ name, dimensions: dimensions ?? {}, value: Number(value) }];

const ageSeconds = (now: Instant, at: Instant | null | undefined): number | null =>
  at === null || at === undefined ? null : (now - at) / second;

const drawdown = ({ day_start: dayStart, latest }: MeasurementReads['operations']['equity']): number | null => {
  if (dayStart === null || latest === null || !decimal(dayStart).gt('0')) return null;
  return Number(decimal(dayStart).minus(latest).div(dayStart).toFixed(8));
};

const gauges = (reads: MeasurementReads, { freshness }: OperatorApiConfiguration, now: Instant): ScalarSample[] => {
  const { operations, provenance } = reads;
  const report = evaluateFreshness(reads.freshness, freshness);
  const { universe, capitalStages } = operations;
  const share = (part: number): number | null => (provenance.total === 0 ? null : part / provenance.total);
  const level =
    capitalStages.length === 0 ? null : Math.max(...capitalStages.map(({ stage }) => stages.indexOf(stage)));
  const slippage = operations.tca.avg_slippage_bps;
  return [
    ...sample('signal_lag_seconds', report.lagSeconds),
    ...sample('signal_effective_lag_seconds', report.effectiveLagSeconds),
    ...sample('ingest_delay_p95_ms', operations.lastCycle?.ingest_delay_p95_ms),
    ...Object.entries(report.streaks).flatMap(([consumer, { length }]) =>
      sample('no_signal_streak', length, { consumer }),
    ),
    ...sample('window_hit_ratio_4h', report.slo.hitRatio),
    ...Object.entries(report.slo.burn).flatMap(([window, { rate }]) => sample('slo_burn_rate', rate, { window })),
    ...sample('market_session_open', report.sessionOpen),
    ...sample('universe_symbols_count', universe?.symbols_count),
    ...sample('universe_cache_age_seconds', ageSeconds(now, universe?.fetched_at)),
    ...sample('emergency_stop_active', controlOf(reads, 'emergency_stop')?.engaged ?? false),
    // Without a row the kill switch reads as engaged, as it does for the order firewall.
    ...sample('kill_switch_engaged', controlOf(reads, 'kill_switch')?.engaged ?? true),
    ...operations.adapters
      .filter(({ symbol }) => symbol === null)
      .flatMap(({ adapter, state, breaker }) => [
        ...sample('adapter_state', adapterStates.indexOf(state), { adapter }),
        ...sample('breaker_open', breaker !== 'closed', { adapter }),
      ]),
    ...sample('route_provenance_coverage_ratio', provenance.coverage_ratio),
    ...sample('route_provenance_unknown_ratio', share(provenance.unknown)),
    ...sample('route_provenance_mismatch_ratio', share(provenance.mismatch)),
    ...sample('tca_avg_slippage_bps', slippage === null ? null : Number(slippage)),
    ...sample('drawdown_fraction', drawdown(operations.equity)),
    ...sample('open_critical_breaks', operations.openCriticalBreaks),
    ...sample('last_reconciliation_age_seconds', ageSeconds(now, operations.lastCompletedReconcileAt)),
    ...operations.drills.flatMap(({ kind, finished_at: at }) => sample('drill_age_hours', (now - at) / hour, { kind })),
    ...sample('capital_stage_level', level),
  ];
};

/** Every metric that stored rows answer. Counters are totals over the account, so they never fall. */
export const metricSamples = (
  reads: MeasurementReads,
  configuration: OperatorApiConfiguration,
  now: Instant,
): MetricSample[] => [...reads.counters, ...gauges(reads, configuration, now), ...reads.histograms];

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
