import { hashJson, minute, second, sha256, canonicalJson } from '@torghut/domain';
import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { account, midSession, testLoop, type Loop } from '../../support/loop.ts';
import { buyRow, quietRow } from '../../support/stream.ts';

const eventTs = midSession - minute;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Everything a cycle may write, as counts. */
const written = async (loop: Loop): Promise<Record<string, number>> => {
  const tables = [
    'signal_windows',
    'trade_decisions',
    'outbox',
    'trade_cursor',
    'universe_resolutions',
    'dead_letters',
  ];
  const { rows } = await loop.database.readonly.query<{ table: string; n: number }>(
    tables.map((table) => `SELECT '${table}' AS table, count(*)::int AS n FROM ${table}`).join(' UNION ALL '),
  );
  return Object.fromEntries(rows.map(({ table, n }) => [table, n]));
};
const nothing = {
  signal_windows: 0,
  trade_decisions: 0,
  outbox: 0,
  trade_cursor: 0,
  universe_resolutions: 0,
  dead_letters: 0,
};

/** Breaks the database while a cycle writes: `statement` runs inside its transaction, before the row of `table`. */
const sabotage = (loop: Loop, table: string, statement: string): Promise<unknown> =>
  loop.database.owner.query(
    `CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${statement}; RETURN NEW; END $$;
     CREATE TRIGGER sabotage BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION sabotage()`,
  );
const repair = (loop: Loop): Promise<unknown> => loop.database.owner.query('DROP FUNCTION sabotage() CASCADE');

