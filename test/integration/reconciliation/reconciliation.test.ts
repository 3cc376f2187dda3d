import {
  decimal,
  minute,
  second,
  type AccountActivity,
  type BrokerActivity,
  type Read,
  type ReconciliationReads,
} from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { reconciliationOf } from '../../support/reconciliation.ts';

let world: ExecutionWorld;
afterEach(() => world.close());

/** A day of two filled orders, followed to their end. */
const tradedDay = async (): Promise<void> => {
  world = await startExecution();
  await world.decide({ qty: '2' });
  await world.drain();
  await world.decide({ symbol: 'NVDA', qty: '4' });
  await world.drain();
  await world.minutes(6);
};

const activity = (change: Partial<AccountActivity>): BrokerActivity => ({
  kind: 'other',
  activity: {
    id: '20260213000000000::a1',
    type: 'DIV',
    subType: null,
    status: 'executed',
    at: world.clock.now(),
    date: '2026-02-13',
    symbol: 'AAPL',
    qty: null,
    price: null,
    netAmount: null,
    description: null,
    raw: { date: '2026-02-13' },
    ...change,
  },
});

/** The twin's activities with further rows behind them, as the broker lists them. */
const withActivities = (...rows: readonly BrokerActivity[]): Partial<ReconciliationReads> => {
  const plain = reconciliationOf(world).ports.broker;
  return {
    activitiesAfter: async function* (after): AsyncGenerator<Read<readonly BrokerActivity[]>> {
      yield* plain.activitiesAfter(after);
      yield { ok: true, value: rows };
    },
  };
};

/** Cash of the twin's account, changed by an amount that no activity tells. */
const withCash = (amount: string): Partial<ReconciliationReads> => {
  const plain = reconciliationOf(world).ports.broker;
  return {
    account: async () => {
      const read = await plain.account();
      return read.ok ? { ok: true, value: { ...read.value, cash: read.value.cash.plus(decimal(amount)) } } : read;
    },
  };
};

