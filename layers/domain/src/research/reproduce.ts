import type { CandidateSpec, GateReport, PromotionRecord } from './artifacts.ts';
import { assembleRun, type AssembledRun } from './assemble.ts';
import {
  assembleBacktest,
  chooseCandidate,
  countTrials,
  firstTasks,
  planBacktest,
  secondTasks,
  type TaskExecutor,
} from './backtest.ts';
import type { ParameterSet } from './candidates.ts';
import type { EvaluationInput } from './evaluation-input.ts';
import { externalInputs, type ExternalInputs } from './gates/inputs.ts';
import { gatePolicySchema } from './gates/policy.ts';
import { parseInstant } from '../instant.ts';

/** Stored artifacts of a run that say what it was told. */
export interface StoredRun {
  readonly candidateSpec: CandidateSpec;
  readonly gateReport: GateReport;
  readonly promotionRecord: PromotionRecord;
}

const setOf = (trial: CandidateSpec['trials'][number]): ParameterSet => ({
  strategyType: trial.strategy_type,
  strategyVersion: trial.strategy_version,
  params: trial.params,
  profile: trial.profile,
});

/** Figures that others gave the gates, as the report kept them. */
const externalOf = ({ gates }: GateReport): ExternalInputs => {
  const all = Object.assign({}, ...gates.map(({ inputs }) => inputs)) as GateReport['gates'][number]['inputs'];
  return Object.fromEntries(
    externalInputs.flatMap((name) => {
      const found = all[name];
      return found === null || found === undefined ? [] : [[name, found]];
    }),
  );
};

/**
 * Evaluates a stored run again: the same candidates on the same data, under the same model, plan, policy and time, with
 * the number of trials the report was made with. No ledger is asked and none is written: every trial of the run was
 * counted when it first ran.
 * @param codeHash of the code that reproduces; the candidate hash says whether it is the code that evaluated
 * @throws RangeError when the stored parts do not make a plan
 */
export const reproduceRun = async (
  { candidateSpec, gateReport, promotionRecord }: StoredRun,
  input: EvaluationInput,
  codeHash: string,
  execute: TaskExecutor,
): Promise<AssembledRun> => {
  const planned = planBacktest(
    {
      datasetHash: input.datasetHash,
      codeHash,
      model: candidateSpec.execution_model,
      plan: candidateSpec.split_plan,
      timeframe: candidateSpec.strategy.base_timeframe,
    },
    candidateSpec.trials.map(setOf),
    input.sessions,
  );
  const stored = { register: () => Promise.resolve({ distinct: gateReport.alpha.n_trials }) };
  const plan = await countTrials(stored, candidateSpec.run_id, planned);
  const first = await execute(plan, firstTasks(plan));
  const selection = chooseCandidate(plan, first);
  const second = await execute(plan, secondTasks(selection.judged));
  return assembleRun(assembleBacktest(plan, selection, first, second), input, {
    runId: candidateSpec.run_id,
    strategy: candidateSpec.strategy,
    universeHash: candidateSpec.universe_hash,
    evaluatedAt: parseInstant(gateReport.evaluated_at),
    target: gateReport.target,
    fromStage: promotionRecord.from_stage,
    policy: gatePolicySchema.parse(gateReport.policy),
    external: externalOf(gateReport),
    signingKeyId: gateReport.signing_key_id,
    requestedBy: promotionRecord.requested_by,
  });
};
