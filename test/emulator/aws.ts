import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { IAMClient } from '@aws-sdk/client-iam';
import { KMSClient } from '@aws-sdk/client-kms';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';

/** An AWS-compatible endpoint, and who asks it. */
export interface AwsEndpoint {
  readonly url: string;
  readonly region: string;
  readonly account: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** PEM file that tools with a certificate store of their own have to be given; null for a public certificate. */
  readonly certificateFile: string | null;
}

/** One client per service, all for the same endpoint. */
export const awsClients = ({ url, region, credentials }: AwsEndpoint) => {
  const options = { endpoint: url, region, credentials };
  return {
    cloudFormation: new CloudFormationClient(options),
    cloudWatch: new CloudWatchClient(options),
    iam: new IAMClient(options),
    kms: new KMSClient(options),
    lambda: new LambdaClient(options),
    logs: new CloudWatchLogsClient(options),
    // A bucket's own host name may not resolve on this machine.
    s3: new S3Client({ ...options, forcePathStyle: true }),
    scheduler: new SchedulerClient(options),
    secrets: new SecretsManagerClient(options),
    sns: new SNSClient(options),
    // Its answers name queues by another host name of the emulator, which may not resolve on this machine.
    sqs: new SQSClient({ ...options, useQueueUrlAsEndpoint: false }),
  };
};
export type AwsClients = ReturnType<typeof awsClients>;

/** The same endpoint for command line tools. */
export const awsVariables = (endpoint: AwsEndpoint): Readonly<Record<string, string>> => ({
  AWS_ENDPOINT_URL: endpoint.url,
  AWS_REGION: endpoint.region,
  AWS_DEFAULT_REGION: endpoint.region,
  AWS_ACCESS_KEY_ID: endpoint.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: endpoint.credentials.secretAccessKey,
  ...(endpoint.credentials.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: endpoint.credentials.sessionToken }),
  // The CDK reads this one only; Node's own list of extra certificates means nothing to it.
  ...(endpoint.certificateFile === null ? {} : { AWS_CA_BUNDLE: endpoint.certificateFile }),
});
