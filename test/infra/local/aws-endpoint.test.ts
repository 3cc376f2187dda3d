import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSServiceException,
} from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, localAws, queueSettings, startAt } from '../../support/local-aws.ts';

let aws: LocalAws;
let queueUrl: string;

beforeEach(async () => {
  aws = await localAws();
  aws.engine.createQueue(queueSettings('dead.fifo'));
  aws.engine.createQueue(queueSettings('orders.fifo', { deadLetter: { queue: 'dead.fifo', maxReceiveCount: 3 } }));
  queueUrl = aws.endpoint.queueUrl('orders.fifo');
});
afterEach(() => aws.close());

const entry = (id: string, group = 'paper:NVDA') => ({
  Id: id,
  MessageBody: `body of ${id} – ü`,
  MessageGroupId: group,
  MessageDeduplicationId: id,
});

describe('SQS over HTTP, with the SDK client', () => {
  it('sends, receives with all attributes, hides and deletes a message', async () => {
    const sent = await aws.sqs.send(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: 'order – ü',
        MessageGroupId: 'paper:NVDA',
        MessageDeduplicationId: 'd1',
      }),
    );
    expect(sent.SequenceNumber).toMatch(/^\d{20}$/);
    const { Messages: messages } = await aws.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MessageSystemAttributeNames: ['All'], WaitTimeSeconds: 20 }),
    );
    expect(messages).toMatchObject([
      {
        MessageId: sent.MessageId,
        Body: 'order – ü',
        MD5OfBody: sent.MD5OfMessageBody,
        Attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: String(startAt),
          MessageGroupId: 'paper:NVDA',
          MessageDeduplicationId: 'd1',
          SequenceNumber: sent.SequenceNumber,
        },
      },
    ]);
    const ReceiptHandle = messages![0]!.ReceiptHandle;
    await aws.sqs.send(
      new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle, VisibilityTimeout: 10 }),
    );
    await aws.sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
    const empty = await aws.sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }));
    expect(empty.Messages).toBeUndefined();
  });

  it('answers the entries of a batch one by one', async () => {
    const answer = await aws.sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: [entry('1'), { ...entry('2'), DelaySeconds: 5 }, entry('3')],
      }),
    );
    expect(answer.Successful?.map(({ Id }) => Id)).toEqual(['1', '3']);
    expect(answer.Failed).toMatchObject([{ Id: '2', SenderFault: true, Code: 'InvalidParameterValue' }]);
    const { Messages: messages = [] } = await aws.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 }),
    );
    const deleted = await aws.sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: [
          ...messages.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle })),
          { Id: 'x', ReceiptHandle: 'x' },
        ],
      }),
    );
    expect(deleted.Successful).toHaveLength(2);
    expect(deleted.Failed).toMatchObject([{ Id: 'x', Code: 'ReceiptHandleIsInvalid' }]);
  });

  it('tells queues, their settings and counts', async () => {
    await aws.sqs.send(
      new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: [entry('1'), entry('2', 'paper:AAPL')] }),
    );
    await aws.sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }));
    const { Attributes: attributes } = await aws.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }),
    );
    expect(attributes).toMatchObject({
      ApproximateNumberOfMessages: '1',
      ApproximateNumberOfMessagesNotVisible: '1',
      ApproximateNumberOfMessagesDelayed: '0',
      FifoQueue: 'true',
      VisibilityTimeout: '150',
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead.fifo',
        maxReceiveCount: 3,
      }),
    });
    expect((await aws.sqs.send(new GetQueueUrlCommand({ QueueName: 'orders.fifo' }))).QueueUrl).toBe(queueUrl);
    expect((await aws.sqs.send(new ListQueuesCommand({ QueueNamePrefix: 'ord' }))).QueueUrls).toEqual([queueUrl]);
    await aws.sqs.send(new PurgeQueueCommand({ QueueUrl: queueUrl }));
    expect(aws.engine.statistics('orders.fifo')).toMatchObject({ visible: 0, inFlight: 0 });
  });

  it.each([
    ['QueueDoesNotExist', () => new SendMessageCommand({ QueueUrl: aws.endpoint.queueUrl('other'), MessageBody: 'x' })],
    ['ReceiptHandleIsInvalid', () => new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: 'x' })],
    [
      'MissingParameter',
      () => new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: 'x', MessageDeduplicationId: 'd' }),
    ],
    ['InvalidParameterValue', () => new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 11 })],
    ['EmptyBatchRequest', () => new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: [] })],
    [
      'TooManyEntriesInBatchRequest',
      () =>
        new SendMessageBatchCommand({
          QueueUrl: queueUrl,
          Entries: Array.from({ length: 11 }, (_, i) => entry(String(i))),
        }),
    ],
    [
      'BatchEntryIdsNotDistinct',
      () => new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: [entry('1'), entry('1')] }),
    ],
    [
      'BatchRequestTooLong',
      () =>
        new SendMessageBatchCommand({
          QueueUrl: queueUrl,
          Entries: ['1', '2'].map((id) => ({ ...entry(id), MessageBody: 'x'.repeat(600_000) })),
        }),
    ],
    [
      'ValidationException',
      () =>
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: 'x',
          MessageGroupId: 'A',
          MessageDeduplicationId: 'd',
          MessageAttributes: { trace: { DataType: 'String', StringValue: '1' } },
        }),
    ],
  ])('refuses as SQS does, with an error the SDK names %s', async (name, command) => {
    const error: unknown = await aws.sqs.send(command() as SendMessageCommand).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SQSServiceException);
    expect(error).toMatchObject({ name, $metadata: { httpStatusCode: 400, attempts: 1 } });
  });

  it('lets the SDK retry what fails for a moment, and nothing doubles when only the answer was lost', async () => {
    for (const fault of ['throttled', 'unavailable', 'connection_lost', 'answer_lost'] as const) {
      aws.endpoint.failNext('SendMessage', 1, fault);
      const { $metadata } = await aws.sqs.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: fault,
          MessageGroupId: 'A',
          MessageDeduplicationId: fault,
        }),
      );
      expect($metadata.attempts).toBe(2);
    }
    expect(aws.engine.receive('orders.fifo').map(({ body }) => body)).toEqual([
      'throttled',
      'unavailable',
      'connection_lost',
      'answer_lost',
    ]);
  });
});

