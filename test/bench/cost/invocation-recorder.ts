import { createTelemetry, type InvocationTelemetry } from '@torghut/platform';

/** What the invocations of one function wrote and took. */
export interface RecordedFunction {
  /** Of each invocation, milliseconds. */
  readonly milliseconds: readonly number[];
  /** Bytes of log lines, metrics included, of each invocation. */
  readonly logBytes: readonly number[];
  /** Custom metrics it sent: name and dimension values. */
  readonly metrics: ReadonlySet<string>;
}

interface Recording {
  readonly telemetry: InvocationTelemetry;
  readonly milliseconds: number[];
  readonly logBytes: number[];
  readonly metrics: Set<string>;
  startedAt: number;
  bytes: number;
}

/** Taken in by CloudWatch Logs with every line. */
const lineOverheadBytes = 26;
const forwarded = ['count', 'gauge', 'observe', 'info', 'warn', 'error'] as const;
type Method = (...parameters: readonly unknown[]) => void;

interface EmbeddedMetrics {
  readonly _aws?: {
    readonly CloudWatchMetrics: readonly {
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string }[];
    }[];
  };
  readonly [dimension: string]: unknown;
}

/** Identities of the custom metrics that a line of log makes CloudWatch keep; none for an ordinary line. */
export const metricsOfLine = (line: string): readonly string[] => {
  if (!line.includes('"_aws"')) return [];
  const document = JSON.parse(line) as EmbeddedMetrics;
  return (document._aws?.CloudWatchMetrics ?? []).flatMap(({ Dimensions, Metrics }) =>
    Dimensions.flatMap((dimensions) =>
      Metrics.map(({ Name }) =>
        [Name, ...[...dimensions].sort().map((name) => `${name}=${String(document[name])}`)].join(' '),
      ),
    ),
  );
};

/**
 * Lets deployed telemetry write what functions of the one-machine deployment say to their own, and measures it: the
 * time of every invocation, the bytes it logs, the metrics it sends. Invocations run one after the other there.
 */
export class InvocationRecorder implements Disposable {
  readonly #functions = new Map<string, Recording>();
  readonly #restore: () => void;
  #running: Recording | null = null;

  constructor(telemetry: InvocationTelemetry) {
    const original = { ...telemetry };
    const write = process.stdout.write.bind(process.stdout);
    const changed: Record<string, Method> = Object.fromEntries(
      forwarded.map((name) => [
        name,
        (...parameters: readonly unknown[]) => {
          (original[name] as Method)(...parameters);
          (this.#running?.telemetry[name] as Method | undefined)?.(...parameters);
        },
      ]),
    );
    Object.assign(telemetry, changed, {
      begin: (context: Parameters<InvocationTelemetry['begin']>[0]) => {
        original.begin(context);
        const recording = this.#recordingOf(context.functionName);
        this.#running = recording;
        recording.telemetry.begin(context);
        recording.bytes = 0;
        recording.startedAt = performance.now();
      },
      flush: () => {
        original.flush();
        const recording = this.#running;
        if (recording === null) return;
        recording.telemetry.flush();
        recording.milliseconds.push(performance.now() - recording.startedAt);
        recording.logBytes.push(recording.bytes);
        this.#running = null;
      },
    });
    process.stdout.write = (chunk: string | Uint8Array, ...rest: never[]) => {
      const recording = this.#running;
      if (recording === null) return write(chunk, ...rest);
      const text = typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk);
      for (const line of text.split('\n').filter((part) => part !== '')) {
        recording.bytes += Buffer.byteLength(line) + lineOverheadBytes;
        for (const metric of metricsOfLine(line)) recording.metrics.add(metric);
      }
      return true;
    };
    this.#restore = () => {
      Object.assign(telemetry, original);
      process.stdout.write = write;
    };
  }

  functions(): ReadonlyMap<string, RecordedFunction> {
    return this.#functions;
  }

  /** Forgets times and bytes, as after a warm-up; metrics stay, because CloudWatch charges them by the hour. */
  forgetTimes(): void {
    for (const recording of this.#functions.values()) {
      recording.milliseconds.length = 0;
      recording.logBytes.length = 0;
    }
  }

  #recordingOf(service: string): Recording {
    const known = this.#functions.get(service);
    if (known !== undefined) return known;
    const recording: Recording = {
      telemetry: createTelemetry({ service }),
      milliseconds: [],
      logBytes: [],
      metrics: new Set(),
      startedAt: 0,
      bytes: 0,
    };
    this.#functions.set(service, recording);
    return recording;
  }

  [Symbol.dispose](): void {
    this.#restore();
  }
}
