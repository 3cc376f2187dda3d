import { hour, type Instant } from '../instant.ts';

/** A calendar date in New York, `YYYY-MM-DD`. Sessions are named by it. */
export type NewYorkDate = string;

const firstYear = 2007;
const lastYear = 2099;
const standardOffset = -5 * hour;
const daylightOffset = -4 * hour;

/** Day of the month of the n-th Sunday of a month (0 = January). */
const nthSunday = (year: number, month: number, n: number): number =>
  1 + ((7 - new Date(Date.UTC(year, month, 1)).getUTCDay()) % 7) + 7 * (n - 1);

/**
 * Daylight saving time by year, as [start, end): from 02:00 standard time on the second Sunday of March to 02:00
 * daylight time on the first Sunday of November (15 U.S.C. 260a, in force since 2007).
 */
const daylightSaving: readonly (readonly [Instant, Instant])[] = Array.from(
  { length: lastYear - firstYear + 1 },
  (_, index) => {
    const year = firstYear + index;
    return [
      Date.UTC(year, 2, nthSunday(year, 2, 2), 2) - standardOffset,
      Date.UTC(year, 10, nthSunday(year, 10, 1), 2) - daylightOffset,
    ] as const;
  },
);

const offsetAt = (at: Instant): number => {
  const saving = daylightSaving[new Date(at).getUTCFullYear() - firstYear];
  if (saving === undefined) {
    throw new RangeError(`New York time is known for ${firstYear} to ${lastYear}, found ${describe(at)}`);
  }
  return at >= saving[0] && at < saving[1] ? daylightOffset : standardOffset;
};

const describe = (at: Instant): string =>
  Number.isNaN(new Date(at).getTime()) ? String(at) : new Date(at).toISOString();

const wallTime = (at: Instant): string => new Date(at + offsetAt(at)).toISOString();

/**
 * The date in New York at an instant.
 * @throws RangeError outside 2007 to 2099: before 2007 another daylight saving rule was in force.
 */
export const newYorkDate = (at: Instant): NewYorkDate => wallTime(at).slice(0, 10);

/** The wall-clock time in New York at an instant, `HH:mm`. @throws RangeError outside 2007 to 2099. */
export const newYorkTime = (at: Instant): string => wallTime(at).slice(11, 16);

/**
 * The instant of a wall-clock time in New York. A time that occurs twice (the hour repeated in November) is the first
 * one; a time that does not occur (the hour skipped in March) is moved forward by the hour.
 * @throws RangeError when the date is not a real `YYYY-MM-DD`, the time not `HH:mm`, or the year outside 2007 to 2099.
 */
export const newYorkInstant = (date: NewYorkDate, time: string): Instant => {
  const wall = Date.parse(`${date}T${time}:00.000Z`);
  // The text form of what was parsed is compared because Date.parse accepts other forms and days such as 02-30.
  if (Number.isNaN(wall) || new Date(wall).toISOString() !== `${date}T${time}:00.000Z`) {
    throw new RangeError(`expected a New York date YYYY-MM-DD and time HH:mm, found "${date}" and "${time}"`);
  }
  const daylight = wall - daylightOffset;
  return offsetAt(daylight) === daylightOffset ? daylight : wall - standardOffset;
};
