import type { EvidenceClass } from '../enumerations.ts';
import { requiredFeatures } from '../features/contract.ts';
import type { FeatureColumns } from './features.ts';
import type { SymbolSeries } from './series.ts';
import type { SessionBounds } from './walk-forward.ts';

/** Everything an evaluation is shown of the world. It names its content: equal hashes, equal input. */
export interface EvaluationInput {
  readonly datasetHash: string;
  readonly timeframe: string;
  readonly evidenceClass: EvidenceClass;
  /** Contract the signals were recorded under. */
  readonly featureContract: { readonly version: string; readonly hash: string };
  /** Ascending. */
  readonly sessions: readonly SessionBounds[];
  /** By symbol, ascending; each lists every session, with `from === to` where it has no bars. */
  readonly series: readonly SymbolSeries[];
  /** Signals as they were stored, in the order of `series`; null: computed from the series. */
  readonly features: readonly FeatureColumns[] | null;
  /** Windows of the period in which live trading saw no signal. */
  readonly noSignalWindows: number;
  /** Seconds by which windows of stored signals overlap. */
  readonly windowOverlapSeconds: number;
}

/** @throws RangeError when the parts do not belong together: a defect of what assembled them */
export const checkInput = ({ sessions, series, features }: EvaluationInput): void => {
  if (features !== null && features.length !== series.length)
    throw new RangeError(`expected features of ${series.length} symbols, found ${features.length}`);
  for (const [index, { symbol, sessions: own, start }] of series.entries()) {
    const before = series[index - 1];
    if (before !== undefined && !(before.symbol < symbol))
      throw new RangeError(`expected symbols ascending, each once, found ${symbol} after ${before.symbol}`);
    if (own.length !== sessions.length || own.some(({ date }, at) => date !== sessions[at]?.date))
      throw new RangeError(`expected ${symbol} to list the ${sessions.length} sessions of the dataset, found others`);
    const rows = features?.[index]?.price.length ?? start.length;
    if (rows !== start.length)
      throw new RangeError(`expected ${start.length} rows of features of ${symbol}, found ${rows}`);
  }
};

/** What the signals themselves are like. */
export interface DataQuality {
  readonly bars: number;
  /** Of the required feature that is null most often; null without a row. */
  readonly requiredFeatureNullRate: number | null;
  /** 95th percentile, ms; null where signals were not stored, so that nothing is known of it. */
  readonly stalenessP95Ms: number | null;
}

/** @param used features of each symbol as the strategies are shown them */
export const dataQualityOf = ({ series, features }: EvaluationInput, used: readonly FeatureColumns[]): DataQuality => {
  const bars = series.reduce((sum, { start }) => sum + start.length, 0);
  const nullRates = requiredFeatures.map((name) => {
    let missing = 0;
    for (const { [name]: column } of used)
      for (let row = 0; row < column.length; row += 1) if (Number.isNaN(column[row] ?? Number.NaN)) missing += 1;
    return missing / bars;
  });
  let stalenessP95Ms: number | null = null;
  if (features !== null && bars > 0) {
    const all = new Float64Array(bars);
    let at = 0;
    for (const { staleness_ms } of features) {
      all.set(staleness_ms, at);
      at += staleness_ms.length;
    }
    all.sort();
    const found = all[Math.ceil(0.95 * bars) - 1] ?? Number.NaN;
    stalenessP95Ms = Number.isNaN(found) ? null : found;
  }
  return { bars, requiredFeatureNullRate: bars === 0 ? null : Math.max(...nullRates), stalenessP95Ms };
};
