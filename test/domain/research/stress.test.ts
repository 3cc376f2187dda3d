import { minute, stressCases, type StressCase } from '@torghut/domain';
import {
  carriedOver,
  defaultExecutionModel,
  featuresOf,
  fillsDigest,
  marketOf,
  regimeLabel,
  regimeOf,
  regimesOf,
  sameFillsReason,
  stressed,
  type ExecutionModel,
  type FeatureColumns,
  type Simulation,
  type SymbolSeries,
} from '@torghut/domain/research';
import { describe, expect, test } from 'vitest';
import { lcg } from '../../support/lcg.ts';
import { seriesOfBars } from './fixtures.ts';
import { simulate } from '../../../layers/domain/src/research/engine.ts';

const draw = lcg(9);
/** A random walk of three whole sessions, with high and low around it. */
const series: SymbolSeries = seriesOfBars(
  ['2026-05-11', '2026-05-12', '2026-05-13'].map((date) => {
    let price = 100;
    return {
      date,
      bars: Array.from({ length: 390 }, (_, at) => {
        const open = price;
        price *= 1 + (draw() - 0.5) / 500;
        return {
          at,
          open,
          close: price,
          high: Math.max(open, price) * (1 + draw() / 2_000),
          low: Math.min(open, price) * (1 - draw() / 2_000),
          volume: 5_000 + Math.floor(draw() * 5_000),
        };
      }),
    };
  }),
);
/** Buys on the 10th minute of each twenty, sells on the last; by time, so that it does not depend on prices. */
const wishesOf = (own: SymbolSeries): Int8Array =>
  Int8Array.from(own.start, (at) => {
    const step = (at / minute) % 20;
    return step === 10 ? 1 : step === 19 ? -1 : 0;
  });
const evaluate = (own: SymbolSeries, model: ExecutionModel): Simulation =>
  simulate(marketOf(own, featuresOf(own).vol_realized_w60s, model), { actions: wishesOf(own) }, model, [], {
    from: 0,
    to: own.sessions.length,
  });
const profit = ({ equity }: Simulation): number => equity.at(-1) ?? Number.NaN;

const model = defaultExecutionModel;
const base = evaluate(series, model);
const heldAfter = (row: number): number => {
  let held = 0;
  for (let index = 0; index < base.fills.count && (base.fills.bar[index] ?? 0) <= row; index += 1)
    held += base.fills.qty[index] ?? 0;
  return held;
};
const runOf = (
  stressCase: StressCase,
  of: ExecutionModel = model,
): { readonly result: Simulation; readonly own: SymbolSeries } => {
  const input = stressed[stressCase](series, of, heldAfter);
  return { result: evaluate(input.series, input.model), own: input.series };
};

