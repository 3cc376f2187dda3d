import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CalendarDay,
  fallbackCalendar,
  fiveMinuteWindows,
  minute,
  newYorkInstant,
  sessionAt,
} from '@torghut/domain';

const calendar = new Map<string, CalendarDay>(
  fallbackCalendar('2026-11-23', '2026-11-30').map((day) => [day.date, day]),
);
const at = (date: string, time: string): number => newYorkInstant(date, time);
const full = '2026-11-25';
const half = '2026-11-27';

describe('the session', () => {
  it.each([
    ['09:30', -1, 'closed'],
    ['09:30', 0, 'open'],
    ['09:30', 1, 'open'],
    ['16:00', -1, 'open'],
    ['16:00', 0, 'closed'],
    ['16:00', 1, 'closed'],
  ])('at %s %+d ms of a full day is %s', (time, shift, kind) => {
    expect(sessionAt(at(full, time) + shift, calendar).kind).toBe(kind);
  });

  it('ends at 13:00 on a half day', () => {
    expect(sessionAt(at(half, '13:00') - 1, calendar).kind).toBe('open');
    expect(sessionAt(at(half, '13:00'), calendar).kind).toBe('closed');
  });

  it('is closed without alarm on holidays and weekends', () => {
    for (const date of ['2026-11-26', '2026-11-28']) {
      expect(sessionAt(at(date, '11:00'), calendar)).toMatchObject({
        kind: 'closed',
        sessionDate: date,
        openAt: null,
        alarm: null,
      });
    }
  });

  it('is unknown, closed for trading and alarmed on a date without a calendar row', () => {
    const now = at('2026-12-01', '11:00');
    const session = sessionAt(now, calendar);
    expect(session).toMatchObject({ kind: 'unknown', sessionDate: '2026-12-01', alarm: 'calendar_unknown' });
  });

  it.each([
    ['the clock says closed within the session', '11:00', '11:00', false],
    ['the clock says open before the session', '09:00', '09:00', true],
    ['an earlier reading already contradicted the calendar', '11:00', '10:59', false],
  ])('is closed and alarmed when %s', (_, now, readAt, isOpen) => {
    expect(sessionAt(at(full, now), calendar, { at: at(full, readAt), isOpen })).toMatchObject({
      kind: 'closed',
      alarm: 'clock_calendar_disagree',
    });
  });

  it('is open when a clock reading from before the open said closed, because it was right then', () => {
    expect(sessionAt(at(full, '09:31'), calendar, { at: at(full, '09:29'), isOpen: false }).kind).toBe('open');
  });

  it("knows today's bounds before the open and after the close", () => {
    const bounds = { openAt: at(full, '09:30'), closeAt: at(full, '16:00') };
    expect(sessionAt(at(full, '08:00'), calendar)).toMatchObject({ kind: 'closed', ...bounds });
    expect(sessionAt(at(full, '17:00'), calendar)).toMatchObject({ kind: 'closed', ...bounds });
  });
});

describe('five-minute windows', () => {
  const day = { openAt: at(full, '09:30'), closeAt: at(full, '16:00') };

  it('are 78 in a full day and 42 in a half day', () => {
    expect(fiveMinuteWindows(day, 0, Infinity)).toHaveLength(78);
    expect(fiveMinuteWindows({ openAt: at(half, '09:30'), closeAt: at(half, '13:00') }, 0, Infinity)).toHaveLength(42);
  });

  it('of a rolling four hours are 48, or 47 when the range starts within one', () => {
    const now = at(full, '14:03');
    const windows = fiveMinuteWindows(day, now - 240 * minute, now);
    expect(windows[0]).toEqual({ from: at(full, '10:05'), to: at(full, '10:10') });
    expect(windows.at(-1)).toEqual({ from: at(full, '13:55'), to: at(full, '14:00') });
    expect(windows).toHaveLength(47);
    expect(fiveMinuteWindows(day, at(full, '10:00'), at(full, '14:00'))).toHaveLength(48);
  });

  it('tile the session and stay within the asked range', () => {
    fc.assert(
      fc.property(fc.integer({ min: -500, max: 500 }), fc.integer({ min: -500, max: 500 }), (first, last) => {
        const [from, to] = [day.openAt + first * 61_000, day.openAt + last * 61_000];
        const windows = fiveMinuteWindows(day, from, to);
        windows.forEach((window, index) => {
          expect(window.to - window.from).toBe(5 * minute);
          expect((window.from - day.openAt) % (5 * minute)).toBe(0);
          expect(window.from).toBeGreaterThanOrEqual(Math.max(from, day.openAt));
          expect(window.to).toBeLessThanOrEqual(Math.min(to, day.closeAt));
          if (index > 0) expect(window.from).toBe(windows[index - 1]!.to);
        });
        const possible = Math.floor((Math.min(to, day.closeAt) - Math.max(from, day.openAt)) / (5 * minute));
        expect(windows.length).toBeGreaterThanOrEqual(Math.max(0, possible - 1));
      }),
    );
  });
});
