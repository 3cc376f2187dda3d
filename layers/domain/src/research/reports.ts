import { toText, type Instant } from '../instant.ts';
import { featureContractHash, featureContractVersion } from '../features/contract.ts';
import { stressCases, type StressCase } from '../enumerations.ts';
import { brierScore, expectedCalibrationError } from '../statistics/calibration.ts';
import { sharpeDifference } from '../statistics/comparison.ts';
import { meanOf, momentsOf, sampleVariance, type Moments } from '../statistics/moments.ts';
import { noStatistic, statistic, type Statistic } from '../statistics/outcome.ts';
import type { StrategySpec } from '../strategy/catalog.ts';
import { alphaOf, falseDiscoveryRate, momentsRowOf, overfittingOf, trackRecordOf } from './alpha.ts';
import {
  money,
  type BaselineReport,
  type CandidateSpec,
  type EvaluationReport,
  type SameFillsReason,
  type StressReport,
  type StressRow,
  type TotalsRow,
  type WalkForwardResults,
} from './artifacts.ts';
import type { Backtest } from './backtest.ts';
import { combinatorialPathsOf } from './combinatorial.ts';
import { candidateIdOf, type Candidate } from './candidates.ts';
import { netOf, type CaseResult } from './case-result.ts';
import type { Finding } from './detectors.ts';
import type { EvaluationInput } from './evaluation-input.ts';
import { executionModelHash, type ExecutionModel } from './execution-model.ts';
import { intervalsOf } from './intervals.ts';
import {
  costAssumptionsOf,
  foldRowsOf,
  measured,
  simulatedProfits,
  testedNets,
  testedPeriods,
  testedProfits,
  totalsOf,
} from './metrics.ts';
import { foldRegimeOf, regimeRowsOf, regimesOf } from './regime-comparison.ts';
import { sameFillsReason } from './stress.ts';
import { shortfallOf, splitPlanHash } from './walk-forward.ts';

/** What a run says of itself beside its results. */
export interface ReportContext {
  readonly runId: string;
  /** As configured; the judged candidate's parameters take the place of its own. */
  readonly strategy: StrategySpec;
  readonly universeHash: string;
  readonly evaluatedAt: Instant;
}

/** The artifacts of an evaluation before its gates. */
export interface Reports {
  readonly candidateSpec: CandidateSpec;
  readonly walkForward: WalkForwardResults;
  readonly evaluation: EvaluationReport;
  readonly baseline: BaselineReport;
  readonly stress: StressReport;
}

const trialRow = (candidate: Candidate) => ({
  candidate_hash: candidate.candidateHash,
  trial_hash: candidate.trialHash,
  strategy_type: candidate.strategyType,
  strategy_version: candidate.strategyVersion,
  params: { ...candidate.params },
  profile: candidate.profile,
});

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

const detectorRow = ({ rowsCompared, decisionsCompared, differences, tolerated, first }: Finding) => ({
  rows_compared: rowsCompared,
  decisions_compared: decisionsCompared,
  differences,
  tolerated,
  first: first === null ? null : { ...first },
});

const partialOrSlipped = ({ partial_fill_count, slippage_cost }: TotalsRow): boolean =>
  partial_fill_count > 0 || slippage_cost !== '0';

/** Why fills under a case are those of the base, where what was counted shows it; null where nothing does. */
const reasonFor = (
  stressCase: StressCase,
  model: ExecutionModel,
  barMs: number,
  fills: number,
  [base, own]: readonly [TotalsRow, TotalsRow],
): SameFillsReason | null => {
  const known = sameFillsReason(stressCase, model, barMs, fills);
  if (known !== null) return known;
  if (stressCase === 'liquidity_cut' && !partialOrSlipped(base) && !partialOrSlipped(own)) return 'volume_not_binding';
  if (stressCase === 'reject_burst' && base.rejected_count === own.rejected_count) return 'burst_met_no_order';
  return null;
};

