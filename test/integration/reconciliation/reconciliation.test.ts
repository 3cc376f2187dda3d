import {
  decimal,
  decimalText,
  executionRequestJson,
  floorTo,
  hour,
  minute,
  reconcile,
  reconcileAfterGap,
  second,
  type AccountActivity,
  type BrokerActivity,
  type BrokerOrder,
  type Lookup,
  type Read,
  type ReconciliationReads,
} from '@torghut/domain';
import { fillActivitySchema } from '../../../layers/platform/src/alpaca/wire.ts';
import { afterEach, describe, expect, it } from 'vitest';
import {
  startExecution,
  type DecisionChange,
  type ExecutionWorld,
  type SeededDecision,
} from '../../support/execution.ts';
import { reconciliationOf } from '../../support/reconciliation.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

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

/** An order sent past us. */
const sendByHand = (clientOrderId: string): Promise<Response> =>
  fetch(`${world.twins.alpaca.url}/v2/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'apca-api-key-id': 'PKTEST', 'apca-api-secret-key': 'secret' },
    body: JSON.stringify({
      symbol: 'MSFT',
      qty: '1',
      side: 'buy',
      type: 'limit',
      time_in_force: 'day',
      limit_price: '150',
      client_order_id: clientOrderId,
    }),
  });

/** A decision to buy MSFT whose request went out, and was proved absent. */
const lookedForInVain = async (change: Pick<DecisionChange, 'qty'>, requestJson?: object): Promise<SeededDecision> => {
  const late = await world.decide({ symbol: 'MSFT', side: 'buy', publish: false, ...change });
  const receipt = {
    client_order_id: late.clientOrderId,
    state: 'settled',
    outcome: 'not_found',
    trade_decision_id: late.id,
    symbol: 'MSFT',
    io_at: new Date(world.clock.now()).toISOString(),
    request_json: requestJson ?? executionRequestJson(late.request),
  };
  await insertRow(world.database.owner, 'broker_receipts', sampleRow('broker_receipts', receipt));
  return late;
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

/** Canceled orders of AAPL that the broker does not know. */
const insertGone = (orders: number): Promise<unknown> =>
  world.database.owner.query(
    `INSERT INTO executions (account_label, alpaca_order_id, attempt, symbol, side, order_type, time_in_force, submitted_qty, filled_qty, state,
       execution_expected_adapter, execution_actual_adapter, provenance_source, route_context, raw_order, submitted_at, last_update_at)
     SELECT 'paper', 'gone-' || i, 1, 'AAPL', 'buy', 'limit', 'day', 1, 0, 'canceled', 'lean', 'lean', 'route', '{}', '{}', $1, $1
       FROM generate_series(1, $2::int) AS i`,
    [new Date(world.clock.now()), orders],
  );

/** A lookup that never came back. */
const unanswered: Lookup = {
  kind: 'failed',
  failure: 'timeout',
  detail: 'silent',
  exchange: { status: null, requestId: null, body: null, durationMs: 0 },
};

const notReported = (symbol: string): string => `fills that are not reported yet: ${symbol}`;

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

  it('adds up what single nights let pass: a cent each time is a break the second time', async () => {
    await tradedDay();
    let missing = '-0.01';
    const plain = reconciliationOf(world).ports.broker;
    const { nightly, breaks } = reconciliationOf(world, {
      account: async () => {
        const read = await plain.account();
        return read.ok ? { ok: true, value: { ...read.value, cash: read.value.cash.plus(decimal(missing)) } } : read;
      },
    });
    expect(await nightly()).toMatchObject({ completed: true, breaks: 0 });
    missing = '-0.02';
    await nightly();
    expect(await breaks()).toMatchObject([{ break_type: 'cash_mismatch', severity: 'warn', status: 'open' }]);
  });

  it('[E11] leaves the sum of what is final in cash to the next run, which counts on from it', async () => {
    await tradedDay();
    const known = new Date(Date.now() - 2 * hour).toISOString();
    const dividend = { activity_id: 'old', activity_type: 'DIV', net_amount: '12.34', created_at: known };
    await insertRow(world.database.owner, 'account_activities', sampleRow('account_activities', dividend));
    const { run } = reconciliationOf(world);
    const netOf = async () => {
      world.clock.advanceTo(world.clock.now() + 5 * minute);
      const { completed, sources } = await run('positions');
      expect(completed).toBe(true);
      return sources['cash']?.facts?.['activities_net'] as string;
    };
    const net = await netOf();
    // The fills of this day became known just now, and may yet get company.
    const left = `SELECT sources #>> '{cash,checkpoint,net}' AS net FROM reconciliation_runs WHERE scope = 'positions'`;
    expect(await world.rows(left)).toEqual([{ net: '12.34' }]);
    expect(await netOf()).toBe(net);
    await world.database.owner.query(
      `UPDATE reconciliation_runs SET sources = jsonb_set(sources, '{cash,checkpoint,net}', '"1012.34"') WHERE scope = 'positions'`,
    );
    expect(await netOf()).toBe(decimalText(decimal(net).plus(decimal('1000'))));
  });

  it('counts from accepted cash on, and finds the same loss again when it comes again', async () => {
    await tradedDay();
    let lost = '-100';
    const plain = reconciliationOf(world).ports.broker;
    const { nightly, accept, breaks } = reconciliationOf(world, {
      account: async () => {
        const read = await plain.account();
        return read.ok ? { ok: true, value: { ...read.value, cash: read.value.cash.plus(decimal(lost)) } } : read;
      },
    });
    await nightly();
    await nightly();
    expect(await breaks()).toHaveLength(1);
    await accept('cash_mismatch');
    expect(await nightly()).toMatchObject({
      completed: true,
      breaks: 0,
      sources: { cash: { facts: { difference: '0', opening_cash: '99499.92' } } },
    });
    lost = '-200';
    expect(await nightly()).toMatchObject({ breaks: 1 });
    expect((await breaks()).map(({ status }) => status)).toEqual(['accepted', 'open']);
  });

  it('counts a position from an accepted quantity on, and finds the same difference again when it comes again', async () => {
    await tradedDay();
    let missing = '1';
    const plain = reconciliationOf(world).ports.broker;
    const { run, accept, breaks } = reconciliationOf(world, {
      positions: async () => {
        const read = await plain.positions();
        if (!read.ok) return read;
        const less = (position: (typeof read.value)[number]) =>
          position.symbol === 'NVDA' ? { ...position, qty: position.qty.minus(decimal(missing)) } : position;
        return { ok: true, value: read.value.map(less) };
      },
    });
    const found = async () => {
      world.clock.advanceTo(world.clock.now() + 5 * minute);
      const { sources } = await run('positions');
      return [sources['positions']?.facts?.['agreed'], (await breaks()).map(({ status }) => status)];
    };
    expect([await found(), await found()]).toEqual([
      [false, ['open']],
      [false, ['open']],
    ]);
    await accept('position_qty_mismatch');
    expect(await found()).toEqual([true, ['accepted']]);
    missing = '2';
    expect(await found()).toEqual([false, ['accepted', 'open']]);
  });

  it('closes an accepted difference in cash that has gone by itself, and does not find the opposite of it', async () => {
    await tradedDay();
    let cash = '0';
    let listed: readonly BrokerActivity[] = [];
    const plain = reconciliationOf(world).ports.broker;
    const { nightly, run, accept, breaks } = reconciliationOf(world, {
      account: async () => {
        const read = await plain.account();
        return read.ok ? { ok: true, value: { ...read.value, cash: read.value.cash.plus(decimal(cash)) } } : read;
      },
      activitiesAfter: async function* (after): AsyncGenerator<Read<readonly BrokerActivity[]>> {
        yield* plain.activitiesAfter(after);
        yield { ok: true, value: listed };
      },
    });
    const statuses = async () => (await breaks()).map(({ break_type: type, status }) => [type, status]);
    const later = () => {
      world.clock.advanceTo(world.clock.now() + 5 * minute);
      return run('positions');
    };
    await nightly();
    cash = '5';
    await later();
    listed = [activity({ netAmount: decimal('5'), at: world.clock.now() })];
    await later();
    expect(await statuses()).toEqual([['cash_mismatch', 'open']]);
    await accept('cash_mismatch');
    expect(await later()).toMatchObject({
      completed: true,
      breaks: 0,
      sources: { cash: { facts: { difference: '0' } } },
    });
    expect(await statuses()).toEqual([['cash_mismatch', 'healed']]);
    // What is gone was not accepted: the same amount again is found again.
    cash = '10';
    await later();
    expect(await statuses()).toEqual([
      ['cash_mismatch', 'healed'],
      ['cash_mismatch', 'open'],
    ]);
  });

  it('closes an accepted difference in a position that has gone by itself, and does not find the opposite of it', async () => {
    await tradedDay();
    let lacking = true;
    const plain = reconciliationOf(world).ports.broker;
    const { nightly, run, accept, breaks } = reconciliationOf(world, {
      positions: async () => {
        const read = await plain.positions();
        return read.ok && lacking ? { ok: true, value: read.value.filter(({ symbol }) => symbol !== 'NVDA') } : read;
      },
    });
    const statuses = async () => (await breaks()).map(({ break_type: type, status }) => [type, status]);
    const later = () => {
      world.clock.advanceTo(world.clock.now() + 5 * minute);
      return run('positions');
    };
    await nightly();
    lacking = false;
    await later();
    expect(await statuses()).toEqual([['position_qty_mismatch', 'open']]);
    await accept('position_qty_mismatch');
    expect(await later()).toMatchObject({
      completed: true,
      breaks: 0,
      sources: { positions: { facts: { agreed: true } } },
    });
    expect(await statuses()).toEqual([['position_qty_mismatch', 'healed']]);
    lacking = true;
    await later();
    expect(await statuses()).toEqual([
      ['position_qty_mismatch', 'healed'],
      ['position_qty_mismatch', 'open'],
    ]);
  });

  it('does not compare the fills of an order that moved after they were read', async () => {
    world = await startExecution();
    const resting = await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    world.clock.advanceTo(world.clock.now() + 10 * minute);
    const plain = reconciliationOf(world).ports.broker;
    let filled = false;
    const { run, types } = reconciliationOf(world, {
      getOrder: async (id) => {
        if (!filled) world.twins.alpaca.disturb({ kind: 'fill', order: { state: 'open' } });
        filled = true;
        return plain.getOrder(id);
      },
    });
    await run('positions');
    expect(filled).toBe(true);
    expect(await world.execution(resting)).toMatchObject({ state: 'filled' });
    expect((await types()).filter((type) => type.startsWith('fill_'))).toEqual([]);
  });

  it('takes what an order before it was filled for filled once, where the broker counts it twice', async () => {
    world = await startExecution({ broker: { facts: { replacementQuantity: 'carried' } } });
    await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    world.twins.alpaca.disturb({ kind: 'fill', order: { state: 'open' }, qty: '1' });
    world.twins.alpaca.disturb({ kind: 'external_replace', order: { state: 'open' }, body: { limit_price: '99.4' } });
    await world.minutes(6);
    const { nightly, types, ports } = reconciliationOf(world);
    const closed = await ports.broker.listOrders('closed');
    const filled = closed.ok ? closed.value.map((order) => [order.replaces !== null, order.filledQty.toFixed()]) : [];
    expect(filled.toSorted()).toEqual([
      [false, '1'],
      [true, '1'],
    ]);
    await nightly();
    expect((await types()).filter((type) => type.startsWith('fill_') || type === 'external_order')).toEqual([]);
  });

  it('takes a fill that was corrected under its old id for what it was corrected to', async () => {
    await tradedDay();
    const [stored] = await world.rows<{ raw: object }>(`SELECT raw FROM account_activities WHERE symbol = 'AAPL'`);
    const corrected = fillActivitySchema.parse({ ...stored?.raw, status: 'correct', qty: '1' });
    const plain = reconciliationOf(world).ports.broker;
    const one = decimal('1');
    const orderOf = (order: BrokerOrder) => (order.symbol === 'AAPL' ? { ...order, filledQty: one } : order);
    const { nightly, breaks } = reconciliationOf(world, {
      ...withActivities({ kind: 'fill', fill: corrected }),
      ...withCash(corrected.price.toFixed()),
      ordersFrom: async function* (from) {
        for await (const page of plain.ordersFrom(from))
          yield page.ok ? { ok: true, value: page.value.map(orderOf) } : page;
      },
      getOrder: async (id) => {
        const found = await plain.getOrder(id);
        return found.kind === 'found' ? { ...found, order: orderOf(found.order) } : found;
      },
      positions: async () => {
        const read = await plain.positions();
        if (!read.ok) return read;
        return { ok: true, value: read.value.map((held) => (held.symbol === 'AAPL' ? { ...held, qty: one } : held)) };
      },
    });
    await nightly();
    expect((await breaks()).map((found) => [found.break_type, found.symbol])).toEqual([['trade_correct', 'AAPL']]);
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
    await sendByHand('by-hand');
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

  it('[E2] adopts an order that was looked for in vain, arrived late and ended before anybody met it', async () => {
    await tradedDay();
    const late = await lookedForInVain({ qty: '1' });
    await sendByHand(late.clientOrderId);
    world.twins.alpaca.disturb({ kind: 'external_cancel', order: { state: 'open', symbol: 'MSFT' } });
    const { run, breaks } = reconciliationOf(world);
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    // The order sync has not had the time to meet it.
    expect(await run('positions')).toMatchObject({ breaks: 0 });
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    const { provenance, completed } = await run('positions');
    expect(await breaks()).toMatchObject([
      { break_type: 'order_status_mismatch', status: 'healed', symbol: 'MSFT', ours: { outcome: 'not_found' } },
    ]);
    expect(completed).toBe(true);
    expect(provenance).toEqual({ orders: 3, known: 3 });
    expect(await world.execution(late)).toMatchObject({ state: 'canceled', expected: 'lean', actual: 'lean' });
    await run('positions', world.clock.now() + minute);
    expect(await breaks()).toHaveLength(1);
  });

  it('finds an order under an id of ours that was looked for in vain and is not what was asked for', async () => {
    await tradedDay();
    // Of two shares; one is sent.
    const late = await lookedForInVain({ qty: '2' });
    await sendByHand(late.clientOrderId);
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    const { run, types } = reconciliationOf(world);
    await run('positions');
    expect(await types()).toEqual([]);
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    await run('positions');
    expect(await types()).toEqual(['external_order']);
    expect(await world.execution(late)).toBeNull();
  });

  it('takes an order for somebody else’s, and goes on, where the receipt under its id cannot be read', async () => {
    await tradedDay();
    const late = await lookedForInVain({ qty: '1' }, {});
    await sendByHand(late.clientOrderId);
    world.clock.advanceTo(world.clock.now() + 4 * minute);
    const { run, types } = reconciliationOf(world);
    expect(await run('positions')).toMatchObject({ completed: true });
    expect(await types()).toEqual(['external_order']);
    expect(world.telemetry.logs().filter(({ level }) => level === 'error')).toMatchObject([
      { message: expect.stringContaining('cannot be read') as string },
    ]);
  });

  it('leaves an order alone under whose id a submit was claimed after it was looked for among the strays', async () => {
    await tradedDay();
    const late = await lookedForInVain({ qty: '2' });
    await sendByHand(late.clientOrderId);
    world.clock.advanceTo(world.clock.now() + 4 * minute);
    const { ports, types } = reconciliationOf(world);
    const adoptStrays: typeof ports.orders.adoptStrays = async (...found) => {
      const adopted = await ports.orders.adoptStrays(...found);
      const claimed = {
        adapter: 'alpaca',
        trade_decision_id: late.id,
        client_order_id: late.clientOrderId,
        state: 'io',
        outcome: null,
        settled_at: null,
        symbol: 'MSFT',
      };
      await insertRow(world.database.owner, 'broker_receipts', sampleRow('broker_receipts', claimed));
      return adopted;
    };
    await reconcile('positions', world.clock.now(), { ...ports, orders: { ...ports.orders, adoptStrays } });
    expect(await types()).toEqual([]);
  });

  it('says nothing about a symbol whose fills the broker does not report yet, and all of it once they are overdue', async () => {
    world = await startExecution();
    await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    await reconciliationOf(world).run('positions');
    world.clock.advanceTo(world.clock.now() + 5 * minute);
    const until = world.clock.now() + hour;
    world.twins.alpaca.disturb({ kind: 'activities_missing', until });
    world.twins.alpaca.disturb({ kind: 'fill', order: { state: 'open' } });
    const { run, types } = reconciliationOf(world);
    const recent = await run('positions');
    expect(recent).toMatchObject({ completed: false, breaks: 0 });
    expect(recent.sources['positions']).toMatchObject({ complete: false, detail: notReported('AAPL') });
    expect(await types()).toEqual([]);
    world.clock.advanceTo(world.clock.now() + 4 * minute);
    expect(await run('positions')).toMatchObject({ completed: true });
    expect(await types()).toEqual(expect.arrayContaining(['fill_qty_mismatch', 'position_qty_mismatch']));
  });

  it('says nothing about a symbol that filled, unreported, after its orders were compared', async () => {
    world = await startExecution();
    await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    await reconciliationOf(world).run('positions');
    world.clock.advanceTo(world.clock.now() + 5 * minute);
    const plain = reconciliationOf(world).ports.broker;
    let filled = false;
    const { run, types } = reconciliationOf(world, {
      positions: () => {
        if (!filled) {
          world.twins.alpaca.disturb({ kind: 'activities_missing', until: world.clock.now() + hour });
          world.twins.alpaca.disturb({ kind: 'fill', order: { state: 'open' } });
          filled = true;
        }
        return plain.positions();
      },
    });
    const { completed, sources } = await run('positions');
    expect(filled).toBe(true);
    // The acknowledged order has begun to work.
    expect(await types()).toEqual(['order_status_mismatch']);
    expect({ completed, positions: sources['positions']?.detail }).toEqual({
      completed: false,
      positions: notReported('AAPL'),
    });
  });

  it('finds what differs once a fill is reported that was not at the reading before', async () => {
    world = await startExecution();
    await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    await reconciliationOf(world).run('positions');
    world.clock.advanceTo(world.clock.now() + 5 * minute);
    const plain = reconciliationOf(world).ports.broker;
    let filled = false;
    const { run, types } = reconciliationOf(world, {
      ...withCash('5'),
      positions: () => {
        if (!filled) {
          world.twins.alpaca.disturb({ kind: 'activities_missing', until: world.clock.now() + 3 * second });
          world.twins.alpaca.disturb({ kind: 'fill', order: { state: 'open' } });
          filled = true;
        }
        return plain.positions();
      },
    });
    expect(await run('positions')).toMatchObject({ completed: true });
    expect(await types()).toEqual(['order_status_mismatch', 'cash_mismatch']);
  });

  it('says nothing about a symbol whose old order filled, unreported, and is no longer listed', async () => {
    world = await startExecution();
    await world.decide({ qty: '2', limitPrice: '99.5' });
    await world.drain();
    await reconciliationOf(world).run('positions');
    const before = 48 * hour;
    await world.database.owner.query(`UPDATE executions SET submitted_at = submitted_at - interval '48 hours'`);
    world.clock.advanceTo(world.clock.now() + 5 * minute);
    const plain = reconciliationOf(world).ports.broker;
    let filled = false;
    const { run, types } = reconciliationOf(world, {
      listOrders: async (status) => {
        const read = await plain.listOrders(status);
        if (!read.ok) return read;
        return { ok: true, value: read.value.map((order) => ({ ...order, submittedAt: order.submittedAt! - before })) };
      },
      ordersFrom: async function* (): AsyncGenerator<Read<readonly BrokerOrder[]>> {
        yield await Promise.resolve({ ok: true, value: [] } as const);
      },
      positions: () => {
        if (!filled) {
          world.twins.alpaca.disturb({ kind: 'activities_missing', until: world.clock.now() + hour });
          world.twins.alpaca.disturb({ kind: 'fill', order: { state: 'open' } });
          filled = true;
        }
        return plain.positions();
      },
    });
    const { completed, sources } = await run('positions');
    expect(await types()).toEqual(['order_status_mismatch']);
    expect({ completed, positions: sources['positions']?.detail }).toEqual({
      completed: false,
      positions: notReported('AAPL'),
    });
  });

  it.each([
    ['does not answer for', 1],
    ['is not reached about', 61],
  ])('compares positions and cash all the same when the broker %s an order of the symbol', async (reason, orders) => {
    await tradedDay();
    await insertGone(orders);
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    const plain = reconciliationOf(world).ports.broker;
    const { run, types } = reconciliationOf(world, {
      ...withCash('5'),
      ...(orders > 1 ? {} : { getOrder: async () => Promise.resolve(unanswered) }),
      positions: async () => {
        const read = await plain.positions();
        return read.ok ? { ok: true, value: read.value.filter(({ symbol }) => symbol !== 'AAPL') } : read;
      },
    });
    const { sources } = await run('positions');
    expect([reason, sources['orders']?.detail]).toEqual([
      reason,
      orders > 1 ? '0 orders not answered, 1 not reached' : '1 orders not answered, 0 not reached',
    ]);
    expect(sources).toMatchObject({ positions: { complete: true }, cash: { complete: true } });
    expect((await types()).filter((type) => type !== 'order_missing_at_broker')).toEqual([
      'cash_mismatch',
      'position_qty_mismatch',
    ]);
  });

  it('looks for unreported fills among the orders of the last day, however long ago a run was completed', async () => {
    await tradedDay();
    const plain = reconciliationOf(world).ports.broker;
    const asked: (number | null)[] = [];
    const { run, types } = reconciliationOf(world, {
      ...withCash('5'),
      ordersFrom: (from) => {
        asked.push(from);
        return plain.ordersFrom(from);
      },
    });
    await run('positions');
    expect(await types()).toEqual(['cash_mismatch']);
    const [first, ...later] = asked;
    expect(first).toBeNull();
    expect(later.map((from) => from !== null && from >= world.clock.now() - 24 * hour - minute)).toEqual([true]);
  });

  it('asks about orders that no person knows of yet before those that wait for one, and completes without these', async () => {
    await tradedDay();
    await insertGone(70);
    world.clock.advanceTo(world.clock.now() + 2 * minute);
    const { run, types } = reconciliationOf(world);
    expect(await run('positions')).toMatchObject({ completed: false, breaks: 60 });
    world.clock.advanceTo(world.clock.now() + minute);
    expect(await run('positions')).toMatchObject({ completed: true, breaks: 10 });
    expect(new Set(await types())).toEqual(new Set(['order_missing_at_broker']));
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

  it('after a gap ends as failed before whoever waits for it is cut off, and completes when there is time', async () => {
    await tradedDay();
    let pageMs = 16 * second;
    const plain = reconciliationOf(world).ports.broker;
    const { ports, types } = reconciliationOf(world, {
      activitiesAfter: async function* (after): AsyncGenerator<Read<readonly BrokerActivity[]>> {
        for await (const page of plain.activitiesAfter(after)) {
          world.clock.advanceTo(world.clock.now() + pageMs);
          yield page;
        }
      },
    });
    const afterGap = reconcileAfterGap(ports);
    expect(await afterGap(floorTo(world.clock.now(), minute))).toBe(false);
    expect(
      await world.rows(
        `SELECT status, sources #>> '{activities,detail}' AS detail FROM reconciliation_runs WHERE scope = 'positions'`,
      ),
    ).toEqual([{ status: 'failed', detail: 'not read to its end in time' }]);
    pageMs = second;
    expect(await afterGap(floorTo(world.clock.now(), minute) + minute)).toBe(true);
    expect(await types()).toEqual([]);
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
