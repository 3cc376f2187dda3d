import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { queues } from '@torghut/domain';
import { evidenceRequestSchema, type EvidenceRequest } from '@torghut/domain/research';
import { type EnvironmentName, environmentNames } from '../../config.ts';
import { deadLetterLogicalId } from '../../constructs/logical-id.ts';
import { parseOptions, UsageError } from '../options.ts';
import { ask, awsClients } from '../verify-deployment/aws.ts';
import { Unanswered } from '../verify-deployment/check.ts';
import { findDeployment, resourceOf } from '../verify-deployment/deployment.ts';

const usage = `usage: npx torghut research redrive --environment ${environmentNames.join('|')} [options]
Moves the dead letters of the evidence queue back to the queue, so that the evidence writer stores what it could not. A run
that is complete already stays as it is.
  --environment NAME     which environment
  --region REGION        by default that of the environment or profile
  --endpoint URL         another place than AWS, such as an emulator
  --stack-prefix PREFIX  beginning of the stacks' names (default torghut-<environment>-)
  --help
exit code 0: moved, or nothing to move; 1: not everything could be moved; 2: wrong option`;

/** What was moved, and how many messages stayed because no evidence writer would ever understand them. */
export interface Redriven {
  readonly moved: readonly EvidenceRequest[];
  readonly left: number;
}

/** Moves messages one by one; each is sent before it is deleted, so that none is lost and at worst one is sent twice. */
export const redriveEvidence = async (
  sqs: SQSClient,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<Redriven> => {
  const moved: EvidenceRequest[] = [];
  const left = new Set<string>();
  for (;;) {
    const { Messages: messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: from, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    const unseen = messages.filter(({ MessageId: id = '' }) => !left.has(id));
    if (unseen.length === 0) return { moved, left: left.size };
    for (const { MessageId: id = '', Body: body = '', ReceiptHandle: handle } of unseen) {
      const request = requestOf(body);
      if (request === null) {
        left.add(id);
        continue;
      }
      await sqs.send(new SendMessageCommand({ QueueUrl: to, MessageBody: body }));
      await sqs.send(new DeleteMessageCommand({ QueueUrl: from, ReceiptHandle: handle }));
      moved.push(request);
    }
  }
};

const requestOf = (body: string): EvidenceRequest | null => {
  try {
    return evidenceRequestSchema.parse(JSON.parse(body));
  } catch {
    return null; // Whatever is wrong with it, it is not for the writer.
  }
};

const environmentOf = (name: string | undefined): EnvironmentName => {
  const known = environmentNames.find((one) => one === name);
  if (known === undefined)
    throw new UsageError(`--environment: expected ${environmentNames.join(' or ')}, found ${name ?? 'nothing'}`);
  return known;
};

/**
 * `torghut research redrive`. Resolves with the exit code.
 * @throws UsageError for words it cannot carry out
 */
export const redrive = async (words: readonly string[]): Promise<number> => {
  const values = parseOptions(words, {
    environment: { type: 'string' },
    region: { type: 'string' },
    endpoint: { type: 'string' },
    'stack-prefix': { type: 'string' },
    help: { type: 'boolean' },
  });
  if (values.help === true) {
    console.log(usage);
    return 0;
  }
  const environment = environmentOf(values.environment);
  const endpoint = values.endpoint ?? null;
  if (endpoint !== null && !/^https?:\/\//.test(endpoint))
    throw new UsageError(`--endpoint: expected an http or https URL, found "${endpoint}"`);
  try {
    const aws = awsClients({ region: values.region ?? null, endpoint });
    const deployment = await findDeployment(aws, values['stack-prefix'] ?? `torghut-${environment}-`);
    const urlOf = (logicalId: string): string => {
      const url = resourceOf(deployment, 'state', logicalId)?.physicalId;
      if (url === undefined) throw new Unanswered(`${logicalId}: expected the queue in the state stack, found none`);
      return url;
    };
    const { logicalId } = queues.evidence;
    const { moved, left } = await ask('the evidence queue', () =>
      redriveEvidence(aws.sqs, { from: urlOf(deadLetterLogicalId(logicalId)), to: urlOf(logicalId) }),
    );
    for (const { run_id: run } of moved) console.log(`run ${run}: its evidence will be stored again`);
    console.log(
      `${moved.length} moved${left === 0 ? '' : `, ${left} left: not requests to store evidence, look at them in the queue`}`,
    );
    if (moved.length === 0)
      console.log(
        'a letter arrives here when its visibility timeout has passed, 6 minutes after the writer gave it up',
      );
    return left === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    console.error(error.message);
    return 1;
  }
};
