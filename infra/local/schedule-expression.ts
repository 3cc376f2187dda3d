import { floorTo, hour, type Instant, minute } from '@torghut/domain';

/**
 * When EventBridge Scheduler fires a `cron(minutes hours day-of-month month day-of-week year)` expression. Lists, ranges,
 * steps and names are understood; `L`, `W`, `#`, `rate(…)` and `at(…)` are refused.
 */
export interface CompiledSchedule {
  /** Whether the schedule fires at this instant; only whole minutes fire. */
  firesAt(at: Instant): boolean;
  /** The first firing after `after` (exclusive) within the coming 366 days, else null. */
  next(after: Instant): Instant | null;
}

interface Field {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Names of the values, in order from `from`. */
  readonly names?: readonly string[];
}

const fields = [
  { name: 'minutes', from: 0, to: 59 },
  { name: 'hours', from: 0, to: 23 },
  { name: 'day of month', from: 1, to: 31 },
  {
    name: 'month',
    from: 1,
    to: 12,
    names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  },
  { name: 'day of week', from: 1, to: 7, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] },
  { name: 'year', from: 1970, to: 2199 },
] as const satisfies readonly Field[];

type Matcher = (value: number) => boolean;

const parseValue = (text: string, field: Field): number => {
  const named = field.names?.indexOf(text.toUpperCase()) ?? -1;
  const value = named >= 0 ? field.from + named : /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= field.from && value <= field.to) return value;
  throw new RangeError(`${field.name}: expected a value from ${field.from} to ${field.to}, found "${text}"`);
};

const parseItem = (item: string, field: Field): Matcher => {
  const [range = '', stepText, ...rest] = item.split('/');
  const step = stepText === undefined ? 1 : Number(stepText);
  if (rest.length > 0 || !Number.isInteger(step) || step < 1) {
    throw new RangeError(`${field.name}: expected a step that is a positive whole number, found "${item}"`);
  }
  if (range === '*' || range === '?') return (value) => (value - field.from) % step === 0;
  const [first = '', last] = range.split('-');
  const from = parseValue(first, field);
  // A start with a step and no end runs to the end of the field: `5/10` is 5, 15, 25 …
  const to = last !== undefined ? parseValue(last, field) : stepText !== undefined ? field.to : from;
  if (to < from) throw new RangeError(`${field.name}: expected a range from low to high, found "${range}"`);
  return (value) => value >= from && value <= to && (value - from) % step === 0;
};

const parseField = (text: string, field: Field): Matcher => {
  const items = text.split(',').map((item) => parseItem(item, field));
  return (value) => items.some((matches) => matches(value));
};

interface WallClock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

const wallClockOf = (timezone: string): ((at: Instant) => WallClock) => {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  return (at) => {
    const parts = new Map(format.formatToParts(at).map((part) => [part.type, Number(part.value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? NaN;
    const [year, month, day] = [part('year'), part('month'), part('day')];
    return {
      year,
      month,
      day,
      weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1,
      hour: part('hour'),
      minute: part('minute'),
    };
  };
};

const asUtc = (wall: WallClock): Instant => Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute);

const parse = (expression: string): { day: (wall: WallClock) => boolean; time: (wall: WallClock) => boolean } => {
  const texts = /^cron\(([^()]*)\)$/.exec(expression)?.[1]?.trim().split(/\s+/);
  if (texts?.length !== fields.length) {
    throw new RangeError(`expected cron(minutes hours day-of-month month day-of-week year), found "${expression}"`);
  }
  if ((texts[2] === '?') === (texts[4] === '?')) {
    throw new RangeError(`expected "?" in exactly one of day of month and day of week, found "${expression}"`);
  }
  const [minutes, hours, dayOfMonth, month, dayOfWeek, year] = fields.map((field, index) =>
    parseField(texts[index] ?? '', field),
  ) as [Matcher, Matcher, Matcher, Matcher, Matcher, Matcher];
  return {
    day: (wall) => year(wall.year) && month(wall.month) && dayOfMonth(wall.day) && dayOfWeek(wall.weekday),
    time: (wall) => hours(wall.hour) && minutes(wall.minute),
  };
};

/** Longest look back across a change of the clocks. */
const transitionReach = 3 * hour;
const searchLimit = 366 * 24 * hour;

/**
 * @param timezone IANA name, such as `America/New_York`
 * @throws RangeError when the expression is not understood or the zone is unknown
 */
export const compileSchedule = (expression: string, timezone: string): CompiledSchedule => {
  const { day, time } = parse(expression);
  const wallClock = wallClockOf(timezone);

  /** Whether the clocks were set back and this wall-clock minute has been before; the service fires it once. */
  const isRepeated = (at: Instant, wall: WallClock): boolean => {
    const before = at - transitionReach;
    const setBack = asUtc(wallClock(before)) - before - (asUtc(wall) - at);
    return setBack > 0 && asUtc(wallClock(at - setBack)) === asUtc(wall);
  };
  const firesAt = (at: Instant): boolean => {
    if (at % minute !== 0) return false;
    const wall = wallClock(at);
    return day(wall) && time(wall) && !isRepeated(at, wall);
  };

  return {
    firesAt,
    next(after) {
      const end = after + searchLimit;
      let at = floorTo(after, minute) + minute;
      while (at <= end) {
        if (firesAt(at)) return at;
        const nextHour = floorTo(at, hour) + hour;
        // Every zone's day begins on a quarter of an hour of UTC; the hours before it need no look.
        at = !day(wallClock(at)) && !day(wallClock(nextHour - minute)) ? nextHour : at + minute;
      }
      return null;
    },
  };
};
