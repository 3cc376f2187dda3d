import type { Json } from '../canonical-json.ts';
import type { Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';
import { inTableOrder, type QualityCode } from '../reason-codes.ts';
import { featureSchemaMajor, outOfRange, requiredFeatures } from './contract.ts';
import { toFeatures, type FeatureRow, type SignalRow } from './row.ts';

/** A row with the facts of its arrival, which the deduplicated read of the store would hide. */
export interface ArrivedRow {
  readonly row: SignalRow;
  /** Deliveries of this identity, at least 1. */
  readonly copies: number;
  /** When the first delivery was emitted. */
  readonly firstIngestTs: Instant;
  /** Read again in the overlap before the cursor: late by definition, so it is exempt from the order check. */
  readonly late: boolean;
}

export interface QualityBatch {
  readonly rows: readonly ArrivedRow[];
  readonly series: { readonly windowSize: string; readonly source: string };
  /** Emit delay means nothing in a replay, where rows are written long after their event time. */
  readonly mode: 'live' | 'replay';
  /** Whether the previous window already warned: the second consecutive one blocks. */
  readonly previousWindowWarned: { readonly duplicateRatio: boolean; readonly staleness: boolean };
}

export type QualityLimits = Pick<
  LimitValues,
  'maxRequiredNullRate' | 'maxStalenessMs' | 'maxDuplicateRatio' | 'maxOutOfRangeRatio'
>;

export interface QualityReport {
  /** Rows that may be evaluated, in the order given; empty when the batch is rejected. */
  readonly accepted: readonly FeatureRow[];
  /** Rows for the dead letters, each with its codes. */
  readonly quarantined: readonly {
    readonly row: SignalRow;
    readonly codes: readonly QualityCode[];
    readonly detail: Json;
  }[];
  /** Why the whole batch is rejected; empty when it is not. */
  readonly batchCodes: readonly QualityCode[];
  /** Violations that block only in the second consecutive window. */
  readonly warnings: readonly QualityCode[];
  /** Observed values beside their limits, by code. */
  readonly details: Readonly<Partial<Record<QualityCode, Json>>>;
}

/** Rejects a batch for a reason that lies outside of it. */
export const rejectBatch = (rows: readonly ArrivedRow[], code: QualityCode, detail: Json): QualityReport => ({
  accepted: [],
  quarantined: rows.map(({ row }) => ({ row, codes: [code], detail: {} })),
  batchCodes: rows.length === 0 ? [] : [code],
  warnings: [],
  details: { [code]: detail },
});

/** Nearest-rank percentile of unsorted values. @throws RangeError for an empty list. */
const percentile = (values: readonly number[], share: number): number => {
  const sorted = Float64Array.from(values).sort();
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('expected at least one value');
  return value;
};

/** First row whose event time lies before that of a row of the same symbol which arrived earlier. */
const regression = (rows: readonly ArrivedRow[]): SignalRow | null => {
  const inArrivalOrder = rows
    .filter(({ late }) => !late)
    .sort((a, b) => a.firstIngestTs - b.firstIngestTs || a.row.eventTs - b.row.eventTs);
  const newest = new Map<string, Instant>();
  for (const { row } of inArrivalOrder) {
    const seen = newest.get(row.symbol);
    if (seen !== undefined && row.eventTs < seen) return row;
    newest.set(row.symbol, row.eventTs);
  }
  return null;
};

/** Highest null rate among the required features. */
const worstNullRate = (rows: readonly FeatureRow[]): { readonly field: string; readonly rate: number } => {
  let worst = { field: '', rate: 0 };
  for (const field of requiredFeatures) {
    let nulls = 0;
    for (const { features } of rows) if (features[field] === null) nulls += 1;
    const rate = nulls / rows.length;
    if (rate > worst.rate) worst = { field, rate };
  }
  return worst;
};

/**
 * Judges a batch as it arrived, before anything is evaluated. A violation rejects the batch; a value out of range
 * quarantines its row alone, unless such rows are too many. An empty batch has no violations and no rows.
 */
export const judgeQuality = (batch: QualityBatch, limits: QualityLimits): QualityReport => {
  const { rows, series } = batch;
  if (rows.length === 0) return { accepted: [], quarantined: [], batchCodes: [], warnings: [], details: {} };

  const details: Partial<Record<QualityCode, Json>> = {};
  const batchCodes: QualityCode[] = [];
  const warnings: QualityCode[] = [];
  const reject = (code: QualityCode, detail: Json): void => {
    batchCodes.push(code);
    details[code] = detail;
  };
  const warnThenReject = (code: QualityCode, warnedBefore: boolean, detail: Json): void => {
    (warnedBefore ? batchCodes : warnings).push(code);
    details[code] = detail;
  };

  const featured: FeatureRow[] = rows.map(({ row }) => ({ row, features: toFeatures(row) }));

  const wrongSchema = rows.find(({ row }) => row.version !== featureSchemaMajor);
  if (wrongSchema !== undefined) {
    reject('feature_schema_mismatch', { expected: featureSchemaMajor, found: wrongSchema.row.version });
  }
  const nulls = worstNullRate(featured);
  if (nulls.rate > limits.maxRequiredNullRate) {
    reject('required_feature_null_rate_exceeded', {
      field: nulls.field,
      rate: nulls.rate,
      limit: limits.maxRequiredNullRate,
    });
  }
  if (batch.mode === 'live') {
    const p95 = percentile(
      rows.map(({ row }) => Math.max(0, row.ingestTs - row.eventTs)),
      0.95,
    );
    if (p95 > limits.maxStalenessMs) {
      warnThenReject('feature_staleness_exceeds_budget', batch.previousWindowWarned.staleness, {
        p95_ms: p95,
        limit_ms: limits.maxStalenessMs,
      });
    }
  }
  const deliveries = rows.reduce((sum, { copies }) => sum + copies, 0);
  const duplicateRatio = (deliveries - rows.length) / deliveries;
  if (duplicateRatio > limits.maxDuplicateRatio) {
    warnThenReject('duplicate_ratio_exceeded', batch.previousWindowWarned.duplicateRatio, {
      ratio: duplicateRatio,
      limit: limits.maxDuplicateRatio,
    });
  }
  const backwards = regression(rows);
  if (backwards !== null)
    reject('non_monotonic_progression', { symbol: backwards.symbol, event_ts: backwards.eventTs });
  const foreign = rows.find(({ row }) => row.windowSize !== series.windowSize || row.source !== series.source);
  if (foreign !== undefined) {
    reject('mixed_series', {
      expected: `${series.windowSize}/${series.source}`,
      found: `${foreign.row.windowSize}/${foreign.row.source}`,
    });
  }

  const accepted: FeatureRow[] = [];
  const outside: { row: SignalRow; fields: string[] }[] = [];
  for (const one of featured) {
    const fields = outOfRange(one.features);
    if (fields.length === 0) accepted.push(one);
    else outside.push({ row: one.row, fields });
  }
  const outsideRatio = outside.length / rows.length;
  if (outsideRatio > limits.maxOutOfRangeRatio) {
    reject('feature_out_of_range', { ratio: outsideRatio, limit: limits.maxOutOfRangeRatio });
  }

  const codes = inTableOrder(batchCodes);
  const outsideFields = new Map(outside.map(({ row, fields }) => [row, fields]));
  const quarantined = (codes.length === 0 ? outside.map(({ row }) => row) : rows.map(({ row }) => row)).map((row) => {
    const fields = outsideFields.get(row);
    return {
      row,
      codes: fields === undefined ? codes : inTableOrder<QualityCode>([...codes, 'feature_out_of_range']),
      detail: fields === undefined ? {} : { out_of_range: fields },
    };
  });
  return {
    accepted: codes.length === 0 ? accepted : [],
    quarantined,
    batchCodes: codes,
    warnings: inTableOrder(warnings),
    details,
  };
};
