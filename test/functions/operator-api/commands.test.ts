import { minute } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import { account, sessionMorning, startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { startOperatorApi, type Json, type OperatorApi } from '../../support/operator-api.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

const operator = 'arn:aws:iam::000000000000:user/local-operator';

let world: ExecutionWorld;
let api: OperatorApi;
const start = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
  world = await startExecution();
  api = await startOperatorApi(world.database.app, world.clock, settings);
};
afterEach(async () => {
  await api.stop();
  await world.close();
});

const control = (name: string, engaged: boolean, more: object = {}) =>
  api.post(`/trading/controls/${name}`, { engaged, reason: 'rehearsal', ...more });
const adapter = (path: string, state: string, more: object = {}) =>
  api.post(`/trading/adapters/${path}`, { state, reason: 'rehearsal', ...more });

/** Finished windows of every minute since the open, with fresh signals: 34 minutes, six whole windows of the objective. */
const insertWindows = async (from = sessionMorning - 34 * minute, change: object = {}): Promise<void> => {
  for (let at = from; at < world.clock.now(); at += minute) {
    await insertRow(
      world.database.app,
      'signal_windows',
      sampleRow('signal_windows', {
        window_start: new Date(at).toISOString(),
        window_end: new Date(at + minute).toISOString(),
        scheduled_for: new Date(at).toISOString(),
        started_at: new Date(at).toISOString(),
        finished_at: new Date(at + 500).toISOString(),
        tail_event_ts: new Date(at - 2_000).toISOString(),
        session_open: true,
        no_signal_reason: null,
        hit: true,
        rows_read: 10,
        signals_evaluated: 10,
        lag_seconds: '2',
        effective_lag_seconds: '2',
        ...change,
      }),
    );
  }
};

