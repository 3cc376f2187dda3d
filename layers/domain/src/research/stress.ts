import { minute, second } from '../instant.ts';
import { sha256 } from '../canonical-json.ts';
import type { StressCase } from '../enumerations.ts';
import { seededUniform, seedOf } from '../statistics/random.ts';
import type { ExecutionModel } from './execution-model.ts';
import type { SeriesSession, SymbolSeries } from './series.ts';

/** Position held after each bar of the undisturbed run, shares. */
export type HeldAfter = (row: number) => number;

export interface StressedInput {
  readonly series: SymbolSeries;
  /** Whether features have to be computed from the series anew: its prices are others, or other bars are missing. */
  readonly pricesChanged: boolean;
  readonly model: ExecutionModel;
}

const scaledSpread =
  (factor: number) =>
  (series: SymbolSeries, model: ExecutionModel): StressedInput => ({
    series,
    pricesChanged: false,
    model: { ...model, spread: { ...model.spread, scale: model.spread.scale * factor } },
  });

const priceColumns = ['open', 'high', 'low', 'close'] as const;

/** Every price of a series changed by a rule that keeps the order of prices within a bar. */
const withPrices = (series: SymbolSeries, change: (price: number, row: number) => number): SymbolSeries => ({
  ...series,
  ...Object.fromEntries(priceColumns.map((name) => [name, series[name].map(change)])),
});

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

/** Each session loses the bars of 15 minutes and goes on 2 % away from what was held; what was not held falls. */
const haltedWithGap = (series: SymbolSeries, seed: string, heldAfter: HeldAfter): SymbolSeries => {
  const kept: number[] = [];
  const factor = new Float64Array(series.start.length).fill(1);
  const sessions: SeriesSession[] = [];
  for (const session of series.sessions) {
    const halt = haltOf(series.symbol, session, seed);
    const from = kept.length;
    let moved = 1;
    for (let row = session.from; row < session.to; row += 1) {
      const at = series.start[row] ?? 0;
      if (at >= halt && moved === 1) {
        const held = row > session.from ? heldAfter(row - 1) : 0;
        moved = held < 0 ? 1 + gap : 1 - gap;
      }
      factor[row] = moved;
      if (at < halt || at >= halt + haltMs) kept.push(row);
    }
    sessions.push({ ...session, from, to: kept.length });
  }
  const shifted = withPrices(series, (price, row) => price * (factor[row] ?? 1));
  const pick = (column: Float64Array): Float64Array => Float64Array.from(kept, (row) => column[row] ?? Number.NaN);
  return {
    ...shifted,
    start: pick(shifted.start),
    open: pick(shifted.open),
    high: pick(shifted.high),
    low: pick(shifted.low),
    close: pick(shifted.close),
    volume: pick(shifted.volume),
    halfSpread: pick(shifted.halfSpread),
    sessions,
  };
};

const dataDelayMs = 5 * second;

/**
 * What each case changes; every one is evaluated anew from its own market, model and features. `heldAfter` speaks of the undisturbed run, so that a gap can
 * go against it.
 */
export const stressed: Readonly<
  Record<StressCase, (series: SymbolSeries, model: ExecutionModel, heldAfter: HeldAfter) => StressedInput>
> = {
  spread_x2: scaledSpread(2),
  spread_x3: scaledSpread(3),
  volatility_x2: (series, model) => ({ series: doubledVolatility(series), pricesChanged: true, model }),
  liquidity_cut: (series, model) => ({
    series: { ...series, volume: series.volume.map((shares) => shares * 0.25) },
    pricesChanged: false,
    model,
  }),
  halt_gap: (series, model, heldAfter) => ({
    series: haltedWithGap(series, model.seed, heldAfter),
    pricesChanged: true,
    model,
  }),
  delayed_data: (series, model) => ({
    series,
    pricesChanged: false,
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
    model: { ...model, reject_burst: { seconds: 600, rate: 0.5 } },
  }),
};

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
