import { drillKinds, type Stage } from '../../enumerations.ts';
import { hour, parseInstant, type Instant } from '../../instant.ts';
import { featureContractHash } from '../../features/contract.ts';
import type { CheckCode, GateCode, NotApplicableCode } from './codes.ts';
import { inputTable, valueOf, type GateInputs, type InputName, type ValueOf } from './inputs.ts';
import type { GatePolicy } from './policy.ts';

/** What a check knows beside its own figure. */
export interface CheckContext {
  readonly inputs: GateInputs;
  readonly policy: GatePolicy;
  readonly target: Stage;
  readonly evaluatedAt: Instant;
}

/** What a check found against a figure; null when nothing. */
export interface Objection {
  readonly status: 'fail' | 'inconclusive';
  readonly code: GateCode;
  /** What was expected and what was found. */
  readonly detail: string;
}

export interface Check {
  readonly gateId: number;
  readonly input: InputName;
  /** Why the check does not apply; null when it does. */
  readonly notApplicable: (context: CheckContext) => NotApplicableCode | null;
  /** Of a figure without a value. */
  readonly missing: Omit<Objection, 'detail'>;
  readonly judge: (context: CheckContext) => Objection | null;
}

interface CheckOptions {
  readonly notApplicable?: (context: CheckContext) => NotApplicableCode | null;
  readonly missing?: CheckCode;
  readonly missingStatus?: Objection['status'];
  readonly status?: Objection['status'];
}

const always = (): null => null;

/** A check of one figure: `expected` says what it should be, in words, when it is not. */
const check = <Name extends InputName>(
  gateId: number,
  input: Name,
  code: CheckCode,
  expected: (value: ValueOf<Name>, context: CheckContext) => string | null,
  options: CheckOptions = {},
): Check => ({
  gateId,
  input,
  notApplicable: options.notApplicable ?? always,
  missing: { status: options.missingStatus ?? 'fail', code: options.missing ?? `${input}_missing` },
  judge: (context) => {
    const value = valueOf(context.inputs, input);
    if (value === null || value === undefined) return null;
    const wanted = expected(value, context);
    if (wanted === null) return null;
    const unit = inputTable[input].unit;
    const found = Array.isArray(value) ? value.join(', ') : String(value);
    return { status: options.status ?? 'fail', code, detail: `expected ${wanted}, found ${found} (${unit})` };
  },
});

type NumberInput = {
  [Name in InputName]: (typeof inputTable)[Name]['kind'] extends 'number' ? Name : never;
}[InputName];

const atMost = (
  gateId: number,
  input: NumberInput,
  limit: (policy: GatePolicy) => number,
  code: CheckCode,
  options?: CheckOptions,
): Check =>
  check(
    gateId,
    input,
    code,
    (value, { policy }) => (value <= limit(policy) ? null : `at most ${limit(policy)}`),
    options,
  );

const atLeast = (
  gateId: number,
  input: NumberInput,
  limit: (policy: GatePolicy) => number,
  code: CheckCode,
  options?: CheckOptions,
): Check =>
  check(
    gateId,
    input,
    code,
    (value, { policy }) => (value >= limit(policy) ? null : `at least ${limit(policy)}`),
    options,
  );

/** A figure that is shown and has no threshold: only its absence is judged. */
const shown = (gateId: number, input: InputName, missing?: Omit<Objection, 'detail'>): Check => ({
  gateId,
  input,
  notApplicable: always,
  missing: missing ?? { status: 'fail', code: `${input}_missing` },
  judge: always,
});

export const capitalStages: readonly Stage[] = ['canary', 'live', 'full'];
const isCapital = (target: Stage): boolean => capitalStages.includes(target);

const onlyForCapital =
  (code: NotApplicableCode) =>
  ({ target }: CheckContext): NotApplicableCode | null =>
    isCapital(target) ? null : code;
const onlyForTargets =
  (...targets: readonly Stage[]) =>
  ({ target }: CheckContext): NotApplicableCode | null =>
    targets.includes(target) ? null : 'gate_not_required_for_target';

