import * as z from 'zod';
import type { FeatureValues } from '../../features/contract.ts';
import {
  confidenceOf,
  rejectionsOf,
  required,
  type Evaluation,
  type StrategyPlugin,
  type StrategyProfile,
} from '../plugin.ts';

/** Thresholds of one timeframe. MACD histograms are bps of price, so that a dear and a cheap share behave alike. */
export interface TsmomThresholds {
  readonly bullHistMinBps: number;
  readonly bearHistMinBps: number;
  readonly bearHistCapBps: number;
  readonly bullRsiMin: number;
  readonly bullRsiMax: number;
  readonly bearRsiMax: number;
  /** Realised volatility per bar of the timeframe. */
  readonly volatilityFloor: number;
  readonly volatilityCeiling: number;
  readonly lowVolatilityBonus: number;
}

/**
 * Profiles are appended, never edited, and chosen by their rate of intents, never by profit. The rate has to be 0.5 to 20
 * per symbol-session on one-minute bars and 1 to 120 on one-second bars, after the cooldown and long only, in the median
 * and in the mean. `npm run calibrate` measures it:
 *
 * | profile | real bars | symbol-sessions | median | mean | range |
 * |---|---|---|---|---|---|
 * | 1Min@1 | 24 US stocks, 44 sessions from 2018-02-16 | 1056 | 22 | 23.0 | 0..73 |
 * | 1Min@2 | the same | 1056 | 11 | 13.2 | 0..65 |
 * | 1Min@2 | 10 US symbols, 20 sessions of 2008 to 2023 | 41 | 2 | 3.2 | 0..14 |
 * | 1Min@2 | SPY alone, 21 sessions of July 2025 | 21 | 0 | 0.1 | 0..2 |
 * | 1Sec@1 | SPY AIG BAC IBM, 7 sessions of 2013 and 2014 | 22 | 139.5 | 116.1 | 8..199 |
 * | 1Sec@2 | the same | 22 | 83.5 | 73.9 | 2..167 |
 *
 * An index fund in a quiet month moves a quarter as much as a stock and so stays below thresholds made for stocks.
 * Only the entry threshold differs from version 1, by half as much again: exits are as ready as they were.
 */
export const tsmomProfiles: Readonly<Record<string, StrategyProfile<TsmomThresholds>>> = {
  '1Sec@1': {
    timeframes: ['1Sec'],
    thresholds: {
      bullHistMinBps: 0.25,
      bearHistMinBps: 0.2,
      bearHistCapBps: 1.5,
      bullRsiMin: 52,
      bullRsiMax: 62,
      bearRsiMax: 45,
      volatilityFloor: 0,
      volatilityCeiling: 0.0003,
      lowVolatilityBonus: 0.0002,
    },
  },
  '1Sec@2': {
    timeframes: ['1Sec'],
    thresholds: {
      bullHistMinBps: 0.375,
      bearHistMinBps: 0.2,
      bearHistCapBps: 1.5,
      bullRsiMin: 52,
      bullRsiMax: 62,
      bearRsiMax: 45,
      volatilityFloor: 0,
      volatilityCeiling: 0.0003,
      lowVolatilityBonus: 0.0002,
    },
  },
  '1Min@1': {
    timeframes: ['1Min'],
    thresholds: {
      bullHistMinBps: 2,
      bearHistMinBps: 1.5,
      bearHistCapBps: 12,
      bullRsiMin: 52,
      bullRsiMax: 62,
      bearRsiMax: 45,
      volatilityFloor: 0,
      volatilityCeiling: 0.0025,
      lowVolatilityBonus: 0.0015,
    },
  },
  '1Min@2': {
    timeframes: ['1Min'],
    thresholds: {
      bullHistMinBps: 3,
      bearHistMinBps: 1.5,
      bearHistCapBps: 12,
      bullRsiMin: 52,
      bullRsiMax: 62,
      bearRsiMax: 45,
      volatilityFloor: 0,
      volatilityCeiling: 0.0025,
      lowVolatilityBonus: 0.0015,
    },
  },
};

const conditions = [
  'trend_flat',
  'buy_momentum',
  'buy_volatility',
  'buy_oscillator',
  'sell_momentum',
  'sell_oscillator',
] as const;
type Condition = (typeof conditions)[number];

