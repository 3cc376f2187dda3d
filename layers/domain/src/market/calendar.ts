import type { SessionKind } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import { type NewYorkDate, newYorkInstant } from './new-york.ts';

/** A day with a regular session, `[openAt, closeAt)`. */
export interface TradingDay {
  readonly date: NewYorkDate;
  readonly kind: Exclude<SessionKind, 'closed'>;
  readonly openAt: Instant;
  readonly closeAt: Instant;
  readonly extendedOpenAt: Instant | null;
  readonly extendedCloseAt: Instant | null;
  /** When trades of this day settle; null when the source does not say. */
  readonly settlementDate: NewYorkDate | null;
}

/** A weekend, a holiday, or a day the exchange did not open. */
export interface ClosedDay {
  readonly date: NewYorkDate;
  readonly kind: 'closed';
  readonly openAt: null;
  readonly closeAt: null;
  readonly extendedOpenAt: null;
  readonly extendedCloseAt: null;
  readonly settlementDate: null;
}

/** One row of the market calendar. */
export type CalendarDay = TradingDay | ClosedDay;

const sunday = 0;
const monday = 1;
const thursday = 4;
const saturday = 6;
const dayMs = 86_400_000;

/**
 * Days are handled as midnight UTC of the calendar date: a date has no time zone, so arithmetic on it has no daylight
 * saving either.
 */
const dayOf = (date: NewYorkDate): number => Date.parse(`${date}T00:00:00.000Z`);
const dateOf = (day: number): NewYorkDate => new Date(day).toISOString().slice(0, 10);
const dayAt = (year: number, month: number, dayOfMonth: number): number => Date.UTC(year, month - 1, dayOfMonth);
const weekday = (day: number): number => new Date(day).getUTCDay();

/** The n-th given weekday of a month. */
const nth = (year: number, month: number, which: number, n: number): number => {
  const first = dayAt(year, month, 1);
  return first + (((which - weekday(first) + 7) % 7) + 7 * (n - 1)) * dayMs;
};

/** The last Monday of May. */
const memorialDay = (year: number): number => {
  const last = dayAt(year, 5, 31);
  return last - ((weekday(last) - monday + 7) % 7) * dayMs;
};

/** Easter Sunday of the Gregorian calendar (anonymous computus; J. Meeus, Astronomical Algorithms, chapter 8). */
const easter = (year: number): number => {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const h = (19 * a + b - Math.floor(b / 4) - Math.floor((b - Math.floor((b + 8) / 25) + 1) / 3) + 15) % 30;
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const n = h + l - 7 * m + 114;
  return dayAt(year, Math.floor(n / 31), (n % 31) + 1);
};

/** NYSE Rule 7.2: a holiday on a Saturday closes the Friday before, one on a Sunday the Monday after. */
const observed = (day: number): number => {
  if (weekday(day) === saturday) return day - dayMs;
  return weekday(day) === sunday ? day + dayMs : day;
};

/** NYSE Rule 7.2: no Friday closure for a Saturday New Year's Day, because the Friday ends a yearly accounting period. */
const newYearsDay = (year: number): number => {
  const day = dayAt(year, 1, 1);
  return weekday(day) === saturday ? day : observed(day);
};

/** Holidays of the exchange by rule, with the first year each was kept. */
const holidays: readonly { readonly since?: number; readonly on: (year: number) => number }[] = [
  { on: newYearsDay },
  { on: (year) => nth(year, 1, monday, 3) }, // Martin Luther King Jr. Day
  { on: (year) => nth(year, 2, monday, 3) }, // Washington's Birthday
  { on: (year) => easter(year) - 2 * dayMs }, // Good Friday
  { on: memorialDay },
  { since: 2022, on: (year) => observed(dayAt(year, 6, 19)) }, // Juneteenth
  { on: (year) => observed(dayAt(year, 7, 4)) }, // Independence Day
  { on: (year) => nth(year, 9, monday, 1) }, // Labor Day
  { on: (year) => nth(year, 11, thursday, 4) }, // Thanksgiving
  { on: (year) => observed(dayAt(year, 12, 25)) }, // Christmas
];

