import {
  hour,
  metricDefinitions,
  minute,
  operationalGauges,
  parseInstant,
  second,
  toText,
  type AccountLabel,
  type GaugeName,
  type Instant,
} from '@torghut/domain';
import { readOperationalMeasures } from '@torghut/platform';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleIds, sampleRow, sampleRows, type Row, type SampleTable } from '../../support/rows.ts';

const account = 'paper' as AccountLabel;
/** Half an hour into the session of Friday 13 February 2026. */
const now = parseInstant('2026-02-13T15:00:00.000Z');
const ago = (ms: number): string => toText(now - ms);

/** A database with one strategy and one decision, on which the other rows of a test stand. */
const ledger = async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  for (const table of ['strategies', 'feature_contracts'] as const)
    await insertRow(database.app, table, sampleRows[table]);
  await insertRow(database.app, 'signal_windows', sampleRow('signal_windows', { window_start: ago(5 * hour) }));
  await insertRow(database.app, 'trade_decisions', sampleRow('trade_decisions', { window_start: ago(5 * hour) }));
  let rows = 0;
  const put = async (table: SampleTable, changes: Row = {}): Promise<void> => {
    await insertRow(database.app, table, sampleRow(table, changes));
  };
  return {
    database,
    put,
    /** A receipt of an order of its own unless one is named. */
    receipt: (changes: Row = {}) =>
      put('broker_receipts', { client_order_id: `order-${(rows += 1)}`, claimed_at: ago(minute), ...changes }),
    execution: (changes: Row = {}) =>
      put('executions', {
        id: `00000000-0000-4000-9000-${String((rows += 1)).padStart(12, '0')}`,
        client_order_id: `order-${rows}`,
        alpaca_order_id: `broker-${rows}`,
        submitted_at: ago(hour),
        ...changes,
      }),
    gauges: () => gaugesOf(database),
  };
};

const gaugesOf = async (database: TestDatabase, at: Instant = now) => {
  const samples = operationalGauges(await readOperationalMeasures(database.app, account, at), at);
  return (name: GaugeName, dimensions: Readonly<Record<string, string>> = {}): number | undefined =>
    samples.find((one) => one.name === name && JSON.stringify(one.dimensions) === JSON.stringify(dimensions))?.value;
};

const settled = (outcome: string): Row => ({ state: 'settled', outcome, settled_at: ago(minute) });
const route = (expected: string, fallbackCount: number): Row => ({
  request_json: { route: { expected, fallback_count: fallbackCount } },
});

describe('the measures of an empty ledger', () => {
  it('are closed where a row is missing, zero where nothing happened, and absent where nothing is known', async () => {
    const { gauges } = await ledger();
    const value = await gauges();
    expect([value('kill_switch_engaged'), value('emergency_stop_active')]).toEqual([1, 0]);
    for (const adapter of ['lean', 'alpaca'])
      expect([value('adapter_state', { adapter }), value('breaker_open', { adapter })]).toEqual([0, 0]);
    expect(value('calendar_next_session_known')).toBe(0);
    for (const name of [
      'manual_review_symbols_count',
      'windows_hit_60m',
      'decisions_60m',
      'unknown_order_age_seconds',
      'order_submissions_15m',
      'order_rejections_15m',
      'lean_submissions_15m',
      'lean_fallbacks_15m',
      'execution_fallback_streak',
      'route_provenance_executions_24h',
      'route_provenance_null_24h',
      'open_critical_breaks',
    ] as const)
      expect([name, value(name)]).toEqual([name, 0]);
    for (const name of [
      'universe_symbols_count',
      'universe_cache_age_seconds',
      'route_provenance_coverage_ratio',
      'tca_avg_slippage_bps',
      'drawdown_fraction',
      'last_reconciliation_age_seconds',
      'capital_stage_level',
    ] as const)
      expect([name, value(name)]).toEqual([name, undefined]);
  });
});

