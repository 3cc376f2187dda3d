import {
  fallbackSession,
  minute,
  newYorkInstant,
  parseSettings,
  second,
  toText,
  type Instant,
  type TradingDay,
} from '@torghut/domain';
import {
  replayDecisions,
  replaySession,
  type Replay,
  type ReplayConfig,
  type ReplayPorts,
} from '@torghut/domain/research';
import {
  clickHouseSignalHistory,
  createMemoryTelemetry,
  fixedCredentials,
  postgresReconciliationLedger,
  postgresReplayLedger,
  type ClickHouse,
} from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { replay as replayCommand } from '../../../infra/cli/replay/replay.ts';
import { ReplayClock } from '../../../infra/local/clock.ts';
import { account, midSession, startLoop, type Loop } from '../../support/loop.ts';
import { buyIndicators, buyRow, quietRow, type StreamRow } from '../../support/stream.ts';

const ticks = 14;
const at = (tick: number): Instant => midSession + tick * minute;
const last = at(ticks - 1);

/** Rows of one tick: a trend now and then, held for two minutes once, and a symbol that is not traded. */
const rowsOf = (tick: number): readonly StreamRow[] => {
  const eventTs = at(tick) - 20 * second;
  const seq = tick + 1;
  const buys = tick % 4 === 1 || tick === 2;
  return [
    buys ? buyRow('AAPL', eventTs, { seq, close: 100 + tick / 8 }) : quietRow('AAPL', eventTs, { seq }),
    tick % 6 === 2
      ? buyRow('MSFT', eventTs, { seq, indicators: { ...buyIndicators, rsi14: 55.1 + tick / 70 } })
      : quietRow('MSFT', eventTs, { seq }),
    quietRow('NVDA', eventTs, { seq }),
  ];
};

const playSession = async (): Promise<Loop> => {
  const loop = await startLoop({ startAt: midSession });
  for (let tick = 0; tick < ticks; tick += 1) {
    await loop.insert(...rowsOf(tick));
    // Emitted after the window it belongs to, behind rows that were read already.
    if (tick === 7) await loop.insert(buyRow('AAPL', at(6) - 25 * second, { ingestTs: at(6) + 5 * second, seq: 6 }));
    await loop.tick(at(tick));
  }
  return loop;
};

let loop: Loop;
let clickhouse: ClickHouse;
let ports: ReplayPorts;
let config: ReplayConfig;
let server: pg.Client;
const keptTables = ['trade_decisions', 'signal_windows', 'strategies'] as const;
beforeAll(async () => {
  loop = await playSession();
  const settings = parseSettings(loop.environment);
  clickhouse = createClickHouse({
    url: loop.environment['TA_CLICKHOUSE_URL'] ?? '',
    credentials: fixedCredentials({ username: 'default', password: '' }),
  });
  const tables = { signals: settings.TRADING_SIGNAL_TABLE, bars: settings.TRADING_PRICE_TABLE };
  ports = {
    ledger: postgresReplayLedger(loop.database.readonly, account),
    signals: clickHouseSignalHistory(clickhouse, tables),
  };
  config = { accountLabel: account, windowSize: settings.TRADING_SIGNAL_WINDOW_SIZE, limits: settings.limits };
  // Somebody who owns the server: no trigger and no grant is in the way.
  server = new pg.Client({ connectionString: loop.database.url('postgres') });
  await server.connect();
  await server.query('SET session_replication_role = replica');
  for (const table of keptTables) await server.query(`CREATE TABLE kept_${table} AS TABLE ${table}`);
}, 120_000);
afterEach(async () => {
  for (const table of keptTables)
    await server.query(`DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM kept_${table}`);
});
afterAll(async () => {
  await server.end();
  await clickhouse.close();
  await loop.stop();
});

const replay = (from = at(0), to = last): Promise<Replay> => replayDecisions(from, to, ports, config);

/** Code and detail of everything found. */
const found = async (): Promise<readonly (readonly [string, string])[]> => {
  const result = await replay();
  if (!result.ok) throw new Error(result.detail);
  return result.findings.map(({ code, detail }) => [code, detail]);
};
const codes = async (): Promise<readonly string[]> => (await found()).map(([code]) => code);

const firstDecision = `(SELECT id FROM trade_decisions ORDER BY event_ts, symbol LIMIT 1)`;
const firstWindow = `(SELECT min(window_start) FROM signal_windows)`;
const command = (...words: readonly string[]) =>
  replayCommand(['--from', toText(at(0)), '--to', toText(last), ...words], {
    ...Object.fromEntries(Object.entries(loop.environment).filter(([key]) => /^(TRADING|TA)_/.test(key))),
    DATABASE_URL: loop.database.url('torghut_readonly'),
  });

