import { normalCdf, normalQuantile } from '@torghut/domain/statistics';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectClose, valueOf } from './helpers.ts';

describe('normal distribution', () => {
  test.each([
    [-8, 6.22096057427e-16, 1e-9],
    [-3, 0.0013498980316300957, 1e-12],
    [-1, 0.15865525393145707, 1e-12],
    [0, 0.5, 0],
    [0.5, 0.6914624612740131, 1e-12],
    [1, 0.8413447460685429, 1e-12],
    [3, 0.9986501019683699, 1e-12],
  ])('Phi(%d) = %d', (x, expected, tolerance) => {
    expectClose(normalCdf(x), expected, tolerance);
  });

  test.each([
    [1e-10, -6.361340902404056],
    [0.001, -3.090232306167813],
    [0.05, -1.6448536269514726],
    [0.5, 0],
    [0.95, 1.6448536269514722],
    [0.975, 1.9599639845400539],
    [0.999, 3.090232306167813],
  ])('Z(%d) = %d', (p, expected) => {
    expectClose(valueOf(normalQuantile(p)), expected, 1e-13);
  });

  test('the quantile inverts the distribution function, relatively in the lower tail', () => {
    fc.assert(
      fc.property(fc.double({ min: -30, max: 0, noNaN: true }), (exponent) => {
        const p = 0.5 * 2 ** (exponent * 4);
        expectClose(normalCdf(valueOf(normalQuantile(p))), p, 1e-12);
      }),
    );
  });

  test.each([0, 1, -0.1, 1.1, Number.NaN])('a probability of %d has no quantile', (p) => {
    expect(normalQuantile(p)).toMatchObject({ ok: false, code: 'probability_out_of_range' });
  });
});
