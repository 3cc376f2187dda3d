import { randomUUID } from 'node:crypto';
import { createClient } from '@clickhouse/client';
import { fallbackSession, minute, second, type Instant } from '@torghut/domain';
import { migrateClickHouse, type ClickHouse, type ClickHouseAnswer, type ClickHouseQuery } from '@torghut/platform';
import { draw } from '../../infra/local/twins/random.ts';
import { clickHouseMigrations } from '../support/migrations.ts';
import { buyIndicators, insertStream, quietIndicators, type StreamRow } from '../support/stream.ts';
import { marketSymbols, midAt, type MarketSymbol } from './market.ts';
import { sessionDates, streams, type StreamName } from './scenario.ts';

/** Where the streams are. */
export interface SignalServer {
  readonly url: string;
  /** Of the names of their databases. */
  readonly prefix: string;
}

export const databaseOf = ({ prefix }: SignalServer, stream: StreamName): string => `${prefix}_${stream}`;

/** Indicators that make the one-minute momentum strategy sell, at a price of 100 USD. */
const sellIndicators = { ...buyIndicators, ema12: 99.8, macd: -0.2, macd_signal: -0.15, macd_hist: -0.05, rsi14: 40 };

const buyShare = 0.25;
const sellShare = 0.2;

/** The signal of a symbol at the end of a minute: mostly quiet, sometimes one that decides. */
const signalOf = (symbol: MarketSymbol, eventTs: Instant): StreamRow => {
  const close = Number(midAt(symbol, eventTs).toFixed(4));
  const at = draw('signal', symbol, eventTs);
  const shape = at < buyShare ? buyIndicators : at < buyShare + sellShare ? sellIndicators : quietIndicators;
  const priced = (value: number): number => (value * close) / 100;
  return {
    symbol,
    eventTs,
    close,
    indicators: {
      ...shape,
      ema12: priced(shape.ema12),
      ema26: priced(shape.ema26),
      macd: priced(shape.macd),
      macd_signal: priced(shape.macd_signal),
      macd_hist: priced(shape.macd_hist),
    },
  };
};

/** How each stream delivers a row; nothing for one that never comes. */
const deliveries: Readonly<Record<StreamName, (row: StreamRow) => readonly StreamRow[]>> = {
  clean: (row) => [row],
  duplicated: (row) =>
    draw('twice', row.symbol, row.eventTs) < 0.1 ? [row, { ...row, ingestTs: row.eventTs + 9 * second }] : [row],
  late: (row) =>
    draw('late', row.symbol, row.eventTs) < 0.3
      ? [{ ...row, ingestTs: row.eventTs + Math.floor(20 + draw('by', row.symbol, row.eventTs) * 100) * second }]
      : [row],
  // Every eighth minute begins a silence of four.
  stale: (row) => (Math.floor(row.eventTs / minute) % 8 < 4 ? [row] : []),
};

/** Fills a signal store with every stream of every simulated session; it is only read afterwards. */
export const ingestStreams = async (url: string): Promise<SignalServer> => {
  const prefix = `simulation_${randomUUID().replaceAll('-', '')}`;
  const rows: StreamRow[] = [];
  for (const date of Object.values(sessionDates)) {
    const session = fallbackSession(date);
    if (session.kind === 'closed') throw new RangeError(`expected a session on ${date}, found none`);
    for (let at = session.openAt + minute; at <= session.closeAt; at += minute)
      for (const symbol of marketSymbols) rows.push(signalOf(symbol, at));
  }
  const root = createClient({ url });
  try {
    for (const stream of streams) {
      const database = databaseOf({ url, prefix }, stream);
      await root.command({ query: `CREATE DATABASE ${database}` });
      const client = createClient({ url, database });
      try {
        await migrateClickHouse(client, clickHouseMigrations, { replicated: false, ttl: false });
        await insertStream(client, rows.flatMap(deliveries[stream]));
      } finally {
        await client.close();
      }
    }
  } finally {
    await root.close();
  }
  return { url, prefix };
};

/** Answers that are kept of each statement; the oldest go first. */
const keptAnswers = 10_000;

/** A minute has a few rows: a second thread costs twice what it finds. */
const readSettings = { max_threads: 1 } as const;

/**
 * The signal store with its answers kept by what was asked: nothing is ever written to the streams, seed after seed asks
 * for the same minutes of the same sessions, and what the server tells of itself is no part of what is simulated. What a
 * statement selects is made into rows by one place of the code, so that rows are kept as they were made.
 */
export const rememberedStreams = (real: ClickHouse): ClickHouse => {
  const known = new Map<string, Map<string, ClickHouseAnswer<unknown>>>();
  return {
    query: async <Row>(query: ClickHouseQuery<Row>): Promise<ClickHouseAnswer<Row>> => {
      const { sql, parameters, settings } = query;
      const answers = known.get(sql) ?? new Map<string, ClickHouseAnswer<unknown>>();
      known.set(sql, answers);
      const key = JSON.stringify([parameters, settings]);
      const kept = answers.get(key);
      if (kept !== undefined) return kept as ClickHouseAnswer<Row>;
      const answer = await real.query({ ...query, settings: { ...readSettings, ...settings } });
      if (!answer.ok) return answer;
      answers.set(key, frozen(answer));
      const [oldest] = answers.keys();
      if (answers.size > keptAnswers && oldest !== undefined) answers.delete(oldest);
      return answer;
    },
    close: () => real.close(),
  };
};

/** Whole and for good, so that no reader changes what the next one is told. */
const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    for (const part of Object.values(value)) frozen(part);
  }
  return value;
};
