/** The packages that functions with evidence load, bundled as ours are and with nothing of ours around them. */
export * from './bare-packages.ts';
export { KMSClient } from '@aws-sdk/client-kms';
export { S3Client } from '@aws-sdk/client-s3';
