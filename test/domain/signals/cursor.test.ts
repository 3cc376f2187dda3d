import {
  compareKeys,
  cursorSummary,
  defaultLimits,
  endOfPoll,
  hour,
  minute,
  overlapKey,
  second,
  startOfPoll,
  type Cursor,
  type CursorKey,
  type CursorLimits,
  type Instant,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pollStream, readStream, type Delivery } from './stream-model.ts';

const start = Date.parse('2026-02-13T15:00:00.000Z');
const limits: CursorLimits = defaultLimits;
const row = (symbol: string, offsetMs: number, changes: Partial<Delivery> = {}): Delivery => ({
  symbol,
  eventTs: start + offsetMs,
  seq: '1',
  visibleAt: start + offsetMs,
  ...changes,
});
const cursorAt = (key: Partial<Cursor> = {}): Cursor => ({
  eventTs: start,
  symbol: 'M',
  seq: '7',
  overlapKeys: [],
  lastRewindAt: null,
  lockVersion: 1,
  ...key,
});
const namesOf = (rows: readonly { readonly row: CursorKey }[]): string[] => rows.map(({ row: one }) => one.symbol);
const identitiesOf = (deliveries: readonly Delivery[]): string[] => [...new Set(deliveries.map(overlapKey))].sort();

/** Deliveries of a few symbols on whole seconds, so that symbols share instants, with repeats and restarted numbering. */
const deliveriesWithin = (seconds: number, maxDelayMs: number) =>
  fc.array(
    fc
      .record({
        symbol: fc.constantFrom('A', 'B', 'C', 'BRK.B'),
        at: fc.integer({ min: 0, max: seconds }),
        seq: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        delay: fc.integer({ min: 0, max: maxDelayMs }),
      })
      .map(({ symbol, at, seq, delay }) =>
        row(symbol, at * second, { seq: seq.toString(), visibleAt: start + at * second + delay }),
      ),
    { minLength: 1, maxLength: 60 },
  );

interface Replay {
  readonly read: readonly string[];
  readonly skipped: number;
  readonly aheadOfStream: boolean;
}

/** Polls after each pause, then every second until the stream is exhausted. Asserts that the cursor never moves back. */
const replay = (
  deliveries: readonly Delivery[],
  pausesMs: readonly number[],
  limit: number,
  cursorLimits: CursorLimits,
): Replay => {
  const lastVisible = Math.max(...deliveries.map(({ visibleAt }) => visibleAt));
  let cursor: Cursor | null = null;
  let now: Instant = start;
  const read: string[] = [];
  let skipped = 0;
  let aheadOfStream = false;
  const poll = (): number => {
    const before: Cursor | null = cursor;
    const end = pollStream(deliveries, before, now, cursorLimits, limit);
    if (before !== null) expect(compareKeys(end.cursor, before)).toBeGreaterThanOrEqual(0);
    cursor = end.cursor;
    read.push(...end.read.rows.map(({ row: one }) => overlapKey(one)));
    skipped += end.read.skippedRows;
    aheadOfStream ||= end.aheadOfStream;
    return end.read.rows.length + end.read.skippedRows;
  };
  poll();
  for (const pause of pausesMs) {
    now += pause;
    poll();
  }
  now = Math.max(now, lastVisible);
  // A loop that never came to rest would be a stall; every poll but the last reads or skips at least one row.
  for (let polls = 0; poll() > 0; polls += 1) {
    expect(polls).toBeLessThanOrEqual(deliveries.length);
    now += second;
  }
  return { read, skipped, aheadOfStream };
};

