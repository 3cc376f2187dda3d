import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { metricDefinitions, type MetricName, type MetricUnit as DomainUnit, metricsNamespace } from '@torghut/domain';
import type { InvocationTelemetry } from './invocation-telemetry.ts';
import { redactingReplacer } from './redact.ts';

const cloudWatchUnits: Readonly<Record<DomainUnit, (typeof MetricUnit)[keyof typeof MetricUnit]>> = {
  count: MetricUnit.Count,
  seconds: MetricUnit.Seconds,
  milliseconds: MetricUnit.Milliseconds,
  hours: MetricUnit.NoUnit,
  ratio: MetricUnit.NoUnit,
  bps: MetricUnit.NoUnit,
  usd: MetricUnit.NoUnit,
  state: MetricUnit.NoUnit,
  flag: MetricUnit.NoUnit,
};

/** The values of one metric within one invocation; all metrics of a batch share their dimensions. */
type Batch = Map<MetricName, number[]>;

/**
 * Telemetry of a deployed function: structured logs and embedded-format metrics on standard output, which is where
 * Lambda collects both. Metrics carry exactly the dimensions of the metric table, so that an alarm on a metric needs no
 * function name; the function is metadata of the log record.
 */
export const createTelemetry = ({
  service,
  namespace = metricsNamespace,
}: {
  readonly service: string;
  /** Of the environment; by default the one of no environment. */
  readonly namespace?: string | undefined;
}): InvocationTelemetry => {
  const logger = new Logger({ serviceName: service, jsonReplacerFn: redactingReplacer });
  const batches = new Map<string, { readonly dimensions: Readonly<Record<string, string>>; readonly values: Batch }>();

  const add = (name: MetricName, value: number, dimensions: Readonly<Record<string, string>> = {}): void => {
    if (!Number.isFinite(value)) {
      logger.warn('metric value dropped', { metric: name, expected: 'a finite number', found: String(value) });
      return;
    }
    const key = JSON.stringify(Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1)));
    const batch = batches.get(key) ?? { dimensions, values: new Map<MetricName, number[]>() };
    batches.set(key, batch);
    const stored = batch.values.get(name);
    const { kind } = metricDefinitions[name];
    if (stored === undefined || kind === 'gauge') batch.values.set(name, [value]);
    else if (kind === 'counter') stored[0] = (stored[0] ?? 0) + value;
    else stored.push(value);
  };

  return {
    count: (name, value, ...[dimensions]) => {
      add(name, value, dimensions);
    },
    gauge: (name, value, ...[dimensions]) => {
      add(name, value, dimensions);
    },
    observe: (name, value, ...[dimensions]) => {
      add(name, value, dimensions);
    },
    info: (message, fields = {}) => {
      logger.info(message, { ...fields });
    },
    warn: (message, fields = {}) => {
      logger.warn(message, { ...fields });
    },
    error: (message, fields = {}) => {
      logger.error(message, { ...fields });
    },
    begin: (context) => {
      logger.resetKeys();
      logger.addContext(context);
    },
    flush: () => {
      for (const { dimensions, values } of batches.values()) {
        const metrics = new Metrics({ namespace, serviceName: service, logger });
        metrics.clearDefaultDimensions();
        for (const [name, observations] of values) {
          const unit = cloudWatchUnits[metricDefinitions[name].unit];
          for (const value of observations) {
            // Publishing clears the dimensions, and Powertools publishes by itself when a metric holds 100 values.
            if (!metrics.hasStoredMetrics()) metrics.addDimensions(dimensions).addMetadata('service', service);
            metrics.addMetric(name, unit, value);
          }
        }
        if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
      }
      batches.clear();
    },
  };
};
