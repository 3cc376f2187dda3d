import { toText } from '../instant.ts';
import { momentsOf } from '../statistics/moments.ts';
import type { Statistic } from '../statistics/outcome.ts';
import { money, type FoldRow, type Measure, type TotalsRow } from './artifacts.ts';
import type { Backtest } from './backtest.ts';
import type { Block } from './blocks.ts';
import { costOf, netOf, type CaseResult, type SessionFigures } from './case-result.ts';
import { flatCurve, followedBy, type EquityCurve } from './equity-curve.ts';
import type { Fold } from './walk-forward.ts';

/** A statistic as it is stored. */
export const measured = (found: Statistic, sample: number): Measure =>
  found.ok ? { value: found.value, code: null, sample } : { value: null, code: found.code, sample };

/** Sums over consecutive sessions that began flat, USD. */
export interface Period {
  readonly sessions: readonly SessionFigures[];
  readonly net: number;
  /** Every cost, of what is still held as well. */
  readonly cost: number;
  /** Of what was held at the end. */
  readonly unrealised: number;
  /** Part of `cost` that opening what was held at the end has taken, and of no realised profit. */
  readonly openCost: number;
  readonly traded: number;
  readonly curve: EquityCurve;
}

const sumOf = (sessions: readonly SessionFigures[], of: (figures: SessionFigures) => number): number =>
  sessions.reduce((total, figures) => total + of(figures), 0);

const periodOf = (result: CaseResult, block: Block, index: number): Period => {
  const sessions = result.sessions.slice(block.from, block.to);
  return {
    sessions,
    net: sumOf(sessions, netOf),
    cost: sumOf(sessions, costOf),
    unrealised: sessions.at(-1)?.unrealised ?? 0,
    openCost: sessions.at(-1)?.openCost ?? 0,
    traded: sumOf(sessions, ({ tradedNotional }) => tradedNotional),
    curve: result.curves[index] ?? flatCurve,
  };
};

/** Profit of what was closed before what opening and closing it cost. */
const grossOf = ({ net, cost, openCost }: Period): number => net + cost - openCost;

/** Tested periods, one for each fold, in their order. */
export const testedPeriods = (result: CaseResult, blocks: readonly Block[]): readonly Period[] =>
  blocks.flatMap((block, index) => (block.tested ? [periodOf(result, block, index)] : []));

const costBpsOf = (cost: number, traded: number): number | null => (traded > 0 ? (1e4 * cost) / traded : null);

/**
 * Profit of each session with what was held marked at its close, after every cost, USD. Risk is measured on these: what a
 * strategy leaves open would otherwise be no part of its record, and one that sells only winners would have no losses.
 */
export const markedProfits = (sessions: readonly SessionFigures[]): readonly number[] =>
  sessions.map((figures, index) => netOf(figures) + figures.unrealised - (sessions[index - 1]?.unrealised ?? 0));

/** Marked profit of every simulated session; each block begins flat. */
export const simulatedProfits = (result: CaseResult, blocks: readonly Block[]): readonly number[] =>
  blocks.flatMap(({ from, to }) => markedProfits(result.sessions.slice(from, to)));

/** Marked profit of each tested session, USD. */
export const testedProfits = (periods: readonly Period[]): Float64Array =>
  Float64Array.from(periods.flatMap(({ sessions }) => markedProfits(sessions)));

/** Net of each tested session, USD. */
export const testedNets = (periods: readonly Period[]): Float64Array =>
  Float64Array.from(periods.flatMap(({ sessions }) => sessions.map(netOf)));

