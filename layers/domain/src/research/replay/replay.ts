import { minute, second, toText, type Instant } from '../../instant.ts';
import { endOfPoll, startOfPoll, type Cursor } from '../../signals/cursor.ts';
import { holdsCursor } from '../../signals/no-signal.ts';
import { deliveredRows } from './delivered-rows.ts';
import type { RecordedWindow, ReplayConfig, ReplayPorts } from './recorded.ts';
import type { ReplayFinding } from './replay-codes.ts';
import { replayWindow, type Explanation } from './replay-window.ts';

/** What came of one window. */
export interface ReplayedWindow {
  readonly start: Instant;
  readonly signals: number;
  readonly decisions: number;
  readonly equal: number;
  readonly different: number;
  readonly findings: readonly ReplayFinding[];
}

export type Replay =
  | {
      readonly ok: true;
      /** Windows of the span, oldest first. */
      readonly windows: readonly ReplayedWindow[];
      readonly decisions: number;
      readonly equal: number;
      readonly different: number;
      /** Intents without a decision, by what the ledger says about them. */
      readonly explained: Readonly<Partial<Record<Explanation, number>>>;
      /** Rows that the store showed only after the window they belong to by their time of emission. */
      readonly shownLater: number;
      readonly findings: readonly ReplayFinding[];
    }
  /** The stream could not be read. */
  | { readonly ok: false; readonly detail: string };

/** Windows before the span from which the identities that were processed already are gathered. */
const runUpMs = 30 * minute;
/** More than a poll returns beyond the rows it recorded. */
const readAhead = 5_000;

/**
 * Decides a span of windows again from the stream and the ledger: the same rows, the same quality gate, evaluator and
 * document, and compares every decision with the stored one, bit by bit. Nothing is written.
 * @param from scheduled time of the first window; @param to of the last
 */
export const replayDecisions = async (
  from: Instant,
  to: Instant,
  { ledger, signals }: ReplayPorts,
  config: ReplayConfig,
): Promise<Replay> => {
  const { limits } = config;
  const overlapMs = limits.signalOverlapSeconds * second;
  const reach = Math.max(runUpMs, limits.cooldownSeconds * second + minute);
  // One after the other: the ledger may be a single connection.
  const recorded = await ledger.windows(from - reach, to);
  const decisions = await ledger.decisions(from - reach - minute, to);
  const strategies = await ledger.strategies();
  const advance = ({ cursorBefore, cursorAfter }: RecordedWindow): number =>
    cursorBefore === null ? Number.POSITIVE_INFINITY : cursorAfter.eventTs - cursorBefore.eventTs;
  // A window that moves the cursor by more than the overlap leaves nothing in it that another one processed.
  const first = recorded.findIndex(({ scheduledFor }) => scheduledFor >= from);
  const runUp = recorded.findLastIndex((window, index) => index < first && advance(window) > overlapMs);
  let known: readonly string[] | null = null;
  let shownLater = 0;
  const explained: Partial<Record<Explanation, number>> = {};
  const windows: ReplayedWindow[] = [];
  const stream = signals();
  for (const [index, window] of recorded.entries()) {
    if (first === -1 || index < (runUp === -1 ? first : runUp)) continue;
    const stored: Cursor | null =
      window.cursorBefore === null
        ? null
        : { ...window.cursorBefore, overlapKeys: known ?? [], lastRewindAt: null, lockVersion: 1 };
    if (stored === null) known = [];
    const poll = startOfPoll(stored, window.scheduledFor, limits);
    let delivered: ReturnType<typeof deliveredRows> = { rows: [], shownLater: 0, problem: null };
    if (window.rowsRead > 0) {
      const read = await stream.read({
        now: window.scheduledFor,
        cursor: poll.cursor,
        processed: poll.cursor.overlapKeys,
        overlapFrom: poll.overlapFrom,
        skippedFrom: null,
        windowSize: config.windowSize,
        limit: window.rowsRead + readAhead,
        lateLimit: window.rowsLate + readAhead,
      });
      if (!read.ok) return { ok: false, detail: `${read.failure}: ${read.detail}` };
      delivered = deliveredRows(read.batch.rows, window, known !== null);
      if (!holdsCursor(window.noSignalReason)) {
        const end = endOfPoll(poll, { ...read.batch, rows: delivered.rows }, window.scheduledFor, limits);
        if (known !== null || advance(window) > overlapMs) known = end.cursor.overlapKeys;
      }
    }
    if (window.scheduledFor < from) continue;
    const {
      findings,
      equal,
      different,
      explained: own,
    } = replayWindow(
      {
        window,
        previousCodes: recorded[index - 1]?.blockedReasons ?? [],
        rows: delivered.rows,
        decisions,
        strategies,
      },
      config,
    );
    shownLater += delivered.shownLater;
    for (const [reason, count] of Object.entries(own) as [Explanation, number][])
      explained[reason] = (explained[reason] ?? 0) + count;
    const place = toText(window.start);
    windows.push({
      start: window.start,
      signals: window.signalsEvaluated,
      decisions: equal + different,
      equal,
      different,
      findings:
        delivered.problem === null
          ? findings
          : [{ code: 'rows_missing', place, detail: delivered.problem }, ...findings],
    });
  }
  const sum = (count: (window: ReplayedWindow) => number): number =>
    windows.reduce((total, window) => total + count(window), 0);
  return {
    ok: true,
    windows,
    decisions: sum((window) => window.decisions),
    equal: sum(({ equal }) => equal),
    different: sum(({ different }) => different),
    explained,
    shownLater,
    findings: windows.flatMap(({ findings }) => findings),
  };
};
