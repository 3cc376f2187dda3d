import {
  featuresOf,
  inThisThread,
  runBacktest,
  assembleRun,
  storedLookAheadOf,
  type EvaluationInput,
  type FeatureColumns,
  type SymbolSeries,
} from '@torghut/domain/research';
import { describe, expect, it, test } from 'vitest';
import { IndicatorStream } from '../../../infra/local/ingest/indicators.ts';
import { contextOf, inputOf, planOf, tradingDays, TrialBook, wanderingSeries } from './lane-fixture.ts';

const series = wanderingSeries('AAA', tradingDays(8), 5);
const clean = featuresOf(series);

/** Stored columns, one of them computed by somebody who knew more than the past. */
const withColumn = (
  name: keyof FeatureColumns,
  of: (columns: FeatureColumns, own: SymbolSeries) => Float64Array,
): FeatureColumns => ({ ...clean, [name]: of(clean, series) });

const normalised = (column: Float64Array): Float64Array => {
  const known = column.filter((value) => !Number.isNaN(value));
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return column.map((value) => 50 + (value - mean) / 2);
};
const centred = (column: Float64Array): Float64Array =>
  column.map((_, row) => {
    const window = column.subarray(Math.max(0, row - 5), row + 6);
    return window.reduce((sum, value) => sum + value, 0) / window.length;
  });
const nextOf = (column: Float64Array): Float64Array => column.map((value, row) => column[row + 1] ?? value);

const planted: Readonly<Record<string, FeatureColumns>> = {
  'the close of the next bar': withColumn('macd', ({ macd }, { close }) =>
    macd.map((value, row) => value + ((close[row + 1] ?? 0) > (close[row] ?? 0) ? 0.1 : 0)),
  ),
  'the price of the next bar': withColumn('price', (_, { close }) => nextOf(close)),
  'a normalisation over the whole sample': withColumn('rsi14', ({ rsi14 }) => normalised(rsi14)),
  'a window centred on its bar': withColumn('ema12', (_, { close }) => centred(close)),
  'bands around the bars to come': withColumn('boll_upper', ({ boll_upper }) => nextOf(boll_upper)),
  'an average of all bars with the next one in it': withColumn('vwap_session', ({ vwap_session }) =>
    nextOf(vwap_session),
  ),
  'an average of all bars, its last value everywhere': withColumn('vwap_session', ({ vwap_session }) =>
    vwap_session.map(() => vwap_session.at(-1) ?? 0),
  ),
  'the same, but for rounding': withColumn('vwap_session', ({ vwap_session }) =>
    vwap_session.map((_, row) => (vwap_session.at(-1) ?? 0) * (1 + (row % 2) * Number.EPSILON)),
  ),
  'an average with the next bar in it, whose last row is unknown': withColumn('vwap_session', ({ vwap_session }) =>
    nextOf(vwap_session).fill(Number.NaN, -1),
  ),
  'an average with the next bar in it, a row in the middle unknown': withColumn('vwap_session', ({ vwap_session }) =>
    nextOf(vwap_session).fill(Number.NaN, 2_000, 2_001),
  ),
  'an average with the next bar in it, every other row unknown': withColumn('vwap_session', ({ vwap_session }) =>
    nextOf(vwap_session).map((value, row) => (row % 2 === 0 ? value : Number.NaN)),
  ),
};

const unknownColumns = (columns: FeatureColumns): FeatureColumns =>
  Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, name === 'price' ? column : column.map(() => Number.NaN)]),
  ) as unknown as FeatureColumns;

const runWith = async (features: FeatureColumns, others: readonly (readonly [SymbolSeries, FeatureColumns])[] = []) => {
  const input: EvaluationInput = {
    ...inputOf([series, ...others.map(([own]) => own)]),
    features: [features, ...others.map(([, own]) => own)],
  };
  return assembleRun(
    await runBacktest(new TrialBook(), inThisThread(input), 'a'.repeat(24), planOf(input, 1)),
    input,
    contextOf(),
  ).gateReport;
};

