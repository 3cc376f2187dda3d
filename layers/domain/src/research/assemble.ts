import type { Stage } from '../enumerations.ts';
import { artifactOf, type Artifact } from '../evidence/manifest.ts';
import { hour, toText } from '../instant.ts';
import { stageRules } from '../risk/stage-caps.ts';
import { artifactSchemas, type GateReport, type PromotionRecord } from './artifacts.ts';
import type { Backtest } from './backtest.ts';
import type { EvaluationInput } from './evaluation-input.ts';
import { blockingCodes, judgeGates, recommendedStage, verdictOf } from './gates/gates.ts';
import { gateInputsOf } from './gates/evaluation-inputs.ts';
import type { ExternalInputs } from './gates/inputs.ts';
import { gatePolicyDigest, type GatePolicy } from './gates/policy.ts';
import { reportsOf, type ReportContext } from './reports.ts';

/** What a run is told, beside its data, to reach a verdict. No clock is read: `evaluatedAt` is given. */
export interface RunContext extends ReportContext {
  readonly target: Stage;
  /** Stage the strategy holds now. */
  readonly fromStage: Stage;
  readonly policy: GatePolicy;
  /** Figures of paper trading, drills and operations; what is not given is missing. */
  readonly external: ExternalInputs;
  /** Name of the key the verdict will be signed with. */
  readonly signingKeyId: string;
  readonly requestedBy: string;
}

/** What a run found: its artifacts but the dataset and the signed envelope, which is made of these. */
export interface AssembledRun {
  readonly artifacts: readonly Artifact[];
  readonly gateReport: GateReport;
  readonly promotionRecord: PromotionRecord;
  /** Until when the verdict may be used. */
  readonly expiresAt: string;
}

/** Statistics, gates and recommendation of a backtest, as stored bytes. Equal arguments give equal bytes. */
export const assembleRun = (backtest: Backtest, input: EvaluationInput, context: RunContext): AssembledRun => {
  const { runId, policy, target, evaluatedAt } = context;
  const reports = reportsOf(backtest, input, context);
  const { candidateSpec, walkForward, evaluation, baseline, stress } = reports;
  const policyDigest = gatePolicyDigest(policy);
  // Parsed before it is stored: what does not fit its own schema is never written.
  const stored = (name: keyof typeof artifactSchemas, content: unknown): Artifact =>
    artifactOf(runId, name, artifactSchemas[name].parse(content));
  const spec = stored('candidate-spec', candidateSpec);
  const evaluated = stored('evaluation-report', evaluation);
  const compared = stored('baseline-report', baseline);
  const inputs = gateInputsOf(
    reports,
    {
      dataset: input.datasetHash,
      candidateSpec: spec.sha256,
      policy: policyDigest,
      evaluation: evaluated.sha256,
      baseline: compared.sha256,
    },
    policy,
    context.external,
  );
  const gates = judgeGates({ inputs, policy, target, evaluatedAt });
  const verdict = verdictOf(gates);
  const recommended = recommendedStage({ inputs, policy, evaluatedAt });
  const issuedAt = toText(evaluatedAt);
  const gateReport: GateReport = {
    schema_version: 'torghut.gate-report.v1',
    policy_version: policy.policy_version,
    policy_digest: policyDigest,
    policy,
    run_id: runId,
    candidate_id: candidateSpec.candidate_id,
    candidate_hash: candidateSpec.candidate_hash,
    target,
    verdict,
    recommended_stage: recommended,
    gates: [...gates],
    throughput: evaluation.throughput,
    alpha: evaluation.alpha,
    evaluated_at: issuedAt,
    code_hash: candidateSpec.inputs.code_hash,
    signing_key_id: context.signingKeyId,
  };
  const judged = stored('gate-report', gateReport);
  const expiresAt = toText(evaluatedAt + policy.publication_hours * hour);
  const reasons = blockingCodes(gates);
  const caps = stageRules[target];
  const promotionRecord: PromotionRecord = {
    schema_version: 'torghut.promotion-record.v1',
    run_id: runId,
    candidate_id: candidateSpec.candidate_id,
    candidate_hash: candidateSpec.candidate_hash,
    from_stage: context.fromStage,
    promotion_target: target,
    // A lane recommends. Stages are changed by the promotion that verifies this record, never by the lane itself.
    decision_action: verdict === 'FAIL' ? 'deny' : 'hold',
    approved_stage: null,
    reasons: [...reasons],
    reason_details: { verdict, recommended_stage: recommended },
    requested_by: context.requestedBy,
    gate_report_sha256: judged.sha256,
    approval_ids: [],
    approvers: [],
    caps: {
      max_notional_per_trade: caps.maxNotionalPerTrade,
      max_position_pct_equity: caps.maxPositionPctEquity,
    },
    symbols: candidateSpec.symbols_covered,
    rollback_target: null,
    issued_at: issuedAt,
    expires_at: expiresAt,
  };
  return {
    artifacts: [
      spec,
      stored('walkforward-results', walkForward),
      evaluated,
      compared,
      stored('stress-report', stress),
      judged,
      stored('promotion-record', promotionRecord),
    ],
    gateReport,
    promotionRecord,
    expiresAt,
  };
};
