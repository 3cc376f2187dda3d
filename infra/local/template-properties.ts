import * as z from 'zod';

/**
 * What the one-machine deployment understands of a template, by resource type. Every object is strict: a property that
 * is not listed here is an error where it is read.
 */

/** Resource types that change nothing about how code, queues and schedules behave on one machine. */
export const irrelevantTypes: ReadonlySet<string> = new Set([
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::ApiGatewayV2::Stage',
  'AWS::CDK::Metadata',
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::CompositeAlarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::CloudFormation::WaitConditionHandle',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::Policy',
  'AWS::IAM::Role',
  'AWS::KMS::Key',
  'AWS::Lambda::LayerVersion',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::Scheduler::ScheduleGroup',
  'AWS::SNS::Subscription',
  'AWS::SNS::Topic',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
  'AWS::SecretsManager::Secret',
]);

/** A property that is understood, and means nothing on one machine. */
const ignored = z.unknown().optional();

export const functionProperties = z.strictObject({
  Architectures: ignored,
  Code: ignored,
  Environment: z.strictObject({ Variables: z.record(z.string(), z.unknown()) }),
  Handler: z.literal('index.handler'),
  Layers: ignored,
  LoggingConfig: ignored,
  MemorySize: z.number(),
  ReservedConcurrentExecutions: z.number().optional(),
  Role: ignored,
  Runtime: z.literal('nodejs24.x'),
  Timeout: z.number(),
  TracingConfig: ignored,
});

export const invokeConfigProperties = z.strictObject({
  FunctionName: z.unknown(),
  Qualifier: z.literal('$LATEST'),
  MaximumEventAgeInSeconds: z.number(),
  MaximumRetryAttempts: z.number(),
  DestinationConfig: z.strictObject({ OnFailure: z.strictObject({ Destination: z.unknown() }) }).optional(),
});

/** Defaults are those of SQS. */
export const queueProperties = z.strictObject({
  FifoQueue: z.boolean().default(false),
  ContentBasedDeduplication: z.boolean().default(false),
  VisibilityTimeout: z.number().default(30),
  DelaySeconds: z.number().default(0),
  MessageRetentionPeriod: z.number().default(345_600),
  RedrivePolicy: z.strictObject({ deadLetterTargetArn: z.unknown(), maxReceiveCount: z.number() }).optional(),
  SqsManagedSseEnabled: ignored,
});

export const eventSourceProperties = z.strictObject({
  FunctionName: z.unknown(),
  EventSourceArn: z.unknown(),
  BatchSize: z.number(),
  FunctionResponseTypes: z.array(z.literal('ReportBatchItemFailures')).default([]),
  ScalingConfig: z.strictObject({ MaximumConcurrency: z.number() }).optional(),
});

export const scheduleProperties = z.strictObject({
  FlexibleTimeWindow: z.strictObject({ Mode: z.literal('OFF') }),
  GroupName: ignored,
  ScheduleExpression: z.string(),
  ScheduleExpressionTimezone: z.string(),
  State: z.literal('ENABLED'),
  Target: z.strictObject({
    Arn: z.unknown(),
    Input: z.string(),
    RoleArn: ignored,
    DeadLetterConfig: z.strictObject({ Arn: z.unknown() }),
    RetryPolicy: z.strictObject({ MaximumEventAgeInSeconds: z.number(), MaximumRetryAttempts: z.number() }),
  }),
});

/** Logs and traces of it are the cloud's; so is its role. */
export const stateMachineProperties = z.strictObject({
  DefinitionString: z.strictObject({ 'Fn::Join': z.tuple([z.literal(''), z.array(z.unknown())]) }),
  LoggingConfiguration: ignored,
  RoleArn: ignored,
  StateMachineType: z.literal('STANDARD'),
  TracingConfiguration: ignored,
});

/** The ledger at a release. What the release consists of is compared by CloudFormation alone. */
export const migrationProperties = z.strictObject({
  ServiceToken: z.unknown(),
  ServiceTimeout: ignored,
  Files: z.string(),
  Code: z.string(),
  Account: z.string(),
  TradingMode: z.string(),
  Environment: z.string(),
  Database: z.unknown(),
  DatabaseOwner: z.unknown(),
});
