import type { CounterName, DimensionArguments, GaugeName, HistogramName } from './metrics.ts';

/** Structured fields of a log line. An `Error` is written with its name, message and stack; secrets are redacted. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Metrics and logs, as the domain speaks of them. An unknown metric or a missing dimension does not type-check. */
export interface Telemetry {
  /** Adds `value` (>= 0) to a counter. */
  count<N extends CounterName>(name: N, value: number, ...dimensions: DimensionArguments<N>): void;
  /** Sets a gauge; the last value of an invocation wins. */
  gauge<N extends GaugeName>(name: N, value: number, ...dimensions: DimensionArguments<N>): void;
  /** Records one observation of a histogram. */
  observe<N extends HistogramName>(name: N, value: number, ...dimensions: DimensionArguments<N>): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
