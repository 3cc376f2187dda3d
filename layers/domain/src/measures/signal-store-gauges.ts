import { second, type Instant } from '../instant.ts';
import { gaugeSample, type GaugeSample } from './gauge-sample.ts';

/** Condition of the server that answers for the signals. */
export interface SignalStoreHealth {
  /** Whether a replica of a signal table refuses writes; null where none is replicated. */
  readonly readonly: boolean | null;
  /** Free share of the fullest disk, within 0..1; null when no disk has a size. */
  readonly diskFreeRatio: number | null;
}

export const signalStoreGauges = ({ readonly, diskFreeRatio }: SignalStoreHealth): GaugeSample[] => [
  ...gaugeSample('clickhouse_replica_readonly', readonly),
  ...gaugeSample('clickhouse_disk_free_ratio', diskFreeRatio),
];

/**
 * Lag of the bars at `now`, from the newest one that is known: bars before the open are yesterday's. Outside the session
 * it has no length.
 */
export const barGauges = (
  newestBarTs: Instant | null,
  session: { readonly openAt: Instant; readonly closeAt: Instant } | null,
  now: Instant,
): GaugeSample[] => {
  if (session === null || now < session.openAt || now >= session.closeAt) return [];
  const since = Math.max(newestBarTs ?? session.openAt, session.openAt);
  return gaugeSample('microbar_lag_seconds', Math.max(0, now - since) / second);
};
