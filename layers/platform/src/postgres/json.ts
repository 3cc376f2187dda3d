import { decimalText, zero } from '@torghut/domain';
import type { Decimal, Json } from '@torghut/domain';

// big.js shares one prototype among its constructors, so this recognises every decimal.
const decimalPrototype: unknown = Object.getPrototypeOf(zero);

const refuse = (path: string, found: string): never => {
  throw new TypeError(`${path === '' ? 'the value' : path} cannot be stored as JSON: found ${found}`);
};

const textOf = (text: string, path: string): string =>
  text.includes('\0') || !text.isWellFormed() ? refuse(path, 'text with NUL or a lone surrogate') : text;

const objectOf = (value: object, path: string): Json => {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === decimalPrototype) return decimalText(value as Decimal);
  if (value instanceof Date)
    return Number.isFinite(value.getTime()) ? value.toISOString() : refuse(path, 'an invalid Date');
  if (Array.isArray(value)) return value.map((item, index) => toJson(item, `${path}[${index}]`));
  if (prototype !== Object.prototype && prototype !== null) return refuse(path, `a ${value.constructor.name}`);
  const members: Record<string, Json> = {};
  for (const [key, member] of Object.entries(value)) {
    const memberPath = path === '' ? key : `${path}.${key}`;
    textOf(key, memberPath);
    if (member !== undefined) members[key] = toJson(member, memberPath);
  }
  return members;
};

/**
 * The one way into a JSON column: decimals become canonical text, Dates ISO text, bigints decimal text; members that
 * are undefined are left out.
 * @throws TypeError, naming the path, for NaN, infinities, functions, class instances and text Postgres cannot hold.
 */
export const toJson = (value: unknown, path = ''): Json => {
  switch (typeof value) {
    case 'string':
      return textOf(value, path);
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : refuse(path, `${value}; store null and a code`);
    case 'bigint':
      return value.toString();
    case 'object':
      return value === null ? null : objectOf(value, path);
    case 'undefined':
    case 'function':
    case 'symbol':
      return refuse(path, typeof value);
  }
};

/** Text of `toJson`, as a parameter for a jsonb column. */
export const jsonText = (value: unknown): string => JSON.stringify(toJson(value));
