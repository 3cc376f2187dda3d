import {
  featureContractHash,
  featureContractVersion,
  minute,
  qualityCodes,
  reasonCodes,
  stages,
  toText,
  type Stage,
} from '@torghut/domain';
import {
  blockingCodes,
  checks,
  defaultGatePolicy,
  gateCodes,
  gatePolicyDigest,
  gatePolicySchema,
  gateTable,
  inGateOrder,
  inputNames,
  inputTable,
  judgeGates,
  recommendedStage,
  verdictOf,
  type GateInput,
  type GateInputs,
  type GatePolicy,
  type GateRow,
  type InputName,
} from '@torghut/domain/research';
import { describe, expect, it, test } from 'vitest';

const evaluatedAt = Date.parse('2026-05-12T21:00:00.000Z');
const policy: GatePolicy = { ...defaultGatePolicy, ramp: { gate5_live_enabled: true } };

/** A value of every figure that no check objects to. */
const good: Record<InputName, GateInput['value']> = {
  feature_contract_version: featureContractVersion,
  feature_contract_hash: featureContractHash,
  required_feature_null_rate: 0.01,
  feature_staleness_p95: 120_000,
  symbols: 1,
  window_overlap: 15,
  signals: 1_000,
  decisions: 30,
  trades: 20,
  net_pnl: 0,
  marked_net_pnl: 0,
  folds: 5,
  negative_fold_ratio: 0.5,
  net_pnl_cv: 2,
  trials_in_run: 20,
  n_trials: 20,
  psr: 0.99,
  dsr: 0.96,
  pbo: 0.5,
  mean_trade_net_low: -5,
  lookahead_differences: 0,
  recursion_differences: 0,
  max_drawdown: 250,
  turnover_ratio: 8,
  cost: 35,
  stress_cases: [...policy.risk.stress_cases],
  stress_not_reevaluated: [],
  worst_stress_delta: -50,
  tca_slippage: 25,
  tca_shortfall: 25,
  tca_churn_ratio: 0.75,
  llm_stage: 1,
  llm_error_ratio: 0.1,
  llm_parse_error_ratio: 0.05,
  reject_ratio: 0.25,
  fallback_ratio: 0.15,
  route_provenance_coverage: 0.99,
  parity_passed: true,
  drill_kill_switch: 'succeeded',
  drill_rollback: 'succeeded',
  drill_cancel_all: 'succeeded',
  drill_flatten: 'succeeded',
  drill_lean_disable: 'succeeded',
  drill_restore: 'succeeded',
  drill_replay: 'succeeded',
  open_critical_breaks: 0,
  alarms_without_data: [],
  runbook_digest: 'a'.repeat(64),
  gate5_live_enabled: true,
  prelive_checkpoint_passed: true,
  ramp_criteria_met: true,
  signal_continuity_alert: false,
  alpha_verdict: 'SUPPORTED',
  baseline_trades: 1,
  net_pnl_delta: 0,
  marked_net_pnl_delta: 0,
  regimes_with_trades: 2,
  regimes_won_ratio: 0.5,
  return_over_drawdown: 0,
  calibration_samples: 50,
  expected_calibration_error: 0.1,
  dataset_digest: 'a'.repeat(64),
  config_digest: 'a'.repeat(64),
  policy_digest: 'a'.repeat(64),
  candidate_report_digest: 'a'.repeat(64),
  baseline_report_digest: 'a'.repeat(64),
};

const figure = (name: InputName, change: Partial<GateInput> = {}): GateInput => ({
  value: good[name],
  unit: inputTable[name].unit,
  source: 'test',
  observed_at: toText(evaluatedAt),
  artifact_ref: 'test',
  evidence_class: 'observed',
  ...change,
});
const allGood: GateInputs = Object.fromEntries(inputNames.map((name) => [name, figure(name)]));
const withFigure = (name: InputName, change: Partial<GateInput>): GateInputs => ({
  ...allGood,
  [name]: figure(name, change),
});
const without = (name: InputName): GateInputs =>
  Object.fromEntries(Object.entries(allGood).filter(([own]) => own !== name));