/** All tested sessions together. */
export const totalsOf = (periods: readonly Period[], equityUsd: number, tradeNetBps: readonly number[]): TotalsRow => {
  const sessions = periods.flatMap((period) => period.sessions);
  const sum = (of: (figures: SessionFigures) => number): number => sumOf(sessions, of);
  const over = (of: (period: Period) => number): number => periods.reduce((total, period) => total + of(period), 0);
  const [net, cost] = [over((period) => period.net), over((period) => period.cost)];
  return {
    sessions: sessions.length,
    decision_count: sum(({ decisions }) => decisions),
    order_count: sum(({ orders }) => orders),
    trade_count: sum(({ trades }) => trades),
    fill_count: sum(({ fills }) => fills),
    partial_fill_count: sum(({ partialFills }) => partialFills),
    rejected_count: sum(({ rejected }) => rejected),
    expired_count: sum(({ expired }) => expired),
    cancelled_count: sum(({ cancelled }) => cancelled),
    below_lot_count: sum(({ belowLot }) => belowLot),
    gross_pnl: money(over(grossOf)),
    net_pnl: money(net),
    unrealized_pnl: money(over(({ unrealised }) => unrealised)),
    spread_cost: money(sum(({ spreadCost }) => spreadCost)),
    slippage_cost: money(sum(({ slippageCost }) => slippageCost)),
    commission: money(sum(({ commission }) => commission)),
    regulatory_fees: money(sum(({ regulatoryFees }) => regulatoryFees)),
    total_cost: money(cost),
    open_cost: money(over(({ openCost }) => openCost)),
    max_drawdown_usd: money(periods.reduce((curve, period) => followedBy(curve, period.curve), flatCurve).drawdown),
    turnover_ratio: Math.max(0, ...periods.map(({ traded }) => traded / equityUsd)),
    cost_bps: costBpsOf(
      cost,
      over(({ traded }) => traded),
    ),
    mean_trade_net_bps:
      tradeNetBps.length === 0 ? null : tradeNetBps.reduce((total, bps) => total + bps, 0) / tradeNetBps.length,
  };
};

/** One row for each fold. */
export const foldRowsOf = (
  { plan, selection }: Pick<Backtest, 'plan' | 'selection'>,
  result: CaseResult,
  regimes: (fold: Fold) => string,
): readonly FoldRow[] => {
  const { model, plan: split } = plan.basis;
  const equityUsd = model.sizing.equity_usd;
  const periods = testedPeriods(result, plan.blocks);
  return plan.folds.flatMap((fold, index): FoldRow[] => {
    const period = periods[index];
    if (period === undefined) return [];
    const { sessions, net, cost, unrealised, openCost, traded, curve } = period;
    const moments = momentsOf(markedProfits(sessions).map((profit) => profit / equityUsd));
    return [
      {
        fold_name: fold.name,
        fold_order: fold.order,
        train_start: toText(fold.train.startAt),
        train_end: toText(fold.train.endAt),
        test_start: toText(fold.test.startAt),
        test_end: toText(fold.test.endAt),
        purge_seconds: split.purge_seconds,
        embargo_seconds: split.embargo_seconds,
        decision_count: sumOf(sessions, ({ decisions }) => decisions),
        trade_count: sumOf(sessions, ({ trades }) => trades),
        gross_pnl: money(grossOf(period)),
        net_pnl: money(net),
        unrealized_pnl: money(unrealised),
        total_cost: money(cost),
        open_cost: money(openCost),
        max_drawdown_usd: money(curve.drawdown),
        turnover_ratio: traded / equityUsd,
        cost_bps: costBpsOf(cost, traded),
        sharpe_per_period: moments.ok ? moments.value.sharpe : null,
        regime_label: regimes(fold),
        selected_candidate_hash: selection.perFold[index]?.candidateHash ?? null,
      },
    ];
  });
};

/** What the costs of a fold consist of, USD. */
export const costAssumptionsOf = (
  { sessions }: Period,
  executionModelHash: string,
): {
  execution_model_hash: string;
  spread_cost: string;
  slippage_cost: string;
  commission: string;
  regulatory_fees: string;
} => ({
  execution_model_hash: executionModelHash,
  spread_cost: money(sumOf(sessions, ({ spreadCost }) => spreadCost)),
  slippage_cost: money(sumOf(sessions, ({ slippageCost }) => slippageCost)),
  commission: money(sumOf(sessions, ({ commission }) => commission)),
  regulatory_fees: money(sumOf(sessions, ({ regulatoryFees }) => regulatoryFees)),
});
