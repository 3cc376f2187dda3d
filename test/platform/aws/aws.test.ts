import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventBus, secretsReader, SecretUnavailable, sqsPublisher } from '@torghut/platform';
import { second, type MessagePublisher, type OutboxMessage } from '@torghut/domain';
import { type LocalAws, localAws, queueSettings, startAt } from '../../support/local-aws.ts';

let aws: LocalAws;
beforeEach(async () => {
  aws = await localAws();
});
afterEach(() => aws.close());

describe('sqsPublisher', () => {
  let publisher: MessagePublisher;
  beforeEach(() => {
    for (const name of ['lean.fifo', 'alpaca.fifo', 'follow-up']) aws.engine.createQueue(queueSettings(name));
    publisher = sqsPublisher(aws.sqs, {
      lean: { url: aws.endpoint.queueUrl('lean.fifo'), fifo: true },
      alpaca: { url: aws.endpoint.queueUrl('alpaca.fifo'), fifo: true },
      followUp: { url: aws.endpoint.queueUrl('follow-up'), fifo: false },
    });
  });
  const message = (id: number, change: Partial<OutboxMessage> = {}): OutboxMessage => ({
    id,
    topic: 'lean',
    groupKey: 'paper:NVDA',
    dedupId: `d${id}`,
    body: String(id),
    delaySeconds: 0,
    ...change,
  });
  const received = (queue: string) => {
    const all: string[] = [];
    for (;;) {
      const messages = aws.engine.receive(queue);
      if (messages.length === 0) return all;
      all.push(...messages.map(({ body }) => body));
      for (const { receiptHandle } of messages) aws.engine.delete(queue, receiptHandle);
    }
  };
  const sorted = (ids: readonly number[]) => [...ids].sort((a, b) => a - b);

  it('sends every message to the queue of its topic, in the order of its group', async () => {
    const messages = Array.from({ length: 40 }, (_, id) =>
      message(id, { topic: id % 4 === 0 ? 'alpaca' : 'lean', groupKey: `paper:S${id % 3}` }),
    );
    const { accepted, failed } = await publisher.publish(messages);
    expect(sorted(accepted)).toEqual(messages.map(({ id }) => id));
    expect(failed).toEqual([]);
    const lean = received('lean.fifo').map(Number);
    expect(lean).toHaveLength(30);
    for (const group of [0, 1, 2]) {
      const ofGroup = lean.filter((id) => id % 3 === group);
      expect(ofGroup).toEqual(sorted(ofGroup));
    }
    expect(received('alpaca.fifo')).toHaveLength(10);
  });

  it('sends no later message of a group after one failed, and keeps the other groups going', async () => {
    aws.endpoint.failNext('SendMessageBatch', 1, 'first_entry_failed');
    const { accepted, failed } = await publisher.publish([
      message(1),
      message(2),
      message(3, { groupKey: 'paper:AAPL' }),
      message(4),
      message(5, { groupKey: 'paper:AAPL' }),
    ]);
    expect(sorted(accepted)).toEqual([3, 5]);
    expect(failed.find(({ id }) => id === 1)?.error).toMatch(/InternalError/);
    expect(failed.map(({ id, error }) => [id, error.startsWith('not sent')])).toEqual([
      [1, false],
      [2, true],
      [4, true],
    ]);
    expect(received('lean.fifo')).toEqual(['3', '5']);
  });

  it('fails all messages of a call that failed, and a repeated publication doubles nothing that did arrive', async () => {
    aws.endpoint.failNext('SendMessageBatch', 3, 'answer_lost');
    const messages = [message(1), message(2, { groupKey: 'paper:AAPL' })];
    expect((await publisher.publish(messages)).failed.map(({ id }) => id)).toEqual([1, 2]);
    expect((await publisher.publish(messages)).accepted).toEqual([1, 2]);
    expect(received('lean.fifo')).toEqual(['1', '2']);
  });

  it('delays messages of a standard queue', async () => {
    await publisher.publish([message(1, { topic: 'followUp', delaySeconds: 30 })]);
    expect(received('follow-up')).toEqual([]);
    aws.clock.advanceTo(startAt + 30 * second);
    expect(received('follow-up')).toEqual(['1']);
  });

  it('fails a message of an unknown topic without touching the others', async () => {
    const { accepted, failed } = await publisher.publish([message(1, { topic: 'other' }), message(2)]);
    expect(accepted).toEqual([2]);
    expect(failed).toEqual([{ id: 1, error: 'expected a topic out of lean, alpaca, followUp, found "other"' }]);
  });

  it('sends bodies that do not fit into one request in several', async () => {
    const body = 'x'.repeat(400_000);
    const messages = [1, 2, 3, 4].map((id) => message(id, { body, groupKey: `paper:S${id}` }));
    expect((await publisher.publish(messages)).failed).toEqual([]);
  });
});

