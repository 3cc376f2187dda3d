import {
  compareKeys,
  hour,
  indicatorColumns,
  toText,
  type ArrivedRow,
  type CursorKey,
  type Instant,
  type SignalQuery,
  type SignalRead,
  type SignalStore,
  type Ticker,
} from '@torghut/domain';
import type { ClickHouse } from './client.ts';
import {
  instant,
  instantParameter,
  measured,
  series,
  source,
  tailHours,
  volumeMinutes,
  type Scalar,
  type SignalTables,
} from './signal-columns.ts';

const seenMinutes = 10;

/** Below the 128 KiB that a ClickHouse server takes in one parameter; quotes and commas included. */
const parameterCharacters = 100_000;

/** Keys in lists that each fit one parameter; at least one list, which may be empty. */
const inParameters = (keys: readonly string[]): readonly (readonly string[])[] => {
  const lists: string[][] = [[]];
  let room = parameterCharacters;
  for (const key of keys) {
    room -= key.length + 3;
    if (room < 0) {
      lists.push([]);
      room = parameterCharacters - key.length - 3;
    }
    lists.at(-1)?.push(key);
  }
  return lists;
};

const unread = (lists: number): string =>
  Array.from(
    { length: lists },
    (_, list) =>
      `concat(symbol, '|', toString(toUnixTimestamp64Milli(event_ts))) NOT IN ({processed_${list}: Array(String)})`,
  ).join(' AND ');

/**
 * Everything a cycle needs of the stream in one statement: the rows beyond the cursor, unread rows of the overlap, the
 * reference price and volume of each, the newest row, and the symbols seen. Every range of event time is bounded; copies
 * of an identity are reduced to the one emitted last. The row under the cursor moves beyond it when it is delivered again
 * with a higher sequence number, so what was processed is left out on both sides of the cursor. Bars are gathered by symbol
 * and their copies dropped within it: a group for each symbol and minute would cost half of the statement.
 */
const readStatement = (tables: SignalTables, countSkipped: boolean, processedLists: number): string => `
SELECT if(late, 'late', 'new') AS kind, toString(symbol) AS symbol, toUnixTimestamp64Milli(event_ts) AS event_ms,
  toString(latest.1) AS seq, toUnixTimestamp64Milli(arrived) AS arrived_ms, copies, latest,
  toUnixTimestamp64Milli((arrayLast(bar -> bar.1 <= event_ts, history) AS reference).1) AS price_ms, reference.3 AS price,
  arraySum(bar -> if(bar.1 > event_ts - toIntervalMinute(${volumeMinutes}) AND bar.1 <= event_ts, bar.4, 0), history) AS volume,
  [] :: Array(String) AS symbols
FROM (
  SELECT *, (event_ts, symbol, latest.1) <= (${instant('cursor_ts')}, {cursor_symbol: String}, {cursor_seq: UInt64}) AS late
  FROM (
    SELECT symbol, event_ts, count() AS copies, min(ingest_ts) AS arrived,
      argMax(tuple(seq, toUnixTimestamp64Milli(ingest_ts), version, ${indicatorColumns.join(', ')}), ingest_ts) AS latest
    FROM ${tables.signals}
    WHERE ${series} AND event_ts >= ${instant('overlap_from')}
    GROUP BY symbol, event_ts
  )
  WHERE ${unread(processedLists)}
  ORDER BY late, event_ts, symbol, latest.1 LIMIT {limit: UInt32} BY late
) AS signals
LEFT JOIN (
  SELECT symbol, arraySort(groupArray((event_ts, ingest_ts, c, v))) AS copies_in_order,
    arrayFilter((bar, following) -> bar.1 != following.1, copies_in_order, arrayShiftLeft(copies_in_order, 1)) AS history
  FROM ${tables.bars}
  WHERE ${series} AND event_ts > ${instant('overlap_from')} - toIntervalMinute(${volumeMinutes + 1})
  GROUP BY symbol
) AS bars USING (symbol)
UNION ALL
SELECT 'stream', toString(newest.2), toUnixTimestamp64Milli(newest.1), toString(newest.3), 0, ${
  countSkipped
    ? `(SELECT uniqExact(symbol, event_ts) FROM ${tables.signals} WHERE ${series} AND event_ts >= ${instant('skipped_from')} AND event_ts < ${instant('overlap_from')} AND ${unread(processedLists)})`
    : '0'
},
  defaultValueOfTypeName('${latestType}'), 0, 0, 0,
  (SELECT groupUniqArray(toString(symbol)) FROM ${tables.bars}
    WHERE source = '${source}' AND event_ts > ${instant('now')} - toIntervalMinute(${seenMinutes}) AND event_ts <= ${instant('now')} AND ingest_ts <= ${instant('now')})
FROM (
  SELECT max((event_ts, symbol, seq)) AS newest FROM ${tables.signals}
  WHERE ${series} AND event_ts > ${instant('now')} - toIntervalHour(${tailHours})
)`;

