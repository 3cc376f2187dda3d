import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  builtInStrategies,
  hashJson,
  registerPlugin,
  strategyRegistry,
  toFeatures,
  type FeatureValues,
  type Json,
} from '@torghut/domain';
import { intradayTsmom, tsmomProfiles } from '../../../layers/domain/src/strategy/plugins/intraday-tsmom.ts';
import { macdRsi } from '../../../layers/domain/src/strategy/plugins/macd-rsi.ts';
import { signalRow } from '../decision/fixtures.ts';

const bind = (type: string, version: string, params: Json, timeframe: string) =>
  builtInStrategies.bind(type, version, params, timeframe);
const bound = (type: string, version: string, profile: string, timeframe: string) => {
  const result = bind(type, version, { profile }, timeframe);
  if (!result.ok) throw new Error(result.detail);
  return result.strategy;
};
const features = (changes: Partial<FeatureValues>): FeatureValues => ({
  ...toFeatures(signalRow()),
  price: 100,
  ...changes,
});
/** MACD lines whose distance is `bps` of a price of 100 USD. */
const hist = (bps: number) => ({ macd: bps / 100, macd_signal: 0 });
const up = { ema12: 101, ema26: 100, rsi14: 57, vol_realized_w60s: 0.002 };
const down = { ema12: 99, ema26: 100, rsi14: 40, vol_realized_w60s: 0.002 };

describe('intraday_tsmom 1.1.0', () => {
  const minute = bound('intraday_tsmom', '1.1.0', '1Min@1', '1Min');
  const second = bound('intraday_tsmom', '1.1.0', '1Sec@1', '1Sec');

  it.each<[string, Partial<FeatureValues>, object]>([
    ['buys a confirmed trend', { ...up, ...hist(2.5) }, { action: 'buy', intent: 'entry', confidence: 0.64 }],
    ['is surer of a strong histogram', { ...up, ...hist(4) }, { confidence: 0.69 }],
    ['is surer of low volatility', { ...up, ...hist(2.5), vol_realized_w60s: 0.0015 }, { confidence: 0.67 }],
    ['adds both', { ...up, ...hist(5), vol_realized_w60s: 0 }, { confidence: 0.72 }],
    [
      'buys with volatility unknown, without its bonus',
      { ...up, ...hist(2.5), vol_realized_w60s: null },
      { confidence: 0.64 },
    ],
    ['sells a reversal', { ...down, ...hist(-2) }, { action: 'sell', intent: 'exit', confidence: 0.62 }],
    ['is surer of a weak oscillator', { ...down, ...hist(-2), rsi14: 35 }, { confidence: 0.65 }],
    ['sells whatever the volatility', { ...down, ...hist(-2), vol_realized_w60s: 0.04 }, { action: 'sell' }],
    ['names a flat trend', { ...up, ema12: 100, ...hist(3) }, { conditions: ['trend_flat'] }],
    ['names weak momentum', { ...up, ...hist(1.9) }, { conditions: ['buy_momentum'] }],
    ['names high volatility', { ...up, ...hist(2.5), vol_realized_w60s: 0.0026 }, { conditions: ['buy_volatility'] }],
    ['names a hot oscillator', { ...up, ...hist(2.5), rsi14: 62.1 }, { conditions: ['buy_oscillator'] }],
    [
      'names every failed condition',
      { ...up, ...hist(-3), rsi14: 70, vol_realized_w60s: 0.01 },
      { conditions: ['buy_momentum', 'buy_volatility', 'buy_oscillator'] },
    ],
    ['does not sell into a fall beyond the cap', { ...down, ...hist(-12.5) }, { conditions: ['sell_momentum'] }],
    ['does not sell a strong oscillator', { ...down, ...hist(-2), rsi14: 45.1 }, { conditions: ['sell_oscillator'] }],
  ])('%s', (_claim, values, expected) => {
    expect(minute.evaluate(features(values))).toMatchObject(expected);
  });

  it.each<[string, Json, Partial<FeatureValues>, object]>([
    ['asks a buy for more', { bull_hist_min_factor: 2 }, { ...up, ...hist(3.9) }, { conditions: ['buy_momentum'] }],
    ['asks a buy for less', { bull_hist_min_factor: 0.5 }, { ...up, ...hist(1) }, { action: 'buy' }],
    [
      'asks a sale for more',
      { bear_hist_min_factor: 2 },
      { ...down, ...hist(-2.9) },
      { conditions: ['sell_momentum'] },
    ],
    [
      'bears less volatility',
      { volatility_ceiling_factor: 0.5 },
      { ...up, ...hist(2.5) },
      { conditions: ['buy_volatility'] },
    ],
    ['leaves the profile at a factor of 1', { bull_hist_min_factor: 1 }, { ...up, ...hist(2) }, { action: 'buy' }],
  ])('%s by a factor of the candidate', (_claim, factors, values, expected) => {
    const found = bind('intraday_tsmom', '1.1.0', { profile: '1Min@1', ...(factors as object) }, '1Min');
    if (!found.ok) throw new Error(found.detail);
    expect(found.strategy.evaluate(features(values))).toMatchObject(expected);
  });

  it.each([{ bull_hist_min_factor: 0 }, { bull_hist_min_factor: -1 }, { bull_hist_factor: 2 }])(
    'refuses %o',
    (factors) => {
      const found = bind('intraday_tsmom', '1.1.0', { profile: '1Min@1', ...factors }, '1Min');
      expect(found).toMatchObject({ ok: false, reason: 'invalid_params' });
    },
  );

  it('trades 1-second rows of real volatility, where thresholds of minutes made every buy impossible', () => {
    const real = { ...up, ...hist(0.3), vol_realized_w60s: 0.8e-4 };
    expect(second.evaluate(features(real))).toMatchObject({ action: 'buy' });
    expect(minute.evaluate(features(real))).toMatchObject({ conditions: ['buy_momentum'] });
  });

  it('judges a dear and a cheap share alike: thresholds are bps of price', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 5_000, noNaN: true }),
        fc.double({ min: -20, max: 20, noNaN: true }),
        (price, bps) => {
          fc.pre([2, 4, 1.5, 12].every((edge) => Math.abs(Math.abs(bps) - edge) > 1e-6));
          const at = (p: number) =>
            minute.evaluate(features({ ...(bps > 0 ? up : down), price: p, macd: (bps * p) / 1e4, macd_signal: 0 }));
          expect(at(price)).toEqual(at(100));
        },
      ),
    );
  });

  it('respects an oscillator and a volatility of zero', () => {
    expect(minute.evaluate(features({ ...down, ...hist(-2), rsi14: 0 }))).toMatchObject({
      action: 'sell',
      confidence: 0.65,
    });
    expect(minute.evaluate(features({ ...up, ...hist(2.5), rsi14: 0 }))).toMatchObject({
      conditions: ['buy_oscillator'],
    });
  });
});