describe('secretsReader', () => {
  const schema = z.strictObject({ key: z.string(), secret: z.string() });
  const put = (value: string) => {
    aws.secrets.put('alpaca', value);
  };
  const reader = () => secretsReader(aws.secretsManager, { clock: aws.clock });

  it('keeps a secret for 5 minutes and no longer', async () => {
    const secrets = reader();
    put('{"key":"1","secret":"s"}');
    expect(await secrets.get('alpaca', schema)).toEqual({ key: '1', secret: 's' });
    put('{"key":"2","secret":"s"}');
    aws.clock.advanceTo(startAt + 300 * second - 1);
    expect((await secrets.get('alpaca', schema)).key).toBe('1');
    aws.clock.advanceTo(startAt + 300 * second);
    expect((await secrets.get('alpaca', schema)).key).toBe('2');
  });

  it('reads a rotated secret at once after a refusal, and once for all who were refused', async () => {
    const secrets = reader();
    put('{"key":"1","secret":"s"}');
    const used = await secrets.get('alpaca', schema);
    put('{"key":"2","secret":"s"}');
    let calls = 0;
    aws.secretsManager.middlewareStack.add(
      (next) => (call) => {
        calls += 1;
        return next(call);
      },
      { step: 'initialize' },
    );
    const both = await Promise.all([1, 2].map(() => secrets.credentials('alpaca', schema).renew(used)));
    expect(both.map((credentials) => credentials?.key)).toEqual(['2', '2']);
    expect(calls).toBe(1);
    expect((await secrets.get('alpaca', schema)).key).toBe('2');
  });

  it.each([
    ['a missing secret', null, /cannot be read \(ResourceNotFoundException\)/],
    ['text that is not JSON', 'hunter2', /expected a JSON document/],
    [
      'a document of another form',
      '{"key":"hunter2","password":"hunter2"}',
      /not of the expected form at secret \(invalid_type\)/,
    ],
  ])('names the secret and not its content when it finds %s', async (_, value, expected) => {
    if (value !== null) put(value);
    const error: unknown = await reader()
      .get('alpaca', schema)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SecretUnavailable);
    const { message } = error as SecretUnavailable;
    expect(message).toMatch(/^secret alpaca: /);
    expect(message).toMatch(expected);
    expect(JSON.stringify(error) + message + String((error as Error).stack)).not.toContain('hunter2');
  });

  it('fails closed when an expired secret cannot be read again', async () => {
    const secrets = reader();
    put('{"key":"1","secret":"s"}');
    await secrets.get('alpaca', schema);
    aws.clock.advanceTo(startAt + 300 * second);
    aws.endpoint.failNext('GetSecretValue', 3, 'unavailable');
    await expect(secrets.get('alpaca', schema)).rejects.toThrow(/secret alpaca: cannot be read/);
  });

  it('refuses to keep secrets longer than 5 minutes', () => {
    expect(() => secretsReader(aws.secretsManager, { clock: aws.clock, cacheSeconds: 301 })).toThrow(
      'must be 0 to 300, was 301',
    );
  });
});

describe('eventBus', () => {
  const event = (n: number) => ({ type: 'decision.planned', at: startAt, detail: { n } });

  it('puts events in their order with the source of the control plane', async () => {
    const events = Array.from({ length: 25 }, (_, n) => event(n));
    expect(await eventBus(aws.eventBridge, 'torghut').put(events)).toEqual({ accepted: 25, failed: [] });
    const recorded = aws.events.ofType('decision.planned');
    expect(recorded.map(({ detail }) => detail)).toEqual(events.map(({ detail }) => JSON.stringify(detail)));
    expect(recorded[0]).toMatchObject({ source: 'torghut', bus: 'torghut', at: startAt });
  });

  it('tells which events were not accepted', async () => {
    aws.endpoint.failNext('PutEvents', 1, 'first_entry_failed');
    const result = await eventBus(aws.eventBridge, 'torghut').put([event(0), event(1)]);
    expect(result).toEqual({ accepted: 1, failed: [{ index: 0, error: 'InternalFailure: Internal error' }] });
    aws.endpoint.failNext('PutEvents', 3, 'unavailable');
    expect(await eventBus(aws.eventBridge, 'torghut').put([event(2)])).toMatchObject({
      accepted: 0,
      failed: [{ index: 0 }],
    });
  });
});
