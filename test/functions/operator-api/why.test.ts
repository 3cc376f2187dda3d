import { riskCodes, riskGroups } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import type { WhyBody } from '../../../functions/operator-api/why.ts';
import { whyLines } from '../../../infra/cli/why/render.ts';
import { startExecution, type ExecutionOptions, type ExecutionWorld } from '../../support/execution.ts';
import { startOperatorApi, type Json, type OperatorApi } from '../../support/operator-api.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

let world: ExecutionWorld;
let api: OperatorApi;
const start = async (options: ExecutionOptions = {}): Promise<void> => {
  world = await startExecution(options);
  api = await startOperatorApi(world.database.app, world.clock);
};
afterEach(async () => {
  await api.stop();
  await world.close();
});

/** What the trading cycle keeps with a decision. */
const document = {
  signal: {
    features: { price: 100, ema12: 100.2, ema26: 100.1, rsi14: null },
    seq: '41',
    source: 'ta',
    ingest_ts: '2026-02-13T15:03:59.500Z',
  },
  strategy_runtime: { type: 'intraday_tsmom', version: '1.1.0', feature_hash: 'fe'.repeat(32) },
  sizing: { method: 'floor', binding_cap: 'global_max_notional' },
  risk: { checks: riskCodes.map(({ code }) => [code, 'passed', '1', '2']) },
  route: { expected: 'lean', policy: 'all:lean' },
};

const why = async (id: string): Promise<Json> => {
  const { status, body } = await api.ask(`/trading/why/${id}`);
  expect(status).toBe(200);
  return body;
};
type Checks = Pick<WhyBody['checks'], 'at_decision' | 'at_claim'>;
const checksOf = (body: Json): Checks => body['checks'] as Checks;
const steps = (body: Json): string[] => (body['timeline'] as { step: string }[]).map(({ step }) => step);

it('[A6] tells one filled order from signal to profit, with every fencing token, time and status of its calls', async () => {
  await start();
  const decision = await world.decide({ qty: '2' });
  await world.database.app.query('UPDATE trade_decisions SET decision_json = $2 WHERE id = $1', [
    decision.id,
    JSON.stringify(document),
  ]);
  await world.drain();
  await world.minutes(1);

  const body = await why(decision.clientOrderId);
  const [receipt] = await world.receipts(decision);
  expect(body).toMatchObject({
    account_label: 'paper',
    asked: decision.clientOrderId,
    matched_by: 'client_order_id',
    signal: { ingest_ts: '2026-02-13T15:03:59.500Z', seq: '41', window: { rows_read: expect.any(Number) as number } },
    features: { feature_hash: 'fe'.repeat(32), values: { rsi14: null }, contract: { version: '3.0.0' } },
    decision: { id: decision.id, symbol: 'AAPL', action: 'buy', qty: '2', status: 'filled', sizing: document.sizing },
    route: {
      policy: 'all:lean',
      expected: 'lean',
      failed: [],
      orders: [{ expected: 'lean', actual: 'lean', fallback_count: 0 }],
    },
    calls: [
      {
        operation: 'submit',
        adapter: 'lean',
        fencing_token: receipt!.fencing_token,
        outcome: 'acknowledged',
        outcome_codes: [],
        http_status: 200,
        claimed_at: new Date(receipt!.claimed_at).toISOString(),
        io_at: new Date(receipt!.io_at!).toISOString(),
        settled_at: new Date(receipt!.settled_at!).toISOString(),
      },
    ],
    fills: [{ side: 'buy', qty: '2', broker_execution_id: expect.any(String) as string }],
    cost: [{ arrival_price: '100', slippage_bps: expect.any(String) as string }],
    profit: { realised_gross: '0', still_open_qty: '2', reason: null },
    missing: [],
  });
  const { at_decision: decided, at_claim: claimed } = checksOf(body);
  expect(decided.map(({ group, result }) => [group, result])).toEqual(riskGroups.map((group) => [group, 'passed']));
  expect(decided.flatMap(({ checks }) => checks)).toEqual(
    riskCodes.map(({ code }) => ({
      code,
      result: 'passed',
      observed: '1',
      limit: '2',
      unit: expect.any(String) as string,
    })),
  );
  // The router's own, from the transaction that claimed the call.
  const atClaim = claimed[0]!.groups.flatMap(({ checks }) => checks);
  expect(atClaim.map(({ code }) => code)).toEqual(riskCodes.map(({ code }) => code));
  const limit = expect.any(String) as string;
  expect(atClaim).toEqual(
    expect.arrayContaining([
      { code: 'kill_switch_engaged', result: 'passed', observed: 'released', limit: 'released', unit: 'word' },
      { code: 'max_notional_exceeded', result: 'passed', observed: '200', limit: '250', unit: 'USD' },
      { code: 'gross_exposure_exceeded', result: 'passed', observed: '200', limit, unit: 'USD' },
      // The sample decision has no mean volume: nobody can say what share of it the order is.
      { code: 'participation_exceeds_max', result: 'unknown', observed: '2', limit: null, unit: 'shares' },
      { code: 'shorts_not_allowed', result: 'not_applicable', observed: null, limit: null, unit: 'shares' },
    ]),
  );
  const text = whyLines(body as unknown as WhyBody).join('\n');
  expect(text).toMatch(/^size +max_notional_exceeded +passed +observed 200, limit 250 USD$/m);
  expect(text).toMatch(/^conduct +participation_exceeds_max +unknown +observed 2, limit unknown shares$/m);
  expect(text).toMatch(/^not applicable to this order: .*shorts_not_allowed/m);
  expect(steps(body)).toEqual(
    expect.arrayContaining(['signal', 'decision', 'message', 'claim', 'call', 'answer', 'fill', 'order', 'cost']),
  );
});