const latestType = `Tuple(UInt64, Int64, UInt32, ${indicatorColumns
  .map((column) => (column.endsWith('_sz') ? 'Nullable(UInt64)' : 'Nullable(Float64)'))
  .join(', ')})`;

type Row = readonly [
  kind: string,
  symbol: string,
  eventMs: Scalar,
  seq: string,
  arrivedMs: Scalar,
  copies: Scalar,
  latest: readonly Scalar[],
  priceMs: Scalar,
  price: Scalar,
  volume: Scalar,
  symbols: readonly string[],
];

type NewestRow = readonly [kind: 'signals' | 'bars', eventMs: string | null];

const arrivedRow = (row: Row, windowSize: string): ArrivedRow => {
  const [kind, symbol, eventMs, seq, arrivedMs, copies, latest, priceMs, price, volume] = row;
  const at = Number(priceMs);
  const indicators = Object.fromEntries(indicatorColumns.map((column, index) => [column, measured(latest[index + 3])]));
  return {
    row: {
      symbol: symbol as Ticker,
      eventTs: Number(eventMs),
      seq,
      ingestTs: Number(latest[1]),
      windowSize,
      source,
      version: Number(latest[2]),
      indicators: indicators as ArrivedRow['row']['indicators'],
      price: at > 0 ? measured(price) : null,
      priceAt: at > 0 ? at : null,
      meanMinuteVolume20: at > 0 ? Number(volume) / volumeMinutes : null,
    },
    copies: Number(copies),
    firstIngestTs: Number(arrivedMs),
    late: kind === 'late',
  };
};

/** The signal store over ClickHouse. Tables are `database.table` names from checked settings. */
export const clickHouseSignalStore = (clickhouse: ClickHouse, tables: SignalTables): SignalStore => ({
  read: async (query: SignalQuery): Promise<SignalRead> => {
    const processed = inParameters(query.processed);
    const answer = await clickhouse.query<Row>({
      sql: readStatement(tables, query.skippedFrom !== null, processed.length),
      parameters: {
        now: instantParameter(query.now),
        window: query.windowSize,
        cursor_ts: instantParameter(query.cursor.eventTs),
        cursor_symbol: query.cursor.symbol,
        cursor_seq: query.cursor.seq,
        ...Object.fromEntries(processed.map((keys, list) => [`processed_${list}`, keys])),
        overlap_from: instantParameter(query.overlapFrom),
        limit: Math.max(query.limit, query.lateLimit),
        ...(query.skippedFrom === null ? {} : { skipped_from: instantParameter(query.skippedFrom) }),
      },
    });
    if (!answer.ok) return answer;
    const rows: ArrivedRow[] = [];
    let tail: CursorKey | null = null;
    let symbolsSeen: readonly string[] = [];
    let skippedRows: number | null = null;
    for (const row of answer.rows) {
      if (row[0] !== 'stream') {
        rows.push(arrivedRow(row, query.windowSize));
        continue;
      }
      // Without a row the newest key is the default one: the epoch.
      if (Number(row[2]) > 0) tail = { eventTs: Number(row[2]), symbol: row[1], seq: row[3] };
      skippedRows = Number(row[5]);
      symbolsSeen = row[10];
    }
    // An answer without it, such as an empty one, is not an empty stream.
    if (skippedRows === null) {
      return {
        ok: false,
        failure: 'query_failed',
        detail: `expected one row about the stream at ${toText(query.now)}, found none in ${answer.rows.length} rows`,
      };
    }
    // The branches of the union come in any order.
    rows.sort((a, b) => compareKeys(a.row, b.row));
    const fresh = rows.filter(({ late }) => !late).slice(0, query.limit);
    const late = rows.filter((row) => row.late).slice(0, query.lateLimit);
    return { ok: true, batch: { rows: [...fresh, ...late], tail, symbolsSeen, skippedRows } };
  },

  newestEvents: async (now: Instant, windowSize: string) => {
    const newest = (kind: NewestRow[0], table: string): string =>
      `SELECT '${kind}', toUnixTimestamp64Milli(maxOrNull(event_ts)) FROM ${table} WHERE ${series} AND event_ts > ${instant('from')}`;
    const answer = await clickhouse.query<NewestRow>({
      // A subquery for each table would be planned and run as a statement of its own.
      sql: `${newest('signals', tables.signals)} UNION ALL ${newest('bars', tables.bars)}`,
      parameters: { now: instantParameter(now), from: instantParameter(now - tailHours * hour), window: windowSize },
    });
    if (!answer.ok) return answer;
    const signals = answer.rows.find(([kind]) => kind === 'signals');
    const bars = answer.rows.find(([kind]) => kind === 'bars');
    if (signals === undefined || bars === undefined) {
      return {
        ok: false,
        failure: 'query_failed',
        detail: `expected one row for each table of the freshness probe at ${toText(now)}, found ${answer.rows.length} rows`,
      };
    }
    const at = ([, text]: NewestRow): Instant | null => (text === null ? null : Number(text));
    return { ok: true, eventTs: at(signals), barTs: at(bars) };
  },
});