describe('changing a control', () => {
  it('[E6] stops the next claim, says what stops and goes on, and keeps who and why in a superseding row', async () => {
    await start();
    const answer = await control('kill-switch', true);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        control: 'kill_switch',
        engaged: true,
        actor: operator,
        reason: 'rehearsal',
        at: '2026-02-13T15:04:00.000Z',
        repeated: false,
        effect: expect.stringContaining('entries stop, exits stop, cancels continue') as string,
        in_force: {
          entries: { allowed: false, stopped_by: ['kill_switch'] },
          exits: { allowed: false, stopped_by: ['kill_switch'] },
          cancels: { allowed: true, stopped_by: [] },
        },
      },
    });
    expect((await world.decision((await world.order()).id)).reasons).toEqual(['kill_switch_engaged']);
    expect(
      await world.rows(`SELECT engaged, actor, superseded_at IS NULL AS current FROM trading_controls
        WHERE control = 'kill_switch' ORDER BY at, superseded_at NULLS LAST`),
    ).toEqual([
      { engaged: false, actor: 'test', current: false },
      { engaged: true, actor: operator, current: true },
    ]);
    expect((await control('kill-switch', false)).body).toMatchObject({ in_force: { entries: { allowed: true } } });
    const filled = await world.order();
    await world.minutes(1);
    expect((await world.decision(filled.id)).status).toBe('filled');
  });

  it('takes the actor from the signed request only: a body that names one is refused', async () => {
    await start();
    expect(await control('kill-switch', true, { actor: 'somebody else' })).toEqual({
      status: 400,
      body: { error: 'unknown_member', expected: 'only engaged, reason, request_id', found: 'actor' },
    });
  });

  it.each([
    { what: 'no reason', body: { engaged: true }, error: 'invalid_member', expected: /^reason: why/ },
    {
      what: 'a blank reason',
      body: { engaged: true, reason: '   ' },
      error: 'invalid_member',
      expected: /^reason: why/,
    },
    {
      what: 'a word for a flag',
      body: { engaged: 'yes', reason: 'because' },
      error: 'invalid_member',
      expected: /^engaged: true or false/,
    },
    { what: 'no JSON', body: 'engaged=true', error: 'invalid_body', expected: /^a JSON object/ },
    { what: 'a list', body: [], error: 'invalid_body', expected: /^a JSON object/ },
  ])('refuses $what with what was expected', async ({ body, error, expected }) => {
    await start();
    const answer = await api.post('/trading/controls/kill-switch', body);
    expect(answer).toMatchObject({ status: 400, body: { error, expected: expect.stringMatching(expected) as string } });
    expect((await api.post('/trading/controls/brakes', { engaged: true, reason: 'because' })).body).toMatchObject({
      error: 'invalid_parameter',
      expected: 'control: one of kill-switch, reduce-only, trading-enabled, autonomy-enabled, emergency-stop',
      found: 'brakes',
    });
  });

  it('refuses what is not a change, with who set it, and the emergency stop, which clears by evidence', async () => {
    await start();
    expect(await control('reduce-only', false)).toMatchObject({
      status: 409,
      body: { error: 'not_a_change', found: expect.stringContaining('reduce_only is released since') as string },
    });
    for (const engaged of [true, false])
      expect(await control('emergency-stop', engaged)).toMatchObject({
        status: 409,
        body: { error: 'evidence_required' },
      });
  });

  it('makes the change of one request id once, tells it again, and refuses the id for another change', async () => {
    await start();
    const first = await control('reduce-only', true, { request_id: 'request-1' });
    await control('reduce-only', false);
    const second = await control('reduce-only', true, { request_id: 'request-1' });
    expect(second).toMatchObject({ status: 200, body: { repeated: true, at: first.body['at'], engaged: true } });
    expect(second.body).toMatchObject({ in_force: { entries: { allowed: true } } });
    expect(await control('reduce-only', false, { request_id: 'request-1' })).toMatchObject({
      status: 409,
      body: { error: 'request_id_reused' },
    });
    expect(await world.rows(`SELECT FROM trading_controls WHERE control = 'reduce_only'`)).toHaveLength(3);
  });

  it('lets one of many simultaneous requests change a control, and leaves one row in force', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 8 }, () => control('kill-switch', true)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
    expect(
      await world.rows(`SELECT FROM trading_controls WHERE control = 'kill_switch' AND superseded_at IS NULL`),
    ).toHaveLength(1);
  });

  it('releases and engages autonomy, and says that it stops decisions', async () => {
    await start();
    expect(await control('autonomy-enabled', false)).toMatchObject({
      status: 200,
      body: {
        effect: expect.stringContaining('nothing new is decided, what was decided before goes out') as string,
        effective: 'at the next cycle',
        in_force: { entries: { allowed: false, stopped_by: ['autonomy_enabled'] } },
      },
    });
    expect((await control('autonomy-enabled', true)).body).toMatchObject({ in_force: { entries: { allowed: true } } });
  });

  it('shows every control with its effect, and says that the deployment itself does not trade', async () => {
    await start({ TRADING_ENABLED: 'false', TRADING_AUTONOMY_ENABLED: 'false' });
    const { body } = await api.ask('/trading/controls');
    expect(body).toMatchObject({
      unreadable: null,
      in_force: {
        entries: {
          allowed: false,
          stopped_by: ['TRADING_ENABLED of the deployment', 'TRADING_AUTONOMY_ENABLED of the deployment'],
        },
      },
    });
    const effects = Object.fromEntries(
      (body['controls'] as { control: string; effect: string }[]).map((row) => [row.control, row.effect]),
    );
    expect(effects).toMatchObject({
      kill_switch: 'kill_switch is released: it stops nothing',
      trading_enabled: 'trading_enabled is engaged: it stops nothing',
      autonomy_enabled: 'autonomy_enabled is engaged: it stops nothing',
      trading_mode: null,
    });
    await world.database.owner.query(`UPDATE trading_controls SET superseded_at = now() WHERE control = 'reduce_only'`);
    expect((await api.ask('/trading/controls')).body).toMatchObject({
      unreadable: 'no row in force for reduce_only',
      in_force: { exits: { allowed: false, stopped_by: ['unreadable controls'] } },
    });
  });
});

