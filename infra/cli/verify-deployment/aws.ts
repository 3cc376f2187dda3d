import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { Unanswered } from './check.ts';

const connectSeconds = 3;
const answerSeconds = 10;

export interface AwsOptions {
  /** By default the region of the environment or profile. */
  readonly region: string | null;
  /** Another place than AWS. */
  readonly endpoint: string | null;
  /** By default what this machine is signed in with. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export const awsClients = ({ region, endpoint, credentials: given }: AwsOptions) => {
  const credentials = given ?? fromNodeProviderChain({ timeout: connectSeconds * 1_000, maxRetries: 0 });
  const options = {
    credentials,
    ...(region === null ? {} : { region }),
    ...(endpoint === null ? {} : { endpoint }),
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: connectSeconds * 1_000,
      requestTimeout: answerSeconds * 1_000,
      throwOnRequestTimeout: true,
    },
  };
  return {
    credentials,
    cloudFormation: new CloudFormationClient(options),
    cloudWatch: new CloudWatchClient(options),
    lambda: new LambdaClient(options),
    sqs: new SQSClient(options),
  };
};
export type AwsClients = ReturnType<typeof awsClients>;

/** What to do about a failure, by what its name or code looks like; the first that fits. */
const advice: readonly (readonly [RegExp, string])[] = [
  [/CredentialsProvider/, 'sign in to AWS, for example with AWS_PROFILE, and run it again'],
  [/Expired|InvalidClientToken|UnrecognizedClient|SignatureDoesNotMatch|InvalidAccessKey/, 'sign in to AWS again'],
  [/AccessDenied|Unauthorized|NotAuthorized/, 'give the identity that runs this permission to read it'],
  [/Timeout|ETIMEDOUT|Abort/, 'check the network, --region and --endpoint'],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ECONNRESET/, 'check the network, --region and --endpoint'],
  [/Region is missing/, 'name it with --region or AWS_REGION'],
];

const longestMessage = 300;

/** One line for what an SDK call threw. */
export const describeFailure = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  // A refused connection to a name with several addresses is an AggregateError without a message of its own.
  const what = [error.name, typeof code === 'string' ? code : '', error.message].filter((text) => text !== '');
  const line = [...new Set(what)].join(': ').replaceAll(/\s+/g, ' ').slice(0, longestMessage);
  const hint = advice.find(([pattern]) => pattern.test(line))?.[1];
  return hint === undefined ? line : `${line}; ${hint}`;
};

/**
 * One question to an AWS service.
 * @throws Unanswered naming the question and what came instead of an answer
 */
export const ask = async <Answer>(question: string, call: () => Promise<Answer>): Promise<Answer> => {
  try {
    return await call();
  } catch (error) {
    throw new Unanswered(`${question}: ${describeFailure(error)}`, { cause: error });
  }
};
