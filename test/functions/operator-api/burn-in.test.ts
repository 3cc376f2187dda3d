import { canonicalJson, hour, minute, sha256, toText, type Json } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { account, sessionMorning, startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { startOperatorApi, type OperatorApi } from '../../support/operator-api.ts';
import { insertRow } from '../../support/rows.ts';

let world: ExecutionWorld;
let api: OperatorApi;
const start = async (options: Parameters<typeof startExecution>[0] = {}): Promise<void> => {
  world = await startExecution(options);
  api = await startOperatorApi(world.database.app, world.clock);
};
afterEach(async () => {
  await api.stop();
  await world.close();
});

interface Report {
  readonly verdict: string;
  readonly codes: readonly string[];
  readonly [member: string]: unknown;
}
const burnIn = async (query = ''): Promise<{ report: Report; sha256: string }> => {
  const { status, body } = await api.ask(`/trading/burn-in${query}`);
  expect(status).toBe(200);
  return body as unknown as { report: Report; sha256: string };
};

it('[E9] fails without evidence: a span in which nothing happened passes nothing', async () => {
  await start();
  const { report } = await burnIn();
  expect(report.verdict).toBe('fail');
  expect(report.codes).toEqual(
    expect.arrayContaining(['burn_in_no_signals', 'burn_in_no_decisions', 'burn_in_no_executions']),
  );
});

it('[E9] counts routes, fallbacks, transitions, denials, refusals, unknown outcomes and time to acknowledgement', async () => {
  await start({ waiting: true });
  const direct = await world.order({ qty: '1' });
  await world.faults({ lean: { kind: 'answer', answer: { status: 503, body: {} } } });
  await world.order({ symbol: 'NVDA' });
  await world.faults({ lean: null });
  await world.lookups({ kind: 'answer', answer: { status: 500, body: {} } });
  await world.faults({ lean: { kind: 'accept_then_timeout' } });
  const unknown = await world.order({ symbol: 'MSFT' });
  expect(await world.execution(unknown)).toBeNull();
  expect((await burnIn()).report).toMatchObject({
    codes: expect.arrayContaining(['unknown_outcome_unresolved']) as unknown,
    unknown_outcomes: { total: 1, open: 1, resolved_as: [] },
  });
  await world.lookups(null);
  await world.faults({ lean: null });
  await world.minutes(3);
  await api.post('/trading/controls/kill-switch', { engaged: true, reason: 'rehearsal' });
  await world.order();
  await api.post('/trading/adapters/lean', { state: 'disabled', reason: 'rehearsal' });

  const { report, sha256: digest } = await burnIn('?hours=2');
  expect(await world.execution(direct)).toMatchObject({ actual: 'lean' });
  expect(report).toMatchObject({
    schema: 'torghut.burn-in.v1',
    account_label: account,
    routes: {
      executions: 3,
      missing: 0,
      missing_ratio: 0,
      by_adapter: [
        { expected: 'lean', actual: 'alpaca', count: 1, fallbacks: 1 },
        { expected: 'lean', actual: 'lean', count: 2, fallbacks: 0 },
      ],
    },
    fallbacks: [{ reason: 'lean_submit_order_http_503', count: 1 }],
    lean_orders: { total: 3, fell_back: 1 },
    transitions: {
      states: [{ adapter: 'lean', to: 'disabled', count: 1 }],
      newest: expect.arrayContaining([
        expect.objectContaining({ adapter: 'lean', state: { from: 'enabled', to: 'disabled' }, reason: 'rehearsal' }),
      ]) as unknown,
    },
    decisions: { total: 4, denials: [{ code: 'kill_switch_engaged', count: 1 }] },
    unknown_outcomes: { total: 1, open: 0, resolved_as: [{ outcome: 'adopted', count: 1 }] },
    rejections: [],
    time_to_ack_ms: [
      { adapter: 'alpaca', count: 1, p50: expect.any(Number) as number, p95: expect.any(Number) as number },
      { adapter: 'lean', count: 1 },
    ],
  });
  expect(report.codes).not.toContain('unknown_outcome_unresolved');
  expect(report.codes).toContain('burn_in_span_short');
  expect(digest).toBe(sha256(canonicalJson(report as unknown as Json)));
});

it('[E9] fails on a critical break that is open, and on one that was only handed on', async () => {
  await start();
  await world.order();
  await world.minutes(1);
  const { rows } = await world.database.owner.query<{ id: string }>('SELECT id FROM reconciliation_runs LIMIT 1');
  await insertRow(world.database.app, 'reconciliation_breaks', {
    run_id: rows[0]!.id,
    account_label: account,
    break_type: 'position_qty_mismatch',
    symbol: 'AAPL',
    ours: {},
    theirs: {},
    tolerance: {},
    severity: 'critical',
    heal_policy: 'operator',
    status: 'open',
    dedup_key: 'ab'.repeat(32),
  });
  const { report } = await burnIn();
  expect(report.codes).toContain('reconciliation_open_breaks');
  expect(report).toMatchObject({
    open_breaks: [{ break_type: 'position_qty_mismatch', severity: 'critical', count: 1 }],
  });
  await world.database.owner.query(`UPDATE reconciliation_breaks SET status = 'escalated'`);
  expect((await burnIn()).report.codes).toContain('reconciliation_open_breaks');
  await world.database.owner.query(`UPDATE reconciliation_breaks SET status = 'accepted'`);
  expect((await burnIn()).report.codes).not.toContain('reconciliation_open_breaks');
});

it('[E9] fails without a nightly reconciliation, and after one that failed, whatever the order sync says', async () => {
  await start();
  await world.order();
  await world.minutes(1);
  const nightly = async (at: number, status: 'completed' | 'failed'): Promise<void> => {
    await insertRow(world.database.app, 'reconciliation_runs', {
      account_label: account,
      scope: 'nightly',
      scheduled_for: toText(at),
      status,
      sources: {},
      checked: 0,
      breaks: 0,
      healed: 0,
      started_at: toText(at),
      finished_at: toText(at + minute),
    });
  };
  const found = async (): Promise<readonly string[]> =>
    (await burnIn()).report.codes.filter((code) => code.startsWith('reconciliation_'));
  const { report } = await burnIn();
  expect(report).toMatchObject({ reconciliation: { runs: [{ scope: 'orders', status: 'completed' }] } });
  expect(await found()).toEqual(['reconciliation_missing']);
  const due = sessionMorning - 5 * hour;
  await nightly(due - 48 * hour, 'completed');
  expect(await found()).toEqual(['reconciliation_missing']);
  await nightly(due - 24 * hour, 'failed');
  expect(await found()).toEqual(['reconciliation_missing', 'reconciliation_failed']);
  await nightly(due, 'completed');
  expect(await found()).toEqual([]);
  expect(await api.ask('/trading/status')).toMatchObject({
    body: { last_reconcile: { scope: 'nightly', status: 'completed' }, last_order_sync: { scope: 'orders' } },
  });
});

it('[E9] counts an outcome as unknown however long ago its call was', async () => {
  await start({ waiting: true });
  await world.lookups({ kind: 'answer', answer: { status: 500, body: {} } });
  await world.faults({ lean: { kind: 'accept_then_timeout' } });
  await world.order();
  world.clock.advanceTo(sessionMorning + 2 * hour);
  const { report } = await burnIn('?hours=1');
  expect(report).toMatchObject({ unknown_outcomes: { total: 0, open: 1 } });
  expect(report.codes).toContain('unknown_outcome_unresolved');
});

it('[E9] fails on a broker that only stands in for one, and says of what class its evidence is', async () => {
  await start();
  const { report } = await burnIn();
  expect(report).toMatchObject({ evidence_class: 'observed' });
  expect(report.codes).not.toContain('burn_in_simulated');
  await api.stop();
  api = await startOperatorApi(world.database.app, world.clock, { APCA_API_BASE_URL: world.twins.alpaca.url });
  const { report: local } = await burnIn();
  expect(local).toMatchObject({ evidence_class: 'simulated' });
  expect(local.codes).toContain('burn_in_simulated');
});

it('looks at the span that was asked for and at nothing before it', async () => {
  await start();
  await world.order();
  await world.minutes(1);
  world.clock.advanceTo(sessionMorning + hour + 5 * minute);
  expect((await burnIn('?hours=1')).report).toMatchObject({ routes: { executions: 0, missing_ratio: null } });
  expect((await burnIn('?hours=2')).report).toMatchObject({ routes: { executions: 1 } });
  expect(await api.ask('/trading/burn-in?hours=0')).toMatchObject({
    status: 400,
    body: { expected: 'hours: a whole number from 1 to 168', found: '0' },
  });
});
