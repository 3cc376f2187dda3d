import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { defaultLimits, judgeQuality, type ArrivedRow, type QualityBatch, type SignalRow } from '@torghut/domain';
import { now, signalRow, ticker } from '../decision/fixtures.ts';

const arrived = (row: SignalRow, changes: Partial<ArrivedRow> = {}): ArrivedRow => ({
  row,
  copies: 1,
  firstIngestTs: row.ingestTs,
  late: false,
  ...changes,
});
const rows = (count: number, change: (index: number) => Parameters<typeof signalRow>[0] = () => ({})): SignalRow[] =>
  Array.from({ length: count }, (_, index) => signalRow({ symbol: ticker(`S${index}`), ...change(index) }));
const batch = (changes: Partial<QualityBatch> = {}): QualityBatch => ({
  rows: rows(10).map((row) => arrived(row)),
  series: { windowSize: 'PT1M', source: 'ta' },
  mode: 'live',
  previousWindowWarned: { duplicateRatio: false, staleness: false },
  ...changes,
});
const judge = (changes: Partial<QualityBatch> = {}) => judgeQuality(batch(changes), defaultLimits);

describe('batch quality gate', () => {
  it('accepts a clean batch whole, in its order', () => {
    const report = judge();
    expect(report.batchCodes).toEqual([]);
    expect(report.accepted.map(({ row }) => row.symbol)).toEqual(rows(10).map(({ symbol }) => symbol));
  });

  it('has nothing to say about an empty batch', () => {
    expect(judge({ rows: [] })).toEqual({ accepted: [], quarantined: [], batchCodes: [], warnings: [], details: {} });
  });

  it.each<[string, Partial<QualityBatch>]>([
    ['feature_schema_mismatch', { rows: rows(10, (i) => (i === 3 ? { version: 2 } : {})).map((row) => arrived(row)) }],
    ['mixed_series', { rows: rows(10, (i) => (i === 3 ? { windowSize: 'PT1S' } : {})).map((row) => arrived(row)) }],
    ['mixed_series', { rows: rows(10, (i) => (i === 3 ? { source: 'ws' } : {})).map((row) => arrived(row)) }],
    [
      'required_feature_null_rate_exceeded',
      { rows: rows(50, (i) => (i === 3 ? { indicators: { rsi14: Number.NaN } } : {})).map((row) => arrived(row)) },
    ],
    ['feature_out_of_range', { rows: rows(999, (i) => (i === 3 ? { price: 0 } : {})).map((row) => arrived(row)) }],
  ])('rejects a batch with %s and quarantines every row of it', (code, changes) => {
    const report = judge(changes);
    expect(report.batchCodes).toContain(code);
    expect(report.accepted).toEqual([]);
    expect(report.quarantined).toHaveLength(changes.rows?.length ?? 0);
    for (const { codes } of report.quarantined) expect(codes).toContain(code);
  });

  it('tolerates nulls up to the rate, and nulls of fields that are not required', () => {
    expect(
      judge({ rows: rows(100, (i) => (i === 3 ? { indicators: { rsi14: null } } : {})).map((row) => arrived(row)) })
        .batchCodes,
    ).toEqual([]);
    expect(
      judge({ rows: rows(10, () => ({ indicators: { boll_mid: null } })).map((row) => arrived(row)) }).batchCodes,
    ).toEqual([]);
  });

  it('quarantines a single row out of range and keeps the rest of a large batch', () => {
    const report = judge({
      rows: rows(1_000, (i) => (i === 3 ? { indicators: { rsi14: 101 } } : {})).map((row) => arrived(row)),
    });
    expect(report.batchCodes).toEqual([]);
    expect(report.accepted).toHaveLength(999);
    expect(report.quarantined.map(({ row, codes, detail }) => [row.symbol, codes, detail])).toEqual([
      ['S3', ['feature_out_of_range'], { out_of_range: ['rsi14'] }],
    ]);
  });

  it('warns of duplicates in the first window and blocks in the second consecutive one', () => {
    const duplicated = rows(10).map((row, index) => arrived(row, { copies: index === 0 ? 2 : 1 }));
    const first = judge({ rows: duplicated });
    expect([first.batchCodes, first.warnings]).toEqual([[], ['duplicate_ratio_exceeded']]);
    expect(first.accepted).toHaveLength(10);
    const second = judge({ rows: duplicated, previousWindowWarned: { duplicateRatio: true, staleness: false } });
    expect([second.batchCodes, second.warnings]).toEqual([['duplicate_ratio_exceeded'], []]);
  });

  it('judges the emit delay of live reads by its 95th percentile, and that of replays not at all', () => {
    const slow = (count: number) =>
      rows(100, (i) => ({ ingestTs: now - 5_000 + (i < count ? 120_001 : 1_000) })).map((row) =>
        arrived(row, { firstIngestTs: now }),
      );
    expect(judge({ rows: slow(5) }).warnings).toEqual([]);
    expect(judge({ rows: slow(6) }).warnings).toEqual(['feature_staleness_exceeds_budget']);
    expect(
      judge({ rows: slow(6), previousWindowWarned: { duplicateRatio: false, staleness: true } }).batchCodes,
    ).toEqual(['feature_staleness_exceeds_budget']);
    expect(judge({ rows: slow(100), mode: 'replay' }).warnings).toEqual([]);
  });

  it('finds an event time that went backwards within a symbol in order of arrival, though the read is sorted', () => {
    const older = signalRow({ eventTs: now - 120_000 });
    const newer = signalRow({ eventTs: now - 60_000 });
    const sorted = (olderArrived: number) => [
      arrived(older, { firstIngestTs: olderArrived }),
      arrived(newer, { firstIngestTs: now - 59_000 }),
    ];
    expect(judge({ rows: sorted(now - 119_000), mode: 'replay' }).batchCodes).toEqual([]);
    expect(judge({ rows: sorted(now - 58_000), mode: 'replay' }).batchCodes).toEqual(['non_monotonic_progression']);
  });

  it('exempts late rows of the overlap, and rows of another symbol, from the order check', () => {
    const newer = arrived(signalRow({ eventTs: now - 60_000 }), { firstIngestTs: now - 59_000 });
    const olderRow = signalRow({ eventTs: now - 65_000 });
    const late = arrived(olderRow, { firstIngestTs: now - 50_000, late: true });
    const other = arrived({ ...olderRow, symbol: ticker('AAPL') }, { firstIngestTs: now - 50_000 });
    expect(judge({ rows: [newer, late, other], mode: 'replay' }).batchCodes).toEqual([]);
  });

  it('loses no row: every one is accepted or quarantined with at least one code', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            rsi: fc.oneof(fc.constant(null), fc.double({ min: -10, max: 110, noNaN: false })),
            price: fc.oneof(fc.constant(null), fc.double({ min: -1, max: 500, noNaN: true })),
            copies: fc.integer({ min: 1, max: 3 }),
            version: fc.constantFrom(3, 3, 3, 2),
            late: fc.boolean(),
            arrival: fc.integer({ min: 0, max: 1_000_000 }),
          }),
          { maxLength: 30 },
        ),
        (cases) => {
          const report = judge({
            rows: cases.map((one) =>
              arrived(signalRow({ price: one.price, version: one.version, indicators: { rsi14: one.rsi } }), {
                copies: one.copies,
                late: one.late,
                firstIngestTs: one.arrival,
              }),
            ),
          });
          expect(report.accepted.length + report.quarantined.length).toBe(cases.length);
          if (report.batchCodes.length > 0) expect(report.accepted).toEqual([]);
          for (const { codes } of report.quarantined) expect(codes.length).toBeGreaterThan(0);
        },
      ),
    );
  });
});