it('[A6] finds the same order by decision id, identity, client order id and broker order id, and adds up the timeline', async () => {
  await start();
  const decision = await world.order({ qty: '1' });
  await world.minutes(1);
  const { rows } = await world.database.readonly.query<{ alpaca_order_id: string }>(
    'SELECT alpaca_order_id FROM executions',
  );
  const ids = {
    decision_id: decision.id,
    decision_identity: decision.request.decisionIdentity,
    client_order_id: decision.clientOrderId,
    broker_order_id: rows[0]!.alpaca_order_id,
  };
  for (const [kind, id] of Object.entries(ids)) {
    const body = await why(id);
    expect(body).toMatchObject({ matched_by: kind, decision: { id: decision.id }, calls: [{ adapter: 'lean' }] });
    const timeline = body['timeline'] as { at: string; ms_since_previous: number | null }[];
    const span = Date.parse(timeline.at(-1)!.at) - Date.parse(timeline[0]!.at);
    expect(timeline.reduce((sum, { ms_since_previous: ms }) => sum + (ms ?? 0), 0)).toBe(span);
    expect(
      timeline.every(({ ms_since_previous: ms }, index) => (ms === null) === (index === 0) && (ms ?? 0) >= 0),
    ).toBe(true);
  }
});

it('[A6] shows a fallback: both calls, and why LEAN was left', async () => {
  await start();
  await world.faults({ lean: { kind: 'down' } });
  const decision = await world.order();
  await world.minutes(1);
  const body = await why(decision.id);
  expect(body).toMatchObject({
    route: {
      expected: 'lean',
      failed: [{ adapter: 'lean', code: expect.stringMatching(/^lean_submit_order_/) as string }],
      orders: [{ expected: 'lean', actual: 'alpaca', fallback_count: 1 }],
    },
    calls: [
      { adapter: 'lean', outcome: 'not_sent' },
      { adapter: 'alpaca', outcome: 'acknowledged' },
    ],
  });
});

it('[A6] shows the states in force when a call was claimed, not those of now', async () => {
  await start();
  await world.adapter('lean', 'canary');
  world.clock.advanceTo(world.clock.now() + 1_000);
  const decision = await world.order();
  world.clock.advanceTo(world.clock.now() + 1_000);
  await world.adapter('lean', 'disabled');
  const body = await why(decision.id);
  expect(body).toMatchObject({
    route: { expected: 'lean', failed: [{ adapter: 'lean', code: 'adapter_disabled', receipt_id: null }] },
    calls: [
      {
        adapter: 'alpaca',
        adapter_states: expect.arrayContaining([
          expect.objectContaining({ adapter: 'lean', symbol: null, state: 'canary', breaker: 'closed', actor: 'test' }),
        ]) as unknown,
      },
    ],
  });
  expect(JSON.stringify(body['calls'])).not.toContain('disabled');
});

it('[A6] shows a denial with what was observed and what the limit was, and says that nothing was sent', async () => {
  await start();
  const decision = await world.decide();
  await world.control('kill_switch', true);
  await world.drain();
  const body = await why(decision.id);
  expect(body).toMatchObject({
    decision: { status: 'denied', reasons: ['kill_switch_engaged'] },
    calls: [{ outcome: 'denied', io_at: null, http_status: null }],
    orders: [],
    fills: [],
    missing: expect.arrayContaining([expect.stringMatching(/^order: no execution/)]) as unknown,
  });
  const { at_decision: decided, at_claim: claimed } = checksOf(body);
  // This decision's document holds no record of its checks: that is unknown, not passed.
  expect(new Set(decided.flatMap(({ checks }) => checks.map(({ result }) => result)))).toEqual(new Set(['unknown']));
  expect(body['missing']).toContain('checks: the decision document has no record of them');
  expect(claimed[0]!.groups[0]).toMatchObject({
    group: 'control',
    result: 'failed',
    checks: expect.arrayContaining([
      expect.objectContaining({
        code: 'kill_switch_engaged',
        result: 'failed',
        observed: 'engaged',
        limit: 'released',
      }),
      expect.objectContaining({ code: 'emergency_stop_active', result: 'passed', observed: 'released' }),
    ]) as unknown,
  });
  expect(claimed[0]!.controls).toContainEqual({ control: 'kill_switch', engaged: true, value: null });
  expect(whyLines(body as unknown as WhyBody).join('\n')).toMatch(
    /CHECKS AT THE DECISION\nunknown: no row has a record of them\n/,
  );

  // A receipt of a release that kept no record: what failed is known by its code, what it saw is not.
  await world.database.owner.query('UPDATE broker_receipts SET risk_checks = NULL');
  const again = checksOf(await why(decision.id)).at_claim[0]!.groups.flatMap(({ checks }) => checks);
  expect(again.filter(({ result }) => result !== 'unknown')).toEqual([
    { code: 'kill_switch_engaged', result: 'failed', observed: null, limit: null, unit: 'word' },
  ]);
});

