import {
  featureContractHash,
  hour,
  newYorkDate,
  noSignalReason,
  resolveUniverse,
  second,
  timeframeOf,
  toText,
  universeTradable,
  type Clock,
  type EvidenceClass,
  type Hash,
  type Instant,
  type NoSignalReason,
  type Settings,
  type Telemetry,
  type Ticker,
  type TradingDay,
} from '@torghut/domain';
import {
  bindCandidate,
  datasetArtifactOf,
  defaultGrids,
  evaluationInputOf,
  executionModelHash,
  parameterSetsOf,
  planBacktest,
  runIdOf,
  splitPlanHash,
  type BacktestPlan,
  type DatasetArtifact,
  type EvaluationInput,
  type ExecutionModel,
  type LaneFacts,
  type LaneFactsLedger,
  type LaneStrategy,
  type ResearchLedger,
  type RunStart,
  type SplitPlan,
} from '@torghut/domain/research';
import { announce, earlierManifest, type EvidenceQueue } from './announce.ts';
import { collectSnapshots, type DatasetPorts } from './dataset.ts';
import { failRunForGood, failRunning, type Ending } from './end-run.ts';
import { reasonOf } from './lane-failed.ts';
import { isFinal } from './out-of-reach.ts';

/** Under what every run of this build is judged. */
export interface LanePolicy {
  readonly model: ExecutionModel;
  readonly plan: SplitPlan;
  readonly policyDigest: Hash;
  /** Candidates of a run at most, the configured one included. */
  readonly candidateBudget: number;
  /** Trading days a dataset goes back. */
  readonly sessions: number;
}

export interface OpenPorts extends DatasetPorts {
  readonly facts: LaneFactsLedger;
  readonly ledger: ResearchLedger;
  readonly send: EvidenceQueue;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly settings: Settings;
  readonly codeHash: Hash;
  readonly policy: LanePolicy;
  /** Of the market that the stream tells of. */
  readonly evidenceClass: EvidenceClass;
  readonly runnerVersion: string;
}

export interface LaneWindow {
  readonly start: Instant;
  readonly end: Instant;
}

/** A run that has something to evaluate. */
export interface OpenRun {
  readonly runId: string;
  readonly window: LaneWindow;
  readonly strategy: LaneStrategy;
  readonly symbols: readonly Ticker[];
  readonly dataset: DatasetArtifact;
  readonly input: EvaluationInput;
  readonly plan: BacktestPlan;
}

/** What became of one strategy in the window. */
export type Opened =
  | { readonly kind: 'open'; readonly run: OpenRun }
  | {
      readonly kind: 'skipped';
      readonly runId: string;
      readonly window: LaneWindow;
      readonly reason: NoSignalReason;
      readonly detail: string;
    }
  | Ending
  /** The window was evaluated before. */
  | { readonly kind: 'final'; readonly runId: string; readonly status: Extract<RunStart, { kind: 'final' }>['status'] }
  | { readonly kind: 'unresolved'; readonly strategyId: string; readonly detail: string };

/** Calendar days that surely hold the trading days of a dataset. */
const calendarDaysPerSession = 2;

/** The lane never asks Jangar: the list that trading was given last counts for as long as trading itself may live on it. */
const notAsked = { ok: false, reason: 'jangar_fetch_failed', detail: 'not asked' } as const;

/** The lane promotes to paper at most; what is beyond is asked for by people. */
const target = 'paper';

/**
 * Opens the run of every enabled strategy for the window that ends at the scheduled time. Strategies of another timeframe
 * are shown nothing of this stream, here as in live trading. @throws OutOfReach
 */
export const openRuns = async (scheduledFor: Instant, ports: OpenPorts): Promise<readonly Opened[]> => {
  const { settings, policy } = ports;
  const window = { start: scheduledFor - settings.TRADING_AUTONOMY_INTERVAL_SECONDS * second, end: scheduledFor };
  const from = newYorkDate(scheduledFor - policy.sessions * calendarDaysPerSession * 24 * hour);
  const facts = await ports.facts.facts(from, scheduledFor);
  const timeframe = timeframeOf(settings.TRADING_SIGNAL_WINDOW_SIZE);
  const opened: Opened[] = [];
  // One after the other: strategies share most of their sessions, which the first one archives.
  for (const strategy of facts.strategies) {
    if (strategy.baseTimeframe !== timeframe) continue;
    const runId = runIdOf({
      accountLabel: settings.TRADING_ACCOUNT_LABEL,
      consumer: 'lane',
      windowStart: window.start,
      windowEnd: window.end,
      strategyId: strategy.strategyId,
      strategyVersion: strategy.strategyVersion,
      policyDigest: policy.policyDigest,
      target,
    });
    opened.push(await openRun(runId, strategy, window, facts, ports));
  }
  return opened;
};

