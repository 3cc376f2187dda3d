import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { queues } from '@torghut/domain';
import { deadLetterLogicalId, undeliveredQueues } from '../../../constructs/logical-id.ts';
import { ask } from '../aws.ts';
import { type Check, failed, ok, type Sources } from '../check.ts';
import { resourceOf } from '../deployment.ts';

/** Logical ids of every queue that nothing reads. */
export const deadLetterQueues = [
  ...Object.values(queues).map(({ logicalId }) => deadLetterLogicalId(logicalId)),
  ...Object.values(undeliveredQueues),
];

/** Messages in a queue, those being looked at included; null when the queue is not deployed. */
const depth = async ({ aws, deployment }: Sources, logicalId: string): Promise<number | null> => {
  const resource = resourceOf(deployment, 'state', logicalId);
  if (resource === undefined) return null;
  const { Attributes } = await ask(`sqs:GetQueueAttributes of ${logicalId}`, () =>
    aws.sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: resource.physicalId,
        AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
      }),
    ),
  );
  const visible = Attributes?.ApproximateNumberOfMessages;
  return visible === undefined
    ? null
    : Number(visible) + Number(Attributes?.ApproximateNumberOfMessagesNotVisible ?? 0);
};

/** No message was given up. */
export const deadLetters: Check = async (sources) => {
  const depths = await Promise.all(
    deadLetterQueues.map(async (logicalId) => ({ logicalId, messages: await depth(sources, logicalId) })),
  );
  const total = depths.reduce((sum, { messages }) => sum + (messages ?? 0), 0);
  const found = { value: `${total} messages in ${depths.length} queues`, limit: '0 messages' };
  const reasons = depths.flatMap(({ logicalId, messages }) =>
    messages === null
      ? [`${logicalId} is not deployed or does not tell its depth`]
      : messages > 0
        ? [`${logicalId} holds ${messages}`]
        : [],
  );
  if (reasons.length > 0)
    return failed(`${reasons.join('; ')}; read the messages before anything is sent again`, found);
  return ok(found);
};
