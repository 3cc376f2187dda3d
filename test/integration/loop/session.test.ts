import { floorTo, minute, parseInstant, second } from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLoop, testLoop, type Loop } from '../../support/loop.ts';
import { buyRow } from '../../support/stream.ts';

const traded = [true, null, []];
const closed = [false, 'market_closed'];
const cutoff = [true, null, ['new_exposure_cutoff']];

describe('the session by the calendar', () => {
  /** In order of time: one clock runs through them. */
  const cases: readonly (readonly [string, string, readonly unknown[]])[] = [
    ['Thanksgiving', '2025-11-27T16:00:00.000Z', closed],
    ['a half day before its last half hour', '2025-11-28T17:29:00.000Z', traded],
    ['a half day in its last half hour', '2025-11-28T17:30:00.000Z', cutoff],
    ['a half day at its close', '2025-11-28T18:00:00.000Z', closed],
    ['the afternoon of a half day', '2025-11-28T19:00:00.000Z', closed],
    ['the last millisecond before the open', '2026-02-13T14:29:59.999Z', closed],
    ['the open, when nothing may be bought for a minute', '2026-02-13T14:30:00.000Z', cutoff],
    ['one millisecond after the open', '2026-02-13T14:30:00.001Z', cutoff],
    ['a minute after the open', '2026-02-13T14:31:00.000Z', traded],
    ['the minute before the last half hour', '2026-02-13T20:29:00.000Z', traded],
    ['the last half hour', '2026-02-13T20:30:00.000Z', cutoff],
    ['the last millisecond before the close', '2026-02-13T20:59:59.999Z', cutoff],
    ['the close', '2026-02-13T21:00:00.000Z', closed],
    ['one millisecond after the close', '2026-02-13T21:00:00.001Z', closed],
    ['a Saturday', '2026-02-14T16:00:00.000Z', closed],
    ['a Sunday', '2026-02-15T16:00:00.000Z', closed],
    ['the Friday before the clocks go forward, before the open', '2026-03-06T14:29:00.000Z', closed],
    ['the Friday before the clocks go forward', '2026-03-06T14:31:00.000Z', traded],
    ['the Monday after the clocks went forward, before the open', '2026-03-09T13:29:00.000Z', closed],
    ['the Monday after the clocks went forward', '2026-03-09T13:31:00.000Z', traded],
    ['the Monday after the clocks went forward, at the close', '2026-03-09T20:00:00.000Z', closed],
    ['Independence Day, observed on the Friday before', '2026-07-03T16:00:00.000Z', closed],
    ['the Friday before the clocks go back', '2026-10-30T13:31:00.000Z', traded],
    ['the Monday after the clocks went back, before the open', '2026-11-02T14:29:00.000Z', closed],
    ['the Monday after the clocks went back', '2026-11-02T14:31:00.000Z', traded],
    ['the Monday after the clocks went back, in the last hour', '2026-11-02T20:29:00.000Z', traded],
  ];

  let loop: Loop;
  beforeAll(async () => {
    loop = await startLoop({ startAt: parseInstant('2025-11-27T00:00:00.000Z') });
  });
  afterAll(() => loop.stop());

  it.each(cases)('knows %s (%s)', async (_, at, expected) => {
    const scheduledMinute = floorTo(parseInstant(at), minute);
    loop.clock.advanceTo(parseInstant(at));
    await loop.insert(buyRow('AAPL', scheduledMinute - 20 * second));
    await loop.syncAccount(scheduledMinute);
    await loop.deliver(parseInstant(at));

    const { window_start: start, session_open: open, no_signal_reason: reason, ...window } = await loop.lastWindow();
    expect(start).toBe(scheduledMinute - minute);
    const decisions = (await loop.decisions()).filter(({ window_start: of }) => of === start);
    expect([open, reason, ...decisions.map(({ reasons }) => reasons)]).toEqual(expected);
    // Also a closed market is measured.
    expect(window).toMatchObject({ rows_read: 1, hit: true, blocked_reasons: [], lag_seconds: '20' });
    expect(loop.telemetry.value('market_session_open')).toBe(open ? 1 : 0);
  });
});

describe('a market that is closed', () => {
  it('[S2] trades nothing on a date that the calendar does not know, and raises the alarm', async () => {
    const tick = parseInstant('2026-02-13T16:00:00.000Z');
    const loop = await testLoop({ startAt: tick, calendar: ['2025-01-01', '2026-02-12'] });
    await loop.insert(buyRow('AAPL', tick - 20 * second));
    expect(await loop.tick(tick)).toMatchObject({ noSignalReason: 'market_closed', decisions: 0 });
    expect(await loop.lastWindow()).toMatchObject({ session_open: false, blocked_reasons: ['calendar_unknown'] });
    expect(await loop.outbox()).toEqual([]);
  });

  it('[S3] never takes the silence of a closed market for an incident, over a night and a weekend', async () => {
    const friday = parseInstant('2026-02-13T20:58:00.000Z');
    const loop = await testLoop({ startAt: friday });
    await loop.insert(buyRow('AAPL', friday - 20 * second));
    await loop.tick(friday);
    const reports = [];
    for (const at of [
      '2026-02-13T21:00:00.000Z',
      '2026-02-13T21:30:00.000Z',
      '2026-02-14T15:00:00.000Z',
      '2026-02-16T15:00:00.000Z',
      '2026-02-17T14:29:00.000Z',
      // The open of the next session: silence counts from here.
      '2026-02-17T14:30:00.000Z',
      '2026-02-17T14:31:00.000Z',
    ]) {
      await loop.tick(parseInstant(at));
      reports.push(await loop.check(parseInstant(at)));
    }
    expect(reports.map(({ stage, stale }) => [stage, stale])).toEqual(Array(7).fill(['none', false]));
    expect(reports.map(({ effectiveLagSeconds: lag }) => lag)).toEqual([null, null, null, null, null, 0, 60]);
    expect(reports.map(({ emptyWindows, missingCycle }) => [emptyWindows, missingCycle.page])).toEqual(
      Array(7).fill([0, false]),
    );
    expect(loop.events.ofType('signals.stale')).toEqual([]);
    expect((await loop.windows()).slice(-2).map((row) => row.effective_lag_seconds)).toEqual(['0', '60']);
  });

  it('names its window by the scheduled time, whenever the tick is delivered', async () => {
    const tick = parseInstant('2026-02-13T15:00:00.000Z');
    const loop = await testLoop({ startAt: tick });
    await loop.insert(buyRow('AAPL', tick - 20 * second), buyRow('AAPL', tick + 10 * second));
    await loop.syncAccount(tick);
    loop.clock.advanceTo(tick + 40 * second);
    await loop.deliver(tick);
    expect(await loop.windows()).toMatchObject([{ window_start: tick - minute, rows_read: 1, lag_seconds: '20' }]);
  });
});
