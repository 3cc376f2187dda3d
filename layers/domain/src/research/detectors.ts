import { toText } from '../instant.ts';
import type { FeatureName } from '../features/contract.ts';
import type { BoundStrategy } from '../strategy/registry.ts';
import { desiresOf } from './desires.ts';
import { featuresOf, rowsInRange, type FeatureColumns } from './features.ts';
import type { SymbolSeries } from './series.ts';

/** What is decided at the end of each bar of a series, and from what. */
export interface Decided {
  readonly columns: FeatureColumns;
  readonly actions: Int8Array;
  readonly confidence: Float64Array;
}

/** From bars to decisions, as research and live trading go the way. */
export type DecisionPipeline = (series: SymbolSeries) => Decided;

export const pipelineOf =
  (bound: BoundStrategy): DecisionPipeline =>
  (series) => {
    const columns = featuresOf(series);
    const { actions, confidence } = desiresOf(columns, rowsInRange(columns), bound);
    return { columns, actions, confidence };
  };

/** What a detector compared and found. Without a compared row it found nothing because it looked at nothing. */
export interface Finding {
  readonly rowsCompared: number;
  /** Of them, rows with a decision. */
  readonly decisionsCompared: number;
  readonly differences: number;
  /** Of the differences, those that are few enough to be borne. */
  readonly tolerated: number;
  readonly first: {
    readonly symbol: string;
    readonly at: string;
    readonly what: string;
    readonly detail: string;
  } | null;
}

export const nothingCompared: Finding = {
  rowsCompared: 0,
  decisionsCompared: 0,
  differences: 0,
  tolerated: 0,
  first: null,
};

const isBorne = ({ differences, tolerated }: Finding): boolean => differences <= tolerated;

/** Findings of several symbols or cuts as one. */
export const together = (findings: readonly Finding[]): Finding =>
  findings.reduce(
    (sum, one) => ({
      rowsCompared: sum.rowsCompared + one.rowsCompared,
      decisionsCompared: sum.decisionsCompared + one.decisionsCompared,
      differences: sum.differences + one.differences,
      tolerated: sum.tolerated + one.tolerated,
      // What fails is worth more to know than what was borne.
      first: isBorne(sum) && !isBorne(one) ? one.first : (sum.first ?? one.first),
    }),
    nothingCompared,
  );

const columnNames = ['start', 'open', 'high', 'low', 'close', 'volume', 'halfSpread'] as const;

/** Bars `[from, to)` of a series, as if there were no others. */
export const barsOf = (series: SymbolSeries, from: number, to: number): SymbolSeries => {
  const sessions = series.sessions
    .map((session) => ({
      ...session,
      from: Math.max(from, session.from) - from,
      to: Math.min(to, session.to) - from,
    }))
    .filter((session) => session.to > session.from);
  const columns = Object.fromEntries(columnNames.map((name) => [name, series[name].subarray(from, to)]));
  return { ...series, ...columns, sessions };
};

/** The same past with another future: from a bar on prices are half as high again, in reverse order, with other volumes. */
const withOtherFuture = (series: SymbolSeries, from: number): SymbolSeries => {
  const changed = (name: 'open' | 'high' | 'low' | 'close' | 'volume', factor: number): Float64Array => {
    const column = series[name].slice();
    column.set(
      series[name]
        .slice(from)
        .reverse()
        .map((value) => value * factor),
      from,
    );
    return column;
  };
  return {
    ...series,
    open: changed('open', 1.5),
    high: changed('high', 1.5),
    low: changed('low', 1.5),
    close: changed('close', 1.5),
    volume: changed('volume', 3),
  };
};

/** Rows of two things that are compared: `[from, to)` of the whole, each `shift` rows earlier in the part. */
interface Rows {
  readonly from: number;
  readonly to: number;
  readonly shift: number;
}

/** Marks rows that differ in a column; two unknown values are the same. */
const mark = (
  marked: Uint8Array,
  whole: Float64Array | Int8Array,
  part: Float64Array | Int8Array,
  { from, to, shift }: Rows,
): void => {
  for (let row = from; row < to; row += 1) {
    const [one, other] = [whole[row] ?? Number.NaN, part[row - shift] ?? Number.NaN];
    if (one !== other && !(Number.isNaN(one) && Number.isNaN(other))) marked[row - from] = 1;
  }
};

