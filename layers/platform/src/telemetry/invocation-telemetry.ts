import type { Telemetry } from '@torghut/domain';
import type { Context } from 'aws-lambda';

/** Telemetry of a function: the handler preset opens and closes it around every invocation. */
export interface InvocationTelemetry extends Telemetry {
  /** Puts request id, function name and cold start into every following log line. */
  begin(context: Context): void;
  /** Writes the metrics of the invocation. */
  flush(): void;
}
