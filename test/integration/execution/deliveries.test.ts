import { executionRequestJson, minute, routeOrder, second, type ExecutionLedger } from '@torghut/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterOf, startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
beforeEach(async () => {
  world = await startExecution();
});
afterEach(() => world.close());

const submissions = () => world.twins.lean.log().length;

describe('deliveries of an order message', () => {
  it('[E10] sends once when the message is delivered again after the order was taken', async () => {
    const decision = await world.order();
    const body = executionRequestJson(decision.request);
    expect(await world.invoke('lean', [body, body])).toEqual({ batchItemFailures: [] });
    expect(submissions()).toBe(1);
    await world.minutes(1);
    expect(await world.invoke('lean', [body])).toEqual({ batchItemFailures: [] });
    expect(submissions()).toBe(1);
    await world.expectConsistent();
  });

  it('[E10] sends once when two workers hold the message at the same time', async () => {
    const decision = await world.decide();
    const body = executionRequestJson(decision.request);
    const answers = await Promise.all([world.invoke('lean', [body]), world.invoke('lean', [body])]);
    const returned = answers.flatMap(({ batchItemFailures }) => batchItemFailures);
    expect(returned.length).toBeLessThanOrEqual(1);
    expect(submissions()).toBe(1);
    await world.drain();
    expect(submissions()).toBe(1);
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E10] sends once when the outbox is published twice', async () => {
    const decision = await world.order();
    // Beyond the five minutes for which the queue itself tells duplicates apart.
    await world.minutes(6);
    await world.database.app.query(`UPDATE outbox SET published_at = NULL WHERE topic = 'lean'`);
    expect(await world.publish()).toBe(1);
    await world.drain();
    expect(submissions()).toBe(1);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    await world.expectConsistent();
  });

  it('[E10] ignores a message for a decision that was denied', async () => {
    await world.control('kill_switch', true);
    const decision = await world.order();
    await world.control('kill_switch', false);
    expect(await world.invoke('lean', [executionRequestJson(decision.request)])).toEqual({ batchItemFailures: [] });
    expect(submissions()).toBe(0);
    await world.expectConsistent();
  });

  it('[E11] refuses a message that is delivered after its time', async () => {
    const decision = await world.decide();
    world.clock.advanceTo(decision.request.expiresAt + 1);
    await world.drain();
    expect(await world.decision(decision.id)).toMatchObject({
      status: 'denied',
      reasons: expect.arrayContaining(['order_message_expired']) as string[],
    });
    expect(submissions()).toBe(0);
  });

  it('moves a malformed message to the dead-letter queue after three receives and lets its neighbours pass', async () => {
    world.queues.send('lean.fifo', {
      body: '{"schema":"something else"}',
      groupId: 'paper:NVDA',
      deduplicationId: 'x',
    });
    const decision = await world.order({ symbol: 'AAPL' });
    expect(await world.execution(decision)).toMatchObject({ actual: 'lean' });
    for (let receives = 1; receives < 3; receives += 1) {
      world.clock.advanceTo(world.clock.now() + 151 * second);
      await world.deliver('lean');
    }
    world.clock.advanceTo(world.clock.now() + 151 * second);
    await world.deliver('lean');
    expect(world.statistics('lean.fifo')).toMatchObject({ visible: 0, inFlight: 0 });
    expect(world.statistics(deadLetterOf('lean'))).toMatchObject({ visible: 1 });
    const complaint = world.telemetry.logs().find(({ message }) => message === 'message malformed');
    expect(complaint?.fields).toMatchObject({ group: 'paper:NVDA' });
  });

  it('[E10] denies a decision whose message was lost, ten minutes after it was made, with a code', async () => {
    const decision = await world.decide();
    world.queues.purge(world.queueNames.lean);
    world.clock.advanceTo(decision.request.decidedAt + 10 * minute);
    await world.sync();
    expect(await world.decision(decision.id)).toMatchObject({ status: 'queued', reasons: [] });
    world.clock.advanceTo(decision.request.decidedAt + 11 * minute);
    await world.sync();
    expect(await world.decision(decision.id)).toMatchObject({
      status: 'denied',
      reasons: ['decision_timeout_unsubmitted'],
    });
    expect(submissions()).toBe(0);
    await world.expectConsistent();
  });

  it('[E10] sends what was decided but never published: the next order sync sweeps it', async () => {
    const decision = await world.decide({ publish: false });
    world.clock.advanceTo(decision.request.decidedAt + 59 * second);
    await world.invoke('followUp', [
      {
        schema: 'torghut.order-follow-up.v1',
        account_label: 'paper',
        client_order_id: decision.clientOrderId,
        reason: 'time_to_live',
      },
    ]);
    await world.drain();
    expect(await world.execution(decision)).toMatchObject({ actual: 'lean' });
    await world.minutes(1);
    await world.expectConsistent();
  });
});

