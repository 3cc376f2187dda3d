import {
  compareKeys,
  defaultLimits,
  endOfPoll,
  minute,
  second,
  startOfPoll,
  type Cursor,
  type Instant,
  type SignalBatch,
  type SignalStore,
} from '@torghut/domain';
import { clickHouseSignalStore, fixedCredentials, migrateClickHouse, type ClickHouse } from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testClickHouse, type TestClickHouse } from '../../support/clickhouse.ts';
import { clickHouseMigrations } from '../../support/migrations.ts';
import { insertStream, quietRow, type StreamRow } from '../../support/stream.ts';

const start = Date.parse('2026-02-13T15:00:00.000Z');
/** Rows this late are still within the overlap whatever was read meanwhile. */
const latest = 15 * second;
/** Seconds with rows: few, so that most identities are delivered more than once. */
const lastEvent = 12;

let clickhouse: TestClickHouse;
let client: ClickHouse;
let store: SignalStore;

beforeAll(async () => {
  clickhouse = await testClickHouse();
  await migrateClickHouse(clickhouse.client, clickHouseMigrations, { replicated: false, ttl: false });
  client = createClickHouse({
    url: clickhouse.url,
    credentials: fixedCredentials({ username: 'default', password: '' }),
  });
  const table = (name: string): string => `${clickhouse.database}.${name}`;
  store = clickHouseSignalStore(client, { signals: table('ta_signals'), bars: table('ta_microbars') });
});
beforeEach(async () => {
  for (const table of ['ta_signals', 'ta_microbars']) {
    await clickhouse.client.command({ query: `TRUNCATE TABLE ${table}` });
  }
});
afterAll(async () => {
  await client.close();
  await clickhouse.close();
});

const insert = (...rows: readonly StreamRow[]): Promise<void> =>
  insertStream(
    clickhouse.client,
    rows.map((row) => ({ windowSize: 'PT1S', ...row })),
  );

/** One poll as a cycle makes it. */
const poll = async (
  stored: Cursor | null,
  now: Instant,
  limit = 500,
): Promise<{ readonly cursor: Cursor; readonly batch: SignalBatch }> => {
  const begin = startOfPoll(stored, now, defaultLimits);
  const read = await store.read({
    now,
    cursor: begin.cursor,
    processed: begin.cursor.overlapKeys,
    overlapFrom: begin.overlapFrom,
    skippedFrom: begin.skippedFrom,
    windowSize: 'PT1S',
    limit,
    lateLimit: limit,
  });
  if (!read.ok) throw new Error(read.detail);
  return { cursor: endOfPoll(begin, read.batch, now, defaultLimits).cursor, batch: read.batch };
};

const identity = ({ symbol, eventTs }: { readonly symbol: string; readonly eventTs: Instant }): string =>
  `${symbol}|${(eventTs - start) / second}`;

