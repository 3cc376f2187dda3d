import { minute, second } from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { wire } from '../../../functions/autonomy-cycle/wire.ts';
import type { Fault } from '../../../infra/local/twins/faults.ts';
import { midSession, testLoop, type Loop } from '../../support/loop.ts';
import { buyRow } from '../../support/stream.ts';

/** A row that is still young enough to be traded by the cycle after the next one. */
const rowBefore = (tick: number, symbol = 'AAPL') => buyRow(symbol, tick - 20 * second);

const resolutions = async (loop: Loop) =>
  (
    await loop.database.readonly.query<{ status: string; reason: string; symbols: string[] }>(
      'SELECT status, reason, symbols FROM universe_resolutions ORDER BY resolved_at',
    )
  ).rows;

describe('a universe that cannot be had', () => {
  const failures: readonly (readonly [string, Fault | null, string])[] = [
    ['is empty', null, 'jangar_payload_empty'],
    ['is down', { kind: 'down' }, 'jangar_fetch_failed'],
    [
      'answers 503',
      { kind: 'answer', answer: { status: 503, body: { error: 'database down' } } },
      'jangar_fetch_failed',
    ],
    ['answers nonsense', { kind: 'answer', answer: { status: 200, body: '<html>' } }, 'jangar_payload_decode_failed'],
    ['answers something else', { kind: 'altered_body', change: { symbols: 'AAPL' } }, 'jangar_payload_decode_failed'],
    ['breaks off', { kind: 'cut_body' }, 'jangar_fetch_failed'],
    ['never answers', { kind: 'refuse_then_timeout' }, 'jangar_fetch_failed'],
  ];

  it.each(failures)(
    '[S1] [S2] trades nothing and holds the cursor when Jangar %s, and loses nothing by it',
    async (_, fault, reason) => {
      const loop = await testLoop({ deadlineScale: fault?.kind === 'refuse_then_timeout' ? 0.1 : 1 });
      if (fault === null) loop.jangar.setSymbols([]);
      else await loop.jangar.setFault(fault);
      await loop.insert(rowBefore(midSession));

      expect(await loop.tick(midSession)).toMatchObject({
        noSignalReason: 'universe_source_unavailable',
        signals: 0,
        decisions: 0,
      });
      expect(await resolutions(loop)).toEqual([{ status: 'unavailable', reason, symbols: [] }]);
      expect(await loop.lastWindow()).toMatchObject({ universe_status: 'unavailable', rows_read: 1, hit: true });
      expect((await loop.cursor())?.event_ts).toBeLessThan(midSession - 20 * second);

      await loop.jangar.setFault(null);
      loop.jangar.setSymbols(['AAPL']);
      expect(await loop.tick(midSession + minute)).toMatchObject({ noSignalReason: null, signals: 1, decisions: 1 });
    },
  );

  it('[S1] does not ask while its list is fresh, trades a stale one for a while, then stops and waits', async () => {
    const loop = await testLoop();
    await loop.tick(midSession);
    await loop.jangar.setFault({ kind: 'down' });

    const outcomes: unknown[] = [];
    for (const minutes of [5, 6, 15, 16]) {
      const at = midSession + minutes * minute;
      await loop.insert(rowBefore(at));
      const { noSignalReason, decisions } = await loop.tick(at);
      outcomes.push([minutes, (await loop.lastWindow()).universe_status, noSignalReason, decisions]);
    }
    expect(outcomes).toEqual([
      [5, 'ok', null, 1],
      [6, 'degraded', null, 1],
      [15, 'degraded', null, 1],
      [16, 'blocked', 'universe_source_stale_cache', 0],
    ]);
    expect((await resolutions(loop)).map(({ status, reason }) => [status, reason])).toEqual([
      ['ok', 'jangar_fetch_ok'],
      ['degraded', 'jangar_fetch_failed'],
      ['degraded', 'jangar_fetch_failed'],
      ['blocked', 'jangar_fetch_failed'],
    ]);
    expect(loop.telemetry.value('universe_resolution_total', { status: 'blocked' })).toBe(1);

    await loop.jangar.setFault(null);
    expect(await loop.tick(midSession + 17 * minute)).toMatchObject({ noSignalReason: null, signals: 1, decisions: 1 });
  });

  it('[S1] keeps the last good list over a cold start', async () => {
    const loop = await testLoop();
    await loop.tick(midSession);
    await loop.jangar.setFault({ kind: 'down' });
    const at = midSession + 6 * minute;
    await loop.insert(rowBefore(at));
    const cold = await wire(loop.environment, { clock: loop.clock, telemetry: loop.telemetry });
    expect(await loop.tick(at, { ledger: cold.ledger, universe: cold.universe })).toMatchObject({ decisions: 1 });
  });

  it('[S1] loses no row over a blockade that lasts longer than the cursor looks back', async () => {
    const loop = await testLoop();
    await loop.tick(midSession);
    await loop.jangar.setFault({ kind: 'down' });
    const blockedFor = 40;
    for (let minutes = 1; minutes <= blockedFor; minutes += 1) {
      const at = midSession + minutes * minute;
      await loop.insert(rowBefore(at));
      await loop.tick(at);
    }
    await loop.jangar.setFault(null);
    await loop.tick(midSession + (blockedFor + 1) * minute);

    const windows = await loop.windows();
    const evaluated = windows.reduce((sum, { signals_evaluated: n }) => sum + n, 0);
    const skipped = (await loop.deadLetters()).reduce((sum, { payload }) => sum + Number(payload['rows']), 0);
    expect(windows.filter(({ universe_status: status }) => status === 'blocked').length).toBeGreaterThan(15);
    expect(evaluated + skipped).toBe(blockedFor);
    expect(loop.telemetry.value('cursor_fast_forward_rows_total')).toBe(skipped);
  });
});

