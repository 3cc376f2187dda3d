import { decimalText, decimal, minute, second, type DecimalText, type Instant } from '@torghut/domain';
import type { MarketData, Quote } from '../../infra/local/twins/index.ts';
import { draw } from '../../infra/local/twins/random.ts';

/** Symbols of the simulated market and the price they stay near, USD. */
export const basePrices = { AAPL: 100, NVDA: 50, MSFT: 200, TSLA: 80 } as const;
export type MarketSymbol = keyof typeof basePrices;
export const marketSymbols = Object.keys(basePrices) as readonly MarketSymbol[];

const quoteEveryMs = 5 * second;
const halfSpreadBps = 2;

/** A wave of a few minutes and noise: prices that make some limits rest and others fill. The same for every seed. */
export const midAt = (symbol: MarketSymbol, at: Instant): number => {
  const tick = Math.floor(at / quoteEveryMs);
  const wave = Math.sin(((2 * Math.PI) / (11 * minute)) * at + symbol.charCodeAt(0));
  const noise = draw('quote', symbol, tick) - 0.5;
  return basePrices[symbol] * (1 + 0.0008 * wave + 0.0006 * noise);
};

const cents = (value: number): DecimalText => decimalText(decimal(value.toFixed(2)));

const quoteOf = (symbol: MarketSymbol, tick: number): Quote => {
  const at = tick * quoteEveryMs;
  const mid = midAt(symbol, at);
  const half = Math.max(0.01, (mid * halfSpreadBps) / 1e4);
  return { at, bid: cents(mid - half), ask: cents(mid + half) };
};

const isMarketSymbol = (symbol: string): symbol is MarketSymbol => symbol in basePrices;

/** Quotes for the broker to match against, one every five seconds. */
export class SimulatedMarket implements MarketData {
  readonly #quotes = new Map<string, Quote>();

  quoteAt(symbol: string, at: Instant): Quote | null {
    return isMarketSymbol(symbol) ? this.#quote(symbol, Math.floor(at / quoteEveryMs)) : null;
  }

  *quotesBetween(symbol: string, after: Instant, until: Instant): Iterable<Quote> {
    if (!isMarketSymbol(symbol)) return;
    for (let tick = Math.floor(after / quoteEveryMs) + 1; tick * quoteEveryMs <= until; tick += 1) {
      yield this.#quote(symbol, tick);
    }
  }

  #quote(symbol: MarketSymbol, tick: number): Quote {
    const key = `${symbol}:${tick}`;
    const known = this.#quotes.get(key) ?? quoteOf(symbol, tick);
    this.#quotes.set(key, known);
    return known;
  }
}
