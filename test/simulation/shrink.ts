import type { Laboratory } from './laboratory.ts';
import type { Invariant } from './invariants.ts';
import type { RunResult } from './run.ts';
import { smallest } from './smallest.ts';

/** Runs that one shrinking may take. */
const mostRuns = 150;

/** Everything a run was made of, by name: faults, orders, acts and ticks. What follows its faults is never left out. */
const partsOf = ({ faults, scenario, ticks, withdrawn }: RunResult): readonly string[] => [
  ...new Set([
    ...faults.map(({ key }) => key),
    ...scenario.orders.map(({ key }) => key),
    ...scenario.acts.map(({ key }) => key),
    ...ticks,
    ...withdrawn,
  ]),
];

/**
 * Leaves out as much as can be left out while the same invariant is still violated. What is left out does not move what
 * stays, because every fault is drawn for the name of its place.
 */
export const shrink = (
  laboratory: Laboratory,
  failing: RunResult,
  invariant: Invariant,
): Promise<{ readonly kept: readonly string[]; readonly runs: number }> =>
  smallest(
    partsOf(failing),
    async (kept) => {
      const { violations } = await laboratory.run({ seed: failing.scenario.seed, only: new Set(kept) });
      return violations.some((one) => one.invariant === invariant);
    },
    mostRuns,
  );
