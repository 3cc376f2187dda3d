import { featureFields, indicatorColumns, outOfRange, type FeatureName } from '@torghut/domain';
import { featuresOf, rowsInRange, viewOf, type FeatureColumns } from '@torghut/domain/research';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readBars } from '../../../infra/local/bars/reader.ts';
import { seriesOf } from '../../../infra/local/bars/series.ts';
import { featureSessions } from '../../../infra/cli/calibration.ts';
import { generatedDirectory } from '../../../infra/local/bars/generate.ts';

const bars = await readBars(generatedDirectory);
const streamed = [...featureSessions(bars)];

/** Without quotes the stream invents a spread; research says that none is known. */
const withoutSpread = indicatorColumns.filter((name) => !name.startsWith('imbalance'));

describe('feature columns', () => {
  test.each(
    seriesOf(bars)
      .slice(0, 2)
      .map((series) => [series.symbol, series] as const),
  )('%s: as the technical-analysis stream computes them, bar by bar over all sessions', (symbol, series) => {
    const rows = streamed.filter((session) => session.symbol === symbol).flatMap((session) => session.rows);
    expect(rows).toHaveLength(series.close.length);
    const columns = featuresOf(series);
    const view = viewOf(columns);
    let furthest = 0;
    for (const [index, { features }] of rows.entries()) {
      view.row = index;
      for (const name of [...withoutSpread, 'price', 'macd_hist_bps'] as FeatureName[]) {
        const [own, other] = [view[name], features[name]];
        if (own === null || other === null) expect([index, name, own]).toEqual([index, name, other]);
        else furthest = Math.max(furthest, Math.abs(own - other) / Math.max(1, Math.abs(other)));
      }
    }
    expect(furthest).toBeLessThan(1e-11);
  });

  test('a row out of the contract is not shown to a strategy', () => {
    const [series] = seriesOf(bars);
    if (series === undefined) throw new Error('expected a series');
    const close = Float64Array.from(series.close);
    close[100] = 0;
    const inRange = rowsInRange(featuresOf({ ...series, close }));
    expect(inRange[99]).toBe(1);
    expect(inRange[100]).toBe(0);
  });

  test('rows are in range where the contract finds no value out of it, read row by row', () => {
    const value = fc.oneof(
      fc.constantFrom(Number.NaN, -1, -0, 0, 0.05, 1, 2.5, 50, 100, 100.1, Infinity, -Infinity),
      fc.double({ min: -200, max: 200, noNaN: true }),
    );
    const rows = fc.array(fc.array(value, { minLength: featureFields.length, maxLength: featureFields.length }));
    fc.assert(
      fc.property(rows, (values) => {
        const columns = Object.fromEntries(
          featureFields.map(({ name }, field) => [name, Float64Array.from(values, (row) => row[field] ?? Number.NaN)]),
        ) as FeatureColumns;
        const view = viewOf(columns);
        const expected = values.map((_, row) => {
          view.row = row;
          return outOfRange(view).length === 0 ? 1 : 0;
        });
        expect([...rowsInRange(columns)]).toEqual(expected);
      }),
    );
  });
});
