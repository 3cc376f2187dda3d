import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import type * as z from 'zod';
import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';
import { type LambdaFunction, withPreset } from './preset.ts';
import { type Problem, problemsOf } from './problem.ts';

export interface QueueBatch<Schema extends z.ZodType> {
  readonly schema: Schema;
  /** Handles one message. It throws when the message must be delivered again. */
  readonly process: (message: z.output<Schema>, record: SQSRecord) => Promise<void>;
  /** Messages of one group keep their order. */
  readonly groupOf: (record: SQSRecord) => string;
}

/** The group of a FIFO message. @throws Error for a message of a standard queue. */
export const fifoGroup = ({ attributes, messageId }: SQSRecord): string => {
  if (attributes.MessageGroupId === undefined)
    throw new Error(`expected a FIFO message with a group, found ${messageId} without`);
  return attributes.MessageGroupId;
};

/** Every message of a standard queue stands alone. */
export const ownGroup = ({ messageId }: SQSRecord): string => messageId;

const parseBody = (
  schema: z.ZodType,
  body: string,
): { ok: true; message: unknown } | { ok: false; problems: readonly Problem[] } => {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { ok: false, problems: [{ at: '', expected: 'a JSON document', found: body.slice(0, 200) }] };
  }
  const parsed = schema.safeParse(json);
  return parsed.success ? { ok: true, message: parsed.data } : { ok: false, problems: problemsOf(parsed.error, json) };
};

/**
 * Handler of a queue with partial failures. Messages are processed one after the other in the order of delivery. After
 * the first failure of a group, that message and every later one of the group are returned, because a later order must
 * not overtake an earlier one; other groups continue. A malformed body can never succeed: it fails with a logged reason
 * until its receive count moves it to the dead-letter queue.
 */
export const sqsBatchHandler = <Schema extends z.ZodType>(
  telemetry: InvocationTelemetry,
  { schema, process, groupOf }: QueueBatch<Schema>,
): LambdaFunction<SQSEvent, SQSBatchResponse> =>
  withPreset(telemetry, async ({ Records: records }) => {
    const blockedGroups = new Set<string>();
    const batchItemFailures: { itemIdentifier: string }[] = [];
    for (const record of records) {
      const group = groupOf(record);
      if (!blockedGroups.has(group)) {
        const location = {
          messageId: record.messageId,
          group,
          receiveCount: record.attributes.ApproximateReceiveCount,
        };
        const parsed = parseBody(schema, record.body);
        if (!parsed.ok) telemetry.error('message malformed', { ...location, problems: parsed.problems });
        else {
          try {
            await process(parsed.message as z.output<Schema>, record);
            continue;
          } catch (error) {
            telemetry.error('message failed', { ...location, error });
          }
        }
        blockedGroups.add(group);
      }
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
    return { batchItemFailures };
  });
