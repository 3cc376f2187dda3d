import { qualityCodes, type ReasonCode } from '../../reason-codes.ts';
import { inputNames, type InputName } from './inputs.ts';

const gate = <const Code extends string, const Id extends number>(id: Id, code: Code, meaning: string) =>
  ({ code, group: `gate ${id}`, number: null, skippedWhenReducing: false, meaning }) as const;

/** Codes the quality gate of live batches has as well keep its meaning and its row. */
const ofQuality = <const Code extends (typeof qualityCodes)[number]['code']>(code: Code) => {
  const row = qualityCodes.find((one) => one.code === code);
  if (row === undefined) throw new RangeError(`expected a quality code, found ${code}`);
  return row as ReasonCode & { readonly code: Code };
};

/** Codes of failed and undecided checks, in the order in which a report lists them. */
export const checkCodes = [
  gate(0, 'schema_version_incompatible', 'the dataset has signals of another version of the feature contract'),
  gate(0, 'feature_hash_mismatch', 'the feature contract of the dataset is not the one this code was built with'),
  ofQuality('required_feature_null_rate_exceeded'),
  ofQuality('feature_staleness_exceeds_budget'),
  gate(0, 'symbol_coverage_below_minimum', 'too few symbols have bars'),
  gate(1, 'insufficient_signals', 'too few rows were shown to the strategy'),
  gate(1, 'insufficient_decisions', 'the strategy decided too rarely'),
  gate(1, 'insufficient_trades', 'too few positions were closed'),
  gate(1, 'net_pnl_below_minimum', 'realised profit after costs is below its minimum'),
  gate(1, 'insufficient_folds', 'too few folds'),
  gate(1, 'negative_fold_ratio_exceeded', 'too many folds lost'),
  gate(1, 'net_pnl_cv_exceeded', 'profit varies too much from fold to fold'),
  gate(1, 'pbo_exceeded', 'the probability of backtest overfitting is too high'),
  gate(1, 'confidence_envelope_exceeded', 'the lower bound of the mean profit of a trade is too low'),
  gate(1, 'psr_undefined', 'the returns have no Sharpe ratio, so nothing can be said of it'),
  gate(1, 'dsr_undefined', 'the returns have no Sharpe ratio that could be deflated'),
  gate(1, 'lookahead_detected', 'decisions of the past change with the future'),
  gate(1, 'recursive_instability', 'decisions depend on where the history begins'),
  gate(2, 'drawdown_exceeds_maximum', 'the deepest fall is too deep'),
  gate(2, 'turnover_ratio_exceeds_maximum', 'too much is traded for the equity'),
  gate(2, 'cost_bps_exceeds_maximum', 'trading costs too much of what is traded'),
  gate(2, 'stress_missing', 'a stress case was not evaluated'),
  gate(2, 'stress_not_reevaluated', 'a stress case has the fills of the undisturbed run'),
  gate(2, 'stress_loss_exceeded', 'a stress case loses too much'),
  gate(2, 'tca_slippage_exceeded', 'observed slippage is too high'),
  gate(2, 'tca_shortfall_exceeded', 'observed shortfall is too high'),
  gate(2, 'tca_churn_ratio_exceeded', 'too many orders undo one before'),
  gate(2, 'tca_evidence_missing', 'no cost analysis of real orders'),
  gate(3, 'llm_error_ratio_exceeded', 'the adviser fails too often'),
  gate(3, 'llm_parse_ratio_exceeded', 'the adviser answers in another form too often'),
  gate(3, 'reject_ratio_exceeded', 'the broker refuses too many orders'),
  gate(3, 'fallback_ratio_exceeded', 'too many orders take the second route'),
  gate(3, 'route_provenance_incomplete', 'orders without the route they took'),
  gate(3, 'parity_not_passed', 'the routes were not shown to do the same'),
  gate(3, 'paper_evidence_missing', 'no record of paper trading'),
  gate(4, 'drill_missing', 'a drill was never made'),
  gate(4, 'drill_stale', 'a drill is too long ago'),
  gate(4, 'drill_failed', 'a drill failed'),
  gate(4, 'reconciliation_open_breaks', 'critical breaks are open'),
  gate(4, 'alarm_coverage_incomplete', 'an alarm has no data'),
  gate(4, 'runbook_not_validated', 'the runbooks were not read again in time'),
  gate(5, 'live_rollout_disabled_by_policy', 'the policy admits no capital stage'),
  gate(5, 'approval_missing', 'no valid approval'),
  gate(5, 'approval_digest_mismatch', 'the approval is for other evidence'),
  gate(5, 'prelive_checkpoint_failed', 'the checkpoint before capital was not passed'),
  gate(5, 'ramp_criteria_not_met', 'the stage held so far was not proved long enough'),
  gate(5, 'signal_continuity_alert_active', 'the signal is not continuous'),
  gate(5, 'alpha_refuted', 'the record speaks against the strategy'),
  gate(5, 'alpha_not_supported', 'the record is too short for full capital'),
  gate(6, 'baseline_no_trades', 'the baseline did not trade, so nothing was compared'),
  gate(6, 'benchmark_delta_negative', 'the baseline earned more'),
  gate(6, 'regime_coverage_insufficient', 'better than the baseline in too few kinds of market'),
  gate(6, 'profitability_evidence_missing', 'a figure of the comparison has no value'),
  gate(6, 'calibration_error_exceeded', 'confidence says too little about the outcome'),
  gate(6, 'calibration_insufficient_samples', 'too few entries to judge confidence by'),
  gate(6, 'reproducibility_hash_missing', 'a digest is missing that reproduction starts from'),
] as const;

