import { hour, minute, second, toText } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../../infra/local/twins/faults.ts';
import { midSession, testLoop, type Loop } from '../../support/loop.ts';
import { buyIndicators, buyRow, quietRow, type StreamRow } from '../../support/stream.ts';

const next = midSession + minute;

/** A row that is still young enough to be traded by the cycle after the next one. */
const rowBefore = (tick: number, symbol = 'AAPL', change: Partial<StreamRow> = {}): StreamRow =>
  buyRow(symbol, tick - 20 * second, change);
const totalRead = async (loop: Loop): Promise<number> =>
  (await loop.windows()).reduce((sum, { rows_read: rows }) => sum + rows, 0);

describe('a signal store that fails', () => {
  const memoryError = 'Code: 241. DB::Exception: Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)';
  const failures: readonly (readonly [string, Fault, string])[] = [
    ['refuses connections', { kind: 'down' }, 'clickhouse_unreachable'],
    ['resets the connection', { kind: 'reset', processed: false }, 'clickhouse_unreachable'],
    ['never answers', { kind: 'refuse_then_timeout' }, 'clickhouse_timeout'],
    [
      'runs out of memory',
      {
        kind: 'answer',
        answer: { status: 500, body: memoryError, headers: { 'x-clickhouse-exception-code': '241' } },
      },
      'clickhouse_query_failed',
    ],
    ['answers something else', { kind: 'answer', answer: { status: 200, body: '<html>' } }, 'clickhouse_query_failed'],
  ];

  it.each(failures)(
    '[S2] [S4] holds the cursor when it %s, and reads everything when it is back',
    async (_, fault, blocked) => {
      const loop = await testLoop({ deadlineScale: fault.kind === 'refuse_then_timeout' ? 0.1 : 1 });
      await loop.insert(rowBefore(midSession));
      await loop.tick(midSession);
      const cursor = await loop.cursor();

      await loop.insert(rowBefore(next), rowBefore(next, 'MSFT'));
      await loop.signalStore.setFault(fault);
      expect(await loop.tick(next)).toMatchObject({ noSignalReason: 'clickhouse_unreachable', decisions: 0 });
      expect(await loop.lastWindow()).toMatchObject({ blocked_reasons: [blocked], rows_read: 0, hit: false });
      expect(await loop.cursor()).toEqual({ ...cursor, lock_version: 2 });

      await loop.signalStore.setFault(null);
      await loop.insert(rowBefore(next + minute));
      expect(await loop.tick(next + minute)).toMatchObject({ noSignalReason: null, signals: 3 });
      expect(await totalRead(loop)).toBe(4);
    },
  );

  it('[S3] goes on measuring the lag from the newest row it knows', async () => {
    const loop = await testLoop();
    await loop.insert(rowBefore(midSession));
    await loop.tick(midSession);
    await loop.signalStore.setFault({ kind: 'down' });
    for (const minutes of [1, 2, 3]) await loop.tick(midSession + minutes * minute);
    expect((await loop.windows()).map((row) => [row.lag_seconds, row.effective_lag_seconds])).toEqual([
      ['20', '20'],
      ['80', '80'],
      ['140', '140'],
      ['200', '200'],
    ]);
  });
});

