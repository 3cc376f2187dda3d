import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInstant } from '@torghut/domain';
import { migrateClickHouse } from '@torghut/platform';
import { generatedDirectory } from '../../../../infra/local/bars/generate.ts';
import type { BarSession } from '../../../../infra/local/bars/bars.ts';
import { readBars } from '../../../../infra/local/bars/reader.ts';
import { type LocalClickHouse, startClickHouse } from '../../../../infra/local/engines/clickhouse.ts';
import { ingestSession } from '../../../../infra/local/ingest/ingest.ts';
import { BarStream, type SessionRows } from '../../../../infra/local/ingest/rows.ts';

const migrations = join(import.meta.dirname, '../../../../migrations/clickhouse');

let dataDir: string;
let engine: LocalClickHouse;
let client: ClickHouseClient;
let sessions: readonly BarSession[];
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'torghut-ingest-'));
  engine = await startClickHouse({ dataDir });
  client = createClient({ url: engine.url });
  ({ sessions } = await readBars(generatedDirectory));
});
afterAll(async () => {
  await client.close();
  await engine.stop();
  await rm(dataDir, { recursive: true });
});

/** A new database with the tables as the migrations make them. */
const createDatabase = async (name: string): Promise<string> => {
  await client.command({ query: `CREATE DATABASE ${name}` });
  const inDatabase = createClient({ url: engine.url, database: name });
  await migrateClickHouse(inDatabase, migrations, { replicated: false, ttl: false });
  await inDatabase.close();
  return name;
};
const select = async <T>(query: string): Promise<T[]> =>
  (await client.query({ query, format: 'JSONEachRow' })).json<T>();
const count = async (table: string): Promise<number> =>
  (await select<{ rows: number }>(`SELECT toUInt32(count()) AS rows FROM ${table}`))[0]!.rows;

describe('ingestion', () => {
  it('stores a session once, however often it is asked to', async () => {
    const database = await createDatabase('once');
    const rows = new BarStream().rowsOf(sessions[0]!);
    expect(await ingestSession(client, rows, { database })).toBe(2 * 8 * 390);
    expect(await ingestSession(client, rows, { database })).toBe(0);
    expect([await count(`${database}.ta_microbars`), await count(`${database}.ta_signals`)]).toEqual([
      8 * 390,
      8 * 390,
    ]);
  });

  it('completes a session that was cut off in the middle', async () => {
    const database = await createDatabase('cut');
    const rows = new BarStream().rowsOf(sessions[0]!);
    const cut: SessionRows = { ...rows, signals: rows.signals.slice(0, 1_000) };
    await ingestSession(client, cut, { database });
    expect(await ingestSession(client, rows, { database })).toBe(8 * 390);
    expect(await count(`(SELECT * FROM ${database}.ta_signals FINAL)`)).toBe(8 * 390);
  });

  it('stores what was computed, in every column and to the last bit', async () => {
    const database = await createDatabase('exact');
    const rows = new BarStream().rowsOf(sessions[0]!);
    await ingestSession(client, rows, { database });
    for (const [table, expected] of [
      ['ta_signals', rows.signals],
      ['ta_microbars', rows.microbars],
    ] as const) {
      const columns = await select<{ name: string }>(
        `SELECT name FROM system.columns WHERE database = '${database}' AND table = '${table}'`,
      );
      expect(new Set(Object.keys(expected[0]!))).toEqual(new Set(columns.map(({ name }) => name)));
      const stored = await select(
        `SELECT * FROM ${database}.${table} ORDER BY symbol, event_ts SETTINGS output_format_json_quote_64bit_integers = 0`,
      );
      expect(stored).toEqual(expected.map((row) => ({ ...row })));
    }
  });

  it('agrees with the engine on volatility, bands and the five-minute average price', async () => {
    const database = await createDatabase('oracle');
    const stream = new BarStream();
    await ingestSession(client, stream.rowsOf(sessions[0]!), { database });
    const [worst] = await select<Record<string, number>>(`
      WITH returns AS (
        SELECT *, log(c / lagInFrame(c, 1, c) OVER (PARTITION BY symbol ORDER BY event_ts)) AS r, (h + l + c) / 3 AS typical
        FROM ${database}.ta_microbars
      ), windows AS (
        SELECT symbol, event_ts, row_number() OVER (PARTITION BY symbol ORDER BY event_ts) AS n,
          stddevPop(r) OVER (PARTITION BY symbol ORDER BY event_ts ROWS 59 PRECEDING) AS volatility,
          avg(c) OVER (PARTITION BY symbol ORDER BY event_ts ROWS 19 PRECEDING) AS mid,
          stddevPop(c) OVER (PARTITION BY symbol ORDER BY event_ts ROWS 19 PRECEDING) AS deviation,
          sum(typical * v) OVER (PARTITION BY symbol ORDER BY event_ts ROWS 4 PRECEDING)
            / sum(v) OVER (PARTITION BY symbol ORDER BY event_ts ROWS 4 PRECEDING) AS vwap
        FROM returns
      )
      SELECT toUInt32(count()) AS rows, max(abs(volatility - vol_realized_w60s)) AS worst_volatility, max(abs(mid - boll_mid)) AS worst_mid,
        max(abs(mid + 2 * deviation - boll_upper)) AS worst_upper, max(abs(vwap - vwap_w5m)) AS worst_vwap
      FROM windows JOIN ${database}.ta_signals USING (symbol, event_ts) WHERE n > 60`);
    expect(worst!.rows).toBe(8 * 330);
    for (const column of ['worst_volatility', 'worst_mid', 'worst_upper', 'worst_vwap'])
      expect(worst![column]).toBeLessThan(1e-6);
  });
});

