import { minute, parseInstant, second, type FreshnessReport, type Instant } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { testLoop, type Loop } from '../../support/loop.ts';
import { quietRow } from '../../support/stream.ts';

const open = parseInstant('2026-02-13T14:30:00.000Z');

/** Minutes after the open; the row of each ends 20 s before its tick. */
const at = (minutes: number): Instant => open + minutes * minute;
const stream = (loop: Loop, from: number, to: number): Promise<void> =>
  loop.insert(...Array.from({ length: to - from + 1 }, (_, index) => quietRow('AAPL', at(from + index) - 20 * second)));
const cycles = async (loop: Loop, from: number, to: number): Promise<void> => {
  for (let minutes = from; minutes <= to; minutes += 1) await loop.tick(at(minutes));
};

describe('the freshness check', () => {
  it('[S3] measures lag while signals flow, and raises warn, page and stop in turn when they cease', async () => {
    const loop = await testLoop({ startAt: open });
    await stream(loop, 1, 5);
    const reports: FreshnessReport[] = [];
    for (let minutes = 1; minutes <= 16; minutes += 1) {
      await loop.tick(at(minutes));
      reports.push(await loop.check(at(minutes)));
    }
    // The last row ended 20 s before minute 5; empty windows count from minute 6 on.
    expect(
      reports.map(({ effectiveLagSeconds: lag, emptyWindows, stage }, index) => [index + 1, lag, emptyWindows, stage]),
    ).toEqual([
      ...[1, 2, 3, 4, 5].map((minutes) => [minutes, 20, 0, 'none']),
      [6, 80, 1, 'none'],
      [7, 140, 2, 'warn'],
      [8, 200, 3, 'page'],
      ...[9, 10, 11, 12, 13, 14].map((minutes) => [minutes, 20 + (minutes - 5) * 60, minutes - 5, 'page']),
      [15, 620, 10, 'stop'],
      [16, 680, 11, 'stop'],
    ]);
    expect(
      ['warn', 'page', 'stop'].map((stage) => loop.telemetry.value('signal_staleness_alert_total', { stage })),
    ).toEqual([1, 7, 2]);
    expect(loop.telemetry.value('signal_effective_lag_seconds')).toBe(680);
    expect(loop.telemetry.value('no_signal_streak', { consumer: 'trading' })).toBe(11);
    expect(loop.events.ofType('signals.stale')).toHaveLength(10);
    // Every cycle recorded its lag too, with and without signals.
    expect((await loop.windows()).map(({ effective_lag_seconds: lag }) => Number(lag))).toEqual(
      reports.map(({ effectiveLagSeconds }) => effectiveLagSeconds),
    );
  });

  it('[S3] holds the continuity latch after a page until two cycles with signals', async () => {
    const loop = await testLoop({ startAt: open });
    await stream(loop, 1, 3);
    await cycles(loop, 1, 6);
    expect((await loop.check(at(6))).continuityLatch).toMatchObject({ set: true });
    await stream(loop, 7, 8);
    await cycles(loop, 7, 7);
    expect((await loop.check(at(7))).continuityLatch).toMatchObject({ set: true, healthyWindowsNeeded: 1 });
    await cycles(loop, 8, 8);
    expect((await loop.check(at(8))).continuityLatch).toMatchObject({ set: false });
  });

  it('[S3] sees a cycle that died, from the durable rows and from the stream, which still flows', async () => {
    const loop = await testLoop({ startAt: open });
    await stream(loop, 1, 10);
    await cycles(loop, 1, 5);
    const reports: [number, FreshnessReport][] = [];
    for (const minutes of [5, 7, 8, 9]) reports.push([minutes, await loop.check(at(minutes))]);
    expect(
      reports.map(([minutes, { missingCycle, effectiveLagSeconds: lag }]) => [minutes, missingCycle, lag]),
    ).toEqual([
      [5, { ageSeconds: 0, page: false }, 20],
      [7, { ageSeconds: 120, page: false }, 20],
      [8, { ageSeconds: 180, page: false }, 20],
      [9, { ageSeconds: 240, page: true }, 20],
    ]);
    expect(loop.events.ofType('signals.stale').map(({ detail }) => JSON.parse(detail) as unknown)).toMatchObject([
      { missing_cycle: true, stage: 'none' },
    ]);
  });

  it('[S3] keeps counting from the newest row that is known while the signal store is down', async () => {
    const loop = await testLoop({ startAt: open });
    await stream(loop, 1, 5);
    await cycles(loop, 1, 5);
    await loop.signalStore.setFault({ kind: 'down' });
    await cycles(loop, 6, 8);
    expect(await loop.check(at(8))).toMatchObject({
      effectiveLagSeconds: 200,
      stage: 'page',
      lastReason: 'clickhouse_unreachable',
      streaks: { trading: { length: 3, byReason: { clickhouse_unreachable: 3 } } },
    });
    expect(loop.telemetry.logs().some(({ message }) => message === 'freshness probe failed')).toBe(true);
  });

  it('[S3] pages for silence after a restart in an open session', async () => {
    const loop = await testLoop({ startAt: at(60) });
    await cycles(loop, 60, 70);
    expect((await loop.check(at(68))).restartSilence).toMatchObject({ page: false });
    expect((await loop.check(at(70))).restartSilence).toEqual({ since: at(59), page: true });
    await stream(loop, 71, 71);
    await cycles(loop, 71, 71);
    expect((await loop.check(at(71))).restartSilence).toEqual({ since: null, page: false });
  });

  it('[S5] measures the share of five-minute windows that were hit, and how fast the budget burns', async () => {
    const loop = await testLoop({ startAt: open });
    // Of 24 windows of five minutes one is silent early on, the last two are, and in one no cycle ran.
    await stream(loop, 1, 5);
    await stream(loop, 11, 110);
    await cycles(loop, 1, 50);
    await cycles(loop, 56, 120);
    const report = await loop.check(at(120));
    expect(report.slo).toMatchObject({ windows: 24, hits: 20, judged: true, met: false, ticket: true });
    expect(loop.telemetry.value('window_hit_ratio_4h')).toBeCloseTo(20 / 24, 12);
    expect(loop.telemetry.value('slo_burn_rate', { window: '4h' })).toBeCloseTo(4 / 24 / 0.05, 6);
    expect(loop.telemetry.value('slo_burn_rate', { window: '1h' })).toBeCloseTo(2 / 12 / 0.05, 6);
    expect(loop.telemetry.value('slo_burn_rate', { window: '15m' })).toBeCloseTo(2 / 3 / 0.05, 6);
  });

  it('[S5] meets its objective over a session in which every window had rows, and judges nothing before an hour', async () => {
    const loop = await testLoop({ startAt: open });
    await stream(loop, 1, 60);
    await cycles(loop, 1, 30);
    expect((await loop.check(at(30))).slo).toMatchObject({ judged: false, met: null, page: false, ticket: false });
    await cycles(loop, 31, 60);
    expect((await loop.check(at(60))).slo).toMatchObject({ windows: 12, hits: 12, hitRatio: 1, met: true });
  });
});