describe('rows that come late or in a wrong order', () => {
  it('[S4] evaluates a row that is 5 s late exactly once', async () => {
    const loop = await testLoop();
    const at = midSession - 10 * second;
    await loop.insert(quietRow('MSFT', at), buyRow('AAPL', at, { ingestTs: midSession + 5 * second }));
    const results = [];
    for (const minutes of [0, 1, 2]) results.push(await loop.tick(midSession + minutes * minute));
    expect(results.map(({ signals, decisions }) => [signals, decisions])).toEqual([
      [1, 0],
      [1, 1],
      [0, 0],
    ]);
    expect((await loop.windows()).map(({ rows_late: late }) => late)).toEqual([0, 1, 0]);
    expect(loop.telemetry.value('late_rows_total')).toBe(1);
  });

  it('takes rows of different symbols in any order', async () => {
    const loop = await testLoop();
    await loop.insert(
      rowBefore(midSession, 'AAPL', { ingestTs: midSession - second }),
      rowBefore(midSession, 'MSFT', { ingestTs: midSession - 15 * second }),
    );
    expect(await loop.tick(midSession)).toMatchObject({ signals: 2, decisions: 2 });
  });

  it('refuses a batch in which time runs backwards within a symbol, records it, and goes on', async () => {
    const loop = await testLoop();
    await loop.insert(
      rowBefore(midSession, 'AAPL', { ingestTs: midSession - 15 * second }),
      quietRow('AAPL', midSession - 40 * second, { ingestTs: midSession - 5 * second }),
      rowBefore(midSession, 'MSFT'),
    );
    expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: 'feature_quality_rejected', decisions: 0 });
    const [letter] = await loop.deadLetters();
    expect(letter).toMatchObject({
      key: `window:paper:${toText(midSession - minute)}`,
      codes: ['non_monotonic_progression'],
      payload: { rows: 3 },
    });
    expect(letter?.payload['sample']).toHaveLength(3);
    expect(await loop.lastWindow()).toMatchObject({
      rows_quarantined: 3,
      blocked_reasons: ['non_monotonic_progression'],
      cursor_after: { symbol: 'MSFT', event_ts: toText(midSession - 20 * second) },
    });
    await loop.insert(rowBefore(next));
    expect(await loop.tick(next)).toMatchObject({ noSignalReason: null, decisions: 1 });
  });

  it('[S4] evaluates a repeated delivery once: it warns in the first window, blocks in the second, and recovers', async () => {
    const loop = await testLoop();
    const outcomes: unknown[] = [];
    for (const [index, copies] of [2, 2, 2, 1].entries()) {
      const at = midSession + index * minute;
      const rows = Array.from({ length: copies }, (_, copy) => rowBefore(at, 'AAPL', { seq: index * 10 + copy }));
      await loop.insert(...rows);
      const { noSignalReason, signals, decisions } = await loop.tick(at);
      const { rows_duplicate: duplicates, blocked_reasons: blocked } = await loop.lastWindow();
      outcomes.push([noSignalReason, signals, decisions, duplicates, blocked]);
    }
    expect(outcomes).toEqual([
      [null, 1, 1, 1, ['duplicate_ratio_exceeded']],
      ['feature_quality_rejected', 0, 0, 1, ['duplicate_ratio_exceeded']],
      ['feature_quality_rejected', 0, 0, 1, ['duplicate_ratio_exceeded']],
      [null, 1, 1, 0, []],
    ]);
    expect((await loop.deadLetters()).map(({ codes }) => codes)).toEqual([
      ['duplicate_ratio_exceeded'],
      ['duplicate_ratio_exceeded'],
    ]);
    expect(loop.telemetry.value('feature_quality_rejections_total', { code: 'duplicate_ratio_exceeded' })).toBe(2);
    expect(loop.telemetry.value('duplicate_rows_total')).toBe(3);
  });
});

describe('a stream of one-second bars', () => {
  it('[S4] evaluates every row exactly once over minutes in which rows come 3 to 5 s late and across symbols in disorder', async () => {
    const symbols = ['NVDA', 'MSFT', 'AAPL'];
    const loop = await testLoop({ symbols, environment: { TRADING_SIGNAL_WINDOW_SIZE: 'PT1S' } });
    const seconds = 4 * 60;
    const rows = symbols
      .flatMap((symbol, index) =>
        Array.from({ length: seconds }, (_, offset) => {
          const eventTs = midSession + offset * second;
          // Within a symbol the delay never falls by more than the pause to the next row.
          const delay = 3 * second + index * 700 + (offset % 2) * 300;
          return quietRow(symbol, eventTs, { seq: offset + 1, windowSize: 'PT1S', ingestTs: eventTs + delay });
        }),
      )
      .sort((a, b) => a.eventTs - b.eventTs);
    await loop.insert(...rows);
    for (let minutes = 1; minutes <= 6; minutes += 1) await loop.tick(midSession + minutes * minute);

    const windows = await loop.windows();
    expect(windows.map(({ no_signal_reason: reason }) => reason)).toEqual([
      null,
      null,
      null,
      null,
      null,
      'cursor_tail_stable',
    ]);
    expect(windows.reduce((sum, { signals_evaluated: n }) => sum + n, 0)).toBe(rows.length);
    expect(windows.reduce((sum, { rows_late: late }) => sum + late, 0)).toBeGreaterThan(0);
  });
});

