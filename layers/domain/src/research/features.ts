import { hour, minute } from '../instant.ts';
import {
  featureFields,
  rangedFields,
  type FeatureField,
  type FeatureName,
  type FeatureValues,
} from '../features/contract.ts';
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
  const firstChange = (close[1] ?? 0) - (close[0] ?? 0);
  let gain = Math.max(firstChange, 0);
  let loss = Math.max(-firstChange, 0);
  let changed = firstChange !== 0;
  for (let row = 1; row < close.length; row += 1) {
    if (row > 1) {
      const change = (close[row] ?? 0) - (close[row - 1] ?? 0);
      gain = Math.max(change, 0) * weight + gain * (1 - weight);
      loss = Math.max(-change, 0) * weight + loss * (1 - weight);
      changed ||= change !== 0;
    }
    index[row] = !changed ? 50 : loss === 0 ? 100 : 100 - 100 / (1 + gain / loss);
  }
  return index;
};

interface WindowStatistics {
  readonly mean: Float64Array;
  /** Population. */
  readonly deviation: Float64Array;
}

/** Of one window, `[from, to)`. */
const deviationOf = (values: Float64Array, from: number, to: number): { mean: number; deviation: number } => {
  let sum = 0;
  for (let index = from; index < to; index += 1) sum += values[index] ?? 0;
  const mean = sum / (to - from);
  let squares = 0;
  for (let index = from; index < to; index += 1) {
    const away = (values[index] ?? 0) - mean;
    squares += away * away;
  }
  return { mean, deviation: Math.sqrt(squares / (to - from)) };
};

/**
 * Mean and deviation of the last `periods` values up to each index; NaN before. Every window is summed anew, oldest value
 * first, so that no error runs on. Four windows are summed side by side: each addition of one waits for the one before it,
 * and not for those of the others; what all four contain is read once.
 */
const windowsOf = (values: Float64Array, length: number, periods: number): WindowStatistics => {
  const mean = new Float64Array(length).fill(Number.NaN);
  const deviation = new Float64Array(length).fill(Number.NaN);
  let last = periods - 1;
  for (; periods > 3 && last + 3 < length; last += 4) {
    const first = last - periods + 1;
    const [old0, old1, old2] = [values[first] ?? 0, values[first + 1] ?? 0, values[first + 2] ?? 0];
    const [new1, new2, new3] = [values[last + 1] ?? 0, values[last + 2] ?? 0, values[last + 3] ?? 0];
    let a = 0 + old0 + old1 + old2;
    let b = 0 + old1 + old2;
    let c = 0 + old2;
    let d = 0;
    for (let index = first + 3; index <= last; index += 1) {
      const value = values[index] ?? 0;
      a += value;
      b += value;
      c += value;
      d += value;
    }
    const meanA = a / periods;
    const meanB = (b + new1) / periods;
    const meanC = (c + new1 + new2) / periods;
    const meanD = (d + new1 + new2 + new3) / periods;
    a = 0 + (old0 - meanA) ** 2 + (old1 - meanA) ** 2 + (old2 - meanA) ** 2;
    b = 0 + (old1 - meanB) ** 2 + (old2 - meanB) ** 2;
    c = 0 + (old2 - meanC) ** 2;
    d = 0;
    for (let index = first + 3; index <= last; index += 1) {
      const value = values[index] ?? 0;
      const awayA = value - meanA;
      const awayB = value - meanB;
      const awayC = value - meanC;
      const awayD = value - meanD;
      a += awayA * awayA;
      b += awayB * awayB;
      c += awayC * awayC;
      d += awayD * awayD;
    }
    b += (new1 - meanB) ** 2;
    c = c + (new1 - meanC) ** 2 + (new2 - meanC) ** 2;
    d = d + (new1 - meanD) ** 2 + (new2 - meanD) ** 2 + (new3 - meanD) ** 2;
    mean[last] = meanA;
    mean[last + 1] = meanB;
    mean[last + 2] = meanC;
    mean[last + 3] = meanD;
    deviation[last] = Math.sqrt(a / periods);
    deviation[last + 1] = Math.sqrt(b / periods);
    deviation[last + 2] = Math.sqrt(c / periods);
    deviation[last + 3] = Math.sqrt(d / periods);
  }
  for (; last < length; last += 1) {
    const one = deviationOf(values, last - periods + 1, last + 1);
    mean[last] = one.mean;
    deviation[last] = one.deviation;
  }
  return { mean, deviation };
};