describe('controls, adapters and stages', () => {
  it('are those in force: a superseded row says nothing any more', async () => {
    const { put, gauges } = await ledger();
    await put('trading_controls', { engaged: true, superseded_at: ago(minute) });
    await put('trading_controls', { engaged: false });
    await put('trading_controls', {
      control: 'emergency_stop',
      engaged: true,
      reasons: JSON.stringify([{ code: 'signal_lag_exceeded' }]),
    });
    await put('trading_controls', { account_label: 'other', engaged: true });
    await put('adapter_states', { state: 'disabled', health_reason: 'operator', breaker: 'half_open' });
    await put('adapter_states', { symbol: 'NVDA', state: 'manual_review', health_reason: 'parity' });
    await put('adapter_states', { adapter: 'alpaca', symbol: 'NVDA', state: 'manual_review', health_reason: 'parity' });
    await put('adapter_states', { symbol: 'AMD', state: 'manual_review', health_reason: 'parity' });
    await put('adapter_states', {
      symbol: 'META',
      state: 'disabled',
      health_reason: 'corporate_action_pending',
      breaker: 'open',
    });
    await put('capital_stages', { stage: 'live', level: 'L2', candidate_id: null, promotion_id: null });
    const value = await gauges();
    expect([value('kill_switch_engaged'), value('emergency_stop_active')]).toEqual([0, 1]);
    expect([value('adapter_state', { adapter: 'lean' }), value('breaker_open', { adapter: 'lean' })]).toEqual([2, 1]);
    expect([value('adapter_state', { adapter: 'alpaca' }), value('breaker_open', { adapter: 'alpaca' })]).toEqual([
      0, 0,
    ]);
    expect(value('manual_review_symbols_count')).toBe(2);
    const symbols = (name: 'disabled_symbols_count' | 'breaker_open_symbols_count') =>
      ['lean', 'alpaca'].map((adapter) => value(name, { adapter }));
    expect([symbols('disabled_symbols_count'), symbols('breaker_open_symbols_count')]).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(value('capital_stage_level')).toBe(3);
  });
});

describe('signals', () => {
  it('[S3] are counted over the trading windows of 60 minutes, hits apart from decisions', async () => {
    const { put, gauges } = await ledger();
    const window = (minutes: number, changes: Row): Promise<void> =>
      put('signal_windows', { window_start: ago(minutes * minute), decisions_count: 0, ...changes });
    await window(60, { decisions_count: 50 });
    await window(59, { decisions_count: 3 });
    await window(2, { decisions_count: 4 });
    await window(1, { rows_read: 0, hit: false, signals_evaluated: 0, no_signal_reason: 'no_signals_in_window' });
    await window(1, { consumer: 'lane', decisions_count: 9 });
    await put('universe_resolutions', { symbols: ['OLD'], resolved_at: ago(2 * minute), fetched_at: ago(2 * minute) });
    await put('universe_resolutions', {
      symbols: ['AMD', 'NVDA'],
      resolved_at: ago(10 * second),
      fetched_at: ago(90 * second),
    });
    const value = await gauges();
    expect([value('windows_hit_60m'), value('decisions_60m')]).toEqual([2, 7]);
    expect([value('universe_symbols_count'), value('universe_cache_age_seconds')]).toEqual([2, 90]);
  });

  it('know the next session only when no date before it is missing in the calendar', async () => {
    const { database, put, gauges } = await ledger();
    const closed = (date: string): Promise<void> =>
      put('market_calendar', { session_date: date, kind: 'closed', open_at: null, close_at: null });
    const open = (date: string): Promise<void> =>
      put('market_calendar', { session_date: date, open_at: `${date}T14:30:00Z`, close_at: `${date}T21:00:00Z` });
    const known = async (): Promise<number | undefined> => (await gauges())('calendar_next_session_known');
    await open('2026-02-13');
    // The next session is another one than the one that is open.
    expect(await known()).toBe(0);
    for (const date of ['2026-02-14', '2026-02-15']) await closed(date);
    // Monday is a holiday.
    await open('2026-02-17');
    expect(await known()).toBe(0);
    await closed('2026-02-16');
    expect(await known()).toBe(1);
    // Before the open it is today's.
    expect((await gaugesOf(database, parseInstant('2026-02-13T14:00:00Z')))('calendar_next_session_known')).toBe(1);
  });
});