describe('macd_rsi 1.0.0', () => {
  const baseline = bound('macd_rsi', '1.0.0', 'baseline@1', '1Sec');
  it.each<[string, Partial<FeatureValues>, object]>([
    ['buys oversold momentum', { ...hist(1), rsi14: 34.9 }, { action: 'buy', confidence: 0.65 }],
    ['sells overbought weakness', { ...hist(-1), rsi14: 65.1 }, { action: 'sell', confidence: 0.65 }],
    ['needs the oscillator to buy', { ...hist(1), rsi14: 35 }, { conditions: ['buy_oscillator'] }],
    ['needs the oscillator to sell', { ...hist(-1), rsi14: 65 }, { conditions: ['sell_oscillator'] }],
    ['does nothing on equal lines', { ...hist(0), rsi14: 20 }, { conditions: ['momentum_flat'] }],
  ])('%s', (_claim, values, expected) => {
    expect(baseline.evaluate(features(values))).toMatchObject(expected);
  });
});

describe('strategy registry', () => {
  it('[S8] resolves nothing but the exact type and version: no default, no other version, no other strategy', () => {
    for (const [type, version] of [
      ['intraday_tsmom', '1.0.0'],
      ['intraday_tsmom', ''],
      ['tsmom', '1.1.0'],
      ['', ''],
    ] as const) {
      expect(bind(type, version, { profile: '1Min@1' }, '1Min')).toMatchObject({
        ok: false,
        reason: 'strategy_unresolved',
      });
    }
  });

  it.each<[string, Json, string, string]>([
    ['a timeframe the plugin does not know', { profile: '1Min@1' }, '1Hour', 'timeframe_mismatch'],
    ['a profile made for another timeframe', { profile: '1Sec@1' }, '1Min', 'timeframe_mismatch'],
    ['an unknown profile', { profile: '1Min@999' }, '1Min', 'invalid_params'],
    ['a profile named like an inherited member', { profile: 'constructor' }, '1Min', 'invalid_params'],
    ['a missing profile', {}, '1Min', 'invalid_params'],
    ['an unknown parameter', { profile: '1Min@1', lookback: 3 }, '1Min', 'invalid_params'],
  ])('refuses %s', (_claim, params, timeframe, reason) => {
    expect(bind('intraday_tsmom', '1.1.0', params, timeframe)).toMatchObject({ ok: false, reason });
  });

  it('refuses two plugins of one type and version', () => {
    expect(() => strategyRegistry([registerPlugin(macdRsi), registerPlugin(macdRsi)])).toThrow(/macd_rsi 1.0.0/);
  });

  it('leaves a profile as it is once it was used: a calibration appends another', () => {
    const digests = Object.entries(tsmomProfiles).map(([name, { timeframes, thresholds }]) => [
      name,
      hashJson({ timeframes, thresholds: { ...thresholds } }).slice(0, 12),
    ]);
    expect(Object.fromEntries(digests)).toEqual({
      '1Sec@1': 'b7b2d87b54c6',
      '1Sec@2': '820aa06bd26c',
      '1Min@1': 'bb115718b5d7',
      '1Min@2': 'ff5d5a0c52c4',
    });
  });

  it('names only conditions of the closed lists, whatever the features', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const cases = [
      [intradayTsmom.conditions, bound('intraday_tsmom', '1.1.0', '1Min@1', '1Min')],
      [macdRsi.conditions, bound('macd_rsi', '1.0.0', 'baseline@1', '1Min')],
    ] as const;
    fc.assert(
      fc.property(value, value, value, value, value, fc.option(value), (macd, signal, fast, slow, rsi, volatility) => {
        for (const [conditions, strategy] of cases) {
          const result = strategy.evaluate(
            features({
              macd,
              macd_signal: signal,
              ema12: fast,
              ema26: slow,
              rsi14: rsi,
              vol_realized_w60s: volatility,
            }),
          );
          if (result.kind === 'intent') expect(result.confidence).toBeGreaterThan(0);
          else for (const condition of result.conditions) expect(conditions).toContain(condition);
        }
      }),
    );
  });
});
