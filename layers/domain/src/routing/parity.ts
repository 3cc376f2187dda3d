import type { EvidenceClass, ExecutionAdapter, parityResults } from '../enumerations.ts';
import type { LimitName, LimitValues } from '../limits.ts';
import type { NewYorkDate } from '../market/new-york.ts';

/** One order of a parity symbol that was sent on its own arm. */
export interface ParityOrder {
  readonly adapter: ExecutionAdapter;
  readonly session: NewYorkDate;
  readonly rejected: boolean;
  /** From the write until its answer, milliseconds; null when it was not acknowledged at once. */
  readonly ackMs: number | null;
  /** Null when nothing of it was filled. */
  readonly slippageBps: number | null;
  /** Its stored route contradicts itself, or is missing. */
  readonly provenanceError: boolean;
}

export const parityFailures = {
  parity_provenance: 'an order of the comparison has no route, or one that contradicts itself',
  parity_reject_rate: 'one adapter is refused more often than the other',
  parity_ack: 'one adapter takes longer to acknowledge than the other',
  parity_slippage: 'the slippage of the adapters may differ by more than the bound',
  parity_request: 'the adapters build different requests of the same order',
} as const;
export const parityShortfalls = {
  parity_orders_too_few: 'an adapter has too few orders to compare',
  parity_sessions_too_few: 'an adapter has orders of too few sessions to compare',
  parity_measure_missing: 'acknowledgements or fills to compare are missing',
  parity_evidence_simulated: 'the orders were taken by a simulation, which proves nothing about a venue',
} as const;
export type ParityFinding = keyof typeof parityFailures | keyof typeof parityShortfalls;

export interface ParityVerdict {
  readonly result: (typeof parityResults)[number];
  readonly codes: readonly ParityFinding[];
  readonly sampleLean: number;
  readonly sampleAlpaca: number;
  readonly metrics: ParityMetrics;
}

/** Differences are LEAN minus Alpaca; null where there is nothing to compare. */
export interface ParityMetrics {
  readonly sessions: number;
  readonly provenance_errors: number;
  readonly reject_rate_difference: number | null;
  readonly ack_p95_difference_ms: number | null;
  readonly slippage_difference_bps: number | null;
  readonly slippage_interval_bps: readonly [low: number, high: number] | null;
  /** 1: no difference at all; 0: at the tolerance of some measure or beyond it. Null where one cannot be judged. */
  readonly score: number | null;
}

export type ParityLimits = Pick<LimitValues, Extract<LimitName, `parity${string}`>>;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const sampleVariance = (values: readonly number[]): number => {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1);
};

/** The smallest value that at least 95 % of the values do not exceed. */
const p95 = (values: readonly number[]): number | null =>
  values.toSorted((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1] ?? null;

/** 97.5 % quantile of Student's t, by its expansion around the normal; within 1 % from 3 degrees of freedom on. */
const studentQuantile = (degrees: number): number => {
  const z = 1.959963984540054;
  return (
    z +
    (z ** 3 + z) / (4 * degrees) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  );
};

/** Degrees of freedom below which an interval says nothing. */
const fewestDegrees = 3;

/**
 * Welch's 95 % interval of the difference of two means, `a` minus `b`. Null when the samples are too small for one.
 */
export const welchInterval = (
  a: readonly number[],
  b: readonly number[],
): { readonly difference: number; readonly low: number; readonly high: number } | null => {
  if (a.length < 2 || b.length < 2) return null;
  const [ofA, ofB] = [sampleVariance(a) / a.length, sampleVariance(b) / b.length];
  const difference = mean(a) - mean(b);
  if (ofA + ofB === 0) return { difference, low: difference, high: difference };
  const degrees = (ofA + ofB) ** 2 / (ofA ** 2 / (a.length - 1) + ofB ** 2 / (b.length - 1));
  if (degrees < fewestDegrees) return null;
  const half = studentQuantile(degrees) * Math.sqrt(ofA + ofB);
  return { difference, low: difference - half, high: difference + half };
};

const present = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);

/**
 * Compares how LEAN and Alpaca treat the orders of one symbol. A contradiction of routes fails whatever the sample; the
 * rest needs a sample of sufficient size, and evidence of a real venue, before it says anything.
 */
export const compareAdapters = (
  orders: readonly ParityOrder[],
  evidence: EvidenceClass,
  limits: ParityLimits,
): ParityVerdict => {
  const lean = orders.filter(({ adapter }) => adapter === 'lean');
  const alpaca = orders.filter(({ adapter }) => adapter === 'alpaca');
  const arms = [lean, alpaca];
  const sessions = Math.min(...arms.map((arm) => new Set(arm.map(({ session }) => session)).size));
  const provenanceErrors = orders.filter(({ provenanceError }) => provenanceError).length;
  const rate = (arm: readonly ParityOrder[]): number => arm.filter(({ rejected }) => rejected).length / arm.length;
  const rejectRate = arms.some((arm) => arm.length === 0) ? null : rate(lean) - rate(alpaca);
  const [leanAck, alpacaAck] = arms.map((arm) => p95(present(arm.map(({ ackMs }) => ackMs))));
  const ack =
    leanAck === null || leanAck === undefined || alpacaAck === null || alpacaAck === undefined
      ? null
      : leanAck - alpacaAck;
  const slippage = welchInterval(
    present(lean.map(({ slippageBps }) => slippageBps)),
    present(alpaca.map(({ slippageBps }) => slippageBps)),
  );
  const widest = slippage === null ? null : Math.max(Math.abs(slippage.low), Math.abs(slippage.high));

  /** How much of its tolerance each measure uses up; more than 1 is beyond it. */
  const used = {
    parity_reject_rate: rejectRate === null ? null : Math.abs(rejectRate) / limits.parityRejectRate,
    parity_ack: ack === null ? null : Math.abs(ack) / limits.parityAckMs,
    parity_slippage: widest === null ? null : widest / limits.paritySlippageBps,
  };
  const shares = Object.entries(used) as readonly (readonly [keyof typeof used, number | null])[];
  const known = present(shares.map(([, share]) => share));
  const metrics: ParityMetrics = {
    sessions,
    provenance_errors: provenanceErrors,
    reject_rate_difference: rejectRate,
    ack_p95_difference_ms: ack,
    slippage_difference_bps: slippage?.difference ?? null,
    slippage_interval_bps: slippage === null ? null : [slippage.low, slippage.high],
    score: known.length < shares.length ? null : provenanceErrors > 0 ? 0 : Math.max(0, 1 - Math.max(...known)),
  };
  const verdict = (result: ParityVerdict['result'], codes: readonly ParityFinding[]): ParityVerdict => ({
    result,
    codes,
    sampleLean: lean.length,
    sampleAlpaca: alpaca.length,
    metrics,
  });

  if (provenanceErrors > 0) return verdict('fail', ['parity_provenance']);
  const shortfalls: ParityFinding[] = [
    ...(arms.some((arm) => arm.length < limits.parityMinOrders) ? (['parity_orders_too_few'] as const) : []),
    ...(sessions < limits.parityMinSessions ? (['parity_sessions_too_few'] as const) : []),
    ...(known.length < shares.length ? (['parity_measure_missing'] as const) : []),
  ];
  if (shortfalls.length > 0) return verdict('inconclusive', shortfalls);
  const failures = shares.flatMap(([code, share]) => (share !== null && share > 1 ? [code] : []));
  if (failures.length > 0) return verdict('fail', failures);
  return evidence === 'observed' ? verdict('pass', []) : verdict('inconclusive', ['parity_evidence_simulated']);
};
