import { BollingerBands, EMA, RSI } from 'trading-signals';
import { hour, minute, type Instant } from '@torghut/domain';
import { modelQuote } from '../bars/spread-model.ts';

/** One finished bar as the stream sees it: prices in USD, volume in shares. */
export interface FinishedBar {
  /** End of the bar. */
  readonly end: Instant;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

/** The quote standing at the end of a bar: USD and shares. */
export interface StandingQuote {
  readonly bid: number;
  readonly ask: number;
  readonly bidSize: number;
  readonly askSize: number;
}

/** Indicator columns of `ta_signals`; units as in the column list of the table. */
export interface Indicators {
  readonly macd: number;
  readonly macd_signal: number;
  readonly macd_hist: number;
  readonly ema12: number;
  readonly ema26: number;
  readonly rsi14: number | null;
  readonly boll_mid: number | null;
  readonly boll_upper: number | null;
  readonly boll_lower: number | null;
  readonly vwap_session: number | null;
  readonly vwap_w5m: number | null;
  readonly imbalance_spread: number;
  readonly imbalance_bid_px: number;
  readonly imbalance_ask_px: number;
  readonly imbalance_bid_sz: number | null;
  readonly imbalance_ask_sz: number | null;
  readonly vol_realized_w60s: number | null;
}

/**
 * Wilder's smoothing from the first value on. Wilder's 1/n is the weight of an EMA of 2n - 1 periods; the stream gives a
 * value from the first bar, where the library waits for n.
 */
class WilderFromFirst extends EMA {
  constructor(periods: number) {
    super(2 * periods - 1);
  }
  override getRequiredInputs(): number {
    return 1;
  }
  override getResultOrThrow(): number {
    return this.result ?? super.getResultOrThrow();
  }
}

/** Wilder's RSI over 14 bars, from the second bar on; 50 until the price first changes, since nothing leans either way. */
class RelativeStrength {
  readonly #rsi = new RSI(14, WilderFromFirst);
  #first: number | undefined;
  #changed = false;

  update(close: number): number | null {
    this.#first ??= close;
    this.#changed ||= close !== this.#first;
    const value = this.#rsi.update(close, false);
    return value === null || this.#changed ? value : 50;
  }
}

/** Volume-weighted average of typical prices over a sliding time window. */
class WindowVwap {
  readonly #windowMs: number;
  readonly #bars: { readonly end: Instant; readonly price: number; readonly volume: number }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Null while no volume traded within the window: an average of nothing is not zero. */
  update(end: Instant, price: number, volume: number): number | null {
    this.#bars.push({ end, price, volume });
    while ((this.#bars[0]?.end ?? end) <= end - this.#windowMs) this.#bars.shift();
    // Summed anew: a running sum of doubles would keep the rounding of everything that left the window.
    let [value, shares] = [0, 0];
    for (const bar of this.#bars) {
      value += bar.price * bar.volume;
      shares += bar.volume;
    }
    return shares > 0 ? value / shares : null;
  }
}

const volatilityBars = 60;
const leastVolatilityReturns = 20;
/** Longer than any halt within a session, shorter than any night. */
const overnight = 4 * hour;

/**
 * Population standard deviation of the log returns of the last 60 bars, per bar: per second on one-second bars, per minute
 * on one-minute bars. Null below 20 returns. The return over a night is left out, because it is not the return of one bar
 * and would stand for an hour of minutes.
 */
class RealizedVolatility {
  readonly #returns: number[] = [];
  #previous: { readonly end: Instant; readonly close: number } | undefined;

  update(end: Instant, close: number): number | null {
    if (this.#previous !== undefined && end - this.#previous.end < overnight) {
      this.#returns.push(Math.log(close / this.#previous.close));
      if (this.#returns.length > volatilityBars) this.#returns.shift();
    }
    this.#previous = { end, close };
    const count = this.#returns.length;
    if (count < leastVolatilityReturns) return null;
    let sum = 0;
    for (const value of this.#returns) sum += value;
    const mean = sum / count;
    let squares = 0;
    for (const value of this.#returns) squares += (value - mean) ** 2;
    return Math.sqrt(squares / count);
  }
}

/**
 * The indicators of one symbol's stream, bar by bar. State is never reset, as in the stream it stands for: averages, and
 * `vwap_session` despite its name, run on from one session into the next.
 */
export class IndicatorStream {
  readonly #ema12 = new EMA(12);
  readonly #ema26 = new EMA(26);
  readonly #signal = new EMA(9);
  readonly #rsi = new RelativeStrength();
  readonly #bands = new BollingerBands(20, 2);
  readonly #vwap5m = new WindowVwap(5 * minute);
  readonly #volatility = new RealizedVolatility();
  #value = 0;
  #shares = 0;

  /** `quote` null means that none is known: prices come from the spread model and sizes stay null. */
  update({ end, high, low, close, volume }: FinishedBar, quote: StandingQuote | null): Indicators {
    const ema12 = this.#ema12.update(close, false);
    const ema26 = this.#ema26.update(close, false);
    const macd = ema12 - ema26;
    const signal = this.#signal.update(macd, false);
    const bands = this.#bands.update(close, false);
    // Bars do not carry the average price of their trades; the typical price stands for it.
    const typical = (high + low + close) / 3;
    this.#value += typical * volume;
    this.#shares += volume;
    const { bid, ask } = quote ?? modelQuote(close);
    return {
      macd,
      macd_signal: signal,
      macd_hist: macd - signal,
      ema12,
      ema26,
      rsi14: this.#rsi.update(close),
      boll_mid: bands?.middle ?? null,
      boll_upper: bands?.upper ?? null,
      boll_lower: bands?.lower ?? null,
      vwap_session: this.#shares > 0 ? this.#value / this.#shares : null,
      vwap_w5m: this.#vwap5m.update(end, typical, volume),
      imbalance_spread: ask - bid,
      imbalance_bid_px: bid,
      imbalance_ask_px: ask,
      imbalance_bid_sz: quote?.bidSize ?? null,
      imbalance_ask_sz: quote?.askSize ?? null,
      vol_realized_w60s: this.#volatility.update(end, close),
    };
  }
}
