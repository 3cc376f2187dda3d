import {
  dayDrawdown,
  maximumDrawdown,
  momentsOf,
  omegaRatio,
  profitFactor,
  sortinoRatio,
  normalQuantile,
} from '@torghut/domain/statistics';
import { describe, expect, test } from 'vitest';
import { expectClose, valueOf, vectorA, vectorB } from './helpers.ts';

describe('moments', () => {
  test('are those of the published vector', () => {
    const moments = valueOf(momentsOf(vectorA));
    expectClose(moments.mean, 0.19141666666666665);
    expectClose(moments.standardDeviation, 0.16949039035957886);
    expectClose(moments.sharpe, 1.1293658965595073);
    expectClose(moments.skewness, 0.2270885598348457);
    expectClose(moments.kurtosis, 2.5861805061852956);
  });

  test('a benchmark is taken off the mean alone: .834364 as published', () => {
    const moments = valueOf(momentsOf(vectorA, 0.05));
    expectClose(moments.sharpe, 0.8343639209671239);
    expect(moments.sharpe.toFixed(6)).toBe('0.834364');
  });

  test('kurtosis of a normal sample is about 3, not about 0', () => {
    const count = 20_000;
    const sample = Float64Array.from({ length: count }, (_, index) => valueOf(normalQuantile((index + 0.5) / count)));
    expect(valueOf(momentsOf(sample)).kurtosis).toBeCloseTo(3, 1);
  });

  test.each([
    [[1], 'too_few_observations'],
    [[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 'no_variance'],
    [[1, Number.NaN, 2], 'not_finite'],
    [[1, Infinity], 'not_finite'],
  ] as const)('%j has none: %s', (values, code) => {
    expect(momentsOf(values)).toMatchObject({ ok: false, code });
  });
});

describe('performance', () => {
  test('Omega of the published vector', () => {
    expectClose(valueOf(omegaRatio(vectorA, 0.01)), 20.61261261261261);
  });

  test('Sortino of the published vector: deviation over all observations', () => {
    expectClose(valueOf(sortinoRatio(vectorB)), 4.417261042993861);
  });

  test('drawdown of the peak and of the day start are two numbers', () => {
    const equity = [100, 104, 101, 99, 103, 108, 97, 102];
    expectClose(valueOf(maximumDrawdown(equity)), 0.10185185185185185);
    expectClose(valueOf(dayDrawdown(equity)), 0.03);
    expect(valueOf(dayDrawdown([100, 101]))).toBe(0);
  });

  test('what has no loss has no profit factor', () => {
    expect(valueOf(profitFactor([3, -1, -1]))).toBe(1.5);
    expect(profitFactor([1, 2])).toMatchObject({ ok: false, code: 'undefined_for_input' });
    expect(sortinoRatio([1, 2])).toMatchObject({ ok: false, code: 'undefined_for_input' });
    expect(maximumDrawdown([])).toMatchObject({ ok: false, code: 'too_few_observations' });
    expect(maximumDrawdown([1, 0])).toMatchObject({ ok: false, code: 'parameter_out_of_range' });
  });
});
