import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { MessagePublisher, OutboxMessage } from '@torghut/domain';
import { describeError } from './describe-error.ts';

/** Queue of a topic. A FIFO queue gets group and deduplication ids, a standard queue gets delays. */
export interface TopicQueue {
  readonly url: string;
  readonly fifo: boolean;
}

interface Outcome {
  readonly accepted: number[];
  readonly failed: { id: number; error: string }[];
}

/** Limit of SQS for one request. */
const batchEntries = 10;
/** Below the 1 MiB that SQS allows, for the entries' other fields. */
const batchBytes = 1_000_000;

/**
 * Publishes outbox messages to SQS. Entries of one batch fail independently of each other, so a batch holds at most one
 * message of a group: the next one is sent only when its predecessor was accepted. After a failure the later messages of
 * the group are reported as failed without being sent. Different queues are served in parallel.
 */
export const sqsPublisher = (client: SQSClient, queues: Readonly<Record<string, TopicQueue>>): MessagePublisher => ({
  publish: async (messages) => {
    const outcome: Outcome = { accepted: [], failed: [] };
    const byTopic = [...Map.groupBy(messages, ({ topic }) => topic)];
    await Promise.all(
      byTopic.map(async ([topic, ofTopic]) => {
        const queue = queues[topic];
        if (queue !== undefined) {
          await publishToQueue(client, queue, ofTopic, outcome);
          return;
        }
        const error = `expected a topic out of ${Object.keys(queues).join(', ')}, found "${topic}"`;
        outcome.failed.push(...ofTopic.map(({ id }) => ({ id, error })));
      }),
    );
    return outcome;
  },
});

const publishToQueue = async (
  client: SQSClient,
  queue: TopicQueue,
  messages: readonly OutboxMessage[],
  outcome: Outcome,
): Promise<void> => {
  let waiting = messages;
  while (waiting.length > 0) {
    const { batch, rest } = nextBatch(waiting);
    const errors = await sendBatch(client, queue, batch);
    const failedGroups = new Map<string, number>();
    for (const message of batch) {
      const error = errors.get(message.id);
      if (error === undefined) outcome.accepted.push(message.id);
      else {
        outcome.failed.push({ id: message.id, error });
        failedGroups.set(message.groupKey, message.id);
      }
    }
    waiting = rest.filter((message) => {
      const failedBefore = failedGroups.get(message.groupKey);
      if (failedBefore === undefined) return true;
      outcome.failed.push({ id: message.id, error: `not sent: message ${failedBefore} of its group failed before it` });
      return false;
    });
  }
};

/** The first message of each group, as far as they fit into one request, and the others in their order. */
const nextBatch = (messages: readonly OutboxMessage[]): { batch: OutboxMessage[]; rest: OutboxMessage[] } => {
  const batch: OutboxMessage[] = [];
  const rest: OutboxMessage[] = [];
  const groups = new Set<string>();
  let bytes = 0;
  for (const message of messages) {
    const mayFollow = batch.length < batchEntries && !groups.has(message.groupKey);
    const size = mayFollow ? Buffer.byteLength(message.body) : 0;
    // A message above the limit goes alone, and SQS refuses it by its own rule.
    if (mayFollow && (batch.length === 0 || bytes + size <= batchBytes)) {
      batch.push(message);
      bytes += size;
    } else rest.push(message);
    groups.add(message.groupKey);
  }
  return { batch, rest };
};

/** Errors by message id. When the call itself failed nothing is known to be accepted, so all failed. */
const sendBatch = async (
  client: SQSClient,
  queue: TopicQueue,
  batch: readonly OutboxMessage[],
): Promise<ReadonlyMap<number, string>> => {
  try {
    const answer = await client.send(
      new SendMessageBatchCommand({
        QueueUrl: queue.url,
        Entries: batch.map(({ id, body, groupKey, dedupId, delaySeconds }) => ({
          Id: String(id),
          MessageBody: body,
          ...(queue.fifo
            ? { MessageGroupId: groupKey, MessageDeduplicationId: dedupId }
            : { DelaySeconds: delaySeconds }),
        })),
      }),
    );
    const failures = new Map(
      (answer.Failed ?? []).map(({ Id, Code, Message }) => [Id, `${Code ?? 'unknown'}: ${Message ?? ''}`]),
    );
    const accepted = new Set((answer.Successful ?? []).map(({ Id }) => Id));
    return new Map(
      batch
        .filter(({ id }) => !accepted.has(String(id)))
        .map(({ id }) => [id, failures.get(String(id)) ?? 'neither accepted nor refused in the answer']),
    );
  } catch (error) {
    const reason = describeError(error);
    return new Map(batch.map(({ id }) => [id, reason]));
  }
};
