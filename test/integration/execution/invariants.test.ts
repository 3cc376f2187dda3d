import { decimal } from '@torghut/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startExecution, type ExecutionWorld, type SeededDecision } from '../../support/execution.ts';
import { violations, type VenueTruth } from '../../support/invariants.ts';

let world: ExecutionWorld;
let order: SeededDecision;
beforeAll(async () => {
  world = await startExecution();
  await world.faults({ lean: { kind: 'reset', processed: false } });
  order = await world.order({ qty: '2' });
  await world.minutes(1);
});
afterAll(() => world.close());

/** What the checker says when the venues knew something else. */
const judged = (change: (truth: VenueTruth) => Partial<VenueTruth>): Promise<readonly string[]> => {
  const truth: VenueTruth = {
    orders: world.twins.alpaca.orders(),
    effects: world.twins.alpaca.log(),
    fills: world.twins.alpaca.fills(),
    leanSubmissions: world.twins.lean.log(),
  };
  return violations(world.database.readonly, { ...truth, ...change(truth) }, { now: world.clock.now(), settled: true });
};

describe('the invariants', () => {
  it('hold after an order that fell back', async () => {
    expect(await judged(() => ({}))).toEqual([]);
  });

  it.each<[string, (truth: VenueTruth) => Partial<VenueTruth>, RegExp]>([
    ['a second order of a decision', ({ orders }) => ({ orders: [...orders, ...orders] }), /2 orders at the broker/],
    ['an order taken twice', ({ effects }) => ({ effects: [...effects, ...effects] }), /accepted 2 times/],
    [
      'an order nobody has a receipt for',
      ({ orders }) => ({ orders: [...orders, { ...orders[0]!, id: 'x', clientOrderId: 'by-hand' }] }),
      /by-hand: an order at the broker without a receipt/,
    ],
    [
      'an order that LEAN carried after all',
      () => ({
        leanSubmissions: [
          { at: world.clock.now(), clientOrderId: order.clientOrderId, status: 200, idempotentReplay: false },
        ],
      }),
      /actual alpaca, carried by lean/,
    ],
    [
      'a fill that was never booked',
      ({ fills }) => ({ fills: [...fills, { ...fills[0]!, id: 'y' }] }),
      /y: never booked/,
    ],
    ['a booked fill that never was', () => ({ fills: [] }), /booked, unknown to the broker/],
    [
      'a fill booked at another price',
      ({ fills }) => ({ fills: fills.map((fill) => ({ ...fill, price: decimal('1') })) }),
      /booked 2(?:\.0+)? at 100\.02/,
    ],
  ])('do not hold with %s', async (_, change, complaint) => {
    expect((await judged(change)).join('\n')).toMatch(complaint);
  });
});
