import {
  cooldownKey,
  defaultLimits,
  evaluateBatch,
  inCooldown,
  indicatorColumns,
  outOfRange,
  parseInstant,
  second,
  toFeatures,
  toText,
  type FeatureRow,
  type Instant,
  type RunnableStrategy,
  type RuntimeCondition,
  type SignalRow,
  type StrategyHealths,
  type Ticker,
} from '@torghut/domain';
import type { BarSet } from '../local/bars/bars.ts';
import { BarStream, type MicrobarRow, type SignalRow as StreamRow } from '../local/ingest/rows.ts';

/** Signals of one symbol in one session, as strategies are shown them, in time order. */
export interface FeatureSession {
  readonly date: string;
  readonly symbol: Ticker;
  readonly rows: readonly FeatureRow[];
}

/** What one strategy wanted on one symbol in one session. */
export interface SymbolSession {
  readonly date: string;
  readonly symbol: Ticker;
  /** Signals shown to the strategy. */
  readonly rows: number;
  /** Intents outside their cooldown. */
  readonly buys: number;
  /** Intents outside their cooldown while something bought is there to sell. */
  readonly sells: number;
  /** Conditions that failed and how often; one signal may fail several. */
  readonly rejections: Readonly<Record<string, number>>;
}

/** A count per symbol-session. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly mean: number;
  readonly max: number;
}

/** How often a strategy wants to trade on a set of bars, and whether that is plausible. */
export interface Calibration {
  readonly symbol_sessions: readonly SymbolSession[];
  /** Buys and sells per symbol-session. */
  readonly intents: Spread;
  readonly sessions: number;
  readonly sessions_with_buys: number;
  readonly sessions_with_sells: number;
  readonly rejections: Readonly<Record<string, number>>;
  /** Why the rate is not plausible, one line each; empty when it is. */
  readonly problems: readonly string[];
}

/** Intents per symbol-session that are plausible, by timeframe: fewer, and a condition is never met; more, and it is none. */
export const plausibleIntents: Readonly<Record<string, { readonly least: number; readonly most: number }>> = {
  '1Min': { least: 0.5, most: 20 },
  '1Sec': { least: 1, most: 120 },
};
/** Fewer sessions say nothing about a rate. */
export const leastSessions = 5;

/** The row as the signal store returns it; the reference price is the close of the bar that ends with the signal. */
const storedRow = (signal: StreamRow, bar: MicrobarRow): SignalRow => {
  const eventTs = parseInstant(signal.event_ts);
  const indicators = Object.fromEntries(indicatorColumns.map((column) => [column, signal[column]]));
  return {
    symbol: signal.symbol,
    eventTs,
    seq: String(signal.seq),
    ingestTs: parseInstant(signal.ingest_ts),
    windowSize: signal.window_size,
    source: signal.source,
    version: signal.version,
    indicators: indicators as SignalRow['indicators'],
    price: bar.c,
    priceAt: eventTs,
    meanMinuteVolume20: null,
  };
};

/** Signals of a set of bars, session by session; they run on from one session to the next. */
export function* featureSessions(bars: BarSet): Generator<FeatureSession> {
  const stream = new BarStream();
  for (const session of bars.sessions) {
    const { signals, microbars } = stream.rowsOf(session);
    const bySymbol = Map.groupBy(
      signals.flatMap((signal, index) => {
        const bar = microbars[index];
        return bar === undefined ? [] : [storedRow(signal, bar)];
      }),
      ({ symbol }) => symbol,
    );
    for (const [symbol, rows] of bySymbol)
      yield { date: session.date, symbol, rows: rows.map((row) => ({ row, features: toFeatures(row) })) };
  }
}

/**
 * Runs one strategy over sessions as the trading cycle would, short of sizing and risk: the same evaluation, the same
 * cooldown, and long only, so that a sell needs a buy before it. Without sizing every buy counts as bought, and a sell
 * sells all of it. The outcome depends on the arguments only.
 */
