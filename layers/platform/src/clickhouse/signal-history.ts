import { hour, indicatorColumns, minute, type SignalQuery, type SignalRow, type SignalStore } from '@torghut/domain';
import type { ClickHouse, ClickHouseFailure, ClickHouseParameter } from './client.ts';
import {
  instant,
  instantParameter,
  measured,
  series,
  tailHours,
  type Scalar,
  type SignalTables,
} from './signal-columns.ts';
import {
  barsFrom,
  cutRead,
  holdsRead,
  type DeliveredBar,
  type DeliveredKey,
  type DeliveredSignal,
  type SignalStretch,
} from './signal-stretch.ts';

/** Windows that are cut of one reading of the tables, by their times. */
const stretchMs = 60 * minute;

const key =
  'toString(symbol) AS key_symbol, toUnixTimestamp64Milli(event_ts), toString(seq), toUnixTimestamp64Milli(ingest_ts)';
const inKeyOrder = 'ORDER BY event_ts, key_symbol, seq';

/** What exists at the end of the stretch: what a window saw of it is told by the time of emission. */
const statements = ({ signals, bars }: SignalTables) => ({
  signals: `SELECT ${key}, version, ${indicatorColumns.join(', ')} FROM ${signals}
    WHERE ${series} AND event_ts >= ${instant('from')} ${inKeyOrder}`,
  earlier: `SELECT ${key} FROM ${signals}
    WHERE ${series} AND event_ts > ${instant('from')} AND event_ts < ${instant('until')} ${inKeyOrder}`,
  bars: `SELECT toString(symbol), toUnixTimestamp64Milli(event_ts), toUnixTimestamp64Milli(ingest_ts), c, v FROM ${bars}
    WHERE ${series} AND event_ts > ${instant('from')} ORDER BY event_ts, ingest_ts, c, v`,
});

type KeyValues = readonly [symbol: string, eventMs: Scalar, seq: string, ingestMs: Scalar];

const deliveredKey = ([symbol, eventMs, seq, ingestMs]: KeyValues): DeliveredKey => ({
  symbol,
  eventTs: Number(eventMs),
  seq,
  ingestTs: Number(ingestMs),
});

type SignalValues = readonly [...KeyValues, version: Scalar, ...indicators: Scalar[]];

const deliveredSignal = (values: SignalValues): DeliveredSignal => {
  const [symbol, eventMs, seq, ingestMs, version, ...indicators] = values;
  return {
    ...deliveredKey([symbol, eventMs, seq, ingestMs]),
    version: Number(version),
    indicators: Object.fromEntries(
      indicatorColumns.map((column, index) => [column, measured(indicators[index])]),
    ) as SignalRow['indicators'],
  };
};

type BarValues = readonly [symbol: string, eventMs: Scalar, ingestMs: Scalar, close: Scalar, volume: Scalar];

const deliveredBar = ([symbol, eventMs, ingestMs, close, volume]: BarValues): DeliveredBar => ({
  symbol,
  eventTs: Number(eventMs),
  ingestTs: Number(ingestMs),
  close: measured(close),
  volume: measured(volume),
});

/**
 * The reads of the live cycles, made again one after the other: the tables are read in stretches, and each read is cut of
 * them as the live statement would have answered it. What was read is remembered for as long as the returned reads are
 * used, so every replay opens its own. `skippedFrom` is not asked of the past, and the symbols seen are not gathered.
 */
export const clickHouseSignalHistory =
  (clickhouse: ClickHouse, tables: SignalTables) => (): Pick<SignalStore, 'read'> => {
    const sql = statements(tables);
    let held: SignalStretch | null = null;

    const readStretch = async ({
      now,
      overlapFrom,
      windowSize,
    }: SignalQuery): Promise<{ readonly ok: true; readonly stretch: SignalStretch } | ClickHouseFailure> => {
      const to = now + stretchMs;
      const newestFrom = now - tailHours * hour;
      const ask = <Row>(
        statement: string,
        parameters: Readonly<Record<string, ClickHouseParameter>>,
        row: (values: readonly unknown[]) => Row,
      ) =>
        clickhouse.query<Row>({
          sql: statement,
          parameters: { now: instantParameter(to), window: windowSize, ...parameters },
          row,
        });
      const [signals, earlier, bars] = await Promise.all([
        ask(sql.signals, { from: instantParameter(overlapFrom) }, (values) => deliveredSignal(values as SignalValues)),
        ask(sql.earlier, { from: instantParameter(newestFrom), until: instantParameter(overlapFrom) }, (values) =>
          deliveredKey(values as KeyValues),
        ),
        ask(sql.bars, { from: instantParameter(barsFrom(overlapFrom)) }, (values) => deliveredBar(values as BarValues)),
      ]);
      if (!signals.ok) return signals;
      if (!earlier.ok) return earlier;
      if (!bars.ok) return bars;
      return {
        ok: true,
        stretch: {
          windowSize,
          from: overlapFrom,
          to,
          signals: signals.rows,
          newestFrom,
          earlier: earlier.rows,
          bars: Map.groupBy(bars.rows, ({ symbol }) => symbol),
        },
      };
    };

    return {
      read: async (query) => {
        if (held === null || !holdsRead(held, query)) {
          const read = await readStretch(query);
          if (!read.ok) return read;
          held = read.stretch;
        }
        return { ok: true, batch: cutRead(held, query) };
      },
    };
  };