const judge = (inputs: GateInputs, target: Stage): readonly GateRow[] =>
  judgeGates({ inputs, policy, target, evaluatedAt });
const hours = (count: number): Partial<GateInput> => ({ observed_at: toText(evaluatedAt - count * 60 * minute) });

describe('[R6] gates', () => {
  test.each(stages)('pass for %s with every figure at its limit', (target) => {
    const gates = judge(allGood, target);
    expect(gates.map(({ gate_id }) => gate_id)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(gates.flatMap(({ details }) => Object.values(details))).toEqual([]);
    expect(verdictOf(gates)).toBe('PASS');
  });

  const beyond: readonly (readonly [InputName, GateInput['value'], string])[] = [
    ['feature_contract_version', '2.9.0', 'schema_version_incompatible'],
    ['feature_contract_hash', 'f'.repeat(64), 'feature_hash_mismatch'],
    ['required_feature_null_rate', 0.0101, 'required_feature_null_rate_exceeded'],
    ['feature_staleness_p95', 120_001, 'feature_staleness_exceeds_budget'],
    ['symbols', 0, 'symbol_coverage_below_minimum'],
    ['signals', 999, 'insufficient_signals'],
    ['decisions', 29, 'insufficient_decisions'],
    ['trades', 19, 'insufficient_trades'],
    ['net_pnl', -0.01, 'net_pnl_below_minimum'],
    ['marked_net_pnl', -0.01, 'net_pnl_below_minimum'],
    ['folds', 4, 'insufficient_folds'],
    ['negative_fold_ratio', 0.51, 'negative_fold_ratio_exceeded'],
    ['net_pnl_cv', 2.01, 'net_pnl_cv_exceeded'],
    ['pbo', 0.51, 'pbo_exceeded'],
    ['mean_trade_net_low', -5.01, 'confidence_envelope_exceeded'],
    ['lookahead_differences', 1, 'lookahead_detected'],
    ['recursion_differences', 1, 'recursive_instability'],
    ['max_drawdown', 250.01, 'drawdown_exceeds_maximum'],
    ['turnover_ratio', 8.01, 'turnover_ratio_exceeds_maximum'],
    ['cost', 35.01, 'cost_bps_exceeds_maximum'],
    ['stress_cases', policy.risk.stress_cases.slice(1), 'stress_missing'],
    ['stress_not_reevaluated', ['spread_x2'], 'stress_not_reevaluated'],
    ['worst_stress_delta', -50.01, 'stress_loss_exceeded'],
    ['tca_slippage', 25.01, 'tca_slippage_exceeded'],
    ['tca_shortfall', 25.01, 'tca_shortfall_exceeded'],
    ['tca_churn_ratio', 0.76, 'tca_churn_ratio_exceeded'],
    ['llm_error_ratio', 0.11, 'llm_error_ratio_exceeded'],
    ['llm_parse_error_ratio', 0.06, 'llm_parse_ratio_exceeded'],
    ['reject_ratio', 0.26, 'reject_ratio_exceeded'],
    ['fallback_ratio', 0.16, 'fallback_ratio_exceeded'],
    ['route_provenance_coverage', 0.98, 'route_provenance_incomplete'],
    ['parity_passed', false, 'parity_not_passed'],
    ['drill_kill_switch', 'failed', 'drill_failed'],
    ['drill_rollback', 'failed', 'drill_failed'],
    ['drill_lean_disable', 'failed', 'drill_failed'],
    ['open_critical_breaks', 1, 'reconciliation_open_breaks'],
    ['alarms_without_data', ['cycle-late'], 'alarm_coverage_incomplete'],
    ['gate5_live_enabled', false, 'live_rollout_disabled_by_policy'],
    ['prelive_checkpoint_passed', false, 'prelive_checkpoint_failed'],
    ['signal_continuity_alert', true, 'signal_continuity_alert_active'],
    ['alpha_verdict', 'REFUTED', 'alpha_refuted'],
    ['baseline_trades', 0, 'baseline_no_trades'],
    ['net_pnl_delta', -0.01, 'benchmark_delta_negative'],
    ['marked_net_pnl_delta', -0.01, 'benchmark_delta_negative'],
    ['regimes_with_trades', 1, 'regime_coverage_insufficient'],
    ['regimes_won_ratio', 0.49, 'regime_coverage_insufficient'],
    ['return_over_drawdown', -0.01, 'net_pnl_below_minimum'],
    ['expected_calibration_error', 0.11, 'calibration_error_exceeded'],
  ];
  test.each(beyond)('%s of %s fails canary with %s, and says what was expected and found', (name, value, code) => {
    const gates = judge(withFigure(name, { value }), 'canary');
    expect(verdictOf(gates)).toBe('FAIL');
    expect(blockingCodes(gates)).toEqual([code]);
    expect(gates.find(({ status }) => status === 'fail')?.details[code]).toMatch(/expected .*, found /);
  });

  it('judge a loss under stress by the size of the undisturbed profit', () => {
    const inputs = (delta: number) => ({
      ...withFigure('worst_stress_delta', { value: delta }),
      net_pnl: figure('net_pnl', { value: 100 }),
    });
    expect(verdictOf(judge(inputs(-250), 'paper'))).toBe('PASS');
    expect(blockingCodes(judge(inputs(-250.01), 'paper'))).toEqual(['stress_loss_exceeded']);
  });

  test.each([
    ['drill_rollback', 72.1, 'canary', ['drill_stale']],
    ['drill_rollback', 72, 'canary', []],
    ['drill_rollback', 168, 'paper', []],
    ['drill_rollback', 168.1, 'paper', ['drill_stale']],
    ['drill_rollback', -1, 'paper', ['drill_stale']],
    ['runbook_digest', 24 * 90, 'paper', []],
    ['runbook_digest', 24 * 90 + 1, 'paper', ['runbook_not_validated']],
  ] as const)('%s of %s hours ago gives %s %s', (name, age, target, codes) => {
    expect(blockingCodes(judge(withFigure(name, hours(age)), target))).toEqual(codes);
  });

  it('leave calibration open where too few samples have no error at all', () => {
    const gates = judgeGates({
      inputs: {
        ...withFigure('calibration_samples', { value: 3 }),
        expected_calibration_error: figure('expected_calibration_error', { value: null }),
      },
      policy,
      target: 'paper',
      evaluatedAt,
    });
    expect(gates[6]).toMatchObject({ status: 'inconclusive', codes: ['calibration_insufficient_samples'] });
    expect(verdictOf(gates)).toBe('INCONCLUSIVE');
  });

  it('leave calibration open while there are too few samples, whatever they say', () => {
    const inputs = {
      ...withFigure('calibration_samples', { value: 49 }),
      expected_calibration_error: figure('expected_calibration_error', { value: 0.9 }),
    };
    const gates = judge(inputs, 'paper');
    expect(verdictOf(gates)).toBe('INCONCLUSIVE');
    expect(blockingCodes(gates)).toEqual(['calibration_insufficient_samples']);
  });

  test.each(inputNames)('without %s no target that asks for it passes', (name) => {
    const asking = stages.filter((target) =>
      checks.some(
        (one) =>
          one.input === name &&
          (gateTable[one.gateId]?.targets ?? []).includes(target) &&
          one.notApplicable({ inputs: allGood, policy, target, evaluatedAt }) === null,
      ),
    );
    const unused = ['drill_cancel_all', 'drill_flatten', 'drill_restore', 'drill_replay'];
    if (!unused.includes(name)) expect(asking.length).toBeGreaterThan(0);
    for (const target of stages) {
      const gates = judge(without(name), target);
      if (asking.includes(target)) expect(verdictOf(gates)).not.toBe('PASS');
      for (const code of gates.flatMap(({ codes }) => codes)) expect(gateCodes.map((row) => row.code)).toContain(code);
    }
  });

  test.each(inputNames)(
    'a simulated %s is refused wherever it is asked for, and in another unit it is none',
    (name) => {
      const passes = verdictOf(judge(without(name), 'live')) === 'PASS';
      const simulated = judge(withFigure(name, { evidence_class: 'simulated' }), 'live');
      expect(blockingCodes(simulated)).toEqual(passes ? [] : ['simulated_evidence_refused']);
      const strange = judge(withFigure(name, { unit: 'furlongs' }), 'live');
      expect(blockingCodes(strange).includes('evidence_unit_mismatch')).toBe(!passes);
    },
  );

  it('ask for an adviser only where there is one, for PBO only among trials, for real orders only before capital', () => {
    const inputs = {
      ...allGood,
      llm_stage: figure('llm_stage', { value: 0 }),
      trials_in_run: figure('trials_in_run', { value: 1 }),
      pbo: figure('pbo', { value: null }),
      llm_error_ratio: figure('llm_error_ratio', { value: null }),
      llm_parse_error_ratio: figure('llm_parse_error_ratio', { value: null }),
      tca_slippage: figure('tca_slippage', { value: null }),
      parity_passed: figure('parity_passed', { value: null }),
    };
    const gates = judge(inputs, 'paper');
    expect(verdictOf(gates)).toBe('PASS');
    expect(gates.flatMap(({ codes }) => codes)).toEqual([
      'pbo_single_trial',
      'tca_not_required_for_target',
      'parity_not_required_for_target',
      'llm_disabled',
      'gate_not_required_for_target',
    ]);
    expect(blockingCodes(judge(inputs, 'canary'))).toEqual(['tca_evidence_missing', 'paper_evidence_missing']);
  });

  it('recommend the highest stage that passes, and shadow when none does', () => {
    const stageOf = (inputs: GateInputs): Stage => recommendedStage({ inputs, policy, evaluatedAt });
    expect(stageOf(allGood)).toBe('full');
    expect(stageOf(withFigure('alpha_verdict', { value: 'INSUFFICIENT_EVIDENCE' }))).toBe('live');
    expect(stageOf(withFigure('gate5_live_enabled', { value: false }))).toBe('paper');
    expect(stageOf(withFigure('net_pnl', { value: -1 }))).toBe('shadow');
  });

  it('prefer a failure to a doubt in the verdict', () => {
    const inputs = { ...withFigure('psr', { value: null }), net_pnl: figure('net_pnl', { value: -1 }) };
    expect(verdictOf(judge(withFigure('psr', { value: null }), 'shadow'))).toBe('INCONCLUSIVE');
    expect(verdictOf(judge(inputs, 'shadow'))).toBe('FAIL');
  });
});

describe('gate codes', () => {
  it('are a table without repetition that shares only quality codes with the reasons of trading, meaning included', () => {
    const codes = gateCodes.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    const known = new Map(reasonCodes.map((row) => [row.code, row]));
    const quality = qualityCodes.map(({ code }): string => code);
    for (const row of gateCodes) {
      const other = known.get(row.code);
      if (other === undefined) continue;
      expect(quality).toContain(row.code);
      expect(row).toEqual(other);
    }
  });

  it('stand in the order of the table, each once', () => {
    expect(inGateOrder(['drill_stale', 'psr_undefined', 'drill_stale'])).toEqual(['psr_undefined', 'drill_stale']);
  });
});

describe('gate policy', () => {
  it('fits its schema and has another digest after any change', () => {
    expect(gatePolicySchema.parse(defaultGatePolicy)).toEqual(defaultGatePolicy);
    expect(gatePolicyDigest(defaultGatePolicy)).toMatch(/^[0-9a-f]{64}$/);
    expect(gatePolicyDigest(policy)).not.toBe(gatePolicyDigest(defaultGatePolicy));
  });
});