describe('rows with wrong content', () => {
  const bad: readonly (readonly [string, Partial<StreamRow>, string])[] = [
    ['a null', { indicators: { ...buyIndicators, rsi14: null } }, 'required_feature_null_rate_exceeded'],
    ['NaN', { indicators: { ...buyIndicators, ema12: 'nan' } }, 'required_feature_null_rate_exceeded'],
    ['infinity', { indicators: { ...buyIndicators, macd: 'inf' } }, 'required_feature_null_rate_exceeded'],
    ['no bar to take a price from', { close: null }, 'required_feature_null_rate_exceeded'],
    ['a price that is not a number', { close: 'nan' }, 'required_feature_null_rate_exceeded'],
    ['a price of 0', { close: 0 }, 'feature_out_of_range'],
    ['a price below 0', { close: -1 }, 'feature_out_of_range'],
    ['an index above its range', { indicators: { ...buyIndicators, rsi14: 120 } }, 'feature_out_of_range'],
    ['another schema version', { version: 4 }, 'feature_schema_mismatch'],
  ];

  it.each(bad)(
    '[S8] refuses a batch with %s, records each row with its code, and moves on',
    async (_, change, code) => {
      const loop = await testLoop();
      await loop.insert(rowBefore(midSession, 'AAPL', change), rowBefore(midSession, 'MSFT'));
      expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: 'feature_quality_rejected', decisions: 0 });
      const [letter] = await loop.deadLetters();
      expect(letter).toMatchObject({ codes: [code], payload: { rows: 2 }, attempts: 1 });
      expect(await loop.lastWindow()).toMatchObject({
        rows_read: 2,
        rows_quarantined: 2,
        hit: true,
        blocked_reasons: [code],
      });
      expect(await loop.cursor()).toMatchObject({ event_ts: midSession - 20 * second, symbol: 'MSFT' });
      expect(loop.telemetry.value('feature_quality_rejections_total', { code })).toBe(1);

      await loop.insert(rowBefore(next));
      expect(await loop.tick(next)).toMatchObject({ signals: 1, decisions: 1 });
    },
  );

  it('sets a single row out of range aside where it is one in a thousand', async () => {
    const symbols = Array.from({ length: 1_001 }, (_, index) => `S${String(index).padStart(4, '0')}`);
    const loop = await testLoop({ symbols });
    await loop.insert(
      ...symbols.map((symbol, index) => quietRow(symbol, midSession - minute, index === 7 ? { close: 0 } : {})),
    );
    expect(await loop.tick(midSession)).toMatchObject({ noSignalReason: null, signals: 1_000 });
    expect(await loop.deadLetters()).toMatchObject([
      { codes: ['feature_out_of_range'], payload: { rows: 1, sample: [{ symbol: 'S0007' }] } },
    ]);
    expect(await loop.lastWindow()).toMatchObject({ rows_read: 1_001, rows_quarantined: 1 });
  });
});

