import type * as z from 'zod';
import type { IntentKind, Side } from '../enumerations.ts';
import type { FeatureName, FeatureValues } from '../features/contract.ts';
import type { RationaleCode } from '../reason-codes.ts';

/** What a strategy wants to do on a symbol. */
export interface Intent {
  readonly kind: 'intent';
  readonly action: Side;
  readonly intent: IntentKind;
  /** 0..1, at most 4 decimals. */
  readonly confidence: number;
  readonly rationaleCodes: readonly RationaleCode[];
}

/** Why a strategy does nothing: every condition that failed, each a counter. */
export interface Rejection<Condition extends string = string> {
  readonly kind: 'rejection';
  readonly conditions: readonly Condition[];
}

/**
 * Every rejection that can come of some conditions, by the sum of 2 ** position over those that failed; nothing at 0.
 * Most rows are rejected, and a lane shows a strategy millions of them: none of these is made while it does.
 */
export const rejectionsOf = <const Condition extends string>(
  conditions: readonly Condition[],
): readonly (Rejection<Condition> | undefined)[] =>
  Array.from({ length: 2 ** conditions.length }, (_, failed) =>
    failed === 0
      ? undefined
      : { kind: 'rejection', conditions: conditions.filter((_, position) => ((failed >> position) & 1) === 1) },
  );

export type Evaluation<Condition extends string = string> = Intent | Rejection<Condition>;

/** Parameters always name their profile: there is no default profile and so no silent change of one. */
export interface StrategyParams {
  readonly profile: string;
}

/** A named, versioned set of thresholds. A calibration appends a profile; it never edits one. */
export interface StrategyProfile<Thresholds> {
  /** Timeframes whose values the thresholds are made for. */
  readonly timeframes: readonly string[];
  readonly thresholds: Thresholds;
}

/**
 * One strategy in one version: pure and synchronous. The same `evaluate` serves live, lane and replay.
 * `evaluate` is called only with every required feature present.
 */
export interface StrategyPlugin<Params extends StrategyParams, Thresholds, Condition extends string> {
  readonly type: string;
  readonly version: string;
  readonly timeframes: readonly string[];
  readonly requiredFeatures: readonly FeatureName[];
  readonly paramsSchema: z.ZodType<Params>;
  readonly profiles: Readonly<Record<string, StrategyProfile<Thresholds>>>;
  /** The thresholds of the profile as the parameters move them; without it they stand as they are. */
  readonly thresholdsOf?: (thresholds: Thresholds, params: Params) => Thresholds;
  /** Closed list of the conditions a rejection can name. */
  readonly conditions: readonly Condition[];
  evaluate(features: FeatureValues, params: Params, thresholds: Thresholds): Evaluation<Condition>;
}

/** Confidence as stored: four decimals. */
export const confidenceOf = (value: number): number => Math.round(value * 1e4) / 1e4;

/**
 * A required feature as a number: its value and, for the message, its name. Reading the value is left to the caller, where
 * the engine that runs it knows which one it is.
 * @throws TypeError when it is null, which the runtime excludes before it evaluates.
 */
export const required = (value: number | null, name: FeatureName): number => {
  if (value === null) throw new TypeError(`expected a value of the required feature ${name}, found null`);
  return value;
};
