import type { EvidenceClass, Instant, NewYorkDate, Ticker, TradingDay } from '@torghut/domain';
import type { BarColumns } from '@torghut/domain/research';

/** A directory of bars that cannot be used. The message is one line: where, what was expected, what was found. */
export class BarsError extends Error {
  override readonly name = 'BarsError';
}

/** Lengths of bar that can be replayed, by the name they have in file names. */
export const barFrequencies = {
  '1s': { milliseconds: 1_000, windowSize: 'PT1S' },
  '1m': { milliseconds: 60_000, windowSize: 'PT1M' },
} as const satisfies Record<string, { readonly milliseconds: number; readonly windowSize: string }>;
export type BarFrequency = keyof typeof barFrequencies;

/** Quote bars as columns of equal length, in time order; prices in USD, sizes in shares. A bar exists where a quote changed. */
export interface QuoteColumns {
  /** Start of the bar, an `Instant`. */
  readonly start: Float64Array;
  readonly bidOpen: Float64Array;
  readonly bidHigh: Float64Array;
  readonly bidLow: Float64Array;
  readonly bidClose: Float64Array;
  readonly bidSize: Float64Array;
  readonly askOpen: Float64Array;
  readonly askHigh: Float64Array;
  readonly askLow: Float64Array;
  readonly askClose: Float64Array;
  readonly askSize: Float64Array;
}

/** Bars of one symbol in one session. */
export interface SymbolBars {
  readonly symbol: Ticker;
  readonly frequency: BarFrequency;
  readonly bars: BarColumns;
  /** Null when the directory has no quotes of this symbol and frequency on this day. */
  readonly quotes: QuoteColumns | null;
}

/** All bars of one New York trading day. A symbol without a bar on that day is absent. */
export interface BarSession {
  readonly date: NewYorkDate;
  readonly day: TradingDay;
  readonly symbols: ReadonlyMap<Ticker, SymbolBars>;
}

/** What was read from a directory. */
export interface BarSet {
  readonly directory: string;
  /** As the directory's own document says, wherever it is copied to. */
  readonly evidenceClass: EvidenceClass;
  readonly frequency: BarFrequency;
  /** Ascending. */
  readonly symbols: readonly Ticker[];
  /** By date, ascending; at least one. */
  readonly sessions: readonly BarSession[];
  /** Bars read and left out because they start outside the hours asked for. */
  readonly barsOutsideSession: number;
}

/** Index of the first value that is not below `value` in an ascending column, from `from` on. */
export const lowerBound = (column: Float64Array, value: Instant, from = 0): number => {
  let low = from;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((column[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return low;
};
