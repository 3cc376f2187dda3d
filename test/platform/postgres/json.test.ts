import { decimal } from '@torghut/domain';
import { jsonText, toJson } from '@torghut/platform';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('the serializer before a JSON column', () => {
  it('turns decimals, times, bigints and nested values into JSON primitives', () => {
    const value = {
      qty: decimal('1.50'),
      at: new Date('2026-02-13T15:04:05.000Z'),
      seq: 18_446_744_073_709_551_615n,
      absent: undefined,
      nothing: null,
      list: [decimal('0'), { deep: decimal('-2.5') }],
      bare: Object.assign(Object.create(null) as object, { ok: true }),
    };
    expect(jsonText(value)).toBe(
      '{"qty":"1.5","at":"2026-02-13T15:04:05.000Z","seq":"18446744073709551615","nothing":null,' +
        '"list":["0",{"deep":"-2.5"}],"bare":{"ok":true}}',
    );
  });

  it.each<[string, unknown, RegExp]>([
    ['NaN', { risk: { ratio: NaN } }, /^risk\.ratio cannot be stored as JSON: found NaN; store null and a code$/],
    ['an infinity', [1, -Infinity], /^\[1\] cannot be stored as JSON: found -Infinity/],
    ['a Map', { positions: new Map() }, /^positions cannot be stored as JSON: found a Map$/],
    ['an instance of a class', new URL('http://localhost'), /^the value cannot be stored as JSON: found a URL$/],
    ['a function', { work: () => 1 }, /found function$/],
    ['undefined by itself', undefined, /found undefined$/],
    ['an invalid Date', { at: new Date(NaN) }, /^at cannot be stored as JSON: found an invalid Date$/],
    ['a NUL character', { note: 'a\0b' }, /^note cannot be stored .* NUL/],
    ['a lone surrogate', ['\ud800'], /^\[0\] cannot be stored .* lone surrogate/],
  ])('refuses %s and names the path', (_, value, message) => {
    expect(() => toJson(value)).toThrow(message);
  });

  it('leaves JSON as it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, stringUnit: 'grapheme' }), (value) => {
        fc.pre(!JSON.stringify(value).includes('\\u0000'));
        expect(toJson(value)).toEqual(value);
      }),
    );
  });
});
