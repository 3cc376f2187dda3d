import { drillKinds } from '../../enumerations.ts';
import type { Instant } from '../../instant.ts';
import type { GateInput } from '../artifacts.ts';

type InputKind = 'number' | 'text' | 'flag' | 'list';

const input = <const Kind extends InputKind>(kind: Kind, unit: string) => ({ kind, unit });
const count = input('number', 'count');
const ratio = input('number', 'ratio');
const usd = input('number', 'USD');
const bps = input('number', 'bps');
const digest = input('text', 'sha256');

const drillInput = <const Kind extends string>(kind: Kind): `drill_${Kind}` => `drill_${kind}`;
const drills = Object.fromEntries(drillKinds.map((kind) => [drillInput(kind), input('text', 'outcome')])) as Record<
  `drill_${(typeof drillKinds)[number]}`,
  { readonly kind: 'text'; readonly unit: string }
>;

/** Every figure a gate looks at, with its type and unit; a figure in another unit is not that figure. */
export const inputTable = {
  feature_contract_version: input('text', 'version'),
  feature_contract_hash: digest,
  required_feature_null_rate: ratio,
  feature_staleness_p95: input('number', 'ms'),
  symbols: count,
  window_overlap: input('number', 's'),
  signals: count,
  decisions: count,
  trades: count,
  net_pnl: usd,
  marked_net_pnl: usd,
  folds: count,
  negative_fold_ratio: ratio,
  net_pnl_cv: ratio,
  trials_in_run: count,
  n_trials: count,
  psr: ratio,
  dsr: ratio,
  pbo: ratio,
  mean_trade_net_low: bps,
  lookahead_differences: count,
  recursion_differences: count,
  max_drawdown: usd,
  turnover_ratio: ratio,
  cost: bps,
  stress_cases: input('list', 'names'),
  stress_not_reevaluated: input('list', 'names'),
  worst_stress_delta: usd,
  tca_slippage: bps,
  tca_shortfall: usd,
  tca_churn_ratio: ratio,
  llm_stage: input('number', 'stage'),
  llm_error_ratio: ratio,
  llm_parse_error_ratio: ratio,
  reject_ratio: ratio,
  fallback_ratio: ratio,
  route_provenance_coverage: ratio,
  parity_passed: input('flag', 'flag'),
  ...drills,
  open_critical_breaks: count,
  alarms_without_data: input('list', 'names'),
  runbook_digest: digest,
  gate5_live_enabled: input('flag', 'flag'),
  prelive_checkpoint_passed: input('flag', 'flag'),
  ramp_criteria_met: input('flag', 'flag'),
  signal_continuity_alert: input('flag', 'flag'),
  alpha_verdict: input('text', 'verdict'),
  baseline_trades: count,
  net_pnl_delta: usd,
  marked_net_pnl_delta: usd,
  regimes_with_trades: count,
  regimes_won_ratio: ratio,
  return_over_drawdown: ratio,
  calibration_samples: count,
  expected_calibration_error: ratio,
  dataset_digest: digest,
  config_digest: digest,
  policy_digest: digest,
  candidate_report_digest: digest,
  baseline_report_digest: digest,
} as const;
export type InputName = keyof typeof inputTable;
export const inputNames = Object.keys(inputTable) as InputName[];

/** Figures as they were found; an absent one is missing. */
export type GateInputs = Readonly<Partial<Record<InputName, GateInput>>>;

/** Figures that the evaluation itself does not have: what paper trading, drills and the promotion so far have shown. */
export const externalInputs = [
  'tca_slippage',
  'tca_shortfall',
  'tca_churn_ratio',
  'llm_stage',
  'llm_error_ratio',
  'llm_parse_error_ratio',
  'reject_ratio',
  'fallback_ratio',
  'route_provenance_coverage',
  'parity_passed',
  'drill_kill_switch',
  'drill_rollback',
  'drill_cancel_all',
  'drill_flatten',
  'drill_lean_disable',
  'drill_restore',
  'drill_replay',
  'open_critical_breaks',
  'alarms_without_data',
  'runbook_digest',
  'prelive_checkpoint_passed',
  'ramp_criteria_met',
  'signal_continuity_alert',
] as const satisfies readonly InputName[];
export type ExternalInputName = (typeof externalInputs)[number];
export type ExternalInputs = Readonly<Partial<Record<ExternalInputName, GateInput>>>;

/** Where the figures of gates 2 to 5 come from that no backtest can know. What it does not give counts as missing. */
export interface GateEvidenceSource {
  /** @param at of two readings for the same time the second finds what the first one found, unless rows came late */
  read(strategyId: string, at: Instant): Promise<ExternalInputs>;
}

/** The value of an input in the type the table says. */
export type ValueOf<Name extends InputName> = {
  number: number;
  text: string;
  flag: boolean;
  list: readonly string[];
}[(typeof inputTable)[Name]['kind']];

const kindOf = (value: GateInput['value']): InputKind | null => {
  if (Array.isArray(value)) return 'list';
  const kinds: Readonly<Record<string, InputKind>> = { number: 'number', string: 'text', boolean: 'flag' };
  return kinds[typeof value] ?? null;
};

/** An input with a value of its type and unit; null without a value, undefined when it is another figure than it says. */
export const valueOf = <Name extends InputName>(inputs: GateInputs, name: Name): ValueOf<Name> | null | undefined => {
  const found = inputs[name];
  if (found === undefined || found.value === null) return null;
  const { kind, unit } = inputTable[name];
  return kindOf(found.value) === kind && found.unit === unit ? (found.value as ValueOf<Name>) : undefined;
};
