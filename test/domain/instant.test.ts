import { floorTo, hour, minute, parseInstant, second, toText } from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const at = Date.UTC(2026, 1, 13, 15, 4, 5);
const anyInstant = fc.integer({ min: Date.UTC(1970, 0, 1), max: Date.UTC(9999, 11, 31, 23, 59, 59, 999) });

describe('instants', () => {
  it('has one text form, UTC with three decimals, which reads back as the same instant', () => {
    expect(toText(at)).toBe('2026-02-13T15:04:05.000Z');
    fc.assert(
      fc.property(anyInstant, (instant) => {
        expect(toText(instant)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(parseInstant(toText(instant))).toBe(instant);
      }),
    );
  });

  it.each([
    ['2026-02-13 15:04:05', 0],
    ['2026-02-13 15:04:05.250', 250],
    ['2026-02-13T15:04:05', 0],
  ])('reads a time without a zone, %s, as UTC and never as local time', (text, milliseconds) => {
    expect(parseInstant(text)).toBe(at + milliseconds);
  });

  it.each([
    '2026-02-13T10:04:05-05:00',
    '2026-02-13T10:04:05-0500',
    '2026-02-13T15:04:05.000000001Z',
    '2026-02-13T16:04:05+01:00',
  ])('reads %s as the instant it names', (text) => {
    expect(parseInstant(text)).toBe(at);
  });

  it.each([
    '',
    '1',
    'now',
    '2026',
    '2026-02-13',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-02-13T25:00:00Z',
    '13 Feb 2026 15:04:05',
    '2026-02-13T15:04:05 Z',
  ])('refuses "%s" and says what was expected and found', (text) => {
    expect(() => parseInstant(text)).toThrow(new RangeError(`expected an ISO-8601 time, found "${text}"`));
  });

  it('refuses any text that is not a time', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text)),
        (text) => {
          expect(() => parseInstant(text)).toThrow(RangeError);
        },
      ),
    );
  });

  it('floors to the multiple of a step at or before the instant', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e14, max: 1e14 }),
        fc.constantFrom(second, minute, 5 * minute, hour),
        (instant, step) => {
          const floored = floorTo(instant, step);
          expect(Math.abs(floored % step)).toBe(0);
          expect(instant - floored).toBeGreaterThanOrEqual(0);
          expect(instant - floored).toBeLessThan(step);
        },
      ),
    );
  });
});
