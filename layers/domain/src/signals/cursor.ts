import { minute, second, toText, type Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';

/**
 * Position in the signal stream: the exact sort key of the last row that was read. Rows of one instant are ordered by
 * symbol and sequence number, so all three parts are always present. Sequence numbers are unsigned 64-bit and travel as
 * text.
 */
export interface CursorKey {
  readonly eventTs: Instant;
  readonly symbol: string;
  readonly seq: string;
}

export interface Cursor extends CursorKey {
  /** Identities processed with an event time in the overlap before the cursor: unread rows are told from read ones by it. */
  readonly overlapKeys: readonly string[];
  readonly lastRewindAt: Instant | null;
  /** Compare-and-set token; 0 before the first write. */
  readonly lockVersion: number;
}

export type CursorLimits = Pick<
  LimitValues,
  | 'signalLookbackMinutes'
  | 'signalOverlapSeconds'
  | 'cursorAheadToleranceMinutes'
  | 'cursorRewindIntervalMinutes'
  | 'overlapKeyLimit'
>;

/** Orders cursor keys as ClickHouse orders rows: event time, symbol (bytes), sequence number. */
export const compareKeys = (a: CursorKey, b: CursorKey): number => {
  if (a.eventTs !== b.eventTs) return a.eventTs - b.eventTs;
  // Symbols are ASCII, so code unit order is byte order.
  if (a.symbol !== b.symbol) return a.symbol < b.symbol ? -1 : 1;
  const left = BigInt(a.seq);
  const right = BigInt(b.seq);
  return left < right ? -1 : left > right ? 1 : 0;
};

/**
 * Identity of a row within one series (a cursor reads one window size and one source). The sequence number restarts with
 * the stream's state, so it is never part of it.
 */
export const overlapKey = (row: { readonly symbol: string; readonly eventTs: Instant }): string =>
  `${row.symbol}|${row.eventTs}`;

export interface PollStart {
  /** Where reading starts. */
  readonly cursor: Cursor;
  readonly moved: 'initial' | 'fast_forwarded' | null;
  /** Unread rows from here up to the cursor are late ones. */
  readonly overlapFrom: Instant;
  /** After a fast-forward: unread rows from here up to the overlap are skipped, and counted. */
  readonly skippedFrom: Instant | null;
  /** Where the cursor stood before: silence holds it there. */
  readonly resting: Cursor;
}

/** Where this poll starts reading. Rows older than the lookback are never traded, so a long stop is skipped, not replayed. */
export const startOfPoll = (stored: Cursor | null, now: Instant, limits: CursorLimits): PollStart => {
  const overlap = limits.signalOverlapSeconds * second;
  const horizon = { eventTs: now - limits.signalLookbackMinutes * minute, symbol: '', seq: '0' };
  const overlapFrom = horizon.eventTs - overlap;
  if (stored === null) {
    const cursor = { ...horizon, overlapKeys: [], lastRewindAt: null, lockVersion: 0 };
    return { cursor, moved: 'initial', overlapFrom, skippedFrom: null, resting: cursor };
  }
  const storedFrom = stored.eventTs - overlap;
  return stored.eventTs < horizon.eventTs
    ? {
        cursor: { ...stored, ...horizon },
        moved: 'fast_forwarded',
        overlapFrom,
        skippedFrom: storedFrom,
        resting: stored,
      }
    : { cursor: stored, moved: null, overlapFrom: storedFrom, skippedFrom: null, resting: stored };
};

/** What a poll read of the stream. */
export interface StreamRead {
  /** Sort key of the newest row, `null` when the bounded probe saw none: an unknown tail moves nothing. */
  readonly tail: CursorKey | null;
  /** Rows beyond the cursor in key order, then late ones. */
  readonly rows: readonly { readonly row: CursorKey; readonly late: boolean }[];
  /** Unread rows that a fast-forward left behind. */
  readonly skippedRows: number;
}

export interface PollEnd {
  /** Behind every row that was read. */
  readonly cursor: Cursor;
  /** Where the cursor stays when the rows may not be consumed. */
  readonly held: Cursor;
  /** The cursor stands later than the stream by more than the tolerance. */
  readonly aheadOfStream: boolean;
  readonly rewound: boolean;
  /** The cursor stands on the newest row of the stream. */
  readonly atTail: boolean;
}

/**
 * A start that was moved, but never further past the newest row than the overlap: a cursor that slid on over a silent
 * stream would look as if it ran ahead of it.
 */
const landing = (moved: Cursor, tail: CursorKey | null, limits: CursorLimits): Cursor => {
  if (tail === null) return moved;
  const pastOverlap = tail.eventTs + limits.signalOverlapSeconds * second + 1;
  return moved.eventTs <= pastOverlap ? moved : { ...moved, eventTs: pastOverlap, symbol: '', seq: '0' };
};

/** Identities in the overlap of the next poll. Over the limit the newest stay: an old one leaves the overlap sooner. */
const overlapKeysFrom = (
  from: Instant,
  known: readonly string[],
  read: readonly CursorKey[],
  limits: CursorLimits,
): readonly string[] => {
  const kept = new Map<string, Instant>();
  for (const key of known) kept.set(key, Number(key.slice(key.indexOf('|') + 1)));
  for (const row of read) kept.set(overlapKey(row), row.eventTs);
  const entries = [...kept.entries()].filter(([, eventTs]) => eventTs >= from);
  if (entries.length > limits.overlapKeyLimit) entries.sort((a, b) => b[1] - a[1]).splice(limits.overlapKeyLimit);
  return entries.map(([key]) => key);
};

/**
 * The cursor after a poll. Only a row beyond it moves it: late rows, silence and a stream that could not be read (`null`)
 * hold it.
 */
export const endOfPoll = (poll: PollStart, read: StreamRead | null, now: Instant, limits: CursorLimits): PollEnd => {
  const { resting, moved } = poll;
  if (read === null) return { cursor: resting, held: resting, aheadOfStream: false, rewound: false, atTail: false };
  const { tail, rows, skippedRows } = read;
  const tolerance = limits.cursorAheadToleranceMinutes * minute;
  if (moved !== 'initial' && tail !== null && resting.eventTs > tail.eventTs + tolerance) {
    const { lastRewindAt } = resting;
    const rewound = lastRewindAt === null || now - lastRewindAt >= limits.cursorRewindIntervalMinutes * minute;
    const cursor = rewound ? { ...resting, ...tail, overlapKeys: [overlapKey(tail)], lastRewindAt: now } : resting;
    return { cursor, held: cursor, aheadOfStream: true, rewound, atTail: false };
  }
  const held = moved === 'initial' || skippedRows > 0 ? landing(poll.cursor, tail, limits) : resting;
  const { eventTs, symbol, seq } = rows.findLast(({ late }) => !late)?.row ?? held;
  const from = eventTs - limits.signalOverlapSeconds * second;
  const overlapKeys = overlapKeysFrom(
    from,
    resting.overlapKeys,
    rows.map(({ row }) => row),
    limits,
  );
  const cursor = { ...resting, eventTs, symbol, seq, overlapKeys };
  return {
    cursor,
    held,
    aheadOfStream: false,
    rewound: false,
    atTail: tail !== null && compareKeys(cursor, tail) === 0,
  };
};

/** What a window row records of a cursor. */
export const cursorSummary = (cursor: CursorKey): { event_ts: string; symbol: string; seq: string } => ({
  event_ts: toText(cursor.eventTs),
  symbol: cursor.symbol,
  seq: cursor.seq,
});