describe('Secrets Manager over HTTP, with the SDK client', () => {
  it('gives the current and the previous version of a rotated secret, by name and by ARN', async () => {
    aws.secrets.put('alpaca', '{"key":"old"}');
    aws.secrets.put('alpaca', '{"key":"new"}');
    const current = await aws.secretsManager.send(new GetSecretValueCommand({ SecretId: 'alpaca' }));
    expect(current).toMatchObject({
      SecretString: '{"key":"new"}',
      VersionStages: ['AWSCURRENT'],
      CreatedDate: new Date(startAt),
    });
    const previous = await aws.secretsManager.send(
      new GetSecretValueCommand({ SecretId: aws.endpoint.secretArn('alpaca'), VersionStage: 'AWSPREVIOUS' }),
    );
    expect(previous).toMatchObject({ SecretString: '{"key":"old"}', ARN: current.ARN });
    expect(previous.VersionId).not.toBe(current.VersionId);
  });

  it('says that a secret does not exist', async () => {
    await expect(aws.secretsManager.send(new GetSecretValueCommand({ SecretId: 'none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });
});

describe('EventBridge over HTTP, with the SDK client', () => {
  it('records events and refuses malformed ones on their own', async () => {
    const good = {
      Source: 'torghut',
      DetailType: 'decision.planned',
      Detail: '{"symbol":"NVDA"}',
      Time: new Date(startAt),
      EventBusName: 'bus',
    };
    const answer = await aws.eventBridge.send(
      new PutEventsCommand({ Entries: [good, { ...good, Detail: 'no json' }, { Source: 'torghut', Detail: '{}' }] }),
    );
    expect(answer.FailedEntryCount).toBe(2);
    expect(answer.Entries?.map(({ ErrorCode }) => ErrorCode)).toEqual([
      undefined,
      'MalformedDetail',
      'InvalidArgument',
    ]);
    expect(aws.events.counts()).toEqual({ 'decision.planned': 1 });
    expect(aws.events.ofType('decision.planned')).toMatchObject([
      { at: startAt, bus: 'bus', source: 'torghut', detail: '{"symbol":"NVDA"}' },
    ]);
  });
});
