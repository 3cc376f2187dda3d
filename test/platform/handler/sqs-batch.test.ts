import { createMemoryTelemetry, fifoGroup, ownGroup, sqsBatchHandler } from '@torghut/platform';
import type { Context, SQSRecord } from 'aws-lambda';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

const context = { awsRequestId: 'request-1' } as Context;
const schema = z.object({ id: z.string() });

const record = (messageId: string, group: string | null, body = JSON.stringify({ id: messageId })): SQSRecord => ({
  messageId,
  body,
  receiptHandle: messageId,
  attributes: {
    ApproximateReceiveCount: '2',
    SentTimestamp: '0',
    SenderId: 'sender',
    ApproximateFirstReceiveTimestamp: '0',
    ...(group === null ? {} : { MessageGroupId: group }),
  },
  messageAttributes: {},
  md5OfBody: '',
  eventSource: 'aws:sqs',
  eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:lean.fifo',
  awsRegion: 'us-east-1',
});

const deliver = async (records: readonly SQSRecord[], failing: ReadonlySet<string>, groupOf = fifoGroup) => {
  const telemetry = createMemoryTelemetry();
  const processed: string[] = [];
  const handler = sqsBatchHandler(telemetry, {
    schema,
    groupOf,
    process: ({ id }) => {
      if (failing.has(id)) return Promise.reject(new Error(`cannot process ${id}`));
      processed.push(id);
      return Promise.resolve();
    },
  });
  const { batchItemFailures } = await handler({ Records: [...records] }, context);
  return { processed, failed: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier), logs: telemetry.logs() };
};

describe('a batch of a FIFO queue', () => {
  it('returns the failed message and every later one of its group, and goes on with other groups', async () => {
    const records = [record('a1', 'A'), record('b1', 'B'), record('a2', 'A'), record('b2', 'B'), record('a3', 'A')];
    const { processed, failed, logs } = await deliver(records, new Set(['a2']));
    expect(processed).toEqual(['a1', 'b1', 'b2']);
    expect(failed).toEqual(['a2', 'a3']);
    expect(logs).toMatchObject([
      {
        level: 'error',
        message: 'message failed',
        fields: { messageId: 'a2', group: 'A', receiveCount: '2', error: { message: 'cannot process a2' } },
      },
    ]);
  });

  it.each([
    { body: 'not json', expected: 'a JSON document' },
    { body: '{"id":7}', expected: 'Invalid input: expected string, received number' },
  ])('fails a malformed body $body with a logged reason, and blocks its group', async ({ body, expected }) => {
    const { processed, failed, logs } = await deliver(
      [record('a1', 'A', body), record('a2', 'A'), record('b1', 'B')],
      new Set(),
    );
    expect(processed).toEqual(['b1']);
    expect(failed).toEqual(['a1', 'a2']);
    expect(logs).toMatchObject([
      { message: 'message malformed', fields: { messageId: 'a1', problems: [{ expected }] } },
    ]);
  });

  it('keeps the order of every group whatever fails: what is processed is a prefix, what is returned the rest', async () => {
    const message = fc.record({
      group: fc.constantFrom('A', 'B', 'C', 'D'),
      fails: fc.boolean(),
      malformed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 10 }), async (messages) => {
        const records = messages.map(({ group, malformed }, index) =>
          malformed ? record(`m${index}`, group, '{') : record(`m${index}`, group),
        );
        const failing = new Set(messages.flatMap(({ fails }, index) => (fails ? [`m${index}`] : [])));
        const { processed, failed } = await deliver(records, failing);
        for (const group of ['A', 'B', 'C', 'D']) {
          const ids = records.filter((each) => fifoGroup(each) === group).map(({ messageId }) => messageId);
          const firstBad = ids.findIndex((id) => failing.has(id) || messages[Number(id.slice(1))]?.malformed === true);
          const prefix = firstBad === -1 ? ids : ids.slice(0, firstBad);
          expect(processed.filter((id) => ids.includes(id))).toEqual(prefix);
          expect(failed.filter((id) => ids.includes(id))).toEqual(ids.slice(prefix.length));
        }
      }),
    );
  });

  it('refuses a message without a group', async () => {
    await expect(deliver([record('a1', null)], new Set())).rejects.toThrow('expected a FIFO message with a group');
  });
});

it('a batch of a standard queue returns only what failed', async () => {
  const records = [record('a', null), record('b', null), record('c', null)];
  const { processed, failed } = await deliver(records, new Set(['b']), ownGroup);
  expect(processed).toEqual(['a', 'c']);
  expect(failed).toEqual(['b']);
});