describe('workers that die or are overtaken', () => {
  /** A worker that dies at one call of its ledger. */
  const dyingAt = (call: 'markInFlight' | 'settleOrder', before: boolean): ExecutionLedger => {
    const { ledger } = world.ports.lean;
    const die = async (work: () => Promise<unknown>): Promise<never> => {
      if (!before) await work();
      throw new Error('killed');
    };
    return {
      ...ledger,
      [call]: (...values: never[]) => die(() => (ledger[call] as (...all: never[]) => Promise<unknown>)(...values)),
    };
  };

  it.each([
    ['before it marked the write', 'markInFlight', true],
    ['after it marked the write, before it was sent', 'markInFlight', false],
    ['after the venue answered, before it settled', 'settleOrder', true],
    ['after it settled', 'settleOrder', false],
  ] as const)('[E10] one order when the worker dies %s', async (_, call, before) => {
    const decision = await world.decide();
    const { lean } = world.ports;
    await expect(routeOrder(decision.request, { ...lean, ledger: dyingAt(call, before) })).rejects.toThrow('killed');
    // What may have been sent is left to the order sync: that message need not come back.
    expect(await world.invoke('lean', [executionRequestJson(decision.request)])).toEqual({
      batchItemFailures: call === 'markInFlight' && before ? [{ itemIdentifier: 'message-1' }] : [],
    });
    world.clock.advanceTo(world.clock.now() + 31 * second);
    await world.drain();
    await world.minutes(3);
    expect(world.twins.alpaca.orders()).toHaveLength(1);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled' });
    await world.expectConsistent();
  });

  it('[E10] says that a decision is unknown while the write of its dead worker cannot be looked up', async () => {
    const decision = await world.decide();
    const { lean } = world.ports;
    await expect(routeOrder(decision.request, { ...lean, ledger: dyingAt('settleOrder', true) })).rejects.toThrow();
    world.queues.purge(world.queueNames.lean);
    await world.lookups({ kind: 'answer', answer: { status: 503, body: {} } });
    await world.minutes(2);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'unknown' });
    await world.lookups(null);
    await world.minutes(2);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    await world.expectConsistent();
  });

  it('[E6] holds the death of workers against no venue', async () => {
    const { lean } = world.ports;
    for (const symbol of ['AAPL', 'NVDA', 'MSFT']) {
      const decision = await world.decide({ symbol });
      await expect(routeOrder(decision.request, { ...lean, ledger: dyingAt('settleOrder', true) })).rejects.toThrow();
    }
    world.queues.purge(world.queueNames.lean);
    await world.minutes(2);
    const next = await world.order();
    expect(await world.execution(next)).toMatchObject({ actual: 'lean', count: 0 });
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E10] refuses to settle for a worker whose permit is not the latest', async () => {
    const decision = await world.decide();
    const { lean } = world.ports;
    const venue: typeof lean.venue = {
      ...lean.venue,
      submit: async (order, permit) => {
        const outcome = await lean.venue.submit(order, permit);
        // Frozen until its lease is over, while the order sync resolves the write.
        world.clock.advanceTo(world.clock.now() + minute);
        await world.sync();
        return outcome;
      },
    };
    expect(await routeOrder(decision.request, { ...lean, venue })).toBe('finished');
    expect(await world.receipts(decision)).toMatchObject([{ outcome: 'adopted' }]);
    expect(await world.execution(decision)).toMatchObject({ actual: 'lean', provenance_source: 'adopted' });
    await world.drain();
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E10] sends nothing for a worker that lost its claim before the write', async () => {
    const decision = await world.decide();
    const { lean } = world.ports;
    const ledger: ExecutionLedger = {
      ...lean.ledger,
      markInFlight: async (permit, now) => {
        world.clock.advanceTo(world.clock.now() + 31 * second);
        await world.drain();
        return lean.ledger.markInFlight(permit, now);
      },
    };
    expect(await routeOrder(decision.request, { ...lean, ledger })).toBe('retry');
    expect(submissions()).toBe(1);
    await world.minutes(1);
    await world.expectConsistent();
  });
});
