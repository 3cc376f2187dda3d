import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { bounds, type AwsClientOptions } from './clients.ts';

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
