import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, minute, schemaVersion } from '@torghut/domain';
import { createMemoryTelemetry } from '@torghut/platform';
import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHandler } from '../../../functions/operator-api/handler.ts';
import { wire } from '../../../functions/operator-api/wire.ts';
import { type Gateway, startGateway } from '../../../infra/local/http-gateway.ts';
import { parseExposition } from '../../support/exposition.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { engage, insertCompletedRun, now, openAt, seed } from './seed.ts';

type Json = Record<string, unknown>;

let database: TestDatabase;
let dependency: Server;
let gateway: Gateway;
let time = now;
const clock: Clock = { now: () => time, sleep: () => Promise.resolve(), deadline: (ms) => AbortSignal.timeout(ms) };
const telemetry = createMemoryTelemetry();

const ask = async (path: string): Promise<{ status: number; body: Json; text: string; headers: Headers }> => {
  const response = await fetch(`${gateway.url}${path}`);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, text, headers: response.headers, body: isJson ? (JSON.parse(text) as Json) : {} };
};
const rowsOf = async (path: string, member: string): Promise<Json[]> => (await ask(path)).body[member] as Json[];

beforeAll(async () => {
  database = await testDatabase();
  await seed(database.app);
  await engage(database.app, 'trading_enabled', true);
  await engage(database.app, 'kill_switch', false);
  // Stands for the signal store and the broker: whatever is asked, it answers.
  dependency = createServer((_, response) => response.writeHead(401).end());
  await new Promise<void>((resolve) => dependency.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(dependency.address() as AddressInfo).port}`;
  const handler = createHandler(
    await wire(
      { TA_CLICKHOUSE_URL: url, APCA_API_BASE_URL: url, TORGHUT_CODE_HASH: 'c'.repeat(64) },
      { clock, telemetry, pool: database.app },
    ),
  );
  gateway = await startGateway({
    port: 0,
    host: '127.0.0.1',
    handler: (event) => handler(event, { awsRequestId: event.requestContext.requestId } as Context),
  });
});
afterAll(async () => {
  await gateway.stop();
  await new Promise((resolve) => dependency.close(resolve));
  await database.close();
});

describe('probes', () => {
  it('[O1] /healthz says that the function runs', async () => {
    expect((await ask('/healthz')).body).toEqual({ status: 'ok', service: 'operator-api' });
  });

  it('[E4] /readyz and /db-check ask every dependency as the runtime role', async () => {
    const { status, body } = await ask('/readyz');
    expect(body).toMatchObject({
      ok: true,
      checks: {
        schema: { ok: true, detail: `version ${schemaVersion}, expected ${schemaVersion}` },
        privileges: { ok: true, detail: 'complete' },
        controls: { ok: true },
        postgres: { ok: true },
        clickhouse: { ok: true },
        broker: { ok: true },
        calendar: { ok: true, detail: '2026-02-13 is full, 2026-02-13T14:30:00.000Z to 2026-02-13T21:00:00.000Z' },
      },
    });
    expect(status).toBe(200);
    expect((await ask('/db-check')).body).toMatchObject({
      ok: true,
      schema_version: schemaVersion,
      expected_version: schemaVersion,
      schema_compatible: true,
      missing_privileges: [],
    });
  });

  it('/trading/health is ok while everything answers and the cycle runs, and degraded when the cycle stops', async () => {
    expect(await ask('/trading/health')).toMatchObject({
      status: 200,
      body: { status: 'ok', dependencies: { postgres: { ok: true }, cycle: { ok: true }, universe: { ok: true } } },
    });
    time = now + 4 * minute;
    try {
      expect(await ask('/trading/health')).toMatchObject({
        status: 503,
        body: { status: 'degraded', dependencies: { postgres: { ok: true }, cycle: { ok: false } } },
      });
    } finally {
      time = now;
    }
  });
});

describe('/trading/status', () => {
  it('[O1] [S2] [S3] [S5] shows controls, cycle, freshness, objective, universe, adapters and cost in one answer', async () => {
    const { status, body } = await ask('/trading/status');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      as_of: '2026-02-13T15:30:00.000Z',
      account_label: 'paper',
      enabled: true,
      mode: 'paper',
      capital_stages: [],
      controls: [
        { control: 'kill_switch', engaged: false },
        { control: 'trading_enabled', engaged: true },
      ],
      last_cycle: { window_start: '2026-02-13T15:30:00.000Z', no_signal_reason: 'no_signals_in_window', hit: false },
      last_reconcile: null,
      last_order_sync: null,
      autonomy: { enabled: false, runs_total: 0, last_run_id: null },
      signal_continuity: {
        session_open: true,
        lag_seconds: 3,
        effective_lag_seconds: 3,
        stage: 'none',
        last_reason: 'no_signals_in_window',
        streaks: { trading: { length: 1, by_reason: { no_signals_in_window: 1 } }, lane: { length: 0 } },
        slo: {
          window_hours: 4,
          windows: 12,
          hits: 12,
          hit_ratio: 1,
          met: true,
          burn_rate: { '15m': 0, '1h': 0, '4h': 0 },
        },
        latch: { set: false },
      },
      universe: { status: 'ok', reason: 'jangar_fetch_ok', count: 2, age: 42 },
      rollback: {
        emergency_stop: { active: false, reasons: [], triggered_at: null, clean_evaluations: 0 },
        incidents_total: 0,
        last_evidence: null,
      },
      adapters: [
        { adapter: 'lean', symbol: null, state: 'enabled', breaker: 'open', health_reason: 'consecutive_failures' },
      ],
      llm: { stage: 0, mode: 'disabled', circuit: null, budgets: null, guardrail_codes: [] },
      tca: { window_hours: 24, order_count: 1, avg_slippage_bps: '1.05', p95_slippage_bps: '1.05' },
      code_hash: 'c'.repeat(64),
      feature_contract: { version: '3.0.0' },
    });
  });
});

describe('/trading/autonomy', () => {
  it('[O1] [O4] [S2] shows the loop end to end, and no evidence on a market day as a failure', async () => {
    const { status, body } = await ask('/trading/autonomy');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      enabled: false,
      runs_total: 0,
      signals_total: 590,
      no_signal_streak: 1,
      last_run_id: null,
      last_run_status: null,
      last_reason: 'no_signals_in_window',
      last_window_start: '2026-02-13T15:30:00.000Z',
      last_window_end: '2026-02-13T15:31:00.000Z',
      last_gates: null,
      last_recommendation: null,
      failure_streak: 0,
      evidence_continuity: { ok: false, checked_runs: 0, codes: ['no_runs_on_market_day'] },
    });
  });

  it('checks evidence on request, remembers it for a minute, and counts nothing: a question pages nobody', async () => {
    const checkedAt = async (query = '') =>
      (await ask(`/trading/autonomy/evidence-continuity${query}`)).body['checked_at'];
    const first = await checkedAt();
    time = now + 59_000;
    try {
      expect(await checkedAt()).toBe(first);
      expect(await checkedAt('?run_limit=50')).toBe('2026-02-13T15:30:59.000Z');
      expect(await checkedAt('?refresh')).toBe('2026-02-13T15:30:59.000Z');
    } finally {
      time = now;
    }
    const { body } = await ask('/trading/autonomy/evidence-continuity?refresh&run_limit=50');
    expect(telemetry.value('evidence_continuity_checks_total')).toBeUndefined();
    expect(telemetry.value('evidence_continuity_failures_total')).toBeUndefined();
    expect(body).toEqual({
      checked_at: '2026-02-13T15:30:00.000Z',
      checked_runs: 0,
      failed_runs: 0,
      missing: [],
      codes: ['no_runs_on_market_day'],
      ok: false,
    });
  });
});

describe('/trading/decisions', () => {
  it('[O1] [O4] lists the decisions of the account, newest first, with every documented field', async () => {
    const decisions = await rowsOf('/trading/decisions', 'decisions');
    expect(decisions.map(({ symbol, action, status }) => [symbol, action, status])).toEqual([
      ['NVDA', 'sell', 'denied'],
      ['AMD', 'buy', 'filled'],
      ['NVDA', 'buy', 'filled'],
    ]);
    expect(decisions[2]).toEqual({
      id: expect.any(String) as string,
      strategy_id: 'intraday_tsmom_v1@prod',
      symbol: 'NVDA',
      timeframe: '1Min',
      action: 'buy',
      qty: '10.5',
      status: 'filled',
      reasons: [],
      reason_details: {},
      decision_identity: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      content_hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      event_ts: '2026-02-13T14:40:00.000Z',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      executed_at: '2026-02-13T14:40:02.000Z',
      account_label: 'paper',
    });
  });

  it.each([
    { query: 'symbol=nvda', found: ['denied', 'filled'] },
    { query: 'status=denied', found: ['denied'] },
    { query: 'since=2026-02-13T10:10:00.000-05:00', found: ['denied', 'filled'] },
    { query: 'since=2026-02-13T15:20:00.001Z', found: [] },
    { query: 'limit=1', found: ['denied'] },
    { query: 'symbol=NVDA&status=filled&limit=500', found: ['filled'] },
  ])('filters by $query', async ({ query, found }) => {
    expect((await rowsOf(`/trading/decisions?${query}`, 'decisions')).map(({ status }) => status)).toEqual(found);
  });

  it.each([
    { query: 'limit=0', found: '0', expected: 'limit: a whole number from 1 to 500' },
    { query: 'limit=501', found: '501', expected: 'limit: a whole number from 1 to 500' },
    { query: 'limit=1e2', found: '1e2', expected: 'limit: a whole number from 1 to 500' },
    { query: 'symbol=N%20V', found: 'N V', expected: 'symbol: a symbol such as NVDA' },
    {
      query: 'since=yesterday',
      found: 'yesterday',
      expected: 'since: an ISO-8601 time with a zone such as 2026-02-13T15:00:00Z',
    },
    {
      query: 'since=2026-02-13',
      found: '2026-02-13',
      expected: 'since: an ISO-8601 time with a zone such as 2026-02-13T15:00:00Z',
    },
    {
      query: 'status=open',
      found: 'open',
      expected:
        'status: one of planned, denied, queued, submitted, unknown, partially_filled, filled, canceled, expired, rejected',
    },
    {
      query: "symbol=';DROP TABLE executions",
      found: "';DROP TABLE executions",
      expected: 'symbol: a symbol such as NVDA',
    },
  ])('refuses $query, naming what was expected and found', async ({ query, found, expected }) => {
    expect(await ask(`/trading/decisions?${query}`)).toMatchObject({
      status: 400,
      body: { error: 'invalid_parameter', expected, found },
    });
  });
});

describe('/trading/executions', () => {
  it('[O1] [E1] lists executions with their route and their cost', async () => {
    const executions = await rowsOf('/trading/executions', 'executions');
    expect(executions).toMatchObject([
      {
        symbol: 'AMD',
        execution_expected_adapter: 'lean',
        execution_actual_adapter: 'alpaca',
        execution_fallback_count: 1,
        execution_fallback_reason: 'lean_submit_order_timeout',
        tca: null,
      },
      {
        symbol: 'NVDA',
        state: 'filled',
        submitted_qty: '10.5',
        avg_fill_price: '189.9',
        execution_expected_adapter: 'lean',
        execution_actual_adapter: 'lean',
        execution_fallback_count: 0,
        execution_fallback_reason: null,
        provenance_source: 'route',
        tca: { slippage_bps: '1.05', decision_to_fill_ms: 900 },
      },
    ]);
    expect(await rowsOf('/trading/executions?status=filled&symbol=AMD', 'executions')).toHaveLength(1);
    expect((await ask('/trading/executions?status=denied_by_us')).status).toBe(400);
  });

  it('[E1] sums up provenance, and has no coverage where there is nothing to cover', async () => {
    expect((await ask('/trading/executions/provenance')).body).toMatchObject({
      total: 2,
      complete: 2,
      missing: 0,
      unknown: 0,
      mismatch: 1,
      coverage_ratio: 1,
      by_adapter: [
        { expected: 'lean', actual: 'alpaca', count: 1, fallbacks: 1 },
        { expected: 'lean', actual: 'lean', count: 1, fallbacks: 0 },
      ],
    });
    expect((await ask('/trading/executions/provenance?since=2026-02-13T15:30:00Z')).body).toMatchObject({
      total: 0,
      coverage_ratio: null,
    });
  });
});

describe('metrics', () => {
  const expected: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
    ['cycles_total', {}, 66],
    ['decisions_total', { action: 'buy' }, 2],
    ['decisions_total', { action: 'sell' }, 1],
    ['denials_total', { code: 'no_position' }, 1],
    ['denials_total', { code: 'signal_too_old' }, 1],
    ['execution_requests_total', { adapter: 'lean' }, 2],
    ['orders_submitted_total', { adapter: 'alpaca' }, 1],
    ['orders_rejected_total', { code: 'broker_rejected_insufficient_funds' }, 1],
    ['orders_unknown_total', {}, 0],
    ['execution_fallback_total', { from: 'lean', to: 'alpaca' }, 1],
    ['execution_fallback_reason_total', { reason: 'lean_submit_order_timeout' }, 1],
    ['no_signal_windows_total', { consumer: 'trading' }, 7],
    ['no_signal_reason_total', { reason: 'market_closed' }, 5],
    ['cursor_rewinds_total', {}, 1],
    ['late_rows_total', {}, 4],
    ['duplicate_rows_total', {}, 3],
    ['universe_resolution_total', { status: 'ok' }, 1],
    ['breaker_transitions_total', { adapter: 'lean', to: 'open' }, 1],
    ['signal_lag_seconds', {}, 3],
    ['ingest_delay_p95_ms', {}, 1_800],
    ['no_signal_streak', { consumer: 'trading' }, 1],
    ['window_hit_ratio_4h', {}, 1],
    ['slo_burn_rate', { window: '1h' }, 0],
    ['market_session_open', {}, 1],
    ['universe_symbols_count', {}, 2],
    ['universe_cache_age_seconds', {}, 42],
    ['emergency_stop_active', {}, 0],
    ['kill_switch_engaged', {}, 0],
    ['adapter_state', { adapter: 'lean' }, 0],
    ['breaker_open', { adapter: 'lean' }, 1],
    ['route_provenance_coverage_ratio', {}, 1],
    ['route_provenance_mismatch_ratio', {}, 0.5],
    ['tca_avg_slippage_bps', {}, 1.05],
  ];

  it('[O1] /trading/metrics answers from stored rows, each with its unit, at one moment', async () => {
    const { body } = await ask('/trading/metrics');
    expect(body).toMatchObject({ as_of: '2026-02-13T15:30:00.000Z', account_label: 'paper' });
    const metrics = body.metrics as Record<string, { unit: string; samples: { dimensions: object; value: number }[] }>;
    for (const [name, dimensions, value] of expected) {
      expect(metrics[name]?.samples, name).toContainEqual({ dimensions, value });
    }
    expect(metrics.tca_avg_slippage_bps?.unit).toBe('bps');
    expect(metrics.decision_to_fill_ms?.samples).toEqual([
      { dimensions: { adapter: 'lean' }, buckets: [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], count: 1, sum: 900 },
    ]);
    // What is not known has no sample; it is not 0.
    expect(body.not_stored).toEqual(
      expect.arrayContaining(['drawdown_fraction', 'last_reconciliation_age_seconds', 'broker_call_ms']),
    );
  });

  it('[O1] /metrics is a text exposition a scraper reads, with the same values', async () => {
    const { text, headers } = await ask('/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const { samples, types } = parseExposition(text);
    for (const [name, labels, value] of expected) {
      expect(samples).toContainEqual({ name: `torghut_trading_${name}`, labels, value });
    }
    expect(types.get('torghut_trading_cycles_total')).toBe('counter');
    expect(samples).toContainEqual({ name: 'torghut_trading_cycle_duration_ms_count', labels: {}, value: 66 });
  });
});

it('[O4] finds what a completed research run left out of the ledger', async () => {
  await insertCompletedRun(database.app);
  const { body } = await ask('/trading/autonomy/evidence-continuity?run_limit=8');
  expect(body).toMatchObject({
    ok: false,
    checked_runs: 1,
    codes: ['ledger_chain_incomplete', 'artifacts_not_verified'],
    missing: [
      {
        run_id: 'a'.repeat(24),
        missing_tables: [
          'research_candidates',
          'research_fold_metrics',
          'research_stress_metrics',
          'gate_evaluations',
          'research_promotions',
        ],
        missing_artifacts: ['dataset_manifest'],
      },
    ],
  });
  expect((await ask('/trading/autonomy')).body).toMatchObject({
    runs_total: 1,
    last_run_id: 'a'.repeat(24),
    last_run_status: 'completed',
    last_gates: null,
    research: {
      since: '2026-02-12T15:30:00.000Z',
      rows: {
        research_runs: 1,
        research_candidates: 0,
        research_fold_metrics: 0,
        research_stress_metrics: 0,
        gate_evaluations: 0,
        research_promotions: 0,
      },
      runs: { running: 0, completed: 1, failed: 0, skipped: 0 },
      complete: true,
      first_runs: [
        {
          run_id: 'a'.repeat(24),
          status: 'completed',
          window_start: '2026-02-13T15:20:00.000Z',
          gates: null,
          recommendation: null,
        },
      ],
    },
  });
});

it('counts research rows of windows that began since the moment asked for, that moment included', async () => {
  const rowsSince = async (since: string) =>
    ((await ask(`/trading/autonomy?since=${since}`)).body as { research: { rows: { research_runs: number } } }).research
      .rows.research_runs;
  expect(await rowsSince('2026-02-13T15:20:00Z')).toBe(1);
  expect(await rowsSince('2026-02-13T15:20:00.001Z')).toBe(0);
  expect(await ask('/trading/autonomy?since=yesterday')).toMatchObject({
    status: 400,
    body: { error: 'invalid_parameter', found: 'yesterday' },
  });
});

it('shows an emergency stop with its reasons', async () => {
  await engage(database.app, 'emergency_stop', true, [{ code: 'signal_lag_exceeded', observed: 612, limit: 600 }]);
  const { body } = await ask('/trading/status');
  expect(body.rollback).toMatchObject({
    emergency_stop: {
      active: true,
      reasons: [{ code: 'signal_lag_exceeded', observed: 612, limit: 600 }],
      triggered_at: '2026-02-13T15:29:00.000Z',
    },
  });
});

describe('wiring', () => {
  it.each([
    { environment: {}, problem: 'TORGHUT_CODE_HASH: expected the 64 hex digits of the domain layer, found ""' },
    { environment: { TORGHUT_CODE_HASH: '0'.repeat(64) }, problem: 'DATABASE_SECRET_ID: expected a value, found none' },
    { environment: { TRADING_ACOUNT_LABEL: 'paper' }, problem: 'TRADING_ACOUNT_LABEL: unknown setting' },
    { environment: { TRADING_UNIVERSE_SOURCE: 'static' }, problem: 'TRADING_UNIVERSE_SOURCE: expected jangar' },
  ])('refuses $environment', async ({ environment, problem }) => {
    await expect(wire(environment)).rejects.toThrow(problem);
  });
});

it('reports a calendar without today as not ready', async () => {
  time = openAt + 24 * 60 * minute;
  try {
    expect(await ask('/readyz')).toMatchObject({
      status: 503,
      body: { ok: false, checks: { calendar: { ok: false } } },
    });
  } finally {
    time = now;
  }
});