it('[A6] counts fills as the broker corrected them, and none that it took back, with the events that say so', async () => {
  await start();
  const bought = await world.order({ qty: '2' });
  await world.minutes(1);
  world.twins.alpaca.disturb({ kind: 'trade_correct', fill: { newest: true }, qty: '1', price: '100.01' });
  await world.minutes(2);
  const corrected = await why(bought.id);
  expect(corrected).toMatchObject({
    fills: [{ side: 'buy', qty: '1', price: '100.01' }],
    profit: { realised_gross: '0', still_open_qty: '1', reason: null },
  });
  expect(steps(corrected)).toContain('trade_correct');
  expect(whyLines(corrected as unknown as WhyBody).join('\n')).toMatch(/FILLS THAT COUNT\n\S+ buy 1 at 100.01/);

  world.twins.alpaca.disturb({ kind: 'trade_bust', fill: { newest: true } });
  await world.minutes(2);
  const busted = await why(bought.id);
  expect(busted).toMatchObject({ fills: [], profit: { realised_gross: '0', still_open_qty: '0', reason: null } });
  expect(busted['events']).toHaveLength(3);
  expect(busted['missing']).toContain('fills: none counts any more; the broker took them back');
});

it('[A6] says unknown of an outcome that is unknown', async () => {
  await start({ waiting: true });
  await world.faults({ lean: { kind: 'accept_then_timeout' } });
  await world.lookups({ kind: 'answer', answer: { status: 500, body: {} } });
  const decision = await world.order();
  const body = await why(decision.clientOrderId);
  expect(body).toMatchObject({
    calls: [{ adapter: 'lean', outcome: 'unknown', resolved_at: null }],
    missing: expect.arrayContaining([expect.stringMatching(/^outcome: a submit is unknown so far/)]) as unknown,
  });
});

it('[A6] counts the profit of a round trip on the order that opened it and on the order that closed it', async () => {
  await start();
  const bought = await world.order({ qty: '2' });
  await world.minutes(1);
  world.market.set('AAPL', world.clock.now(), '100.98', '101.02');
  const sold = await world.order({ qty: '1', side: 'sell', limitPrice: '100.90' });
  await world.minutes(1);
  expect((await world.decision(sold.id)).status).toBe('filled');
  const prices = await world.rows<{ price: string }>(`SELECT price FROM execution_order_events ORDER BY event_ts`);
  const gain = String(Number((Number(prices[1]!.price) - Number(prices[0]!.price)).toFixed(4)));
  expect(await why(bought.id)).toMatchObject({
    profit: { realised_gross: gain, closed_by_this_order: '0', closed_since_of_this_order: gain, still_open_qty: '1' },
  });
  expect(await why(sold.id)).toMatchObject({
    profit: { realised_gross: gain, closed_by_this_order: gain, closed_since_of_this_order: '0', still_open_qty: '0' },
  });
});

it('[A6] tells what there is of an imported order that no decision of ours stands behind, and calls the rest unknown', async () => {
  await start();
  await insertRow(
    world.database.app,
    'executions',
    sampleRow('executions', {
      trade_decision_id: null,
      client_order_id: null,
      alpaca_order_id: 'imported-1',
      execution_expected_adapter: 'unknown',
      execution_actual_adapter: 'unknown',
      execution_fallback_reason: null,
      execution_fallback_count: 0,
      provenance_source: 'backfill',
    }),
  );
  const body = await why('imported-1');
  expect(body).toMatchObject({
    matched_by: 'broker_order_id',
    signal: null,
    decision: null,
    route: { policy: null, expected: null, orders: [{ expected: 'unknown', actual: 'unknown' }] },
    calls: [],
    profit: { realised_gross: null, reason: 'no decision of ours stands behind the order' },
  });
  expect(body['missing']).toContain('decision: no row of ours is linked to this broker order id');
  const text = whyLines(body as unknown as WhyBody).join('\n');
  expect(text).toContain('SIGNAL\nunknown');
  expect(text).toContain('policy unknown, expected unknown');
  expect(text).not.toMatch(/undefined|null|\[object/);
});

it('answers 404 to an id that no row names, and 400 to what is no id', async () => {
  await start();
  expect(await api.ask('/trading/why/tg1-nothing-1')).toEqual({
    status: 404,
    body: { error: 'not_found', expected: 'the id of a decision or an order of the account', found: 'tg1-nothing-1' },
  });
  expect(await api.ask('/trading/why/a%20b')).toMatchObject({ status: 400, body: { error: 'invalid_parameter' } });
  expect((await api.ask('/trading/why/x?id=y')).status).toBe(400);
});
