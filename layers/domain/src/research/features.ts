import { hour, minute } from '../instant.ts';
import { featureFields, outOfRange, type FeatureName, type FeatureValues } from '../features/contract.ts';
import type { SymbolSeries } from './series.ts';

/** Values of the feature contract as columns, one row per bar; NaN where a value is null. */
export type FeatureColumns = Readonly<Record<FeatureName, Float64Array>>;

/** Exponential average from the first value on. Weight 2 / (periods + 1). */
const exponentialAverage = (values: Float64Array, weight: number): Float64Array => {
  const averages = new Float64Array(values.length);
  let average = values[0] ?? Number.NaN;
  for (let row = 0; row < values.length; row += 1) {
    average = row === 0 ? average : (values[row] ?? 0) * weight + average * (1 - weight);
    averages[row] = average;
  }
  return averages;
};

/** Wilder's relative strength over 14 bars, from the second bar on; 50 until the price first changes. */
const relativeStrength = (close: Float64Array): Float64Array => {
  const index = new Float64Array(close.length).fill(Number.NaN);
  const weight = 1 / 14;
  let [gain, loss, changed] = [0, 0, false];
  for (let row = 1; row < close.length; row += 1) {
    const change = (close[row] ?? 0) - (close[row - 1] ?? 0);
    const [up, down] = [Math.max(change, 0), Math.max(-change, 0)];
    gain = row === 1 ? up : up * weight + gain * (1 - weight);
    loss = row === 1 ? down : down * weight + loss * (1 - weight);
    changed ||= change !== 0;
    index[row] = !changed ? 50 : loss === 0 ? 100 : 100 - 100 / (1 + gain / loss);
  }
  return index;
};

/** Middle and deviation (population) of the last 20 closes; NaN before. */
const bollinger = (close: Float64Array): { readonly middle: Float64Array; readonly deviation: Float64Array } => {
  const periods = 20;
  const middle = new Float64Array(close.length).fill(Number.NaN);
  const deviation = new Float64Array(close.length).fill(Number.NaN);
  for (let row = periods - 1; row < close.length; row += 1) {
    let sum = 0;
    for (let back = row - periods + 1; back <= row; back += 1) sum += close[back] ?? 0;
    const mean = sum / periods;
    let squares = 0;
    for (let back = row - periods + 1; back <= row; back += 1) squares += ((close[back] ?? 0) - mean) ** 2;
    middle[row] = mean;
    deviation[row] = Math.sqrt(squares / periods);
  }
  return { middle, deviation };
};

const volatilityBars = 60;
const leastVolatilityReturns = 20;
/** Longer than any halt within a session, shorter than any night. */
const overnight = 4 * hour;

/** Population deviation of the last 60 log returns, the return over a night left out; NaN below 20 returns. */
const realizedVolatility = ({ start, close }: SymbolSeries): Float64Array => {
  const volatility = new Float64Array(close.length).fill(Number.NaN);
  const returns = new Float64Array(close.length);
  let count = 0;
  for (let row = 0; row < close.length; row += 1) {
    if (row > 0 && (start[row] ?? 0) - (start[row - 1] ?? 0) < overnight) {
      returns[count] = Math.log((close[row] ?? 0) / (close[row - 1] ?? 0));
      count += 1;
    }
    const used = Math.min(count, volatilityBars);
    if (used < leastVolatilityReturns) continue;
    let sum = 0;
    for (let index = count - used; index < count; index += 1) sum += returns[index] ?? 0;
    const mean = sum / used;
    let squares = 0;
    for (let index = count - used; index < count; index += 1) squares += ((returns[index] ?? 0) - mean) ** 2;
    volatility[row] = Math.sqrt(squares / used);
  }
  return volatility;
};

