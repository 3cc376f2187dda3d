import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateClickHouse } from '@torghut/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forTarget } from '../../../layers/platform/src/clickhouse/migrator.ts';
import { testClickHouse } from '../../support/clickhouse.ts';
import type { TestClickHouse } from '../../support/clickhouse.ts';
import { clickHouseMigrations } from '../../support/migrations.ts';

const oneServer = { replicated: false, ttl: false };

let database: TestClickHouse;
let directory: string;
beforeEach(async () => {
  database = await testClickHouse();
  directory = await mkdtemp(join(tmpdir(), 'torghut-migrations-'));
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

const rows = async <T>(query: string): Promise<T[]> =>
  (await database.client.query({ query, format: 'JSONEachRow' })).json<T>();

describe('ClickHouse migrations', () => {
  it('make the two signal tables, and change nothing the second time', async () => {
    expect(await migrateClickHouse(database.client, clickHouseMigrations, oneServer)).toEqual({
      applied: ['0001', '0002'],
      version: '0002',
    });
    expect(await migrateClickHouse(database.client, clickHouseMigrations, oneServer)).toEqual({
      applied: [],
      version: '0002',
    });
    const tables = await rows(
      `SELECT name, engine, partition_key, sorting_key FROM system.tables
       WHERE database = currentDatabase() AND name LIKE 'ta\\_%' ORDER BY name`,
    );
    const table = {
      engine: 'ReplacingMergeTree',
      partition_key: 'toDate(event_ts)',
      sorting_key: 'symbol, event_ts, seq',
    };
    expect(tables).toEqual([
      { name: 'ta_microbars', ...table },
      { name: 'ta_signals', ...table },
    ]);
  });

  it('have the common columns, and every indicator nullable', async () => {
    await migrateClickHouse(database.client, clickHouseMigrations, oneServer);
    const common = {
      symbol: 'LowCardinality(String)',
      event_ts: `DateTime64(3, 'UTC')`,
      seq: 'UInt64',
      ingest_ts: `DateTime64(3, 'UTC')`,
      is_final: 'UInt8',
      source: 'LowCardinality(String)',
      window_size: 'LowCardinality(String)',
      window_step: 'Nullable(String)',
      window_start: `Nullable(DateTime64(3, 'UTC'))`,
      window_end: `Nullable(DateTime64(3, 'UTC'))`,
      version: 'UInt32',
    };
    const columns = async (table: string): Promise<Record<string, string>> =>
      Object.fromEntries(
        (
          await rows<{ name: string; type: string }>(
            `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '${table}'`,
          )
        ).map(({ name, type }) => [name, type]),
      );
    const double = 'Nullable(Float64)';
    const indicators =
      'macd macd_signal macd_hist ema12 ema26 rsi14 boll_mid boll_upper boll_lower vwap_session vwap_w5m ' +
      'imbalance_spread imbalance_bid_px imbalance_ask_px vol_realized_w60s';
    expect(await columns('ta_signals')).toEqual({
      ...common,
      ...Object.fromEntries(indicators.split(' ').map((name) => [name, double])),
      imbalance_bid_sz: 'Nullable(UInt64)',
      imbalance_ask_sz: 'Nullable(UInt64)',
    });
    const price = 'Float64';
    expect(await columns('ta_microbars')).toEqual({
      ...common,
      o: price,
      h: price,
      l: price,
      c: price,
      v: price,
      vwap: double,
      count: 'UInt64',
    });
  });

  it('keep the row that was ingested last', async () => {
    await migrateClickHouse(database.client, clickHouseMigrations, oneServer);
    const bar = {
      symbol: 'NVDA',
      event_ts: '2020-02-13 15:04:05.000',
      seq: 1,
      source: 'ta',
      window_size: 'PT1S',
      o: 1,
      h: 1,
      l: 1,
      v: 1,
      count: 1,
    };
    for (const [second, close] of [
      ['07', 2],
      ['06', 1],
    ] as const) {
      const value = { ...bar, c: close, ingest_ts: `2020-02-13 15:04:${second}.000` };
      await database.client.insert({ table: 'ta_microbars', values: [value], format: 'JSONEachRow' });
    }
    expect(await rows('SELECT c FROM ta_microbars FINAL')).toEqual([{ c: 2 }]);
  });

  it('refuse to go on when an applied migration was changed, and name a statement that fails', async () => {
    await cp(clickHouseMigrations, directory, { recursive: true });
    await migrateClickHouse(database.client, directory, oneServer);
    await writeFile(join(directory, '0003_broken.sql'), 'CREATE TABLE broken (id Nothing_Such) ENGINE = Memory');
    await expect(migrateClickHouse(database.client, directory, oneServer)).rejects.toThrow(
      /^0003_broken\.sql, line 1 \(CREATE TABLE broken .*Nothing_Such/,
    );
    await writeFile(join(directory, '0002_ta_signals.sql'), 'SELECT 1');
    await expect(migrateClickHouse(database.client, directory, oneServer)).rejects.toThrow(
      /0002_ta_signals\.sql was changed after it was applied/,
    );
  });
});

describe('what differs between a cluster and one server', () => {
  it('in a cluster tables are replicated and old rows expire: microbars after 30 days, signals after 14', async () => {
    const cluster = { replicated: true, ttl: true };
    const [bars, signals] = await Promise.all(
      ['0001_ta_microbars.sql', '0002_ta_signals.sql'].map(async (file) =>
        forTarget(await readFile(join(clickHouseMigrations, file), 'utf8'), cluster),
      ),
    );
    for (const [sql, days] of [
      [bars!, 30],
      [signals!, 14],
    ] as const) {
      expect(sql).toContain('ENGINE = ReplicatedReplacingMergeTree(ingest_ts)');
      expect(sql).toContain(`TTL toDateTime(event_ts) + INTERVAL ${days} DAY`);
    }
  });

  it('one server replaces without replicating, and keeps history that is older than its time to live', async () => {
    const sql = forTarget(await readFile(join(clickHouseMigrations, '0002_ta_signals.sql'), 'utf8'), oneServer);
    expect(sql).toContain('ENGINE = ReplacingMergeTree(ingest_ts)');
    expect(sql).not.toContain('TTL');
  });
});
