import type { ClickHouseClient } from '@clickhouse/client';
import { featureSchemaMajor, minute, second, toText, type IndicatorColumn, type Instant } from '@torghut/domain';

/** A value as JSON cannot always hold it: ClickHouse reads NaN from the text "nan". */
type Cell = number | string | null;

/** One row of the signal stream with the bar it was computed from. */
export interface StreamRow {
  readonly symbol: string;
  /** End of the bar. */
  readonly eventTs: Instant;
  /** When the row became visible; 4 s after its end, as in production, unless given. */
  readonly ingestTs?: Instant;
  readonly seq?: number | string;
  readonly source?: string;
  readonly windowSize?: string;
  readonly version?: number;
  readonly indicators: Readonly<Partial<Record<IndicatorColumn, Cell>>>;
  /** Close of the bar, USD; 100 unless given, and no bar at all when null. */
  readonly close?: Cell;
  readonly volume?: number;
}

const visibleAfterMs = 4 * second;

/** Indicators at a price of 100 USD that make the one-minute momentum strategy buy: a trend of 5 bps, RSI in its band. */
export const buyIndicators = {
  ema12: 100.2,
  ema26: 100,
  macd: 0.2,
  macd_signal: 0.15,
  macd_hist: 0.05,
  rsi14: 56,
  vol_realized_w60s: 0.001,
  imbalance_spread: 0.02,
} as const satisfies StreamRow['indicators'];

/** The same trend with an RSI outside its band: evaluated, and no intent. */
export const quietIndicators = { ...buyIndicators, rsi14: 80 } as const satisfies StreamRow['indicators'];

export const buyRow = (symbol: string, eventTs: Instant, change: Partial<StreamRow> = {}): StreamRow => ({
  symbol,
  eventTs,
  indicators: buyIndicators,
  ...change,
});
export const quietRow = (symbol: string, eventTs: Instant, change: Partial<StreamRow> = {}): StreamRow =>
  buyRow(symbol, eventTs, { indicators: quietIndicators, ...change });

const clickHouseTime = (at: Instant): string => toText(at).replace('T', ' ').replace('Z', '');

const commonColumns = (row: StreamRow): Readonly<Record<string, unknown>> => ({
  symbol: row.symbol,
  event_ts: clickHouseTime(row.eventTs),
  seq: row.seq ?? Math.floor(row.eventTs / minute),
  ingest_ts: clickHouseTime(row.ingestTs ?? row.eventTs + visibleAfterMs),
  is_final: 1,
  source: row.source ?? 'ta',
  window_size: row.windowSize ?? 'PT1M',
  version: row.version ?? featureSchemaMajor,
});

/** Inserts rows into `ta_microbars` and `ta_signals` of the client's database. */
export const insertStream = async (client: ClickHouseClient, rows: readonly StreamRow[]): Promise<void> => {
  const bars = rows.flatMap((row) => {
    const { close = 100, volume = 100_000 } = row;
    return close === null
      ? []
      : [{ ...commonColumns(row), o: close, h: close, l: close, c: close, v: volume, vwap: null, count: 1 }];
  });
  const signals = rows.map((row) => ({ ...commonColumns(row), ...row.indicators }));
  if (bars.length > 0) await client.insert({ table: 'ta_microbars', values: bars, format: 'JSONEachRow' });
  await client.insert({ table: 'ta_signals', values: signals, format: 'JSONEachRow' });
};
