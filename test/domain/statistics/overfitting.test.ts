import { overfittingProbability, type ReturnMatrix } from '@torghut/domain/statistics';
import { describe, expect, test } from 'vitest';
import { lcg } from '../../support/lcg.ts';
import { valueOf } from './helpers.ts';

const fixture = (rows: number, columns: number, seed: number): ReturnMatrix => {
  const draw = lcg(seed);
  return { rows, columns, values: Float64Array.from({ length: rows * columns }, () => draw() - 0.5) };
};

const lifted = (matrix: ReturnMatrix): ReturnMatrix => ({
  ...matrix,
  values: matrix.values.map((value, index) => (index % matrix.columns === 3 ? value + 0.3 : value)),
});

const demeaned = ({ rows, columns, values }: ReturnMatrix): ReturnMatrix => {
  const means = Array.from({ length: columns }, (_, column) => {
    let sum = 0;
    for (let row = 0; row < rows; row += 1) sum += values[row * columns + column] ?? 0;
    return sum / rows;
  });
  return { rows, columns, values: values.map((value, index) => value - (means[index % columns] ?? 0)) };
};

describe('[A4] probability of backtest overfitting', () => {
  test('the generator of the fixture is the published one', () => {
    const draw = lcg(42);
    expect([draw(), draw(), draw()].map((value) => value * 2 ** 32)).toEqual([1083814273, 378494188, 2479403867]);
  });

  test.each([
    [320, 10, 8, 42, 38, 70, -0.36423744388685275, 2.302585092994045, -2.279770587387823],
    [640, 20, 10, 7, 124, 252, -0.11794018629628415, 2.9957322735524, -2.943688541794138],
    [1600, 10, 16, 42, 3736, 12870, 0.37625916847865865, 2.302585092994, -2.28951729242042],
  ])('%d x %d in %d blocks of seed %d', (rows, columns, blocks, seed, overfit, splits, logit, best, compensated) => {
    const noise = fixture(rows, columns, seed);
    const found = valueOf(overfittingProbability(noise, blocks));
    expect(found).toMatchObject({ overfitSplits: overfit, splits, pbo: overfit / splits });
    expect(found.meanLogit).toBeCloseTo(logit, 9);

    const skilled = valueOf(overfittingProbability(lifted(noise), blocks));
    expect(skilled.pbo).toBe(0);
    expect(skilled.meanLogit).toBeCloseTo(best, 9);

    // What a demeaned column gains on one half it loses on the other.
    const zeroSum = valueOf(overfittingProbability(demeaned(noise), blocks));
    expect(zeroSum.pbo).toBe(1);
    expect(zeroSum.meanLogit).toBeCloseTo(compensated, 9);
  });

  test('rows that fill no block are dropped from the front', () => {
    const whole = fixture(320, 10, 42);
    const longer = { ...whole, rows: 323, values: Float64Array.of(...new Float64Array(30).fill(9), ...whole.values) };
    expect(overfittingProbability(longer, 8)).toEqual(overfittingProbability(whole, 8));
  });

  test('the scale of returns changes no count', () => {
    const noise = fixture(320, 10, 42);
    const scaled = { ...noise, values: noise.values.map((value) => value * 1e-9) };
    expect(valueOf(overfittingProbability(scaled, 8)).overfitSplits).toBe(38);
  });

  test('a trial that never trades is ranked as flat', () => {
    const values = Float64Array.from({ length: 64 }, (_, index) => (index % 2 === 0 ? 0 : ((index * 7) % 5) - 4));
    expect(valueOf(overfittingProbability({ rows: 32, columns: 2, values }, 4)).pbo).toBe(0);
  });

  test.each([
    [{ rows: 32, columns: 1, values: new Float64Array(32) }, 4, 'too_few_observations'],
    [{ rows: 32, columns: 2, values: new Float64Array(64) }, 5, 'parameter_out_of_range'],
    [{ rows: 7, columns: 2, values: new Float64Array(14) }, 4, 'too_few_observations'],
    [{ rows: 32, columns: 2, values: new Float64Array(63) }, 4, 'unequal_lengths'],
    [{ rows: 32, columns: 2, values: new Float64Array(64).fill(Number.NaN) }, 4, 'not_finite'],
  ] as const)('case %# is refused', (matrix, blocks, code) => {
    expect(overfittingProbability(matrix, blocks)).toMatchObject({ ok: false, code });
  });
});