describe('changing an adapter', () => {
  const parity = (change: object) =>
    insertRow(
      world.database.app,
      'parity_checks',
      sampleRow('parity_checks', {
        account_label: account,
        symbol: 'AAPL',
        kind: 'behaviour',
        session_date: '2026-02-12',
        result: 'pass',
        evidence_class: 'observed',
        checked_at: '2026-02-13T02:00:00.000Z',
        ...change,
      }),
    );

  it('[E6] disables LEAN for the next claim without a deployment, keeps its breaker, counts the change and says who did it', async () => {
    await start();
    expect(await adapter('lean', 'disabled')).toMatchObject({
      status: 200,
      body: {
        adapter: 'lean',
        symbol: null,
        from: 'enabled',
        state: 'disabled',
        raise: false,
        actor: operator,
        breaker: 'closed',
      },
    });
    const order = await world.order();
    expect(await world.execution(order)).toMatchObject({
      expected: 'lean',
      actual: 'alpaca',
      reason: 'adapter_disabled',
    });
    expect((await api.ask('/trading/adapters')).body).toMatchObject({
      adapters: expect.arrayContaining([
        expect.objectContaining({
          adapter: 'lean',
          state: 'disabled',
          health_reason: 'operator_disabled',
          reason: 'rehearsal',
        }),
      ]) as unknown,
    });
    expect(api.telemetry.value('adapter_transitions_total', { adapter: 'lean', to: 'disabled' })).toBe(1);
    const metrics = (await api.ask('/trading/metrics')).body['metrics'] as Record<string, { samples: object[] }>;
    expect(metrics['adapter_transitions_total']!.samples).toEqual([
      { dimensions: { adapter: 'lean', to: 'disabled' }, value: 1 },
    ]);
  });

  it('takes one symbol out of LEAN and leaves the others', async () => {
    await start();
    expect(await adapter('lean/aapl', 'manual_review')).toMatchObject({ status: 200, body: { symbol: 'AAPL' } });
    expect(await world.execution(await world.order())).toMatchObject({
      actual: 'alpaca',
      reason: 'symbol_manual_review',
    });
    expect(await world.execution(await world.order({ symbol: 'NVDA' }))).toMatchObject({ actual: 'lean' });
  });

  it('refuses what is not a change, also without a row, but lets an operator hold what a health check disabled', async () => {
    await start();
    expect(await adapter('lean', 'enabled')).toMatchObject({ status: 409, body: { error: 'not_a_change' } });
    expect(await adapter('lean/AAPL', 'enabled')).toMatchObject({
      status: 409,
      body: { error: 'not_a_change', found: 'no state of its own, which is to follow lean' },
    });
    await adapter('lean', 'disabled');
    expect(await adapter('lean', 'disabled')).toMatchObject({ status: 409 });
    await world.database.app.query(`UPDATE adapter_states SET superseded_at = now() WHERE superseded_at IS NULL`);
    await insertRow(world.database.app, 'adapter_states', {
      account_label: account,
      adapter: 'lean',
      state: 'disabled',
      breaker: 'open',
      health_reason: 'lean_health_timeout',
      consecutive_failures: 3,
      window_stats: { open_seconds: 600 },
      actor: 'order-sync',
      reason: 'three failed health checks',
      at: '2026-02-13T15:04:00.000Z',
    });
    expect(await adapter('lean', 'disabled')).toMatchObject({ status: 200, body: { breaker: 'open' } });
    expect(
      await world.rows(
        `SELECT health_reason, consecutive_failures, window_stats FROM adapter_states WHERE superseded_at IS NULL`,
      ),
    ).toEqual([{ health_reason: 'operator_disabled', consecutive_failures: 3, window_stats: { open_seconds: 600 } }]);
  });

  it('[S7] raises LEAN only on stable signal continuity: nothing known, an alert and too little refuse it', async () => {
    await start();
    await adapter('lean', 'disabled');
    const unknown = await adapter('lean', 'enabled');
    expect(unknown).toMatchObject({
      status: 409,
      body: { error: 'raise_refused', codes: expect.arrayContaining(['signal_continuity_unknown']) as unknown },
    });
    // An hour later the session has the windows its objective is judged on.
    world.clock.advanceTo(sessionMorning + 60 * minute);
    await insertWindows();
    expect(await adapter('lean', 'enabled')).toMatchObject({ status: 200, body: { raise: true, from: 'disabled' } });
    expect(
      await world.rows(
        `SELECT state FROM adapter_states WHERE superseded_at IS NULL AND symbol IS NULL AND adapter = 'lean'`,
      ),
    ).toEqual([{ state: 'enabled' }]);

    await adapter('lean', 'disabled');
    world.clock.advanceTo(sessionMorning + 68 * minute);
    await insertWindows(sessionMorning + 60 * minute, {
      hit: false,
      rows_read: 0,
      signals_evaluated: 0,
      no_signal_reason: 'no_signals_in_window',
      tail_event_ts: new Date(sessionMorning + 60 * minute).toISOString(),
      effective_lag_seconds: '400',
    });
    expect((await adapter('lean', 'enabled')).body).toMatchObject({
      codes: expect.arrayContaining(['signal_continuity_alert_active', 'signal_continuity_unproven']) as unknown,
    });
    // Taking LEAN out further needs no evidence, nor does Alpaca.
    expect((await adapter('lean', 'manual_review')).status).toBe(200);
    expect((await adapter('alpaca', 'disabled')).status).toBe(200);
    expect((await adapter('alpaca', 'enabled')).status).toBe(200);
  });

  it('[S7] raises the first symbol of a canary too, and not a state that changes nothing for orders', async () => {
    await start();
    await adapter('lean', 'disabled');
    // Under a disabled adapter the symbol gains nothing yet.
    expect(await adapter('lean/AAPL', 'canary')).toMatchObject({ status: 200, body: { raise: false } });
    expect(await adapter('lean', 'canary')).toMatchObject({ status: 409, body: { error: 'raise_refused' } });
  });

  it('[E8] raises LEAN on a parity symbol only with a parity pass of the last ten sessions', async () => {
    await start({ TRADING_PARITY_SYMBOLS: 'AAPL' });
    await adapter('lean', 'disabled');
    world.clock.advanceTo(sessionMorning + 60 * minute);
    await insertWindows();
    const codes = async (): Promise<unknown> => (await adapter('lean', 'enabled')).body['codes'];
    expect(await codes()).toEqual(['parity_missing']);
    await parity({ session_date: '2026-01-02' });
    for (let day = 3; day <= 30; day += 1)
      await insertRow(world.database.app, 'market_calendar', {
        session_date: `2026-01-${String(day).padStart(2, '0')}`,
        kind: 'full',
        open_at: `2026-01-${String(day).padStart(2, '0')}T14:30:00.000Z`,
        close_at: `2026-01-${String(day).padStart(2, '0')}T21:00:00.000Z`,
        source: 'alpaca',
        fetched_at: '2026-01-01T00:00:00.000Z',
      });
    expect(await codes()).toEqual(['parity_stale']);
    await parity({});
    await parity({ kind: 'request', result: 'fail', codes: ['orders_differ'] });
    expect(await adapter('lean', 'enabled')).toMatchObject({
      status: 409,
      body: { codes: ['parity_not_passed'], symbols: { parity_not_passed: ['AAPL'] } },
    });
    await parity({ kind: 'request', checked_at: '2026-02-13T03:00:00.000Z' });
    expect(await adapter('lean', 'enabled')).toMatchObject({ status: 200, body: { raise: true } });
  });

  it('makes the change of one request id once, also after the breaker has written a row since', async () => {
    await start();
    const request = { request_id: 'request-1' };
    const first = await adapter('lean', 'disabled', request);
    await world.database.app.query(`UPDATE adapter_states SET superseded_at = now() WHERE superseded_at IS NULL`);
    expect(await adapter('lean', 'disabled', request)).toMatchObject({
      status: 200,
      body: { repeated: true, at: first.body['at'] },
    });
    expect(await adapter('lean', 'canary', request)).toMatchObject({
      status: 409,
      body: { error: 'request_id_reused' },
    });
    expect(await world.rows(`SELECT FROM adapter_states WHERE actor = $1`, [operator])).toHaveLength(1);
  });

  it.each([
    { path: 'ib', state: 'disabled', expected: 'adapter: one of lean, alpaca' },
    { path: 'lean/%20', state: 'disabled', expected: 'symbol: a symbol such as NVDA' },
    { path: 'lean', state: 'off', expected: 'state: one of enabled, canary, disabled, manual_review' },
  ])('refuses $path to $state', async ({ path, state, expected }) => {
    await start();
    expect(await adapter(path, state)).toMatchObject({ status: 400, body: { expected } });
  });
});

it('keeps a principal that is longer than the column by its beginning and a digest', async () => {
  await start();
  const arn = `arn:aws:sts::000000000000:assumed-role/${'r'.repeat(64)}/${'s'.repeat(64)}`;
  const { statusCode, body } = await api.handler(
    {
      rawPath: '/trading/controls/kill-switch',
      requestContext: { http: { method: 'POST' }, authorizer: { iam: { userArn: arn } } },
      body: JSON.stringify({ engaged: true, reason: 'rehearsal' }),
      isBase64Encoded: false,
    } as never,
    { awsRequestId: 'r' } as never,
  );
  expect(statusCode).toBe(200);
  const { actor } = JSON.parse(body ?? '') as Json;
  expect(actor).toHaveLength(128);
  expect(actor).toMatch(/^arn:aws:sts::000000000000:assumed-role\/r{64}\/s+~[0-9a-f]{16}$/);
});