describe('the decisions of the live cycles, made again', () => {
  it('come out bit by bit from the stored stream, with what wrote none explained', async () => {
    const stored = await loop.decisions();
    expect(stored.length).toBeGreaterThanOrEqual(5);
    expect((await loop.windows()).reduce((sum, window) => sum + window.rows_late, 0)).toBe(1);
    expect(await replay()).toMatchObject({
      ok: true,
      decisions: stored.length,
      equal: stored.length,
      different: 0,
      explained: { cooldown_active: expect.any(Number) as number },
      shownLater: 0,
      findings: [],
    });
  });

  it.each(Array.from({ length: ticks - 1 }, (_, tick) => tick + 1))(
    'come out from a part of the session that begins at its minute %i',
    async (tick) => {
      expect(await replay(at(tick), last)).toMatchObject({ ok: true, different: 0, shownLater: 0, findings: [] });
    },
  );

  it('a row that the store showed only to the next window is known by the counts of the windows', async () => {
    // The late row, as if it had been emitted in time and not been visible.
    const signals: ReplayPorts['signals'] = () => {
      const stream = ports.signals();
      return { read: (query) => stream.read({ ...query, now: query.now + 10 * second }) };
    };
    const result = await replayDecisions(at(0), last, { ...ports, signals }, config);
    expect(result).toMatchObject({ ok: true, different: 0, shownLater: 1, findings: [] });
  });

  it('a decision that was altered is found, in its document and in its columns', async () => {
    await server.query(
      `UPDATE trade_decisions SET decision_json = jsonb_set(decision_json, '{signal,features,rsi14}', '57') WHERE id = ${firstDecision}`,
    );
    expect(await found()).toEqual([['decision_altered', expect.stringMatching(/^content_hash: stored /)]]);
    await server.query(`UPDATE trade_decisions SET qty = qty + 1 WHERE id <> ${firstDecision}`);
    expect(await codes()).toEqual((await loop.decisions()).map(() => 'decision_altered'));
    expect((await found()).at(-1)?.[1]).toMatch(/^qty: stored "3", found "2"$/);
  });

  it('a decision that is gone is found by its intent', async () => {
    await server.query(`DELETE FROM trade_decisions WHERE id = ${firstDecision}`);
    expect(await codes()).toEqual(expect.arrayContaining(['decision_missing', 'decision_count_differs']));
  });

  it('a decision that nothing in the stream gives is found', async () => {
    await server.query(
      `UPDATE trade_decisions SET window_start = window_start + interval '3 minutes' WHERE id = ${firstDecision}`,
    );
    expect(await codes()).toEqual(expect.arrayContaining(['signal_missing']));
  });

  it('other parameters, or another version, than the decisions were made with are found', async () => {
    const strategy = `strategy_id = 'intraday_tsmom_v1@prod'`;
    await server.query(`UPDATE strategies SET params = '{"profile":"1Min@2"}' WHERE ${strategy}`);
    const all = await found();
    expect(all.map(([code]) => code)).toEqual((await loop.decisions()).map(() => 'parameters_differ'));
    expect(all[0]?.[1]).toMatch(/^params_hash: stored [0-9a-f]{64}, found [0-9a-f]{64}$/);
    await server.query(`DELETE FROM strategies WHERE ${strategy}`);
    expect(await codes()).toEqual((await loop.decisions()).map(() => 'strategy_missing'));
  });

  it('another feature contract is found', async () => {
    await server.query(
      `UPDATE trade_decisions SET feature_contract_id = gen_random_uuid() WHERE id = ${firstDecision}`,
    );
    expect(await codes()).toEqual(['contract_differs']);
  });

  it('rows that the stream has no more, and a window that evaluated others, are found', async () => {
    await server.query(`UPDATE signal_windows SET rows_read = rows_read + 1 WHERE window_start = ${firstWindow}`);
    expect(await found()).toEqual([['rows_missing', 'expected 4 new and 0 late rows, found 3 and 0']]);
    await server.query(
      `UPDATE signal_windows SET rows_read = 3, signals_evaluated = 1 WHERE window_start = ${firstWindow}`,
    );
    expect(await found()).toEqual([
      ['evaluation_differs', 'expected 1 rows evaluated and 0 quarantined, found 2 rows evaluated and 0 quarantined'],
    ]);
  });

  it('a limit other than the one in force then is found by the size it gives', async () => {
    const limits = { ...config.limits, buyingPowerReserve: '0.9999' };
    const result = await replayDecisions(at(0), last, ports, { ...config, limits });
    expect(result.ok && result.findings.map(({ code }) => code)).toEqual(
      (await loop.decisions()).map(() => 'sizing_differs'),
    );
  });
});