const bollingerBars = 20;
const volatilityBars = 60;
const leastVolatilityReturns = 20;
/** Longer than any halt within a session, shorter than any night. */
const overnight = 4 * hour;

/** Population deviation of the last 60 log returns, the return over a night left out; NaN below 20 returns. */
const realizedVolatility = ({ start, close }: SymbolSeries): Float64Array => {
  const returns = new Float64Array(close.length);
  /** Returns up to each row. */
  const known = new Uint32Array(close.length);
  let count = 0;
  for (let row = 0; row < close.length; row += 1) {
    if (row > 0 && (start[row] ?? 0) - (start[row - 1] ?? 0) < overnight) {
      returns[count] = Math.log((close[row] ?? 0) / (close[row - 1] ?? 0));
      count += 1;
    }
    known[row] = count;
  }
  const { deviation } = windowsOf(returns, count, volatilityBars);
  for (let last = leastVolatilityReturns; last < Math.min(volatilityBars, count + 1); last += 1)
    deviation[last - 1] = deviationOf(returns, 0, last).deviation;
  const volatility = new Float64Array(close.length);
  for (let row = 0; row < close.length; row += 1) volatility[row] = deviation[(known[row] ?? 0) - 1] ?? Number.NaN;
  return volatility;
};

/** Volume-weighted typical price: since the first bar, and over the last 5 minutes. NaN while nothing traded. */
const weightedPrices = (series: SymbolSeries): { readonly session: Float64Array; readonly window: Float64Array } => {
  const { start, high, low, close, volume } = series;
  const session = new Float64Array(close.length).fill(Number.NaN);
  const window = new Float64Array(close.length).fill(Number.NaN);
  /** USD of each bar. */
  const traded = new Float64Array(close.length);
  let value = 0;
  let shares = 0;
  let first = 0;
  for (let row = 0; row < close.length; row += 1) {
    const price = ((high[row] ?? 0) + (low[row] ?? 0) + (close[row] ?? 0)) / 3;
    const own = price * (volume[row] ?? 0);
    traded[row] = own;
    value += own;
    shares += volume[row] ?? 0;
    if (shares > 0) session[row] = value / shares;
    const opened = (start[row] ?? 0) - 5 * minute;
    while ((start[first] ?? 0) <= opened) first += 1;
    let windowValue = 0;
    let windowShares = 0;
    for (let back = first; back <= row; back += 1) {
      windowValue += traded[back] ?? 0;
      windowShares += volume[back] ?? 0;
    }
    if (windowShares > 0) window[row] = windowValue / windowShares;
  }
  return { session, window };
};

const difference = (one: Float64Array, other: Float64Array): Float64Array => {
  const values = new Float64Array(one.length);
  for (let row = 0; row < values.length; row += 1) values[row] = (one[row] ?? Number.NaN) - (other[row] ?? Number.NaN);
  return values;
};

/** One column and some times another one. */
const sumOf = (one: Float64Array, times: number, other: Float64Array): Float64Array => {
  const values = new Float64Array(one.length);
  for (let row = 0; row < values.length; row += 1)
    values[row] = (one[row] ?? Number.NaN) + times * (other[row] ?? Number.NaN);
  return values;
};

const inBps = (of: Float64Array, price: Float64Array): Float64Array => {
  const values = new Float64Array(of.length).fill(Number.NaN);
  for (let row = 0; row < values.length; row += 1) {
    const whole = price[row] ?? Number.NaN;
    if (whole > 0) values[row] = (1e4 * (of[row] ?? Number.NaN)) / whole;
  }
  return values;
};

const allNames = featureFields.map(({ name }) => name);

/** Columns that are computed when they are first read: most readers want a few, and each takes a pass over all rows. */
export const lazyColumns = (columnOf: (name: FeatureName) => Float64Array): FeatureColumns => {
  const columns = {};
  for (const name of allNames)
    Object.defineProperty(columns, name, {
      enumerable: true,
      configurable: true,
      get: () => {
        const value = columnOf(name);
        Object.defineProperty(columns, name, { enumerable: true, value });
        return value;
      },
    });
  return columns as FeatureColumns;
};

