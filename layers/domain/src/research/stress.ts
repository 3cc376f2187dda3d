import { minute, second } from '../instant.ts';
import { sha256 } from '../canonical-json.ts';
import type { StressCase } from '../enumerations.ts';
import type { FeatureName } from '../features/contract.ts';
import { seededUniform, seedOf } from '../statistics/random.ts';
import type { ExecutionModel } from './execution-model.ts';
import { lazyColumns, type FeatureColumns } from './features.ts';
import type { SeriesSession, SymbolSeries } from './series.ts';

/** Position held after each bar of the undisturbed run, shares. */
export type HeldAfter = (row: number) => number;

export interface StressedInput {
  readonly series: SymbolSeries;
  /** Whether features have to be computed from the series anew: its prices are others, or other bars are missing. */
  readonly pricesChanged: boolean;
  /** Row of the unchanged series behind each row; null where they are the same ones. */
  readonly rows: Uint32Array | null;
  readonly model: ExecutionModel;
}

const scaledSpread =
  (factor: number) =>
  (series: SymbolSeries, model: ExecutionModel): StressedInput => ({
    series,
    pricesChanged: false,
    rows: null,
    model: { ...model, spread: { ...model.spread, scale: model.spread.scale * factor } },
  });

/** Every price of a series changed by a rule that keeps the order of prices within a bar. */
const withPrices = (series: SymbolSeries, change: (price: number, row: number) => number): SymbolSeries => {
  const changed = (column: Float64Array): Float64Array => {
    const prices = new Float64Array(column.length);
    for (let row = 0; row < prices.length; row += 1) prices[row] = change(column[row] ?? Number.NaN, row);
    return prices;
  };
  const { open, high, low, close } = series;
  return { ...series, open: changed(open), high: changed(high), low: changed(low), close: changed(close) };
};

/** Moves since the session's opening price are squared: each log return within a session doubles. */
const doubledVolatility = (series: SymbolSeries): SymbolSeries => {
  const opening = new Float64Array(series.open.length);
  for (const { from, to } of series.sessions) opening.fill(series.open[from] ?? Number.NaN, from, to);
  return withPrices(series, (price, row) => price ** 2 / (opening[row] ?? Number.NaN));
};

const haltMs = 15 * minute;
const gap = 0.02;

/** When a session halts: between half an hour after its open and an hour before its close, drawn by session and symbol. */
const haltOf = (symbol: string, { date, openAt, closeAt }: SeriesSession, seed: string): number => {
  const draw = seededUniform(seedOf(sha256(`${seed}|halt_gap|${symbol}|${date}`)));
  return openAt + 30 * minute + draw() * Math.max(0, closeAt - openAt - 90 * minute);
};

/** Rows of one session on both sides of its halt, and how prices move over it. */
interface Halt {
  readonly session: SeriesSession;
  /** First row of the halt, and the first after it. */
  readonly from: number;
  readonly to: number;
  readonly factor: number;
}

/** Each session loses the bars of 15 minutes and goes on 2 % away from what was held; what was not held falls. */
const haltedWithGap = (
  series: SymbolSeries,
  seed: string,
  heldAfter: HeldAfter,
): { readonly series: SymbolSeries; readonly rows: Uint32Array } => {
  const { start } = series;
  const halts = series.sessions.map((session): Halt => {
    const at = haltOf(series.symbol, session, seed);
    let from = session.from;
    while (from < session.to && (start[from] ?? 0) < at) from += 1;
    let to = from;
    while (to < session.to && (start[to] ?? 0) < at + haltMs) to += 1;
    const held = from > session.from && from < session.to ? heldAfter(from - 1) : 0;
    return { session, from, to, factor: held < 0 ? 1 + gap : 1 - gap };
  });
  const rows = halts.reduce((sum, { session, from, to }) => sum + session.to - session.from - (to - from), 0);
  const kept = (column: Float64Array, isPrice: boolean): Float64Array => {
    const values = new Float64Array(rows);
    let next = 0;
    for (const { session, from, to, factor } of halts) {
      values.set(column.subarray(session.from, from), next);
      next += from - session.from;
      values.set(column.subarray(to, session.to), next);
      const end = next + session.to - to;
      if (isPrice) for (let row = next; row < end; row += 1) values[row] = (values[row] ?? 0) * factor;
      next = end;
    }
    return values;
  };
  let next = 0;
  const sessions = halts.map(({ session, from, to }): SeriesSession => {
    const first = next;
    next += session.to - session.from - (to - from);
    return { ...session, from: first, to: next };
  });
  return {
    series: {
      ...series,
      start: kept(start, false),
      open: kept(series.open, true),
      high: kept(series.high, true),
      low: kept(series.low, true),
      close: kept(series.close, true),
      volume: kept(series.volume, false),
      halfSpread: kept(series.halfSpread, false),
      sessions,
    },
    rows: Uint32Array.from(kept(Float64Array.from(start.keys()), false)),
  };
};