describe('poll loops over any stream', () => {
  const pauses = (maxSeconds: number) =>
    fc.array(fc.integer({ min: 1, max: maxSeconds * second }), { minLength: 1, maxLength: 12 });

  it('[S4] reads every row exactly once: late up to the overlap, repeated, renumbered, sharing instants, cut by any batch size', () => {
    const overlapped = fc
      .constantFrom(0, 5, 15, 60)
      .chain((overlap) => fc.tuple(fc.constant(overlap), deliveriesWithin(300, overlap * second)));
    fc.assert(
      fc.property(overlapped, pauses(60), fc.integer({ min: 1, max: 7 }), ([overlap, deliveries], gaps, limit) => {
        const result = replay(deliveries, gaps, limit, { ...limits, signalOverlapSeconds: overlap });
        expect([...result.read].sort()).toEqual(identitiesOf(deliveries));
        expect(result.skipped).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('[S4] reads every row once or counts it as skipped once, however long the polls pause', () => {
    fc.assert(
      fc.property(
        deliveriesWithin(6 * 3_600, 15 * second),
        pauses(2 * 3_600),
        fc.integer({ min: 1, max: 7 }),
        (deliveries, gaps, limit) => {
          const result = replay(deliveries, gaps, limit, limits);
          const all = identitiesOf(deliveries);
          expect(new Set(result.read).size).toBe(result.read.length);
          expect(result.read.length + result.skipped).toBe(all.length);
          expect(all).toEqual(expect.arrayContaining([...new Set(result.read)]));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('[S4] never claims to be ahead of a stream that only grows or falls silent', () => {
    fc.assert(
      fc.property(deliveriesWithin(4 * 3_600, 15 * second), pauses(3 * 3_600), (deliveries, gaps) => {
        expect(replay(deliveries, gaps, 500, limits).aheadOfStream).toBe(false);
      }),
    );
  });
});

describe('start of a poll', () => {
  it('reads from the lookback when there is no cursor, with tie-breakers that are never null', () => {
    const poll = startOfPoll(null, start, limits);
    const eventTs = start - 15 * minute;
    expect(poll).toEqual({
      cursor: { eventTs, symbol: '', seq: '0', overlapKeys: [], lastRewindAt: null, lockVersion: 0 },
      moved: 'initial',
      overlapFrom: eventTs - 15 * second,
      skippedFrom: null,
      resting: poll.cursor,
    });
  });

  it('reads on from a stored cursor that is not older than the lookback', () => {
    const stored = cursorAt();
    for (const age of [0, 15 * minute]) {
      expect(startOfPoll(stored, start + age, limits)).toEqual({
        cursor: stored,
        moved: null,
        overlapFrom: start - 15 * second,
        skippedFrom: null,
        resting: stored,
      });
    }
  });

  it('skips what is older than the lookback after a long stop, and has it counted from the stored overlap on', () => {
    const stored = cursorAt({ overlapKeys: [`M|${start}`], lastRewindAt: start, lockVersion: 3 });
    const eventTs = start + minute;
    expect(startOfPoll(stored, start + 16 * minute, limits)).toEqual({
      cursor: { ...stored, eventTs, symbol: '', seq: '0' },
      moved: 'fast_forwarded',
      overlapFrom: eventTs - 15 * second,
      skippedFrom: start - 15 * second,
      resting: stored,
    });
  });

  it('respects a lookback and an overlap of zero', () => {
    const poll = startOfPoll(null, start, { ...limits, signalLookbackMinutes: 0, signalOverlapSeconds: 0 });
    expect([poll.cursor.eventTs, poll.overlapFrom]).toEqual([start, start]);
  });
});

describe('traps of the predecessor', () => {
  it('[S4] C1: the cursor is the exact sort key of the last row, not the largest of each part', () => {
    const deliveries = [row('A', 0, { seq: '900' }), row('B', 0, { seq: '5' }), row('C', 0, { seq: '40' })];
    const first = pollStream(deliveries, null, start, limits, 2);
    expect(first.cursor).toMatchObject({ eventTs: start, symbol: 'B', seq: '5' });
    expect(namesOf(pollStream(deliveries, first.cursor, start, limits, 2).read.rows)).toEqual(['C']);
  });

  it('[S4] C2: an empty poll keeps symbol and sequence number, so other symbols of the same second are not lost', () => {
    const first = pollStream([row('A', 0, { seq: '12' })], null, start, limits);
    const empty = pollStream([row('A', 0, { seq: '12' })], first.cursor, start + second, limits);
    expect(empty.cursor).toMatchObject({ eventTs: start, symbol: 'A', seq: '12' });
    const withB = [row('A', 0, { seq: '12' }), row('B', 0, { seq: '3', visibleAt: start + 2 * second })];
    expect(namesOf(pollStream(withB, empty.cursor, start + 2 * second, limits).read.rows)).toEqual(['B']);
  });

  it('[S4] C3: late rows are read beside the batch, so a full batch cannot keep them out nor they stall it', () => {
    const late = ['A', 'B', 'C'].map((symbol) => row(symbol, 0, { visibleAt: start + 5 * second }));
    const fresh = ['D', 'E', 'F'].map((symbol) => row(symbol, 6 * second));
    const first = pollStream([row('Z', 2 * second)], null, start + 3 * second, limits);
    const next = pollStream([row('Z', 2 * second), ...late, ...fresh], first.cursor, start + 6 * second, limits, 2);
    expect(next.read.rows.map(({ row: { symbol }, late: isLate }) => [symbol, isLate])).toEqual([
      ['D', false],
      ['E', false],
      ['A', true],
      ['B', true],
      ['C', true],
    ]);
    expect(next.cursor).toMatchObject({ eventTs: start + 6 * second, symbol: 'E' });
  });

  it('[S4] C4: silence holds the cursor on the newest row, however long it lasts', () => {
    const deliveries = [row('A', 0), row('B', 0)];
    let { cursor } = pollStream(deliveries, null, start, limits);
    for (const at of [minute, 14 * minute, 16 * minute, 31 * minute, 46 * minute, 100 * minute, 5 * hour]) {
      const end = pollStream(deliveries, cursor, start + at, limits);
      expect(end.read.rows).toEqual([]);
      expect(end).toMatchObject({ aheadOfStream: false, rewound: false, atTail: at < 2 * hour });
      cursor = end.cursor;
      expect(cursor).toMatchObject({ eventTs: start, symbol: 'B', seq: '1' });
    }
  });

  it('[S4] C14: a long stop is fast-forwarded, its rows are counted once and not replayed', () => {
    const backlog = Array.from({ length: 120 }, (_, index) => row('A', index * minute));
    const first = pollStream(backlog, null, start, limits);
    const now = start + 119 * minute;
    const end = pollStream(backlog, first.cursor, now, limits);
    // One row a minute: the rows of the last 15 minutes are read, the one of the first minute was before the stop.
    expect([end.read.rows.length, end.read.skippedRows]).toEqual([16, 103]);
    expect(pollStream(backlog, end.cursor, now + second, limits).read).toMatchObject({ rows: [], skippedRows: 0 });
  });
});

describe('end of a poll', () => {
  it('[S4] an unreadable stream holds the stored cursor, and what was skipped meanwhile is counted when it is back', () => {
    const backlog = [row('A', 0), row('A', 10 * minute), row('A', 60 * minute)];
    const { cursor } = pollStream(backlog, null, start, limits);
    const blind = endOfPoll(startOfPoll(cursor, start + 40 * minute, limits), null, start + 40 * minute, limits);
    expect(blind).toMatchObject({ cursor, held: cursor, aheadOfStream: false, atTail: false });
    const back = pollStream(backlog, blind.cursor, start + 60 * minute, limits);
    expect([back.read.rows.length, back.read.skippedRows]).toEqual([1, 1]);
  });

  it('[S4] rows that may not be consumed are read again: the held cursor stays before all of them', () => {
    const deliveries = [
      row('A', 0),
      row('B', 0),
      row('A', minute),
      row('C', minute - 5 * second, { visibleAt: start + minute }),
    ];
    const first = pollStream(deliveries, null, start, limits);
    const blocked = pollStream(deliveries, first.cursor, start + minute, limits);
    expect(blocked.held).toEqual(first.cursor);
    const initial = pollStream(deliveries, null, start + minute, limits);
    for (const held of [blocked.held, initial.held]) {
      const again = pollStream(deliveries, held, start + minute + second, limits);
      expect(namesOf(again.read.rows)).toEqual(expect.arrayContaining(['A', 'C']));
    }
    expect(pollStream(deliveries, initial.held, start + minute, limits).read.rows).toHaveLength(4);
  });

  it('keeps the identities of the overlap, the boundary included, and forgets older ones', () => {
    const deliveries = [row('OLD', -second), row('EDGE', 0), row('NEW', 15 * second)];
    const { cursor } = pollStream(deliveries, null, start + 15 * second, limits);
    expect(cursor.overlapKeys).toEqual([`EDGE|${start}`, `NEW|${start + 15 * second}`]);
  });

  it('keeps the newest identities when there are more than the limit', () => {
    const deliveries = [row('A', 0), row('B', second), row('C', 2 * second)];
    const end = pollStream(deliveries, null, start + 2 * second, { ...limits, overlapKeyLimit: 2 });
    expect(end.cursor.overlapKeys).toEqual([`C|${start + 2 * second}`, `B|${start + second}`]);
  });

  it('says whether the cursor stands on the newest row', () => {
    const deliveries = [row('A', 0), row('B', 0)];
    const first = pollStream(deliveries, null, start, limits, 1);
    expect(first.atTail).toBe(false);
    expect(pollStream(deliveries, first.cursor, start, limits, 1).atTail).toBe(true);
  });
});

describe('a cursor ahead of the stream', () => {
  const ahead = cursorAt({ eventTs: start + 60 * minute });
  const tail = { eventTs: start, symbol: 'K', seq: '18446744073709551615' };
  const end = (stored: Cursor, newest: CursorKey | null, now: Instant) =>
    endOfPoll(startOfPoll(stored, now, limits), { tail: newest, rows: [], skippedRows: 0 }, now, limits);

  it('[S4] is rewound to the exact sort key of the newest row', () => {
    const now = ahead.eventTs;
    const result = end(ahead, tail, now);
    expect(result).toMatchObject({ aheadOfStream: true, rewound: true, atTail: false });
    expect(result.cursor).toEqual({ ...ahead, ...tail, overlapKeys: [overlapKey(tail)], lastRewindAt: now });
    expect(result.held).toEqual(result.cursor);
  });

  it('[S4] is healed: the rows after the newest one are read again from there', () => {
    const rewound = end(ahead, tail, ahead.eventTs).cursor;
    const stream = [row('K', 0, { seq: tail.seq }), row('A', 60 * minute), row('B', 60 * minute)];
    expect(namesOf(pollStream(stream, rewound, ahead.eventTs + second, limits).read.rows)).toEqual(['A', 'B']);
  });

  it('[S4] within the tolerance, or with an unknown tail, is left alone', () => {
    const exactly = cursorAt({ eventTs: tail.eventTs + 15 * minute });
    for (const [stored, newest] of [
      [exactly, tail],
      [ahead, null],
    ] as const) {
      expect(end(stored, newest, stored.eventTs)).toMatchObject({
        cursor: stored,
        aheadOfStream: false,
        rewound: false,
      });
    }
    expect(end({ ...exactly, eventTs: exactly.eventTs + 1 }, tail, exactly.eventTs + 1).aheadOfStream).toBe(true);
  });

  it('[S4] is judged by where it stood, not by where a fast-forward put it', () => {
    const now = ahead.eventTs + 40 * minute;
    expect(end(ahead, tail, now)).toMatchObject({ aheadOfStream: true, rewound: true });
    expect(end(cursorAt(), tail, now)).toMatchObject({ aheadOfStream: false, cursor: { eventTs: start } });
  });

  it('[S4] is rewound at most once per 15 minutes, and always after them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 * 60 }), { minLength: 1, maxLength: 40 }), (pauses) => {
        let now = start;
        let lastRewindAt: Instant | null = null;
        for (const pause of pauses) {
          now += pause * second;
          // Whatever put it there, it stands at the present while the stream is an hour old.
          const stored = cursorAt({ eventTs: now, lastRewindAt });
          const result = end(stored, { ...tail, eventTs: now - hour }, now);
          expect(result.aheadOfStream).toBe(true);
          expect(result.rewound).toBe(lastRewindAt === null || now - lastRewindAt >= 15 * minute);
          if (!result.rewound) expect(result.cursor).toEqual(stored);
          lastRewindAt = result.cursor.lastRewindAt;
        }
      }),
    );
  });
});

describe('sort keys', () => {
  const key = fc.record({
    eventTs: fc.integer({ min: 0, max: 3 }),
    symbol: fc.constantFrom('', 'A', 'AA', 'B', 'BRK.B'),
    seq: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  });

  it('are ordered by time, symbol bytes and the number as a number', () => {
    const at = (symbol: string, seq: string): CursorKey => ({ eventTs: 0, symbol, seq });
    const ordered = [
      at('', '0'),
      at('A', '9'),
      at('A', '10'),
      at('A', '18446744073709551615'),
      at('AA', '1'),
      at('B', '1'),
    ];
    expect([...ordered].reverse().sort(compareKeys)).toEqual(ordered);
    fc.assert(
      fc.property(key, key, key, (a, b, c) => {
        expect(Math.sign(compareKeys(a, b))).toBe(-Math.sign(compareKeys(b, a)) + 0);
        if (compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0) expect(compareKeys(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('are recorded with a window as text', () => {
    expect(cursorSummary(cursorAt())).toEqual({ event_ts: '2026-02-13T15:00:00.000Z', symbol: 'M', seq: '7' });
  });
});

it('the model of the stream reads nothing that was processed and nothing from the future', () => {
  const poll = startOfPoll(cursorAt({ overlapKeys: [`A|${start}`] }), start, limits);
  expect(readStream([row('A', 0), row('B', 1)], poll, start, 10, 10)).toMatchObject({ rows: [], skippedRows: 0 });
});
