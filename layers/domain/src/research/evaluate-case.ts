import { hashJson } from '../canonical-json.ts';
import { second } from '../instant.ts';
import type { Candidate } from './candidates.ts';
import type { Block } from './blocks.ts';
import type { CaseDetail, CaseResult, SessionFigures } from './case-result.ts';
import type { Desires } from './desires.ts';
import { simulate, type FillBuffer, type SessionSums, type Simulation } from './engine.ts';
import { AccountCurve } from './equity-curve.ts';
import { chargedFee } from './fees.ts';
import { fillsDigest } from './fills-digest.ts';
import type { BoundStrategy } from '../strategy/registry.ts';
import type { SymbolSeries } from './series.ts';
import type { EvaluationCase, Scene, Workbench } from './workbench.ts';

export interface CaseRequest {
  readonly candidate: Pick<Candidate, 'candidateHash'>;
  readonly bound: BoundStrategy;
  readonly evaluationCase: EvaluationCase;
  readonly blocks: readonly Block[];
  /** Time after an entry at which its label is known, seconds. */
  readonly labelSeconds: number;
  readonly detailed: boolean;
}

const figuresOf = (bySymbol: readonly SessionSums[]): SessionFigures => {
  const sum = (of: (sums: SessionSums) => number): number => bySymbol.reduce((total, sums) => total + of(sums), 0);
  return {
    realised: sum(({ realised }) => realised),
    unrealised: sum(({ unrealised }) => unrealised),
    openCost: sum(({ openCost }) => openCost),
    spreadCost: sum(({ spreadCost }) => spreadCost),
    slippageCost: sum(({ slippageCost }) => slippageCost),
    commission: sum(({ commission }) => commission),
    regulatoryFees:
      chargedFee(sum(({ fees }) => fees[0])) +
      chargedFee(sum(({ fees }) => fees[1])) +
      chargedFee(sum(({ fees }) => fees[2])),
    tradedNotional: sum(({ boughtNotional, soldNotional }) => boughtNotional + soldNotional),
    decisions: sum(({ decisions }) => decisions),
    orders: sum(({ orders }) => orders),
    rejected: sum(({ rejected }) => rejected),
    expired: sum(({ expired }) => expired),
    cancelled: sum(({ cancelled }) => cancelled),
    fills: sum(({ fills }) => fills),
    partialFills: sum(({ partialFills }) => partialFills),
    trades: sum(({ trades }) => trades),
    belowLot: sum(({ belowLot }) => belowLot),
  };
};

/** Entries of one simulation with the confidence they were decided with, and what came of them. */
const forecastsOf = (
  { start, close, sessions }: SymbolSeries,
  { confidence }: Desires,
  { fills }: Simulation,
  block: Block,
  labelSeconds: number,
): CaseDetail['forecasts'] => {
  const found: { probability: number; outcome: 0 | 1 }[] = [];
  let [position, session] = [0, block.from];
  for (let index = 0; index < fills.count; index += 1) {
    const [bar, qty] = [fills.bar[index] ?? 0, fills.qty[index] ?? 0];
    const flat = position === 0;
    position += qty;
    if (!flat) continue;
    while (bar >= (sessions[session]?.to ?? Infinity)) session += 1;
    let known = bar;
    const [due, end] = [(start[bar] ?? 0) + labelSeconds * second, sessions[session]?.to ?? 0];
    while (known < end && (start[known] ?? 0) < due) known += 1;
    // A window that the close cuts off has no label.
    if (known >= end) continue;
    const gained = ((close[known] ?? 0) - (fills.price[index] ?? 0)) * qty > 0;
    // Of the decision behind the order: the strategy may have wished again, with another confidence, while it rested.
    found.push({ probability: confidence[fills.decided[index] ?? 0] ?? 0, outcome: gained ? 1 : 0 });
  }
  return found;
};

/** What one symbol adds to a `CaseDetail` in one block. */
interface SymbolDetail {
  readonly trades: readonly {
    readonly at: number;
    readonly symbol: number;
    readonly session: number;
    readonly notional: number;
    readonly profit: number;
  }[];
  readonly symbolSessions: CaseDetail['symbolSessions'];
  readonly forecasts: CaseDetail['forecasts'];
}

const symbolDetail = (
  symbol: number,
  { market: { series } }: Scene,
  desires: Desires,
  done: Simulation,
  block: Block,
  labelSeconds: number,
): SymbolDetail => {
  let session = block.from;
  return {
    symbolSessions: done.sessions.flatMap(({ session: { from, to }, realised, unrealised, fees, trades }, index) => {
      const marked = unrealised - (done.sessions[index - 1]?.unrealised ?? 0);
      const profit = realised + marked - fees[0] - fees[1] - fees[2];
      return to > from ? [{ symbol, session: block.from + index, trades, profit }] : [];
    }),
    trades: Array.from(done.trades.bar, (bar, index) => {
      while (bar >= (series.sessions[session]?.to ?? Infinity)) session += 1;
      return {
        at: series.start[bar] ?? 0,
        symbol,
        session,
        notional: done.trades.notional[index] ?? 0,
        profit: done.trades.profit[index] ?? 0,
      };
    }),
    forecasts: forecastsOf(series, desires, done, block, labelSeconds),
  };
};

