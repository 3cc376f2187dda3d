import * as z from 'zod';
import { decimal, decimalText } from '../decimal.ts';
import {
  evidenceClasses,
  gateVerdicts,
  noSignalReasons,
  promotionActions,
  stages,
  stressCases,
} from '../enumerations.ts';
import { hashJson, type Json } from '../canonical-json.ts';
import { tickerSchema, type Hash } from '../identifiers.ts';
import { statisticFailures } from '../statistics/outcome.ts';
import { executionModelSchema } from './execution-model.ts';
import { splitPlanSchema } from './walk-forward.ts';

/**
 * What a run stores. Money is decimal text of at most 6 places: research computes in doubles, and `money` is where they
 * are rounded, half to even, once. Ratios and statistics stay numbers; one without a value is null beside its code.
 */
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const shortHash = z.string().regex(/^[0-9a-f]{24}$/);
const candidateId = z.string().regex(/^cand-[0-9a-f]{12}-[0-9a-f]{12}$/);
const instantText = z.iso.datetime({ precision: 3 });
const dateText = z.iso.date();
const moneyText = z.string().regex(/^-?\d+(?:\.\d{1,6})?$/);
const count = z.int().min(0);
const names = z.array(z.string().min(1));

/** Money of a double, rounded half to even to 6 places. @throws RangeError for NaN and infinities */
export const money = (value: number): string => {
  if (!Number.isFinite(value)) throw new RangeError(`expected a finite amount, found ${value}`);
  // 40 places hold every tie exactly: what lies half way between two values of 6 places has 7.
  return decimalText(decimal(value.toFixed(40)).round(6, 2));
};

/** A statistic with the size of its sample; without a value, the code that says why. */
export const measureSchema = z.strictObject({
  value: z.number().nullable(),
  code: z.enum([...statisticFailures, 'insufficient']).nullable(),
  sample: count,
});
export type Measure = z.infer<typeof measureSchema>;

/** A 95 % interval with how it was made. */
export const intervalSchema = z.strictObject({
  low: z.number().nullable(),
  high: z.number().nullable(),
  code: z.enum([...statisticFailures, 'insufficient']).nullable(),
  sample: count,
  method: z.literal('stationary bootstrap, percentile'),
});
export type IntervalMeasure = z.infer<typeof intervalSchema>;

const jsonSchema: z.ZodType<Json> = z.json();
const parameters = z.record(z.string(), jsonSchema);

/** Which strategy, with which parameters, under which names. */
const trialSchema = z.strictObject({
  candidate_hash: hash,
  trial_hash: hash,
  strategy_type: z.string().min(1),
  strategy_version: z.string().min(1),
  params: parameters,
  profile: z.string().min(1),
});

/** What a run was evaluated on: rows of one session and symbol each, stored under the hash of their bytes. */
export const datasetSchema = z
  .strictObject({
    schema_version: z.literal('torghut.dataset.v1'),
    /** `datasetHashOf` the snapshots. */
    dataset_hash: hash,
    timeframe: z.string().min(1),
    evidence_class: z.enum(evidenceClasses),
    /** Contract its features were recorded under. */
    feature_contract_version: z.string().min(1),
    feature_contract_hash: hash,
    dataset_from: instantText,
    dataset_to: instantText,
    /** By session, then symbol. */
    snapshots: z.array(
      z.strictObject({
        session_date: dateText,
        symbol: z.string().min(1),
        rows: count,
        sha256: hash,
        bytes: count,
        /** To say where altered bytes were altered. */
        locators: z.array(z.tuple([count, count])),
      }),
    ),
  })
  // Whoever reads a dataset is shown what its name says, or nothing.
  .refine(({ dataset_hash, snapshots }) => datasetHashOf(snapshots) === dataset_hash, {
    path: ['dataset_hash'],
    error: 'expected the hash of the snapshots that are listed',
  });

