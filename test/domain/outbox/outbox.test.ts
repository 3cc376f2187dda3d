import { publishOutbox, type MessagePublisher, type Outbox, type OutboxMessage } from '@torghut/domain';
import { describe, expect, it } from 'vitest';

const now = Date.parse('2026-02-13T15:00:00.000Z');

/** An outbox in memory: what was accepted is not handed out again. */
const outboxOf = (count: number) => {
  let pending: OutboxMessage[] = Array.from({ length: count }, (_, id) => ({
    id,
    topic: 'lean',
    groupKey: 'paper:NVDA',
    dedupId: `message-${id}`,
    body: '{}',
    delaySeconds: 0,
  }));
  const drains: number[] = [];
  const outbox: Outbox = {
    drain: async (_now, limit, send) => {
      const batch = pending.slice(0, limit);
      drains.push(batch.length);
      const { accepted } = await send(batch);
      pending = pending.filter(({ id }) => !accepted.includes(id));
      return { taken: batch.length, accepted: accepted.length };
    },
  };
  return { outbox, drains, pending: () => pending.map(({ id }) => id) };
};

/** A publisher that takes messages until its budget is used up. */
const publisherOf = (budget: number): { readonly publisher: MessagePublisher; readonly sent: number[] } => {
  const sent: number[] = [];
  return {
    sent,
    publisher: {
      publish: (messages) => {
        const accepted = messages.slice(0, Math.max(0, budget - sent.length)).map(({ id }) => id);
        sent.push(...accepted);
        const failed = messages.filter(({ id }) => !accepted.includes(id)).map(({ id }) => ({ id, error: 'refused' }));
        return Promise.resolve({ accepted, failed });
      },
    },
  };
};

describe('publishing the outbox', () => {
  it.each([0, 1, 499, 500, 501, 1_000, 1_234])(
    'hands over each of %i pending messages once, in order',
    async (count) => {
      const { outbox, drains, pending } = outboxOf(count);
      const { publisher, sent } = publisherOf(Number.POSITIVE_INFINITY);
      expect(await publishOutbox(outbox, publisher, now)).toBe(count);
      expect(sent).toEqual(Array.from({ length: count }, (_, id) => id));
      expect(pending()).toEqual([]);
      expect(drains).toHaveLength(Math.floor(count / 500) + 1);
    },
  );

  it('stops at a batch that was not accepted whole, and leaves the rest for the next sweep', async () => {
    const { outbox, drains, pending } = outboxOf(1_200);
    expect(await publishOutbox(outbox, publisherOf(700).publisher, now)).toBe(700);
    expect(drains).toEqual([500, 500]);
    expect(pending()[0]).toBe(700);
    expect(await publishOutbox(outbox, publisherOf(5_000).publisher, now)).toBe(500);
    expect(pending()).toEqual([]);
  });

  it('does not try again when nothing at all is accepted', async () => {
    const { outbox, drains } = outboxOf(1_200);
    expect(await publishOutbox(outbox, publisherOf(0).publisher, now)).toBe(0);
    expect(drains).toEqual([500]);
  });
});
