import * as z from 'zod';
import { canonicalJson, hashJson, type Json } from '../canonical-json.ts';
import type { Stage, Consumer } from '../enumerations.ts';
import { featureContractHash } from '../features/contract.ts';
import type { AccountLabel, Hash } from '../identifiers.ts';
import { toText, type Instant } from '../instant.ts';
import { builtInStrategies, type BoundStrategy, type StrategyRegistry } from '../strategy/registry.ts';
import { executionModelHash, type ExecutionModel } from './execution-model.ts';
import { splitPlanHash, type SplitPlan } from './walk-forward.ts';

/** What makes a run the one it is. Windows lie on the grid of their schedule, so a repetition has the same identity. */
export interface RunIdentity {
  readonly accountLabel: AccountLabel;
  readonly consumer: Consumer;
  readonly windowStart: Instant;
  readonly windowEnd: Instant;
  readonly strategyId: string;
  readonly strategyVersion: string;
  readonly policyDigest: string;
  readonly target: Stage;
}

/** 24 hex digits. */
export const runIdOf = (identity: RunIdentity): string =>
  hashJson({
    account_label: identity.accountLabel,
    consumer: identity.consumer,
    window_start: toText(identity.windowStart),
    window_end: toText(identity.windowEnd),
    strategy_id: identity.strategyId,
    strategy_version: identity.strategyVersion,
    policy_digest: identity.policyDigest,
    target: identity.target,
  }).slice(0, 24);

/** A strategy with parameters: what is tried. The profile stands apart from the other parameters. */
export interface ParameterSet {
  readonly strategyType: string;
  readonly strategyVersion: string;
  readonly params: Readonly<Record<string, Json>>;
  readonly profile: string;
}

/** What every candidate of a run has in common. */
export interface CandidateBasis {
  readonly datasetHash: string;
  readonly codeHash: string;
  readonly model: ExecutionModel;
  readonly plan: SplitPlan;
  readonly timeframe: string;
}

/** A parameter set under its names: `trialHash` counts it as a trial, `candidateHash` is everything its result depends on. */
export interface Candidate extends ParameterSet {
  readonly family: string;
  readonly trialHash: Hash;
  readonly candidateHash: Hash;
}

/** Trials of one type of strategy deflate each other's results, whatever version or parameters they had. */
export const familyOf = (strategyType: string): string => strategyType;

/** @param contract hash of the feature contract that was in force */
export const trialHashOf = (set: ParameterSet, codeHash: string, contract: string = featureContractHash): Hash =>
  hashJson({
    family: familyOf(set.strategyType),
    strategy_type: set.strategyType,
    strategy_version: set.strategyVersion,
    params: set.params,
    profile: set.profile,
    feature_contract_hash: contract,
    code_hash: codeHash,
  }) as Hash;

/** @param contract hash of the feature contract that was in force */
export const candidateHashOf = (
  set: ParameterSet,
  basis: Omit<CandidateBasis, 'timeframe'>,
  contract: string = featureContractHash,
): Hash =>
  hashJson({
    dataset_hash: basis.datasetHash,
    feature_contract_hash: contract,
    strategy_type: set.strategyType,
    strategy_version: set.strategyVersion,
    params: set.params,
    profile: set.profile,
    code_hash: basis.codeHash,
    execution_model_hash: executionModelHash(basis.model),
    split_plan_hash: splitPlanHash(basis.plan),
  }) as Hash;

export const candidateIdOf = (runId: string, candidateHash: string): string =>
  `cand-${runId.slice(0, 12)}-${candidateHash.slice(0, 12)}`;

export const candidateOf = (set: ParameterSet, basis: CandidateBasis): Candidate => ({
  ...set,
  family: familyOf(set.strategyType),
  trialHash: trialHashOf(set, basis.codeHash),
  candidateHash: candidateHashOf(set, basis),
});

/** Values a parameter takes beside what is configured. */
export const parameterGridSchema = z.strictObject({
  axes: z.array(z.strictObject({ parameter: z.string().min(1), values: z.array(z.json()).min(1) })),
});
export interface ParameterGrid {
  readonly axes: readonly { readonly parameter: string; readonly values: readonly Json[] }[];
}

/** Grids by type of strategy; a type without one has its configured parameters as the only candidate. */
export const defaultGrids: Readonly<Record<string, ParameterGrid>> = {
  intraday_tsmom: {
    axes: [
      { parameter: 'bull_hist_min_factor', values: [0.5, 0.75, 1.5, 2] },
      { parameter: 'bear_hist_min_factor', values: [0.5, 0.75, 1.5] },
    ],
  },
};

/**
 * The configured parameters first, then those of the grid: the fewer of them differ from the configured ones the earlier,
 * so that a budget cuts off the farthest. Each set once; the order of axes and values changes nothing but names.
 * @param budget candidates at most, at least 1
 */
export const parameterSetsOf = (
  configured: ParameterSet,
  grid: ParameterGrid,
  budget: number,
): readonly ParameterSet[] => {
  if (!(Number.isSafeInteger(budget) && budget >= 1))
    throw new RangeError(`expected a budget of at least 1 candidate, found ${budget}`);
  let found: { readonly changed: number; readonly params: Readonly<Record<string, Json>> }[] = [
    { changed: 0, params: configured.params },
  ];
  for (const { parameter, values } of grid.axes)
    found = found.flatMap((one) => [
      one,
      ...values.map((value) => ({ changed: one.changed + 1, params: { ...one.params, [parameter]: value } })),
    ]);
  const own = canonicalJson(configured.params);
  const byText = new Map(found.map((one) => [canonicalJson(one.params), one]));
  byText.delete(own);
  const others = [...byText].sort(([a, one], [b, other]) => one.changed - other.changed || (a < b ? -1 : 1));
  return [configured, ...others.slice(0, budget - 1).map(([, { params }]) => ({ ...configured, params }))];
};

/** The strategy candidates are compared with: the simplest there is, on the same data and timeframe. */
export const baselineSet: ParameterSet = {
  strategyType: 'macd_rsi',
  strategyVersion: '1.0.0',
  params: {},
  profile: 'baseline@1',
};

/** The evaluator of a parameter set, the one live trading calls. @throws RangeError when the set is not one of the registry */
export const bindCandidate = (
  set: ParameterSet,
  timeframe: string,
  registry: StrategyRegistry = builtInStrategies,
): BoundStrategy => {
  const bound = registry.bind(
    set.strategyType,
    set.strategyVersion,
    { ...set.params, profile: set.profile },
    timeframe,
  );
  if (!bound.ok) throw new RangeError(`${bound.reason}: ${bound.detail}`);
  return bound.strategy;
};