describe('the signal store over the engine', () => {
  const delivery = fc.record({
    symbol: fc.constantFrom('A', 'B', 'C'),
    /** Seconds after the start. */
    event: fc.integer({ min: 0, max: lastEvent }),
    /** Counter of the producer, which restarts at any time. */
    seq: fc.integer({ min: 1, max: 6 }),
    delayMs: fc.integer({ min: 0, max: latest }),
  });

  it('[S4] gives every identity exactly once, whatever is late, repeated, renumbered, and however polls and limits cut it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(delivery, { minLength: 1, maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 9 }),
        async (deliveries, pauses, limit) => {
          await clickhouse.client.command({ query: 'TRUNCATE TABLE ta_signals' });
          await insert(
            ...deliveries.map(({ symbol, event, seq, delayMs }) => {
              const eventTs = start + event * second;
              return quietRow(symbol, eventTs, { seq, ingestTs: eventTs + delayMs, close: null });
            }),
          );
          const expected = [...new Set(deliveries.map(({ symbol, event }) => `${symbol}|${event}`))].sort();

          const read: string[] = [];
          let cursor: Cursor | null = null;
          const advance = async (now: Instant): Promise<number> => {
            const before = cursor;
            const { cursor: after, batch } = await poll(before, now, limit);
            if (before !== null) expect(compareKeys(after, before)).toBeGreaterThanOrEqual(0);
            cursor = after;
            read.push(...batch.rows.map(({ row }) => identity(row)));
            return batch.rows.length;
          };
          let now = start;
          for (const pause of pauses) await advance((now += pause * second));
          // The stream ends; polls go on until nothing is left.
          now = Math.max(now, start + lastEvent * second + latest);
          while ((await advance(now)) > 0) now += second;

          expect(read.toSorted()).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  }, 120_000);

  it('[S4] does not read the row under the cursor again when it is delivered with a higher number', async () => {
    await insert(quietRow('A', start, { seq: 5 }));
    const first = await poll(null, start + 5 * second);
    expect(first.batch.rows.map(({ row }) => identity(row))).toEqual(['A|0']);
    await insert(quietRow('A', start, { seq: 900, ingestTs: start + 6 * second }));
    const next = await poll(first.cursor, start + 10 * second);
    expect(next.batch.rows).toEqual([]);
  });

  it('[S4] reads a row that is 5 s late exactly once', async () => {
    await insert(quietRow('A', start), quietRow('B', start, { ingestTs: start + 9 * second }), quietRow('C', start));
    const first = await poll(null, start + 5 * second);
    const next = await poll(first.cursor, start + 10 * second);
    const third = await poll(next.cursor, start + 15 * second);
    expect([first, next, third].map(({ batch }) => batch.rows.map(({ row, late }) => [row.symbol, late]))).toEqual([
      [
        ['A', false],
        ['C', false],
      ],
      [['B', true]],
      [],
    ]);
  });

  it('sees nothing from the future: neither rows, nor as the newest row, nor as price', async () => {
    await insert(
      quietRow('A', start, { close: 100 }),
      quietRow('A', start + minute, { ingestTs: start, close: 999 }),
      quietRow('B', start + 60 * minute, { ingestTs: start, close: 999 }),
    );
    const { batch } = await poll(null, start + 5 * second);
    expect(batch.rows.map(({ row }) => [identity(row), row.price])).toEqual([['A|0', 100]]);
    expect(batch.tail).toMatchObject({ eventTs: start, symbol: 'A' });
    expect(batch.symbolsSeen).toEqual(['A']);
    expect(await store.newestEvents(start + 5 * second, 'PT1S')).toEqual({ ok: true, eventTs: start, barTs: start });
  });

  it('reads only the series it was asked for', async () => {
    await insert(
      quietRow('A', start),
      quietRow('B', start, { source: 'ws', windowSize: 'PT1M' }),
      quietRow('C', start, { windowSize: 'PT1M' }),
      quietRow('D', start, { source: 'ws' }),
    );
    const { batch } = await poll(null, start + 5 * second);
    expect(batch.rows.map(({ row }) => row.symbol)).toEqual(['A']);
  });

  it('prices a signal by the newest bar not after it, delivered last, and counts deliveries', async () => {
    await insert(
      quietRow('A', start - second, { close: 99 }),
      quietRow('A', start, { seq: 1, close: 100 }),
      quietRow('A', start, { seq: 2, close: 101, ingestTs: start + 5 * second }),
      quietRow('B', start, { close: null }),
    );
    const { batch } = await poll(null, start + 5 * second);
    expect(batch.rows.map(({ row, copies }) => [row.symbol, row.eventTs, row.price, row.priceAt, copies])).toEqual([
      ['A', start - second, 99, start - second, 1],
      ['A', start, 101, start, 2],
      ['B', start, null, null, 1],
    ]);
  });

  it('counts the volume of a bar once and as delivered last, in the 20 minutes up to the signal', async () => {
    await insert(
      quietRow('A', start - second - 20 * minute, { volume: 7_000_000 }),
      quietRow('A', start - second, { seq: 1, volume: 500 }),
      quietRow('A', start - second, { seq: 2, volume: 1_500, ingestTs: start + 5 * second }),
      quietRow('A', start, { volume: 500 }),
    );
    const { batch } = await poll(null, start + 5 * second);
    expect(batch.rows.map(({ row }) => row.meanMinuteVolume20)).toEqual([75, 100]);
  });

  it('keeps sequence numbers of 64 bits', async () => {
    const seq = '18446744073709551615';
    await insert(quietRow('A', start, { seq }));
    expect((await poll(null, start + 5 * second)).cursor).toMatchObject({ symbol: 'A', seq });
  });

  it('leaves out ten thousand processed identities, in parameters that a server takes', async () => {
    const lengths: number[] = [];
    const watched = clickHouseSignalStore(
      {
        ...client,
        query: (query) => {
          for (const value of Object.values(query.parameters ?? {})) lengths.push(JSON.stringify(value).length);
          return client.query(query);
        },
      },
      { signals: `${clickhouse.database}.ta_signals`, bars: `${clickhouse.database}.ta_microbars` },
    );
    await insert(quietRow('A0', start), quietRow('A9999', start), quietRow('B', start));
    const read = await watched.read({
      now: start + 5 * second,
      cursor: { eventTs: start, symbol: 'A9999', seq: '18446744073709551615' },
      processed: Array.from({ length: 10_000 }, (_, index) => `A${index}|${start}`),
      overlapFrom: start - latest,
      skippedFrom: null,
      windowSize: 'PT1S',
      limit: 500,
      lateLimit: 500,
    });
    expect(read.ok && read.batch.rows.map(({ row }) => row.symbol)).toEqual(['B']);
    expect(Math.max(...lengths)).toBeLessThan(128 * 1024);
  });
});
