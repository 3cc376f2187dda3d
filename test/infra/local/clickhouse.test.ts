import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixedCredentials } from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import { startClickHouse } from '../../../infra/local/engines/clickhouse.ts';
import { type TestClickHouse, testClickHouse } from '../../support/clickhouse.ts';

let clickhouse: TestClickHouse;
const anybody = fixedCredentials({ username: 'default', password: '' });

beforeAll(async () => {
  clickhouse = await testClickHouse();
  await clickhouse.client.command({
    query: `CREATE TABLE sample (symbol LowCardinality(String), event_ts DateTime64(3, 'UTC'), seq UInt64, price Nullable(Float64))
      ENGINE = ReplacingMergeTree ORDER BY (symbol, event_ts, seq)`,
  });
});
afterAll(() => clickhouse.close());

const select = async (query: string, query_params: Record<string, unknown> = {}) =>
  (await clickhouse.client.query({ query, query_params, format: 'JSONEachRow' })).json<Record<string, unknown>>();

describe('embedded ClickHouse behind HTTP, with the official client', () => {
  it('is alive', async () => {
    expect(await clickhouse.client.ping()).toMatchObject({ success: true });
    expect(await clickhouse.client.ping({ select: true })).toMatchObject({ success: true });
  });

  it('keeps 64-bit integers, milliseconds and nulls through insert and select', async () => {
    const rows = [
      { symbol: 'AAPL', event_ts: '2026-02-13 15:04:05.123', seq: '18446744073709551615', price: null },
      { symbol: 'NVDA', event_ts: '2026-02-13 15:04:05.999', seq: '9007199254740993', price: 187.25 },
    ];
    await clickhouse.client.insert({ table: 'sample', values: rows, format: 'JSONEachRow' });
    const quoted = await clickhouse.client.query({
      query: 'SELECT * FROM sample ORDER BY symbol',
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    });
    expect(await quoted.json()).toEqual(rows);
  });

  it('takes parameters that are too long for a URL, whatever characters they hold', async () => {
    const list = Array.from({ length: 5_000 }, (_, index) => `S${index}|quote ' line \r\n ü --`);
    const client = createClickHouse({ credentials: anybody, url: clickhouse.url });
    const answer = await client.query({
      sql: 'SELECT length({list: Array(String)}), {list: Array(String)}[5000]',
      parameters: { list },
    });
    await client.close();
    expect(answer).toEqual({ ok: true, rows: [['5000', list.at(-1)]] });
  });

  it('takes an insert without rows for done', async () => {
    const statement = encodeURIComponent('INSERT INTO sample FORMAT JSONEachRow');
    const answer = await fetch(`${clickhouse.url}/?database=${clickhouse.database}&query=${statement}`, {
      method: 'POST',
    });
    expect(answer.status).toBe(200);
  });

  it.each<[string, unknown]>([
    ['String', "quote ' backslash \\ tab \t line \n – ü"],
    ['String', ''],
    ['UInt64', '18446744073709551615'],
    ['Int64', '-1'],
    ['Float64', 0.1],
    ['Nullable(Float64)', null],
    ['Array(String)', ["it's", 'back\\slash', '']],
    ['Array(Nullable(String))', ['x', null]],
  ])('binds a parameter of type %s on the server: %j', async (type, value) => {
    const rows = await select(`SELECT {value: ${type}} AS value SETTINGS output_format_json_quote_64bit_integers = 1`, {
      value,
    });
    expect(rows).toEqual([{ value }]);
  });

  it('keeps settings, parameters and database of concurrent requests apart', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, value) => select('SELECT {value: UInt32} AS value', { value })),
    );
    expect(answers.map(([row]) => row?.['value'])).toEqual(Array.from({ length: 50 }, (_, value) => value));
    await expect(select('SELECT {value: UInt32} AS value')).rejects.toMatchObject({ type: 'UNKNOWN_QUERY_PARAMETER' });
  });

  it('answers a wrong query with the error of ClickHouse', async () => {
    const failed = clickhouse.client.query({ query: 'SELECT * FROM missing' });
    await expect(failed).rejects.toBeInstanceOf(ClickHouseError);
    await expect(failed).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' });
    await expect(select('SELEC 1')).rejects.toMatchObject({ code: '62', type: 'SYNTAX_ERROR' });
    await expect(
      clickhouse.client.insert({ table: 'sample', values: [{ symbol: 'A', seq: 'x' }], format: 'JSONEachRow' }),
    ).rejects.toBeInstanceOf(ClickHouseError);
  });

  it('cancels queries whose callers gave up', async () => {
    const running = async () => {
      const rows = await select(
        "SELECT query_id FROM system.processes WHERE query LIKE '%1000000000001%' AND query NOT LIKE '%processes%'",
      );
      return rows.length;
    };
    const abort = new AbortController();
    const abandoned = Array.from({ length: 4 }, () =>
      clickhouse.client.query({ query: 'SELECT count() FROM numbers(1000000000001)', abort_signal: abort.signal }),
    );
    const ended = Promise.allSettled(abandoned);
    while ((await running()) < 4);
    abort.abort();
    expect((await ended).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
    while ((await running()) > 0);
  });

  it('asks for the configured user and password, and keeps its data for the next start', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'torghut-clickhouse-test-'));
    const credentials = { username: 'torghut', password: 'secret' };
    try {
      const first = await startClickHouse({ dataDir, credentials });
      const client = createClient({ url: first.url, ...credentials });
      await client.command({ query: 'CREATE TABLE kept (x UInt8) ENGINE = MergeTree ORDER BY x' });
      await client.insert({ table: 'kept', values: [{ x: 7 }], format: 'JSONEachRow' });
      const stranger = createClient({
        url: first.url,
        username: 'torghut',
        password: 'wrong',
        log: { level: ClickHouseLogLevel.OFF },
      });
      await expect(stranger.query({ query: 'SELECT 1' })).rejects.toMatchObject({ type: 'AUTHENTICATION_FAILED' });
      await Promise.all([client.close(), stranger.close()]);
      await first.stop();

      const again = await startClickHouse({ dataDir });
      const reader = createClient({ url: again.url });
      expect(await (await reader.query({ query: 'SELECT x FROM kept', format: 'JSONEachRow' })).json()).toEqual([
        { x: 7 },
      ]);
      await reader.close();
      await again.stop();
    } finally {
      await rm(dataDir, { recursive: true });
    }
  });
});

