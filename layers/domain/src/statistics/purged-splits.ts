/** When the label of a row begins to be known and when it is known, in any one unit; `end` is at least `start`. */
export interface LabelSpan {
  readonly start: number;
  readonly end: number;
}

/** Rows to train on and rows to test on, by index, ascending; `testGroups` are the groups the test rows come from. */
export interface PurgedSplit {
  readonly testGroups: readonly number[];
  readonly train: readonly number[];
  readonly test: readonly number[];
}

/**
 * Rows of `candidates` whose label touches no label of the test block and which do not begin within `embargo` after it
 * (Lopez de Prado 2018, chapter 7). A test block is a run of consecutive rows.
 */
export const purge = (
  labels: readonly LabelSpan[],
  candidates: readonly number[],
  testBlocks: readonly (readonly number[])[],
  embargo: number,
): readonly number[] => {
  const spans = testBlocks.flatMap((block) => {
    const first = block[0];
    if (first === undefined) return [];
    const own = block.map((row) => labelAt(labels, row));
    return [
      {
        start: Math.min(...own.map(({ start }) => start)),
        end: own.reduce((m, { end }) => Math.max(m, end), -Infinity),
      },
    ];
  });
  return candidates.filter((row) => {
    const { start, end } = labelAt(labels, row);
    return spans.every((span) => end < span.start || start > span.end + embargo);
  });
};

const labelAt = (labels: readonly LabelSpan[], row: number): LabelSpan => {
  const label = labels[row];
  if (label === undefined) throw new RangeError(`expected a row below ${labels.length}, found ${row}`);
  return label;
};

/** All choices of `size` out of 0..count-1, in lexicographic order. */
export const combinations = (count: number, size: number): readonly (readonly number[])[] => {
  const found: number[][] = [];
  const extend = (chosen: number[], from: number): void => {
    if (chosen.length === size) {
      found.push(chosen);
      return;
    }
    for (let next = from; next <= count - (size - chosen.length); next += 1) extend([...chosen, next], next + 1);
  };
  extend([], 0);
  return found;
};

/** Paths through all groups that combinatorial cross-validation gives: k/N of its splits. */
export const pathCount = (groups: number, testGroups: number): number =>
  (combinations(groups, testGroups).length * testGroups) / groups;

/** Rows in `groups` runs of consecutive rows, whose lengths differ by at most one; the longer come first. */
export const contiguousGroups = (rows: number, groups: number): readonly (readonly number[])[] => {
  const short = Math.floor(rows / groups);
  const longer = rows % groups;
  return Array.from({ length: groups }, (_, group) => {
    const first = group * short + Math.min(group, longer);
    return Array.from({ length: short + (group < longer ? 1 : 0) }, (_unused, offset) => first + offset);
  });
};

/**
 * Combinatorial purged cross-validation (Lopez de Prado 2018, chapter 12): every choice of `testGroups` of the groups is
 * tested once, with what touches it purged from training.
 * @param labels one per row, rows in time order
 * @param embargo in the unit of the labels, at least 0
 * @throws RangeError when there are not at least as many rows as groups, or not fewer test groups than groups
 */
export const combinatorialPurgedSplits = (
  labels: readonly LabelSpan[],
  groups: number,
  testGroups: number,
  embargo: number,
): readonly PurgedSplit[] => {
  if (!(testGroups >= 1 && testGroups < groups && groups <= labels.length))
    throw new RangeError(
      `expected 1 <= test groups < groups <= rows, found ${testGroups}, ${groups} and ${labels.length}`,
    );
  const runs = contiguousGroups(labels.length, groups);
  return combinations(groups, testGroups).map((chosen) => {
    const isTest = new Set(chosen);
    const blocks = adjoining(chosen).map((block) => block.flatMap((group) => runs[group] ?? []));
    const rest = runs.flatMap((run, group) => (isTest.has(group) ? [] : run));
    return { testGroups: chosen, train: purge(labels, rest, blocks, embargo), test: blocks.flat() };
  });
};

/** Chosen groups, those that follow each other together: between them there is nothing to purge. */
const adjoining = (chosen: readonly number[]): readonly (readonly number[])[] => {
  const blocks: number[][] = [];
  for (const group of chosen) {
    const last = blocks.at(-1);
    if (last?.at(-1) === group - 1) last.push(group);
    else blocks.push([group]);
  }
  return blocks;
};

/**
 * For each path, which split tests which group: `paths[path][group]` is an index into the splits. Each split is used once
 * for each of its test groups.
 */
export const pathsThrough = (
  splits: readonly Pick<PurgedSplit, 'testGroups'>[],
  groups: number,
): readonly (readonly number[])[] => {
  const testing = Array.from({ length: groups }, (_, group) =>
    splits.flatMap(({ testGroups }, split) => (testGroups.includes(group) ? [split] : [])),
  );
  const count = testing[0]?.length ?? 0;
  return Array.from({ length: count }, (_, path) => testing.map((own) => own[path] ?? -1));
};