/** Compares decisions, confidence and features of the whole with those of a part. */
const compare = (
  series: SymbolSeries,
  whole: Decided,
  part: Decided,
  rows: Rows,
  features: readonly FeatureName[],
): Finding => {
  const { from, to, shift } = rows;
  const compared = [
    { what: 'action', one: whole.actions, other: part.actions },
    { what: 'confidence', one: whole.confidence, other: part.confidence },
    ...features.map((name) => ({ what: name, one: whole.columns[name], other: part.columns[name] })),
  ];
  const marked = new Uint8Array(to - from);
  for (const { one, other } of compared) mark(marked, one, other, rows);
  let [decisions, differences] = [0, 0];
  for (let row = from; row < to; row += 1) {
    if (whole.actions[row] !== 0 || part.actions[row - shift] !== 0) decisions += 1;
    differences += marked[row - from] ?? 0;
  }
  const at = marked.indexOf(1) + from;
  const found = compared.find(({ one, other }) => {
    const own = new Uint8Array(1);
    mark(own, one, other, { from: at, to: at + 1, shift });
    return own[0] === 1;
  });
  return {
    rowsCompared: to - from,
    decisionsCompared: decisions,
    differences,
    tolerated: 0,
    first:
      differences === 0 || found === undefined
        ? null
        : {
            symbol: series.symbol,
            at: toText(series.start[at] ?? 0),
            what: found.what,
            detail: `${found.one[at] ?? 'none'} with all bars, ${found.other[at - shift] ?? 'none'} with fewer or other ones`,
          },
  };
};

/** How much of a series the detectors look at; it bounds their time, not their strictness. */
export interface DetectorPlan {
  /** Last bars of each symbol. */
  readonly bars: number;
  /** Points at which the future is taken away and changed. */
  readonly cuts: number;
  /** Warm-up that decisions are taken after, bars. */
  readonly warmUpBars: number;
}

export const defaultDetectorPlan: Omit<DetectorPlan, 'warmUpBars'> = { bars: 3_000, cuts: 6 };

const lastBars = (series: SymbolSeries, bars: number): SymbolSeries =>
  barsOf(series, Math.max(0, series.start.length - bars), series.start.length);

/**
 * Look-ahead: at several points the future is taken away, and exchanged for another one. Nothing decided or computed
 * before the point may change by a bit.
 */
export const lookAheadOf = (all: SymbolSeries, pipeline: DecisionPipeline, plan: DetectorPlan): Finding => {
  const series = lastBars(all, plan.bars);
  const bars = series.start.length;
  if (bars < 2) return nothingCompared;
  const whole = pipeline(series);
  const features = Object.keys(whole.columns) as FeatureName[];
  const cuts = new Set(
    Array.from({ length: plan.cuts }, (_, index) => Math.floor(((index + 1) * bars) / (plan.cuts + 1))),
  );
  return together(
    [...cuts]
      .filter((cut) => cut > 0)
      .flatMap((cut) => {
        const rows = { from: 0, to: cut, shift: 0 };
        return [
          compare(series, whole, pipeline(barsOf(series, 0, cut)), rows, features),
          compare(series, whole, pipeline(withOtherFuture(series, cut)), rows, features),
        ];
      }),
  );
};

/** Warm-ups tried, as multiples of the one decisions are taken after. */
const warmUpFactors = [1, 2, 4] as const;
/** Largest share of rows that may be decided otherwise after the shortest warm-up. */
const toleratedShare = 0.01;

/**
 * Recursion: decisions after warm-ups of several lengths have to converge. After the longest none may differ from those of
 * the whole history; after the shortest, the one in use, at most one row in a hundred may.
 */
export const recursionOf = (all: SymbolSeries, pipeline: DecisionPipeline, plan: DetectorPlan): Finding => {
  const series = lastBars(all, plan.bars);
  const bars = series.start.length;
  const scoredFrom = plan.warmUpBars * Math.max(...warmUpFactors) + 1;
  if (bars <= scoredFrom) return nothingCompared;
  const whole = pipeline(series);
  return together(
    warmUpFactors.map((factor) => {
      const shift = scoredFrom - factor * plan.warmUpBars;
      const part = pipeline(barsOf(series, shift, bars));
      const found = compare(series, whole, part, { from: scoredFrom, to: bars, shift }, []);
      const most = factor === Math.max(...warmUpFactors) ? 0 : toleratedShare * found.rowsCompared;
      return { ...found, tolerated: found.differences > most ? 0 : found.differences };
    }),
  );
};
