import type { StrategyRegistry } from '../strategy/registry.ts';
import { builtInStrategies } from '../strategy/registry.ts';
import { featureContractHash } from '../features/contract.ts';
import { stressCases } from '../enumerations.ts';
import { blocksOf, type Block } from './blocks.ts';
import {
  baselineSet,
  bindCandidate,
  candidateOf,
  trialHashOf,
  type Candidate,
  type CandidateBasis,
  type ParameterSet,
} from './candidates.ts';
import type { CaseResult } from './case-result.ts';
import {
  defaultDetectorPlan,
  lookAheadOf,
  nothingCompared,
  pipelineOf,
  recursionOf,
  together,
  type Finding,
} from './detectors.ts';
import { evaluateCase } from './evaluate-case.ts';
import { dataQualityOf, type DataQuality, type EvaluationInput } from './evaluation-input.ts';
import { selectionOf, type Selection } from './judge.ts';
import type { FeatureColumns } from './features.ts';
import type { TrialLedger } from './ledger.ts';
import type { SymbolSeries } from './series.ts';
import { storedLookAheadOf } from './stored-features.ts';
import { foldsOf, type Fold, type SessionBounds } from './walk-forward.ts';
import { Workbench, type EvaluationCase, type Groundwork } from './workbench.ts';

/** What is to be evaluated: plain data, which leaves a machine and comes back the same. */
export interface BacktestPlan {
  readonly basis: CandidateBasis;
  /** The configured one first; the others by trial hash, so that their order says nothing. */
  readonly candidates: readonly Candidate[];
  readonly baseline: Candidate;
  readonly folds: readonly Fold[];
  readonly blocks: readonly Block[];
}

/** @param sets the configured parameters first @throws RangeError for parameters that no strategy of the registry takes */
export const planBacktest = (
  basis: CandidateBasis,
  sets: readonly ParameterSet[],
  sessions: readonly SessionBounds[],
  registry: StrategyRegistry = builtInStrategies,
): BacktestPlan => {
  const folds = foldsOf(sessions, basis.plan);
  const all = [...new Map(sets.map((set) => candidateOf(set, basis)).map((one) => [one.trialHash, one])).values()];
  for (const set of [...sets, baselineSet]) bindCandidate(set, basis.timeframe, registry);
  const [configured, ...others] = all;
  if (configured === undefined) throw new RangeError('expected at least the configured candidate, found none');
  return {
    basis,
    candidates: [configured, ...others.sort((a, b) => (a.trialHash < b.trialHash ? -1 : 1))],
    baseline: candidateOf(baselineSet, basis),
    folds,
    blocks: blocksOf(folds),
  };
};

/** One piece of an evaluation. Pieces depend on nothing but the plan and the input: any machine, any order. */
export type Task =
  | {
      readonly kind: 'case';
      readonly candidate: Candidate;
      readonly evaluationCase: EvaluationCase;
      readonly detailed: boolean;
    }
  | { readonly kind: 'checks'; readonly candidate: Candidate };

export type TaskResult =
  | { readonly kind: 'case'; readonly result: CaseResult }
  | {
      readonly kind: 'checks';
      readonly lookAhead: Finding;
      readonly recursion: Finding;
      readonly quality: DataQuality;
    };

declare const counted: unique symbol;
/** A plan whose every trial the ledger has counted. Only `countTrials` makes one; nothing is simulated without it. */
export interface CountedPlan extends BacktestPlan {
  /** Distinct trials of the candidates' family, those of this plan included. */
  readonly trialCount: number;
  readonly countedTrials: readonly string[];
  readonly [counted]: true;
}

/**
 * Writes every trial of the plan into the ledger, before any of them runs: one that crashes counts.
 * @throws RangeError when a trial does not have its own hash
 */
