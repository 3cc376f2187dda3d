import {
  decimal,
  decimalText,
  floorDecimal,
  fromDouble,
  isDecimalText,
  maxDecimal,
  minDecimal,
  zero,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Decimals as text: up to 30 digits, and an exact integer of 10^-scale beside it. */
const scaled = fc.record({
  units: fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
  scale: fc.integer({ min: 0, max: 12 }),
});
const textOf = ({ units, scale }: { units: bigint; scale: number }): string => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${units < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`;
};

describe('decimals', () => {
  it.each([
    ['1', '1'],
    ['1.50', '1.5'],
    ['-0', '0'],
    ['-0.000', '0'],
    ['007', '7'],
    ['100', '100'],
    ['0.00000001', '0.00000001'],
    ['1000000000000000000000000', '1000000000000000000000000'],
    ['0.000000000000000000001', '0.000000000000000000001'],
  ])('writes %s as %s: no exponent, no trailing zeros, no -0', (text, canonical) => {
    expect(decimalText(decimal(text))).toBe(canonical);
  });

  it('keeps every digit of a number, and its canonical text is its own', () => {
    fc.assert(
      fc.property(scaled, (value) => {
        const text = decimalText(decimal(textOf(value)));
        expect(text).toMatch(/^(?:0|-?(?:[1-9]\d*|0)(?:\.\d*[1-9])?)$/);
        expect(decimal(text).eq(decimal(textOf(value)))).toBe(true);
        expect(decimalText(decimal(text))).toBe(text);
      }),
    );
  });

  it('adds and multiplies exactly, where doubles do not', () => {
    expect(decimalText(decimal('0.1').plus(decimal('0.2')))).toBe('0.3');
    fc.assert(
      fc.property(scaled, scaled, (a, b) => {
        const product = decimal(textOf(a)).times(decimal(textOf(b)));
        expect(decimalText(product)).toBe(
          decimalText(decimal(textOf({ units: a.units * b.units, scale: a.scale + b.scale }))),
        );
      }),
    );
  });

  it.each(['', ' 1', '+1', '1e3', '.5', '5.', '1,000', 'NaN', 'Infinity', '0x1', '--1'])(
    'refuses "%s" and says what was expected and found',
    (text) => {
      expect(isDecimalText(text)).toBe(false);
      expect(() => decimal(text)).toThrow(new RangeError(`expected a decimal number, found "${text}"`));
    },
  );

  it('takes no binary floats but through the named boundary', () => {
    expect(() => zero.plus(0.1)).toThrow(TypeError);
    expect(decimalText(fromDouble(0.1 + 0.2))).toBe('0.3');
    expect(decimalText(fromDouble(-1e-9))).toBe('0');
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => fromDouble(value)).toThrow(new RangeError(`expected a finite number, found ${value}`));
  });

  it('floors toward minus infinity, and by less than one unit of the last place', () => {
    expect(decimalText(floorDecimal(decimal('1.999'), 0))).toBe('1');
    expect(decimalText(floorDecimal(decimal('-1.001'), 0))).toBe('-2');
    expect(decimalText(floorDecimal(decimal('-2'), 0))).toBe('-2');
    fc.assert(
      fc.property(scaled, fc.integer({ min: 0, max: 8 }), (value, places) => {
        const exact = decimal(textOf(value));
        const gap = exact.minus(floorDecimal(exact, places));
        expect(gap.gte(zero) && gap.lt(decimal(textOf({ units: 1n, scale: places })))).toBe(true);
      }),
    );
  });

  it('picks the smallest and the largest', () => {
    const [two, ten, minusOne] = [decimal('2'), decimal('10'), decimal('-1')];
    expect(minDecimal(two, ten, minusOne)).toBe(minusOne);
    expect(maxDecimal(two, ten, minusOne)).toBe(ten);
    expect(minDecimal(two)).toBe(two);
  });
});
