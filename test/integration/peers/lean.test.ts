import { executionIdOf, hour, minute, second, type FillActivity } from '@torghut/domain';
import { afterEach, expect, it } from 'vitest';
import { startExecution, type ExecutionOptions, type ExecutionWorld } from '../../support/execution.ts';
import { insertRow, sampleRow } from '../../support/rows.ts';

const worlds: ExecutionWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
const start = async (options?: ExecutionOptions): Promise<ExecutionWorld> => {
  const world = await startExecution(options);
  worlds.push(world);
  return world;
};
const booked = (world: ExecutionWorld) =>
  world.rows<{ id: string; qty: string }>(`SELECT broker_execution_id AS id, qty FROM booked_fills ORDER BY 1`);

// The engine waited for a fill event that never came, and gave the order up.
it('lean_alpaca_28 an order whose fill nobody reports is filled by the broker’s own word, asked for by id', async () => {
  const world = await start();
  const decision = await world.order({ limitPrice: '100.00' });
  world.twins.alpaca.disturb({ kind: 'activities_missing', until: world.clock.now() + hour });
  world.twins.alpaca.disturb({ kind: 'fill', order: decision.clientOrderId });
  await world.minutes(2);
  expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '1' });
  expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
  // Nothing is inferred from the order: the fill is booked when the broker lists it.
  expect(await booked(world)).toEqual([]);
  world.twins.alpaca.disturb({ kind: 'activities_missing', until: world.clock.now() });
  await world.minutes(1);
  expect(await booked(world)).toHaveLength(1);
  await world.expectConsistent();
});

// The memory of execution ids was cleared at the terminal event: `new, fill` replayed gave three fills.
it('lean_alpaca_41 / 61 a fill replayed after the end of its order, by any source and in any order, is booked once', async () => {
  const world = await start();
  const decision = await world.order({ symbol: 'NVDA', qty: '3' });
  await world.minutes(1);
  const before = [await world.execution(decision), await booked(world)];
  const { orders, broker } = world.ports.sync;
  const { id, broker_order_id: brokerOrderId } = (
    await world.rows<{ id: string; broker_order_id: string }>(
      `SELECT id, alpaca_order_id AS broker_order_id FROM executions`,
    )
  )[0]!;
  const read = await broker.fillsAfter(world.clock.now() - hour);
  const fills = read.ok ? read.value : [];
  expect(fills).toHaveLength(1);
  const streamed = fills.map((fill): FillActivity => ({
    ...fill,
    source: 'trade_updates',
    id: executionIdOf(fill.id),
  }));
  const order = await broker.getOrder(brokerOrderId);
  if (order.kind !== 'found') throw new Error('expected the order at the broker');
  const [now, runId] = [world.clock.now(), (await orders.beginRun(world.clock.now() + minute, world.clock.now()))!];
  for (let replay = 0; replay < 3; replay += 1) {
    await orders.applyOrder(
      id,
      { ...order.order, status: 'new', updatedAt: (order.order.submittedAt ?? 0) - 1 },
      runId,
      now,
    );
    for (const report of [streamed, fills]) {
      expect(await orders.bookFills(report, runId, now)).toMatchObject({ booked: 0, duplicate: 1 });
    }
  }
  expect([await world.execution(decision), await booked(world)]).toEqual(before);
  expect(await world.rows(`SELECT sum(signed_qty)::text AS qty FROM fill_movements`)).toEqual([{ qty: '3' }]);
  await world.expectConsistent();
});

// Orders were sent while the stream that tells what becomes of them was down.
it('lean_alpaca_58 entries are refused while nobody has followed the orders for three minutes; exits go on', async () => {
  const world = await start();
  const held = await world.order({ qty: '2' });
  await world.minutes(1);
  expect(await world.decision(held.id)).toMatchObject({ status: 'filled' });
  world.clock.advanceTo(world.clock.now() + 181 * second);
  const entry = await world.order({ symbol: 'NVDA' });
  expect(await world.decision(entry.id)).toMatchObject({ status: 'denied' });
  expect((await world.decision(entry.id)).reasons).toContain('order_sync_stale');
  const exit = await world.order({ side: 'sell', qty: '1' });
  expect((await world.decision(exit.id)).status).not.toBe('denied');
  await world.minutes(1);
  const next = await world.order({ symbol: 'NVDA' });
  expect((await world.decision(next.id)).status).not.toBe('denied');
});

// Orders went out without an id of the sender, so that after a crash they could only be guessed.
it.each([
  ['by LEAN', null],
  ['by the fallback', { kind: 'answer', answer: { status: 503, body: {} } }],
] as const)('lean_alpaca_78 every order bears the id of its decision: sent %s', async (_title, fault) => {
  const world = await start();
  await world.faults({ lean: fault });
  const decisions = [await world.order(), await world.order({ symbol: 'NVDA' })];
  const ids = decisions.map(({ clientOrderId }) => clientOrderId);
  expect(world.twins.alpaca.orders().map(({ clientOrderId }) => clientOrderId)).toEqual(ids);
  expect(new Set(ids).size).toBe(2);
  expect(ids.every((id) => /^tg1-[0-9a-f]{48}-1$/.test(id))).toBe(true);
  for (const decision of decisions)
    expect(await world.receipts(decision)).toMatchObject(
      fault === null ? [{}] : [{ adapter: 'lean' }, { adapter: 'alpaca' }],
    );
});

// Order events bore no execution id, so that nothing told a fill from its repetition.
it('lean_9133 a fill without an execution id is not booked: the table refuses it, and a list with one is not read', async () => {
  const world = await start();
  for (const id of [null, '', ' ']) {
    const insert = insertRow(
      world.database.app,
      'execution_order_events',
      sampleRow('execution_order_events', {
        event_type: 'fill',
        broker_execution_id: id,
        execution_id: null,
        trade_decision_id: null,
      }),
    );
    await expect(insert).rejects.toMatchObject({ constraint: 'execution_order_events_fill_has_execution_id' });
  }

  const decision = await world.order();
  await world.twins.alpaca.setFault({ kind: 'altered_body', change: { id: undefined } }, ['activities']);
  await world.minutes(1);
  expect(await booked(world)).toEqual([]);
  expect(
    await world.rows(
      `SELECT status FROM reconciliation_runs WHERE scope = 'orders' ORDER BY scheduled_for DESC LIMIT 1`,
    ),
  ).toEqual([{ status: 'failed' }]);
  await world.twins.alpaca.setFault(null, ['activities']);
  await world.minutes(1);
  expect(await booked(world)).toHaveLength(1);
  expect(await world.execution(decision)).toMatchObject({ state: 'filled' });
});
