import {
  executionIdOf,
  minute,
  second,
  type Claim,
  type OpenExecution,
  type VenueExchange,
  type WritePermit,
} from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startExecution, type ExecutionWorld, type SeededDecision } from '../../support/execution.ts';

let world: ExecutionWorld;
beforeAll(async () => {
  world = await startExecution();
});
afterAll(() => world.close());

const exchange: VenueExchange = { status: 204, requestId: 'request', body: null, durationMs: 1 };
/** Rests: a buy below the ask. */
const bids = { AAPL: '99.99', NVDA: '49.99', MSFT: '199.96', META: '79.98' } as const;
const resting = (symbol: keyof typeof bids) => world.order({ symbol, limitPrice: bids[symbol], expected: 'alpaca' });
const open = async (decision: SeededDecision): Promise<OpenExecution> => {
  const [execution] = await world.ports.sync.orders.openExecutions(world.clock.now(), 1, decision.clientOrderId);
  return execution!;
};
const cancels = (decision: SeededDecision) =>
  world.rows<{ state: string; outcome: string | null; outcome_codes: string[]; http_status: number | null }>(
    `SELECT state, outcome, outcome_codes, http_status FROM broker_receipts
      WHERE client_order_id = $1 AND operation = 'cancel' ORDER BY fencing_token`,
    [decision.clientOrderId],
  );

describe('the right to ask for a cancel', () => {
  it('[E10] has one worker at a time, of whichever adapter, and another once its lease is over', async () => {
    const { orders } = world.ports.sync;
    const decision = await resting('AAPL');
    const execution = await open(decision);
    const claim = (adapter: 'lean' | 'alpaca' = 'alpaca') => orders.claimCancel(execution, adapter, world.clock.now());
    const claimed = (await Promise.all([claim(), claim('lean'), claim(), claim('lean')])).filter(
      (permit) => permit !== null,
    );
    expect(claimed).toHaveLength(1);
    world.clock.advanceTo(world.clock.now() + 29 * second);
    expect(await claim()).toBeNull();
    world.clock.advanceTo(world.clock.now() + second);
    const next = await claim();
    expect(next!.fencingToken).toBeGreaterThan(claimed[0]!.fencingToken);
  });

  it('[E10][E11] that was lost settles nothing: neither under another token, nor what the broker has settled since', async () => {
    const { orders, broker } = world.ports.sync;
    const decision = await resting('NVDA');
    const execution = await open(decision);
    const permit = (await orders.claimCancel(execution, 'alpaca', world.clock.now()))!;
    const settle = (by: WritePermit) =>
      orders.settleCancel(by, 'alpaca', { kind: 'requested', exchange }, world.clock.now());

    await settle({ ...permit, fencingToken: permit.fencingToken - 1 });
    expect(await cancels(decision)).toEqual([{ state: 'io', outcome: null, outcome_codes: [], http_status: null }]);

    // Its worker froze; by the broker's word after the lease the request never arrived.
    world.clock.advanceTo(world.clock.now() + 31 * second);
    const read = await broker.getOrder(execution.brokerOrderId);
    if (read.kind !== 'found') throw new Error(`expected the order at the broker, found ${read.kind}`);
    await orders.applyOrder(execution.id, read.order, null, world.clock.now());
    const proved = [
      { state: 'settled', outcome: 'not_found', outcome_codes: ['alpaca_cancel_order_timeout'], http_status: null },
    ];
    expect(await cancels(decision)).toEqual(proved);
    await settle(permit);
    expect(await cancels(decision)).toEqual(proved);

    const again = (await orders.claimCancel(execution, 'alpaca', world.clock.now()))!;
    await settle(again);
    expect((await cancels(decision)).at(-1)).toMatchObject({ outcome: 'acknowledged', http_status: 204 });
  });
});