const dataDelayMs = 5 * second;

/**
 * What each case changes; every one is evaluated anew from its own market, model and features. `heldAfter` speaks of the
 * undisturbed run, so that a gap can go against it.
 */
export const stressed: Readonly<
  Record<StressCase, (series: SymbolSeries, model: ExecutionModel, heldAfter: HeldAfter) => StressedInput>
> = {
  spread_x2: scaledSpread(2),
  spread_x3: scaledSpread(3),
  volatility_x2: (series, model) => ({ series: doubledVolatility(series), pricesChanged: true, rows: null, model }),
  liquidity_cut: (series, model) => ({
    series: { ...series, volume: series.volume.map((shares) => shares * 0.25) },
    pricesChanged: false,
    rows: null,
    model,
  }),
  halt_gap: (series, model, heldAfter) => ({
    ...haltedWithGap(series, model.seed, heldAfter),
    pricesChanged: true,
    model,
  }),
  delayed_data: (series, model) => ({
    series,
    pricesChanged: false,
    rows: null,
    model: {
      ...model,
      latency: {
        ...model.latency,
        milliseconds: model.latency.milliseconds.map((latency) => latency + dataDelayMs),
      },
    },
  }),
  reject_burst: (series, model) => ({
    series,
    pricesChanged: false,
    rows: null,
    model: { ...model, reject_burst: { seconds: 600, rate: 0.5 } },
  }),
};

/** Features that no price moves: of quotes and of clocks. */
export const unmoved: ReadonlySet<FeatureName> = new Set(['imbalance_spread', 'staleness_ms']);

/**
 * Stored features under changed prices: each is moved by as much as the change moves the one that bars give, so that a
 * change of nothing changes nothing, and what was unknown stays unknown.
 * @param unchanged features of the unchanged bars @param rows row of them behind each changed one; null: the same
 */
export const carriedOver = (
  stored: FeatureColumns,
  unchanged: FeatureColumns,
  changed: FeatureColumns,
  rows: Uint32Array | null,
): FeatureColumns => {
  const moved = (name: FeatureName): Float64Array => {
    const [kept, after] = [stored[name], changed.price.length];
    const values = new Float64Array(after);
    for (let row = 0; row < after; row += 1) values[row] = kept[rows?.[row] ?? row] ?? Number.NaN;
    if (unmoved.has(name)) return values;
    const [before, now] = [unchanged[name], changed[name]];
    const [least, most] = rangeOf(name);
    for (let row = 0; row < after; row += 1) {
      const value =
        (values[row] ?? Number.NaN) + ((now[row] ?? Number.NaN) - (before[rows?.[row] ?? row] ?? Number.NaN));
      values[row] = value < least ? least : value > most ? most : value;
    }
    return values;
  };
  return lazyColumns(moved);
};

/** What no feature can lie beyond by its definition, and a move of a stored one by another's could bring it to. */
const rangeOf = (name: FeatureName): readonly [least: number, most: number] =>
  name === 'rsi14' ? [0, 100] : name === 'vol_realized_w60s' ? [0, Infinity] : [-Infinity, Infinity];

/** Why a case may end with the same fills as the undisturbed run, where it may. */
export const sameFillsReason = (
  stressCase: StressCase,
  model: ExecutionModel,
  barMs: number,
  fills: number,
): 'no_trades' | 'delay_within_one_bar' | null => {
  if (fills === 0) return 'no_trades';
  const { bars, milliseconds } = model.latency;
  const within = milliseconds.every((latency) => latency + dataDelayMs <= bars * barMs);
  return stressCase === 'delayed_data' && within ? 'delay_within_one_bar' : null;
};
