import pg from 'pg';
import type { CustomTypesConfig } from 'pg';

type Parse = (text: string) => unknown;

const { builtins } = pg.types;
// The driver's list of type oids has no array types.
const arrayOf: Readonly<Record<'int8' | 'numeric' | 'timestamptz' | 'date' | 'text', number>> = {
  int8: 1016,
  numeric: 1231,
  timestamptz: 1185,
  date: 1182,
  text: 1009,
};
const defaultParser = pg.types.getTypeParser as (oid: number, format?: 'text' | 'binary') => Parse;

/** Epoch milliseconds; what is finer is cut off. */
const parseTime: Parse = (text) => {
  // `2026-02-13 15:04:05.123456+00`; the zone is the session's, in hours or hours and minutes.
  const zoned = /[+-]\d\d$/.test(text) ? `${text}:00` : text;
  const at = Date.parse(zoned.replace(' ', 'T'));
  if (!Number.isFinite(at)) throw new RangeError(`expected a finite timestamptz in ISO style, found "${text}"`);
  return at;
};

const parseInteger: Parse = (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`expected an int8 of at most 53 bits, found ${text}`);
  return value;
};

const parseText: Parse = (text) => text;

const parseTextArray = defaultParser(arrayOf.text) as (text: string) => readonly (string | null)[];
const parseArray =
  (element: Parse): Parse =>
  (text) =>
    parseTextArray(text).map((item) => (item === null ? null : element(item)));

const parsers = new Map<number, Parse>([
  [builtins.TIMESTAMPTZ, parseTime],
  [builtins.INT8, parseInteger],
  [builtins.NUMERIC, parseText],
  [builtins.DATE, parseText],
  [arrayOf.timestamptz, parseArray(parseTime)],
  [arrayOf.int8, parseArray(parseInteger)],
  [arrayOf.numeric, parseArray(parseText)],
  [arrayOf.date, parseArray(parseText)],
]);

/**
 * How columns are read: timestamptz as epoch milliseconds, numeric as text, int8 as a safe integer, date as
 * `YYYY-MM-DD`, arrays of them likewise; everything else as `pg` does. Belongs to a pool, not to the process.
 */
export const columnTypes: CustomTypesConfig = {
  getTypeParser: (oid, format) => (format === 'binary' ? undefined : parsers.get(oid)) ?? defaultParser(oid, format),
};
