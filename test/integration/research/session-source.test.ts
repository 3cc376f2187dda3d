import { featureFields, minute, second, windowSizeOf, type FeatureName, type Ticker } from '@torghut/domain';
import { symbolDataOf, type SessionRead, type SessionSource } from '@torghut/domain/research';
import { clickHouseSessionSource, fixedCredentials, migrateClickHouse, type ClickHouse } from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { featureSessions } from '../../../infra/cli/calibration.ts';
import { generatedDirectory } from '../../../infra/local/bars/generate.ts';
import { readBars } from '../../../infra/local/bars/reader.ts';
import { seriesOf } from '../../../infra/local/bars/series.ts';
import { ingestSession } from '../../../infra/local/ingest/ingest.ts';
import { BarStream } from '../../../infra/local/ingest/rows.ts';
import { testClickHouse, type TestClickHouse } from '../../support/clickhouse.ts';
import { clickHouseMigrations } from '../../support/migrations.ts';

const all = await readBars(generatedDirectory);
const bars = { ...all, sessions: all.sessions.slice(0, 2) };
const [symbol] = bars.symbols;
const day = 24 * 60 * minute;
const windowSize = windowSizeOf('1Min');
const days = bars.sessions.map(({ date, day: { kind, openAt, closeAt } }) => ({ date, kind, openAt, closeAt }));
const [firstDay] = days;
if (symbol === undefined || firstDay === undefined)
  throw new Error('expected a symbol and a session of generated bars');

let clickhouse: TestClickHouse;
let client: ClickHouse;
let source: SessionSource;

beforeAll(async () => {
  clickhouse = await testClickHouse();
  await migrateClickHouse(clickhouse.client, clickHouseMigrations, { replicated: false, ttl: false });
  const stream = new BarStream();
  for (const session of bars.sessions)
    await ingestSession(clickhouse.client, stream.rowsOf(session), { database: clickhouse.database });
  client = createClickHouse({
    url: clickhouse.url,
    credentials: fixedCredentials({ username: 'default', password: '' }),
  });
  const table = (name: string): string => `${clickhouse.database}.${name}`;
  source = clickHouseSessionSource(client, { signals: table('ta_signals'), bars: table('ta_microbars') });
});
afterAll(async () => {
  await client.close();
  await clickhouse.close();
});

const read = async (session: (typeof days)[number], until: { to?: number; now?: number } = {}, of: Ticker = symbol) => {
  const to = until.to ?? session.closeAt;
  return source.read({ symbols: [of], session, windowSize, to, now: until.now ?? session.closeAt + minute });
};
const snapshotOf = (found: SessionRead) => {
  if (!found.ok) throw new Error(found.detail);
  const [snapshot, ...others] = found.snapshots;
  if (snapshot === undefined || others.length > 0)
    throw new Error(`expected one snapshot, found ${found.snapshots.length}`);
  return snapshot;
};