describe('orders', () => {
  it('are unknown from the moment they were sent, also when their worker died before it could say so', async () => {
    const { receipt, gauges } = await ledger();
    const age = async (): Promise<number | undefined> => (await gauges())('unknown_order_age_seconds');
    await receipt({ state: 'claimed', claimed_at: ago(hour) });
    await receipt({ state: 'io', io_at: ago(20 * second), lease_expires_at: toText(now + second) });
    await receipt({ ...settled('acknowledged'), claimed_at: ago(hour) });
    expect(await age()).toBe(0);
    await receipt({ state: 'io', io_at: ago(100 * second), lease_expires_at: ago(70 * second) });
    expect(await age()).toBe(100);
    await receipt({ ...settled('unknown'), claimed_at: ago(301 * second), io_at: ago(300 * second) });
    expect(await age()).toBe(300);
  });

  it('are counted as submitted once their outcome is known, over 15 minutes', async () => {
    const { receipt, gauges } = await ledger();
    for (const outcome of ['acknowledged', 'adopted', 'rejected', 'denied', 'not_found', 'unknown'])
      await receipt(settled(outcome));
    await receipt({ ...settled('rejected'), claimed_at: ago(15 * minute) });
    await receipt({ ...settled('rejected'), claimed_at: ago(14 * minute) });
    await receipt({ ...settled('rejected'), operation: 'cancel' });
    const value = await gauges();
    expect([value('order_submissions_15m'), value('order_rejections_15m')]).toEqual([4, 2]);
  });

  it('fell back when the adapter that took over says so, and in a row only from the newest that is decided', async () => {
    const { receipt, gauges } = await ledger();
    const lean = (minutes: number, id: string, outcome: string, fallbacks = 0, adapter = 'lean'): Promise<void> =>
      receipt({
        ...settled(outcome),
        ...route('lean', fallbacks),
        client_order_id: id,
        adapter,
        claimed_at: ago(minutes * minute),
      });
    await lean(20, 'old', 'not_found');
    await lean(20, 'old', 'acknowledged', 1, 'alpaca');
    await lean(14, 'landed', 'rejected');
    await lean(13, 'lost', 'not_found');
    await lean(12, 'lost', 'rejected', 1, 'alpaca');
    // Passed by without a receipt at LEAN, and refused at the other adapter.
    await lean(11, 'skipped', 'denied', 1, 'alpaca');
    await lean(10, 'refused', 'denied');
    await receipt({ ...route('lean', 0), state: 'io', claimed_at: ago(minute) });
    await receipt({ ...settled('acknowledged'), ...route('alpaca', 0), adapter: 'alpaca' });
    const value = await gauges();
    expect([value('lean_submissions_15m'), value('lean_fallbacks_15m')]).toEqual([4, 2]);
    expect(value('execution_fallback_streak')).toBe(2);
    await lean(1, 'recovered', 'acknowledged');
    expect((await gauges())('execution_fallback_streak')).toBe(0);
  });
});

describe('executions', () => {
  it('of 24 hours are judged by both adapters, and their slippage is averaged', async () => {
    const { database, execution, gauges } = await ledger();
    await execution({ id: sampleIds.execution });
    await execution({
      execution_actual_adapter: 'alpaca',
      execution_fallback_count: 1,
      execution_fallback_reason: 'lean_submit_order_timeout',
    });
    await execution({ execution_actual_adapter: 'unknown', provenance_source: 'backfill' });
    await execution();
    await execution({ submitted_at: ago(25 * hour) });
    await insertRow(
      database.app,
      'execution_tca_metrics',
      sampleRow('execution_tca_metrics', { slippage_bps: '2.5', trade_decision_id: sampleIds.decision }),
    );
    const value = await gauges();
    expect(value('route_provenance_executions_24h')).toBe(4);
    expect(value('route_provenance_null_24h')).toBe(1);
    expect(value('route_provenance_coverage_ratio')).toBe(0.75);
    expect(value('route_provenance_unknown_ratio')).toBe(0.25);
    expect(value('route_provenance_mismatch_ratio')).toBe(0.25);
    expect(value('tca_avg_slippage_bps')).toBe(2.5);
  });

  it('move the equity: drawdown is measured from the start of the New York day', async () => {
    const { put, gauges } = await ledger();
    const equity = (amount: string, at: string, changes: Row = {}): Promise<void> =>
      put('position_snapshots', { equity: amount, as_of: at, ...changes });
    await equity('100000', '2026-02-13T13:00:00Z', { kind: 'day_start' });
    await equity('95000', '2026-02-13T14:59:00Z');
    await equity('10', '2026-02-13T14:59:30Z', { complete: false });
    await equity('200000', '2026-02-12T20:00:00Z', { session_date: '2026-02-12' });
    expect((await gauges())('drawdown_fraction')).toBe(0.05);
  });

  it.each<[string, number, number | undefined]>([
    ['is known for five minutes', 5 * minute, 0.05],
    ['is not known any longer than that', 5 * minute + second, undefined],
  ])('leave a drawdown that %s after the equity was read last', async (_title, age, expected) => {
    const { put, gauges } = await ledger();
    await put('position_snapshots', { equity: '100000', as_of: '2026-02-13T13:00:00Z', kind: 'day_start' });
    await put('position_snapshots', { equity: '95000', as_of: ago(age) });
    expect((await gauges())('drawdown_fraction')).toBe(expected);
  });

  it('leave breaks, reconciliations and drills behind: what is open, nightly and successful counts', async () => {
    const { put, gauges } = await ledger();
    await put('reconciliation_runs', { status: 'completed', finished_at: ago(minute) });
    const criticalBreak = (status: string, key: string): Promise<void> =>
      put('reconciliation_breaks', { severity: 'critical', status, dedup_key: key.repeat(64) });
    await criticalBreak('open', 'a');
    // Handed on to somebody else, it still stands.
    await criticalBreak('escalated', 'b');
    await criticalBreak('healed', 'c');
    await criticalBreak('accepted', 'e');
    await put('reconciliation_breaks', { severity: 'warn', dedup_key: 'd'.repeat(64) });
    const before = await gauges();
    expect(before('open_critical_breaks')).toBe(2);
    // Following orders reconciles nothing but orders.
    expect(before('last_reconciliation_age_seconds')).toBeUndefined();
    const run = { id: '00000000-0000-4000-9000-00000000000a', scope: 'nightly', status: 'completed' };
    await put('reconciliation_runs', { ...run, finished_at: ago(9 * hour), scheduled_for: ago(10 * hour) });
    const drill = (finished: number, succeeded: boolean): Promise<void> =>
      put('drills', {
        started_at: ago(finished),
        finished_at: ago(finished),
        expires_at: toText(now - finished + 72 * hour),
        succeeded,
      });
    await drill(30 * hour, true);
    await drill(2 * hour, false);
    const value = await gauges();
    expect(value('last_reconciliation_age_seconds')).toBe(9 * 3_600);
    expect(value('drill_age_hours', { kind: 'kill_switch' })).toBe(30);
  });
});