describe('the night after a session', () => {
  const session = fallbackSession('2026-02-13') as TradingDay;
  const night = async (reads: ReplayPorts = ports) => {
    const telemetry = createMemoryTelemetry();
    const result = await replaySession(
      session,
      {
        ...reads,
        reconciliation: postgresReconciliationLedger(loop.database.app, { account, telemetry }),
        clock: new ReplayClock(newYorkInstant('2026-02-14', '05:00')),
        telemetry,
      },
      config,
    );
    return { result, failures: telemetry.value('decision_replay_failures_total') ?? 0 };
  };
  const breaks = async (): Promise<readonly object[]> =>
    (await server.query<object>(`SELECT break_type, severity, ours ->> 'code' AS code FROM reconciliation_breaks`))
      .rows;
  afterEach(async () => {
    await server.query(`DELETE FROM reconciliation_breaks; DELETE FROM reconciliation_runs WHERE scope = 'evidence'`);
  });

  it('makes its decisions again, once, and keeps what came of it', async () => {
    const { length } = await loop.decisions();
    expect(await night()).toEqual({
      result: { completed: true, windows: ticks, decisions: length, equal: length, findings: 0 },
      failures: 0,
    });
    expect(await night()).toEqual({ result: null, failures: 0 });
    const { rows } = await server.query<{ replay: unknown }>(
      `SELECT sources #> '{replay,facts}' AS replay FROM reconciliation_runs WHERE scope = 'evidence' AND status = 'completed'`,
    );
    expect(rows).toMatchObject([{ replay: { session: '2026-02-13', decisions: length, equal: length } }]);
    expect(await breaks()).toEqual([]);
  });

  it('raises the alarm for what differs and leaves a break that stops no order', async () => {
    await server.query(`UPDATE trade_decisions SET qty = qty + 1 WHERE id = ${firstDecision}`);
    expect(await night()).toMatchObject({ result: { completed: true, findings: 1 }, failures: 1 });
    expect(await breaks()).toEqual([
      { break_type: 'evidence_hash_mismatch', severity: 'warn', code: 'replay_decision_altered' },
    ]);
  });

  it('tries again after a night that could not read the stream, and has told so', async () => {
    const silent: ReplayPorts['signals'] = () => ({
      read: () => Promise.resolve({ ok: false, failure: 'timeout', detail: 'silent' }),
    });
    expect(await night({ ...ports, signals: silent })).toMatchObject({ result: { completed: false }, failures: 1 });
    expect(await night()).toMatchObject({ result: { completed: true, findings: 0 }, failures: 0 });
  });
});

describe('torghut replay', () => {
  it('shows windows and sums, and says by its code whether all came out again', async () => {
    const { length } = await loop.decisions();
    const equal = await command();
    expect(equal.lines.at(-1)).toBe('every decision came out again');
    expect(equal.lines).toContainEqual(
      expect.stringMatching(new RegExp(`^${ticks} windows +\\d+ +${length} +${length} +0$`)),
    );
    await server.query(`UPDATE trade_decisions SET qty = qty + 1 WHERE id = ${firstDecision}`);
    const different = await command();
    expect([equal.code, different.code]).toEqual([0, 1]);
    expect(different.lines).toContainEqual(
      expect.stringMatching(/^decision_altered {2}2026-02-13T.* qty: stored "3", found "2"$/),
    );
    expect(JSON.parse((await command('--json')).lines.join(''))).toMatchObject({ different: 1 });
  });

  it.each([
    [['--from', 'yesterday'], 2, /^--from: expected an ISO-8601 time/],
    [['--to', '2026-02-13T14:00:00Z'], 2, /^--to: expected a time from --from to 31 days after it/],
    [['--account', 'No'], 2, /^--account: expected/],
    [['--account', 'nobody'], 3, /^expected windows of nobody from 2026-02-13T15:00:00.000Z/],
  ] as const)('refuses %j with code %i', async (words, code, line) => {
    const said = await command(...words);
    expect(said.code).toBe(code);
    expect(said.lines.join('\n')).toMatch(line);
  });

  it('a store that does not answer is neither good nor bad', async () => {
    await loop.signalStore.setFault({ kind: 'down' });
    try {
      expect(await command()).toMatchObject({
        code: 3,
        lines: [expect.stringMatching(/^the signal store could not be read/)],
      });
    } finally {
      await loop.signalStore.setFault(null);
    }
  });
});

// Last, because a row of the stream cannot be taken back.
it('a row that the stream has otherwise is found, with the first value that differs', async () => {
  const [, row] = rowsOf(8);
  if (row === undefined) throw new Error('expected a row');
  // A copy emitted later in the same window: the one that counts.
  await loop.insert({ ...row, ingestTs: row.eventTs + 6 * second, indicators: { ...row.indicators, rsi14: 57 } });
  expect(await found()).toEqual([
    ['inputs_differ', expect.stringMatching(/^signal\.features\.rsi14: stored 55\.2\d*, found 57$/)],
  ]);
});
