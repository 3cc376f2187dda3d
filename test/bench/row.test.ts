import { describe, expect, it } from 'vitest';
import { benchRow, median, renderRows } from './row.ts';

describe('bench rows', () => {
  it('counts how many times the floor is paid, whichever way the unit counts', () => {
    const goal = { of: 'ratio', atMost: 2 } as const;
    const time = benchRow({ name: 'time', value: 30, unit: 'ms', floor: 20, goal });
    const speed = benchRow({ name: 'speed', value: 20, unit: 'windows/s', floor: 30, higherIsBetter: true, goal });
    expect([time.ratio, speed.ratio]).toEqual([1.5, 1.5]);
  });

  it.each([
    { value: 40, floor: 20, goal: { of: 'ratio', atMost: 2 }, met: true },
    { value: 41, floor: 20, goal: { of: 'ratio', atMost: 2 }, met: false },
    { value: 30, floor: 1, goal: { of: 'value', atMost: 30 }, met: true },
    { value: 31, floor: 31, goal: { of: 'value', atMost: 30 }, met: false },
  ] as const)('judges $value with a floor of $floor by $goal: $met', ({ met, ...figure }) => {
    expect(benchRow({ name: 'figure', unit: 'ms', ...figure }).met).toBe(met);
  });

  it('judges the figure that was measured, not the one that is shown', () => {
    const row = benchRow({ name: 'figure', value: 30.0001, unit: 's', goal: { of: 'value', atMost: 30 } });
    expect(row).toMatchObject({ value: 30, floor: null, ratio: null, goal: 'value <= 30', met: false });
  });

  it('refuses to judge a ratio without a floor', () => {
    expect(() => benchRow({ name: 'figure', value: 1, unit: 's', goal: { of: 'ratio', atMost: 2 } })).toThrow(
      'figure: expected a floor to judge the ratio by, found none',
    );
  });

  it('shows a missed goal as "no" and an absent floor as "-"', () => {
    const row = benchRow({ name: 'figure', value: 31, unit: 's', goal: { of: 'value', atMost: 30 } });
    expect(renderRows([row])).toBe(
      'name    value  unit  floor  ratio  goal         met\nfigure     31  s         -      -  value <= 30  no',
    );
  });

  it('takes the middle of the values, and the mean of two middle ones', () => {
    expect([median([9, 1, 5]), median([4, 1, 3, 100])]).toEqual([5, 3.5]);
    expect(() => median([])).toThrow(RangeError);
  });
});