describe('a cursor and a stream that are apart', () => {
  it('[S4] ignores a row from the future until its time has come', async () => {
    const loop = await testLoop();
    await loop.insert(rowBefore(midSession), buyRow('MSFT', next + 30 * second, { ingestTs: midSession - second }));
    expect(await loop.tick(midSession)).toMatchObject({ signals: 1, decisions: 1 });
    expect(await loop.lastWindow()).toMatchObject({ rows_read: 1, lag_seconds: '20' });
    expect(await loop.tick(next)).toMatchObject({ signals: 0 });
    expect(await loop.tick(next + minute)).toMatchObject({ signals: 1, decisions: 1 });
  });

  it('[S3] [S4] rewinds a cursor ahead of the stream to its newest row, once in 15 minutes, and reads on from there', async () => {
    const loop = await testLoop();
    await loop.insert(rowBefore(midSession));
    await loop.tick(midSession);
    const ahead = (at: number) =>
      loop.database.owner.query('UPDATE trade_cursor SET cursor_event_ts = $1', [toText(at + hour)]);
    await ahead(next);

    await loop.insert(rowBefore(next));
    expect(await loop.tick(next)).toMatchObject({ noSignalReason: 'cursor_ahead_of_stream', signals: 0 });
    expect(await loop.lastWindow()).toMatchObject({
      blocked_reasons: ['cursor_rewound'],
      cursor_after: { event_ts: toText(next - 20 * second), symbol: 'AAPL' },
    });
    const third = next + minute;
    await loop.insert(rowBefore(third));
    expect(await loop.tick(third)).toMatchObject({ noSignalReason: null, signals: 1, decisions: 1 });

    // A second time within the quarter of an hour it is reported, and not healed.
    await ahead(third);
    expect(await loop.tick(third + minute)).toMatchObject({ noSignalReason: 'cursor_ahead_of_stream' });
    expect((await loop.lastWindow()).blocked_reasons).toEqual([]);
    expect(loop.telemetry.value('cursor_rewinds_total')).toBe(1);
    expect((await loop.check(third + minute)).cursorAhead).toEqual({ incidents: 2, page: true });
  });

  it('[S4] skips what is too old after a long stop, counted and recorded, and reads the rest', async () => {
    const loop = await testLoop();
    await loop.insert(quietRow('AAPL', midSession - 20 * second));
    await loop.tick(midSession);
    const back = midSession + hour;
    const missed = Array.from({ length: 60 }, (_, index) =>
      quietRow('AAPL', midSession + (index + 1) * minute - 20 * second),
    );
    await loop.insert(...missed);

    expect(await loop.tick(back)).toMatchObject({ noSignalReason: null });
    const { rows_read: read, blocked_reasons: blocked } = await loop.lastWindow();
    expect(blocked).toEqual(['cursor_fast_forwarded']);
    const [letter] = await loop.deadLetters();
    expect(letter?.codes).toEqual(['cursor_fast_forwarded']);
    const skipped = Number(letter?.payload['rows']);
    expect(skipped).toBeGreaterThan(40);
    expect(read + skipped).toBe(60);
    expect(loop.telemetry.value('cursor_fast_forward_rows_total')).toBe(skipped);
  });

  it('[S4] takes silence for silence: the cursor stays, nothing is recorded as skipped, and rows that come after it count', async () => {
    const loop = await testLoop();
    await loop.insert(rowBefore(midSession));
    await loop.tick(midSession);
    const before = await loop.cursor();
    for (let minutes = 1; minutes <= 30; minutes += 1) await loop.tick(midSession + minutes * minute);
    expect(await loop.cursor()).toEqual({ ...before, lock_version: 31 });
    expect(await loop.deadLetters()).toEqual([]);
    expect((await loop.lastWindow()).no_signal_reason).toBe('cursor_tail_stable');

    // The stream is filled in afterwards: what is too old to trade is counted.
    const at = midSession + 31 * minute;
    await loop.insert(
      ...[1, 5, 10, 30].map((minutes) => quietRow('AAPL', midSession + minutes * minute, { ingestTs: at - second })),
    );
    await loop.tick(at);
    expect(await loop.lastWindow()).toMatchObject({ rows_read: 1 });
    expect(await loop.deadLetters()).toMatchObject([{ codes: ['cursor_fast_forwarded'], payload: { rows: 3 } }]);
  });
});