const withAdviser = ({ inputs }: CheckContext): NotApplicableCode | null =>
  valueOf(inputs, 'llm_stage') === 0 ? 'llm_disabled' : null;
const withSeveralTrials = ({ inputs }: CheckContext): NotApplicableCode | null => {
  const trials = valueOf(inputs, 'trials_in_run');
  return typeof trials === 'number' && trials < 2 ? 'pbo_single_trial' : null;
};
const withSamples = ({ inputs, policy }: CheckContext): boolean => {
  const samples = valueOf(inputs, 'calibration_samples');
  return typeof samples === 'number' && samples >= policy.profitability.least_calibration_samples;
};

const tca = { notApplicable: onlyForCapital('tca_not_required_for_target'), missing: 'tca_evidence_missing' } as const;
const paper = { missing: 'paper_evidence_missing' } as const;
const adviser = { ...paper, notApplicable: withAdviser } as const;
const comparison = { missing: 'profitability_evidence_missing' } as const;

const ageHours = ({ inputs, evaluatedAt }: CheckContext, input: InputName): number =>
  (evaluatedAt - parseInstant(inputs[input]?.observed_at ?? '')) / hour;

/** Drills the policy names: each made, in time, and with success. */
const drillChecks = (kind: (typeof drillKinds)[number]): readonly Check[] => {
  const drill = `drill_${kind}` as const;
  const notApplicable = ({ policy }: CheckContext): NotApplicableCode | null =>
    policy.operations.drills.includes(kind) ? null : 'gate_not_required_for_target';
  return [
    check(4, drill, 'drill_failed', (outcome) => (outcome === 'succeeded' ? null : 'succeeded'), {
      missing: 'drill_missing',
      notApplicable,
    }),
    check(
      4,
      drill,
      'drill_stale',
      (_, context) => {
        const { most_drill_age_hours, most_drill_age_hours_for_paper } = context.policy.operations;
        const most = isCapital(context.target) ? most_drill_age_hours : most_drill_age_hours_for_paper;
        const age = ageHours(context, drill);
        return age >= 0 && age <= most ? null : `a drill of the last ${most} hours, one ${age.toFixed(1)} hours ago`;
      },
      { missing: 'drill_missing', notApplicable },
    ),
  ];
};

const digestCheck = (input: InputName): Check =>
  shown(6, input, { status: 'fail', code: 'reproducibility_hash_missing' });