describe('a write that another adapter may have made', () => {
  it.each([
    ['in flight beyond its lease', 'MSFT', false],
    ['of unknown outcome', 'META', true],
  ] as const)('[E6][E10] %s is left to that adapter and to the order sync', async (_title, symbol, settled) => {
    await world.minutes(1);
    const { ledger } = world.ports.lean;
    const { request, clientOrderId } = await world.decide({ symbol, publish: false });
    const facts = { asset: null, accountRead: true };
    const claim = await ledger.claim(request, 'lean', facts, world.clock.now());
    if (claim.kind !== 'claimed') throw new Error(`expected the right to write, found ${claim.kind}`);
    await ledger.markInFlight(claim.permit, world.clock.now());
    if (settled)
      await ledger.settleUnknown(
        claim.permit,
        { request, codes: ['lean_submit_order_timeout'], exchange, verdict: 'failed' },
        world.clock.now(),
      );
    world.clock.advanceTo(world.clock.now() + 31 * second);
    const before = await world.receipts({ clientOrderId });
    const other = await world.ports.alpaca.ledger.claim(request, 'alpaca', facts, world.clock.now());
    expect(other).toEqual({ kind: 'busy', until: world.clock.now() + 30 * second, written: false });
    expect(await world.receipts({ clientOrderId })).toEqual(before);
    // The adapter that wrote may find out, and never writes again.
    expect(await ledger.claim(request, 'lean', facts, world.clock.now())).toMatchObject({ kind: 'unresolved' });
    world.clock.advanceTo(world.clock.now() + minute);
  });

  it('[E6][E10] of Alpaca is what the message of LEAN has become: that one has nothing left to do', async () => {
    await world.minutes(1);
    const { request } = await world.decide({ symbol: 'AMZN', publish: false });
    const facts = { asset: null, accountRead: true };
    const claim = await world.ports.alpaca.ledger.claim(request, 'alpaca', facts, world.clock.now());
    if (claim.kind !== 'claimed') throw new Error(`expected the right to write, found ${claim.kind}`);
    await world.ports.alpaca.ledger.markInFlight(claim.permit, world.clock.now());
    const late = (): Promise<Claim> => world.ports.lean.ledger.claim(request, 'lean', facts, world.clock.now());
    expect(await late()).toMatchObject({ kind: 'busy', written: true });
    world.clock.advanceTo(world.clock.now() + 31 * second);
    expect(await late()).toEqual({ kind: 'finished' });
    world.clock.advanceTo(world.clock.now() + minute);
  });
});

describe('the clock of the broker', () => {
  it.each([
    ['behind', -5 * minute, 'NVDA'],
    ['ahead', 5 * minute, 'AAPL'],
  ] as const)(
    '[E10] that is five minutes %s changes nothing about how long an order rests',
    async (_title, skew, symbol) => {
      await world.minutes(1);
      const decision = await resting(symbol);
      await world.database.owner.query(
        `UPDATE executions SET submitted_at = submitted_at + make_interval(secs => $2) WHERE client_order_id = $1`,
        [decision.clientOrderId, skew / second],
      );
      await world.minutes(1);
      expect(await world.execution(decision)).toMatchObject({ broker_status: 'new' });
      await world.minutes(2);
      expect(await world.execution(decision)).toMatchObject({ state: 'canceled' });
    },
  );
});

describe('a fill that the broker busts under its old id', () => {
  it('[E10] counts no more, although its row keeps the time of the trade', async () => {
    await world.minutes(1);
    const decision = await world.order({ symbol: 'GOOGL', qty: '2' });
    await world.minutes(1);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '2' });
    const { orders, broker } = world.ports.sync;
    const fills = await broker.fillsAfter(world.clock.now() - 10 * minute);
    if (!fills.ok) throw new Error(`expected the fills, found ${fills.detail}`);
    const fill = fills.value.find((one) => one.symbol === 'GOOGL')!;
    const [run] = await world.rows<{ id: string }>(
      `SELECT id FROM reconciliation_runs WHERE scope = 'orders' ORDER BY scheduled_for DESC LIMIT 1`,
    );
    await orders.bookFills(
      [{ ...fill, correction: { kind: 'bust', of: executionIdOf(fill.id) } }],
      run!.id,
      world.clock.now(),
    );
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '0', avg_fill_price: null });
  });
});