describe('the process of the engine', () => {
  it('ends at once when it is stopped in the middle of queries', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'torghut-clickhouse-test-'));
    const engine = await startClickHouse({ dataDir });
    const client = createClient({ url: engine.url, log: { level: ClickHouseLogLevel.OFF } });
    const running = Array.from({ length: 3 }, () =>
      client.query({ query: 'SELECT count() FROM numbers(1000000000000)' }),
    );
    const started = async (): Promise<boolean> => {
      const answer = await client.query({ query: 'SELECT count() AS n FROM system.processes', format: 'JSONEachRow' });
      const [row] = await answer.json<{ n: number | string }>();
      return Number(row?.n) === 4;
    };
    while (!(await started()));
    const ended = Promise.allSettled(running);
    await engine.stop();
    expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await client.close();
    await rm(dataDir, { recursive: true });
  });

  it('ends when the process that started it is killed', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'torghut-clickhouse-test-'));
    const module = JSON.stringify(join(import.meta.dirname, '../../../infra/local/engines/clickhouse.ts'));
    const script = `
      import { startClickHouse } from ${module};
      console.log((await startClickHouse({ dataDir: ${JSON.stringify(dataDir)} })).url);`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [output] = (await once(parent.stdout, 'data')) as [Buffer];
    const ping = `${output.toString().trim()}/ping`;
    expect((await fetch(ping)).status).toBe(200);
    parent.kill('SIGKILL');
    const answers = () =>
      fetch(ping).then(
        () => true,
        () => false,
      );
    while (await answers());
    await rm(dataDir, { recursive: true });
  });
});

describe('createClickHouse', () => {
  it('gives rows made of the selected values, 64-bit integers as text', async () => {
    const store = createClickHouse({ credentials: anybody, url: clickhouse.url, database: clickhouse.database });
    const answer = await store.query({
      sql: 'SELECT number, toString(number) FROM numbers({count: UInt64}) ORDER BY number',
      parameters: { count: 2 },
      row: ([number, text]) => ({ number, text }),
    });
    expect(answer).toEqual({
      ok: true,
      rows: [
        { number: '0', text: '0' },
        { number: '1', text: '1' },
      ],
    });
    await store.close();
  });

  it('tells a refused query, an unusable row, a timeout and an absent server apart', async () => {
    const store = createClickHouse({ credentials: anybody, url: clickhouse.url, timeoutSeconds: 0.2 });
    expect(await store.query({ sql: 'SELECT * FROM missing' })).toMatchObject({
      ok: false,
      failure: 'query_failed',
      detail: expect.stringContaining('UNKNOWN_TABLE 60') as string,
    });
    const row = () => {
      throw new RangeError('expected a price > 0, found -1');
    };
    expect(await store.query({ sql: 'SELECT 1', row })).toEqual({
      ok: false,
      failure: 'query_failed',
      detail: 'row 0 of the answer: expected a price > 0, found -1',
    });
    expect(await store.query({ sql: 'SELECT count() FROM numbers(1000000000000)' })).toMatchObject({
      ok: false,
      failure: 'timeout',
    });
    expect(
      await store.query({ sql: 'SELECT count() FROM numbers(1000000000000)', settings: { max_execution_time: 0 } }),
    ).toMatchObject({ ok: false, failure: 'timeout', detail: 'no complete answer within 200 ms' });
    await store.close();

    const absent = createClickHouse({ credentials: anybody, url: 'http://127.0.0.1:1' });
    expect(await absent.query({ sql: 'SELECT 1' })).toMatchObject({
      ok: false,
      failure: 'unreachable',
      detail: expect.stringContaining('ECONNREFUSED') as string,
    });
    await absent.close();
  });
});