const stressRows = (
  { plan }: Backtest,
  input: EvaluationInput,
  base: CaseResult,
  baseTotals: TotalsRow,
  cases: readonly CaseResult[],
): StressRow[] => {
  const { model } = plan.basis;
  const netAndMarked = (result: CaseResult): readonly [net: number, marked: number] =>
    testedPeriods(result, plan.blocks).reduce(
      ([net, marked], period) => [net + period.net, marked + period.net + period.unrealised],
      [0, 0],
    );
  const [baseNet, baseMarked] = netAndMarked(base);
  const barMs = Math.min(...input.series.map((series) => series.barMs));
  return stressCases.flatMap((stressCase, index): StressRow[] => {
    const result = cases[index];
    if (result === undefined) return [];
    const totals = totalsOf(testedPeriods(result, plan.blocks), model.sizing.equity_usd, []);
    const [net, marked] = netAndMarked(result);
    return [
      {
        stress_case: stressCase,
        net_pnl_base: baseTotals.net_pnl,
        net_pnl_stressed: totals.net_pnl,
        pessimistic_pnl_delta: money(Math.min(0, net - baseNet, marked - baseMarked)),
        input_digest_base: base.inputDigest,
        input_digest: result.inputDigest,
        fills_digest_base: base.fillsDigest,
        fills_digest: result.fillsDigest,
        same_fills_reason:
          result.fillsDigest === base.fillsDigest
            ? reasonFor(stressCase, model, barMs, base.fills, [baseTotals, totals])
            : null,
        metric_bundle: totals,
        evidence_class: input.evidenceClass,
      },
    ];
  });
};