/** Name of a dataset by its content: the ordered list of what it consists of. */
export const datasetHashOf = (
  snapshots: readonly {
    readonly session_date: string;
    readonly symbol: string;
    readonly rows: number;
    readonly sha256: string;
  }[],
): Hash =>
  hashJson(snapshots.map(({ session_date, symbol, rows, sha256 }) => ({ session_date, symbol, rows, sha256 }))) as Hash;

/** All that is needed, beside the dataset, to evaluate again. */
export const candidateSpecSchema = z.strictObject({
  schema_version: z.literal('torghut.candidate-spec.v1'),
  run_id: shortHash,
  candidate_id: candidateId,
  candidate_hash: hash,
  trial_hash: hash,
  family: z.string().min(1).max(64),
  strategy: z.strictObject({
    strategy_id: z.string().min(1),
    name: z.string(),
    description: z.string().nullable(),
    enabled: z.boolean(),
    strategy_type: z.string().min(1),
    strategy_version: z.string().min(1),
    base_timeframe: z.string().min(1),
    params: parameters,
    profile: z.string().min(1),
    universe_filter: z.array(tickerSchema).nullable(),
    priority: z.int(),
    max_position_pct_equity: z.string().nullable(),
    max_notional_per_trade: z.string().nullable(),
  }),
  inputs: z.strictObject({
    dataset_hash: hash,
    feature_contract_version: z.string(),
    feature_contract_hash: hash,
    code_hash: hash,
    execution_model_hash: hash,
    split_plan_hash: hash,
  }),
  execution_model: executionModelSchema,
  split_plan: splitPlanSchema,
  symbols_covered: names,
  universe_hash: hash,
  /** Every candidate of the run, the configured one first. */
  trials: z.array(trialSchema).min(1),
  baseline: trialSchema,
});

const foldSchema = z.strictObject({
  fold_name: z.string().min(1).max(64),
  fold_order: z.int().min(1),
  train_start: instantText,
  train_end: instantText,
  test_start: instantText,
  test_end: instantText,
  purge_seconds: count,
  embargo_seconds: count,
  decision_count: count,
  trade_count: count,
  /** Net plus the costs of what was closed. */
  gross_pnl: moneyText,
  /** Realised, after every cost. */
  net_pnl: moneyText,
  /** Of what was held at the end, at its last close; in no other figure. */
  unrealized_pnl: moneyText,
  total_cost: moneyText,
  /** Part of the costs that opening what was held at the end has taken. */
  open_cost: moneyText,
  max_drawdown_usd: moneyText,
  /** Traded notional over the equity base. */
  turnover_ratio: z.number().min(0),
  /** Costs over traded notional. */
  cost_bps: z.number().nullable(),
  sharpe_per_period: z.number().nullable(),
  regime_label: z.string().min(1),
  /** What the training block of this fold alone would have chosen. */
  selected_candidate_hash: hash.nullable(),
});
export type FoldRow = z.infer<typeof foldSchema>;

const costAssumptions = z.strictObject({
  execution_model_hash: hash,
  /** USD. */
  spread_cost: moneyText,
  slippage_cost: moneyText,
  commission: moneyText,
  regulatory_fees: moneyText,
});

export const walkForwardResultsSchema = z.strictObject({
  schema_version: z.literal('torghut.walkforward-results.v2'),
  run_id: shortHash,
  candidate_id: candidateId,
  candidate_hash: hash,
  dataset_hash: hash,
  sessions: z.array(dateText),
  folds: z.array(foldSchema.extend({ cost_assumptions: costAssumptions })),
  selection: z.strictObject({
    /** The one fold whose training block chose; no test block has a say. Null without folds: as configured. */
    fold_name: z.string().nullable(),
    criterion: z.literal('marked profit per session over its deviation'),
    /** Folds whose own training block would have chosen the judged candidate. */
    agreeing_folds: count,
  }),
  trials: z.array(
    z.strictObject({
      candidate_hash: hash,
      trial_hash: hash,
      decision_count: count,
      trade_count: count,
      net_pnl: moneyText,
      sharpe_per_period: measureSchema,
      /** Whether it is one of the discoveries among the run's trials. */
      discovery: z.boolean(),
      /** Realised after costs, in the order of `sessions`. */
      session_net: z.array(moneyText),
      /** The same with what was held marked at the close of each. */
      session_profit: z.array(moneyText),
    }),
  ),
});

