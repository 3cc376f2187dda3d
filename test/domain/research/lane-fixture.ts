import {
  asTicker,
  fallbackSession,
  featureContractHash,
  featureContractVersion,
  minute,
  type NewYorkDate,
} from '@torghut/domain';
import {
  defaultExecutionModel,
  defaultGatePolicy,
  defaultGrids,
  defaultSplitPlan,
  parameterSetsOf,
  planBacktest,
  type BacktestPlan,
  type CandidateBasis,
  type EvaluationInput,
  type ParameterSet,
  type RunContext,
  type SymbolSeries,
  type TrialLedger,
} from '@torghut/domain/research';
import { lcg } from '../../support/lcg.ts';

/** Trading days from a date on, by the fallback calendar. */
export const tradingDays = (count: number, from = '2026-04-06'): NewYorkDate[] => {
  const days: NewYorkDate[] = [];
  for (let at = Date.parse(`${from}T00:00:00Z`); days.length < count; at += 24 * 60 * minute) {
    const date = new Date(at).toISOString().slice(0, 10);
    if (fallbackSession(date).kind !== 'closed') days.push(date);
  }
  return days;
};

/** Minute bars of one symbol that wander with a momentum that comes and goes, so that the strategies find something. */
export const wanderingSeries = (name: string, dates: readonly NewYorkDate[], seed: number): SymbolSeries => {
  const symbol = asTicker(name);
  if (symbol === null) throw new Error(`expected a ticker, found ${name}`);
  const draw = lcg(seed);
  const bars: { start: number; open: number; high: number; low: number; close: number; volume: number }[] = [];
  let [price, drift] = [100 + (seed % 50), 0];
  const sessions = dates.map((date) => {
    const day = fallbackSession(date);
    if (day.kind === 'closed') throw new Error(`expected a trading day, found ${date}`);
    const from = bars.length;
    for (let start = day.openAt; start < day.closeAt; start += minute) {
      drift = 0.97 * drift + (draw() - 0.5) / 5_000;
      const open = price;
      price *= 1 + drift + (draw() - 0.5) / 300;
      const [high, low] = [Math.max(open, price) * (1 + draw() / 3_000), Math.min(open, price) * (1 - draw() / 3_000)];
      bars.push({ start, open, high, low, close: price, volume: 20_000 + Math.floor(draw() * 30_000) });
    }
    return { date, kind: day.kind, openAt: day.openAt, closeAt: day.closeAt, from, to: bars.length };
  });
  const column = (of: (bar: (typeof bars)[number]) => number): Float64Array => Float64Array.from(bars, of);
  return {
    symbol,
    barMs: minute,
    start: column(({ start }) => start),
    open: column(({ open }) => open),
    high: column(({ high }) => high),
    low: column(({ low }) => low),
    close: column(({ close }) => close),
    volume: column(({ volume }) => volume),
    halfSpread: column(() => Number.NaN),
    sessions,
  };
};

export const inputOf = (series: readonly SymbolSeries[], datasetHash = 'd'.repeat(64)): EvaluationInput => ({
  datasetHash,
  timeframe: '1Min',
  evidenceClass: 'observed',
  featureContract: { version: featureContractVersion, hash: featureContractHash },
  sessions: series[0]?.sessions ?? [],
  series,
  features: null,
  noSignalWindows: 0,
  windowOverlapSeconds: 15,
});

export const configured: ParameterSet = {
  strategyType: 'intraday_tsmom',
  strategyVersion: '1.1.0',
  params: {},
  profile: '1Min@2',
};

export const basisOf = (input: EvaluationInput): CandidateBasis => ({
  datasetHash: input.datasetHash,
  codeHash: 'c'.repeat(64),
  model: defaultExecutionModel,
  plan: defaultSplitPlan,
  timeframe: input.timeframe,
});

/** The plan of a run over an input. @param budget candidates */
export const planOf = (input: EvaluationInput, budget: number, sets?: readonly ParameterSet[]): BacktestPlan => {
  const grid = defaultGrids.intraday_tsmom;
  if (grid === undefined) throw new Error('expected a grid of intraday_tsmom');
  return planBacktest(basisOf(input), sets ?? parameterSetsOf(configured, grid, budget), input.sessions);
};

/** A ledger in memory: distinct trials by family, and the order of what happened. */
export class TrialBook implements TrialLedger {
  readonly families = new Map<string, Set<string>>();

  register(
    _runId: string,
    family: string,
    trials: readonly { readonly trialHash: string }[],
  ): Promise<{ readonly distinct: number }> {
    const own = this.families.get(family) ?? new Set<string>();
    this.families.set(family, own);
    for (const { trialHash } of trials) own.add(trialHash);
    return Promise.resolve({ distinct: own.size });
  }
}

export const contextOf = (change: Partial<RunContext> = {}): RunContext => ({
  runId: 'a'.repeat(24),
  strategy: {
    strategy_id: 'intraday_tsmom_v1@prod',
    name: 'Intraday momentum',
    description: null,
    enabled: true,
    strategy_type: 'intraday_tsmom',
    strategy_version: '1.1.0',
    base_timeframe: '1Min',
    params: {},
    profile: '1Min@2',
    universe_filter: null,
    priority: 100,
    max_position_pct_equity: null,
    max_notional_per_trade: null,
  },
  universeHash: 'e'.repeat(64),
  evaluatedAt: Date.parse('2026-05-01T21:00:00.000Z'),
  target: 'paper',
  fromStage: 'shadow',
  policy: defaultGatePolicy,
  external: {},
  signingKeyId: 'sha256:test',
  requestedBy: 'research-lane',
  ...change,
});
