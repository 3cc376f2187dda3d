import type { EquityCurve } from './equity-curve.ts';
import type { EvaluationCase } from './workbench.ts';

/** Sums of one session over all symbols, USD and counts. */
export interface SessionFigures {
  /** By FIFO lots at fill prices, after spread, slippage and commission; before regulatory fees. */
  readonly realised: number;
  /** Of what is held after the last bar, at its close. */
  readonly unrealised: number;
  /** What opening it has cost: spread, slippage and commission. */
  readonly openCost: number;
  readonly spreadCost: number;
  readonly slippageCost: number;
  readonly commission: number;
  /** Each type summed over the account and rounded up to a cent. */
  readonly regulatoryFees: number;
  readonly tradedNotional: number;
  readonly decisions: number;
  readonly orders: number;
  readonly rejected: number;
  readonly expired: number;
  readonly cancelled: number;
  readonly fills: number;
  readonly partialFills: number;
  readonly trades: number;
  readonly belowLot: number;
}

/** Realised, after every cost. */
export const netOf = ({ realised, regulatoryFees }: SessionFigures): number => realised - regulatoryFees;

export const costOf = ({ spreadCost, slippageCost, commission, regulatoryFees }: SessionFigures): number =>
  spreadCost + slippageCost + commission + regulatoryFees;

/** What the statistics of the judged candidate and of the baseline need beside the sums; of tested sessions only. */
export interface CaseDetail {
  /** Closed parts of positions, in order of time, then symbol: net profit over opening notional. */
  readonly tradeNetBps: readonly number[];
  /** By symbol and session with at least one bar. */
  readonly symbolSessions: readonly {
    readonly symbol: number;
    readonly session: number;
    readonly trades: number;
    /** Marked at the close, less fees before rounding, USD. */
    readonly profit: number;
  }[];
  /** Confidence of each entry, and whether the price stood above what was paid when the label's horizon was over. */
  readonly forecasts: readonly { readonly probability: number; readonly outcome: 0 | 1 }[];
}

/** One candidate under one case: plain data, so that it comes back the same from anywhere it was computed. */
export interface CaseResult {
  readonly candidateHash: string;
  readonly evaluationCase: EvaluationCase;
  /** Of the bars, spreads and model that were simulated. */
  readonly inputDigest: string;
  readonly fillsDigest: string;
  readonly fills: number;
  /** Rows of tested sessions that were shown to the strategy. */
  readonly signals: number;
  /** Conditions that failed, and how often. */
  readonly rejections: Readonly<Record<string, number>>;
  /** By session of the dataset, from the first on; sessions that no block holds are absent at the end. */
  readonly sessions: readonly SessionFigures[];
  /** By block. */
  readonly curves: readonly EquityCurve[];
  readonly detail: CaseDetail | null;
}
