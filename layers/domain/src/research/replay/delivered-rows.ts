import type { ArrivedRow } from '../../features/quality.ts';
import { compareKeys } from '../../signals/cursor.ts';
import type { RecordedWindow } from './recorded.ts';

/** The rows a window was given, as far as the stream still has them. */
export interface DeliveredRows {
  /** New rows in key order, then late ones. */
  readonly rows: readonly ArrivedRow[];
  /** Rows that existed, and that the store did not show the window yet. */
  readonly shownLater: number;
  /** What is missing of the recorded counts and the recorded cursor; null when nothing is. */
  readonly problem: string | null;
}

const byArrival = (a: ArrivedRow, b: ArrivedRow): number =>
  a.firstIngestTs - b.firstIngestTs || compareKeys(a.row, b.row);

/** Leaves out the rows over `count` that arrived last, or first; the others stay in order. */
const fitted = (rows: readonly ArrivedRow[], count: number, leaveOut: 'newest' | 'oldest'): readonly ArrivedRow[] => {
  if (rows.length <= count) return rows;
  const arrived = rows.toSorted(byArrival);
  const kept = new Set(leaveOut === 'newest' ? arrived.slice(0, count) : arrived.slice(arrived.length - count));
  return rows.filter((row) => kept.has(row));
};

/**
 * Tells the rows of a window from those that the store showed only after it: a row is emitted a moment before it can be
 * read. The window recorded how many it was given and where its cursor came to rest; of more, the newest were not there.
 * @param read rows of the stream as of the scheduled time
 * @param processedKnown whether `read` leaves out what earlier windows processed; else the oldest late ones are those
 */
export const deliveredRows = (
  read: readonly ArrivedRow[],
  window: RecordedWindow,
  processedKnown: boolean,
): DeliveredRows => {
  const { cursorBefore, cursorAfter } = window;
  const advanced = cursorBefore === null || compareKeys(cursorAfter, cursorBefore) > 0;
  const expectedNew = window.rowsRead - window.rowsLate;
  const upTo = read.filter(({ row, late }) => !late && (!advanced || compareKeys(row, cursorAfter) <= 0));
  const last = advanced && expectedNew > 0 ? upTo.find(({ row }) => compareKeys(row, cursorAfter) === 0) : undefined;
  const others = fitted(
    upTo.filter((row) => row !== last),
    Math.max(0, expectedNew - (last === undefined ? 0 : 1)),
    'newest',
  );
  const kept = new Set(last === undefined ? others : [...others, last]);
  const fresh = upTo.filter((row) => kept.has(row));
  const lateRows = read.filter(({ late }) => late);
  const late = fitted(lateRows, window.rowsLate, processedKnown ? 'newest' : 'oldest');
  const problem =
    fresh.length !== expectedNew || late.length !== window.rowsLate
      ? `expected ${expectedNew} new and ${window.rowsLate} late rows, found ${fresh.length} and ${late.length}`
      : advanced && expectedNew > 0 && last === undefined
        ? `expected the row ${cursorAfter.symbol} of ${cursorAfter.eventTs} under the cursor, found none`
        : null;
  return {
    rows: [...fresh, ...late],
    shownLater: upTo.length - fresh.length + (processedKnown ? lateRows.length - late.length : 0),
    problem,
  };
};