const totalsSchema = z.strictObject({
  sessions: count,
  decision_count: count,
  order_count: count,
  trade_count: count,
  fill_count: count,
  partial_fill_count: count,
  rejected_count: count,
  expired_count: count,
  /** Entries that an exit took back. */
  cancelled_count: count,
  below_lot_count: count,
  gross_pnl: moneyText,
  net_pnl: moneyText,
  unrealized_pnl: moneyText,
  spread_cost: moneyText,
  slippage_cost: moneyText,
  commission: moneyText,
  regulatory_fees: moneyText,
  total_cost: moneyText,
  open_cost: moneyText,
  max_drawdown_usd: moneyText,
  /** Highest of any fold. */
  turnover_ratio: z.number().min(0),
  cost_bps: z.number().nullable(),
  /** Net of a trade over its opening notional. */
  mean_trade_net_bps: z.number().nullable(),
});
export type TotalsRow = z.infer<typeof totalsSchema>;

export const alphaVerdicts = ['SUPPORTED', 'REFUTED', 'INSUFFICIENT_EVIDENCE'] as const;

const alphaSchema = z.strictObject({
  psr: measureSchema,
  dsr: measureSchema,
  dsr_mean_adjusted: measureSchema,
  pbo: measureSchema,
  n_trials: z.int().min(1),
  min_trl_days: measureSchema,
  days_to_decide: measureSchema,
  alpha_verdict: z.enum(alphaVerdicts),
});
export type AlphaRow = z.infer<typeof alphaSchema>;

const throughputSchema = z.strictObject({
  signals: count,
  decisions: count,
  trades: count,
  no_signal_windows: count,
});

const detectorSchema = z.strictObject({
  rows_compared: count,
  decisions_compared: count,
  differences: count,
  /** Of the differences, those that are few enough to be borne. */
  tolerated: count,
  /** The first of them; null when there is none. */
  first: z.strictObject({ symbol: z.string(), at: instantText, what: z.string(), detail: z.string() }).nullable(),
});

const regimeSchema = z.strictObject({
  regime_label: z.string().min(1),
  symbol_sessions: count,
  candidate_trades: count,
  baseline_trades: count,
  /** Marked at each close: what one of them left open counts. */
  candidate_profit: moneyText,
  baseline_profit: moneyText,
});
export type RegimeRow = z.infer<typeof regimeSchema>;