/** @param sessions fees of a session are borne by its trades in proportion to what they opened */
const detailOf = (details: readonly SymbolDetail[], sessions: readonly (SessionFigures | undefined)[]): CaseDetail => {
  const trades = details.flatMap(({ trades: own }) => own);
  const opened = new Map<number, number>();
  for (const { session, notional } of trades) opened.set(session, (opened.get(session) ?? 0) + notional);
  return {
    tradeNetBps: trades
      .sort((a, b) => a.at - b.at || a.symbol - b.symbol)
      .map(({ session, notional, profit }) => {
        const fees = (sessions[session]?.regulatoryFees ?? 0) / (opened.get(session) ?? Number.NaN);
        return 1e4 * (profit / notional - fees);
      }),
    symbolSessions: details.flatMap(({ symbolSessions }) => symbolSessions),
    forecasts: details.flatMap(({ forecasts }) => forecasts),
  };
};

/** What is kept of one block while symbols are simulated one after another. */
interface BlockSums {
  readonly block: Block;
  readonly curve: AccountCurve;
  readonly bySymbol: { readonly fills: FillBuffer; readonly sessions: readonly SessionSums[] }[];
  readonly details: SymbolDetail[];
}

/** Rows of tested blocks that a strategy was shown. */
const signalsOf = ({ inRange, market: { series } }: Scene, blocks: readonly Block[]): number => {
  let signals = 0;
  for (const { from, to, tested } of blocks) {
    const end = tested ? (series.sessions[to - 1]?.to ?? 0) : 0;
    for (let row = series.sessions[from]?.from ?? 0; row < end; row += 1) signals += inRange[row] ?? 0;
  }
  return signals;
};

/**
 * Simulates one candidate under one case over all blocks and symbols. Depends on nothing but its arguments. Symbols come
 * one after another, so that of a case no more than one of them is in memory.
 */
export const evaluateCase = (bench: Workbench, request: CaseRequest): CaseResult => {
  const { candidate, bound, evaluationCase, blocks, labelSeconds, detailed } = request;
  const tried = { name: candidate.candidateHash, bound };
  const [firstSeries] = bench.input.series;
  const parts =
    firstSeries === undefined
      ? []
      : blocks.map((block): BlockSums => ({
          block,
          curve: new AccountCurve(firstSeries, block.from, block.to),
          bySymbol: [],
          details: [],
        }));
  const rejections = new Map<string, number>();
  const digests: string[] = [];
  let signals = 0;
  for (const symbol of bench.input.series.keys()) {
    const scene = bench.scene(symbol, evaluationCase, tried, blocks);
    const desires = bench.desires(symbol, scene, tried);
    digests.push(bench.digest(scene));
    signals += signalsOf(scene, blocks);
    for (const [condition, times] of Object.entries(desires.rejections))
      rejections.set(condition, (rejections.get(condition) ?? 0) + times);
    for (const { block, curve, bySymbol, details } of parts) {
      const done = simulate(scene.market, desires, scene.model, bench.fees, block);
      curve.add(scene.market.series, block.from, done);
      bySymbol.push({ fills: done.fills, sessions: done.sessions });
      if (detailed && block.tested) details.push(symbolDetail(symbol, scene, desires, done, block, labelSeconds));
    }
  }
  const sessions: SessionFigures[] = [];
  const curves = parts.map(({ block, curve, bySymbol }) => {
    const figures = Array.from({ length: block.to - block.from }, (_, index) =>
      figuresOf(bySymbol.flatMap(({ sessions: own }) => own.slice(index, index + 1))),
    );
    sessions.push(...figures);
    return curve.close(figures.map(({ regulatoryFees }) => regulatoryFees));
  });
  return {
    candidateHash: candidate.candidateHash,
    evaluationCase,
    inputDigest: hashJson(digests),
    fillsDigest: fillsDigest(parts.flatMap(({ bySymbol }) => bySymbol)),
    fills: sessions.reduce((sum, { fills }) => sum + fills, 0),
    signals,
    rejections: Object.fromEntries([...rejections].sort(([a], [b]) => (a < b ? -1 : 1))),
    sessions,
    curves,
    detail: detailed
      ? detailOf(
          parts.flatMap(({ details }) => details),
          sessions,
        )
      : null,
  };
};
