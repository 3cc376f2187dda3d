import { minute } from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compileSchedule } from '../../infra/local/schedule-expression.ts';

const newYork = (expression: string) => compileSchedule(expression, 'America/New_York');
const at = (text: string): number => Date.parse(text);
const session = newYork('cron(* 9-16 ? * MON-FRI *)');

/** Firings of one UTC day, as `HH:mm`. */
const firingsOn = (date: string, expression: string): readonly string[] => {
  const schedule = newYork(expression);
  return Array.from({ length: 1_440 }, (_, index) => at(`${date}T00:00:00Z`) + index * minute)
    .filter((instant) => schedule.firesAt(instant))
    .map((instant) => new Date(instant).toISOString().slice(11, 16));
};

describe('a schedule in New York time', () => {
  it('fires every minute of the hours it names, and only on whole minutes', () => {
    const winter = firingsOn('2026-02-13', 'cron(* 9-16 ? * MON-FRI *)');
    expect([winter.length, winter[0], winter.at(-1)]).toEqual([480, '14:00', '21:59']);
    expect(session.firesAt(at('2026-02-13T15:00:01Z'))).toBe(false);
  });

  it('moves in UTC with daylight saving time', () => {
    expect(firingsOn('2026-03-06', 'cron(30 9 ? * MON-FRI *)')).toEqual(['14:30']);
    expect(firingsOn('2026-03-09', 'cron(30 9 ? * MON-FRI *)')).toEqual(['13:30']);
  });

  it('keeps still at weekends', () => {
    expect(firingsOn('2026-02-14', 'cron(* * ? * MON-FRI *)').at(-1)).toBe('04:59');
    expect(firingsOn('2026-02-15', 'cron(* * ? * MON-FRI *)')).toEqual([]);
  });

  it('skips a time that the spring change leaves out, and fires once at one that the autumn change repeats', () => {
    expect(firingsOn('2026-03-08', 'cron(30 2 ? * * *)')).toEqual([]);
    expect(firingsOn('2026-11-01', 'cron(30 1 ? * * *)')).toEqual(['05:30']);
    expect(firingsOn('2026-11-01', 'cron(30 2 ? * * *)')).toEqual(['07:30']);
  });

  it('finds the next firing across a weekend and a change of the clocks', () => {
    expect(session.next(at('2026-03-06T21:59:00Z'))).toBe(at('2026-03-09T13:00:00Z'));
    expect(session.next(at('2026-03-09T13:00:00Z'))).toBe(at('2026-03-09T13:01:00Z'));
    expect(newYork('cron(0 12 1 1 ? 2020)').next(at('2026-01-01T00:00:00Z'))).toBeNull();
  });

  it('finds no firing between an instant and the next one', () => {
    const expressions = ['cron(* 9-16 ? * MON-FRI *)', 'cron(*/15 4-20 ? * MON-FRI *)', 'cron(7 3 1,15 * ? *)'].map(
      newYork,
    );
    const instant = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') });
    fc.assert(
      fc.property(instant, fc.constantFrom(...expressions), (after, schedule) => {
        const next = schedule.next(after)!;
        expect(next).toBeGreaterThan(after);
        expect(schedule.firesAt(next)).toBe(true);
        for (let before = next - minute; before > after && before > next - 720 * minute; before -= minute) {
          expect(schedule.firesAt(before)).toBe(false);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('cron fields', () => {
  it.each([
    ['cron(*/20 * * * ? *)', ['00', '20', '40']],
    ['cron(5/25 * * * ? *)', ['05', '30', '55']],
    ['cron(10-14/2 * * * ? *)', ['10', '12', '14']],
    ['cron(0,59 * * * ? *)', ['00', '59']],
  ])('%s fires at minutes %j', (expression, minutes) => {
    const firings = firingsOn('2026-02-13', expression).map((time) => time.slice(3));
    expect([...new Set(firings)]).toEqual(minutes);
  });

  it('understands names, numbers and dates alike', () => {
    const friday = at('2026-02-13T15:00:00Z');
    expect(
      ['cron(0 10 ? FEB fri *)', 'cron(0 10 ? 2 6 2026)', 'cron(0 10 13 2 ? *)'].map((text) =>
        newYork(text).firesAt(friday),
      ),
    ).toEqual([true, true, true]);
    expect(newYork('cron(0 10 ? JAN FRI *)').firesAt(friday)).toBe(false);
  });

  it.each([
    ['rate(1 minute)', 'expected cron(minutes hours'],
    ['cron(* * * * ?)', 'expected cron(minutes hours'],
    ['cron(* * * * * *)', 'expected "?" in exactly one'],
    ['cron(* * ? * ? *)', 'expected "?" in exactly one'],
    ['cron(60 * * * ? *)', 'minutes: expected a value from 0 to 59, found "60"'],
    ['cron(* 16-9 * * ? *)', 'hours: expected a range from low to high, found "16-9"'],
    ['cron(*/0 * * * ? *)', 'minutes: expected a step'],
    ['cron(0 9 L * ? *)', 'day of month: expected a value from 1 to 31, found "L"'],
    ['cron(0 9 ? * 6#3 *)', 'day of week: expected a value from 1 to 7, found "6#3"'],
  ])('refuses %s', (expression, message) => {
    expect(() => newYork(expression)).toThrow(message);
  });

  it('refuses a zone that does not exist', () => {
    expect(() => compileSchedule('cron(* * * * ? *)', 'America/Torghut')).toThrow(RangeError);
  });
});
