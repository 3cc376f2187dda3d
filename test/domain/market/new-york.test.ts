import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minute, newYorkDate, newYorkInstant, newYorkTime, parseInstant } from '@torghut/domain';

const oracle = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'America/New_York',
  hourCycle: 'h23',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
});
/** `YYYY-MM-DD HH:mm` by the platform's own time zone data. */
const wallClock = (at: number): string => oracle.format(at).replace(', ', ' ');
const ours = (at: number): string => `${newYorkDate(at)} ${newYorkTime(at)}`;

/** Instants at which the oracle's offset changes, found by bisection of every day of the years. */
const changes = (() => {
  const offset = (at: number): number => parseInstant(`${wallClock(at).replace(' ', 'T')}:00Z`) - at;
  const found: number[] = [];
  const day = 1_440 * minute;
  for (let at = Date.UTC(2007, 0, 1); at < Date.UTC(2038, 0, 1); at += day) {
    if (offset(at) === offset(at + day)) continue;
    let [low, high] = [at, at + day];
    while (high - low > minute) {
      const middle = low + Math.floor((high - low) / (2 * minute)) * minute;
      if (offset(middle) === offset(low)) low = middle;
      else high = middle;
    }
    found.push(high);
  }
  return found;
})();

describe('New York time', () => {
  it('agrees with the IANA time zone data at any instant from 2007 to 2037', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2007, 0, 1, 6), max: Date.UTC(2037, 11, 31) }), (at) => {
        expect(ours(at)).toBe(wallClock(at));
      }),
      { numRuns: 3_000 },
    );
  });

  it('changes the offset at exactly the millisecond the IANA data does, in every year', () => {
    expect(changes).toHaveLength(62);
    for (const change of changes) {
      for (const at of [change - minute, change - 1, change, change + 1, change + minute])
        expect(ours(at)).toBe(wallClock(at));
    }
  });

  it('finds the instant of every minute of a wall clock that occurs once', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2007, 0, 2) / minute, max: Date.UTC(2037, 11, 31) / minute }), (count) => {
        const at = count * minute;
        // The hour that occurs twice has two instants for one text; the first is checked below.
        fc.pre(wallClock(at - 60 * minute) !== wallClock(at));
        expect(newYorkInstant(newYorkDate(at), newYorkTime(at))).toBe(at);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['the first of two 01:30 in November', '2026-11-01', '01:30', '2026-11-01T05:30:00.000Z'],
    ['the skipped 02:30 in March, moved forward', '2026-03-08', '02:30', '2026-03-08T07:30:00.000Z'],
    ['an open in winter', '2026-02-13', '09:30', '2026-02-13T14:30:00.000Z'],
    ['an open in summer', '2026-07-02', '09:30', '2026-07-02T13:30:00.000Z'],
    ['a leap day', '2028-02-29', '16:00', '2028-02-29T21:00:00.000Z'],
  ])('places %s', (_, date, time, expected) => {
    expect(new Date(newYorkInstant(date, time)).toISOString()).toBe(expected);
  });

  it('keeps the date of New York at the change of the year in UTC', () => {
    expect(newYorkDate(Date.UTC(2027, 0, 1, 4, 59, 59, 999))).toBe('2026-12-31');
    expect(newYorkDate(Date.UTC(2027, 0, 1, 5))).toBe('2027-01-01');
  });

  it.each([
    ['2026-02-30', '09:30'],
    ['2026-2-3', '09:30'],
    ['2026-02-03', '9:30'],
    ['2026-02-03', '24:00'],
    ['', ''],
  ])('refuses %j %j', (date, time) => {
    expect(() => newYorkInstant(date, time)).toThrow(
      `expected a New York date YYYY-MM-DD and time HH:mm, found "${date}" and "${time}"`,
    );
  });

  it('refuses instants of years whose rule it does not know', () => {
    expect(() => newYorkDate(Date.UTC(2006, 5, 1))).toThrow(
      'New York time is known for 2007 to 2099, found 2006-06-01T00:00:00.000Z',
    );
    expect(() => newYorkDate(NaN)).toThrow('found NaN');
  });
});
