import type { EvidenceClass } from '../../enumerations.ts';
import type { EvaluationReport, GateInput } from '../artifacts.ts';
import type { Reports } from '../reports.ts';
import {
  externalInputs,
  inputTable,
  type ExternalInputs,
  type GateInputs,
  type InputName,
  type ValueOf,
} from './inputs.ts';
import type { GatePolicy } from './policy.ts';

/** Hashes of the stored reports the figures come from. */
export interface ReportDigests {
  readonly dataset: string;
  readonly candidateSpec: string;
  readonly policy: string;
  readonly evaluation: string;
  readonly baseline: string;
}

/** A detector that compared nothing has not found nothing. */
const beyondTolerance = ({
  rows_compared,
  differences,
  tolerated,
}: EvaluationReport['detectors']['lookahead']): number | null => (rows_compared > 0 ? differences - tolerated : null);

/** The figures a run gives its gates, from its reports alone, and beside them those that others gave. */
export const gateInputsOf = (
  { candidateSpec, evaluation, baseline, stress }: Reports,
  digests: ReportDigests,
  policy: GatePolicy,
  external: ExternalInputs,
): GateInputs => {
  const { data, throughput, totals, alpha, folds, intervals, benchmark, calibration, detectors, overfitting } =
    evaluation;
  const inputs: Partial<Record<InputName, GateInput>> = {};
  const put = <Name extends InputName>(
    name: Name,
    artifact: string,
    value: ValueOf<Name> | null,
    evidenceClass: EvidenceClass = evaluation.evidence_class,
  ): void => {
    inputs[name] = {
      value: Array.isArray(value)
        ? [...(value as readonly string[])]
        : (value as Exclude<GateInput['value'], string[]>),
      unit: inputTable[name].unit,
      source: 'research-lane',
      observed_at: evaluation.evaluated_at,
      artifact_ref: artifact,
      evidence_class: evidenceClass,
    };
  };
  const report = 'evaluation-report';
  put('feature_contract_version', report, data.feature_contract_version);
  put('feature_contract_hash', report, data.feature_contract_hash);
  put('required_feature_null_rate', report, data.required_feature_null_rate);
  put('feature_staleness_p95', report, data.staleness_p95_ms);
  put('symbols', report, data.symbols.length);
  put('window_overlap', report, data.window_overlap_seconds);
  put('signals', report, throughput.signals);
  put('decisions', report, throughput.decisions);
  put('trades', report, throughput.trades);
  put('net_pnl', report, Number(totals.net_pnl));
  put('marked_net_pnl', report, Number(totals.net_pnl) + Number(totals.unrealized_pnl));
  put('folds', report, folds.count);
  put('negative_fold_ratio', report, folds.negative_ratio);
  put('net_pnl_cv', report, folds.net_pnl_cv.value);
  put('trials_in_run', report, overfitting.trials_in_run);
  put('n_trials', report, alpha.n_trials);
  put('psr', report, alpha.psr.value);
  put('dsr', report, alpha.dsr.value);
  put('pbo', report, alpha.pbo.value);
  put('mean_trade_net_low', report, intervals.mean_trade_net_bps.low);
  put('lookahead_differences', report, beyondTolerance(detectors.lookahead));
  put('recursion_differences', report, beyondTolerance(detectors.recursion));
  put('max_drawdown', report, Number(totals.max_drawdown_usd));
  put('turnover_ratio', report, totals.turnover_ratio);
  put('cost', report, totals.cost_bps);

  const { cases } = stress;
  put(
    'stress_cases',
    'stress-report',
    cases.map(({ stress_case }) => stress_case),
  );
  put(
    'stress_not_reevaluated',
    'stress-report',
    cases
      .filter(
        (row) =>
          row.input_digest === row.input_digest_base ||
          (row.fills_digest === row.fills_digest_base && row.same_fills_reason === null),
      )
      .map(({ stress_case }) => stress_case),
  );
  put(
    'worst_stress_delta',
    'stress-report',
    cases.length === 0 ? null : Math.min(...cases.map((row) => Number(row.pessimistic_pnl_delta))),
  );
  put('gate5_live_enabled', 'gate-report', policy.ramp.gate5_live_enabled, 'observed');
  put('alpha_verdict', report, alpha.alpha_verdict);

  put('baseline_trades', 'baseline-report', baseline.totals.trade_count);
  put('net_pnl_delta', report, Number(benchmark.net_pnl_delta));
  put('marked_net_pnl_delta', report, Number(benchmark.marked_pnl_delta));
  const traded = evaluation.regimes.filter(
    ({ candidate_trades, baseline_trades }) => candidate_trades + baseline_trades > 0,
  );
  // What kind of market it was has to be known for the candidate to have been better in it.
  const known = traded.filter(({ regime_label }) => !regime_label.includes('unknown'));
  const won = known.filter(
    ({ candidate_profit, baseline_profit }) => Number(candidate_profit) > Number(baseline_profit),
  );
  put('regimes_with_trades', report, known.length);
  put('regimes_won_ratio', report, traded.length === 0 ? null : won.length / traded.length);
  put('return_over_drawdown', report, benchmark.return_over_drawdown.value);
  put('calibration_samples', report, calibration.expected_calibration_error.sample);
  put('expected_calibration_error', report, calibration.expected_calibration_error.value);
  put('dataset_digest', 'dataset', digests.dataset);
  put('config_digest', 'candidate-spec', digests.candidateSpec);
  put('policy_digest', 'gate-report', digests.policy, 'observed');
  put('candidate_report_digest', report, digests.evaluation);
  put('baseline_report_digest', 'baseline-report', digests.baseline);
  if (candidateSpec.inputs.dataset_hash !== evaluation.dataset_hash)
    throw new RangeError(`expected reports of dataset ${candidateSpec.inputs.dataset_hash}, found others`);

  for (const name of externalInputs) {
    const given = external[name];
    if (given !== undefined) inputs[name] = given;
  }
  return inputs;
};