export function* tradeIntents(
  sessions: Iterable<FeatureSession>,
  strategy: RunnableStrategy,
): Generator<SymbolSession> {
  const cooldownMs = defaultLimits.cooldownSeconds * second;
  const lastAt = new Map<string, Instant>();
  const held = new Set<Ticker>();
  let health: StrategyHealths = new Map();
  for (const { date, symbol, rows } of sessions) {
    const inRange = rows.filter(({ features }) => outOfRange(features).length === 0);
    const now = inRange.at(-1)?.row.eventTs ?? 0;
    const batch = evaluateBatch(inRange, strategy.baseTimeframe, [strategy], health, now, defaultLimits);
    const [error] = batch.errors;
    if (error !== undefined)
      throw new Error(`${strategy.strategyId} on ${symbol} at ${toText(error.eventTs)}: ${error.message}`);
    health = batch.health;
    const counts = { buy: 0, sell: 0 };
    for (const { intent, signal } of batch.intents) {
      const { action } = intent;
      const reject = (condition: RuntimeCondition): void => {
        batch.rejections.add(strategy.strategyId, condition);
      };
      const key = cooldownKey('', strategy.strategyId, symbol, action);
      if (action === 'sell' && !held.has(symbol)) reject('nothing_to_exit');
      else if (inCooldown(lastAt.get(key) ?? null, signal.row.eventTs, cooldownMs)) reject('cooldown_active');
      else {
        counts[action] += 1;
        lastAt.set(key, signal.row.eventTs);
        if (action === 'buy') held.add(symbol);
        else held.delete(symbol);
      }
    }
    yield {
      date,
      symbol,
      rows: inRange.length,
      buys: counts.buy,
      sells: counts.sell,
      rejections: batch.rejections.snapshot()[strategy.strategyId] ?? {},
    };
  }
}

const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? 0;
  const half = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2,
    mean: sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length),
    max: at(sorted.length - 1),
  };
};

const sumOf = (records: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const record of records) for (const [key, count] of Object.entries(record)) sums[key] = (sums[key] ?? 0) + count;
  return Object.fromEntries(Object.entries(sums).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
};

/** Judges the rate, and only the rate: profit takes no part in a calibration. */
export const calibration = (symbolSessions: readonly SymbolSession[], timeframe: string): Calibration => {
  const intents = spreadOf(symbolSessions.map(({ buys, sells }) => buys + sells));
  const datesWhere = (chosen: (one: SymbolSession) => boolean): number =>
    new Set(symbolSessions.filter(chosen).map(({ date }) => date)).size;
  const sessions = datesWhere(() => true);
  const sessionsWithBuys = datesWhere(({ buys }) => buys > 0);
  const sessionsWithSells = datesWhere(({ sells }) => sells > 0);
  const band = plausibleIntents[timeframe];
  const problems: string[] = [];
  if (sessions < leastSessions) problems.push(`expected at least ${leastSessions} sessions, found ${sessions}`);
  if (band === undefined)
    problems.push(`expected a timeframe of ${Object.keys(plausibleIntents).join(', ')}, found ${timeframe}`);
  else {
    for (const statistic of ['median', 'mean'] as const) {
      const value = intents[statistic];
      if (value < band.least || value > band.most)
        problems.push(
          `expected a ${statistic} of ${band.least} to ${band.most} intents per symbol-session, found ${value.toFixed(2)}`,
        );
    }
  }
  if (sessionsWithBuys === 0) problems.push('expected buys, found none');
  if (sessionsWithSells === 0) problems.push('expected sells, found none');
  return {
    symbol_sessions: symbolSessions,
    intents,
    sessions,
    sessions_with_buys: sessionsWithBuys,
    sessions_with_sells: sessionsWithSells,
    rejections: sumOf(symbolSessions.map(({ rejections }) => rejections)),
    problems,
  };
};
