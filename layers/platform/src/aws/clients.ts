import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';

export interface AwsClientOptions {
  /** By default the region of the environment. */
  readonly region?: string;
  /** Another place than AWS: the one-machine deployment or an emulator. */
  readonly endpoint?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/**
 * Bounds of one call, well inside the shortest function timeout: a stalled connection must not use up an invocation. A
 * send may be repeated by the SDK, which is safe: every message carries its deduplication id.
 */
const bounds = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true },
};

export const createSqsClient = (options: AwsClientOptions = {}): SQSClient => new SQSClient({ ...options, ...bounds });
export const createSecretsManagerClient = (options: AwsClientOptions = {}): SecretsManagerClient =>
  new SecretsManagerClient({ ...options, ...bounds });
export const createEventBridgeClient = (options: AwsClientOptions = {}): EventBridgeClient =>
  new EventBridgeClient({ ...options, ...bounds });
export const createKmsClient = (options: AwsClientOptions = {}): KMSClient => new KMSClient({ ...options, ...bounds });

/** Objects may be large, and a put may be repeated by the SDK, which is safe: it is refused where something is stored. */
export const createS3Client = (options: AwsClientOptions = {}): S3Client =>
  new S3Client({
    ...options,
    ...bounds,
    requestHandler: { ...bounds.requestHandler, requestTimeout: 20_000 },
    // Buckets are not names of hosts elsewhere.
    forcePathStyle: options.endpoint !== undefined,
  });
