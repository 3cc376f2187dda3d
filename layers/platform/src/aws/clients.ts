import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
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
export const bounds = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true },
};

export const createSqsClient = (options: AwsClientOptions = {}): SQSClient => new SQSClient({ ...options, ...bounds });
export const createSecretsManagerClient = (options: AwsClientOptions = {}): SecretsManagerClient =>
  new SecretsManagerClient({ ...options, ...bounds });
export const createEventBridgeClient = (options: AwsClientOptions = {}): EventBridgeClient =>
  new EventBridgeClient({ ...options, ...bounds });
