import * as z from 'zod';
import type { MessageToSend, QueueEngine, ReceivedMessage } from './queue-engine.ts';
import { sqsLimits } from './queue-engine.ts';
import { type Operation, operation } from './operation.ts';
import { SqsError } from './sqs-error.ts';

/** Where the queues live: their URLs and ARNs are made of it. */
export interface QueueAddress {
  readonly origin: string;
  readonly region: string;
  readonly accountId: string;
}

export const queueUrlOf = (address: QueueAddress, queue: string): string =>
  `${address.origin}/${address.accountId}/${queue}`;
export const queueArnOf = (address: Omit<QueueAddress, 'origin'>, queue: string): string =>
  `arn:aws:sqs:${address.region}:${address.accountId}:${queue}`;

/** System attributes of a received message, all text, as SQS and Lambda name them. */
export const messageAttributes = (
  message: ReceivedMessage,
  arnOf: (queue: string) => string,
): Record<string, string> => ({
  ApproximateReceiveCount: String(message.receiveCount),
  SentTimestamp: String(message.sentAt),
  SenderId: 'local',
  ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
  ...(message.groupId === null ? {} : { MessageGroupId: message.groupId }),
  ...(message.deduplicationId === null ? {} : { MessageDeduplicationId: message.deduplicationId }),
  ...(message.sequenceNumber === null ? {} : { SequenceNumber: message.sequenceNumber }),
  ...(message.deadLetterSource === null ? {} : { DeadLetterQueueSourceArn: arnOf(message.deadLetterSource) }),
});

const outgoing = {
  MessageBody: z.string(),
  DelaySeconds: z.number().optional(),
  MessageGroupId: z.string().optional(),
  MessageDeduplicationId: z.string().optional(),
};
type Outgoing = z.output<z.ZodObject<typeof outgoing>>;

const messageOf = (entry: Outgoing): MessageToSend => ({
  body: entry.MessageBody,
  ...(entry.DelaySeconds === undefined ? {} : { delaySeconds: entry.DelaySeconds }),
  ...(entry.MessageGroupId === undefined ? {} : { groupId: entry.MessageGroupId }),
  ...(entry.MessageDeduplicationId === undefined ? {} : { deduplicationId: entry.MessageDeduplicationId }),
});

const nameOfUrl = (queueUrl: string): string => queueUrl.slice(queueUrl.lastIndexOf('/') + 1);

interface BatchFailure {
  readonly Id: string;
  readonly SenderFault: boolean;
  readonly Code: string;
  readonly Message: string;
}