describe('a good minute', () => {
  it('[S2] [S8] turns signals into decisions with identity, document and hashes, beside window, cursor and outbox', async () => {
    const loop = await testLoop({ symbols: ['AAPL', 'MSFT', 'NVDA'] });
    await loop.insert(buyRow('AAPL', eventTs), buyRow('MSFT', eventTs), quietRow('NVDA', eventTs));

    expect(await loop.tick(midSession)).toEqual({
      windowStart: '2026-02-13T14:59:00.000Z',
      outcome: 'committed',
      noSignalReason: null,
      signals: 3,
      decisions: 2,
      denied: 0,
      published: 2,
    });
    expect(await loop.windows()).toMatchObject([
      {
        window_start: midSession - minute,
        session_open: true,
        no_signal_reason: null,
        blocked_reasons: [],
        rows_read: 3,
        rows_late: 0,
        rows_duplicate: 0,
        rows_quarantined: 0,
        signals_evaluated: 3,
        decisions_count: 2,
        hit: true,
        lag_seconds: '60',
        universe_status: 'ok',
      },
    ]);
    expect(await loop.cursor()).toMatchObject({
      event_ts: eventTs,
      symbol: 'NVDA',
      overlap_keys: [`AAPL|${eventTs}`, `MSFT|${eventTs}`, `NVDA|${eventTs}`],
      lock_version: 1,
    });

    const decisions = await loop.decisions();
    const contract = await loop.database.readonly.query<{ hash: string }>(
      `SELECT f.hash FROM trade_decisions d JOIN feature_contracts f ON f.id = d.feature_contract_id
         JOIN signal_windows w ON w.feature_contract_id = f.id GROUP BY f.hash`,
    );
    expect(contract.rowCount).toBe(1);
    expect(decisions.map(({ symbol, status }) => [symbol, status])).toEqual([
      ['AAPL', 'queued'],
      ['MSFT', 'queued'],
    ]);
    for (const decision of decisions) {
      const { symbol, decision_json: document } = decision;
      expect(decision).toMatchObject({
        decision_identity: hashJson({
          account_label: account,
          action: 'buy',
          event_ts: '2026-02-13T14:59:00.000Z',
          strategy_id: 'intraday_tsmom_v1@prod',
          strategy_version: '1.1.0',
          symbol,
          timeframe: '1Min',
        }),
        content_hash: sha256(canonicalJson(document)),
        qty: '2.00000000',
        reasons: [],
      });
      expect(document).toMatchObject({
        price_snapshot: { price: '100', source: 'ta_microbars.c', age_ms: 0 },
        strategy_runtime: { type: 'intraday_tsmom', version: '1.1.0', profile: '1Min@1' },
        sizing: { binding_cap: expect.any(String) as string },
        route: { expected: 'lean' },
      });
    }
    expect(await loop.outbox()).toEqual(
      decisions.map(({ symbol, decision_identity: identity }) => ({
        dedup_id: `tg1-${identity.slice(0, 48)}-1`,
        topic: 'lean',
        group_key: `paper:${symbol}`,
        published_at: midSession,
      })),
    );
    expect(loop.receive('lean.fifo').map(({ group }) => group)).toEqual(['paper:AAPL', 'paper:MSFT']);
    expect(loop.telemetry.value('decisions_total', { action: 'buy' })).toBe(2);
  });

  it('asks Jangar once in five minutes and records each answer', async () => {
    const loop = await testLoop();
    for (let at = midSession; at <= midSession + 6 * minute; at += minute) await loop.tick(at);
    const { rows } = await loop.database.readonly.query(
      'SELECT status, reason, resolved_at, symbols FROM universe_resolutions ORDER BY resolved_at',
    );
    const answer = { status: 'ok', reason: 'jangar_fetch_ok', symbols: ['AAPL', 'MSFT'] };
    expect(rows).toEqual([
      { ...answer, resolved_at: midSession },
      { ...answer, resolved_at: midSession + 6 * minute },
    ]);
    expect((await loop.windows()).map(({ universe_status }) => universe_status)).toEqual(Array(7).fill('ok'));
  });

  it('reads the stream in one statement and the ledger in the same few, for 10 symbols as for 1,000', async () => {
    const statements: number[] = [];
    for (const size of [10, 1_000]) {
      const symbols = Array.from({ length: size }, (_, index) => `S${String(index).padStart(4, '0')}`);
      const loop = await testLoop({ symbols });
      const row = (at: number) => (symbol: string) => buyRow(symbol, at);
      await loop.insert(...symbols.map(row(eventTs)), ...symbols.map(row(midSession)));
      await loop.tick(midSession);

      const later = midSession + minute;
      await loop.syncAccount(later);
      loop.clock.advanceTo(later);
      const [before, query] = [loop.signalStore.statements(), vi.spyOn(pg.Client.prototype, 'query')];
      expect(await loop.deliver(later)).toMatchObject({ outcome: 'committed', signals: size });
      statements.push(query.mock.calls.length);
      expect(loop.signalStore.statements() - before).toBe(1);
      vi.restoreAllMocks();
    }
    expect(statements[0]).toBe(statements[1]);
    expect(statements[0]).toBeLessThan(20);
  });
});

describe('the transaction of a cycle', () => {
  it.each([
    ['an error', 'outbox', `RAISE EXCEPTION 'disk full'`, /disk full/],
    ['a lost connection', 'outbox', 'PERFORM pg_terminate_backend(pg_backend_pid())', /terminat/i],
    ['an error in the decisions', 'trade_decisions', `RAISE EXCEPTION 'disk full'`, /disk full/],
    ['an error in the last table', 'universe_resolutions', `RAISE EXCEPTION 'disk full'`, /disk full/],
  ])(
    '[S4] writes all or nothing: %s at %s leaves no trace, and the same tick succeeds later',
    async (_, table, statement, message) => {
      const loop = await testLoop();
      await loop.insert(buyRow('AAPL', eventTs), buyRow('MSFT', eventTs));
      await sabotage(loop, table, statement);
      await expect(loop.tick(midSession)).rejects.toThrow(message);
      expect(await written(loop)).toEqual(nothing);
      expect(loop.receive('lean.fifo')).toEqual([]);

      await repair(loop);
      expect(await loop.deliver(midSession)).toMatchObject({ outcome: 'committed', decisions: 2, published: 2 });
      expect(await written(loop)).toEqual({
        ...nothing,
        signal_windows: 1,
        trade_decisions: 2,
        outbox: 2,
        trade_cursor: 1,
        universe_resolutions: 1,
      });
    },
  );
});

