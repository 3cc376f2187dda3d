import type { NewYorkDate } from '../market/new-york.ts';
import type { Instant } from '../instant.ts';
import type { Ticker } from '../identifiers.ts';

/** One session of a series: bars `[from, to)` of its columns. */
export interface SeriesSession {
  readonly date: NewYorkDate;
  readonly kind: 'full' | 'half';
  readonly openAt: Instant;
  readonly closeAt: Instant;
  readonly from: number;
  readonly to: number;
}

/** Bars as columns of equal length, in time order; prices in USD, volume in shares. */
export interface BarColumns {
  /** Start of the bar, an `Instant`. */
  readonly start: Float64Array;
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
  readonly volume: Float64Array;
}

/**
 * Bars of one symbol over many sessions as columns of equal length, in time order. Research computes in doubles: what it
 * finds are statistics, not orders. A halt is a time without bars.
 */
export interface SymbolSeries extends BarColumns {
  readonly symbol: Ticker;
  /** Length of a bar, ms. */
  readonly barMs: number;
  /** Half of the quoted spread at the end of the bar, USD; NaN where no quote is known. */
  readonly halfSpread: Float64Array;
  /** Ascending, without a gap between one's `to` and the next one's `from`. */
  readonly sessions: readonly SeriesSession[];
}
