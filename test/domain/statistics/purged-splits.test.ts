import { combinatorialPurgedSplits, pathCount, pathsThrough, type LabelSpan } from '@torghut/domain/statistics';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const minute = 60_000;
/** One row a minute, each labelled by the 30 minutes after it. */
const labels = (rows: number, from = 0): LabelSpan[] =>
  Array.from({ length: rows }, (_, row) => ({ start: from + row * minute, end: from + (row + 30) * minute }));

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);

describe('combinatorial purged cross-validation', () => {
  test.each([
    [4, 2, 6, 3],
    [5, 2, 10, 4],
    [6, 2, 15, 5],
    [10, 2, 45, 9],
  ])('%d groups, %d tested: %d splits, %d paths', (groups, tested, splits, paths) => {
    const found = combinatorialPurgedSplits(labels(groups * 50), groups, tested, 0);
    expect(found).toHaveLength(splits);
    expect(pathCount(groups, tested)).toBe(paths);
    expect(pathsThrough(found, groups)).toHaveLength(paths);
  });

  const plans = fc
    .record({ rows: fc.integer({ min: 20, max: 300 }), groups: fc.integer({ min: 2, max: 7 }) })
    .chain(({ rows, groups }) =>
      fc.record({
        rows: fc.constant(rows),
        groups: fc.constant(groups),
        tested: fc.integer({ min: 1, max: groups - 1 }),
        embargo: fc.integer({ min: 0, max: 60 }).map((minutes) => minutes * minute),
      }),
    );

  test('no training label touches a test label, and none begins within the embargo', () => {
    fc.assert(
      fc.property(plans, ({ rows, groups, tested, embargo }) => {
        const spans = labels(rows);
        for (const { train, test: testRows } of combinatorialPurgedSplits(spans, groups, tested, embargo)) {
          const tests = testRows.map((row) => spans[row] as LabelSpan);
          const touching = train.filter((row) => {
            const own = spans[row] as LabelSpan;
            return tests.some(
              (other) => own.start <= other.end + (own.start > other.start ? embargo : 0) && own.end >= other.start,
            );
          });
          expect(touching).toEqual([]);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('every row is tested in C(N-1, k-1) splits, and on every path once', () => {
    fc.assert(
      fc.property(plans, ({ rows, groups, tested, embargo }) => {
        const splits = combinatorialPurgedSplits(labels(rows), groups, tested, embargo);
        const times = new Array<number>(rows).fill(0);
        for (const split of splits) for (const row of split.test) times[row] = (times[row] ?? 0) + 1;
        expect(new Set(times)).toEqual(new Set([choose(groups - 1, tested - 1)]));
        for (const path of pathsThrough(splits, groups))
          for (const [group, split] of path.entries()) expect(splits[split]?.testGroups).toContain(group);
      }),
      { numRuns: 30 },
    );
  });

  test('shifting all times changes nothing', () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: -1e12, max: 1e12 }), ({ rows, groups, tested, embargo }, shift) => {
        expect(combinatorialPurgedSplits(labels(rows, shift), groups, tested, embargo)).toEqual(
          combinatorialPurgedSplits(labels(rows), groups, tested, embargo),
        );
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    [100, 5, 5],
    [100, 5, 0],
    [4, 5, 2],
  ])('%d rows in %d groups with %d tested are refused', (rows, groups, tested) => {
    expect(() => combinatorialPurgedSplits(labels(rows), groups, tested, 0)).toThrow(RangeError);
  });
});