describe('[R5] stress cases', () => {
  test('the undisturbed run trades', () => {
    expect(base.fills.count).toBeGreaterThan(50);
  });

  test.each(stressCases)('%s: evaluated anew, or it says why its fills are the same', (stressCase) => {
    const same = fillsDigest([runOf(stressCase).result]) === fillsDigest([base]);
    expect(same).toBe(sameFillsReason(stressCase, model, series.barMs, base.fills.count) !== null);
  });

  test('late data changes fills where a bar is shorter than the delay', () => {
    const quick: ExecutionModel = { ...model, latency: { bars: 0, milliseconds: [58_000] } };
    expect(sameFillsReason('delayed_data', quick, series.barMs, 1)).toBeNull();
    expect(fillsDigest([runOf('delayed_data', quick).result])).not.toBe(fillsDigest([evaluate(series, quick)]));
    expect(sameFillsReason('spread_x2', model, series.barMs, 0)).toBe('no_trades');
    expect(sameFillsReason('spread_x2', model, series.barMs, 1)).toBeNull();
  });

  test('a wider spread costs more, three times more than twice', () => {
    const [twice, thrice] = [runOf('spread_x2').result, runOf('spread_x3').result];
    const cost = (of: Simulation): number => of.fills.spreadCost.reduce((sum, value) => sum + value, 0);
    expect(cost(twice)).toBeGreaterThan(cost(base));
    expect(cost(thrice)).toBeGreaterThan(cost(twice));
    expect(profit(thrice)).toBeLessThan(profit(base));
  });

  test('doubled volatility doubles every log return within a session and keeps the order of prices', () => {
    const { own } = runOf('volatility_x2');
    const move = (of: SymbolSeries, row: number): number => Math.log((of.close[row] ?? 0) / (of.close[row - 1] ?? 0));
    for (const row of [10, 100, 389, 500]) expect(move(own, row)).toBeCloseTo(2 * move(series, row), 10);
    expect(own.open[390]).toBeCloseTo(series.open[390] ?? 0, 10);
    expect(own.high.every((high, row) => high >= (own.low[row] ?? 0))).toBe(true);
  });

  test('less liquidity fills less', () => {
    const thin: ExecutionModel = { ...model, participation: { ...model.participation, cap: 0.01 } };
    const filled = (of: Simulation): number => of.fills.qty.reduce((sum, qty) => sum + Math.abs(qty), 0);
    expect(filled(runOf('liquidity_cut', thin).result)).toBeLessThan(filled(evaluate(series, thin)));
  });

  test('a halt takes fifteen minutes out of each session and goes on against what was held', () => {
    const { own } = runOf('halt_gap');
    expect(own.sessions).toHaveLength(3);
    for (const [index, session] of own.sessions.entries()) {
      const before = series.sessions[index];
      if (before === undefined) throw new Error('expected the session');
      expect(session.to - session.from).toBe(before.to - before.from - 15);
      const starts = own.start.subarray(session.from, session.to);
      const gapAt = starts.findIndex((at, row) => row > 0 && at - (starts[row - 1] ?? 0) > minute);
      const row = series.start.indexOf(starts[gapAt] ?? 0);
      const factor = (own.open[session.from + gapAt] ?? 0) / (series.open[row] ?? 1);
      const heldBefore = heldAfter(series.start.indexOf(starts[gapAt - 1] ?? 0));
      expect(factor).toBeCloseTo(heldBefore < 0 ? 1.02 : 0.98, 10);
    }
  });

  test('a burst of refusals refuses about half of what falls into it', () => {
    const rejected = (of: Simulation): number => of.sessions.reduce((sum, session) => sum + session.rejected, 0);
    const busy: ExecutionModel = { ...model, reject_rate: 0, reject_burst: { seconds: 390 * 60, rate: 0.5 } };
    const orders = evaluate(series, busy).sessions.reduce((sum, session) => sum + session.orders, 0);
    expect(rejected(evaluate(series, busy)) / orders).toBeGreaterThan(0.35);
    expect(rejected(evaluate(series, busy)) / orders).toBeLessThan(0.65);
    expect(rejected(evaluate(series, { ...model, reject_rate: 0 }))).toBe(0);
    expect(rejected(runOf('reject_burst').result)).toBeGreaterThan(0);
  });

  test('a burst in which nothing is refused changes nothing: what follows it meets the draws it would have met', () => {
    const picky: ExecutionModel = { ...model, reject_rate: 0.3, latency: { bars: 0, milliseconds: [0, 500, 90_000] } };
    const burst: ExecutionModel = { ...picky, reject_burst: { seconds: 600, rate: 0.3 } };
    expect(fillsDigest([evaluate(series, burst)])).toBe(fillsDigest([evaluate(series, picky)]));
    expect(fillsDigest([evaluate(series, { ...burst, reject_burst: { seconds: 600, rate: 1 } })])).not.toBe(
      fillsDigest([evaluate(series, picky)]),
    );
  });
});

