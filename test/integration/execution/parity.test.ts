import { defaultLimits, executionRequestJson, initialRoute, type Ticker } from '@torghut/domain';
import { computeParity, evidenceClassOf, type ParityConfig } from '@torghut/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { account, startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
beforeEach(async () => {
  world = await startExecution();
});
afterEach(() => world.close());

const AAPL = 'AAPL' as Ticker;
const config: ParityConfig = {
  account,
  symbols: [AAPL],
  evidence: 'observed',
  limits: { ...defaultLimits, parityMinOrders: 2, parityMinSessions: 1 },
};
const compare = (changes: Partial<ParityConfig> = {}) =>
  computeParity(world.database.app, { ...config, ...changes }, '2026-02-13', world.clock.now());
const stored = () =>
  world.rows<{ kind: string; result: string; evidence_class: string; sample_lean: number; sample_alpaca: number }>(
    `SELECT kind, result, evidence_class, sample_lean, sample_alpaca FROM parity_checks WHERE symbol = 'AAPL' ORDER BY created_at`,
  );
/** An order that the policy sent on an arm. */
const orderOn = async (adapter: 'lean' | 'alpaca', policy = `parity:${adapter}`): Promise<void> => {
  const { request } = await world.decide({ expected: adapter, publish: false });
  await world.invoke(adapter, [executionRequestJson({ ...request, route: initialRoute(adapter, policy) })]);
  await world.minutes(1);
};

it('[E8] compares the adapters by the orders of their arms, from requests to fills, and keeps what it found once', async () => {
  for (let orders = 0; orders < 3; orders += 1) {
    await orderOn('lean');
    await orderOn('alpaca');
  }
  await orderOn('lean', 'all:lean');
  const outcomes = await compare();
  expect(outcomes).toMatchObject([
    { symbol: 'AAPL', kind: 'behaviour', result: 'pass', codes: [] },
    { symbol: 'AAPL', kind: 'request', result: 'pass', codes: [], score: 1 },
  ]);
  expect(outcomes[0]?.score).toBeGreaterThan(0);
  await compare();
  expect(await stored()).toEqual([
    { kind: 'behaviour', result: 'pass', evidence_class: 'observed', sample_lean: 3, sample_alpaca: 3 },
    { kind: 'request', result: 'pass', evidence_class: 'observed', sample_lean: 3, sample_alpaca: 3 },
  ]);
});

it('[E8] passes nothing that only a simulation of a venue took', async () => {
  await orderOn('lean');
  await orderOn('alpaca');
  await orderOn('lean');
  await orderOn('alpaca');
  expect(evidenceClassOf(world.twins.alpaca.url)).toBe('simulated');
  expect(evidenceClassOf('https://paper-api.alpaca.markets')).toBe('observed');
  expect((await compare({ evidence: 'simulated' })).map(({ result }) => result)).toEqual([
    'inconclusive',
    'inconclusive',
  ]);
});

it('[E8] records that there is nothing to compare, and nothing without symbols', async () => {
  expect(await compare({ symbols: [] })).toEqual([]);
  expect(await compare()).toMatchObject([
    {
      kind: 'behaviour',
      result: 'inconclusive',
      codes: ['parity_orders_too_few', 'parity_sessions_too_few', 'parity_measure_missing'],
    },
  ]);
  expect(await stored()).toHaveLength(1);
});