/** Codes any input can have. */
export const evidenceCodes = [
  { code: 'simulated_evidence_refused', group: 'evidence', meaning: 'the figure was simulated, not observed' },
  { code: 'evidence_unit_mismatch', group: 'evidence', meaning: 'the figure has another unit or type than expected' },
] as const;

/** Why a check or a gate does not apply. */
export const notApplicableCodes = [
  { code: 'pbo_single_trial', group: 'not applicable', meaning: 'one trial cannot be overfitted to by choosing' },
  { code: 'tca_not_required_for_target', group: 'not applicable', meaning: 'the target has no real orders' },
  { code: 'parity_not_required_for_target', group: 'not applicable', meaning: 'the target is not capital' },
  { code: 'llm_disabled', group: 'not applicable', meaning: 'the adviser is off' },
  { code: 'gate_not_required_for_target', group: 'not applicable', meaning: 'the gate stands before other targets' },
] as const;

export type CheckCode = (typeof checkCodes)[number]['code'];
export type EvidenceCode = (typeof evidenceCodes)[number]['code'];
export type NotApplicableCode = (typeof notApplicableCodes)[number]['code'];
/** An input without a code of its own for being absent. */
export type MissingCode = `${InputName}_missing`;
export type GateCode = CheckCode | EvidenceCode | NotApplicableCode | MissingCode;

/** The whole table, in the form and with the order of the other reason codes. */
export const gateCodes: readonly ReasonCode[] = [
  ...checkCodes,
  ...[...evidenceCodes, ...notApplicableCodes].map((row) => ({ ...row, number: null, skippedWhenReducing: false })),
  ...inputNames.map((name) => ({
    code: `${name}_missing`,
    group: 'evidence',
    number: null,
    skippedWhenReducing: false,
    meaning: `there is no figure of ${name.replaceAll('_', ' ')}`,
  })),
];

const position = new Map(gateCodes.map(({ code }, index) => [code, index]));

/** Each code once, in the order of the table. */
export const inGateOrder = (codes: Iterable<GateCode>): readonly GateCode[] =>
  [...new Set(codes)].sort((a, b) => (position.get(a) ?? Infinity) - (position.get(b) ?? Infinity));