/** A value that is computed once, when it is first asked for. */
const once = <T>(compute: () => T): (() => T) => {
  let kept: { readonly value: T } | null = null;
  return () => (kept ??= { value: compute() }).value;
};

/**
 * The features a strategy is shown of a series, computed as the technical-analysis stream computes them: state runs on
 * from one session into the next, and a row knows nothing later than its own bar. Each is computed when it is first read.
 */
export const featuresOf = (series: SymbolSeries): FeatureColumns => {
  const { close, halfSpread } = series;
  const bands = once(() => windowsOf(close, close.length, bollingerBars));
  const weighted = once(() => weightedPrices(series));
  const computations: Readonly<Record<FeatureName, () => Float64Array>> = {
    price: () => close,
    ema12: () => exponentialAverage(close, 2 / 13),
    ema26: () => exponentialAverage(close, 2 / 27),
    macd: () => difference(columns.ema12, columns.ema26),
    macd_signal: () => exponentialAverage(columns.macd, 2 / 10),
    macd_hist: () => difference(columns.macd, columns.macd_signal),
    rsi14: () => relativeStrength(close),
    boll_mid: () => bands().mean,
    boll_upper: () => sumOf(bands().mean, 2, bands().deviation),
    boll_lower: () => sumOf(bands().mean, -2, bands().deviation),
    vwap_session: () => weighted().session,
    vwap_w5m: () => weighted().window,
    vol_realized_w60s: () => realizedVolatility(series),
    imbalance_spread: () => sumOf(halfSpread, 1, halfSpread),
    // Bars do not tell how late their signal would have come.
    staleness_ms: () => new Float64Array(close.length).fill(Number.NaN),
    macd_hist_bps: () => inBps(columns.macd_hist, close),
    spread_bps: () => inBps(columns.imbalance_spread, close),
  };
  const columns = lazyColumns((name) => computations[name]());
  return columns;
};

/** One row of columns in the form strategies are shown; it follows `row`, so that no object is made per bar. */
export interface FeatureRowView extends FeatureValues {
  row: number;
}

/** A value that is unknown, NaN, as strategies are shown it. */
const known = (value: number | undefined): number | null => (value === undefined || Number.isNaN(value) ? null : value);

/**
 * A getter for each field, written out: one that took the name from a variable would cost ten times as much. Columns that
 * were not asked for are looked up when one is read after all.
 */
