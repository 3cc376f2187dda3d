import { Big } from 'big.js';

/**
 * Money and quantities. Division keeps 20 fractional digits; everything stored is `numeric(20,8)`. Never built from the
 * result of binary floating-point arithmetic on money: a double enters only through `fromDouble`, at a named boundary.
 */
const constructor = Big();
constructor.DP = 20;
constructor.RM = 0;
constructor.strict = true;

export type Decimal = Big;
/** Canonical text: no exponent, no leading `+`, no trailing zeros, no `-0`. */
export type DecimalText = string;

const canonical = /^-?\d+(?:\.\d+)?$/;

/** @throws RangeError when the text is not a plain decimal number. */
export const decimal = (text: DecimalText): Decimal => {
  if (!canonical.test(text)) throw new RangeError(`expected a decimal number, found "${text}"`);
  return constructor(text);
};

/** Whether the text can be read by `decimal`. */
export const isDecimalText = (text: string): boolean => canonical.test(text);

/**
 * A decimal from a measured double (a price column of the signal store), rounded to 8 places as stored.
 * @throws RangeError for NaN and infinities.
 */
export const fromDouble = (value: number): Decimal => {
  if (!Number.isFinite(value)) throw new RangeError(`expected a finite number, found ${value}`);
  return decimal(value.toFixed(8));
};

/** Canonical text of a decimal. */
export const decimalText = (value: Decimal): DecimalText => {
  const fixed = value.toFixed();
  const trimmed = fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
  return trimmed === '-0' ? '0' : trimmed;
};

export const zero: Decimal = decimal('0');
export const minDecimal = (first: Decimal, ...rest: Decimal[]): Decimal =>
  rest.reduce((a, b) => (b.lt(a) ? b : a), first);
export const maxDecimal = (first: Decimal, ...rest: Decimal[]): Decimal =>
  rest.reduce((a, b) => (b.gt(a) ? b : a), first);

/** Largest multiple of 10^-places that is not above the value (toward zero for positive values). */
export const floorDecimal = (value: Decimal, places: number): Decimal => value.round(places, value.lt(zero) ? 3 : 0);
