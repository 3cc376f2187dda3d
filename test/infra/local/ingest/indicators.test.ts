import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FinishedBar, type Indicators, IndicatorStream } from '../../../../infra/local/ingest/indicators.ts';

const start = Date.UTC(2025, 10, 25, 14, 30);
const barsOf = (closes: readonly number[], stepMs = 60_000): FinishedBar[] =>
  closes.map((close, index) => ({
    end: start + (index + 1) * stepMs,
    high: close * 1.001,
    low: close * 0.998,
    close,
    volume: (index * 7919) % 1000,
  }));
const run = (bars: readonly FinishedBar[]): Indicators[] => {
  const stream = new IndicatorStream();
  return bars.map((bar) => stream.update(bar, null));
};
const walk = fc
  .array(fc.integer({ min: -200, max: 200 }), { minLength: 2, maxLength: 150 })
  .map((steps) =>
    steps.reduce<number[]>((prices, step) => [...prices, (prices.at(-1) ?? 100) * (1 + step / 1e4)], [100]),
  );

/** The weighted sum that exponential smoothing with weight `a`, begun at the first value, amounts to. */
const smoothed = (values: readonly number[], a: number): number =>
  values.reduce((sum, value, index) => sum + value * (index === 0 ? 1 : a) * (1 - a) ** (values.length - 1 - index), 0);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const populationDeviation = (values: readonly number[]): number =>
  Math.sqrt(Math.max(0, mean(values.map((value) => value * value)) - mean(values) ** 2));
const changes = (closes: readonly number[]): number[] => closes.slice(1).map((close, index) => close - closes[index]!);
const typical = ({ high, low, close }: FinishedBar): number => (high + low + close) / 3;
const vwap = (bars: readonly FinishedBar[]): number =>
  mean(bars.map((bar) => typical(bar) * bar.volume)) / mean(bars.map(({ volume }) => volume));

describe('indicators agree with their closed forms', () => {
  it('EMA 12 and 26, MACD, its signal and histogram', () => {
    fc.assert(
      fc.property(walk, (closes) => {
        const macd = closes.map((_, index) => {
          const known = closes.slice(0, index + 1);
          return smoothed(known, 2 / 13) - smoothed(known, 2 / 27);
        });
        const last = run(barsOf(closes)).at(-1)!;
        expect(last.ema12).toBeCloseTo(smoothed(closes, 2 / 13), 9);
        expect(last.ema26).toBeCloseTo(smoothed(closes, 2 / 27), 9);
        expect(last.macd).toBeCloseTo(macd.at(-1)!, 9);
        expect(last.macd_signal).toBeCloseTo(smoothed(macd, 2 / 10), 9);
        expect(last.macd_hist).toBeCloseTo(macd.at(-1)! - smoothed(macd, 2 / 10), 9);
      }),
    );
  });

  it("Wilder's RSI 14, within 0 and 100", () => {
    fc.assert(
      fc.property(walk, (closes) => {
        const gain = smoothed(
          changes(closes).map((change) => Math.max(0, change)),
          1 / 14,
        );
        const loss = smoothed(
          changes(closes).map((change) => Math.max(0, -change)),
          1 / 14,
        );
        const rsi = run(barsOf(closes)).at(-1)!.rsi14!;
        expect(rsi).toBeCloseTo(gain + loss === 0 ? 50 : (100 * gain) / (gain + loss), 7);
        expect(rsi).toBeGreaterThanOrEqual(0);
        expect(rsi).toBeLessThanOrEqual(100);
      }),
    );
  });

  it('Bollinger bands: mean of 20 closes and two population deviations', () => {
    fc.assert(
      fc.property(walk, (closes) => {
        const last = run(barsOf(closes)).at(-1)!;
        if (closes.length < 20) {
          expect([last.boll_mid, last.boll_upper, last.boll_lower]).toEqual([null, null, null]);
          return;
        }
        const window = closes.slice(-20);
        expect(last.boll_mid).toBeCloseTo(mean(window), 7);
        expect(last.boll_upper).toBeCloseTo(mean(window) + 2 * populationDeviation(window), 5);
        expect(last.boll_lower).toBeCloseTo(mean(window) - 2 * populationDeviation(window), 5);
      }),
    );
  });

  it('realized volatility: population deviation of up to 60 log returns, from 20 on', () => {
    fc.assert(
      fc.property(walk, (closes) => {
        const returns = changes(closes.map(Math.log)).slice(-60);
        const volatility = run(barsOf(closes, 1_000)).at(-1)!.vol_realized_w60s;
        if (returns.length < 20) expect(volatility).toBeNull();
        else expect(volatility).toBeCloseTo(populationDeviation(returns), 6);
      }),
    );
  });

  it('VWAP since the stream began and over 300 seconds', () => {
    fc.assert(
      fc.property(walk, (closes) => {
        const bars = barsOf(closes);
        const last = run(bars).at(-1)!;
        expect(last.vwap_session).toBeCloseTo(vwap(bars), 7);
        expect(last.vwap_w5m).toBeCloseTo(vwap(bars.slice(-5)), 7);
      }),
    );
  });
});

