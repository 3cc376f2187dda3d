import {
  holdsCursor,
  mayEvaluate,
  noSignalReason,
  noSignalReasons,
  universeStatuses,
  type NoSignalReason,
  type WindowFacts,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** A window in which nothing is wrong and nothing came. */
const quiet: WindowFacts = {
  sessionOpen: true,
  killSwitchEngaged: false,
  emergencyStopActive: false,
  autonomyEnabled: true,
  signalStoreReachable: true,
  universeStatus: 'ok',
  qualityRejected: false,
  cursorAheadOfStream: false,
  cursorAtTail: false,
  signalsEvaluated: 0,
};

/** What brings each reason about, in the order of the specification. */
const causes: readonly (readonly [NoSignalReason, Partial<WindowFacts>])[] = [
  ['market_closed', { sessionOpen: false }],
  ['kill_switch_engaged', { killSwitchEngaged: true }],
  ['emergency_stop_active', { emergencyStopActive: true }],
  ['autonomy_disabled', { autonomyEnabled: false }],
  ['clickhouse_unreachable', { signalStoreReachable: false }],
  ['universe_source_unavailable', { universeStatus: 'unavailable' }],
  ['universe_source_stale_cache', { universeStatus: 'blocked' }],
  ['feature_quality_rejected', { qualityRejected: true }],
  ['cursor_ahead_of_stream', { cursorAheadOfStream: true }],
  ['cursor_tail_stable', { cursorAtTail: true }],
  ['no_signals_in_window', {}],
];

const anyFacts: fc.Arbitrary<WindowFacts> = fc.record({
  sessionOpen: fc.boolean(),
  killSwitchEngaged: fc.boolean(),
  emergencyStopActive: fc.boolean(),
  autonomyEnabled: fc.boolean(),
  signalStoreReachable: fc.boolean(),
  universeStatus: fc.constantFrom(...universeStatuses),
  qualityRejected: fc.boolean(),
  cursorAheadOfStream: fc.boolean(),
  cursorAtTail: fc.boolean(),
  signalsEvaluated: fc.nat({ max: 2 }),
});

describe('reason of a window without signals', () => {
  it('[S2] the set is closed, and its order is the order of precedence', () => {
    expect(causes.map(([reason]) => reason)).toEqual(noSignalReasons);
  });

  it.each(causes)('[S2] %s', (reason, facts) => {
    expect(noSignalReason({ ...quiet, ...facts })).toBe(reason);
  });

  it('[S2] is null exactly when a signal reached the evaluator, else one reason of the set', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const reason = noSignalReason(facts);
        if (facts.signalsEvaluated > 0) expect(reason).toBeNull();
        else expect(noSignalReasons).toContain(reason);
      }),
    );
  });

  it('[S2] the first cause that holds wins over every later one', () => {
    fc.assert(
      fc.property(fc.subarray([...causes], { minLength: 1 }), (chosen) => {
        // Merged from the last to the first, because the two universe states exclude each other.
        const facts = chosen.reduceRight<WindowFacts>((merged, [, cause]) => ({ ...merged, ...cause }), quiet);
        expect(noSignalReason(facts)).toBe(chosen[0]?.[0]);
      }),
    );
  });
});

describe('what a reason stops', () => {
  it('[S1][S2] every reason up to the universe keeps the evaluator from running, none after it does', () => {
    const stopping = causes.filter(([, facts]) => !mayEvaluate({ ...quiet, ...facts })).map(([reason]) => reason);
    expect(stopping).toEqual(noSignalReasons.slice(0, 7));
    expect(mayEvaluate({ ...quiet, universeStatus: 'degraded' })).toBe(true);
  });

  it('[S1][S4] a blocked universe and an unreachable store hold the cursor; controls, silence and bad rows let it move', () => {
    expect(noSignalReasons.filter(holdsCursor)).toEqual([
      'clickhouse_unreachable',
      'universe_source_unavailable',
      'universe_source_stale_cache',
    ]);
    expect(holdsCursor(null)).toBe(false);
  });
});