const openRun = async (
  runId: string,
  strategy: LaneStrategy,
  window: LaneWindow,
  facts: LaneFacts,
  ports: OpenPorts,
): Promise<Opened> => {
  const { strategyId } = strategy;
  let start: RunStart;
  try {
    start = await beginRun(runId, strategy, window, ports);
  } catch (error) {
    if (!isFinal(error)) throw error;
    // One strategy's trouble is not that of the others.
    return { kind: 'unresolved', strategyId, detail: reasonOf(error) };
  }
  if (start.kind === 'final') return { kind: 'final', runId, status: start.status };
  if (start.kind === 'unresolved') return { kind: 'unresolved', strategyId, detail: start.detail };
  try {
    const earlier = start.attempts > 1 ? await earlierManifest(runId, ports.store) : null;
    if (earlier === null) return await openBegunRun(runId, strategy, window, facts, ports);
    await announce(runId, earlier.sha256, ports);
    return { kind: 'handed_on', runId, manifestKey: earlier.key };
  } catch (error) {
    return failRunForGood(runId, error, ports);
  }
};

const beginRun = (
  runId: string,
  { strategyId, strategyType, strategyVersion }: LaneStrategy,
  window: LaneWindow,
  { ledger, settings, policy, codeHash, runnerVersion }: OpenPorts,
): Promise<RunStart> =>
  ledger.begin({
    runId,
    windowStart: window.start,
    windowEnd: window.end,
    target,
    strategyId,
    strategyType,
    strategyVersion,
    codeHash,
    runnerVersion,
    featureContractHash,
    executionModelHash: executionModelHash(policy.model),
    splitPlanHash: splitPlanHash(policy.plan),
    policyDigest: policy.policyDigest,
    windowOverlapSeconds: settings.limits.signalOverlapSeconds,
  });

const openBegunRun = async (
  runId: string,
  strategy: LaneStrategy,
  window: LaneWindow,
  facts: LaneFacts,
  ports: OpenPorts,
): Promise<Opened> => {
  const { settings, policy, codeHash } = ports;
  const { strategyType, strategyVersion } = strategy;

  const days = facts.days.filter((one): one is TradingDay => one.kind !== 'closed' && one.openAt < window.end);
  const today = days.at(-1);
  const universe = resolveUniverse(notAsked, facts.universe, window.end, {
    cacheSeconds: settings.TRADING_UNIVERSE_CACHE_SECONDS,
    maxStaleSeconds: settings.TRADING_UNIVERSE_MAX_STALE_SECONDS,
  });
  const blocked = noSignalReason({
    sessionOpen: today !== undefined && window.end <= today.closeAt,
    killSwitchEngaged: facts.killSwitchEngaged,
    emergencyStopActive: facts.emergencyStopActive,
    autonomyEnabled: facts.autonomyEnabled && settings.TRADING_AUTONOMY_ENABLED,
    universeStatus: universe.status,
    qualityRejected: false,
    cursorAheadOfStream: false,
    cursorAtTail: false,
    signalStoreReachable: true,
    signalsEvaluated: 0,
  });
  if (blocked !== null && blocked !== 'no_signals_in_window')
    return {
      kind: 'skipped',
      runId,
      window,
      reason: blocked,
      detail: universeTradable(universe.status) ? blocked : `${blocked}: the universe is ${universe.status}`,
    };

  const filter = strategy.universeFilter;
  const symbols = filter === null ? universe.symbols : universe.symbols.filter((symbol) => filter.includes(symbol));
  if (symbols.length === 0)
    return {
      kind: 'skipped',
      runId,
      window,
      reason: 'no_signals_in_window',
      detail: 'the strategy has no symbol of the universe',
    };
  const timeframe = strategy.baseTimeframe;
  const configured = { strategyType, strategyVersion, params: strategy.params, profile: strategy.profile };
  try {
    bindCandidate(configured, timeframe);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return failRunning(runId, 'strategy_unresolved', error.message, ports);
  }
  const collected = await collectSnapshots(
    {
      days: days.slice(-policy.sessions),
      symbols,
      windowSize: settings.TRADING_SIGNAL_WINDOW_SIZE,
      to: window.end,
      now: window.end,
    },
    ports,
  );
  if (!collected.ok) return failRunning(runId, 'dataset_unavailable', collected.detail, ports);
  const seen = collected.snapshots.some(({ snapshot: { bars, barMs } }) =>
    bars.start.some((at) => at + barMs > window.start && at + barMs <= window.end),
  );
  if (!seen)
    return {
      kind: 'skipped',
      runId,
      window,
      reason: 'no_signals_in_window',
      detail: `no bar of ${symbols.length} symbols ended between ${toText(window.start)} and ${toText(window.end)}`,
    };

  const dataset = datasetArtifactOf(collected.snapshots, { timeframe, evidenceClass: ports.evidenceClass });
  const input = evaluationInputOf(
    dataset,
    collected.snapshots.map(({ snapshot }) => snapshot),
    { noSignalWindows: facts.noSignalWindows, windowOverlapSeconds: settings.limits.signalOverlapSeconds },
  );
  const plan = planBacktest(
    { datasetHash: dataset.dataset_hash, codeHash, model: policy.model, plan: policy.plan, timeframe },
    parameterSetsOf(configured, defaultGrids[strategyType] ?? { axes: [] }, policy.candidateBudget),
    input.sessions,
  );
  return { kind: 'open', run: { runId, window, strategy, symbols, dataset, input, plan } };
};