export const countTrials = async (ledger: TrialLedger, runId: string, plan: BacktestPlan): Promise<CountedPlan> => {
  const { codeHash } = plan.basis;
  const trials = [...plan.candidates, plan.baseline].map((candidate) => {
    const { family, trialHash, strategyType, strategyVersion, params, profile } = candidate;
    const own = trialHashOf(candidate, codeHash);
    if (own !== trialHash) throw new RangeError(`expected the trial to be named ${own}, found ${trialHash}`);
    return { family, trialHash, strategyType, strategyVersion, params, profile, featureContractHash, codeHash };
  });
  const families = Map.groupBy(trials, ({ family }) => family);
  const counts = new Map<string, number>();
  for (const [family, own] of families) counts.set(family, (await ledger.register(runId, family, own)).distinct);
  const family = plan.candidates[0]?.family ?? '';
  const trialCount = counts.get(family) ?? 0;
  const distinct = new Set((families.get(family) ?? []).map(({ trialHash }) => trialHash)).size;
  if (trialCount < distinct)
    throw new RangeError(`expected the ledger to count at least ${distinct} trials of ${family}, found ${trialCount}`);
  const countedTrials = trials.map(({ trialHash }) => trialHash);
  return { ...plan, trialCount, countedTrials } as unknown as CountedPlan;
};

/**
 * Counts a plan again that came back from elsewhere: what it says of the ledger is not taken on trust. Trials that it was
 * given on the way are counted like any other; a number that the ledger does not reach was made up.
 * @throws RangeError when it names more trials than the ledger has
 */
export const recountTrials = async (ledger: TrialLedger, runId: string, plan: CountedPlan): Promise<CountedPlan> => {
  const own = await countTrials(ledger, runId, plan);
  if (own.trialCount < plan.trialCount)
    throw new RangeError(
      `expected the ledger to have the ${plan.trialCount} trials that the plan of run ${runId} counts, found ${own.trialCount}: the plan was altered`,
    );
  return own;
};

/** The shared part of all tasks of one dataset; make one for each thread. */
export const workbenchFor = (
  input: EvaluationInput,
  { basis }: BacktestPlan,
  groundwork: readonly Groundwork[] = [],
): Workbench => new Workbench(input, basis.model, basis.plan.warm_up_bars, groundwork);

/** @throws RangeError when the candidate is not one the ledger has counted for this plan */
export const runTask = (
  bench: Workbench,
  plan: CountedPlan,
  task: Task,
  registry: StrategyRegistry = builtInStrategies,
): TaskResult => {
  const { candidate } = task;
  const { basis } = plan;
  if (
    !plan.countedTrials.includes(candidate.trialHash) ||
    trialHashOf(candidate, basis.codeHash) !== candidate.trialHash
  )
    throw new RangeError(`trial ${candidate.trialHash} is not counted: register it in the ledger before it runs`);
  const bound = bindCandidate(candidate, basis.timeframe, registry);
  if (task.kind === 'checks') {
    const pipeline = pipelineOf(bound);
    const detectors = { ...defaultDetectorPlan, warmUpBars: basis.plan.warm_up_bars };
    const { series, features } = bench.input;
    return {
      kind: 'checks',
      lookAhead: ofEverySymbol(series, [
        series.map((one) => lookAheadOf(one, pipeline, detectors)),
        ...(features === null
          ? []
          : [series.map((one, symbol) => storedFinding(one, features[symbol], bench.computed(symbol)))]),
      ]),
      recursion: ofEverySymbol(series, [series.map((one) => recursionOf(one, pipeline, detectors))]),
      quality: dataQualityOf(
        bench.input,
        series.map((_, symbol) => bench.base(symbol).columns),
      ),
    };
  }
  const { evaluationCase, detailed } = task;
  return {
    kind: 'case',
    result: evaluateCase(bench, {
      candidate,
      bound,
      evaluationCase,
      blocks: plan.blocks,
      labelSeconds: basis.plan.purge_seconds,
      detailed,
    }),
  };
};

const storedFinding = (series: SymbolSeries, stored: FeatureColumns | undefined, computed: FeatureColumns): Finding =>
  stored === undefined ? nothingCompared : storedLookAheadOf(series, stored, computed);

/**
 * Findings of one detector or several as one. A symbol that has bars, and of which one of them could compare no row, leaves
 * the question open: that nothing was found of the others says nothing about it.
 */
const ofEverySymbol = (series: readonly SymbolSeries[], detectors: readonly (readonly Finding[])[]): Finding => {
  const isOpen = detectors.some((findings) =>
    findings.some(({ rowsCompared }, symbol) => rowsCompared === 0 && series[symbol]?.start.length !== 0),
  );
  const all = together(detectors.flat());
  return isOpen && all.differences <= all.tolerated ? nothingCompared : all;
};

