import type { Ticker } from '../identifiers.ts';
import { second, type Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';
import type { FeatureRow } from '../features/row.ts';
import type { Intent } from './plugin.ts';
import type { BoundStrategy } from './registry.ts';

/** A bound strategy as the runtime schedules it. */
export interface RunnableStrategy {
  readonly strategyPk: string;
  readonly strategyId: string;
  readonly baseTimeframe: string;
  readonly paramsHash: string;
  /** The strategy sees only these symbols; null means all of the universe. */
  readonly universeFilter: ReadonlySet<Ticker> | null;
  /** Breaks ties between intents; the larger wins. */
  readonly priority: number;
  readonly bound: BoundStrategy;
}

/** Consecutive evaluation errors of one strategy, and until when it is suspended because of them. */
export interface StrategyHealth {
  readonly consecutiveErrors: number;
  readonly degradedUntil: Instant | null;
}
export type StrategyHealths = ReadonlyMap<string, StrategyHealth>;

export const healthy: StrategyHealth = { consecutiveErrors: 0, degradedUntil: null };
export const isDegraded = (health: StrategyHealth | undefined, now: Instant): boolean => {
  const until = health?.degradedUntil ?? null;
  return until !== null && now < until;
};

/** An intent with the row and the strategy it comes from. */
export interface StrategyIntent {
  readonly strategy: RunnableStrategy;
  readonly signal: FeatureRow;
  readonly intent: Intent;
}

export interface EvaluationError {
  readonly strategyId: string;
  readonly symbol: Ticker;
  readonly eventTs: Instant;
  readonly message: string;
}

/**
 * Conditions the runtime itself rejects by, beside those of the plugins. `repeated_denial` is an intent that was denied
 * with the same codes a moment ago: counted, so that a held condition does not fill the ledger.
 */
export const runtimeConditions = [
  'required_feature_null',
  'netted_out',
  'nothing_to_exit',
  'cooldown_active',
  'repeated_denial',
] as const;
export type RuntimeCondition = (typeof runtimeConditions)[number];

/** Failed conditions counted per strategy id. */
export type RejectionCounters = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Mutable counter behind `RejectionCounters`. */
export class RejectionCounter {
  readonly #counts = new Map<string, Map<string, number>>();

  add(strategyId: string, condition: string): void {
    let own = this.#counts.get(strategyId);
    if (own === undefined) this.#counts.set(strategyId, (own = new Map<string, number>()));
    own.set(condition, (own.get(condition) ?? 0) + 1);
  }

  snapshot(): RejectionCounters {
    return Object.fromEntries([...this.#counts].map(([id, own]) => [id, Object.fromEntries(own)]));
  }
}

/** A strategy that saw no row, and why. */
export interface SkippedStrategy {
  readonly strategyId: string;
  readonly reason: 'timeframe_mismatch' | 'strategy_degraded';
}

export interface BatchEvaluation {
  readonly intents: readonly StrategyIntent[];
  readonly rejections: RejectionCounter;
  readonly errors: readonly EvaluationError[];
  readonly health: StrategyHealths;
  readonly skipped: readonly SkippedStrategy[];
}

export type EvaluationLimits = Pick<LimitValues, 'degradedAfterErrors' | 'degradedSeconds'>;

/**
 * Shows every row to every strategy of the batch's timeframe, in row order. An exception is counted and degrades the
 * strategy after a few in a row; it never stops the batch and never makes another strategy stand in.
 */
export const evaluateBatch = (
  rows: readonly FeatureRow[],
  timeframe: string,
  strategies: readonly RunnableStrategy[],
  health: StrategyHealths,
  now: Instant,
  limits: EvaluationLimits,
): BatchEvaluation => {
  const rejections = new RejectionCounter();
  const errors: EvaluationError[] = [];
  const after = new Map(health);
  const skipped: SkippedStrategy[] = [];
  const running: RunnableStrategy[] = [];
  for (const strategy of strategies) {
    const { strategyId } = strategy;
    if (strategy.baseTimeframe !== timeframe) skipped.push({ strategyId, reason: 'timeframe_mismatch' });
    else if (isDegraded(health.get(strategyId), now)) skipped.push({ strategyId, reason: 'strategy_degraded' });
    else {
      const before = health.get(strategyId) ?? healthy;
      after.set(strategyId, before.degradedUntil === null ? before : healthy);
      running.push(strategy);
    }
  }

  const intents: StrategyIntent[] = [];
  for (const signal of rows) {
    for (const strategy of running) {
      const { strategyId, bound } = strategy;
      if (strategy.universeFilter !== null && !strategy.universeFilter.has(signal.row.symbol)) continue;
      const state = after.get(strategyId) ?? healthy;
      if (state.degradedUntil !== null) continue;
      if (bound.requiredFeatures.some((name) => signal.features[name] === null)) {
        rejections.add(strategyId, 'required_feature_null');
        continue;
      }
      try {
        const evaluation = bound.evaluate(signal.features);
        if (state.consecutiveErrors > 0) after.set(strategyId, healthy);
        if (evaluation.kind === 'intent') intents.push({ strategy, signal, intent: evaluation });
        else for (const condition of evaluation.conditions) rejections.add(strategyId, condition);
      } catch (error) {
        const consecutiveErrors = state.consecutiveErrors + 1;
        const degradedUntil =
          consecutiveErrors >= limits.degradedAfterErrors ? now + limits.degradedSeconds * second : null;
        after.set(strategyId, { consecutiveErrors, degradedUntil });
        errors.push({
          strategyId,
          symbol: signal.row.symbol,
          eventTs: signal.row.eventTs,
          message: error instanceof Error ? error.message : String(error),
        });
      }
    }
  }
  return { intents, rejections, errors, health: after, skipped };
};
