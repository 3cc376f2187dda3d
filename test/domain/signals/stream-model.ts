import {
  compareKeys,
  endOfPoll,
  hour,
  overlapKey,
  startOfPoll,
  type Cursor,
  type CursorKey,
  type CursorLimits,
  type Instant,
  type PollEnd,
  type PollStart,
  type StreamRead,
} from '@torghut/domain';

/** One delivery of a row: the same identity may be delivered again, under any sequence number. */
export interface Delivery extends CursorKey {
  readonly visibleAt: Instant;
}

export interface ModelRead extends StreamRead {
  readonly rows: readonly { readonly row: Delivery; readonly late: boolean }[];
}

const tailMs = 2 * hour;

/** The signal store as its port describes it, over a list. */
export const readStream = (
  deliveries: readonly Delivery[],
  poll: PollStart,
  now: Instant,
  limit: number,
  lateLimit: number,
): ModelRead => {
  const visible = deliveries.filter(({ visibleAt, eventTs }) => visibleAt <= now && eventTs <= now);
  const newest = new Map<string, Delivery>();
  for (const row of visible) {
    const known = newest.get(overlapKey(row));
    if (known === undefined || row.visibleAt >= known.visibleAt) newest.set(overlapKey(row), row);
  }
  const processed = new Set(poll.cursor.overlapKeys);
  const unread = [...newest.values()].filter((row) => !processed.has(overlapKey(row))).sort(compareKeys);
  const inReach = unread.filter(({ eventTs }) => eventTs >= poll.overlapFrom);
  const isLate = (row: Delivery): boolean => compareKeys(row, poll.cursor) <= 0;
  const { skippedFrom } = poll;
  return {
    tail: visible
      .filter(({ eventTs }) => eventTs > now - tailMs)
      .reduce<CursorKey | null>((tail, { eventTs, symbol, seq }) => {
        const key = { eventTs, symbol, seq };
        return tail === null || compareKeys(key, tail) > 0 ? key : tail;
      }, null),
    rows: [
      ...inReach
        .filter((row) => !isLate(row))
        .slice(0, limit)
        .map((row) => ({ row, late: false })),
      ...inReach
        .filter(isLate)
        .slice(0, lateLimit)
        .map((row) => ({ row, late: true })),
    ],
    skippedRows:
      skippedFrom === null
        ? 0
        : unread.filter(({ eventTs }) => eventTs >= skippedFrom && eventTs < poll.overlapFrom).length,
  };
};

export interface PollResult extends PollEnd {
  readonly read: ModelRead;
}

/** One poll of a cycle that consumes what it reads. */
export const pollStream = (
  deliveries: readonly Delivery[],
  stored: Cursor | null,
  now: Instant,
  limits: CursorLimits,
  limit = 500,
  lateLimit = 5_000,
): PollResult => {
  const poll = startOfPoll(stored, now, limits);
  const read = readStream(deliveries, poll, now, limit, lateLimit);
  return { ...endOfPoll(poll, read, now, limits), read };
};