describe('[A7] look-ahead in stored features', () => {
  it('is not found where they are what the bars up to each row give', async () => {
    const finding = storedLookAheadOf(series, clean);
    expect(finding).toMatchObject({ differences: 0, first: null });
    expect(finding.rowsCompared).toBe(8 * 390 - 300);
    const { gates } = await runWith(clean);
    expect(gates[1]?.codes).not.toContain('lookahead_detected');
    expect(gates[1]?.codes).not.toContain('lookahead_differences_missing');
  });

  it('is told apart from how late they came: of features that bars gave nothing is known of that, and gate 0 fails', async () => {
    const { gates } = await runWith(clean);
    expect(gates[0]).toMatchObject({ status: 'fail', codes: ['feature_staleness_p95_missing'] });
    const timely = await runWith({ ...clean, staleness_ms: clean.price.map(() => 4_000) });
    expect(timely.gates[0]).toMatchObject({ status: 'pass', codes: [] });
  });

  test.each(Object.entries(planted))('is caught as %s, and fails the gate', async (_, features) => {
    const finding = storedLookAheadOf(series, features);
    expect(finding.differences).toBeGreaterThan(100);
    expect(finding.first).toMatchObject({ symbol: 'AAA' });
    const { gates, verdict } = await runWith(features);
    expect(gates[1]).toMatchObject({ status: 'fail' });
    expect(gates[1]?.codes).toContain('lookahead_detected');
    expect(verdict).toBe('FAIL');
  });

  it('is not found in rows of a stream that began long before them and has holes', () => {
    const long = wanderingSeries('AAA', tradingDays(12), 6);
    const stream = new IndicatorStream();
    const rows = Array.from(long.close, (close, row) =>
      stream.update(
        {
          end: (long.start[row] ?? 0) + long.barMs,
          high: long.high[row] ?? 0,
          low: long.low[row] ?? 0,
          close,
          volume: long.volume[row] ?? 0,
        },
        null,
      ),
    );
    // The dataset begins on the fourth day, lacks the seventh, and no signal came of one bar in fifty.
    const kept = long.sessions.filter((_, index) => index >= 3 && index !== 6);
    const pick = (column: Float64Array): Float64Array =>
      Float64Array.from(kept.flatMap(({ from, to }) => [...column.subarray(from, to)]));
    let from = 0;
    const sessions = kept.map((session) => {
      const to = from + session.to - session.from;
      const own = { ...session, from, to };
      from = to;
      return own;
    });
    const columns = Object.fromEntries(
      (['start', 'open', 'high', 'low', 'close', 'volume', 'halfSpread'] as const).map((name) => [
        name,
        pick(long[name]),
      ]),
    );
    const cut = { ...long, ...columns, sessions };
    const stored = Object.fromEntries(
      Object.keys(clean).map((name) => [
        name,
        pick(
          Float64Array.from(rows, (row, index) =>
            index % 50 === 0 ? Number.NaN : ((row as unknown as Record<string, number | null>)[name] ?? Number.NaN),
          ),
        ),
      ]),
    ) as unknown as FeatureColumns;
    const finding = storedLookAheadOf(cut, stored);
    expect(finding).toMatchObject({ differences: 0, first: null });
    expect(finding.rowsCompared).toBe(8 * 390 - 2 * 300 - 50);
  });

  it('is not found in an average of a year of bars that hardly moves, and whose last row is unknown', () => {
    const [shares, before] = [390 * 250 * 35_000, series.close[0] ?? 0];
    let [value, sum] = [shares * before, shares];
    const average = series.close.map((close, row) => {
      const own = series.volume[row] ?? 0;
      value += (own * ((series.high[row] ?? 0) + (series.low[row] ?? 0) + close)) / 3;
      sum += own;
      return value / sum;
    });
    const stored = { ...clean, vwap_session: average.fill(Number.NaN, -1) };
    expect(storedLookAheadOf(series, stored)).toMatchObject({ differences: 0, first: null });
  });

  it('is an open question, and no pass, where no row could be compared', async () => {
    const unknown = unknownColumns(clean);
    expect(storedLookAheadOf(series, unknown)).toMatchObject({ differences: 0, rowsCompared: 0 });
    const day = wanderingSeries('AAA', tradingDays(1), 5);
    const short = { ...day, sessions: day.sessions.map((session) => ({ ...session, to: 200 })) };
    expect(storedLookAheadOf(short, featuresOf(short)).rowsCompared).toBe(0);

    const other = wanderingSeries('BBB', tradingDays(8), 6);
    const symbols: readonly (readonly [FeatureColumns, FeatureColumns])[] = [
      [unknown, featuresOf(other)],
      [clean, unknownColumns(featuresOf(other))],
    ];
    for (const [own, columns] of symbols) {
      const { gates, verdict } = await runWith(own, [[other, columns]]);
      expect(gates[1]?.codes).toContain('lookahead_differences_missing');
      expect(gates[1]?.status).not.toBe('pass');
      expect(verdict).not.toBe('PASS');
    }
  });

  it('found of one symbol is not hidden by another one of which nothing could be compared', async () => {
    const other = wanderingSeries('BBB', tradingDays(8), 6);
    const ahead = planted['the price of the next bar'] ?? clean;
    const { gates } = await runWith(ahead, [[other, unknownColumns(featuresOf(other))]]);
    expect(gates[1]?.codes).toContain('lookahead_detected');
  });
});