describe('[R5] features of a case whose prices are others', () => {
  const recomputed = featuresOf(series);
  /** As a stream stored them: apart from what bars give, with unknown rows, and with quotes and clocks of its own. */
  const stored: FeatureColumns = {
    ...recomputed,
    macd: recomputed.macd.map((value, row) => (row % 7 === 0 ? Number.NaN : value + 0.02)),
    rsi14: recomputed.rsi14.map((value) => Math.min(100, value + 3)),
    imbalance_spread: recomputed.price.map((_, row) => 0.01 + (row % 3) / 100),
    staleness_ms: recomputed.price.map((_, row) => 3_000 + (row % 5)),
  };

  test('are the stored ones, to the bit, where the change moves nothing', () => {
    expect(carriedOver(stored, recomputed, recomputed, null)).toEqual(stored);
  });

  test('keep what set the stored ones apart, and stay unknown where they were', () => {
    const { series: halted, rows } = stressed.halt_gap(series, model, heldAfter);
    const changed = featuresOf(halted);
    const carried = carriedOver(stored, recomputed, changed, rows);
    expect(rows?.length).toBe(halted.start.length);
    for (const [row, from] of (rows ?? new Uint32Array()).entries()) {
      expect(halted.start[row]).toBe(series.start[from]);
      if (from % 7 === 0) expect(carried.macd[row]).toBeNaN();
      else expect(carried.macd[row]).toBeCloseTo((changed.macd[row] ?? 0) + 0.02, 9);
      expect(carried.imbalance_spread[row]).toBe(stored.imbalance_spread[from]);
      expect(carried.staleness_ms[row]).toBe(stored.staleness_ms[from]);
    }
    expect(carried.price).toEqual(halted.close);
    expect(carried.rsi14.every((value) => Number.isNaN(value) || (value >= 0 && value <= 100))).toBe(true);
  });
});

describe('regimes', () => {
  const [first] = series.sessions;
  if (first === undefined) throw new Error('expected a session');
  const priced = (of: (row: number) => number): SymbolSeries => ({
    ...series,
    open: series.open.map((_, row) => of(row)),
    close: series.close.map((_, row) => of(row)),
  });

  test.each([
    ['vol=low|trend=flat|liq=liquid', priced(() => 100)],
    ['vol=low|trend=up|liq=liquid', priced((row) => 100 + row * 0.002)],
    ['vol=low|trend=down|liq=liquid', priced((row) => 100 - row * 0.002)],
    ['vol=mid|trend=flat|liq=liquid', priced((row) => 100 + (row % 2) * 0.1)],
    ['vol=high|trend=up|liq=liquid', priced((row) => 100 + (row % 2) * 0.5)],
  ])('%s', (label, own) => {
    expect(regimeLabel(regimeOf(own, first, Infinity))).toBe(label);
  });

  test('a session that goes on is judged by the bars it can have had', () => {
    const morning = { ...first, to: first.from + 100 };
    const known = (at: number): number => (series.start[at] ?? 0) + minute;
    expect(regimeOf(series, morning, known(99)).liquidity).toBe('liquid');
    expect(regimeOf(series, morning, known(300)).liquidity).toBe('illiquid');
    const behind = seriesOfBars([
      {
        date: first.date,
        bars: [
          { at: 0, open: 100 },
          { at: 199, open: 100 },
        ],
      },
    ]);
    const regime = regimesOf([
      { ...behind, sessions: behind.sessions },
      { ...series, start: series.start.subarray(0, 200), sessions: [{ ...first, to: 200 }] },
    ]);
    expect(regime(0, 0).liquidity).toBe('illiquid');
    expect(regime(1, 0).liquidity).toBe('liquid');
  });

  test('a session with few bars is illiquid, one with none is unknown', () => {
    const sparse = { ...first, to: first.from + 100 };
    expect(regimeOf(series, sparse, Infinity).liquidity).toBe('illiquid');
    expect(regimeLabel(regimeOf(series, { ...first, to: first.from + 1 }, Infinity))).toBe(
      'vol=unknown|trend=unknown|liq=unknown',
    );
  });
});