describe('a session read back from the stream', () => {
  it('[S8] shows research the bars that were streamed and the features that live trading makes of them, bit by bit', async () => {
    const [data] = symbolDataOf(await Promise.all(days.map(async (day) => snapshotOf(await read(day)))));
    const series = seriesOf(bars).find((one) => one.symbol === symbol);
    if (data === undefined || series === undefined) throw new Error('expected one series each');
    for (const name of ['start', 'open', 'high', 'low', 'close', 'volume'] as const)
      expect(data.series[name]).toEqual(series[name]);
    expect(data.series.sessions).toEqual(series.sessions);
    const live = [...featureSessions(bars)].filter((one) => one.symbol === symbol).flatMap(({ rows }) => rows);
    expect(live).toHaveLength(series.close.length);
    for (const [row, { features }] of live.entries())
      for (const { name } of featureFields.filter((field) => field.name !== 'staleness_ms'))
        expect([row, name, data.features[name][row]]).toEqual([row, name, features[name as FeatureName] ?? Number.NaN]);
  });

  it('ends where it is asked to, and knows nothing that was emitted later than now', async () => {
    const noon = firstDay.openAt + 60 * minute;
    const partial = snapshotOf(await read(firstDay, { to: noon, now: noon + minute }));
    expect(partial.bars.start.at(-1)).toBe(noon - minute);
    // A bar is emitted at least three seconds after its end.
    const early = snapshotOf(await read(firstDay, { to: noon, now: noon + second }));
    expect(early.bars.start.at(-1)).toBe(noon - 2 * minute);
  });

  it('keeps the copy emitted last, leaves a bar without signal unknown, and counts a signal without bar', async () => {
    const late = { ...firstDay, openAt: firstDay.closeAt + minute, closeAt: firstDay.closeAt + 10 * minute };
    const at = (minutes: number): string =>
      new Date(late.openAt + minutes * minute).toISOString().replace('T', ' ').replace('Z', '');
    const common = (minutes: number, delay: number) => ({
      symbol,
      event_ts: at(minutes),
      seq: minutes,
      ingest_ts: at(minutes + delay),
      is_final: 1,
      source: 'ta',
      window_size: windowSize,
      version: 3,
    });
    const price = { o: 10, h: 11, l: 9, v: 100, count: 0 };
    const insert = async (table: string, values: readonly object[]): Promise<void> => {
      await clickhouse.client.insert({ table, values: [...values], format: 'JSONEachRow' });
    };
    await insert('ta_microbars', [
      { ...common(1, 0.1), ...price, c: 10 },
      { ...common(1, 0.2), ...price, c: 10.5 },
      { ...common(2, 0.1), ...price, c: 10 },
    ]);
    await insert('ta_signals', [
      { ...common(1, 0.1), ema12: 1, imbalance_spread: 0.02 },
      { ...common(3, 0.1), ema12: 3 },
    ]);
    const found = await read(late, { now: late.closeAt });
    expect(found).toMatchObject({ ok: true, signalsWithoutBar: 1 });
    const { bars: columns, features } = snapshotOf(found);
    expect([...columns.close]).toEqual([10.5, 10]);
    expect([...features.ema12]).toEqual([1, Number.NaN]);
    expect([...columns.halfSpread]).toEqual([0.01, Number.NaN]);
  });

  it('reads many symbols at once as it reads each alone', async () => {
    const together = await source.read({
      symbols: [...bars.symbols].toReversed(),
      session: firstDay,
      windowSize,
      to: firstDay.closeAt,
      now: firstDay.closeAt + minute,
    });
    if (!together.ok) throw new Error(together.detail);
    expect(together.snapshots.map((one) => one.symbol)).toEqual([...bars.symbols].toReversed());
    expect(together.snapshots.find((one) => one.symbol === symbol)).toEqual(snapshotOf(await read(firstDay)));
  });

  it('tells sessions with bars from those the stream has nothing of', async () => {
    const before = {
      ...firstDay,
      date: '2025-11-01',
      openAt: firstDay.openAt - 30 * day,
      closeAt: firstDay.closeAt - 30 * day,
    };
    const found = await source.sessionsWithBars({
      sessions: [before, ...days],
      symbols: bars.symbols,
      windowSize,
      now: (days.at(-1)?.closeAt ?? 0) + minute,
    });
    expect(found).toEqual({ ok: true, dates: new Set(days.map(({ date }) => date)) });
    const early = await source.sessionsWithBars({
      sessions: days,
      symbols: bars.symbols,
      windowSize,
      now: firstDay.openAt,
    });
    expect(early).toEqual({ ok: true, dates: new Set() });
  });

  it('is a snapshot without rows where nothing traded', async () => {
    const empty = snapshotOf(await read(firstDay, {}, 'NONE' as Ticker));
    expect(empty.bars.start).toHaveLength(0);
    expect(empty.features.price).toHaveLength(0);
  });

  it('is a failure, not an empty session, when the engine does not answer', async () => {
    const gone = clickHouseSessionSource(client, { signals: 'gone.ta_signals', bars: 'gone.ta_microbars' });
    const found = await gone.read({
      symbols: [symbol],
      session: firstDay,
      windowSize,
      to: firstDay.closeAt,
      now: firstDay.closeAt,
    });
    expect(found).toMatchObject({ ok: false, failure: 'query_failed' });
  });
});
