import {
  defaultLimits,
  executionRequestJson,
  hour,
  initialRoute,
  minute,
  type NewYorkDate,
  type ParityLimits,
  type Ticker,
} from '@torghut/domain';
import { computeParity } from '@torghut/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { account, startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { startOperatorApi, type OperatorApi } from '../../support/operator-api.ts';
import { insertRow } from '../../support/rows.ts';

let world: ExecutionWorld;
let api: OperatorApi;
beforeEach(async () => {
  world = await startExecution();
  api = await startOperatorApi(world.database.app, world.clock, { TRADING_PARITY_SYMBOLS: 'AAPL,MSFT' });
});
afterEach(async () => {
  await api.stop();
  await world.close();
});

const today: NewYorkDate = '2026-02-13';
const AAPL = 'AAPL' as Ticker;
const MSFT = 'MSFT' as Ticker;
const parity = async (query = '') => (await api.ask(`/trading/parity${query}`)).body;

/** An order of a symbol that the policy sent on an arm. */
const orderOn = async (adapter: 'lean' | 'alpaca', symbol: Ticker): Promise<void> => {
  const { request } = await world.decide({ symbol, expected: adapter, publish: false });
  const route = initialRoute(adapter, `parity:${adapter}`);
  await world.invoke(adapter, [executionRequestJson({ ...request, route })]);
  await world.minutes(1);
};
const twoOnEachArm = async (symbol: Ticker): Promise<void> => {
  for (let orders = 0; orders < 2; orders += 1) {
    await orderOn('lean', symbol);
    await orderOn('alpaca', symbol);
  }
};
/** What the night makes of the orders; a real venue's by default. */
const judge = async (evidence: 'observed' | 'simulated' = 'observed', limits: Partial<ParityLimits> = {}) => {
  const small = { ...defaultLimits, parityMinOrders: 2, parityMinSessions: 1, ...limits };
  await computeParity(
    world.database.app,
    { account, symbols: [AAPL, MSFT], evidence, limits: small },
    today,
    world.clock.now(),
  );
};

it('[A6] says that nothing is known of a parity symbol before its first check, and that this blocks a raise', async () => {
  expect(await parity()).toMatchObject({
    account_label: account,
    summary: {
      symbols: ['AAPL', 'MSFT'],
      score: null,
      blocks_raise: true,
      codes: ['parity_missing'],
      blocked: { parity_missing: ['AAPL', 'MSFT'] },
      blocks_promotion: true,
      newest_session: null,
    },
    aggregates: [
      { symbol: 'AAPL', score: null, blocks_raise: true, code: 'parity_missing', behaviour: null, request: null },
      { symbol: 'MSFT', blocks_raise: true },
    ],
    count: 0,
    rows: [],
  });
});

it('[A6] shows score, samples and tolerances of each symbol, and blocks what has not passed only', async () => {
  await twoOnEachArm(AAPL);
  await judge();
  const body = await parity();
  const behaviour = {
    symbol: 'AAPL',
    kind: 'behaviour',
    result: 'pass',
    session_date: today,
    samples: { lean: 2, alpaca: 2, sessions: 1 },
    tolerances: { orders: 2, sessions: 1, reject_rate: 0.05, ack_p95_ms: 1000, slippage_bps: 5 },
    codes: [],
    evidence_class: 'observed',
  };
  expect(body).toMatchObject({
    summary: {
      score: null,
      blocks_raise: true,
      codes: ['parity_not_passed'],
      blocked: { parity_not_passed: ['MSFT'] },
      blocks_promotion: true,
      newest_session: today,
    },
    aggregates: [
      {
        symbol: 'AAPL',
        blocks_raise: false,
        code: null,
        meaning: null,
        behaviour: { ...behaviour, sessions_since: 0 },
      },
      {
        symbol: 'MSFT',
        blocks_raise: true,
        code: 'parity_not_passed',
        behaviour: {
          result: 'inconclusive',
          score: null,
          samples: { lean: 0, alpaca: 0, sessions: 0 },
          codes: ['parity_orders_too_few', 'parity_sessions_too_few', 'parity_measure_missing'],
        },
        request: null,
      },
    ],
    count: 3,
  });
  const [aapl] = body['aggregates'] as { readonly score: number; readonly request: { readonly score: number } }[];
  expect(aapl?.score).toBeGreaterThan(0);
  expect(aapl?.score).toBeLessThanOrEqual(1);
  expect(aapl?.request.score).toBe(1);
  expect((await parity('?symbol=AAPL&limit=1'))['rows']).toMatchObject([{ symbol: 'AAPL' }]);
});

