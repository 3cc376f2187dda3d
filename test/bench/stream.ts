import { asTicker, fallbackSession, minute, type NewYorkDate, type Ticker, type TradingDay } from '@torghut/domain';
import type { BarColumns } from '@torghut/domain/research';
import type { BarSession, BarSet, SymbolBars } from '../../infra/local/bars/bars.ts';
import { parseBars } from '../../infra/local/bars/csv.ts';
import { generateBars, type GeneratedStock } from '../../infra/local/bars/generator.ts';

const date: NewYorkDate = '2025-11-25';
/** Stocks of different price and temper whose days are generated; wider universes are made of pieces of them. */
const stockCount = 40;

const symbolAt = (index: number): Ticker => {
  const symbol = asTicker(`B${String(index).padStart(5, '0')}`);
  if (symbol === null) throw new RangeError(`expected a ticker for symbol ${index}`);
  return symbol;
};

const tradingDay = (): TradingDay => {
  const day = fallbackSession(date);
  if (day.kind === 'closed') throw new RangeError(`expected a trading day, found ${date}`);
  return day;
};

/** A generated day of bars for each of `count` stocks. */
const generatedDay = (seed: number, count: number): readonly BarColumns[] => {
  const stocks = Array.from({ length: count }, (_, index): GeneratedStock => ({
    symbol: symbolAt(index),
    price: 20 + 4.7 * index,
    dailyVolatility: 0.015 + 0.001 * (index % 10),
    minuteVolume: 20_000 - 300 * (index % 40),
  }));
  return [...generateBars({ seed, dates: [date], stocks })].map(([symbol, text]) => parseBars(symbol, text, minute));
};

const barSet = (columns: readonly BarColumns[], day: TradingDay): BarSet => {
  const symbols = new Map(
    columns.map((bars, index): [Ticker, SymbolBars] => {
      const symbol = symbolAt(index);
      return [symbol, { symbol, frequency: '1m', bars, quotes: null }];
    }),
  );
  const session: BarSession = { date, day, symbols };
  return {
    directory: '(generated)',
    frequency: '1m',
    symbols: [...symbols.keys()],
    barsOutsideSession: 0,
    evidenceClass: 'simulated',
    sessions: [session],
  };
};

/** A whole session of one-minute bars for a few symbols. */
export const wholeDay = (seed: number, symbols: number): BarSet => barSet(generatedDay(seed, symbols), tradingDay());

/**
 * The first minutes of a session for any number of symbols. A symbol is a piece of a generated day that is moved to the
 * open; symbols of one stock start at different minutes of it.
 */
export const firstMinutes = (seed: number, symbols: number, minutes: number): BarSet => {
  const day = tradingDay();
  const stocks = generatedDay(seed, Math.min(symbols, stockCount));
  const start = Float64Array.from({ length: minutes }, (_, index) => day.openAt + index * minute);
  const columns = Array.from({ length: symbols }, (_, index): BarColumns => {
    const whole = stocks[index % stocks.length];
    if (whole === undefined) throw new RangeError('expected at least one stock');
    const offset = (Math.floor(index / stocks.length) * 7) % (whole.start.length - minutes);
    const piece = (values: Float64Array): Float64Array => values.subarray(offset, offset + minutes);
    const { open, high, low, close, volume } = whole;
    return {
      start,
      open: piece(open),
      high: piece(high),
      low: piece(low),
      close: piece(close),
      volume: piece(volume),
    };
  });
  return barSet(columns, day);
};
