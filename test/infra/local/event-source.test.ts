import type { Context, SQSEvent } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { second } from '@torghut/domain';
import { createEventSource, type EventSourceSettings } from '../../../infra/local/aws/event-source.ts';
import { localQueues, queueSettings } from '../../support/local-aws.ts';

const prepare = (handler: EventSourceSettings['handler'], change: Partial<EventSourceSettings> = {}) => {
  const local = localQueues();
  local.engine.createQueue(queueSettings('orders.fifo'));
  const source = createEventSource(local.engine, local.clock, {
    queue: 'orders.fifo',
    batchSize: 10,
    maximumConcurrency: 1,
    reportBatchItemFailures: true,
    function: { functionName: 'lean-router', timeoutSeconds: 25, memoryMegabytes: 512 },
    handler,
    ...change,
  });
  const send = (body: string, groupId = 'paper:NVDA') =>
    local.engine.send('orders.fifo', { body, groupId, deduplicationId: body });
  return { ...local, source, send };
};
const bodiesOf = (event: SQSEvent) => event.Records.map(({ body }) => body);

describe('event source', () => {
  it('gives the handler records and a context as Lambda does', async () => {
    const seen: { event: SQSEvent; context: Context; remaining: number }[] = [];
    const { clock, source, send } = prepare(async (event, context) => {
      await clock.sleep(5 * second);
      seen.push({ event, context, remaining: context.getRemainingTimeInMillis() });
    });
    const sent = send('{"order":1}');
    expect(await source.drain()).toEqual({ batches: 1, succeeded: 1, failed: 0, errors: [] });
    expect(seen[0]!.event.Records).toMatchObject([
      {
        messageId: sent.messageId,
        body: '{"order":1}',
        attributes: {
          ApproximateReceiveCount: '1',
          MessageGroupId: 'paper:NVDA',
          MessageDeduplicationId: '{"order":1}',
          SequenceNumber: sent.sequenceNumber,
        },
        messageAttributes: {},
        md5OfBody: sent.md5OfBody,
        eventSource: 'aws:sqs',
        eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:orders.fifo',
        awsRegion: 'us-east-1',
      },
    ]);
    expect(seen[0]!.remaining).toBe(20 * second);
    expect(seen[0]!.context.functionName).toBe('lean-router');
    expect(seen[0]!.context.awsRequestId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it('works in batches until nothing is visible, messages sent meanwhile included', async () => {
    const batches: string[][] = [];
    const { engine, source, send } = prepare(
      (event) => {
        batches.push(bodiesOf(event));
        if (batches.length === 1) send('late');
        return Promise.resolve({ batchItemFailures: [] });
      },
      { batchSize: 2 },
    );
    for (const body of ['1', '2', '3']) send(body);
    expect(await source.drain()).toMatchObject({ batches: 2, succeeded: 4, failed: 0 });
    expect(batches).toEqual([
      ['1', '2'],
      ['3', 'late'],
    ]);
    expect(engine.statistics('orders.fifo')).toMatchObject({ visible: 0, inFlight: 0 });
  });

  it('leaves exactly the reported messages, which come back in order when their visibility ends', async () => {
    let failing = true;
    const { clock, source, send } = prepare((event) =>
      Promise.resolve({
        batchItemFailures: event.Records.filter(({ body }) => failing && body.startsWith('a')).map(({ messageId }) => ({
          itemIdentifier: messageId,
        })),
      }),
    );
    send('a1', 'A');
    send('a2', 'A');
    send('b1', 'B');
    expect(await source.drain()).toMatchObject({ succeeded: 1, failed: 2 });
    expect(await source.drain()).toMatchObject({ batches: 0 });
    failing = false;
    clock.advanceTo(clock.now() + 150 * second);
    expect(await source.drain()).toMatchObject({ batches: 1, succeeded: 2 });
  });

  it.each<[string, (event: SQSEvent) => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('broken handler');
      },
      /broken handler/,
    ],
    ['answers nonsense', () => ({ batchItemFailures: [{ id: 'x' }] }), /malformed batch response/],
    ['names an empty id', () => ({ batchItemFailures: [{ itemIdentifier: '' }] }), /malformed batch response/],
    [
      'names a message that was not sent',
      () => ({ batchItemFailures: [{ itemIdentifier: 'x' }] }),
      /not in the batch: x/,
    ],
  ])('fails the whole batch when the handler %s', async (_, answer, expected) => {
    const { engine, source, send } = prepare(async (event) => Promise.resolve(answer(event)));
    send('1', 'A');
    send('2', 'B');
    const result = await source.drain();
    expect(result).toMatchObject({ batches: 1, succeeded: 0, failed: 2 });
    expect(result.errors.map(({ message }) => message)).toEqual([expect.stringMatching(expected)]);
    expect(engine.statistics('orders.fifo').inFlight).toBe(2);
  });

  it.each([undefined, null, {}, { batchItemFailures: null }, { batchItemFailures: [] }])(
    'takes the answer %j for success',
    async (answer) => {
      const { source, send } = prepare(() => Promise.resolve(answer));
      send('1');
      expect(await source.drain()).toMatchObject({ succeeded: 1, failed: 0, errors: [] });
    },
  );

  it('fails the batch of a function that ran longer than its timeout', async () => {
    const { clock, source, send } = prepare(() => clock.sleep(25 * second + 1));
    send('1');
    const result = await source.drain();
    expect(result).toMatchObject({ succeeded: 0, failed: 1 });
    expect(result.errors[0]!.message).toBe('lean-router timed out after 25.00 seconds');
  });

  it('delivers again what was not deleted before its visibility ended', async () => {
    const counts: (string | undefined)[] = [];
    const { clock, source, send } = prepare(
      async (event) => {
        counts.push(event.Records[0]?.attributes.ApproximateReceiveCount);
        if (counts.length === 1) await clock.sleep(150 * second);
      },
      { function: { functionName: 'lean-router', timeoutSeconds: 900, memoryMegabytes: 512 } },
    );
    send('1');
    expect(await source.drain()).toMatchObject({ batches: 2, succeeded: 1, failed: 1 });
    expect(counts).toEqual(['1', '2']);
  });

  it('gives up on a handler that feeds its own queue for ever', async () => {
    let sent = 0;
    const { source, send } = prepare(() => {
      send(String((sent += 1)));
      return Promise.resolve(null);
    });
    send('first');
    await expect(source.drain()).rejects.toThrow(/still has messages after 10000 batches/);
  });
});