describe('a reconciliation', () => {
  it('[O3] of a quiet day compares orders, fills, positions and cash and finds nothing', async () => {
    await tradedDay();
    const result = await reconciliationOf(world).nightly();
    expect(result).toMatchObject({ completed: true, breaks: 0, healed: 0, provenance: { orders: 2, known: 2 } });
    expect(result.checked).toBe(2 + 2 + 1);
    const [run] = await world.rows<{ status: string; sources: Record<string, { complete: boolean }> }>(
      `SELECT status, sources FROM reconciliation_runs WHERE scope = 'nightly'`,
    );
    expect(run?.status).toBe('completed');
    expect(Object.keys(run?.sources ?? {}).sort()).toEqual(['activities', 'cash', 'fees', 'orders', 'positions']);
    expect(run?.sources['cash']).toMatchObject({ complete: true, facts: { difference: '0', cash: '99599.92' } });
  });

  it('is done once for its scheduled time', async () => {
    await tradedDay();
    const { nightly, run } = reconciliationOf(world);
    const first = await nightly();
    expect((await run('nightly', world.clock.now())).runId).toBeNull();
    expect(first.runId).not.toBeNull();
  });

  it('books a fill that the order sync never saw under its own id, and says so', async () => {
    world = await startExecution();
    const decision = await world.decide({ qty: '2' });
    await world.drain();
    world.clock.advanceTo(world.clock.now() + 10 * minute);
    const { run, breaks } = reconciliationOf(world);
    expect(await run('positions')).toMatchObject({ completed: true, breaks: 1, healed: 1 });
    expect(await breaks()).toMatchObject([
      { break_type: 'fill_missing_locally', status: 'healed', heal_policy: 'insert_by_execution_id', symbol: 'AAPL' },
    ]);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '2' });
    await world.expectConsistent();
  });

  it('applies the broker’s word on an order through the state machine, and says so', async () => {
    world = await startExecution();
    const resting = await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    world.twins.alpaca.disturb({ kind: 'external_cancel', order: { state: 'open' } });
    world.clock.advanceTo(world.clock.now() + 10 * minute);
    const { run, breaks } = reconciliationOf(world);
    expect(await run('positions')).toMatchObject({ completed: true, breaks: 1, healed: 1 });
    expect(await breaks()).toMatchObject([
      { break_type: 'order_status_mismatch', status: 'healed', theirs: { status: 'canceled' } },
    ]);
    expect(await world.execution(resting)).toMatchObject({ state: 'canceled' });
  });

  it('counts a bust out of positions and cash, and leaves its break to the order sync', async () => {
    await tradedDay();
    world.twins.alpaca.disturb({ kind: 'trade_bust', fill: { newest: true, symbol: 'AAPL' } });
    const { nightly, types } = reconciliationOf(world);
    const result = await nightly();
    expect(result.completed).toBe(true);
    expect((await types()).filter((type) => type.startsWith('position') || type === 'cash_mismatch')).toEqual([]);
    expect(await types()).toContain('trade_bust');
  });

  it('compares fees with the table once their session is closed, and only where the broker posts any', async () => {
    world = await startExecution({ broker: { facts: { feeRows: true } } });
    await world.decide({ qty: '2' });
    await world.drain();
    await world.minutes(5);
    const { nightly, types } = reconciliationOf(world);
    const first = await nightly();
    // Posted in the night, and the session is the last one: provisional.
    expect(first.sources['fees']).toMatchObject({ facts: { compared: true, closed_through: '2026-02-12' } });
    expect(first.sources['cash']).toMatchObject({ facts: { provisional_session: '2026-02-13', difference: '0' } });
    const later = [await nightly(), await nightly(), await nightly(), await nightly()].at(-1);
    expect(later?.sources['fees']).toMatchObject({
      complete: true,
      facts: { compared: true, closed_through: '2026-02-13', pending: '0' },
    });
    expect(later?.sources['cash']).toMatchObject({ facts: { closed_session: '2026-02-13', difference: '0' } });
    expect(await types()).toEqual([]);

    world.twins.alpaca.disturb({ kind: 'cash', activity: 'FEE', subType: 'REG', amount: '-0.05', date: '2026-02-14' });
    await nightly();
    expect(await types()).toEqual(['fee_mismatch']);
  });

  it('leaves to the order sync what it had no time to see yet', async () => {
    world = await startExecution();
    await world.decide({ qty: '2' });
    await world.drain();
    world.clock.advanceTo(world.clock.now() + 30 * second);
    const { run, types } = reconciliationOf(world);
    expect(await run('positions')).toMatchObject({ completed: true });
    expect(await types()).toEqual([]);
  });

  it('keeps every activity, and points out a type nobody knows', async () => {
    await tradedDay();
    const strange = activity({ id: '20260213000000000::x', type: 'GIFT', netAmount: null, symbol: null });
    const { nightly, breaks } = reconciliationOf(world, withActivities(strange));
    await nightly();
    expect(await breaks()).toMatchObject([{ break_type: 'unknown_activity', severity: 'warn', status: 'open' }]);
    const stored = await world.rows(`SELECT activity_type FROM account_activities WHERE activity_type <> 'FILL'`);
    expect(stored).toEqual([{ activity_type: 'GIFT' }]);
  });

  it('counts a dividend as cash that is known', async () => {
    await tradedDay();
    const paid = activity({ netAmount: decimal('12.34') });
    const { nightly, types } = reconciliationOf(world, { ...withActivities(paid), ...withCash('12.34') });
    expect(await nightly()).toMatchObject({ completed: true, breaks: 0 });
    expect(await types()).toEqual([]);
  });

  it.each([
    ['0.01', null],
    ['0.02', 'warn'],
    ['-1', 'warn'],
    ['-1.01', 'critical'],
    ['2500', 'critical'],
  ])('of cash that differs by %s USD from what the activities come to is a break: %s', async (amount, severity) => {
    await tradedDay();
    const { nightly, breaks } = reconciliationOf(world, withCash(amount));
    await nightly();
    expect((await breaks()).map((found) => [found.break_type, found.severity])).toEqual(
      severity === null ? [] : [['cash_mismatch', severity]],
    );
  });

  it('counts from accepted cash on', async () => {
    await tradedDay();
    const { nightly, accept, breaks } = reconciliationOf(world, withCash('100'));
    await nightly();
    await nightly();
    expect(await breaks()).toHaveLength(1);
    await accept('cash_mismatch');
    expect(await nightly()).toMatchObject({ completed: true, breaks: 0 });
  });

  it('disables a symbol with a corporate action until somebody has looked at it', async () => {
    await tradedDay();
    const split = activity({ id: '20260213000000000::s', type: 'SPLIT', qty: decimal('90'), netAmount: decimal('0') });
    const { nightly, breaks } = reconciliationOf(world, withActivities(split));
    await nightly();
    expect(await breaks()).toMatchObject([
      { break_type: 'corporate_action_pending', symbol: 'AAPL', severity: 'critical', status: 'open' },
    ]);
    const states = await world.rows(
      `SELECT adapter, state, health_reason FROM adapter_states WHERE symbol = 'AAPL' AND superseded_at IS NULL ORDER BY adapter`,
    );
    expect(states).toEqual([
      { adapter: 'alpaca', state: 'disabled', health_reason: 'corporate_action_pending' },
      { adapter: 'lean', state: 'disabled', health_reason: 'corporate_action_pending' },
    ]);
    const denied = await world.decide({ symbol: 'AAPL' });
    await world.drain();
    expect(await world.decision(denied.id)).toMatchObject({ status: 'denied' });
  });

  it('of an order nobody here sent is critical, and no order is made of it', async () => {
    await tradedDay();
    await fetch(`${world.twins.alpaca.url}/v2/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'apca-api-key-id': 'PKTEST', 'apca-api-secret-key': 'secret' },
      body: JSON.stringify({
        symbol: 'MSFT',
        qty: '1',
        side: 'buy',
        type: 'limit',
        time_in_force: 'day',
        limit_price: '150',
        client_order_id: 'by-hand',
      }),
    });
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    const { run, breaks } = reconciliationOf(world);
    await run('positions');
    await run('positions', world.clock.now() + minute);
    expect(await breaks()).toMatchObject([
      {
        break_type: 'external_order',
        symbol: 'MSFT',
        severity: 'critical',
        status: 'open',
        theirs: { client_order_id: 'by-hand' },
      },
    ]);
    expect(await world.rows(`SELECT id FROM executions WHERE symbol = 'MSFT'`)).toEqual([]);
  });

  it('fails, and compares nothing that needs it, when a source cannot be read', async () => {
    await tradedDay();
    const failing = { ok: false, failure: 'http_500', detail: 'broken' } as const;
    for (const [broken, incomplete] of [
      [{ positions: async () => Promise.resolve(failing) }, ['cash', 'positions']],
      [{ account: async () => Promise.resolve(failing) }, ['cash', 'positions']],
      [
        {
          activitiesAfter: async function* () {
            yield await Promise.resolve(failing);
          },
        },
        ['activities', 'cash', 'positions'],
      ],
      [
        {
          ordersFrom: async function* () {
            yield await Promise.resolve(failing);
          },
        },
        ['orders'],
      ],
    ] as const) {
      world.clock.advanceTo(world.clock.now() + minute);
      const { run, types } = reconciliationOf(world, broken);
      const result = await run('positions');
      expect(result.completed).toBe(false);
      expect(
        Object.entries(result.sources)
          .filter(([, { complete }]) => !complete)
          .map(([name]) => name)
          .sort(),
      ).toEqual(incomplete);
      expect(await types()).toEqual([]);
    }
    expect(
      await world.rows(`SELECT status FROM reconciliation_runs WHERE scope = 'positions' GROUP BY status`),
    ).toEqual([{ status: 'failed' }]);
  });

  it('concludes nothing from a list that broke off', async () => {
    await tradedDay();
    world.twins.alpaca.disturb({ kind: 'order_vanished', order: { state: 'filled', symbol: 'AAPL' }, on: true });
    const broken: Partial<ReconciliationReads> = {
      ordersFrom: async function* () {
        yield await Promise.resolve({ ok: false, failure: 'timeout', detail: 'silent' } as const);
      },
    };
    const { run, types } = reconciliationOf(world, broken);
    const result = await run('positions');
    expect(result.sources['orders']).toMatchObject({ complete: false, facts: { looked_up: 0 } });
    expect(await types()).toEqual([]);
  });

  it('does not compare positions with fills that were not all read', async () => {
    world = await startExecution();
    await world.decide({ qty: '2' });
    await world.drain();
    world.clock.advanceTo(world.clock.now() + 30 * minute);
    const plain = reconciliationOf(world).ports.broker;
    let reads = 0;
    const { run, types } = reconciliationOf(world, {
      activitiesAfter: async function* (after): AsyncGenerator<Read<readonly BrokerActivity[]>> {
        reads += 1;
        if (reads === 1) yield await Promise.resolve({ ok: false, failure: 'http_500', detail: 'broken' } as const);
        else yield* plain.activitiesAfter(after);
      },
    });
    expect(await run('positions')).toMatchObject({ completed: false });
    expect((await types()).filter((type) => type !== 'order_status_mismatch')).toEqual([]);
  });
});
