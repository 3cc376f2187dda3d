import {
  barGauges,
  evaluateFreshness,
  fallbackCalendar,
  freshnessGauges,
  hour,
  minute,
  newYorkDate,
  nextSessionOpen,
  parseInstant,
  second,
  setGauges,
  signalStoreGauges,
  type GaugeName,
  type GaugeSample,
  type SignalWindow,
} from '@torghut/domain';
import { createMemoryTelemetry } from '@torghut/platform';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const openAt = parseInstant('2026-02-13T14:30:00.000Z');
const session = { openAt, closeAt: openAt + 390 * minute };
const valueOf = (samples: readonly GaugeSample[], name: GaugeName): number | undefined =>
  samples.find((one) => one.name === name)?.value;

describe('lag of the bars', () => {
  it.each([
    ['since the newest bar', openAt + 10 * minute, openAt + 15 * minute, 300],
    ['since the open when the newest bar is of yesterday', openAt - 17 * hour, openAt + 2 * minute, 120],
    ['since the open when no bar is known', null, openAt + 2 * minute, 120],
    ['none when a bar is ahead of the clock', openAt + minute, openAt + 30 * second, 0],
    ['no figure before the open', openAt - minute, openAt - 1, undefined],
    ['no figure after the close', openAt + hour, session.closeAt, undefined],
  ])('is counted %s', (_, newest, now, expected) => {
    expect(valueOf(barGauges(newest, session, now), 'microbar_lag_seconds')).toBe(expected);
  });

  it('is no figure on a day without a session', () => {
    expect(barGauges(openAt, null, openAt)).toEqual([]);
  });
});

describe('the signal store', () => {
  it('is measured by its replicas and by its fullest disk, when one has a size', () => {
    expect(signalStoreGauges({ readonly: true, diskFreeRatio: 0.07 })).toEqual([
      { name: 'clickhouse_replica_readonly', dimensions: {}, value: 1 },
      { name: 'clickhouse_disk_free_ratio', dimensions: {}, value: 0.07 },
    ]);
    expect(signalStoreGauges({ readonly: false, diskFreeRatio: null })).toEqual([
      { name: 'clickhouse_replica_readonly', dimensions: {}, value: 0 },
    ]);
    expect(signalStoreGauges({ readonly: null, diskFreeRatio: null })).toEqual([]);
  });
});

const window = (minutes: number, changes: Partial<SignalWindow> = {}): SignalWindow => ({
  consumer: 'trading',
  windowStart: openAt + minutes * minute,
  sessionOpen: true,
  noSignalReason: 'no_signals_in_window',
  hit: false,
  signalsEvaluated: 0,
  finishedAt: openAt + (minutes + 1) * minute,
  lagSeconds: null,
  effectiveLagSeconds: null,
  codeHash: 'a',
  ...changes,
});
const gaugesAt = (now: number, windows: readonly SignalWindow[]): GaugeSample[] =>
  freshnessGauges(evaluateFreshness({ now, session, maxEventTs: null, windows }), now);

describe('gauges of freshness', () => {
  it('[S3] measure the silence since the first cycle after a restart, and 0 once something was heard', () => {
    const silent = [window(0), window(1), window(20), window(21)];
    expect(valueOf(gaugesAt(openAt + 23 * minute, silent), 'restart_silence_seconds')).toBe(180);
    const heard = [...silent, window(22, { hit: true, signalsEvaluated: 1, noSignalReason: null })];
    expect(valueOf(gaugesAt(openAt + 23 * minute, heard), 'restart_silence_seconds')).toBe(0);
    expect(valueOf(gaugesAt(session.closeAt, silent), 'restart_silence_seconds')).toBeUndefined();
  });

  it('[S3] count incidents of a cursor ahead of the stream, not the windows of one', () => {
    const ahead = { noSignalReason: 'cursor_ahead_of_stream' } as const;
    const windows = [window(0), window(1, ahead), window(2, ahead), window(3), window(4, ahead)];
    expect(valueOf(gaugesAt(openAt + 5 * minute, windows), 'cursor_ahead_incidents_10m')).toBe(2);
    expect(valueOf(gaugesAt(openAt + 5 * minute, [window(0)]), 'cursor_ahead_incidents_10m')).toBe(0);
  });
});

describe('the next session', () => {
  const calendar = fallbackCalendar('2026-01-01', '2026-12-31');

  it('opens after now, and nothing of a whole calendar opens between', () => {
    fc.assert(
      fc.property(fc.integer({ min: openAt, max: openAt + 200 * 24 * hour }), (now) => {
        const next = nextSessionOpen(now, calendar);
        const first = calendar.map((day) => day.openAt).find((at) => at !== null && at > now);
        expect(next).toBe(first);
      }),
    );
  });

  it('is not known when any date up to it is missing', () => {
    fc.assert(
      fc.property(fc.integer({ min: openAt, max: openAt + 200 * 24 * hour }), fc.nat(), (now, pick) => {
        const next = nextSessionOpen(now, calendar) ?? 0;
        const needed = calendar.filter(({ date }) => date >= newYorkDate(now) && date <= newYorkDate(next));
        const missing = needed[pick % needed.length];
        expect(
          nextSessionOpen(
            now,
            calendar.filter((day) => day !== missing),
          ),
        ).toBeNull();
      }),
    );
  });
});

it('gauges with dimensions reach the telemetry with them', () => {
  const telemetry = createMemoryTelemetry();
  setGauges(telemetry, gaugesAt(openAt + 2 * minute, [window(0), window(1)]));
  expect(telemetry.value('no_signal_streak', { consumer: 'trading' })).toBe(2);
  expect(telemetry.value('no_signal_streak', { consumer: 'lane' })).toBe(0);
  expect(telemetry.value('market_session_open')).toBe(1);
});