describe('the indicator stream', () => {
  it('gives averages from the first bar, RSI from the second, bands from the twentieth', () => {
    const rows = run(barsOf(Array.from({ length: 20 }, (_, index) => 100 + index)));
    expect(rows[0]).toMatchObject({ ema12: 100, ema26: 100, macd: 0, macd_signal: 0, rsi14: null, boll_mid: null });
    expect(rows[1]).toMatchObject({ rsi14: 100, boll_mid: null });
    expect(rows[18]!.boll_mid).toBeNull();
    expect(rows[19]!.boll_mid).toBe(109.5);
  });

  it('calls a price that never moved neither strong nor weak', () => {
    expect(run(barsOf([100, 100, 100])).map(({ rsi14 }) => rsi14)).toEqual([null, 50, 50]);
  });

  it('has no average price while nothing traded', () => {
    const bars = barsOf([100, 101, 102]).map((bar) => ({ ...bar, volume: 0 }));
    expect(run(bars).map(({ vwap_session, vwap_w5m }) => [vwap_session, vwap_w5m])).toEqual([
      [null, null],
      [null, null],
      [null, null],
    ]);
  });

  it('leaves the return of a night out of volatility but not out of the averages', () => {
    const day = Array.from({ length: 30 }, (_, index) => 100 + (index % 2) * 0.1);
    const stream = new IndicatorStream();
    const before = barsOf(day)
      .map((bar) => stream.update(bar, null))
      .at(-1)!;
    const nextDay = barsOf([110])[0]!;
    const after = stream.update({ ...nextDay, end: nextDay.end + 24 * 3_600_000 }, null);
    expect(after.vol_realized_w60s).toBe(before.vol_realized_w60s);
    expect(after.ema12).toBeCloseTo(before.ema12 + (2 / 13) * (110 - before.ema12), 9);
    expect(after.vwap_session).not.toBe(after.vwap_w5m);
  });

  it('takes the spread from the quote, or from the model without sizes', () => {
    const bar = barsOf([100])[0]!;
    expect(new IndicatorStream().update(bar, { bid: 99.98, ask: 100.01, bidSize: 300, askSize: 0 })).toMatchObject({
      imbalance_bid_px: 99.98,
      imbalance_ask_px: 100.01,
      imbalance_bid_sz: 300,
      imbalance_ask_sz: 0,
      imbalance_spread: expect.closeTo(0.03, 9) as number,
    });
    expect(new IndicatorStream().update(bar, null)).toMatchObject({
      imbalance_bid_px: 99.99,
      imbalance_ask_px: 100.01,
      imbalance_bid_sz: null,
      imbalance_ask_sz: null,
    });
  });
});
