import type { Statistic } from '@torghut/domain/statistics';
import { expect } from 'vitest';

/** The value of a statistic that has one. */
export const valueOf = <Value>(found: Statistic<Value>): Value => {
  if (!found.ok) throw new Error(`expected a value, found ${found.code}: ${found.detail}`);
  return found.value;
};

/** Equal within a relative tolerance; 1e-12 is what closed forms agree to across languages. */
export const expectClose = (found: number, expected: number, relative = 1e-12): void => {
  expect(Math.abs(found - expected), `${found} against ${expected}`).toBeLessThanOrEqual(relative * Math.abs(expected));
};

/** Monthly returns of two published examples. */
export const vectorA = [0.259, 0.198, 0.364, -0.081, 0.057, 0.055, 0.188, 0.317, 0.24, 0.184, -0.01, 0.526];
export const vectorB = [0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04];