describe('the outbox after the commit', () => {
  const dead = { publish: () => Promise.reject(new Error('the function was killed')) };

  it('is swept by the next cycle when its publisher died, and nothing is sent twice', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', eventTs), buyRow('MSFT', eventTs));
    await expect(loop.tick(midSession, { publisher: dead })).rejects.toThrow('the function was killed');
    expect((await loop.decisions()).map(({ status }) => status)).toEqual(['planned', 'planned']);
    expect((await loop.outbox()).map(({ published_at }) => published_at)).toEqual([null, null]);

    expect(await loop.tick(midSession + minute)).toMatchObject({ decisions: 0, published: 2 });
    expect(await loop.tick(midSession + 2 * minute)).toMatchObject({ published: 0 });
    expect(loop.receive('lean.fifo').map(({ group }) => group)).toEqual(['paper:AAPL', 'paper:MSFT']);
    expect((await loop.decisions()).map(({ status }) => status)).toEqual(['queued', 'queued']);
  });

  it('is swept by a second delivery of the same tick', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', eventTs));
    await expect(loop.tick(midSession, { publisher: dead })).rejects.toThrow('the function was killed');
    expect(await loop.deliver(midSession)).toMatchObject({ outcome: 'finished', published: 1 });
    expect(loop.receive('lean.fifo')).toHaveLength(1);
  });

  it('is swept by the freshness check when the cycle stays dead', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', eventTs));
    await expect(loop.tick(midSession, { publisher: dead })).rejects.toThrow('the function was killed');
    await loop.check(midSession + minute);
    expect(loop.receive('lean.fifo')).toHaveLength(1);
    await loop.check(midSession + 2 * minute);
    expect(loop.receive('lean.fifo')).toEqual([]);
  });

  it.each(['connection_lost', 'answer_lost'] as const)(
    'keeps what SQS did not confirm (%s) and sends it once',
    async (fault) => {
      const loop = await testLoop();
      await loop.insert(buyRow('AAPL', eventTs), buyRow('MSFT', eventTs));
      // As often as the client tries.
      loop.aws.failNext('SendMessageBatch', 3, fault);
      expect(await loop.tick(midSession)).toMatchObject({ outcome: 'committed', decisions: 2, published: 0 });
      expect((await loop.outbox()).map(({ published_at }) => published_at)).toEqual([null, null]);
      expect(await loop.tick(midSession + minute)).toMatchObject({ published: 2 });
      expect(loop.receive('lean.fifo').map(({ group }) => group)).toEqual(['paper:AAPL', 'paper:MSFT']);
    },
  );

  it('holds the later messages of a group behind one that was refused, and lets other groups pass', async () => {
    const loop = await testLoop();
    await loop.insert(buyRow('AAPL', eventTs), buyRow('MSFT', eventTs));
    loop.aws.failNext('SendMessageBatch', 1, 'first_entry_failed');
    expect(await loop.tick(midSession)).toMatchObject({ decisions: 2, published: 1 });
    expect(loop.receive('lean.fifo').map(({ group }) => group)).toEqual(['paper:MSFT']);

    // Two minutes on, the same symbol may be bought again: its first message goes first.
    const next = midSession + 2 * minute;
    await loop.insert(buyRow('AAPL', next - minute));
    loop.clock.advanceTo(next + second);
    expect(await loop.tick(next)).toMatchObject({ published: 2 });
    const [first, , third] = await loop.outbox();
    expect(loop.receive('lean.fifo').map(({ dedup }) => dedup)).toEqual([first?.dedup_id, third?.dedup_id]);
  });
});
