import {
  featureFields,
  hour,
  indicatorColumns,
  timeframeMs,
  timeframeOf,
  toFeatures,
  type FeatureName,
  type SignalRow,
  type Ticker,
} from '@torghut/domain';
import type { SessionQuery, SessionRead, SessionSnapshot, SessionSource } from '@torghut/domain/research';
import type { ClickHouse } from './client.ts';
import {
  instant,
  instantParameter,
  measured,
  series,
  source,
  type Scalar,
  type SignalTables,
} from './signal-columns.ts';

const barColumns = ['o', 'h', 'l', 'c', 'v'] as const;
const wanted = `symbol IN {symbols: Array(String)} AND ${series}`;

/**
 * Bars and signals, one row for each symbol and time, ascending; of the copies of a row, the one emitted last. A row that
 * only one side has carries 0 as the other's time of emission.
 */
const rowsStatement = ({ signals, bars }: SignalTables): string => {
  const newest = (table: string, columns: readonly string[]): string =>
    `SELECT symbol, event_ts, argMax(tuple(toUnixTimestamp64Milli(ingest_ts), ${columns.join(', ')}), ingest_ts) AS latest
      FROM ${table} WHERE ${wanted} AND event_ts > ${instant('from')} AND event_ts <= ${instant('to')} GROUP BY symbol, event_ts`;
  return `
SELECT toString(symbol), toUnixTimestamp64Milli(event_ts), bar.latest, signal.latest
FROM (${newest(bars, barColumns)}) AS bar
FULL JOIN (${newest(signals, ['version', ...indicatorColumns])}) AS signal USING (symbol, event_ts)
ORDER BY symbol, event_ts`;
};

/** The sessions, by place, that hold at least one bar. */
const coverageStatement = ({ bars }: SignalTables): string => `
SELECT place FROM (SELECT arrayJoin(range(1, length({from: Array(Int64)}) + 1)) AS place)
WHERE place IN (
  SELECT arrayFirstIndex((opened, closed) -> event_ms > opened AND event_ms <= closed, {from: Array(Int64)}, {to: Array(Int64)})
  FROM (SELECT DISTINCT toUnixTimestamp64Milli(event_ts) AS event_ms FROM ${bars}
    WHERE ${wanted} AND event_ts > ${instant('first')} AND event_ts <= ${instant('last')})
)`;

type Row = readonly [symbol: string, eventMs: string, bar: readonly Scalar[], signal: readonly Scalar[]];

const signalRow = (
  symbol: Ticker,
  windowSize: string,
  eventTs: number,
  bar: readonly Scalar[],
  signal: readonly Scalar[],
): SignalRow => ({
  symbol,
  eventTs,
  seq: '0',
  ingestTs: Number(signal[0]),
  windowSize,
  source,
  version: Number(signal[1]),
  indicators: Object.fromEntries(
    indicatorColumns.map((column, index) => [column, measured(signal[index + 2])]),
  ) as SignalRow['indicators'],
  price: measured(bar[4]),
  priceAt: eventTs,
  meanMinuteVolume20: null,
});

/** Rows of one symbol, each with a bar, as columns. */
const snapshotOf = (symbol: Ticker, { session, windowSize }: SessionQuery, rows: readonly Row[]): SessionSnapshot => {
  const barMs = timeframeMs(timeframeOf(windowSize) ?? '');
  const bar = (index: number): Float64Array =>
    Float64Array.from(rows, ([, , values]) => measured(values[index]) ?? Number.NaN);
  const features = Object.fromEntries(
    featureFields.map(({ name }) => [name, new Float64Array(rows.length).fill(Number.NaN)]),
  ) as Record<FeatureName, Float64Array>;
  const halfSpread = new Float64Array(rows.length).fill(Number.NaN);
  for (const [index, [, eventMs, barValues, signal]] of rows.entries()) {
    if (Number(signal[0]) === 0) continue;
    const values = toFeatures(signalRow(symbol, windowSize, Number(eventMs), barValues, signal));
    for (const { name } of featureFields) features[name][index] = values[name] ?? Number.NaN;
    halfSpread[index] = (values.imbalance_spread ?? Number.NaN) / 2;
  }
  return {
    symbol,
    barMs,
    session,
    bars: {
      start: Float64Array.from(rows, ([, eventMs]) => Number(eventMs) - barMs),
      open: bar(1),
      high: bar(2),
      low: bar(3),
      close: bar(4),
      volume: bar(5),
      halfSpread,
    },
    features,
  };
};

/** Signals live 14 days; a day less, because what is being forgotten is neither whole nor gone. */
const keepsMs = 13 * 24 * hour;

/** Sessions out of the stream's own tables, with the features that live trading makes of the same rows. */
export const clickHouseSessionSource = (clickhouse: ClickHouse, tables: SignalTables): SessionSource => ({
  keepsMs,
  sessionsWithBars: async ({ sessions, symbols, windowSize, now }) => {
    const [first, last] = [sessions[0], sessions.at(-1)];
    if (first === undefined || last === undefined) return { ok: true, dates: new Set() };
    const answer = await clickhouse.query<readonly [place: string]>({
      sql: coverageStatement(tables),
      parameters: {
        symbols,
        window: windowSize,
        now: instantParameter(now),
        first: instantParameter(first.openAt),
        last: instantParameter(last.closeAt),
        from: sessions.map(({ openAt }) => openAt),
        to: sessions.map(({ closeAt }) => closeAt),
      },
    });
    if (!answer.ok) return answer;
    const places = new Set(answer.rows.map(([place]) => Number(place)));
    return { ok: true, dates: new Set(sessions.flatMap(({ date }, index) => (places.has(index + 1) ? [date] : []))) };
  },

  read: async (query: SessionQuery): Promise<SessionRead> => {
    const { symbols, session, windowSize, to, now } = query;
    const answer = await clickhouse.query<Row>({
      sql: rowsStatement(tables),
      parameters: {
        symbols,
        window: windowSize,
        now: instantParameter(now),
        from: instantParameter(session.openAt),
        to: instantParameter(Math.min(to, session.closeAt)),
      },
    });
    if (!answer.ok) return answer;
    const withBar = answer.rows.filter(([, , bar]) => Number(bar[0]) > 0);
    const bySymbol = Map.groupBy(withBar, ([symbol]) => symbol);
    return {
      ok: true,
      signalsWithoutBar: answer.rows.length - withBar.length,
      snapshots: symbols.map((symbol) => snapshotOf(symbol, query, bySymbol.get(symbol) ?? [])),
    };
  },
});
