import { randomUUID } from 'node:crypto';
import type { AccountLabel } from '@torghut/domain';
import { postgresLaneFacts } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleRow, type Row, type SampleTable } from '../../support/rows.ts';

const now = Date.parse('2026-02-13T20:00:00.000Z');
const from = '2026-02-01';

let db: TestDatabase;
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(() => db.close());

const insert = (table: SampleTable, changes: Row = {}): Promise<unknown> =>
  insertRow(db.owner, table, sampleRow(table, changes));
const facts = () => postgresLaneFacts(db.app, 'paper' as AccountLabel).facts(from, now);

/** Each test adds rows to those before it. */
describe('what the lane knows', () => {
  it('of an empty ledger allows nothing', async () => {
    expect(await facts()).toEqual({
      killSwitchEngaged: true,
      emergencyStopActive: false,
      autonomyEnabled: false,
      universe: null,
      strategies: [],
      days: [],
      noSignalWindows: 0,
    });
  });

  it('of controls is what is in force', async () => {
    const controls: readonly Row[] = [
      { control: 'kill_switch', engaged: false },
      { control: 'emergency_stop', engaged: true, reasons: JSON.stringify(['signal_lag_exceeded']) },
      { control: 'reduce_only', engaged: false },
      { control: 'trading_enabled', engaged: true },
      { control: 'autonomy_enabled', engaged: true },
      { control: 'trading_mode', engaged: true, value: 'paper' },
    ];
    for (const control of controls) await insert('trading_controls', control);
    expect(await facts()).toMatchObject({
      killSwitchEngaged: false,
      emergencyStopActive: true,
      autonomyEnabled: true,
    });
  });

  it('of strategies is those that are enabled, by id, with the profile apart from the parameters', async () => {
    const params = { profile: '1Min@2', threshold: 3 };
    await insert('strategies', {
      id: randomUUID(),
      strategy_id: 'z@prod',
      name: 'z',
      enabled: true,
      params: { profile: 'p' },
    });
    await insert('strategies', {
      id: randomUUID(),
      strategy_id: 'b@prod',
      name: 'b',
      enabled: true,
      base_timeframe: '1Min',
      params,
      universe_filter: JSON.stringify(['NVDA']),
      priority: 7,
      max_notional_per_trade: '250.5',
    });
    await insert('strategies', { id: randomUUID(), strategy_id: 'a@prod', name: 'a', enabled: false });
    const { strategies } = await facts();
    expect(strategies.map(({ strategyId }) => strategyId)).toEqual(['b@prod', 'z@prod']);
    expect(strategies[0]).toMatchObject({
      strategyType: 'intraday_tsmom',
      strategyVersion: '1.1.0',
      baseTimeframe: '1Min',
      params: { threshold: 3 },
      profile: '1Min@2',
      universeFilter: ['NVDA'],
      priority: 7,
      maxPositionPctEquity: null,
    });
    expect(Number(strategies[0]?.maxNotionalPerTrade)).toBe(250.5);
    expect(strategies[0]?.params).not.toHaveProperty('profile');
  });

  it('of days is those between the first one and today, ascending', async () => {
    const day = (date: string): Promise<unknown> =>
      insert('market_calendar', {
        session_date: date,
        open_at: `${date}T14:30:00.000Z`,
        close_at: `${date}T21:00:00.000Z`,
      });
    for (const date of ['2026-02-13', '2026-01-30', '2026-02-02', '2026-02-17']) await day(date);
    await insert('market_calendar', { session_date: '2026-02-07', kind: 'closed', open_at: null, close_at: null });
    const { days } = await facts();
    expect(days.map(({ date, kind }) => [date, kind])).toEqual([
      ['2026-02-02', 'full'],
      ['2026-02-07', 'closed'],
      ['2026-02-13', 'full'],
    ]);
  });

  it('of silent windows is those of live trading in open sessions', async () => {
    const window = (minutes: string, changes: Row = {}): Promise<unknown> =>
      insert('signal_windows', {
        window_start: `2026-02-13T15:${minutes}:00.000Z`,
        window_end: `2026-02-13T16:${minutes}:00.000Z`,
        hit: false,
        rows_read: 0,
        decisions_count: 0,
        signals_evaluated: 0,
        no_signal_reason: 'no_signals_in_window',
        ...changes,
      });
    await window('00');
    await window('05', { session_open: false, no_signal_reason: 'market_closed' });
    await window('10', { hit: true, rows_read: 3, signals_evaluated: 1, no_signal_reason: null });
    await window('15', { consumer: 'lane' });
    expect((await facts()).noSignalWindows).toBe(1);
  });

  it('of the universe is the last list, unless an answer since then was none', async () => {
    const answer = (minutes: string, changes: Row = {}): Promise<unknown> => {
      const at = `2026-02-13T15:${minutes}:00.000Z`;
      return insert('universe_resolutions', { fetched_at: at, resolved_at: at, ...changes });
    };
    await answer('00', { symbols: ['AMD'] });
    await answer('10', { symbols: ['NVDA'] });
    const kept = { symbols: ['NVDA'], fetchedAt: Date.parse('2026-02-13T15:10:00.000Z') };
    expect((await facts()).universe).toEqual(kept);
    await answer('20', { reason: 'jangar_fetch_failed', status: 'degraded' });
    expect((await facts()).universe).toEqual(kept);
    await answer('30', { symbols: [], reason: 'jangar_payload_empty', status: 'unavailable' });
    expect((await facts()).universe).toBeNull();
    await answer('40', { symbols: ['AMD'] });
    expect((await facts()).universe?.symbols).toEqual(['AMD']);
  });
});