/** Volume-weighted typical price: since the first bar, and over the last 5 minutes. NaN while nothing traded. */
const weightedPrices = (series: SymbolSeries): { readonly session: Float64Array; readonly window: Float64Array } => {
  const { start, high, low, close, volume } = series;
  const session = new Float64Array(close.length).fill(Number.NaN);
  const window = new Float64Array(close.length).fill(Number.NaN);
  const typical = new Float64Array(close.length);
  let [value, shares, first] = [0, 0, 0];
  for (let row = 0; row < close.length; row += 1) {
    const price = ((high[row] ?? 0) + (low[row] ?? 0) + (close[row] ?? 0)) / 3;
    typical[row] = price;
    value += price * (volume[row] ?? 0);
    shares += volume[row] ?? 0;
    if (shares > 0) session[row] = value / shares;
    while ((start[first] ?? 0) <= (start[row] ?? 0) - 5 * minute) first += 1;
    let [windowValue, windowShares] = [0, 0];
    for (let back = first; back <= row; back += 1) {
      windowValue += (typical[back] ?? 0) * (volume[back] ?? 0);
      windowShares += volume[back] ?? 0;
    }
    if (windowShares > 0) window[row] = windowValue / windowShares;
  }
  return { session, window };
};

const combined = (one: Float64Array, other: Float64Array, of: (a: number, b: number) => number): Float64Array =>
  Float64Array.from(one, (value, row) => of(value, other[row] ?? Number.NaN));

/**
 * The features a strategy is shown of a series, computed as the technical-analysis stream computes them: state runs on
 * from one session into the next, and a row knows nothing later than its own bar.
 */
export const featuresOf = (series: SymbolSeries): FeatureColumns => {
  const { close, halfSpread } = series;
  const ema12 = exponentialAverage(close, 2 / 13);
  const ema26 = exponentialAverage(close, 2 / 27);
  const macd = combined(ema12, ema26, (fast, slow) => fast - slow);
  const signal = exponentialAverage(macd, 2 / 10);
  const histogram = combined(macd, signal, (value, average) => value - average);
  const { middle, deviation } = bollinger(close);
  const { session, window } = weightedPrices(series);
  const spread = halfSpread.map((half) => 2 * half);
  const inBps = (value: number, price: number): number => (price > 0 ? (1e4 * value) / price : Number.NaN);
  return {
    price: close,
    ema12,
    ema26,
    macd,
    macd_signal: signal,
    macd_hist: histogram,
    rsi14: relativeStrength(close),
    boll_mid: middle,
    boll_upper: combined(middle, deviation, (mean, sd) => mean + 2 * sd),
    boll_lower: combined(middle, deviation, (mean, sd) => mean - 2 * sd),
    vwap_session: session,
    vwap_w5m: window,
    vol_realized_w60s: realizedVolatility(series),
    imbalance_spread: spread,
    staleness_ms: new Float64Array(close.length),
    macd_hist_bps: combined(histogram, close, inBps),
    spread_bps: combined(spread, close, inBps),
  };
};

/** One row of columns in the form strategies are shown; it follows `row`, so that no object is made per bar. */
export interface FeatureRowView extends FeatureValues {
  row: number;
}

/** Getters live on one prototype: views of all series look alike to the engine that optimises them. */
class ColumnView {
  row = 0;
  readonly columns: FeatureColumns;
  constructor(columns: FeatureColumns) {
    this.columns = columns;
  }
}
for (const { name } of featureFields) {
  Object.defineProperty(ColumnView.prototype, name, {
    get(this: ColumnView): number | null {
      const value = this.columns[name][this.row] ?? Number.NaN;
      return Number.isNaN(value) ? null : value;
    },
  });
}

export const viewOf = (columns: FeatureColumns): FeatureRowView => new ColumnView(columns) as unknown as FeatureRowView;

/** 1 for each row whose values lie within the ranges of the contract; strategies are shown no other. */
export const rowsInRange = (columns: FeatureColumns): Uint8Array => {
  const view = viewOf(columns);
  return Uint8Array.from(columns.price, (_, row) => {
    view.row = row;
    return outOfRange(view).length === 0 ? 1 : 0;
  });
};
