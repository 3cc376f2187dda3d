import { fallbackSession, hour, minute, second } from '@torghut/domain';
import { defaultSplitPlan, foldsOf, shortfallOf, splitPlanHash, type SessionBounds } from '@torghut/domain/research';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

/** Sessions of consecutive weekdays from 2026-05-04 on. */
const sessionsOf = (count: number): SessionBounds[] => {
  const found: SessionBounds[] = [];
  for (let day = 0; found.length < count; day += 1) {
    const date = new Date(Date.UTC(2026, 4, 4 + day)).toISOString().slice(0, 10);
    const session = fallbackSession(date);
    if (session.kind !== 'closed') found.push({ date, openAt: session.openAt, closeAt: session.closeAt });
  }
  return found;
};

describe('[R3] walk-forward', () => {
  test('eight sessions give five folds of three to train and one to test', () => {
    const folds = foldsOf(sessionsOf(8), defaultSplitPlan);
    expect(shortfallOf(8, folds.length, defaultSplitPlan)).toBeNull();
    expect(folds.map(({ name, train, test: tested }) => [name, train.from, train.to, tested.from, tested.to])).toEqual([
      ['fold-001', 0, 3, 3, 4],
      ['fold-002', 1, 4, 4, 5],
      ['fold-003', 2, 5, 5, 6],
      ['fold-004', 3, 6, 6, 7],
      ['fold-005', 4, 7, 7, 8],
    ]);
  });

  test.each([
    [0, 0],
    [4, 1],
    [7, 4],
  ])('%d sessions give %d folds, which are not enough', (count, folds) => {
    expect(foldsOf(sessionsOf(count), defaultSplitPlan)).toHaveLength(folds);
    expect(shortfallOf(count, folds, defaultSplitPlan)).toBe(
      `expected at least 5 folds over 8 sessions, found ${folds} over ${count}`,
    );
  });

  test('tests never overlap, and training ends a purge before its test', () => {
    fc.assert(
      fc.property(
        fc.record({
          train_sessions: fc.integer({ min: 1, max: 5 }),
          test_sessions: fc.integer({ min: 1, max: 3 }),
          purge_seconds: fc.integer({ min: 0, max: 30 * 3_600 }),
          overlap_seconds: fc.integer({ min: 0, max: 60 }),
        }),
        fc.integer({ min: 1, max: 40 }),
        (over, count) => {
          const plan = {
            ...defaultSplitPlan,
            ...over,
            step_sessions: over.test_sessions,
            least_folds: 1,
            least_sessions: 1,
          };
          const found = foldsOf(sessionsOf(count), plan);
          let tested = 0;
          for (const { train, test: own } of found) {
            expect(own.from).toBeGreaterThanOrEqual(tested);
            tested = own.to;
            expect(train.to).toBe(own.from);
            expect(train.endAt + (plan.purge_seconds + plan.overlap_seconds) * second).toBeLessThanOrEqual(own.startAt);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a night is longer than the purge, so no bar of training is lost', () => {
    const sessions = sessionsOf(8);
    const found = foldsOf(sessions, defaultSplitPlan);
    expect(found[0]?.train.endAt).toBe(sessions[2]?.closeAt);
    const sameDay = foldsOf(
      sessions.map(({ date }, index) => ({ date, openAt: index * hour, closeAt: index * hour + 55 * minute })),
      defaultSplitPlan,
    );
    expect(sameDay[0]?.train.endAt).toBe(3 * hour - 30 * minute - 15 * second);
  });

  test('every number of the plan is part of its hash', () => {
    expect(splitPlanHash({ ...defaultSplitPlan, embargo_seconds: 0 })).not.toBe(splitPlanHash(defaultSplitPlan));
  });
});
