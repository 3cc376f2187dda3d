/** A moment: milliseconds since 1970-01-01T00:00:00Z. Time zones exist only in `market/`. */
export type Instant = number;

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;

/** The one text form of an instant: `YYYY-MM-DDTHH:mm:ss.SSSZ`. */
export const toText = (at: Instant): string => new Date(at).toISOString();

// Engines accept far more than ISO-8601, each in its own way ("1", 30 February): what is read here is spelt out.
const timeText = /^(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * Parses ISO-8601 text of a date and a time with a zone, or ClickHouse's `YYYY-MM-DD HH:mm:ss[.SSS]` without one, which
 * is UTC by contract. Digits beyond the millisecond are cut off.
 * @throws RangeError when the text is not a time, or its day is not in the calendar.
 */
export const parseInstant = (text: string): Instant => {
  const [, date, zone] = timeText.exec(text) ?? [];
  const at = date === undefined ? Number.NaN : Date.parse(`${text.replace(' ', 'T')}${zone === undefined ? 'Z' : ''}`);
  if (!Number.isFinite(at) || date === undefined || !isCalendarDay(date))
    throw new RangeError(`expected an ISO-8601 time, found "${text}"`);
  return at;
};

const isCalendarDay = (date: string): boolean => {
  const day = Date.parse(`${date}T00:00:00.000Z`);
  return Number.isFinite(day) && toText(day).startsWith(date);
};

/** The largest multiple of `step` not after `at`. */
export const floorTo = (at: Instant, step: number): Instant => Math.floor(at / step) * step;
