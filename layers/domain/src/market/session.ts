import { hour, type Instant, minute } from '../instant.ts';
import type { CalendarDay, TradingDay } from './calendar.ts';
import { type NewYorkDate, newYorkDate } from './new-york.ts';

/** Why trading is closed although nobody planned it; raises an alarm. */
export type SessionAlarm = 'calendar_unknown' | 'clock_calendar_disagree';

/** The session in force at an instant. `day` is the calendar row of the New York date, if there is one. */
export type Session =
  | {
      readonly kind: 'open';
      readonly sessionDate: NewYorkDate;
      readonly openAt: Instant;
      readonly closeAt: Instant;
      readonly day: TradingDay;
      readonly alarm: null;
    }
  | {
      readonly kind: 'closed';
      readonly sessionDate: NewYorkDate;
      /** Bounds of today's session, before it or after it; null on a day without one. */
      readonly openAt: Instant | null;
      readonly closeAt: Instant | null;
      readonly day: CalendarDay;
      readonly alarm: SessionAlarm | null;
    }
  /** No calendar row for the date: closed for trading. */
  | {
      readonly kind: 'unknown';
      readonly sessionDate: NewYorkDate;
      readonly openAt: null;
      readonly closeAt: null;
      readonly day: null;
      readonly alarm: 'calendar_unknown';
    };

/** A reading of the broker's clock: whether the market was open at the broker's own time `at`. */
export interface MarketClockReading {
  readonly at: Instant;
  readonly isOpen: boolean;
}

const isOpenAt = (day: CalendarDay | undefined, at: Instant): boolean =>
  day !== undefined && day.kind !== 'closed' && at >= day.openAt && at < day.closeAt;

/**
 * The session at `now`, from calendar rows by New York date. Regular hours are `[openAt, closeAt)`.
 *
 * A clock reading is compared with the calendar at the reading's own time, so an old reading is not a disagreement;
 * one that does disagree closes the session, because one of the two is wrong.
 */
export const sessionAt = (
  now: Instant,
  calendar: ReadonlyMap<NewYorkDate, CalendarDay>,
  clock: MarketClockReading | null = null,
): Session => {
  const sessionDate = newYorkDate(now);
  const day = calendar.get(sessionDate);
  if (day === undefined) {
    return { kind: 'unknown', sessionDate, openAt: null, closeAt: null, day: null, alarm: 'calendar_unknown' };
  }
  const disagree = clock !== null && clock.isOpen !== isOpenAt(calendar.get(newYorkDate(clock.at)), clock.at);
  if (!disagree && day.kind !== 'closed' && isOpenAt(day, now)) {
    return { kind: 'open', sessionDate, openAt: day.openAt, closeAt: day.closeAt, day, alarm: null };
  }
  const alarm = disagree ? 'clock_calendar_disagree' : null;
  return { kind: 'closed', sessionDate, openAt: day.openAt, closeAt: day.closeAt, day, alarm };
};

const dayMs = 24 * hour;
/** Longer than any closure of the exchange; order sync keeps the calendar further ahead than this. */
const nextSessionDays = 10;

/**
 * Open of the next session that begins after `now`; null when a date before it has no calendar row, because nobody can say
 * then that it is the next.
 */
export const nextSessionOpen = (
  now: Instant,
  calendar: readonly Pick<CalendarDay, 'date' | 'openAt'>[],
): Instant | null => {
  const byDate = new Map(calendar.map((day) => [day.date, day]));
  const today = Date.parse(newYorkDate(now));
  for (let day = today; day <= today + nextSessionDays * dayMs; day += dayMs) {
    const row = byDate.get(new Date(day).toISOString().slice(0, 10));
    if (row === undefined) return null;
    if (row.openAt !== null && row.openAt > now) return row.openAt;
  }
  return null;
};

/** A half-open interval `[from, to)`. */
export interface TimeWindow {
  readonly from: Instant;
  readonly to: Instant;
}

export const sloWindowMs = 5 * minute;

/**
 * The five-minute windows of a regular session, counted from its open, that lie wholly within `[from, to]`. They are the
 * denominator of the signal objective: derived from the calendar, so that a scheduler that died is counted as missed.
 */
export const fiveMinuteWindows = (
  session: Pick<TradingDay, 'openAt' | 'closeAt'>,
  from: Instant,
  to: Instant,
): TimeWindow[] => {
  const skipped = Math.max(0, Math.ceil((from - session.openAt) / sloWindowMs));
  const end = Math.min(to, session.closeAt);
  const windows: TimeWindow[] = [];
  for (let at = session.openAt + skipped * sloWindowMs; at + sloWindowMs <= end; at += sloWindowMs) {
    windows.push({ from: at, to: at + sloWindowMs });
  }
  return windows;
};
