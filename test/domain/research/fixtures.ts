import { asTicker, fallbackSession, minute, type NewYorkDate } from '@torghut/domain';
import {
  defaultExecutionModel,
  marketOf,
  type ExecutionModel,
  type SessionFees,
  type Simulation,
  type SymbolSeries,
} from '@torghut/domain/research';
import { simulate } from '../../../layers/domain/src/research/engine.ts';

/** One bar: minutes after the open, prices in USD, shares. */
export interface BarOf {
  readonly at: number;
  readonly open: number;
  readonly high?: number;
  readonly low?: number;
  readonly close?: number;
  readonly volume?: number;
}

export interface SessionOf {
  readonly date: NewYorkDate;
  readonly bars: readonly BarOf[];
}

/** A minute series of sessions written out bar by bar; what is left out equals the open, and 100,000 shares trade. */
export const seriesOfBars = (sessions: readonly SessionOf[]): SymbolSeries => {
  const symbol = asTicker('TEST1');
  if (symbol === null) throw new Error('expected a ticker');
  const all = sessions.flatMap(({ date, bars }) => {
    const day = fallbackSession(date);
    if (day.kind === 'closed') throw new Error(`expected a trading day, found ${date}`);
    return bars.map((bar) => ({ ...bar, start: day.openAt + bar.at * minute }));
  });
  const column = (of: (bar: (typeof all)[number]) => number): Float64Array => Float64Array.from(all, of);
  let from = 0;
  return {
    symbol,
    barMs: minute,
    start: column(({ start }) => start),
    open: column(({ open }) => open),
    high: column(({ open, high, close }) => high ?? Math.max(open, close ?? open)),
    low: column(({ open, low, close }) => low ?? Math.min(open, close ?? open)),
    close: column(({ open, close }) => close ?? open),
    volume: column(({ volume }) => volume ?? 100_000),
    halfSpread: column(() => Number.NaN),
    sessions: sessions.map(({ date, bars }) => {
      const day = fallbackSession(date);
      if (day.kind === 'closed') throw new Error(`expected a trading day, found ${date}`);
      const session = { date, kind: day.kind, openAt: day.openAt, closeAt: day.closeAt, from, to: from + bars.length };
      from = session.to;
      return session;
    }),
  };
};

/** Bars at every minute from `first` on, by their opening prices. */
export const minutes = (first: number, opens: readonly number[], rest: Partial<BarOf> = {}): BarOf[] =>
  opens.map((open, index) => ({ at: first + index, open, ...rest }));

/** No cost, no chance, no delay: an order fills at the next open. */
export const frictionless: ExecutionModel = {
  ...defaultExecutionModel,
  order: { ...defaultExecutionModel.order, type: 'market' },
  latency: { bars: 0, milliseconds: [0] },
  reject_rate: 0,
  participation: { cap: 1, slippage: [{ up_to: 1, bps: 0 }] },
  spread: { scale: 0, buckets: defaultExecutionModel.spread.buckets },
  regulatory_fees: false,
  cooldown_seconds: 0,
  sizing: { ...defaultExecutionModel.sizing, max_notional_usd: 1_000 },
};

/** Simulates all sessions; `wishes` are rows at whose end the strategy buys (positive) or sells. */
export const run = (
  series: SymbolSeries,
  wishes: Readonly<Record<number, 1 | -1>>,
  model: ExecutionModel,
  fees: readonly SessionFees[] = [],
): Simulation => {
  const actions = new Int8Array(series.close.length);
  for (const [row, side] of Object.entries(wishes)) actions[Number(row)] = side;
  const volatility = new Float64Array(series.close.length).fill(Number.NaN);
  return simulate(marketOf(series, volatility, model), { actions }, model, fees, {
    from: 0,
    to: series.sessions.length,
  });
};

/** Fills as rows. */
export const fillsOf = ({ fills }: Simulation): { bar: number; qty: number; price: number }[] =>
  Array.from({ length: fills.count }, (_, index) => ({
    bar: fills.bar[index] ?? -1,
    qty: fills.qty[index] ?? Number.NaN,
    price: fills.price[index] ?? Number.NaN,
  }));
