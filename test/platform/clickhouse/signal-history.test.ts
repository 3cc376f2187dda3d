import {
  defaultLimits,
  endOfPoll,
  hour,
  minute,
  second,
  startOfPoll,
  type Cursor,
  type Instant,
  type SignalQuery,
  type SignalRead,
  type SignalStore,
} from '@torghut/domain';
import {
  clickHouseSignalHistory,
  clickHouseSignalStore,
  fixedCredentials,
  migrateClickHouse,
  type ClickHouse,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testClickHouse, type TestClickHouse } from '../../support/clickhouse.ts';
import { clickHouseMigrations } from '../../support/migrations.ts';
import { insertStream, type StreamRow } from '../../support/stream.ts';

/** Reads look hours back: what one case inserts on its day, no other one sees. */
const firstDay = Date.parse('2026-02-13T15:00:00.000Z');
let days = 0;
const anotherDay = (): Instant => firstDay + (days += 1) * 24 * hour;

let clickhouse: TestClickHouse;
let client: ClickHouse;
/** Statements sent since the start. */
let statements = 0;
let live: SignalStore;
let history: () => Pick<SignalStore, 'read'>;

beforeAll(async () => {
  clickhouse = await testClickHouse();
  await migrateClickHouse(clickhouse.client, clickHouseMigrations, { replicated: false, ttl: false });
  const credentials = fixedCredentials({ username: 'default', password: '' });
  const engine = createClickHouse({ url: clickhouse.url, credentials });
  client = {
    ...engine,
    query: (query) => {
      statements += 1;
      return engine.query(query);
    },
  };
  // A merge would drop copies between two reads that are to be compared.
  await clickhouse.client.command({ query: 'SYSTEM STOP MERGES' });
  const table = (name: string): string => `${clickhouse.database}.${name}`;
  const tables = { signals: table('ta_signals'), bars: table('ta_microbars') };
  live = clickHouseSignalStore(client, tables);
  history = clickHouseSignalHistory(client, tables);
});
afterAll(async () => {
  await client.close();
  await clickhouse.close();
});

/** A read without what replays leave aside. */
const comparable = (read: SignalRead): unknown => {
  if (!read.ok) throw new Error(read.detail);
  const { rows, tail } = read.batch;
  return { rows, tail };
};

const insert = (rows: readonly StreamRow[]): Promise<void> => insertStream(clickhouse.client, rows);

describe('the reads of the past', () => {
  const eventMinutes = 5;
  const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), fc.constant(null));
  const deliveries = fc
    .array(
      fc.record({
        symbol: fc.constantFrom('A', 'BRK.B', 'a'),
        /** Fifteen seconds each after the start; some long before it, for the newest row and the volume. */
        quarter: fc.oneof(
          { weight: 5, arbitrary: fc.integer({ min: 0, max: eventMinutes * 4 }) },
          { weight: 1, arbitrary: fc.integer({ min: -600, max: -1 }) },
        ),
        seq: fc.constantFrom('1', '2', '10', '18446744073709551615'),
        delayMs: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 3 * minute })),
        close: fc.oneof(fc.double({ noNaN: true, min: 0.01, max: 1e5 }), fc.constant(null), fc.constant('nan')),
        // Sevenths are no binary fractions: their sum depends on the order.
        volume: fc.integer({ min: 1, max: 1_000_000 }).map((sevenths) => sevenths / 7),
        source: fc.constantFrom('ta', 'ta', 'ta', 'ta', 'ta', 'ws'),
        windowSize: fc.constantFrom('PT1M', 'PT1M', 'PT1M', 'PT1M', 'PT1M', 'PT1S'),
        indicators: fc.tuple(value, value),
      }),
      { minLength: 40, maxLength: 120, size: 'max' },
    )
    .map((all) =>
      // Of copies emitted in the same millisecond the live statement takes any.
      [...new Map(all.map((one) => [`${one.symbol}|${one.quarter}|${one.delayMs}`, one])).values()].map(
        ({ quarter, delayMs, indicators: [first, other], ...row }) =>
          (start: Instant): StreamRow => {
            const eventTs = start + quarter * 15 * second;
            return { ...row, eventTs, ingestTs: eventTs + delayMs, indicators: { ema12: first, rsi14: other } };
          },
      ),
    );

  it('[S4] answer what the live read of each window answers, whatever is late, repeated or renumbered', async () => {
    await fc.assert(
      fc.asyncProperty(
        deliveries,
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 4, maxLength: 8 }),
        fc.integer({ min: 1, max: 30 }),
        async (rows, pauses, limit) => {
          const start = anotherDay();
          await insert(rows.map((row) => row(start)));
          const past = history();
          let cursor: Cursor | null = null;
          let now = start;
          for (const pause of pauses) {
            now += pause * second;
            const begin = startOfPoll(cursor, now, defaultLimits);
            const query: SignalQuery = {
              now,
              cursor: begin.cursor,
              processed: begin.cursor.overlapKeys,
              overlapFrom: begin.overlapFrom,
              skippedFrom: null,
              windowSize: 'PT1M',
              limit,
              lateLimit: limit + 1,
            };
            const answered = await live.read(query);
            expect(comparable(await past.read(query))).toEqual(comparable(answered));
            if (answered.ok) cursor = endOfPoll(begin, answered.batch, now, defaultLimits).cursor;
          }
        },
      ),
      // Another second for each step of shrinking: the case as it was found must do.
      { numRuns: 15, endOnFailure: true },
    );
  }, 120_000);

  it('read the tables once for a stretch of windows, and again where it ends', async () => {
    const start = anotherDay();
    const at = (tick: number): Instant => start + tick * minute;
    await insert(
      Array.from({ length: 130 }, (_, tick) => ({ symbol: 'A', eventTs: at(tick) - 20 * second, indicators: {} })),
    );
    const query = (tick: number): SignalQuery => ({
      now: at(tick),
      cursor: { eventTs: at(tick - 1), symbol: '', seq: '0' },
      processed: [],
      overlapFrom: at(tick - 1) - 15 * second,
      skippedFrom: null,
      windowSize: 'PT1M',
      limit: 500,
      lateLimit: 500,
    });
    statements = 0;
    const past = history();
    const answers: SignalRead[] = [];
    for (let tick = 0; tick < 130; tick += 1) answers.push(await past.read(query(tick)));
    expect(statements).toBe(3 * 3);
    for (const tick of [0, 60, 61, 121, 122, 129])
      expect(comparable(answers[tick] as SignalRead)).toEqual(comparable(await live.read(query(tick))));
  });

  it('do not remember a stream beyond the replay they were opened for', async () => {
    const start = anotherDay();
    const query: SignalQuery = {
      now: start,
      cursor: { eventTs: start - minute, symbol: '', seq: '0' },
      processed: [],
      overlapFrom: start - 2 * minute,
      skippedFrom: null,
      windowSize: 'PT1M',
      limit: 500,
      lateLimit: 500,
    };
    expect(comparable(await history().read(query))).toMatchObject({ rows: [], tail: null });
    await insert([{ symbol: 'A', eventTs: start - 30 * second, indicators: {} }]);
    expect(comparable(await history().read(query))).toMatchObject({ rows: [{ row: { symbol: 'A' } }] });
  });
});
