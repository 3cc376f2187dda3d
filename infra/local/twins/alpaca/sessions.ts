import { fallbackSession, newYorkDate } from '@torghut/domain';
import type { CalendarDay, Instant, TradingDay } from '@torghut/domain';

/** The twin's market calendar: the day in New York, closed days included. */
export type Calendar = (date: string) => CalendarDay;
export const ruleCalendar: Calendar = fallbackSession;

const dayMs = 86_400_000;
/** Longer than any run of days without a session since 1914. */
const longestClosureDays = 15;

const dateAfter = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T00:00:00.000Z`) + days * dayMs).toISOString().slice(0, 10);

/** The first session that closes after `at`: the one under way, or the next. */
export const sessionEndingAfter = (calendar: Calendar, at: Instant): TradingDay => {
  const today = newYorkDate(at);
  for (let days = 0; days <= longestClosureDays; days += 1) {
    const day = calendar(dateAfter(today, days));
    if (day.kind !== 'closed' && day.closeAt > at) return day;
  }
  throw new RangeError(`expected a session within ${longestClosureDays} days of ${today}, found none in the calendar`);
};

/** Sessions from one date to another, both included. */
export const sessionsBetween = (calendar: Calendar, from: string, to: string): TradingDay[] => {
  const days: TradingDay[] = [];
  for (let date = from; date <= to; date = dateAfter(date, 1)) {
    const day = calendar(date);
    if (day.kind !== 'closed') days.push(day);
  }
  return days;
};
