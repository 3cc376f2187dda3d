import type { SessionRange } from './engine.ts';
import type { Fold } from './walk-forward.ts';

/** Consecutive sessions that are simulated together, flat at the beginning; a fold's test is exactly one. */
export interface Block extends SessionRange {
  /** Whether some fold tests it. */
  readonly tested: boolean;
}

/**
 * Cuts the sessions that folds use so that each belongs to one block: what comes before the first test, then every test.
 * Each session is simulated once, and statistics over sessions are of disjoint ones; a fold's training reads the sums of
 * its sessions from the same simulations.
 * @throws RangeError when tests overlap
 */
export const blocksOf = (folds: readonly Fold[]): readonly Block[] => {
  const blocks: Block[] = [];
  let at = 0;
  for (const { name, test } of folds) {
    if (test.from < at)
      throw new RangeError(
        `expected tests that do not overlap, found ${name} to begin within the test before it: step at least as far as a test is long`,
      );
    if (test.from > at) blocks.push({ from: at, to: test.from, tested: false });
    blocks.push({ from: test.from, to: test.to, tested: true });
    at = test.to;
  }
  return blocks;
};
