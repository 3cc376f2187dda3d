import {
  brierScore,
  bootstrapInterval,
  expectedCalibrationError,
  falseDiscoveryRejections,
  meanInterval,
  meanOf,
  momentsOf,
  seedOf,
  seededUniform,
  sharpeDifference,
  type Forecast,
} from '@torghut/domain/statistics';
import { describe, expect, test } from 'vitest';
import { lcg } from '../../support/lcg.ts';
import { expectClose, valueOf, vectorA } from './helpers.ts';

describe('stationary bootstrap', () => {
  test('replicates of the published vector', () => {
    const { sorted, low, high, median } = valueOf(
      meanInterval(vectorA, { replicates: 1000, meanBlock: 4 }, lcg(12345)),
    );
    expectClose(sorted[0] ?? 0, 0.06941666666666668);
    expectClose(low, 0.11824999999999998);
    expectClose(median, 0.19049999999999997);
    expectClose(high, 0.26375);
    expectClose(sorted[999] ?? 0, 0.2981666666666667);
    expectClose(meanOf(sorted), 0.18934200000000007);
  });

  test('a replicate without a value makes no narrower interval', () => {
    const found = bootstrapInterval(3, { replicates: 200, meanBlock: 3 }, lcg(1), (indices) => {
      const moments = momentsOf(Array.from(indices, (index) => [0.1, 0.1, 0.2][index] ?? 0));
      return moments.ok ? moments.value.sharpe : Number.NaN;
    });
    expect(found).toMatchObject({ ok: false, code: 'not_finite' });
  });

  test.each([
    [1, 1000, 4, 'too_few_observations'],
    [12, 39, 4, 'parameter_out_of_range'],
    [12, 1000, 0.5, 'parameter_out_of_range'],
  ] as const)('%d observations, %d replicates, blocks of %d are refused', (count, replicates, meanBlock, code) => {
    expect(bootstrapInterval(count, { replicates, meanBlock }, lcg(1), () => 0)).toMatchObject({ ok: false, code });
  });
});

describe('seeded generator', () => {
  test('equal seeds draw equal numbers within [0, 1), and uniformly', () => {
    const seed = seedOf('84869a721c0a443bfeffdbcf2e1f4b6426b9ab591b210b642f1315b0c70cf74a');
    const [one, two] = [seededUniform(seed), seededUniform(seed)];
    const draws = Array.from({ length: 100_000 }, () => one());
    expect(draws.slice(0, 100)).toEqual(Array.from({ length: 100 }, () => two()));
    expect(Math.min(...draws.slice(0, 10_000))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...draws.slice(0, 10_000))).toBeLessThan(1);
    // Chi-squared over 100 cells: 99 degrees of freedom, deviation about 14.
    const cells = new Float64Array(100);
    for (const draw of draws) cells[Math.floor(draw * 100)] = (cells[Math.floor(draw * 100)] ?? 0) + 1;
    const chiSquared = cells.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeGreaterThan(45);
    expect(chiSquared).toBeLessThan(160);
  });
});

describe('comparison', () => {
  test('the interval of a Sharpe difference covers the truth as often as it says', () => {
    let covered = 0;
    const paths = 400;
    const draw = lcg(7);
    for (let path = 0; path < paths; path += 1) {
      const common = Array.from({ length: 250 }, () => draw() - 0.5);
      const first = common.map((value) => value + 0.3 * (draw() - 0.5));
      const second = common.map((value) => value + 0.3 * (draw() - 0.5));
      const { low, high } = valueOf(sharpeDifference(first, second));
      if (low <= 0 && 0 <= high) covered += 1;
    }
    expect(covered / paths).toBeGreaterThan(0.91);
    expect(covered / paths).toBeLessThan(0.98);
  });

  test('swapping the two changes the sign only', () => {
    const draw = lcg(3);
    const [first, second] = [0, 1].map(() => Array.from({ length: 60 }, () => draw() - 0.4)) as [number[], number[]];
    const [there, back] = [valueOf(sharpeDifference(first, second)), valueOf(sharpeDifference(second, first))];
    expectClose(there.difference, -back.difference);
    expectClose(there.standardError, back.standardError);
    expectClose(there.pValue, back.pValue, 1e-10);
  });

  test.each([
    [[1, 2], [1, 2, 3], 'unequal_lengths'],
    [[1, 2, 3], [1, 2, 3], 'no_variance'],
    [[1], [1], 'too_few_observations'],
  ] as const)('%j and %j are refused', (first, second, code) => {
    expect(sharpeDifference(first, second)).toMatchObject({ ok: false, code });
  });

  test.each([
    [
      [0.01, 0.04, 0.03, 0.005],
      [true, true, true, true],
    ],
    [
      [0.01, 0.04, 0.06, 0.2],
      [true, false, false, false],
    ],
    [
      [0.5, 0.9],
      [false, false],
    ],
  ])('false discoveries among %j', (pValues, rejected) => {
    expect(valueOf(falseDiscoveryRejections(pValues))).toEqual(rejected);
  });
});

describe('calibration', () => {
  const forecasts: readonly Forecast[] = [
    { probability: 0.9, outcome: 1 },
    { probability: 0.7, outcome: 1 },
    { probability: 0.6, outcome: 0 },
    { probability: 0.2, outcome: 0 },
  ];

  test('Brier score and calibration error', () => {
    expectClose(valueOf(brierScore(forecasts)), 0.125);
    expectClose(valueOf(expectedCalibrationError(forecasts)), 0.15);
    expect(valueOf(expectedCalibrationError([{ probability: 1, outcome: 1 }]))).toBe(0);
  });

  test('without a forecast, or with one that is no probability, there is none', () => {
    expect(brierScore([])).toMatchObject({ ok: false, code: 'too_few_observations' });
    expect(expectedCalibrationError([{ probability: 1.2, outcome: 1 }])).toMatchObject({
      ok: false,
      code: 'probability_out_of_range',
    });
  });
});