export const evaluationReportSchema = z.strictObject({
  schema_version: z.literal('torghut.evaluation-report.v2'),
  run_id: shortHash,
  candidate_id: candidateId,
  candidate_hash: hash,
  dataset_hash: hash,
  evidence_class: z.enum(evidenceClasses),
  evaluated_at: instantText,
  data: z.strictObject({
    feature_contract_version: z.string(),
    feature_contract_hash: hash,
    symbols: names,
    sessions: count,
    bars: count,
    required_feature_null_rate: z.number().min(0).max(1).nullable(),
    staleness_p95_ms: z.number().min(0).nullable(),
    window_overlap_seconds: count,
  }),
  throughput: throughputSchema,
  totals: totalsSchema,
  alpha: alphaSchema,
  /** Of marked profit per session over the equity base, as every ratio of the report. */
  moments: z.strictObject({
    sharpe_per_session: measureSchema,
    skewness: measureSchema,
    kurtosis: measureSchema,
    annualised_sharpe: measureSchema,
  }),
  /** What a record of this length can show at all. */
  track_record: z.strictObject({
    sessions: count,
    smallest_supported_annual_sharpe: measureSchema,
    /** Trading days until a strategy of this annual Sharpe ratio could be told from none. */
    days_to_decide: z.array(z.strictObject({ annual_sharpe: z.number(), days: z.number() })),
  }),
  intervals: z.strictObject({
    replicates: z.int().min(40),
    generator: z.string(),
    seed: hash,
    mean_trade_net_bps: intervalSchema,
    session_net_usd: intervalSchema,
    sharpe_per_session: intervalSchema,
    max_drawdown_usd: intervalSchema,
    profit_factor: intervalSchema,
  }),
  overfitting: z.strictObject({
    sessions: count,
    blocks: count,
    splits: count,
    /** Variance of the trials' Sharpe ratios, and whether it is theirs or that of trials without skill. */
    trial_variance: z.number().nullable(),
    trial_variance_of: z.enum(['trials', 'no_skill']),
    trials_in_run: z.int().min(1),
    /** Trials of the run whose Sharpe ratio is above zero, with at most this share of them expected false. */
    discoveries: z.strictObject({
      count,
      rate: z.number().min(0).max(1),
      method: z.literal('Benjamini and Hochberg'),
    }),
  }),
  /** Every session in every role: choosing on some groups of sessions, reading the choice on the others. */
  combinatorial: z.strictObject({
    groups: count,
    test_groups: count,
    splits: count,
    paths: z.array(z.strictObject({ net_pnl: moneyText, sharpe_per_session: measureSchema })),
    /** Share of paths that lose. */
    losing_ratio: z.number().min(0).max(1).nullable(),
  }),
  folds: z.strictObject({
    count,
    negative_ratio: z.number().min(0).max(1).nullable(),
    net_pnl_cv: measureSchema,
  }),
  regimes: z.array(regimeSchema),
  benchmark: z.strictObject({
    net_pnl_delta: moneyText,
    /** With what was held at the end of each fold marked at its close. */
    marked_pnl_delta: moneyText,
    sharpe_difference: measureSchema,
    sharpe_difference_low: z.number().nullable(),
    sharpe_difference_high: z.number().nullable(),
    return_over_drawdown: measureSchema,
  }),
  calibration: z.strictObject({ expected_calibration_error: measureSchema, brier_score: measureSchema }),
  detectors: z.strictObject({ lookahead: detectorSchema, recursion: detectorSchema }),
  rejections: z.record(z.string(), count),
});

export const baselineReportSchema = z.strictObject({
  schema_version: z.literal('torghut.baseline-report.v2'),
  run_id: shortHash,
  candidate_id: candidateId,
  dataset_hash: hash,
  baseline: trialSchema,
  traded: z.boolean(),
  totals: totalsSchema,
  folds: z.array(foldSchema),
  session_net: z.array(moneyText),
});

export const sameFillsReasons = [
  'no_trades',
  'delay_within_one_bar',
  'volume_not_binding',
  'burst_met_no_order',
] as const;
export type SameFillsReason = (typeof sameFillsReasons)[number];

const stressRowSchema = z.strictObject({
  stress_case: z.enum(stressCases),
  net_pnl_base: moneyText,
  net_pnl_stressed: moneyText,
  /** Stressed less base, realised or marked, whichever is worse; never above 0. */
  pessimistic_pnl_delta: moneyText,
  /** Of the bars, spreads and model that were simulated; a case that was evaluated has its own. */
  input_digest_base: hash,
  input_digest: hash,
  fills_digest_base: hash,
  fills_digest: hash,
  /** Why the fills are those of the base; null when they differ, or have no reason to be the same. */
  same_fills_reason: z.enum(sameFillsReasons).nullable(),
  metric_bundle: totalsSchema,
  evidence_class: z.enum(evidenceClasses),
});
export type StressRow = z.infer<typeof stressRowSchema>;

export const stressReportSchema = z.strictObject({
  schema_version: z.literal('torghut.stress-report.v2'),
  run_id: shortHash,
  candidate_id: candidateId,
  candidate_hash: hash,
  dataset_hash: hash,
  cases: z.array(stressRowSchema),
  baseline_cases: z.array(stressRowSchema),
});

export const gateStatuses = ['pass', 'fail', 'inconclusive', 'not_applicable'] as const;
export type GateStatus = (typeof gateStatuses)[number];

