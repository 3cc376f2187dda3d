import { featureSchemaMajor, type Instant, sha256, type Ticker, toText } from '@torghut/domain';
import { barFrequencies, type BarSession, type QuoteColumns, type SymbolBars } from '../bars/bars.ts';
import { type Indicators, IndicatorStream, type StandingQuote } from './indicators.ts';

/** Columns that `ta_signals` and `ta_microbars` share. Times are UTC text as ClickHouse reads it. */
interface CommonColumns {
  readonly symbol: Ticker;
  /** End of the bar. */
  readonly event_ts: string;
  /** Counter of the symbol's bars, from 1. */
  readonly seq: number;
  readonly ingest_ts: string;
  readonly is_final: 1;
  readonly source: 'ta';
  readonly window_size: string;
  readonly window_step: string;
  readonly window_start: string;
  readonly window_end: string;
  readonly version: typeof featureSchemaMajor;
}

export interface MicrobarRow extends CommonColumns {
  readonly o: number;
  readonly h: number;
  readonly l: number;
  readonly c: number;
  readonly v: number;
  /** Null: bar files do not carry it, and an estimate must not pass for one. */
  readonly vwap: null;
  /** Number of trades, which bar files do not carry either; the column cannot be null. */
  readonly count: 0;
}

export type SignalRow = CommonColumns & Indicators;

/** Rows of one session, by symbol and time. */
export interface SessionRows {
  readonly date: string;
  /** Range of `event_ts`, both ends included. */
  readonly from: Instant;
  readonly to: Instant;
  readonly microbars: readonly MicrobarRow[];
  readonly signals: readonly SignalRow[];
}

const clickHouseTime = (at: Instant): string => toText(at).replace('T', ' ').replace('Z', '');

const leastDelayMs = 3_000;
const delayRangeMs = 2_000;

/**
 * How long after its end a bar is emitted: 3 to 5 s, the same for the same symbol and time in every run. Symbols overtake
 * each other; the stream keeps the order within one.
 */
const delayOf = (symbol: Ticker, eventTs: Instant): number =>
  leastDelayMs + (parseInt(sha256(`${symbol}|${eventTs}`).slice(0, 8), 16) % (delayRangeMs + 1));

/** Walks along quotes: the last one that ended by an instant. Calls must ask for ascending times. */
const quoteFollower = (quotes: QuoteColumns | null, barMs: number): ((at: Instant) => StandingQuote | null) => {
  let next = 0;
  return (at) => {
    if (quotes === null) return null;
    while ((quotes.start[next] ?? Infinity) + barMs <= at) next += 1;
    const [bid, ask] = [quotes.bidClose[next - 1], quotes.askClose[next - 1]];
    if (bid === undefined || ask === undefined) return null;
    return { bid, ask, bidSize: quotes.bidSize[next - 1] ?? 0, askSize: quotes.askSize[next - 1] ?? 0 };
  };
};

interface SymbolStream {
  readonly indicators: IndicatorStream;
  seq: number;
  /** When the last bar was emitted. */
  emittedAt: Instant;
}

/**
 * The technical-analysis stream that the two tables stand for: it turns sessions of bars into rows, symbol by symbol, with
 * state that runs on from one session to the next. The same bars give the same rows in every run.
 */
export class BarStream {
  readonly #symbols = new Map<Ticker, SymbolStream>();

  /** Rows of the next session. Sessions must be given once each, in order. */
  rowsOf(session: BarSession): SessionRows {
    const microbars: MicrobarRow[] = [];
    const signals: SignalRow[] = [];
    let [from, to] = [Infinity, -Infinity];
    for (const bars of session.symbols.values()) {
      for (const { eventTs, microbar, signal } of this.#rowsOfSymbol(bars)) {
        from = Math.min(from, eventTs);
        to = Math.max(to, eventTs);
        microbars.push(microbar);
        signals.push(signal);
      }
    }
    return { date: session.date, from, to, microbars, signals };
  }

  *#rowsOfSymbol({ symbol, frequency, bars, quotes }: SymbolBars): Generator<{
    readonly eventTs: Instant;
    readonly microbar: MicrobarRow;
    readonly signal: SignalRow;
  }> {
    const { milliseconds, windowSize } = barFrequencies[frequency];
    const stream = this.#symbols.get(symbol) ?? { indicators: new IndicatorStream(), seq: 0, emittedAt: 0 };
    this.#symbols.set(symbol, stream);
    const quoteAt = quoteFollower(quotes, milliseconds);
    for (const [index, start] of bars.start.entries()) {
      const eventTs = start + milliseconds;
      stream.seq += 1;
      stream.emittedAt = Math.max(stream.emittedAt, eventTs + delayOf(symbol, eventTs));
      const event_ts = clickHouseTime(eventTs);
      const common: CommonColumns = {
        symbol,
        event_ts,
        seq: stream.seq,
        ingest_ts: clickHouseTime(stream.emittedAt),
        is_final: 1,
        source: 'ta',
        window_size: windowSize,
        window_step: windowSize,
        window_start: clickHouseTime(start),
        window_end: event_ts,
        version: featureSchemaMajor,
      };
      const [o = 0, h = 0, l = 0, c = 0, v = 0] = [
        bars.open[index],
        bars.high[index],
        bars.low[index],
        bars.close[index],
        bars.volume[index],
      ];
      const finished = { end: eventTs, high: h, low: l, close: c, volume: v };
      yield {
        eventTs,
        microbar: { ...common, o, h, l, c, v, vwap: null, count: 0 },
        signal: { ...common, ...stream.indicators.update(finished, quoteAt(eventTs)) },
      };
    }
  }
}
