import { builtInStrategies } from '@torghut/domain';
import {
  barsOf,
  defaultDetectorPlan,
  featuresOf,
  lookAheadOf,
  pipelineOf,
  recursionOf,
  rowsInRange,
  type DecisionPipeline,
  type FeatureColumns,
  type SymbolSeries,
} from '@torghut/domain/research';
import { describe, expect, it, test } from 'vitest';
import { tradingDays, wanderingSeries } from './lane-fixture.ts';
import { desiresOf } from '../../../layers/domain/src/research/desires.ts';

const series = wanderingSeries('AAA', tradingDays(6), 5);
const found = builtInStrategies.bind('intraday_tsmom', '1.1.0', { profile: '1Min@2' }, '1Min');
if (!found.ok) throw new Error(found.detail);
const { strategy } = found;
const plan = { ...defaultDetectorPlan, warmUpBars: 120 };
const clean = pipelineOf(strategy);

/** The pipeline with one feature computed otherwise. */
const withFeature =
  (name: keyof FeatureColumns, of: (series: SymbolSeries, columns: FeatureColumns) => Float64Array): DecisionPipeline =>
  (own) => {
    const columns = featuresOf(own);
    const changed = { ...columns, [name]: of(own, columns) };
    return { columns: changed, ...desiresOf(changed, rowsInRange(changed), strategy) };
  };

const planted: Record<string, DecisionPipeline> = {
  'the close of the next bar': withFeature('macd', ({ close }, { macd, macd_signal }) =>
    macd.map((value, row) => ((close[row + 1] ?? 0) > (close[row] ?? 0) ? value + 0.1 : (macd_signal[row] ?? value))),
  ),
  'a normalisation over the whole sample': withFeature('rsi14', (_, { rsi14 }) => {
    const known = rsi14.filter((value) => !Number.isNaN(value));
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    return rsi14.map((value) => Math.min(100, Math.max(0, 57 + value - mean)));
  }),
  'a window centred on its bar': withFeature('ema12', ({ close }) =>
    close.map((_, row) => {
      const window = close.subarray(Math.max(0, row - 5), row + 6);
      return window.reduce((sum, value) => sum + value, 0) / window.length;
    }),
  ),
};

describe('[A7] look-ahead detector', () => {
  it('finds nothing in the pipeline that live trading uses, over rows and decisions that it counts', () => {
    const finding = lookAheadOf(series, clean, plan);
    expect(finding).toMatchObject({ differences: 0, first: null });
    expect(finding.rowsCompared).toBeGreaterThan(10_000);
    expect(finding.decisionsCompared).toBeGreaterThan(500);
  });

  test.each(Object.entries(planted))('catches %s', (_, pipeline) => {
    const finding = lookAheadOf(series, pipeline, plan);
    expect(finding.differences).toBeGreaterThan(0);
    expect(finding.first).toMatchObject({ symbol: 'AAA' });
  });

  it('catches a decision that looks ahead while every feature is clean', () => {
    const finding = lookAheadOf(
      series,
      (own) => {
        const decided = clean(own);
        return {
          ...decided,
          actions: decided.actions.map((action, row) => ((own.close[row + 1] ?? 0) > 0 ? action : 1)),
        };
      },
      plan,
    );
    expect(finding.first?.what).toBe('action');
  });

  it('catches a decision that waits for a future no cut of this sample has', () => {
    const pipeline: DecisionPipeline = (own) => {
      const decided = clean(own);
      const rose = (own.close.at(-1) ?? 0) > 1.3 * (own.close[0] ?? 0);
      return rose ? { ...decided, actions: decided.actions.map(() => 1) } : decided;
    };
    expect(pipeline(series).actions).toEqual(clean(series).actions);
    expect(lookAheadOf(series, pipeline, plan).first?.what).toBe('action');
  });

  it('compares nothing in a series too short to cut, and says so', () => {
    expect(lookAheadOf(barsOf(series, 0, 1), clean, plan).rowsCompared).toBe(0);
  });
});

describe('[A7] recursion detector', () => {
  it('finds the same decisions after every warm-up of the pipeline that live trading uses', () => {
    const finding = recursionOf(series, clean, plan);
    expect(finding).toMatchObject({ differences: 0, first: null });
    expect(finding.decisionsCompared).toBeGreaterThan(500);
  });

  it('catches an average over everything since the history began', () => {
    const pipeline = withFeature('ema26', ({ close }) => {
      let sum = 0;
      return close.map((value, row) => {
        sum += value;
        return sum / (row + 1);
      });
    });
    expect(recursionOf(series, pipeline, plan).differences).toBeGreaterThan(0);
    expect(lookAheadOf(series, pipeline, plan).differences).toBe(0);
  });

  it('says how many differences a short warm-up leaves, and how many of them it bears', () => {
    // One row in two hundred is decided by how long ago the history began, unless that is long ago.
    const pipeline: DecisionPipeline = (own) => {
      const decided = clean(own);
      const actions = decided.actions.map((action, row) =>
        row < 400 && Math.round((own.start[row] ?? 0) / 60_000) % 200 === 0 ? 1 - action : action,
      );
      return { ...decided, actions };
    };
    const finding = recursionOf(series, pipeline, plan);
    expect(finding.differences).toBeGreaterThan(0);
    expect(finding.tolerated).toBe(finding.differences);
    expect(finding.first).not.toBeNull();
  });

  it('compares nothing in a series shorter than its longest warm-up, and says so', () => {
    expect(recursionOf(barsOf(series, 0, 400), clean, plan).rowsCompared).toBe(0);
  });
});