/** Runs tasks anywhere and gives their results in the order of the tasks. */
export type TaskExecutor = (plan: CountedPlan, tasks: readonly Task[]) => Promise<readonly TaskResult[]>;

/** Everything an evaluation computed, before statistics and gates. */
export interface Backtest {
  readonly plan: CountedPlan;
  readonly selection: Selection;
  /** Undisturbed, in the order of the candidates. */
  readonly grid: readonly CaseResult[];
  readonly judged: CaseResult;
  readonly baseline: CaseResult;
  /** In the order of `stressCases`. */
  readonly stress: readonly CaseResult[];
  readonly baselineStress: readonly CaseResult[];
  readonly lookAhead: Finding;
  readonly recursion: Finding;
  readonly quality: DataQuality;
}

const caseTask = (candidate: Candidate, evaluationCase: EvaluationCase, detailed: boolean): Task => ({
  kind: 'case',
  candidate,
  evaluationCase,
  detailed,
});

/** What can run at once from the start: every candidate, and the baseline under every case. */
export const firstTasks = ({ candidates, baseline }: BacktestPlan): readonly Task[] => [
  ...candidates.map((candidate) => caseTask(candidate, 'base', false)),
  caseTask(baseline, 'base', true),
  ...stressCases.map((stressCase) => caseTask(baseline, stressCase, false)),
];

/** What is left once a candidate is chosen. */
export const secondTasks = (judged: Candidate): readonly Task[] => [
  caseTask(judged, 'base', true),
  ...stressCases.map((stressCase) => caseTask(judged, stressCase, false)),
  { kind: 'checks', candidate: judged },
];

const casesIn = (results: readonly TaskResult[]): readonly CaseResult[] =>
  results.flatMap((one) => (one.kind === 'case' ? [one.result] : []));

/** Chooses the judged candidate from the results of the first tasks. */
export const chooseCandidate = (plan: BacktestPlan, first: readonly TaskResult[]): Selection =>
  selectionOf(plan.candidates, casesIn(first).slice(0, plan.candidates.length), plan.folds, plan.blocks);

/** Puts results together. @throws RangeError when they are not those of the plan's tasks, in their order */
export const assembleBacktest = (
  plan: CountedPlan,
  selection: Selection,
  first: readonly TaskResult[],
  second: readonly TaskResult[],
): Backtest => {
  const check = (tasks: readonly Task[], results: readonly TaskResult[]): void => {
    if (results.length !== tasks.length)
      throw new RangeError(`expected ${tasks.length} results, found ${results.length}`);
    for (const [index, task] of tasks.entries()) {
      const result = results[index];
      const fits =
        task.kind === 'case'
          ? result?.kind === 'case' &&
            result.result.candidateHash === task.candidate.candidateHash &&
            result.result.evaluationCase === task.evaluationCase
          : result?.kind === 'checks';
      if (!fits) throw new RangeError(`expected the result of task ${index} in its place, found another`);
    }
  };
  check(firstTasks(plan), first);
  check(secondTasks(selection.judged), second);
  const grid = casesIn(first).slice(0, plan.candidates.length);
  const [baseline, ...baselineStress] = casesIn(first).slice(plan.candidates.length);
  const [judged, ...stress] = casesIn(second);
  const checks = second.at(-1);
  if (judged === undefined || baseline === undefined || checks?.kind !== 'checks')
    throw new RangeError('expected results of the judged candidate, the baseline and the checks');
  const { lookAhead, recursion, quality } = checks;
  return { plan, selection, grid, judged, baseline, stress, baselineStress, lookAhead, recursion, quality };
};

/** The one way to a backtest: trials are counted, then run, then one of them is judged. */
export const runBacktest = async (
  ledger: TrialLedger,
  execute: TaskExecutor,
  runId: string,
  plan: BacktestPlan,
): Promise<Backtest> => {
  const own = await countTrials(ledger, runId, plan);
  const first = await execute(own, firstTasks(own));
  const selection = chooseCandidate(own, first);
  return assembleBacktest(own, selection, first, await execute(own, secondTasks(selection.judged)));
};

/** Runs tasks one after another in this thread. */
export const inThisThread =
  (input: EvaluationInput, registry: StrategyRegistry = builtInStrategies): TaskExecutor =>
  (plan, tasks) => {
    const bench = workbenchFor(input, plan);
    return Promise.resolve(tasks.map((task) => runTask(bench, plan, task, registry)));
  };