class ColumnView implements FeatureRowView {
  row = 0;
  readonly #columns: FeatureColumns;
  readonly #price: Float64Array | null;
  readonly #ema12: Float64Array | null;
  readonly #ema26: Float64Array | null;
  readonly #macd: Float64Array | null;
  readonly #macd_signal: Float64Array | null;
  readonly #macd_hist: Float64Array | null;
  readonly #rsi14: Float64Array | null;
  readonly #boll_mid: Float64Array | null;
  readonly #boll_upper: Float64Array | null;
  readonly #boll_lower: Float64Array | null;
  readonly #vwap_session: Float64Array | null;
  readonly #vwap_w5m: Float64Array | null;
  readonly #vol_realized_w60s: Float64Array | null;
  readonly #imbalance_spread: Float64Array | null;
  readonly #staleness_ms: Float64Array | null;
  readonly #macd_hist_bps: Float64Array | null;
  readonly #spread_bps: Float64Array | null;
  constructor(columns: FeatureColumns, asked: ReadonlySet<FeatureName>) {
    this.#columns = columns;
    const column = (name: FeatureName): Float64Array | null => (asked.has(name) ? columns[name] : null);
    this.#price = column('price');
    this.#ema12 = column('ema12');
    this.#ema26 = column('ema26');
    this.#macd = column('macd');
    this.#macd_signal = column('macd_signal');
    this.#macd_hist = column('macd_hist');
    this.#rsi14 = column('rsi14');
    this.#boll_mid = column('boll_mid');
    this.#boll_upper = column('boll_upper');
    this.#boll_lower = column('boll_lower');
    this.#vwap_session = column('vwap_session');
    this.#vwap_w5m = column('vwap_w5m');
    this.#vol_realized_w60s = column('vol_realized_w60s');
    this.#imbalance_spread = column('imbalance_spread');
    this.#staleness_ms = column('staleness_ms');
    this.#macd_hist_bps = column('macd_hist_bps');
    this.#spread_bps = column('spread_bps');
  }
  get price(): number | null {
    return known((this.#price ?? this.#columns.price)[this.row]);
  }
  get ema12(): number | null {
    return known((this.#ema12 ?? this.#columns.ema12)[this.row]);
  }
  get ema26(): number | null {
    return known((this.#ema26 ?? this.#columns.ema26)[this.row]);
  }
  get macd(): number | null {
    return known((this.#macd ?? this.#columns.macd)[this.row]);
  }
  get macd_signal(): number | null {
    return known((this.#macd_signal ?? this.#columns.macd_signal)[this.row]);
  }
  get macd_hist(): number | null {
    return known((this.#macd_hist ?? this.#columns.macd_hist)[this.row]);
  }
  get rsi14(): number | null {
    return known((this.#rsi14 ?? this.#columns.rsi14)[this.row]);
  }
  get boll_mid(): number | null {
    return known((this.#boll_mid ?? this.#columns.boll_mid)[this.row]);
  }
  get boll_upper(): number | null {
    return known((this.#boll_upper ?? this.#columns.boll_upper)[this.row]);
  }
  get boll_lower(): number | null {
    return known((this.#boll_lower ?? this.#columns.boll_lower)[this.row]);
  }
  get vwap_session(): number | null {
    return known((this.#vwap_session ?? this.#columns.vwap_session)[this.row]);
  }
  get vwap_w5m(): number | null {
    return known((this.#vwap_w5m ?? this.#columns.vwap_w5m)[this.row]);
  }
  get vol_realized_w60s(): number | null {
    return known((this.#vol_realized_w60s ?? this.#columns.vol_realized_w60s)[this.row]);
  }
  get imbalance_spread(): number | null {
    return known((this.#imbalance_spread ?? this.#columns.imbalance_spread)[this.row]);
  }
  get staleness_ms(): number | null {
    return known((this.#staleness_ms ?? this.#columns.staleness_ms)[this.row]);
  }
  get macd_hist_bps(): number | null {
    return known((this.#macd_hist_bps ?? this.#columns.macd_hist_bps)[this.row]);
  }
  get spread_bps(): number | null {
    return known((this.#spread_bps ?? this.#columns.spread_bps)[this.row]);
  }
}

/** Rows of columns, by default of all of them. @param asked those that will be read of every row */
export const viewOf = (columns: FeatureColumns, asked: readonly FeatureName[] = allNames): FeatureRowView =>
  new ColumnView(columns, new Set(asked));

/** Takes out the rows whose value is known and lies outside the range of its field. */
const excludeOutOfRange = (
  inRange: Uint8Array,
  column: Float64Array,
  price: Float64Array,
  { min, max }: Pick<FeatureField, 'min' | 'max'>,
): void => {
  const least = min?.value ?? -Infinity;
  const most = max?.value ?? Infinity;
  const [leastIsOut, mostIsOut] = [min?.inclusive === false, max?.inclusive === false];
  const [leastOfPrice, mostOfPrice] = [min?.timesPrice === true, max?.timesPrice === true];
  for (let row = 0; row < column.length; row += 1) {
    const value = column[row] ?? Number.NaN;
    // No comparison with NaN holds: an unknown value, or a bound of an unknown price, is not judged.
    const low = leastOfPrice ? least * (price[row] ?? Number.NaN) : least;
    const high = mostOfPrice ? most * (price[row] ?? Number.NaN) : most;
    if (value < low || value > high || (leastIsOut && value === low) || (mostIsOut && value === high)) inRange[row] = 0;
  }
};

/** 1 for each row whose values lie within the ranges of the contract; strategies are shown no other. */
export const rowsInRange = (columns: FeatureColumns): Uint8Array => {
  const inRange = new Uint8Array(columns.price.length).fill(1);
  for (const field of rangedFields) excludeOutOfRange(inRange, columns[field.name], columns.price, field);
  return inRange;
};