/** All checks in the order of the report. */
export const checks: readonly Check[] = [
  check(0, 'feature_contract_version', 'schema_version_incompatible', (version, { policy }) =>
    version === policy.integrity.feature_contract_version ? null : policy.integrity.feature_contract_version,
  ),
  check(0, 'feature_contract_hash', 'feature_hash_mismatch', (hash) =>
    hash === featureContractHash ? null : featureContractHash,
  ),
  atMost(
    0,
    'required_feature_null_rate',
    ({ integrity }) => integrity.most_null_rate,
    'required_feature_null_rate_exceeded',
  ),
  atMost(
    0,
    'feature_staleness_p95',
    ({ integrity }) => integrity.most_staleness_p95_ms,
    'feature_staleness_exceeds_budget',
  ),
  atLeast(0, 'symbols', ({ integrity }) => integrity.least_symbols, 'symbol_coverage_below_minimum'),
  shown(0, 'window_overlap'),

  atLeast(1, 'signals', ({ robustness }) => robustness.least_signals, 'insufficient_signals'),
  atLeast(1, 'decisions', ({ robustness }) => robustness.least_decisions, 'insufficient_decisions'),
  atLeast(1, 'trades', ({ robustness }) => robustness.least_trades, 'insufficient_trades'),
  atLeast(1, 'net_pnl', ({ robustness }) => robustness.least_net_pnl_usd, 'net_pnl_below_minimum'),
  // What is left open at a loss counts as well; what is left open at a gain never makes up for a loss that was realised.
  atLeast(1, 'marked_net_pnl', ({ robustness }) => robustness.least_net_pnl_usd, 'net_pnl_below_minimum'),
  atLeast(1, 'folds', ({ robustness }) => robustness.least_folds, 'insufficient_folds'),
  atMost(
    1,
    'negative_fold_ratio',
    ({ robustness }) => robustness.most_negative_fold_ratio,
    'negative_fold_ratio_exceeded',
  ),
  atMost(1, 'net_pnl_cv', ({ robustness }) => robustness.most_net_pnl_cv, 'net_pnl_cv_exceeded'),
  shown(1, 'trials_in_run'),
  shown(1, 'n_trials'),
  shown(1, 'psr', { status: 'inconclusive', code: 'psr_undefined' }),
  shown(1, 'dsr', { status: 'inconclusive', code: 'dsr_undefined' }),
  atMost(1, 'pbo', ({ robustness }) => robustness.most_pbo, 'pbo_exceeded', { notApplicable: withSeveralTrials }),
  atLeast(
    1,
    'mean_trade_net_low',
    ({ robustness }) => robustness.least_mean_trade_net_bps,
    'confidence_envelope_exceeded',
  ),
  atMost(1, 'lookahead_differences', () => 0, 'lookahead_detected'),
  atMost(1, 'recursion_differences', () => 0, 'recursive_instability'),

  atMost(2, 'max_drawdown', ({ risk }) => risk.most_drawdown_usd, 'drawdown_exceeds_maximum'),
  atMost(2, 'turnover_ratio', ({ risk }) => risk.most_turnover_ratio, 'turnover_ratio_exceeds_maximum'),
  atMost(2, 'cost', ({ risk }) => risk.most_cost_bps, 'cost_bps_exceeds_maximum'),
  check(
    2,
    'stress_cases',
    'stress_missing',
    (found, { policy }) => {
      const missing = policy.risk.stress_cases.filter((stressCase) => !found.includes(stressCase));
      return missing.length === 0 ? null : `${missing.join(', ')} as well`;
    },
    { missing: 'stress_missing' },
  ),
  check(2, 'stress_not_reevaluated', 'stress_not_reevaluated', (names) =>
    names.length === 0 ? null : 'fills of its own in every case',
  ),
  check(
    2,
    'worst_stress_delta',
    'stress_loss_exceeded',
    (delta, { inputs, policy }) => {
      const net = valueOf(inputs, 'net_pnl');
      const base = typeof net === 'number' ? Math.abs(net) : 0;
      const least = -policy.risk.stress_loss_multiple * base - policy.risk.stress_loss_usd;
      return delta >= least ? null : `at least ${least}`;
    },
    { missing: 'stress_missing' },
  ),
  atMost(2, 'tca_slippage', ({ risk }) => risk.most_tca_slippage_bps, 'tca_slippage_exceeded', tca),
  atMost(2, 'tca_shortfall', ({ risk }) => risk.most_tca_shortfall_usd, 'tca_shortfall_exceeded', tca),
  atMost(2, 'tca_churn_ratio', ({ risk }) => risk.most_tca_churn_ratio, 'tca_churn_ratio_exceeded', tca),

  shown(3, 'llm_stage', { status: 'fail', code: 'paper_evidence_missing' }),
  atMost(3, 'llm_error_ratio', (policy) => policy.paper.most_llm_error_ratio, 'llm_error_ratio_exceeded', adviser),
  atMost(
    3,
    'llm_parse_error_ratio',
    (policy) => policy.paper.most_llm_parse_error_ratio,
    'llm_parse_ratio_exceeded',
    adviser,
  ),
  atMost(3, 'reject_ratio', (policy) => policy.paper.most_reject_ratio, 'reject_ratio_exceeded', paper),
  atMost(3, 'fallback_ratio', (policy) => policy.paper.most_fallback_ratio, 'fallback_ratio_exceeded', paper),
  atLeast(
    3,
    'route_provenance_coverage',
    (policy) => policy.paper.least_provenance_coverage,
    'route_provenance_incomplete',
    paper,
  ),
  check(3, 'parity_passed', 'parity_not_passed', (passed) => (passed ? null : 'true'), {
    ...paper,
    notApplicable: onlyForCapital('parity_not_required_for_target'),
  }),

  ...drillKinds.flatMap(drillChecks),
  atMost(4, 'open_critical_breaks', () => 0, 'reconciliation_open_breaks'),
  check(
    4,
    'alarms_without_data',
    'alarm_coverage_incomplete',
    (names) => (names.length === 0 ? null : 'data of every alarm'),
    { missing: 'alarm_coverage_incomplete' },
  ),
  check(
    4,
    'runbook_digest',
    'runbook_not_validated',
    (_, context) => {
      const most = context.policy.operations.most_runbook_age_days;
      const days = ageHours(context, 'runbook_digest') / 24;
      return days >= 0 && days <= most ? null : `a reading of the last ${most} days, one ${days.toFixed(1)} days ago`;
    },
    { missing: 'runbook_not_validated' },
  ),

  check(5, 'gate5_live_enabled', 'live_rollout_disabled_by_policy', (enabled) => (enabled ? null : 'true')),
  check(5, 'prelive_checkpoint_passed', 'prelive_checkpoint_failed', (passed) => (passed ? null : 'true'), {
    missing: 'prelive_checkpoint_failed',
    notApplicable: onlyForTargets('canary'),
  }),
  check(5, 'ramp_criteria_met', 'ramp_criteria_not_met', (met) => (met ? null : 'true'), {
    missing: 'ramp_criteria_not_met',
    notApplicable: onlyForTargets('live', 'full'),
  }),
  check(5, 'signal_continuity_alert', 'signal_continuity_alert_active', (active) => (active ? 'false' : null)),
  check(5, 'alpha_verdict', 'alpha_refuted', (verdict) =>
    verdict === 'REFUTED' ? 'a record that is not REFUTED' : null,
  ),
  check(5, 'alpha_verdict', 'alpha_not_supported', (verdict) => (verdict === 'SUPPORTED' ? null : 'SUPPORTED'), {
    notApplicable: onlyForTargets('full'),
  }),

  atLeast(6, 'baseline_trades', () => 1, 'baseline_no_trades', { missing: 'baseline_no_trades' }),
  atLeast(
    6,
    'net_pnl_delta',
    ({ profitability }) => profitability.least_net_pnl_delta_usd,
    'benchmark_delta_negative',
    comparison,
  ),
  atLeast(
    6,
    'marked_net_pnl_delta',
    ({ profitability }) => profitability.least_net_pnl_delta_usd,
    'benchmark_delta_negative',
    comparison,
  ),
  atLeast(
    6,
    'regimes_with_trades',
    ({ profitability }) => profitability.least_regimes,
    'regime_coverage_insufficient',
    comparison,
  ),
  atLeast(
    6,
    'regimes_won_ratio',
    ({ profitability }) => profitability.least_regimes_won,
    'regime_coverage_insufficient',
    comparison,
  ),
  atLeast(
    6,
    'return_over_drawdown',
    ({ profitability }) => profitability.least_return_over_drawdown,
    'net_pnl_below_minimum',
    comparison,
  ),
  atMost(6, 'cost', ({ profitability }) => profitability.most_cost_bps, 'cost_bps_exceeds_maximum', comparison),
  atLeast(
    6,
    'calibration_samples',
    ({ profitability }) => profitability.least_calibration_samples,
    'calibration_insufficient_samples',
    { ...comparison, status: 'inconclusive' },
  ),
  check(
    6,
    'expected_calibration_error',
    'calibration_error_exceeded',
    (error, context) =>
      !withSamples(context) || error <= context.policy.profitability.most_calibration_error
        ? null
        : `at most ${context.policy.profitability.most_calibration_error}`,
    // Too few samples have no error; that is a doubt, as their number is, and no failure.
    { missing: 'calibration_insufficient_samples', missingStatus: 'inconclusive' },
  ),
  digestCheck('dataset_digest'),
  digestCheck('config_digest'),
  digestCheck('policy_digest'),
  digestCheck('candidate_report_digest'),
  digestCheck('baseline_report_digest'),
];