const trendFlat: Evaluation<Condition> = { kind: 'rejection', conditions: ['trend_flat'] };
const buyRejections = rejectionsOf(['buy_momentum', 'buy_volatility', 'buy_oscillator']);
const sellRejections = rejectionsOf(['sell_momentum', 'sell_oscillator']);

const buy = (histBps: number, rsi: number, volatility: number | null, t: TsmomThresholds): Evaluation<Condition> => {
  const rejection =
    buyRejections[
      (histBps > 0 && histBps >= t.bullHistMinBps ? 0 : 1) +
        (volatility === null || (t.volatilityFloor <= volatility && volatility <= t.volatilityCeiling) ? 0 : 2) +
        (t.bullRsiMin <= rsi && rsi <= t.bullRsiMax ? 0 : 4)
    ];
  if (rejection !== undefined) return rejection;
  const strong = histBps >= 2 * t.bullHistMinBps ? 0.05 : 0;
  const quiet = volatility !== null && volatility <= t.lowVolatilityBonus ? 0.03 : 0;
  return {
    kind: 'intent',
    action: 'buy',
    intent: 'entry',
    confidence: confidenceOf(Math.min(0.82, 0.64 + strong + quiet)),
    rationaleCodes: ['tsmom_trend_up', 'momentum_confirmed', 'volatility_within_budget'],
  };
};

const sell = (histBps: number, rsi: number, t: TsmomThresholds): Evaluation<Condition> => {
  const rejection =
    sellRejections[
      (histBps < 0 && t.bearHistMinBps <= -histBps && -histBps <= t.bearHistCapBps ? 0 : 1) +
        (rsi <= t.bearRsiMax ? 0 : 2)
    ];
  if (rejection !== undefined) return rejection;
  const weak = rsi <= t.bearRsiMax - 10 ? 0.03 : 0;
  return {
    kind: 'intent',
    action: 'sell',
    intent: 'exit',
    confidence: confidenceOf(Math.min(0.78, 0.62 + weak)),
    rationaleCodes: ['tsmom_trend_down', 'momentum_reversal_exit'],
  };
};

const factor = z.number().positive().max(10).optional();

/** A profile, and by how much a candidate moves its thresholds; absent is 1. */
const paramsSchema = z.strictObject({
  profile: z.string(),
  bull_hist_min_factor: factor,
  bear_hist_min_factor: factor,
  volatility_ceiling_factor: factor,
});
export type TsmomParams = z.infer<typeof paramsSchema>;

const thresholdsOf = (
  thresholds: TsmomThresholds,
  { bull_hist_min_factor = 1, bear_hist_min_factor = 1, volatility_ceiling_factor = 1 }: TsmomParams,
): TsmomThresholds => ({
  ...thresholds,
  bullHistMinBps: thresholds.bullHistMinBps * bull_hist_min_factor,
  bearHistMinBps: thresholds.bearHistMinBps * bear_hist_min_factor,
  volatilityCeiling: thresholds.volatilityCeiling * volatility_ceiling_factor,
});

const evaluate = (
  features: FeatureValues,
  _params: TsmomParams,
  thresholds: TsmomThresholds,
): Evaluation<Condition> => {
  const ema12 = required(features.ema12, 'ema12');
  const ema26 = required(features.ema26, 'ema26');
  if (ema12 === ema26) return trendFlat;
  const histBps =
    (1e4 * (required(features.macd, 'macd') - required(features.macd_signal, 'macd_signal'))) /
    required(features.price, 'price');
  const rsi = required(features.rsi14, 'rsi14');
  return ema12 > ema26 ? buy(histBps, rsi, features.vol_realized_w60s, thresholds) : sell(histBps, rsi, thresholds);
};

/** Intraday time-series momentum: trend by EMA cross, momentum by the MACD histogram, filtered by volatility and RSI. */
export const intradayTsmom: StrategyPlugin<TsmomParams, TsmomThresholds, Condition> = {
  type: 'intraday_tsmom',
  version: '1.1.0',
  timeframes: ['1Sec', '1Min'],
  requiredFeatures: ['price', 'macd', 'macd_signal', 'ema12', 'ema26', 'rsi14'],
  paramsSchema,
  profiles: tsmomProfiles,
  thresholdsOf,
  conditions,
  evaluate,
};