/** Turns what was computed into what is stored. Pure: equal results, equal reports, to the byte. */
export const reportsOf = (backtest: Backtest, input: EvaluationInput, context: ReportContext): Reports => {
  const { plan, selection, judged: result, baseline: other, grid, quality } = backtest;
  const { basis, blocks, folds } = plan;
  const { judged } = selection;
  const { runId, evaluatedAt } = context;
  const equityUsd = basis.model.sizing.equity_usd;
  const dates = input.sessions.slice(0, blocks.at(-1)?.to ?? 0).map(({ date }) => date);
  const names = {
    run_id: runId,
    candidate_id: candidateIdOf(runId, judged.candidateHash),
    candidate_hash: judged.candidateHash,
  };
  const regime = regimesOf(input.series);
  const foldRegime = foldRegimeOf(input.series.length, regime);

  const periods = testedPeriods(result, blocks);
  const otherPeriods = testedPeriods(other, blocks);
  const [nets, otherNets] = [testedNets(periods), testedNets(otherPeriods)];
  const [profits, otherProfits] = [testedProfits(periods), testedProfits(otherPeriods)];
  const returnsOf = (values: ArrayLike<number>): number[] => Array.from(values, (profit) => profit / equityUsd);
  const tradeNetBps = result.detail?.tradeNetBps ?? [];
  const totals = totalsOf(periods, equityUsd, tradeNetBps);
  const otherTotals = totalsOf(otherPeriods, equityUsd, other.detail?.tradeNetBps ?? []);
  const folded = foldRowsOf(backtest, result, foldRegime);
  const modelHash = executionModelHash(basis.model);

  // A record too short to be judged has sums and no statistics: none is computed that could be taken for one.
  const shortfall = shortfallOf(input.sessions.length, folds.length, basis.plan);
  const judgeable = <Value>(values: readonly Value[]): readonly Value[] => (shortfall === null ? values : []);
  const returns = returnsOf(profits);
  const momentsIn = (own: readonly number[]): Statistic<Moments> =>
    shortfall === null ? momentsOf(own) : noStatistic('too_few_observations', shortfall);
  const moments = momentsIn(returns);
  const testedReturns = grid.map((one) => returnsOf(testedProfits(testedPeriods(one, blocks))));
  const simulated = grid.map((one) => simulatedProfits(one, blocks));
  const overfitting = overfittingOf(judgeable(simulated.map(returnsOf)), judgeable(testedReturns), plan.trialCount);
  const alpha = alphaOf(moments, returns.length, overfitting, plan.trialCount);

  const candidateSpec: CandidateSpec = {
    schema_version: 'torghut.candidate-spec.v1',
    ...names,
    trial_hash: judged.trialHash,
    family: judged.family,
    strategy: {
      ...context.strategy,
      universe_filter: context.strategy.universe_filter === null ? null : [...context.strategy.universe_filter],
      strategy_type: judged.strategyType,
      strategy_version: judged.strategyVersion,
      params: { ...judged.params },
      profile: judged.profile,
    },
    inputs: {
      dataset_hash: basis.datasetHash,
      feature_contract_version: featureContractVersion,
      feature_contract_hash: featureContractHash,
      code_hash: basis.codeHash,
      execution_model_hash: modelHash,
      split_plan_hash: splitPlanHash(basis.plan),
    },
    execution_model: basis.model,
    split_plan: basis.plan,
    symbols_covered: input.series.filter(({ start }) => start.length > 0).map(({ symbol }) => symbol),
    universe_hash: context.universeHash,
    trials: plan.candidates.map(trialRow),
    baseline: trialRow(plan.baseline),
  };

  const walkForward: WalkForwardResults = {
    schema_version: 'torghut.walkforward-results.v2',
    ...names,
    dataset_hash: basis.datasetHash,
    sessions: dates,
    folds: folded.flatMap((fold, index) => {
      const period = periods[index];
      return period === undefined ? [] : [{ ...fold, cost_assumptions: costAssumptionsOf(period, modelHash) }];
    }),
    selection: {
      fold_name: selection.foldName,
      criterion: 'marked profit per session over its deviation',
      agreeing_folds: selection.perFold.filter(({ trialHash }) => trialHash === judged.trialHash).length,
    },
    trials: plan.candidates.flatMap((candidate, index) => {
      const own = grid[index];
      if (own === undefined) return [];
      const ownTotals = totalsOf(testedPeriods(own, blocks), equityUsd, []);
      const ownMoments = momentsIn(testedReturns[index] ?? []);
      return [
        {
          candidate_hash: candidate.candidateHash,
          trial_hash: candidate.trialHash,
          decision_count: ownTotals.decision_count,
          trade_count: ownTotals.trade_count,
          net_pnl: ownTotals.net_pnl,
          sharpe_per_period: measured(
            ownMoments.ok ? statistic(ownMoments.value.sharpe) : ownMoments,
            testedReturns[index]?.length ?? 0,
          ),
          discovery: overfitting.discoveries[index] ?? false,
          session_net: own.sessions.map((figures) => money(netOf(figures))),
          session_profit: (simulated[index] ?? []).map(money),
        },
      ];
    }),
  };

  const foldNets = Float64Array.from(judgeable(periods), ({ net }) => net);
  const foldVariance = sampleVariance(foldNets);
  const foldMean = meanOf(foldNets);
  const difference = sharpeDifference(judgeable(returns), judgeable(returnsOf(otherProfits)));
  const [net, otherNet] = [sumOf(nets), sumOf(otherNets)];
  const drawdown = Number(totals.max_drawdown_usd);
  const forecasts = result.detail?.forecasts ?? [];

  const evaluation: EvaluationReport = {
    schema_version: 'torghut.evaluation-report.v2',
    ...names,
    dataset_hash: basis.datasetHash,
    evidence_class: input.evidenceClass,
    evaluated_at: toText(evaluatedAt),
    data: {
      feature_contract_version: input.featureContract.version,
      feature_contract_hash: input.featureContract.hash,
      symbols: candidateSpec.symbols_covered,
      sessions: input.sessions.length,
      bars: quality.bars,
      required_feature_null_rate: quality.requiredFeatureNullRate,
      staleness_p95_ms: quality.stalenessP95Ms,
      window_overlap_seconds: input.windowOverlapSeconds,
    },
    throughput: {
      signals: result.signals,
      decisions: totals.decision_count,
      trades: totals.trade_count,
      no_signal_windows: input.noSignalWindows,
    },
    totals,
    alpha,
    moments: momentsRowOf(moments, returns),
    track_record: trackRecordOf(returns.length),
    intervals: intervalsOf(judged.candidateHash, nets, profits, judgeable(tradeNetBps)),
    overfitting: {
      sessions: overfitting.sessions,
      blocks: overfitting.blocks,
      splits: overfitting.pbo.ok ? overfitting.pbo.value.splits : 0,
      trial_variance: overfitting.trialVariance.ok ? overfitting.trialVariance.value : null,
      trial_variance_of: overfitting.trialVarianceOf,
      trials_in_run: plan.candidates.length,
      discoveries: {
        count: overfitting.discoveries.filter((found) => found).length,
        rate: falseDiscoveryRate,
        method: 'Benjamini and Hochberg',
      },
    },
    combinatorial: combinatorialPathsOf(
      judgeable(input.sessions.slice(0, dates.length)),
      simulated,
      basis.plan.embargo_seconds,
      equityUsd,
    ),
    folds: {
      count: folds.length,
      negative_ratio: periods.length === 0 ? null : periods.filter((period) => period.net < 0).length / periods.length,
      net_pnl_cv: measured(
        !foldVariance.ok
          ? foldVariance
          : foldMean === 0
            ? noStatistic('undefined_for_input', 'expected folds that earn or lose on average, found a mean of 0')
            : statistic(Math.sqrt(foldVariance.value) / Math.abs(foldMean)),
        periods.length,
      ),
    },
    regimes: [...regimeRowsOf(result.detail?.symbolSessions ?? [], other.detail?.symbolSessions ?? [], regime)],
    benchmark: {
      net_pnl_delta: money(net - otherNet),
      marked_pnl_delta: money(sumOf(profits) - sumOf(otherProfits)),
      sharpe_difference: measured(difference.ok ? statistic(difference.value.difference) : difference, returns.length),
      sharpe_difference_low: difference.ok ? difference.value.low : null,
      sharpe_difference_high: difference.ok ? difference.value.high : null,
      return_over_drawdown: measured(
        drawdown > 0
          ? statistic(net / drawdown)
          : noStatistic('undefined_for_input', 'expected a drawdown above 0, found none'),
        returns.length,
      ),
    },
    calibration: {
      expected_calibration_error: measured(expectedCalibrationError(forecasts), forecasts.length),
      brier_score: measured(brierScore(forecasts), forecasts.length),
    },
    detectors: { lookahead: detectorRow(backtest.lookAhead), recursion: detectorRow(backtest.recursion) },
    rejections: { ...result.rejections },
  };

  const baseline: BaselineReport = {
    schema_version: 'torghut.baseline-report.v2',
    run_id: runId,
    candidate_id: names.candidate_id,
    dataset_hash: basis.datasetHash,
    baseline: trialRow(plan.baseline),
    traded: otherTotals.trade_count > 0,
    totals: otherTotals,
    folds: foldRowsOf(backtest, other, foldRegime).map((fold) => ({ ...fold, selected_candidate_hash: null })),
    session_net: other.sessions.map((figures) => money(netOf(figures))),
  };

  const stress: StressReport = {
    schema_version: 'torghut.stress-report.v2',
    ...names,
    dataset_hash: basis.datasetHash,
    cases: stressRows(backtest, input, result, totals, backtest.stress),
    baseline_cases: stressRows(backtest, input, other, otherTotals, backtest.baselineStress),
  };
  return { candidateSpec, walkForward, evaluation, baseline, stress };
};
