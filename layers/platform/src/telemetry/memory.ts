import {
  bucketBounds,
  bucketOf,
  type CounterName,
  type GaugeName,
  type HistogramName,
  metricDefinitions,
  type MetricName,
  type MetricSample,
} from '@torghut/domain';
import { renderExposition } from './exposition.ts';
import type { InvocationTelemetry } from './invocation-telemetry.ts';
import { redactingReplacer } from './redact.ts';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  /** The fields as they would be written: JSON, secrets redacted. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Telemetry kept in memory for the one-machine deployment and for tests; counters live as long as the object. */
export interface MemoryTelemetry extends InvocationTelemetry {
  samples(): readonly MetricSample[];
  /** The value of a counter or gauge; undefined when it was never written. */
  value(name: CounterName | GaugeName, dimensions?: Readonly<Record<string, string>>): number | undefined;
  /** The newest log lines, oldest first. */
  logs(): readonly LogLine[];
  /** Prometheus text exposition. */
  exposition(): string;
}

const replaceErrors = (key: string, value: unknown): unknown => {
  const plain = value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : value;
  return typeof plain === 'bigint' ? plain.toString() : redactingReplacer(key, plain);
};

export const createMemoryTelemetry = (
  options: { readonly onLog?: (line: LogLine) => void; readonly keptLines?: number } = {},
): MemoryTelemetry => {
  const { onLog, keptLines = 1_000 } = options;
  const samples = new Map<string, MetricSample>();
  const log: LogLine[] = [];

  const keyOf = (name: MetricName, dimensions: Readonly<Record<string, string>>): string =>
    JSON.stringify([name, ...metricDefinitions[name].dimensions.map((dimension) => dimensions[dimension] ?? null)]);
  const setScalar = (
    name: CounterName | GaugeName,
    dimensions: Readonly<Record<string, string>> = {},
    next: (previous: number) => number,
  ): void => {
    const key = keyOf(name, dimensions);
    const previous = samples.get(key);
    samples.set(key, {
      name,
      dimensions,
      value: next(previous !== undefined && 'value' in previous ? previous.value : 0),
    });
  };
  const record = (name: HistogramName, dimensions: Readonly<Record<string, string>> = {}, value: number): void => {
    const key = keyOf(name, dimensions);
    const previous = samples.get(key);
    const known = previous !== undefined && 'buckets' in previous ? previous : null;
    const buckets = [...(known?.buckets ?? Array.from({ length: bucketBounds.length + 1 }, () => 0))];
    const index = bucketOf(value);
    buckets[index] = (buckets[index] ?? 0) + 1;
    samples.set(key, { name, dimensions, buckets, count: (known?.count ?? 0) + 1, sum: (known?.sum ?? 0) + value });
  };
  const write = (level: LogLine['level'], message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const entry: LogLine = {
      level,
      message,
      fields: JSON.parse(JSON.stringify(fields, replaceErrors)) as LogLine['fields'],
    };
    log.push(entry);
    if (log.length > keptLines) log.shift();
    onLog?.(entry);
  };

  return {
    count: (name, value, ...[dimensions]) => {
      setScalar(name, dimensions, (previous) => previous + value);
    },
    gauge: (name, value, ...[dimensions]) => {
      setScalar(name, dimensions, () => value);
    },
    observe: (name, value, ...[dimensions]) => {
      record(name, dimensions, value);
    },
    info: (message, fields) => {
      write('info', message, fields);
    },
    warn: (message, fields) => {
      write('warn', message, fields);
    },
    error: (message, fields) => {
      write('error', message, fields);
    },
    begin: () => undefined,
    flush: () => undefined,
    samples: () => [...samples.values()],
    value: (name, dimensions = {}) => {
      const sample = samples.get(keyOf(name, dimensions));
      return sample !== undefined && 'value' in sample ? sample.value : undefined;
    },
    logs: () => log,
    exposition: () => renderExposition([...samples.values()]),
  };
};
