import * as z from 'zod';
import type { FeatureValues } from '../../features/contract.ts';
import { required, type Evaluation, type StrategyParams, type StrategyPlugin } from '../plugin.ts';

export interface MacdRsiThresholds {
  readonly oversoldRsi: number;
  readonly overboughtRsi: number;
}

const conditions = ['momentum_flat', 'buy_oscillator', 'sell_oscillator'] as const;
type Condition = (typeof conditions)[number];

const evaluate = (
  features: FeatureValues,
  _params: StrategyParams,
  thresholds: MacdRsiThresholds,
): Evaluation<Condition> => {
  const macd = required(features.macd, 'macd');
  const signal = required(features.macd_signal, 'macd_signal');
  const rsi = required(features.rsi14, 'rsi14');
  if (macd === signal) return { kind: 'rejection', conditions: ['momentum_flat'] };
  if (macd > signal) {
    return rsi < thresholds.oversoldRsi
      ? {
          kind: 'intent',
          action: 'buy',
          intent: 'entry',
          confidence: 0.65,
          rationaleCodes: ['macd_above_signal', 'rsi_oversold'],
        }
      : { kind: 'rejection', conditions: ['buy_oscillator'] };
  }
  return rsi > thresholds.overboughtRsi
    ? {
        kind: 'intent',
        action: 'sell',
        intent: 'exit',
        confidence: 0.65,
        rationaleCodes: ['macd_below_signal', 'rsi_overbought'],
      }
    : { kind: 'rejection', conditions: ['sell_oscillator'] };
};

/** Baseline the candidates are compared with; it runs on the timeframe of the candidate. */
export const macdRsi: StrategyPlugin<StrategyParams, MacdRsiThresholds, Condition> = {
  type: 'macd_rsi',
  version: '1.0.0',
  timeframes: ['1Sec', '1Min'],
  requiredFeatures: ['price', 'macd', 'macd_signal', 'rsi14'],
  paramsSchema: z.strictObject({ profile: z.string() }),
  profiles: { 'baseline@1': { timeframes: ['1Sec', '1Min'], thresholds: { oversoldRsi: 35, overboughtRsi: 65 } } },
  conditions,
  evaluate,
};