it('[A6] blocks nothing once every symbol has passed, and agrees with what the change of an adapter is told', async () => {
  const raise = async () => {
    const { status, body } = await api.post('/trading/adapters/lean', { state: 'enabled', reason: 'rehearsal over' });
    return { status, parity: ((body['codes'] ?? []) as string[]).filter((code) => code.startsWith('parity')) };
  };
  expect((await api.post('/trading/adapters/lean', { state: 'disabled', reason: 'rehearsal' })).status).toBe(200);
  await api.post('/trading/adapters/lean/AAPL', { state: 'canary', reason: 'rehearsal' });
  const before = (await parity())['summary'] as { readonly codes: readonly string[] };
  expect((await raise()).parity).toEqual(before.codes);

  await insertChecks('pass', today);
  expect((await parity())['summary']).toMatchObject({
    score: 0.9,
    blocks_raise: false,
    codes: [],
    blocked: {},
    blocks_promotion: false,
    evidence_class: 'observed',
  });
  expect((await raise()).parity).toEqual([]);
});

it('[A6] gives simulated orders a score, and lets nothing grow for it', async () => {
  await twoOnEachArm(AAPL);
  await judge('simulated');
  expect((await parity())['aggregates']).toMatchObject([
    {
      blocks_raise: true,
      code: 'parity_not_passed',
      behaviour: {
        result: 'inconclusive',
        score: expect.any(Number) as number,
        codes: ['parity_evidence_simulated'],
        evidence_class: 'simulated',
      },
    },
    {},
  ]);
});

it('[A6] counts a pass for ten sessions, and tells one that has become too old', async () => {
  await insertChecks('pass', '2026-01-30');
  const [known] = await world.rows<{ sessions: number }>(
    `SELECT count(*)::int AS sessions FROM market_calendar WHERE kind <> 'closed' AND session_date > '2026-01-30' AND session_date <= '${today}'`,
  );
  const missing = 10 - (known?.sessions ?? 0);
  await insertSessions('2026-01-30', missing);
  expect((await parity())['summary']).toMatchObject({
    codes: [],
    blocks_raise: false,
    blocks_promotion: false,
    valid_for_sessions: 10,
  });
  await insertSessions(new Date(Date.parse('2026-01-30') + missing * 24 * hour).toISOString().slice(0, 10), 1);
  expect((await parity())['summary']).toMatchObject({
    codes: ['parity_stale'],
    blocks_raise: true,
    blocks_promotion: true,
  });
});

it('[A6] lets the newest of several checks of a session count, for a raise and for a promotion', async () => {
  for (const [result, blocks] of [
    ['fail', true],
    ['pass', false],
    ['fail', true],
  ] as const) {
    await insertChecks(result, today);
    expect((await parity())['summary']).toMatchObject({ blocks_raise: blocks, blocks_promotion: blocks });
    world.clock.advanceTo(world.clock.now() + minute);
  }
});

it('refuses what is no symbol and no limit', async () => {
  expect(await api.ask('/trading/parity?symbol=no%20symbol')).toMatchObject({ status: 400 });
  expect(await api.ask('/trading/parity?limit=0')).toMatchObject({ status: 400 });
});

const insertChecks = async (result: 'fail' | 'pass', session: NewYorkDate): Promise<void> => {
  for (const symbol of [AAPL, MSFT])
    await insertRow(world.database.app, 'parity_checks', {
      account_label: account,
      symbol,
      session_date: session,
      kind: 'behaviour',
      sample_lean: 40,
      sample_alpaca: 40,
      metrics: { sessions: 4, score: symbol === AAPL ? 1 : 0.9 },
      tolerances: {},
      result,
      codes: [],
      evidence_class: 'observed',
      checked_at: new Date(world.clock.now()).toISOString(),
    });
};

/** Sessions on the dates after one, in a calendar that has today's. */
const insertSessions = async (after: NewYorkDate, count: number): Promise<void> => {
  for (let days = 1; days <= count; days += 1) {
    const date = new Date(Date.parse(after) + days * 24 * hour).toISOString().slice(0, 10);
    await insertRow(world.database.app, 'market_calendar', {
      session_date: date,
      kind: 'full',
      open_at: `${date}T14:30:00.000Z`,
      close_at: `${date}T21:00:00.000Z`,
      source: 'fallback',
      fetched_at: `${date}T14:30:00.000Z`,
    });
  }
};