/** Full-day closures outside the rules since 2007, as announced by the NYSE. */
const specialClosures: ReadonlySet<NewYorkDate> = new Set([
  '2007-01-02', // day of mourning for President Ford
  '2012-10-29', // Hurricane Sandy
  '2012-10-30', // Hurricane Sandy
  '2018-12-05', // day of mourning for President G. H. W. Bush
  '2025-01-09', // day of mourning for President Carter
]);

/** Days that close at 13:00: the day after Thanksgiving, and 3 July and Christmas Eve when they precede a holiday midweek. */
const halfDays: readonly ((year: number) => number)[] = [
  (year) => nth(year, 11, thursday, 4) + dayMs,
  (year) => dayAt(year, 7, 3),
  (year) => dayAt(year, 12, 24),
];

/**
 * Exchange open, banks closed: trades are made but nothing settles (FINRA Notices 95-77 and 88-82). The banks do not
 * move a Saturday holiday to the Friday.
 */
const bankHolidays: readonly ((year: number) => number)[] = [
  (year) => nth(year, 10, monday, 2), // Columbus Day
  (year) => dayAt(year, 11, 11) + (weekday(dayAt(year, 11, 11)) === sunday ? dayMs : 0), // Veterans Day
];

/** Settlement cycle in business days by first trade date (SEC Rule 15c6-1 and its amendments of 2017 and 2023). */
const settlementCycles: readonly { readonly from: NewYorkDate; readonly days: number }[] = [
  { from: '2024-05-28', days: 1 },
  { from: '2017-09-05', days: 2 },
  { from: '0000-00-00', days: 3 },
];

const yearOf = (day: number): number => new Date(day).getUTCFullYear();

const isClosed = (day: number): boolean => {
  const year = yearOf(day);
  return (
    weekday(day) === saturday ||
    weekday(day) === sunday ||
    specialClosures.has(dateOf(day)) ||
    holidays.some(({ since, on }) => year >= (since ?? year) && on(year) === day)
  );
};

/** Only called for days that are not closed, so 3 July and 24 December are never the observed holiday themselves. */
const isHalf = (day: number): boolean => halfDays.some((on) => on(yearOf(day)) === day);

const settlementOf = (day: number): NewYorkDate => {
  const date = dateOf(day);
  let remaining = settlementCycles.find(({ from }) => date >= from)?.days ?? 0;
  let settles = day;
  while (remaining > 0) {
    settles += dayMs;
    if (!isClosed(settles) && !bankHolidays.some((on) => on(yearOf(settles)) === settles)) remaining -= 1;
  }
  return dateOf(settles);
};

/**
 * The NYSE calendar by rule, for days the broker's calendar has not given (`source` fallback): regular session
 * 09:30-16:00 or 13:00, extended hours 04:00-20:00 or 17:00, New York time.
 *
 * Sessions are exact for the past since 2007. A future day of mourning or disaster cannot be known by rule: the
 * broker's row wins.
 * @throws RangeError when the date is not a real `YYYY-MM-DD` or outside 2007 to 2099.
 */
export const fallbackSession = (date: NewYorkDate): CalendarDay => {
  const openAt = newYorkInstant(date, '09:30');
  const day = dayOf(date);
  if (isClosed(day)) {
    return {
      date,
      kind: 'closed',
      openAt: null,
      closeAt: null,
      extendedOpenAt: null,
      extendedCloseAt: null,
      settlementDate: null,
    };
  }
  const half = isHalf(day);
  return {
    date,
    kind: half ? 'half' : 'full',
    openAt,
    closeAt: newYorkInstant(date, half ? '13:00' : '16:00'),
    extendedOpenAt: newYorkInstant(date, '04:00'),
    extendedCloseAt: newYorkInstant(date, half ? '17:00' : '20:00'),
    settlementDate: settlementOf(day),
  };
};

/**
 * Calendar days from `from` to `to` by rule, both included.
 * @throws RangeError as `fallbackSession`.
 */
export const fallbackCalendar = (from: NewYorkDate, to: NewYorkDate): CalendarDay[] => {
  const days: CalendarDay[] = [];
  for (let day = dayOf(from); day <= dayOf(to); day += dayMs) days.push(fallbackSession(dateOf(day)));
  return days;
};
