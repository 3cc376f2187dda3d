import { type Instant, newYorkDate, type NewYorkDate, type Ticker } from '@torghut/domain';
import type { MarketData, Quote } from '../twins/alpaca/market-data.ts';
import type { BarColumns } from '@torghut/domain/research';
import { barFrequencies, type BarSession, type BarSet, lowerBound, type SymbolBars } from './bars.ts';
import { ceilToTick, floorToTick, modelQuote, tickText } from './spread-model.ts';

/** A path of prices: values in force from each time until the next one; times ascend strictly. */
interface Path {
  readonly times: Float64Array;
  /** Bid and ask, or only the trade price where the directory has no quotes. */
  readonly sides: readonly Float64Array[];
}

type Prices = Pick<BarColumns, 'open' | 'high' | 'low' | 'close'>;

/**
 * Four points of each bar: its open at the start, its two extremes after a third and two thirds, the one nearer to the
 * open first, and its close in the last millisecond. Bars do not say when their extremes traded; this order is the usual
 * assumption of bar replays. All `sides` of one bar visit their lows together and their highs together.
 */
const pathOf = (start: Float64Array, barMs: number, sides: readonly Prices[]): Path => {
  const times = new Float64Array(start.length * 4);
  const columns = sides.map(() => new Float64Array(start.length * 4));
  const lead = sides[0];
  for (let bar = 0; bar < start.length; bar += 1) {
    const at = start[bar] ?? 0;
    times.set([at, at + Math.round(barMs / 3), at + Math.round((2 * barMs) / 3), at + barMs - 1], bar * 4);
    const open = lead?.open[bar] ?? 0;
    const lowFirst = open - (lead?.low[bar] ?? 0) <= (lead?.high[bar] ?? 0) - open;
    sides.forEach((side, index) => {
      const [low, high] = [side.low[bar] ?? 0, side.high[bar] ?? 0];
      const extremes = lowFirst ? [low, high] : [high, low];
      columns[index]?.set([side.open[bar] ?? 0, ...extremes, side.close[bar] ?? 0], bar * 4);
    });
  }
  return { times, sides: columns };
};

const pathOfSymbol = ({ bars, quotes, frequency }: SymbolBars): Path => {
  const { milliseconds } = barFrequencies[frequency];
  if (quotes === null) return pathOf(bars.start, milliseconds, [bars]);
  return pathOf(quotes.start, milliseconds, [
    { open: quotes.bidOpen, high: quotes.bidHigh, low: quotes.bidLow, close: quotes.bidClose },
    { open: quotes.askOpen, high: quotes.askHigh, low: quotes.askLow, close: quotes.askClose },
  ]);
};

/** The point of a path; null outside of it. */
const quoteOf = ({ times, sides }: Path, point: number): Quote | null => {
  const [at, first, second] = [times[point], sides[0]?.[point], sides[1]?.[point]];
  if (at === undefined || first === undefined) return null;
  const { bid, ask } = second === undefined ? modelQuote(first) : { bid: floorToTick(first), ask: ceilToTick(second) };
  return { at, bid: tickText(bid), ask: tickText(ask) };
};

/** Index of the first point after an instant. */
const firstAfter = ({ times }: Path, at: Instant): number => lowerBound(times, at + 1);

/**
 * The market as the bars tell it: a quote path per symbol and trading day, from quotes where there are any, else by the
 * spread model around the trades. Nothing at an instant depends on a bar that starts after it. Days do not run into each
 * other: before a day's first point there is no quote, after its last one the last stands until midnight in New York.
 */
export class BarsMarket implements MarketData {
  readonly #sessions: ReadonlyMap<NewYorkDate, BarSession>;
  /** Paths of the day asked for last: a replay moves through the days once. */
  #date: NewYorkDate = '';
  readonly #paths = new Map<string, Path>();

  constructor(bars: Pick<BarSet, 'sessions'>) {
    this.#sessions = new Map(bars.sessions.map((session) => [session.date, session]));
  }

  /** The quote in force at `at`, or null when the symbol has none on that day yet. */
  quoteAt(symbol: string, at: Instant): Quote | null {
    const path = this.#path(newYorkDate(at), symbol);
    return path === null ? null : quoteOf(path, firstAfter(path, at) - 1);
  }

  /** Quotes with `after < at <= until`, ascending. */
  *quotesBetween(symbol: string, after: Instant, until: Instant): Generator<Quote> {
    for (const [date, { day }] of this.#sessions) {
      if ((day.extendedOpenAt ?? day.openAt) > until || (day.extendedCloseAt ?? day.closeAt) <= after) continue;
      const path = this.#path(date, symbol);
      if (path === null) continue;
      const end = firstAfter(path, until);
      for (let point = firstAfter(path, after); point < end; point += 1) {
        const quote = quoteOf(path, point);
        if (quote !== null) yield quote;
      }
    }
  }

  #path(date: NewYorkDate, symbol: string): Path | null {
    if (date !== this.#date) {
      this.#paths.clear();
      this.#date = date;
    }
    const known = this.#paths.get(symbol);
    if (known !== undefined) return known;
    const bars = this.#sessions.get(date)?.symbols.get(symbol as Ticker);
    if (bars === undefined) return null;
    const path = pathOfSymbol(bars);
    this.#paths.set(symbol, path);
    return path;
  }
}
