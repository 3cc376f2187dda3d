import {
  continuityCodes,
  continuityProblems,
  type ContinuityCode,
  type FreshnessReport,
  evaluateFreshness,
  minute,
} from '@torghut/domain';
import { describe, expect, it } from 'vitest';

const openAt = Date.parse('2026-02-13T14:30:00.000Z');
const session = { openAt, closeAt: openAt + 390 * minute };
const limits = { continuityRecoveryCycles: 2 };
const evidence = { calendarKnown: true, finishedTradingWindows: 90 };

/** A report of a session with fresh signals since the open, as the rules of freshness make it. */
const reportAt = (now: number, hit: (start: number) => boolean = () => true): FreshnessReport =>
  evaluateFreshness({
    now,
    session,
    maxEventTs: now - 2_000,
    windows: Array.from({ length: Math.floor((Math.min(now, session.closeAt) - openAt) / minute) }, (_, index) => {
      const windowStart = openAt + index * minute;
      return {
        consumer: 'trading' as const,
        windowStart,
        sessionOpen: true,
        noSignalReason: hit(windowStart) ? null : ('no_signals_in_window' as const),
        hit: hit(windowStart),
        signalsEvaluated: hit(windowStart) ? 10 : 0,
        finishedAt: windowStart + 500,
        lagSeconds: 2,
        effectiveLagSeconds: hit(windowStart) ? 2 : 130,
        codeHash: 'a',
      };
    }),
  });
const midday = openAt + 120 * minute;
const problems = (report: FreshnessReport, known = evidence) => continuityProblems(report, known, limits);

describe('signal continuity', () => {
  it('[S7] is stable in a session with fresh signals, and in the night after one', () => {
    expect(problems(reportAt(midday))).toEqual([]);
    expect(problems(reportAt(session.closeAt + 240 * minute))).toEqual([]);
  });

  it.each<[string, readonly ContinuityCode[]]>([
    ['the calendar is unknown', ['calendar_unknown']],
    ['no window was finished', ['signal_continuity_unknown']],
  ])('[S7] is not stable while %s', (_what, codes) => {
    const known = {
      calendarKnown: codes[0] !== 'calendar_unknown',
      finishedTradingWindows: codes[0] === 'signal_continuity_unknown' ? 0 : 90,
    };
    expect(problems(reportAt(midday), known)).toEqual(codes);
  });

  it('[S7] is not stable early in a session, whose objective cannot be judged yet', () => {
    expect(problems(reportAt(openAt + 30 * minute))).toEqual(['signal_slo_not_judged']);
  });

  it('[S7] is not stable after windows without signals, until enough of them had some', () => {
    const silent = (start: number) => start < midday - 3 * minute;
    expect(problems(reportAt(midday, silent))).toEqual(
      expect.arrayContaining(['signal_continuity_alert_active', 'signal_continuity_unproven']),
    );
    const oneSince = (start: number) => start < midday - 6 * minute || start >= midday - minute;
    expect(problems(reportAt(midday, oneSince))).toContain('signal_continuity_unproven');
  });

  it('[S7] is not stable while the objective of the session is missed', () => {
    const everyOtherFive = (start: number) => Math.floor((start - openAt) / (5 * minute)) % 3 !== 1;
    expect(problems(reportAt(midday, everyOtherFive))).toContain('signal_slo_not_met');
  });

  it('has a meaning for every code', () => {
    expect(Object.values(continuityCodes).every((meaning) => meaning.length > 20)).toBe(true);
  });
});
