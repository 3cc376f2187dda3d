import type { Context, SQSEvent, SQSRecord } from 'aws-lambda';
import * as z from 'zod';
import { second, type Clock } from '@torghut/domain';
import { localAccountId, localRegion } from './endpoint.ts';
import { lambdaContexts, type LambdaFunctionSettings } from './lambda-context.ts';
import type { QueueEngine, ReceivedMessage } from './queue-engine.ts';
import { messageAttributes, queueArnOf } from './sqs-api.ts';
import { SqsError } from './sqs-error.ts';

/** A Lambda event source mapping of a queue, in the terms of its CloudFormation resource. */
export interface EventSourceSettings {
  readonly queue: string;
  readonly batchSize: number;
  /** Batches in work at once while draining; one at a time keeps a replay repeatable. */
  readonly maximumConcurrency: number;
  readonly reportBatchItemFailures: boolean;
  readonly function: LambdaFunctionSettings;
  readonly handler: (event: SQSEvent, context: Context) => Promise<unknown>;
}

export interface DrainResult {
  readonly batches: number;
  readonly succeeded: number;
  /** Left in the queue: they come back when their visibility ends. */
  readonly failed: number;
  /** Why whole batches failed, in order of occurrence. */
  readonly errors: readonly Error[];
}

export interface EventSource {
  /** Works until nothing is visible now. Time passes only as the handler lets it. */
  drain(): Promise<DrainResult>;
}

const batchResponse = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string().min(1) })).nullish(),
});

/** Batches after which a drain is taken for a handler that feeds its own queue without delay. */
const mostBatches = 10_000;

const endpoint = { region: localRegion, accountId: localAccountId };
const arnOf = (queue: string) => queueArnOf(endpoint, queue);

const recordOf = (queue: string, message: ReceivedMessage): SQSRecord => ({
  messageId: message.messageId,
  receiptHandle: message.receiptHandle,
  body: message.body,
  attributes: messageAttributes(message, arnOf) as unknown as SQSRecord['attributes'],
  messageAttributes: {},
  md5OfBody: message.md5OfBody,
  eventSource: 'aws:sqs',
  eventSourceARN: arnOf(queue),
  awsRegion: localRegion,
});

/**
 * Messages that the handler's answer leaves in the queue. A null or empty answer is success, as in Lambda.
 * @throws Error for an answer that makes Lambda fail the whole batch: a wrong shape or the id of no message.
 */
const failedIds = (answer: unknown, messages: readonly ReceivedMessage[]): ReadonlySet<string> => {
  if (answer === null || answer === undefined) return new Set();
  const parsed = batchResponse.safeParse(answer);
  if (!parsed.success) throw new Error(`malformed batch response: ${z.prettifyError(parsed.error)}`);
  const failed = new Set((parsed.data.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier));
  const sent = new Set(messages.map(({ messageId }) => messageId));
  const unknown = [...failed].filter((id) => !sent.has(id));
  if (unknown.length > 0)
    throw new Error(`the batch response names messages that were not in the batch: ${unknown.join(', ')}`);
  return failed;
};

/**
 * Polls the queue as Lambda does: batches go to the handler, messages that succeeded are deleted, the others stay until
 * their visibility ends. A handler that throws, answers nonsense or takes longer than the function's timeout fails its
 * whole batch.
 */
export const createEventSource = (engine: QueueEngine, clock: Clock, settings: EventSourceSettings): EventSource => {
  const { queue, batchSize, handler } = settings;
  const { functionName, timeoutSeconds } = settings.function;
  const nextContext = lambdaContexts(clock, settings.function);

  const invoke = async (messages: readonly ReceivedMessage[]): Promise<ReadonlySet<string>> => {
    const endsAt = clock.now() + timeoutSeconds * second;
    const answer = await handler({ Records: messages.map((message) => recordOf(queue, message)) }, nextContext());
    if (clock.now() > endsAt) throw new Error(`${functionName} timed out after ${timeoutSeconds.toFixed(2)} seconds`);
    return settings.reportBatchItemFailures ? failedIds(answer, messages) : new Set();
  };

  /** Whether the message is gone. One whose visibility ended during the work belongs to its next receiver. */
  const remove = (message: ReceivedMessage): boolean => {
    try {
      engine.delete(queue, message.receiptHandle);
      return true;
    } catch (error) {
      if (error instanceof SqsError) return false;
      throw error;
    }
  };

  return {
    drain: async () => {
      const result = { batches: 0, succeeded: 0, failed: 0, errors: [] as Error[] };
      const poll = async (): Promise<void> => {
        for (;;) {
          const messages = engine.receive(queue, { limit: batchSize });
          if (messages.length === 0) return;
          if (result.batches === mostBatches) {
            throw new Error(
              `queue ${queue} still has messages after ${mostBatches} batches; does ${functionName} send to its own queue without delay?`,
            );
          }
          result.batches += 1;
          let failed: ReadonlySet<string>;
          try {
            failed = await invoke(messages);
          } catch (error) {
            result.errors.push(error instanceof Error ? error : new Error(String(error)));
            failed = new Set(messages.map(({ messageId }) => messageId));
          }
          for (const message of messages) {
            if (!failed.has(message.messageId) && remove(message)) result.succeeded += 1;
            else result.failed += 1;
          }
        }
      };
      await Promise.all(Array.from({ length: settings.maximumConcurrency }, poll));
      return result;
    },
  };
};
