import {
  evaluateFreshness,
  freshnessStages,
  type FreshnessInput,
  type Instant,
  minute,
  noSignalReasons,
  second,
  type SignalWindow,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const openAt = Date.parse('2026-02-13T14:30:00.000Z');
const session = { openAt, closeAt: openAt + 390 * minute };
const codeHash = 'a'.repeat(64);

const window = (windowStart: Instant, change: Partial<SignalWindow> = {}): SignalWindow => ({
  consumer: 'trading',
  windowStart,
  sessionOpen: windowStart >= session.openAt && windowStart < session.closeAt,
  noSignalReason: null,
  hit: true,
  signalsEvaluated: 3,
  finishedAt: windowStart + 2 * second,
  lagSeconds: 2,
  effectiveLagSeconds: 2,
  codeHash,
  ...change,
});
const empty = { hit: false, signalsEvaluated: 0, noSignalReason: 'no_signals_in_window' } as const;
/** One window a minute from half an hour before the open until `minutes` after it; `change` by minute after the open. */
const day = (minutes: number, change: (minute: number) => Partial<SignalWindow> | null = () => ({})): SignalWindow[] =>
  Array.from({ length: minutes + 31 }, (_, index) => index - 30).flatMap((at) => {
    if (at < 0) return [window(openAt + at * minute, { ...empty, noSignalReason: 'market_closed' })];
    const changed = change(at);
    return changed === null ? [] : [window(openAt + at * minute, changed)];
  });
const at = (minutes: number, change: Partial<FreshnessInput> = {}): FreshnessInput => {
  const now = openAt + minutes * minute;
  return { now, session, maxEventTs: now - 2 * second, windows: day(minutes), ...change };
};
const since = (from: number) => (at: number) => (at >= from ? empty : {});

describe('staleness stages', () => {
  it.each([
    { lag: 119, stage: 'none' },
    { lag: 120, stage: 'warn' },
    { lag: 299, stage: 'warn' },
    { lag: 300, stage: 'page' },
    { lag: 599, stage: 'page' },
    { lag: 600, stage: 'stop' },
  ])('[S3] an effective lag of $lag s is stage $stage', ({ lag, stage }) => {
    const report = evaluateFreshness(at(60, { maxEventTs: openAt + 60 * minute - lag * second }));
    expect(report.stage).toBe(stage);
    expect(report.lagSeconds).toBe(lag);
  });

  it.each([
    { windows: 1, stage: 'none' },
    { windows: 2, stage: 'warn' },
    { windows: 3, stage: 'page' },
    { windows: 30, stage: 'page' },
  ])('[S3] $windows consecutive empty windows are stage $stage, whatever the lag', ({ windows, stage }) => {
    const report = evaluateFreshness(at(60, { windows: day(60, since(61 - windows)) }));
    expect(report.stage).toBe(stage);
    expect(report.emptyWindows).toBe(windows);
  });

  it('[S3] clears the stage with the first window that has rows', () => {
    const windows = day(60, (at) => (at >= 50 && at < 60 ? empty : {}));
    expect(evaluateFreshness(at(59, { windows })).stage).toBe('page');
    expect(evaluateFreshness(at(60, { windows })).stage).toBe('none');
  });

  it('measures from the open, not from the last row of yesterday', () => {
    const yesterday = openAt - 17 * 60 * minute;
    const report = evaluateFreshness(at(1, { maxEventTs: yesterday }));
    expect(report.effectiveLagSeconds).toBe(60);
    expect(report.stage).toBe('none');
  });

  it('counts an unknown tail as silence since the open', () => {
    const report = evaluateFreshness(at(10, { maxEventTs: null }));
    expect(report).toMatchObject({ lagSeconds: null, effectiveLagSeconds: 600, stage: 'stop', stale: true });
  });

  it('does not count the window that starts at the open', () => {
    const report = evaluateFreshness(at(2, { windows: day(2, () => empty) }));
    expect(report.emptyWindows).toBe(2);
  });

  it('does not take a running window for an empty one, and a dead one for a healthy one', () => {
    const running = { ...empty, noSignalReason: null, finishedAt: null };
    const windows = day(60, (at) => (at >= 59 ? running : {}));
    expect(evaluateFreshness(at(60, { windows })).emptyWindows).toBe(0);
    expect(evaluateFreshness({ ...at(60, { windows }), now: openAt + 62 * minute }).emptyWindows).toBe(2);
  });

  it('a control that blocks trading does not look like silence of the source', () => {
    const blocked = { signalsEvaluated: 0, noSignalReason: 'kill_switch_engaged' } as const;
    const report = evaluateFreshness(at(60, { windows: day(60, () => blocked) }));
    expect(report.stage).toBe('none');
    expect(report.streaks.trading).toEqual({ length: 61, byReason: { kill_switch_engaged: 61 } });
  });

  it('[S3] a closed market never raises an incident, whatever the rows say', () => {
    const row = fc.record({
      windowStart: fc.integer({ min: openAt - 600 * minute, max: openAt + 600 * minute }),
      sessionOpen: fc.boolean(),
      noSignalReason: fc.constantFrom(null, ...noSignalReasons),
      hit: fc.boolean(),
      signalsEvaluated: fc.nat(5),
      finishedAt: fc.option(fc.integer({ min: openAt - 600 * minute, max: openAt + 600 * minute })),
      effectiveLagSeconds: fc.option(fc.nat(100_000)),
      codeHash: fc.constantFrom(codeHash, 'b'.repeat(64)),
    });
    const closed = fc.oneof(
      fc.record({ session: fc.constant(null), now: fc.integer({ min: openAt, max: openAt + 600 * minute }) }),
      fc.record({
        session: fc.constant(session),
        now: fc.integer({ min: session.closeAt, max: session.closeAt + 900 * minute }),
      }),
      fc.record({ session: fc.constant(session), now: fc.integer({ min: openAt - 900 * minute, max: openAt - 1 }) }),
    );
    fc.assert(
      fc.property(closed, fc.array(row), fc.option(fc.integer({ min: 0, max: openAt })), (time, rows, maxEventTs) => {
        const report = evaluateFreshness({
          ...time,
          maxEventTs,
          windows: rows.map((change) => window(change.windowStart, change)),
        });
        expect(report).toMatchObject({
          sessionOpen: false,
          stale: false,
          stage: 'none',
          causes: [],
          cursorAhead: { page: false },
          restartSilence: { page: false },
          missingCycle: { page: false },
          slo: { page: false, ticket: false },
        });
      }),
    );
  });

  it('the stage never falls while the silence grows', () => {
    fc.assert(
      fc.property(fc.nat(1_200), fc.nat(1_200), (first, more) => {
        const stageAt = (lag: number) =>
          freshnessStages.indexOf(evaluateFreshness(at(60, { maxEventTs: openAt + 60 * minute - lag * second })).stage);
        expect(stageAt(first + more)).toBeGreaterThanOrEqual(stageAt(first));
      }),
    );
  });
});

describe('no-signal streaks', () => {
  it('keeps one streak per consumer and counts every reason within it', () => {
    const windows = [
      ...day(60, (at) =>
        at < 57 ? {} : { ...empty, noSignalReason: at === 58 ? 'cursor_ahead_of_stream' : 'cursor_tail_stable' },
      ),
      window(openAt + 50 * minute, { consumer: 'lane', ...empty, sessionOpen: true }),
      window(openAt + 55 * minute, { consumer: 'lane', ...empty, sessionOpen: true }),
    ];
    const report = evaluateFreshness(at(60, { windows }));
    expect(report.streaks.trading).toEqual({
      length: 4,
      byReason: { cursor_tail_stable: 3, cursor_ahead_of_stream: 1 },
    });
    expect(report.streaks.lane).toEqual({ length: 2, byReason: { no_signals_in_window: 2 } });
    expect(report.lastReason).toBe('cursor_tail_stable');
  });

  it('starts again at the open: market-closed windows are no streak', () => {
    expect(evaluateFreshness(at(2, { windows: day(2, () => empty) })).streaks.trading.length).toBe(3);
    const beforeOpen = evaluateFreshness({ ...at(0), now: openAt - minute });
    expect(beforeOpen.streaks.trading).toEqual({ length: 0, byReason: {} });
    expect(beforeOpen.lastReason).toBe('market_closed');
  });
});

describe('cursor ahead of the stream', () => {
  const ahead = { ...empty, noSignalReason: 'cursor_ahead_of_stream' } as const;

  it('[S3] pages on two distinct incidents within 10 minutes although a rewind lies between', () => {
    const windows = day(60, (at) =>
      at === 53 || at === 58 ? ahead : at === 54 ? { ...empty, noSignalReason: 'cursor_tail_stable' } : {},
    );
    expect(evaluateFreshness(at(60, { windows })).cursorAhead).toEqual({ incidents: 2, page: true });
  });

  it('takes one long incident for one, and forgets it after 10 minutes', () => {
    const windows = day(80, (at) => (at >= 52 && at <= 58 ? ahead : {}));
    expect(evaluateFreshness(at(60, { windows })).cursorAhead).toEqual({ incidents: 1, page: false });
    expect(evaluateFreshness(at(75, { windows })).cursorAhead).toEqual({ incidents: 0, page: false });
  });
});

describe('silence after a restart', () => {
  const newCode = { codeHash: 'b'.repeat(64) };

  it.each([
    { restart: 'new code', change: (at: number) => (at >= 100 ? { ...empty, ...newCode } : {}) },
    { restart: 'a gap of more than 5 minutes', change: (at: number) => (at >= 100 ? empty : at >= 94 ? null : {}) },
  ])('[S3] pages 10 minutes after $restart without a row, and clears with the first one', ({ change }) => {
    const windows = day(115, (at) => (at === 111 ? { ...change(at), hit: true } : change(at)));
    expect(evaluateFreshness(at(109, { windows })).restartSilence).toEqual({
      since: openAt + 100 * minute,
      page: false,
    });
    expect(evaluateFreshness(at(110, { windows })).restartSilence.page).toBe(true);
    expect(evaluateFreshness(at(111, { windows })).restartSilence).toEqual({ since: null, page: false });
  });

  it('counts from the open when the restart was before it', () => {
    const windows = day(10, () => empty);
    expect(evaluateFreshness(at(9, { windows })).restartSilence).toEqual({ since: openAt, page: false });
    expect(evaluateFreshness(at(10, { windows })).restartSilence.page).toBe(true);
  });
});

describe('missing cycle', () => {
  it('[S3] pages when no window finished for more than 180 s, and clears with the next', () => {
    const windows = day(60);
    const after = (ms: number) =>
      evaluateFreshness({ ...at(60, { windows }), now: openAt + 60 * minute + 2 * second + ms });
    expect(after(180 * second).missingCycle).toEqual({ ageSeconds: 180, page: false });
    expect(after(180 * second + 1).missingCycle.page).toBe(true);
    expect(
      evaluateFreshness(at(64, { windows: [...windows, window(openAt + 64 * minute - 5 * second)] })).missingCycle.page,
    ).toBe(false);
  });

  it('gives the first cycle of the session its time', () => {
    expect(evaluateFreshness(at(3, { windows: [] })).missingCycle).toEqual({ ageSeconds: 180, page: false });
    expect(evaluateFreshness(at(4, { windows: [] })).missingCycle.page).toBe(true);
  });
});

describe('window objective', () => {
  /** Minutes of the given 5-minute windows, counted from the open, have no row at all. */
  const missing =
    (...windows: number[]) =>
    (at: number) =>
      windows.includes(Math.floor(at / 5)) ? null : {};

  it('[S5] takes the denominator from the calendar: a missing row is a miss', () => {
    const { slo } = evaluateFreshness(at(240, { windows: day(240, missing(3, 17)) }));
    expect(slo).toMatchObject({ windows: 48, hits: 46, judged: true, met: true });
    expect(slo.hitRatio).toBeCloseTo(46 / 48);
  });

  it('[S5] counts a 5-minute window with a single hit as hit', () => {
    const { slo } = evaluateFreshness(at(60, { windows: day(60, (at) => (at % 5 === 4 ? {} : empty)) }));
    expect(slo).toMatchObject({ windows: 12, hits: 12 });
  });

  it('judges nothing before 12 windows have passed', () => {
    const { slo } = evaluateFreshness(at(59, { windows: [] }));
    expect(slo).toMatchObject({ windows: 11, hits: 0, judged: false, met: null, page: false, ticket: false });
  });

  it('rolls over 4 hours', () => {
    const { slo } = evaluateFreshness(at(300, { windows: day(300, missing(12, 13, 14, 15, 16, 17)) }));
    expect(slo).toMatchObject({ windows: 48, hits: 42 });
    expect(evaluateFreshness(at(330, { windows: day(330, missing(12, 13, 14, 15, 16, 17)) })).slo.hits).toBe(48);
  });

  it.each([
    { missed: [45, 40, 38, 37], page: true, why: '4 of 12 and 1 of the last 3' },
    { missed: [45, 40, 38], page: false, why: '3 of 12' },
    { missed: [44, 40, 38, 37], page: false, why: '4 of 12 but the last 3 were hit' },
  ])('[S5] pages by burn rate: $why -> $page', ({ missed, page }) => {
    expect(evaluateFreshness(at(240, { windows: day(240, missing(...missed)) })).slo.page).toBe(page);
  });

  it.each([
    { missed: 4, ticket: false },
    { missed: 5, ticket: true },
  ])('[S5] $missed of 48 windows missed raises a ticket: $ticket', ({ missed, ticket }) => {
    const { slo } = evaluateFreshness(
      at(240, { windows: day(240, missing(...Array.from({ length: missed }, (_, i) => i))) }),
    );
    expect(slo).toMatchObject({ page: false, ticket });
    expect(slo.burn['4h'].rate).toBeCloseTo(missed / 48 / 0.05, 6);
  });
});

describe('continuity latch', () => {
  it('sets at page level and clears after two healthy windows with signals', () => {
    const windows = day(60, (at) => (at >= 50 && at < 54 ? empty : {}));
    const latchAt = (minutes: number) => evaluateFreshness(at(minutes, { windows })).continuityLatch;
    expect(latchAt(51).set).toBe(false);
    expect(latchAt(52).set).toBe(true);
    expect(latchAt(54)).toEqual({ set: true, healthyWindows: 1, healthyWindowsNeeded: 1 });
    expect(latchAt(55).set).toBe(false);
  });

  it.each([
    { what: 'an empty window', change: empty },
    { what: 'a slow window', change: { effectiveLagSeconds: 150 } },
    { what: 'a window of unknown lag', change: { effectiveLagSeconds: null } },
    { what: 'a blocked window', change: { signalsEvaluated: 0, noSignalReason: 'kill_switch_engaged' } as const },
  ])('$what between two healthy ones keeps it set', ({ change }) => {
    const windows = day(60, (at) => (at >= 50 && at < 54 ? empty : at === 55 ? change : {}));
    expect(evaluateFreshness(at(56, { windows })).continuityLatch.set).toBe(true);
    expect(evaluateFreshness(at(57, { windows })).continuityLatch.set).toBe(false);
  });

  it('survives the close: silence at night proves no recovery', () => {
    const windows = [
      ...day(389, (at) => (at >= 380 ? empty : {})),
      ...Array.from({ length: 30 }, (_, i) =>
        window(session.closeAt + i * minute, { ...empty, noSignalReason: 'market_closed' }),
      ),
    ];
    expect(evaluateFreshness({ ...at(0), now: session.closeAt + 30 * minute, windows }).continuityLatch.set).toBe(true);
  });

  it('sets over a hole in which nobody looked', () => {
    const windows = day(60, (at) => (at > 50 && at < 57 ? null : {}));
    expect(evaluateFreshness(at(57, { windows })).continuityLatch).toEqual({
      set: true,
      healthyWindows: 1,
      healthyWindowsNeeded: 1,
    });
    expect(evaluateFreshness(at(58, { windows })).continuityLatch.set).toBe(false);
  });
});

it('does not depend on the order of the rows', () => {
  const windows = day(90, since(70));
  fc.assert(
    fc.property(fc.shuffledSubarray(windows, { minLength: windows.length }), (shuffled) => {
      expect(evaluateFreshness(at(90, { windows: shuffled }))).toEqual(evaluateFreshness(at(90, { windows })));
    }),
  );
});
