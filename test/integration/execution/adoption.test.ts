import { executionRequestJson, minute, second, toText } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
const start = async (): Promise<void> => {
  world = await startExecution();
};
afterEach(() => world.close());

const resting = { limitPrice: '100.00' } as const;

describe('another order under an id of ours', () => {
  it('[E10] is never adopted: the outcome stays unknown, and what stands at the broker is a critical break', async () => {
    await start();
    const decision = await world.decide({ publish: false });
    world.twins.alpaca.disturb({
      kind: 'external_order',
      body: {
        symbol: 'MSFT',
        side: 'buy',
        qty: '4',
        type: 'limit',
        time_in_force: 'day',
        limit_price: '199.00',
        client_order_id: decision.clientOrderId,
      },
    });
    await world.publish();
    await world.drain();
    await world.minutes(1);
    expect(await world.execution(decision)).toBeNull();
    expect(await world.decision(decision.id)).toMatchObject({ status: 'unknown' });
    expect(await world.receipts(decision)).toMatchObject([{ adapter: 'lean', outcome: 'unknown' }]);
    expect(
      await world.rows(`SELECT break_type, severity, symbol, ours FROM reconciliation_breaks WHERE status = 'open'`),
    ).toEqual([
      {
        break_type: 'external_order',
        severity: 'critical',
        symbol: 'MSFT',
        ours: { difference: 'expected symbol AAPL, found MSFT' },
      },
    ]);
  });
});

describe('a message that contradicts its decision', () => {
  it('[E10] sends nothing, whatever it says that the decision does not', async () => {
    await start();
    const decision = await world.decide({ publish: false });
    const body = executionRequestJson(decision.request);
    const changes = [
      { client_order_id: 'tg1-other' },
      { attempt: 2 },
      { symbol: 'NVDA' },
      { side: 'sell' },
      { qty: '2' },
      { limit_price: '100.01' },
      { order_type: 'market' },
      { time_in_force: 'gtc' },
      { expires_at: toText(decision.request.expiresAt + minute) },
    ];
    const answer = await world.invoke(
      'lean',
      changes.map((change) => ({ ...body, ...change })),
    );
    expect(answer.batchItemFailures).toHaveLength(changes.length);
    expect(world.twins.alpaca.orders()).toEqual([]);
    expect(await world.rows(`SELECT id FROM broker_receipts`)).toEqual([]);
    expect((await world.invoke('lean', [body])).batchItemFailures).toEqual([]);
    expect(world.twins.alpaca.orders()).toHaveLength(1);
  });
});

describe('an outcome that is unknown twice', () => {
  it('[E10] is looked for by a message each time, at LEAN and after the fallback at Alpaca', async () => {
    await start();
    await world.faults({ lean: { kind: 'answer', answer: { status: 503, body: {} } } });
    await world.lookups({ kind: 'answer', answer: { status: 500, body: {} } });
    const decision = await world.decide();
    await world.deliver('lean');
    await world.lookups(null);
    const followUps = () =>
      world.rows(`SELECT id FROM outbox WHERE topic = 'followUp' AND payload ->> 'reason' = 'unknown_outcome'`);
    for (let seconds = 0; seconds < 12; seconds += 1) {
      world.clock.advanceTo(world.clock.now() + second);
      await world.deliver('followUp');
    }
    const before = (await followUps()).length;
    await world.twins.alpaca.setFault({ kind: 'answer', answer: { status: 500, body: {} } }, [
      'submit_order',
      'get_order_by_client_order_id',
    ]);
    await world.deliver('alpaca');
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', outcome: 'not_found' },
      { adapter: 'alpaca', outcome: 'unknown' },
    ]);
    expect(await followUps()).toHaveLength(before + 1);
  });
});

describe('a cancel of an order that the runner has lost', () => {
  it('[E6] reaches the broker all the same', async () => {
    await start();
    const decision = await world.order(resting);
    await world.twins.lean.setFault({ kind: 'answer', answer: { status: 404, body: { detail: 'order_not_found' } } }, [
      'cancel_order',
    ]);
    await world.control('kill_switch', true);
    await world.minutes(1);
    expect(await world.execution(decision)).toMatchObject({ state: 'canceled' });
    expect(
      (await world.receipts(decision)).filter(({ operation }) => operation === 'cancel').map(({ adapter }) => adapter),
    ).toEqual(['lean', 'alpaca']);
  });
});
