import {
  observe,
  sequentialRatioTest,
  stakeOf,
  startOfEProcess,
  varianceOf,
  wilsonInterval,
  type EProcess,
} from '@torghut/domain/statistics';
import { describe, expect, test } from 'vitest';
import { lcg } from '../../support/lcg.ts';
import { expectClose, valueOf } from './helpers.ts';

const after = (observations: readonly number[], mu0: number): EProcess =>
  observations.reduce((state, x) => observe(state, x, mu0), startOfEProcess);

/** Observations until the value reaches a bound. */
const untilReached = (next: (index: number) => number, mu0: number, bound: number): number => {
  let state = startOfEProcess;
  while (state.value < bound && state.count < 1000) state = observe(state, next(state.count), mu0);
  return state.count;
};

describe('e-process', () => {
  const observations = [0, 0, 1, 0, 0, 0, 1, 1, 0, 1];
  const table = [
    [0.8, 0.8, 0.25, 0.15625],
    [0, 0.8, 0.16666666666666666, 0.11342592592592593],
    [0, 0.8, 0.375, 0.18272569444444445],
    [0.6301969365426696, 0.6739606126914661, 0.3, 0.16418055555555555],
    [0.2999750020831597, 0.6234177786424436, 0.25, 0.1472337962962963],
    [0, 0.6234177786424436, 0.21428571428571427, 0.13276016358924522],
    [0, 0.6234177786424436, 0.3125, 0.17524717439058957],
    [0.3488629938981113, 0.7865333231723283, 0.3888888888888889, 0.19727046502757484],
    [0.6413396355307571, 0.6604245744682942, 0.35, 0.18979341852481735],
    [0.5005169876883531, 0.9083398634244688, 0.4090909090909091, 0.2042825217242892],
  ] as const;

  test('follows the published table', () => {
    let state = startOfEProcess;
    for (const [index, [stake, value, mean, variance]] of table.entries()) {
      expectClose(stakeOf(state, 0.25), stake);
      state = observe(state, observations[index] ?? 0, 0.25);
      expectClose(state.value, value);
      expectClose(state.mean, mean);
      expectClose(varianceOf(state), variance);
    }
  });

  test('the opposite side of the same data', () => {
    const opposite = observations.map((x) => 1 - x);
    expectClose(after(opposite, 0.75).value, 0.40007990586515096);
  });

  test.each([
    ['zeros pass a mean of .25', () => 1, 0.75, 20, 22],
    ['zeros pass a mean of .15', () => 1, 0.85, 20, 39],
    ['zeros pass a mean of .10', () => 1, 0.9, 20, 61],
    ['halves pass .45', () => 0.5, 0.45, 20, 58],
    ['ones fail .25', () => 1, 0.25, 100, 8],
    ['ones fail .15', () => 1, 0.15, 100, 7],
    ['alternation fails .25', (index: number) => (index + 1) % 2, 0.25, 100, 37],
  ] as const)('%s', (_name, next, mu0, bound, expected) => {
    expect(untilReached(next, mu0, bound)).toBe(expected);
  });

  test('values on the way', () => {
    expectClose(after(new Array<number>(20).fill(1), 0.75).value, 16.03401233447817);
    expectClose(after(new Array<number>(50).fill(0.5), 0.45).value, 13.134807781520381);
  });

  test('false alarms stay below alpha at every look; a z-test looked at as often does not', () => {
    const draw = lcg(20260213);
    let [atFive, atOne, byZ] = [0, 0, 0];
    for (let path = 0; path < 2000; path += 1) {
      let state = startOfEProcess;
      let [highest, ones, rejected] = [0, 0, false];
      for (let t = 1; t <= 500; t += 1) {
        const x = draw() < 0.25 ? 1 : 0;
        state = observe(state, x, 0.25);
        highest = Math.max(highest, state.value);
        ones += x;
        if (t >= 20 && (ones / t - 0.25) / Math.sqrt((0.25 * 0.75) / t) > 1.6448536269514722) rejected = true;
      }
      if (highest >= 20) atFive += 1;
      if (highest >= 100) atOne += 1;
      if (rejected) byZ += 1;
    }
    expect({ atFive, atOne, byZ }).toEqual({ atFive: 46, atOne: 12, byZ: 604 });
  });

  test.each([
    [-0.1, 0.5],
    [1.1, 0.5],
    [Number.NaN, 0.5],
    [0.5, 0],
    [0.5, 1],
  ])('an observation of %d against %d is no fair bet', (observation, mu0) => {
    expect(() => observe(startOfEProcess, observation, mu0)).toThrow(RangeError);
  });
});

describe('sequential ratio test', () => {
  test('bounds and steps', () => {
    const found = valueOf(sequentialRatioTest(0.1, 0.25, 0.05, 0.1));
    expectClose(found.upper, 2.8903717578961645);
    expectClose(found.lower, -2.251291798606495);
    expectClose(found.stepOfOne, 0.9162907318741551);
    expectClose(found.stepOfZero, -0.1823215567939547);
    expect(Math.ceil(found.lower / found.stepOfZero)).toBe(13);
    expect(Math.ceil(found.upper / found.stepOfOne)).toBe(4);
  });
});

describe('Wilson interval', () => {
  test.each([
    [95, 100, 0.8882495307680808, 0.9784563208456319],
    [0, 20, 0, 0.16112515805281938],
    [46, 48, 0.8602434412954456, 0.9884981065106133],
    [47, 48, 0.8910078200474814, 0.9963128890224893],
  ])('%d of %d', (hits, count, low, high) => {
    const found = valueOf(wilsonInterval(hits, count));
    expectClose(found.low, low);
    expectClose(found.high, high);
  });

  test.each([
    [1, 0, 'too_few_observations'],
    [3, 2, 'parameter_out_of_range'],
  ] as const)('%d of %d is refused', (hits, count, code) => {
    expect(wilsonInterval(hits, count)).toMatchObject({ ok: false, code });
  });
});