describe('what the universe holds', () => {
  it('[S1] drops malformed symbols by name and trades the others', async () => {
    const loop = await testLoop({ symbols: ['AAPL', 'NOT A SYMBOL', '$$$'] });
    await loop.insert(rowBefore(midSession));
    expect(await loop.tick(midSession)).toMatchObject({ decisions: 1 });
    expect(await resolutions(loop)).toEqual([{ status: 'ok', reason: 'jangar_fetch_ok', symbols: ['AAPL'] }]);
    expect(loop.telemetry.logs().find(({ message }) => message === 'universe')?.fields).toMatchObject({
      detail: 'malformed symbols dropped: $$$, NOT A SYMBOL',
    });
  });

  it('[S1] never evaluates a symbol outside of it, moves past its rows, and reports the difference', async () => {
    const loop = await testLoop({ symbols: ['AAPL', 'MSFT'] });
    await loop.insert(rowBefore(midSession), rowBefore(midSession, 'TSLA'));
    expect(await loop.tick(midSession)).toMatchObject({ signals: 1, decisions: 1 });
    expect(await loop.decisions()).toMatchObject([{ symbol: 'AAPL' }]);
    expect(await loop.lastWindow()).toMatchObject({ rows_read: 2, cursor_after: { symbol: 'TSLA' } });
    expect(loop.telemetry.logs().find(({ message }) => message === 'universe_stream_mismatch')?.fields).toEqual({
      silent: ['MSFT'],
      foreign: ['TSLA'],
    });
  });

  it('[S1] is narrowed by a strategy, never widened', async () => {
    const loop = await testLoop({ symbols: ['AAPL', 'MSFT'] });
    await loop.database.owner.query(`UPDATE strategies SET universe_filter = '["AAPL", "TSLA"]'`);
    await loop.insert(...['AAPL', 'MSFT', 'TSLA'].map((symbol) => rowBefore(midSession, symbol)));
    await loop.tick(midSession);
    expect((await loop.decisions()).map(({ symbol }) => symbol)).toEqual(['AAPL']);
  });

  it.each([
    [
      'TRADING_STATIC_SYMBOLS',
      'AAPL',
      /TRADING_STATIC_SYMBOLS: static symbol lists are refused; symbols come from Jangar/,
    ],
    ['TRADING_SYMBOLS', 'AAPL', /TRADING_SYMBOLS: static symbol lists are refused/],
    ['TRADING_UNIVERSE_SOURCE', 'static', /TRADING_UNIVERSE_SOURCE: expected jangar/],
  ])('[S1] refuses to start with %s', async (key, value, message) => {
    const loop = await testLoop();
    await expect(wire({ ...loop.environment, [key]: value }, { clock: loop.clock })).rejects.toThrow(message);
  });
});