/** Answers each entry of a batch on its own: one that fails does not stop the next. */
const batch = <Entry extends { readonly Id: string }, Success>(
  entries: readonly Entry[],
  process: (entry: Entry) => Success,
): { Successful: (Success & { Id: string })[]; Failed: BatchFailure[] } => {
  if (entries.length === 0)
    throw new SqsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > sqsLimits.batchEntries) {
    throw new SqsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${sqsLimits.batchEntries}. You have sent ${entries.length}.`,
    );
  }
  if (new Set(entries.map(({ Id }) => Id)).size < entries.length) {
    throw new SqsError('BatchEntryIdsNotDistinct', 'Two or more batch entries in the request have the same Id.');
  }
  const malformed = entries.find(({ Id }) => !/^[A-Za-z0-9_-]{1,80}$/.test(Id));
  if (malformed !== undefined) {
    throw new SqsError(
      'InvalidBatchEntryId',
      `A batch entry id can only contain alphanumeric characters, hyphens and underscores, at most 80; found "${malformed.Id}".`,
    );
  }
  const answer: { Successful: (Success & { Id: string })[]; Failed: BatchFailure[] } = { Successful: [], Failed: [] };
  for (const entry of entries) {
    try {
      answer.Successful.push({ ...process(entry), Id: entry.Id });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      answer.Failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return answer;
};

const queueAttributeNames = [
  'All',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'QueueArn',
  'VisibilityTimeout',
  'DelaySeconds',
  'MessageRetentionPeriod',
  'FifoQueue',
  'ContentBasedDeduplication',
  'RedrivePolicy',
] as const;

const queueUrl = { QueueUrl: z.string() };

/**
 * The operations of SQS that the control plane and its operators use. Time is virtual, so a long poll that finds
 * nothing is answered at once. A field that is not listed is refused rather than ignored.
 */
export const sqsOperations = (engine: QueueEngine, address: () => QueueAddress): Record<string, Operation> => {
  const arnOf = (queue: string) => queueArnOf(address(), queue);
  const send = (queue: string, entry: Outgoing) => {
    const sent = engine.send(queue, messageOf(entry));
    return {
      MessageId: sent.messageId,
      MD5OfMessageBody: sent.md5OfBody,
      ...(sent.sequenceNumber === null ? {} : { SequenceNumber: sent.sequenceNumber }),
    };
  };
  return {
    SendMessage: operation(z.strictObject({ ...queueUrl, ...outgoing }), ({ QueueUrl, ...message }) =>
      send(nameOfUrl(QueueUrl), message),
    ),
    SendMessageBatch: operation(
      z.strictObject({ ...queueUrl, Entries: z.array(z.strictObject({ Id: z.string(), ...outgoing })) }),
      ({ QueueUrl, Entries }) => {
        engine.settingsOf(nameOfUrl(QueueUrl));
        const bytes = Entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.MessageBody), 0);
        if (bytes > sqsLimits.messageBytes) {
          throw new SqsError(
            'BatchRequestTooLong',
            `Batch requests cannot be longer than ${sqsLimits.messageBytes} bytes. You have sent ${bytes} bytes.`,
          );
        }
        return batch(Entries, (entry) => send(nameOfUrl(QueueUrl), entry));
      },
    ),
    ReceiveMessage: operation(
      z.strictObject({
        ...queueUrl,
        MaxNumberOfMessages: z.number().default(1),
        VisibilityTimeout: z.number().optional(),
        WaitTimeSeconds: z.number().min(0).max(20).optional(),
        MessageSystemAttributeNames: z.array(z.string()).default([]),
        AttributeNames: z.array(z.string()).default([]),
      }),
      ({ QueueUrl, MaxNumberOfMessages: limit, VisibilityTimeout, MessageSystemAttributeNames, AttributeNames }) => {
        const wanted = new Set([...MessageSystemAttributeNames, ...AttributeNames]);
        const received = engine.receive(nameOfUrl(QueueUrl), {
          limit,
          ...(VisibilityTimeout === undefined ? {} : { visibilityTimeoutSeconds: VisibilityTimeout }),
        });
        if (received.length === 0) return {};
        return {
          Messages: received.map((message) => ({
            MessageId: message.messageId,
            ReceiptHandle: message.receiptHandle,
            MD5OfBody: message.md5OfBody,
            Body: message.body,
            Attributes: Object.fromEntries(
              Object.entries(messageAttributes(message, arnOf)).filter(
                ([name]) => wanted.has('All') || wanted.has(name),
              ),
            ),
          })),
        };
      },
    ),
    DeleteMessage: operation(
      z.strictObject({ ...queueUrl, ReceiptHandle: z.string() }),
      ({ QueueUrl, ReceiptHandle }) => {
        engine.delete(nameOfUrl(QueueUrl), ReceiptHandle);
        return {};
      },
    ),
    DeleteMessageBatch: operation(
      z.strictObject({ ...queueUrl, Entries: z.array(z.strictObject({ Id: z.string(), ReceiptHandle: z.string() })) }),
      ({ QueueUrl, Entries }) => {
        engine.settingsOf(nameOfUrl(QueueUrl));
        return batch(Entries, ({ ReceiptHandle }) => {
          engine.delete(nameOfUrl(QueueUrl), ReceiptHandle);
          return {};
        });
      },
    ),
    ChangeMessageVisibility: operation(
      z.strictObject({ ...queueUrl, ReceiptHandle: z.string(), VisibilityTimeout: z.number() }),
      ({ QueueUrl, ReceiptHandle, VisibilityTimeout }) => {
        engine.changeVisibility(nameOfUrl(QueueUrl), ReceiptHandle, VisibilityTimeout);
        return {};
      },
    ),
    GetQueueUrl: operation(z.strictObject({ QueueName: z.string() }), ({ QueueName }) => ({
      QueueUrl: queueUrlOf(address(), engine.settingsOf(QueueName).name),
    })),
    ListQueues: operation(z.strictObject({ QueueNamePrefix: z.string().default('') }), ({ QueueNamePrefix }) => ({
      QueueUrls: engine
        .queueNames()
        .filter((name) => name.startsWith(QueueNamePrefix))
        .map((name) => queueUrlOf(address(), name)),
    })),
    GetQueueAttributes: operation(
      z.strictObject({ ...queueUrl, AttributeNames: z.array(z.enum(queueAttributeNames)).default([]) }),
      ({ QueueUrl, AttributeNames }) => {
        const name = nameOfUrl(QueueUrl);
        const settings = engine.settingsOf(name);
        const counts = engine.statistics(name);
        const all: Partial<Record<(typeof queueAttributeNames)[number], string>> = {
          ApproximateNumberOfMessages: String(counts.visible),
          ApproximateNumberOfMessagesNotVisible: String(counts.inFlight),
          ApproximateNumberOfMessagesDelayed: String(counts.delayed),
          QueueArn: arnOf(name),
          VisibilityTimeout: String(settings.visibilityTimeoutSeconds),
          DelaySeconds: String(settings.delaySeconds),
          MessageRetentionPeriod: String(settings.retentionSeconds),
          ...(settings.fifo
            ? { FifoQueue: 'true', ContentBasedDeduplication: String(settings.contentBasedDeduplication) }
            : {}),
          ...(settings.deadLetter === null
            ? {}
            : {
                RedrivePolicy: JSON.stringify({
                  deadLetterTargetArn: arnOf(settings.deadLetter.queue),
                  maxReceiveCount: settings.deadLetter.maxReceiveCount,
                }),
              }),
        };
        const wanted = new Set<string>(AttributeNames);
        return {
          Attributes: Object.fromEntries(Object.entries(all).filter(([key]) => wanted.has('All') || wanted.has(key))),
        };
      },
    ),
    PurgeQueue: operation(z.strictObject(queueUrl), ({ QueueUrl }) => {
      engine.purge(nameOfUrl(QueueUrl));
      return {};
    }),
  };
};
