import type { Json } from '../canonical-json.ts';
import type { FeatureName, FeatureValues } from '../features/contract.ts';
import type { Evaluation, StrategyParams, StrategyPlugin } from './plugin.ts';
import { intradayTsmom } from './plugins/intraday-tsmom.ts';
import { macdRsi } from './plugins/macd-rsi.ts';

/** A plugin with checked parameters, ready to evaluate. */
export interface BoundStrategy {
  readonly type: string;
  readonly version: string;
  readonly profile: string;
  readonly requiredFeatures: readonly FeatureName[];
  evaluate(features: FeatureValues): Evaluation;
}

export type BindFailure = 'strategy_unresolved' | 'timeframe_mismatch' | 'invalid_params';
export type Bound =
  | { readonly ok: true; readonly strategy: BoundStrategy }
  | { readonly ok: false; readonly reason: BindFailure; readonly detail: string };

/** A plugin whose parameter types are closed over, so that plugins of different parameters share one registry. */
export interface RegisteredStrategy {
  readonly type: string;
  readonly version: string;
  readonly timeframes: readonly string[];
  readonly profiles: readonly string[];
  readonly conditions: readonly string[];
  bind(params: Json, timeframe: string): Bound;
}

export const registerPlugin = <Params extends StrategyParams, Thresholds, Condition extends string>(
  plugin: StrategyPlugin<Params, Thresholds, Condition>,
): RegisteredStrategy => {
  const { type, version } = plugin;
  const name = `${type} ${version}`;
  return {
    type,
    version,
    timeframes: plugin.timeframes,
    profiles: Object.keys(plugin.profiles),
    conditions: plugin.conditions,
    bind: (params, timeframe) => {
      if (!plugin.timeframes.includes(timeframe)) {
        return {
          ok: false,
          reason: 'timeframe_mismatch',
          detail: `${name} runs on ${plugin.timeframes.join(', ')}, found "${timeframe}"`,
        };
      }
      const parsed = plugin.paramsSchema.safeParse(params);
      if (!parsed.success) {
        const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'params'}: ${issue.message}`);
        return { ok: false, reason: 'invalid_params', detail: `${name}: ${issues.join('; ')}` };
      }
      const profile = Object.hasOwn(plugin.profiles, parsed.data.profile)
        ? plugin.profiles[parsed.data.profile]
        : undefined;
      if (profile === undefined) {
        const known = Object.keys(plugin.profiles).join(', ');
        return {
          ok: false,
          reason: 'invalid_params',
          detail: `${name}: expected a profile of ${known}, found "${parsed.data.profile}"`,
        };
      }
      if (!profile.timeframes.includes(timeframe)) {
        return {
          ok: false,
          reason: 'timeframe_mismatch',
          detail: `${name}: profile ${parsed.data.profile} is made for ${profile.timeframes.join(', ')}, found "${timeframe}"`,
        };
      }
      const thresholds = plugin.thresholdsOf?.(profile.thresholds, parsed.data) ?? profile.thresholds;
      return {
        ok: true,
        strategy: {
          type,
          version,
          profile: parsed.data.profile,
          requiredFeatures: plugin.requiredFeatures,
          evaluate: (features) => plugin.evaluate(features, parsed.data, thresholds),
        },
      };
    },
  };
};

export interface StrategyRegistry {
  resolve(type: string, version: string): RegisteredStrategy | null;
  /** Resolves and binds; there is no default strategy and no fallback to another one. */
  bind(type: string, version: string, params: Json, timeframe: string): Bound;
}

/** @throws RangeError when two plugins share type and version. */
export const strategyRegistry = (plugins: readonly RegisteredStrategy[]): StrategyRegistry => {
  const byKey = new Map<string, RegisteredStrategy>();
  for (const plugin of plugins) {
    const key = `${plugin.type} ${plugin.version}`;
    if (byKey.has(key)) throw new RangeError(`two plugins are registered as ${key}`);
    byKey.set(key, plugin);
  }
  const resolve = (type: string, version: string): RegisteredStrategy | null => byKey.get(`${type} ${version}`) ?? null;
  return {
    resolve,
    bind: (type, version, params, timeframe) =>
      resolve(type, version)?.bind(params, timeframe) ?? {
        ok: false,
        reason: 'strategy_unresolved',
        detail: `no strategy "${type}" in version "${version}"; known: ${[...byKey.keys()].join(', ')}`,
      },
  };
};

/** The strategies this build contains. */
export const builtInStrategies: StrategyRegistry = strategyRegistry([
  registerPlugin(intradayTsmom),
  registerPlugin(macdRsi),
]);