describe('the rows of a session', () => {
  it('are stamped with the end of the bar and become visible 3 to 5 s later', () => {
    const { signals, microbars, from, to } = new BarStream().rowsOf(sessions[0]!);
    const day = sessions[0]!.day;
    expect([from, to]).toEqual([day.openAt + 60_000, day.closeAt]);
    expect(microbars[0]).toMatchObject({
      symbol: 'GEN1',
      event_ts: '2025-11-25 14:31:00.000',
      seq: 1,
      window_size: 'PT1M',
      window_start: '2025-11-25 14:30:00.000',
      window_end: '2025-11-25 14:31:00.000',
      source: 'ta',
    });
    const delays = signals.map((row) => parseInstant(row.ingest_ts) - parseInstant(row.event_ts));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(3_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(5_000);
    expect(new Set(delays).size).toBeGreaterThan(500);
  });

  it('are the same in every run', () => {
    const all = (): SessionRows[] => {
      const stream = new BarStream();
      return sessions.map((session) => stream.rowsOf(session));
    };
    expect(all()).toEqual(all());
  });

  it('carry the state of the stream from one session into the next', () => {
    const stream = new BarStream();
    const last = stream.rowsOf(sessions[0]!).signals[389]!;
    const next = stream.rowsOf(sessions[1]!);
    expect(last).toMatchObject({ symbol: 'GEN1', seq: 390 });
    expect(next.signals[0]).toMatchObject({ symbol: 'GEN1', seq: 391 });
    const close = next.microbars[0]!.c;
    expect(next.signals[0]!.ema12).toBeCloseTo(last.ema12 + (2 / 13) * (close - last.ema12), 9);
    expect(next.signals[0]!.boll_mid).not.toBeNull();
  });

  it('take the last quote that ended by the end of the bar, never a later one', () => {
    const [session] = sessions;
    const { openAt } = session!.day;
    const [symbol, bars] = [...session!.symbols][0]!;
    const values = (...prices: number[]): Float64Array => Float64Array.from(prices);
    const quotes = {
      start: values(openAt + 60_000, openAt + 180_000),
      ...{
        bidOpen: values(1, 1),
        bidHigh: values(9, 9),
        bidLow: values(1, 1),
        bidClose: values(5, 7),
        bidSize: values(100, 300),
      },
      ...{
        askOpen: values(9, 9),
        askHigh: values(9, 9),
        askLow: values(6, 6),
        askClose: values(6, 8),
        askSize: values(200, 400),
      },
    };
    const { signals } = new BarStream().rowsOf({ ...session!, symbols: new Map([[symbol, { ...bars, quotes }]]) });
    // Before the first quote nothing is known and the model stands in; sizes show which it is.
    expect(signals.slice(0, 5).map((row) => [row.imbalance_bid_sz, row.imbalance_ask_sz])).toEqual([
      [null, null],
      [100, 200],
      [100, 200],
      [300, 400],
      [300, 400],
    ]);
    expect(signals[3]).toMatchObject({ imbalance_bid_px: 7, imbalance_ask_px: 8, imbalance_spread: 1 });
  });
});