/** Copies the newest row of a table into the past, fifteen minutes apart. */
const lengthen = (table: string, time: string, keys: string): string => `
  INSERT INTO ${table}
  SELECT copied.*
  FROM (SELECT * FROM ${table} ORDER BY ${time} DESC LIMIT 1) AS newest, generate_series(1, 3000) AS n,
    LATERAL jsonb_populate_record(NULL::${table}, to_jsonb(newest)
      || jsonb_build_object(${keys}, '${time}', newest.${time} - n * interval '15 minutes')) AS copied`;

interface PlanNode {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}

describe('the statement', () => {
  it('reads no more rows after a month of history than its spans hold', async () => {
    const { database, put, receipt, execution } = await ledger();
    await receipt({ ...settled('acknowledged'), ...route('lean', 0) });
    await execution();
    await put('universe_resolutions', { resolved_at: ago(minute) });
    await put('position_snapshots', { as_of: ago(minute) });
    await put('reconciliation_runs', { status: 'completed', scheduled_for: ago(minute), finished_at: ago(minute) });
    const id = `'id', gen_random_uuid()`;
    for (const history of [
      lengthen('broker_receipts', 'claimed_at', `${id}, 'client_order_id', 'old-' || n`),
      lengthen('executions', 'submitted_at', `${id}, 'client_order_id', 'old-' || n, 'alpaca_order_id', 'old-' || n`),
      lengthen('universe_resolutions', 'resolved_at', id),
      lengthen('position_snapshots', 'as_of', id),
      lengthen('reconciliation_runs', 'scheduled_for', id),
      lengthen('signal_windows', 'window_start', `'consumer', 'trading'`),
    ])
      await database.owner.query(history);
    await database.owner.query('ANALYZE');

    const statements: string[] = [];
    const recording = {
      query: (text: string, values: unknown[]) => {
        statements.push(text);
        return database.app.query(text, values);
      },
    };
    await readOperationalMeasures(recording as never, account, now);
    expect(statements).toHaveLength(1);
    const { rows } = await database.app.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${statements[0] ?? ''}`,
      [account, toText(now), '2026-02-13'],
    );
    const read = new Map<string, number>();
    for (const node of nodesOf(rows[0]!['QUERY PLAN'][0]!.Plan)) {
      const relation = node['Relation Name'];
      if (relation === undefined) continue;
      const touched = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
      read.set(relation, (read.get(relation) ?? 0) + touched);
    }
    // 24 hours at fifteen minutes are 96 rows; executions are read for their routes and for their cost.
    const largest: Readonly<Record<string, number>> = { broker_receipts: 120, executions: 220, signal_windows: 10 };
    for (const [relation, rowsRead] of read) expect(rowsRead, relation).toBeLessThanOrEqual(largest[relation] ?? 20);
    expect([...read.keys()]).toEqual(expect.arrayContaining(Object.keys(largest)));
  });
});

it('gives every gauge a name of the metric table', async () => {
  const { database } = await ledger();
  const samples = operationalGauges(await readOperationalMeasures(database.app, account, now), now);
  for (const { name, dimensions } of samples)
    expect([name, Object.keys(dimensions)]).toEqual([name, metricDefinitions[name].dimensions]);
});
