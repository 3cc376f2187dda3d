import { asTicker, fallbackSession, minute, type Ticker, toText, type TradingDay } from '@torghut/domain';
import { barHeader } from './csv.ts';

/**
 * Generated one-minute bars, for a replay that needs no market data.
 *
 * Only additions, multiplications and divisions of doubles are used, whose results are exactly specified, so the same
 * seed gives the same bytes on every machine. Symbols contain a digit, which no listed US stock does.
 */
export interface GeneratedStock {
  readonly symbol: Ticker;
  /** First price, USD. */
  readonly price: number;
  /** Standard deviation of a session's return. */
  readonly dailyVolatility: number;
  /** Mean volume of a minute, shares. */
  readonly minuteVolume: number;
}

export interface GeneratedSet {
  readonly seed: number;
  readonly dates: readonly string[];
  readonly stocks: readonly GeneratedStock[];
}

const stock = (symbol: string, price: number, dailyVolatility: number, minuteVolume: number): GeneratedStock => {
  const ticker = asTicker(symbol);
  if (ticker === null) throw new RangeError(`expected a ticker, found "${symbol}"`);
  return { symbol: ticker, price, dailyVolatility, minuteVolume };
};

/** The set shipped with the repository: two full sessions and a half day around Thanksgiving 2025. */
export const shippedSet: GeneratedSet = {
  seed: 20_251_125,
  dates: ['2025-11-25', '2025-11-26', '2025-11-28'],
  stocks: [
    stock('GEN1', 18.4, 0.024, 21_000),
    stock('GEN2', 31.7, 0.021, 16_000),
    stock('GEN3', 46.2, 0.019, 14_000),
    stock('GEN4', 64.9, 0.023, 9_500),
    stock('GEN5', 88.3, 0.018, 11_000),
    stock('GEN6', 117.5, 0.016, 8_000),
    stock('GEN7', 158, 0.02, 6_500),
    stock('GEN8', 214.6, 0.015, 7_200),
  ],
};

/** Uniform numbers in [0, 1): mulberry32, 32 bits of state. */
const uniformSource = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** About standard normal, within +-6: the sum of twelve uniforms (Irwin-Hall), which needs no transcendental function. */
const normal = (uniform: () => number): number => {
  let sum = -6;
  for (let count = 0; count < 12; count += 1) sum += uniform();
  return sum;
};

/**
 * What the market does for a while: a drift per minute in units of the minute's volatility, a pull toward the price at
 * which the regime began, and a factor on volatility.
 */
interface Regime {
  readonly drift: number;
  readonly pull: number;
  readonly volatility: number;
}

const quiet: Regime = { drift: 0, pull: 0, volatility: 0.7 };
const regimes: readonly Regime[] = [
  { drift: 0.2, pull: 0, volatility: 0.9 },
  { drift: -0.2, pull: 0, volatility: 1 },
  { drift: 0, pull: 0.12, volatility: 0.9 },
  quiet,
];

const shortestRegime = 20;
const longestRegime = 70;
const stepsPerMinute = 6;
/** sqrt(390) and sqrt(6): volatility of a minute and of a step within it. */
const rootOfSession = 19.748417658131498;
const rootOfSteps = 2.449489742783178;
const overnightVolatility = 0.006;
const closingCross = 4;

/** Activity at a fraction of the session: high at the open, lowest after noon, rising to the close. */
const activity = (fraction: number): number => 0.55 + 5.7 * (fraction - 0.55) * (fraction - 0.55);

const cents = (price: number): number => Math.max(1, Math.round(price * 100));
const usd = (price: number): string => (price / 100).toFixed(2);

/** One bar per minute of each session as CSV text, header included. */
const generateStock = (parameters: GeneratedStock, days: readonly TradingDay[], uniform: () => number): string => {
  const lines = [barHeader];
  const minuteVolatility = parameters.dailyVolatility / rootOfSession;
  let price = parameters.price;
  for (const [index, day] of days.entries()) {
    if (index > 0) price *= 1 + overnightVolatility * normal(uniform);
    const minutes = (day.closeAt - day.openAt) / minute;
    let regime = quiet;
    let anchor = price;
    let remaining = 0;
    for (let count = 0; count < minutes; count += 1) {
      if (remaining === 0) {
        regime = regimes[Math.floor(uniform() * regimes.length)] ?? quiet;
        anchor = price;
        remaining = shortestRegime + Math.floor(uniform() * (longestRegime - shortestRegime));
      }
      remaining -= 1;
      const { drift, pull, volatility } = regime;
      const shape = activity(count / minutes);
      const deviation = minuteVolatility * volatility * (0.7 + 0.3 * shape);
      const open = cents(price);
      let [high, low] = [open, open];
      const start = price;
      for (let step = 0; step < stepsPerMinute; step += 1) {
        const expected = (drift * deviation + pull * (anchor / price - 1)) / stepsPerMinute;
        price *= 1 + expected + (deviation / rootOfSteps) * normal(uniform);
        high = Math.max(high, cents(price));
        low = Math.min(low, cents(price));
      }
      const surprise = Math.abs(price / start - 1) / minuteVolatility;
      const cross = count === minutes - 1 ? closingCross : 1;
      const volume = Math.round(parameters.minuteVolume * shape * (0.5 + uniform()) * (0.7 + 0.4 * surprise) * cross);
      const at = toText(day.openAt + count * minute).replace('.000Z', 'Z');
      lines.push(`${at},${usd(open)},${usd(high)},${usd(low)},${usd(cents(price))},${volume}`);
    }
  }
  return `${lines.join('\n')}\n`;
};

/**
 * CSV text of each symbol of a set. Every symbol has its own stream of random numbers, so adding one changes no other.
 * @throws RangeError when a date has no session.
 */
export const generateBars = (set: GeneratedSet): ReadonlyMap<Ticker, string> => {
  const days = set.dates.map((date) => {
    const day = fallbackSession(date);
    if (day.kind === 'closed') throw new RangeError(`expected a trading day, found ${date}`);
    return day;
  });
  return new Map(
    set.stocks.map((parameters, index) => [
      parameters.symbol,
      generateStock(parameters, days, uniformSource(set.seed + 1_000_003 * index)),
    ]),
  );
};