/** One figure a gate looked at, with where it comes from. */
export const gateInputSchema = z.strictObject({
  value: z.union([z.number(), z.string(), z.boolean(), z.array(z.string())]).nullable(),
  unit: z.string().min(1),
  source: z.string().min(1),
  observed_at: instantText,
  /** Name of an artifact of the run, or key of a row of the ledger. */
  artifact_ref: z.string().min(1),
  evidence_class: z.enum(evidenceClasses),
});
export type GateInput = z.infer<typeof gateInputSchema>;

const gateSchema = z.strictObject({
  gate_id: z.int().min(0).max(6),
  name: z.string().min(1),
  required: z.boolean(),
  status: z.enum(gateStatuses),
  codes: names,
  /** Per check that did not pass, what was expected and what was found. */
  details: z.record(z.string(), z.string()),
  /** By name; null where the figure is missing. */
  inputs: z.record(z.string(), gateInputSchema.nullable()),
});
export type GateRow = z.infer<typeof gateSchema>;

export const gateReportSchema = z.strictObject({
  schema_version: z.literal('torghut.gate-report.v1'),
  policy_version: z.string().min(1),
  policy_digest: hash,
  /** The policy itself, so that the report can be judged again from what is stored. */
  policy: z.record(z.string(), jsonSchema),
  run_id: shortHash,
  candidate_id: candidateId,
  candidate_hash: hash,
  target: z.enum(stages),
  verdict: z.enum(gateVerdicts),
  recommended_stage: z.enum(stages),
  gates: z.array(gateSchema).length(7),
  throughput: throughputSchema,
  alpha: alphaSchema,
  evaluated_at: instantText,
  code_hash: hash,
  signing_key_id: z.string().min(1),
});

/** The recommendation of a run; what it recommends happens elsewhere. */
export const promotionRecordSchema = z.strictObject({
  schema_version: z.literal('torghut.promotion-record.v1'),
  run_id: shortHash,
  candidate_id: candidateId,
  candidate_hash: hash,
  from_stage: z.enum(stages),
  promotion_target: z.enum(stages),
  decision_action: z.enum(promotionActions),
  approved_stage: z.enum(stages).nullable(),
  reasons: names,
  reason_details: z.record(z.string(), z.string()),
  requested_by: z.string().min(1),
  gate_report_sha256: hash,
  approval_ids: names,
  approvers: names,
  caps: z.strictObject({ max_notional_per_trade: moneyText, max_position_pct_equity: z.string() }),
  symbols: names,
  rollback_target: z.string().nullable(),
  issued_at: instantText,
  expires_at: instantText.nullable(),
});

export const noSignalsSchema = z.strictObject({
  schema_version: z.literal('torghut.no-signals.v1'),
  run_id: shortHash,
  window_start: instantText,
  window_end: instantText,
  no_signal_reason: z.enum(noSignalReasons),
  detail: z.string(),
  observed_at: instantText,
});

/** Schema of every artifact the lane writes, by the name it has in a manifest. */
export const artifactSchemas = {
  dataset: datasetSchema,
  'candidate-spec': candidateSpecSchema,
  'walkforward-results': walkForwardResultsSchema,
  'evaluation-report': evaluationReportSchema,
  'baseline-report': baselineReportSchema,
  'stress-report': stressReportSchema,
  'gate-report': gateReportSchema,
  'promotion-record': promotionRecordSchema,
  'no-signals': noSignalsSchema,
} as const;
export type ResearchArtifactName = keyof typeof artifactSchemas;
export type ResearchArtifact<Name extends ResearchArtifactName> = z.infer<(typeof artifactSchemas)[Name]>;

export type DatasetManifest = ResearchArtifact<'dataset'>;
export type CandidateSpec = ResearchArtifact<'candidate-spec'>;
export type WalkForwardResults = ResearchArtifact<'walkforward-results'>;
export type EvaluationReport = ResearchArtifact<'evaluation-report'>;
export type BaselineReport = ResearchArtifact<'baseline-report'>;
export type StressReport = ResearchArtifact<'stress-report'>;
export type GateReport = ResearchArtifact<'gate-report'>;
export type PromotionRecord = ResearchArtifact<'promotion-record'>;
export type NoSignals = ResearchArtifact<'no-signals'>;
