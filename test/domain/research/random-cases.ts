import { asTicker, fallbackSession, minute, type NewYorkDate } from '@torghut/domain';
import {
  defaultExecutionModel,
  marketOf,
  type ExecutionModel,
  type Market,
  type SessionFees,
  type SessionRange,
  type SymbolSeries,
} from '@torghut/domain/research';
import { lcg } from '../../support/lcg.ts';

/** Everything `simulate` is given. */
export interface EngineCase {
  readonly market: Market;
  readonly actions: Int8Array;
  readonly model: ExecutionModel;
  readonly fees: readonly SessionFees[];
  readonly range: SessionRange;
}

const dates: readonly NewYorkDate[] = ['2025-11-25', '2025-11-26', '2025-11-28', '2025-12-01'];
const fees: SessionFees = { perUsdSold: 2.06e-5, perShareSold: 0.000195, shareSoldCap: 9.79, perShareTraded: 3e-6 };
const longest = 150;

/**
 * A simulation drawn from a seed: any model, bars with gaps, halts, odd prices, no volume, empty sessions, wishes as rare
 * or as dense as can be. Uses additions, multiplications and roundings alone, so that it is the same on every machine.
 */
export const engineCase = (seed: number): EngineCase => {
  const draw = lcg(seed * 7919);
  for (let skipped = 0; skipped < 5; skipped += 1) draw();
  const oneOf = <Value>(...values: readonly Value[]): Value => values[Math.floor(draw() * values.length)]!;
  const symbol = asTicker(oneOf('GEN1', 'GEN2'));
  if (symbol === null) throw new Error('expected a ticker');
  const barMs = oneOf(minute, minute, 1_000, 5_000);
  let price = oneOf(0.8, 8, 60, 300);
  const volume = oneOf(50, 500, 5_000, 100_000);
  const bars: {
    start: number;
    open: number;
    high: number;
    low: number;
    close: number;
    volume: number;
    half: number;
  }[] = [];
  const sessions = dates.slice(0, 1 + Math.floor(draw() * dates.length)).map((date) => {
    const day = fallbackSession(date);
    if (day.kind === 'closed') throw new Error(`expected a trading day, found ${date}`);
    const from = bars.length;
    const most = (day.closeAt - day.openAt) / barMs;
    const first = oneOf(0, 0, most - 60);
    const kept = oneOf(1, 1, 0.7);
    const length = draw() < 0.05 ? 0 : Math.min(most - first, longest);
    for (let index = first; index < first + length; index += 1) {
      if (draw() > kept) continue;
      const opened = price * (draw() < 0.02 ? 0.95 + draw() / 10 : 1);
      const closed = opened * (0.997 + draw() * 0.006) * (draw() < 0.004 ? 0.88 : 1);
      const inCents = draw() < 0.5;
      const [open, close] = [opened, closed].map((value) =>
        inCents ? Math.max(0.01, Math.round(value * 100) / 100) : value,
      ) as [number, number];
      bars.push({
        start: day.openAt + index * barMs,
        open,
        close,
        high: Math.max(open, close) * (draw() < 0.5 ? 1 : 1 + draw() * 0.002),
        low: Math.min(open, close) * (draw() < 0.5 ? 1 : 1 - draw() * 0.002),
        volume: draw() < 0.03 ? 0 : Math.floor(volume * draw() * 2),
        half: draw() < 0.5 ? Number.NaN : Math.floor(draw() * 5) / 200,
      });
      price = closed;
    }
    return { date, kind: day.kind, openAt: day.openAt, closeAt: day.closeAt, from, to: bars.length };
  });
  const column = (of: (bar: (typeof bars)[number]) => number): Float64Array => Float64Array.from(bars, of);
  const series: SymbolSeries = {
    symbol,
    barMs,
    start: column(({ start }) => start),
    open: column(({ open }) => open),
    high: column(({ high }) => high),
    low: column(({ low }) => low),
    close: column(({ close }) => close),
    volume: column((bar) => bar.volume),
    halfSpread: column(({ half }) => half),
    sessions,
  };
  const { participation, spread, sizing } = defaultExecutionModel;
  const model: ExecutionModel = {
    ...defaultExecutionModel,
    order: {
      type: oneOf('limit', 'limit', 'market', 'stop'),
      time_in_force: oneOf('day', 'gtc'),
      entry_ttl_seconds: oneOf(1, 120, 1_000, 1e6),
      exit_ttl_seconds: oneOf(1, 60, 1_000, 1e6),
      stop_bps: oneOf(0, 5, 20),
    },
    latency: { bars: oneOf(0, 1, 1, 2), milliseconds: oneOf([0], [1_000], [0, 500, 90_000]) },
    reject_rate: oneOf(0, 0.01, 0.3),
    participation: oneOf(participation, { cap: 1, slippage: [{ up_to: 0.5, bps: 2 }] }),
    touch_fills: draw() < 0.5,
    avoid_auctions: draw() < 0.5,
    spread: { ...spread, scale: oneOf(0, 1, 3) },
    commission: oneOf(
      { per_share_usd: 0, rate: 0 },
      { per_share_usd: 0.005, rate: 0 },
      { per_share_usd: 0, rate: 1e-4 },
    ),
    shorts: { allowed: draw() < 0.5, rule_201: draw() < 0.5 },
    sizing: {
      ...sizing,
      max_notional_usd: oneOf(1_000, 10_000),
      max_participation: oneOf(0.1, 1),
      lot: oneOf(1, 1, 0.1, 100),
    },
    cooldown_seconds: oneOf(0, 60, 300),
    entry_cutoff_seconds: oneOf(0, 900),
    reject_burst: oneOf(null, null, { seconds: 600, rate: 0.5 }),
    seed: oneOf('one', 'other'),
  };
  const density = oneOf(0.02, 0.2, 0.8);
  const actions = Int8Array.from(bars, () => (draw() < density ? (draw() < 0.5 ? 1 : -1) : 0));
  const volatility = Float64Array.from(bars, () => (draw() < 0.2 ? Number.NaN : draw() * 0.003));
  const from = Math.floor(draw() * sessions.length);
  return {
    market: marketOf(series, volatility, model),
    actions,
    model,
    fees: draw() < 0.3 ? [] : sessions.map(() => fees),
    range: { from, to: from + 1 + Math.floor(draw() * (sessions.length - from)) },
  };
};
