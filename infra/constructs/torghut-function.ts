import { join } from 'node:path';

import { eventBusKey, type FunctionName, metricsNamespace } from '@torghut/domain/contract';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  type CfnFunction,
  Code,
  Function,
  type ILayerVersion,
  Runtime,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { bundledAsset } from './bundle.ts';
import { functionLogicalId } from './logical-id.ts';
import { visibilityPerTimeout, type WorkQueue } from './work-queue.ts';

export interface TorghutFunctionProps {
  readonly sourceRoot: string;
  /** Folder under `functions/`, whose `handler.ts` exports `handler`. */
  readonly name: FunctionName;
  readonly timeout: Duration;
  readonly memoryMegabytes: number;
  readonly reservedConcurrency?: number;
  readonly environment: Readonly<Record<string, string>>;
  /** The layers that carry `@torghut/*`; empty when the bundle inlines them. */
  readonly layers: readonly ILayerVersion[];
  readonly logRetention: RetentionDays;
  /** Where an asynchronous invocation goes that failed; for functions that are invoked so (schedules). */
  readonly invocationDeadLetter?: IQueue;
}

/** What `reads` needs of a secret; the library's `Secret` and `ISecret` disagree about optional properties. */
export type ReadableSecret = Pick<ISecret, 'grantRead' | 'secretArn'>;

export interface ConsumeOptions {
  readonly batchSize: number;
  /** Concurrent batches, 2 to 1000. */
  readonly maximumConcurrency: number;
}

/**
 * The house function: Node 24 on arm64, an ES module with source maps, its own role and log group, traced, never retried
 * by Lambda itself. What it may touch is declared by `reads`, `sendsTo` and `consumes`, each the grant and the
 * environment variable at once.
 */
export class TorghutFunction extends Construct {
  readonly lambda: Function;
  readonly logGroup: LogGroup;
  private readonly timeout: Duration;

  constructor(scope: Construct, id: string, props: TorghutFunctionProps) {
    super(scope, id);
    this.timeout = props.timeout;
    this.logGroup = new LogGroup(this, 'Logs', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY });
    // Not the managed policy: it allows every log group of the account.
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup.grantWrite(role);

    const directory = join(props.sourceRoot, 'functions', props.name);
    const code = bundledAsset({
      sourceRoot: props.sourceRoot,
      entry: join(directory, 'handler.ts'),
      owner: `function ${props.name}`,
      outfile: 'index.mjs',
      external: props.layers.length === 0 ? [] : ['@torghut/*'],
    });
    this.lambda = new Function(this, 'Function', {
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler',
      code: Code.fromAsset(directory, code),
      layers: [...props.layers],
      role,
      logGroup: this.logGroup,
      timeout: props.timeout,
      memorySize: props.memoryMegabytes,
      tracing: Tracing.ACTIVE,
      // A retry minutes later would act on a stale window; the next tick is the retry.
      retryAttempts: 0,
      maxEventAge: Duration.seconds(60),
      ...(props.invocationDeadLetter === undefined
        ? {}
        : { onFailure: new SqsDestination(props.invocationDeadLetter) }),
      ...(props.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: props.reservedConcurrency }),
      environment: {
        NODE_OPTIONS: '--enable-source-maps',
        POWERTOOLS_SERVICE_NAME: props.name,
        POWERTOOLS_METRICS_NAMESPACE: metricsNamespace,
        ...props.environment,
      },
    });
    (this.lambda.node.defaultChild as CfnFunction).overrideLogicalId(functionLogicalId(props.name));
  }

  /** May read the secret at run time; its ARN is in the environment under `environmentKey`, its value never. */
  reads(secret: ReadableSecret, environmentKey: string): this {
    secret.grantRead(this.lambda);
    this.lambda.addEnvironment(environmentKey, secret.secretArn);
    return this;
  }

  /** May send to the queue; its URL is in the environment under the queue's own key. */
  sendsTo(target: WorkQueue): this {
    target.queue.grantSendMessages(this.lambda);
    this.lambda.addEnvironment(target.environmentKey, target.queue.queueUrl);
    return this;
  }

  /** May put events on the bus; its name is in the environment. */
  publishesTo(bus: IEventBus): this {
    bus.grantPutEventsTo(this.lambda);
    this.lambda.addEnvironment(eventBusKey, bus.eventBusName);
    return this;
  }

  /**
   * Is invoked with the queue's messages; a batch may fail in part.
   * @throws Error when the queue would deliver a message again while its first delivery still runs
   */
  consumes(source: WorkQueue, options: ConsumeOptions): this {
    const needed = visibilityPerTimeout * this.timeout.toSeconds();
    const found = source.visibilityTimeout.toSeconds();
    if (found < needed) {
      throw new Error(
        `${source.node.path}: expected a visibility timeout of at least ${needed} s for ${this.node.path}, found ${found} s`,
      );
    }
    this.lambda.addEventSource(
      new SqsEventSource(source.queue, {
        batchSize: options.batchSize,
        maxConcurrency: options.maximumConcurrency,
        reportBatchItemFailures: true,
      }),
    );
    return this;
  }
}
