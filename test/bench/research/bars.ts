import { asTicker, fallbackSession, minute, type NewYorkDate, type Ticker } from '@torghut/domain';
import type { SymbolSeries } from '@torghut/domain/research';
import { parseBars } from '../../../infra/local/bars/csv.ts';
import { generateBars } from '../../../infra/local/bars/generator.ts';

const day = 86_400_000;
const firstDay = Date.UTC(2022, 0, 3);
const seed = 20_251_127;

/** The first trading days from 2022 on, half days among them. */
const tradingDates = (count: number): NewYorkDate[] => {
  const dates: NewYorkDate[] = [];
  for (let at = firstDay; dates.length < count; at += day) {
    const date = new Date(at).toISOString().slice(0, 10);
    if (fallbackSession(date).kind !== 'closed') dates.push(date);
  }
  return dates;
};

/** A ticker with a digit: none that is listed. */
const tickerOf = (index: number): Ticker => {
  const ticker = asTicker(`GEN${index + 1}`);
  if (ticker === null) throw new Error(`expected a ticker for symbol ${index + 1}`);
  return ticker;
};

/** Minute bars of whole sessions by the project's generator, without quotes. */
export const generatedSeries = (symbols: number, sessions: number): readonly SymbolSeries[] => {
  const dates = tradingDates(sessions);
  const stocks = Array.from({ length: symbols }, (_, index) => ({
    symbol: tickerOf(index),
    price: 20 + 23 * index,
    dailyVolatility: 0.012 + 0.001 * index,
    minuteVolume: 9_000 + 1_000 * index,
  }));
  return stocks.map((stock): SymbolSeries => {
    const text = generateBars({ seed, dates, stocks: [stock] }).get(stock.symbol) ?? '';
    const bars = parseBars(stock.symbol, text, minute);
    let from = 0;
    return {
      symbol: stock.symbol,
      barMs: minute,
      ...bars,
      halfSpread: new Float64Array(bars.close.length).fill(Number.NaN),
      sessions: dates.map((date) => {
        const session = fallbackSession(date);
        if (session.kind === 'closed') throw new Error(`expected a trading day, found ${date}`);
        const { kind, openAt, closeAt } = session;
        const to = from + (closeAt - openAt) / minute;
        const rows = { date, kind, openAt, closeAt, from, to };
        from = to;
        return rows;
      }),
    };
  });
};

const movingAverage = (values: Float64Array, periods: number): Float64Array => {
  const averages = new Float64Array(values.length).fill(Number.NaN);
  let sum = 0;
  for (const [row, value] of values.entries()) {
    sum += value - (row < periods ? 0 : (values[row - periods] ?? 0));
    if (row >= periods - 1) averages[row] = sum / periods;
  }
  return averages;
};

/**
 * Wishes of a crossing of two moving averages of the close, in turn: 1 where the fast one crosses upward, -1 downward. It
 * buys never at the end of a session, where only an engine that knows no sessions opens a position.
 */
export const crossings = ({ close, sessions }: SymbolSeries, fast: number, slow: number): Int8Array => {
  const [quick, slowly] = [movingAverage(close, fast), movingAverage(close, slow)];
  const lastRows = new Set(sessions.map(({ to }) => to - 1));
  const wishes = new Int8Array(close.length);
  let [wasAbove, held] = [false, false];
  for (const [row, average] of slowly.entries()) {
    if (Number.isNaN(average)) continue;
    const above = (quick[row] ?? 0) > average;
    const wish = held ? !above : above && !wasAbove && !lastRows.has(row);
    if (wish) {
      wishes[row] = held ? -1 : 1;
      held = !held;
    }
    wasAbove = above;
  }
  return wishes;
};
