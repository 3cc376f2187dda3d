import type { Telemetry } from '@torghut/domain';

/** Counters as `name{dimension=value}`, and nothing else. */
export const countingTelemetry = (): {
  readonly telemetry: Telemetry;
  readonly counts: Readonly<Record<string, number>>;
} => {
  const counts: Record<string, number> = {};
  const ignore = (): void => undefined;
  const telemetry: Telemetry = {
    count: (name, value, ...[dimensions]) => {
      const labels = Object.entries<string>(dimensions ?? {}).map(([key, label]) => `${key}=${label}`);
      const key = labels.length === 0 ? name : `${name}{${labels.join(',')}}`;
      counts[key] = (counts[key] ?? 0) + value;
    },
    gauge: ignore,
    observe: ignore,
    info: ignore,
    warn: ignore,
    error: ignore,
  };
  return { telemetry, counts };
};
