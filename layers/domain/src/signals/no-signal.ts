import type { NoSignalReason, UniverseStatus } from '../enumerations.ts';

/** Everything that can leave a window without a signal. */
export interface WindowFacts {
  readonly sessionOpen: boolean;
  readonly killSwitchEngaged: boolean;
  readonly emergencyStopActive: boolean;
  readonly autonomyEnabled: boolean;
  readonly signalStoreReachable: boolean;
  readonly universeStatus: UniverseStatus;
  readonly qualityRejected: boolean;
  readonly cursorAheadOfStream: boolean;
  /** The cursor stands on the newest row of the stream. */
  readonly cursorAtTail: boolean;
  /** Rows that reached the evaluator. */
  readonly signalsEvaluated: number;
}

/** First match wins; the order is part of the contract. */
const rules: readonly (readonly [NoSignalReason, (facts: WindowFacts) => boolean])[] = [
  ['market_closed', (facts) => !facts.sessionOpen],
  ['kill_switch_engaged', (facts) => facts.killSwitchEngaged],
  ['emergency_stop_active', (facts) => facts.emergencyStopActive],
  ['autonomy_disabled', (facts) => !facts.autonomyEnabled],
  ['clickhouse_unreachable', (facts) => !facts.signalStoreReachable],
  ['universe_source_unavailable', (facts) => facts.universeStatus === 'unavailable'],
  ['universe_source_stale_cache', (facts) => facts.universeStatus === 'blocked'],
  ['feature_quality_rejected', (facts) => facts.qualityRejected],
  ['cursor_ahead_of_stream', (facts) => facts.cursorAheadOfStream],
  ['cursor_tail_stable', (facts) => facts.cursorAtTail],
];

/** The reason of a window that evaluated nothing; `null` exactly when at least one signal reached the evaluator. */
export const noSignalReason = (facts: WindowFacts): NoSignalReason | null => {
  if (facts.signalsEvaluated > 0) return null;
  return rules.find(([, applies]) => applies(facts))?.[0] ?? 'no_signals_in_window';
};

/** Whether the evaluator may run at all, whatever rows were read. */
export const mayEvaluate = (
  facts: Omit<WindowFacts, 'signalsEvaluated' | 'qualityRejected' | 'cursorAheadOfStream' | 'cursorAtTail'>,
): boolean =>
  facts.sessionOpen &&
  !facts.killSwitchEngaged &&
  !facts.emergencyStopActive &&
  facts.autonomyEnabled &&
  facts.signalStoreReachable &&
  facts.universeStatus !== 'unavailable' &&
  facts.universeStatus !== 'blocked';

/**
 * Reasons that hold the cursor: what a blocked universe or an unreachable store kept from the evaluator is read again.
 * Every other reason lets it move, because a signal older than the age limit may not be traded anyway.
 */
export const holdsCursor = (reason: NoSignalReason | null): boolean =>
  reason === 'universe_source_unavailable' ||
  reason === 'universe_source_stale_cache' ||
  reason === 'clickhouse_unreachable';
