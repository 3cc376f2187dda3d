import type { EvaluationInput, FeatureColumns, SymbolSeries } from '@torghut/domain/research';

const shared = (column: Float64Array): Float64Array => {
  const copy = new Float64Array(new SharedArrayBuffer(column.byteLength));
  copy.set(column);
  return copy;
};

const sharedColumns = <Columns extends object>(columns: Columns): Columns =>
  Object.fromEntries(
    Object.entries(columns).map(([name, value]: [string, unknown]) => [
      name,
      value instanceof Float64Array ? shared(value) : value,
    ]),
  ) as Columns;

/** The same input over memory that threads see without a copy each. */
export const sharedInput = (input: EvaluationInput): EvaluationInput => ({
  ...input,
  series: input.series.map((series): SymbolSeries => sharedColumns(series)),
  features: input.features?.map((columns): FeatureColumns => sharedColumns(columns)) ?? null,
});
