/** The packages that functions without ClickHouse load, bundled as ours are and with nothing of ours around them. */
export { Logger } from '@aws-lambda-powertools/logger';
export { Metrics } from '@aws-lambda-powertools/metrics';
export { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
export { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
export { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
export { Signer } from '@aws-sdk/rds-signer';
export { default as middy } from '@middy/core';
export { Big } from 'big.js';
export { default as pg } from 'pg';
export { enum as choice, object, string } from 'zod';
