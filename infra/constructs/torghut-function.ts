import { join } from 'node:path';

import { databaseKeys, eventBusKey, evidenceKeys, type FunctionName, secretKeys } from '@torghut/domain/contract';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  Architecture,
  type CfnFunction,
  Code,
  EventSourceMapping,
  Function,
  type ILayerVersion,
  Runtime,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { acknowledge, acknowledgeAbout } from './acknowledgements.ts';
import type { Database } from './database.ts';
import { type EvidenceBucket, evidencePrefixes } from './evidence-bucket.ts';
import { functionAsset } from './function-bundle.ts';
import { functionLogicalId } from './logical-id.ts';
import { visibilityPerTimeout, type WorkQueue } from './work-queue.ts';

export interface TorghutFunctionProps {
  readonly sourceRoot: string;
  /** Folder under `functions/`, whose `handler.ts` exports `handler`. */
  readonly name: FunctionName;
  readonly timeout: Duration;
  readonly memoryMegabytes: number;
  readonly reservedConcurrency: number;
  readonly environment: Readonly<Record<string, string>>;
  /** The layers that carry `@torghut/*`; empty when the bundle inlines them. */
  readonly layers: readonly ILayerVersion[];
  readonly logRetention: RetentionDays;
  /** Where an asynchronous invocation goes that failed. */
  readonly invocationDeadLetter: IQueue;
  /** Where in a network it runs; without it, outside of ours. */
  readonly placement?: FunctionPlacement;
  /** Further files of its asset, content by path; the function finds them beside itself. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface FunctionPlacement {
  readonly vpc: IVpc;
  readonly subnets: SubnetSelection;
  readonly securityGroup: ISecurityGroup;
}

/** What `reads` needs of a secret; the library's `Secret` and `ISecret` disagree about optional properties. */
export type ReadableSecret = Pick<ISecret, 'grantRead' | 'secretArn'>;

export interface ConsumeOptions {
  readonly batchSize: number;
  /** Concurrent batches, 2 to 1000. */
  readonly maximumConcurrency: number;
}

const networkInterfaceActions = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
];

/** The list of authorities that the Lambda runtime carries; those that sign certificates of databases are in it. */
const runtimeAuthorities = '/var/runtime/ca-cert.pem';

/**
 * What the Lambda service needs to give a function its address in a network. It takes the permission from the function's
 * role; the code of the function, whose requests carry the name of the function, is denied it.
 */
const joinNetwork = (role: Role): void => {
  role.addToPolicy(new PolicyStatement({ actions: networkInterfaceActions, resources: ['*'] }));
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.DENY,
      actions: networkInterfaceActions,
      resources: ['*'],
      conditions: { Null: { 'lambda:SourceFunctionArn': 'false' } },
    }),
  );
};

/**
 * The house function: Node 24 on arm64, an ES module with source maps, its own role and log group, traced, never retried
 * by Lambda itself. What it may touch is declared by `reads`, `connectsTo`, `sendsTo`, `writesTo` and the like, each the
 * grant and the environment variable at once.
 */
export class TorghutFunction extends Construct {
  readonly lambda: Function;
  readonly logGroup: LogGroup;
  readonly timeout: Duration;
  private readonly role: Role;

  constructor(scope: Construct, id: string, props: TorghutFunctionProps) {
    super(scope, id);
    this.timeout = props.timeout;
    this.logGroup = new LogGroup(this, 'Logs', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY });
    // Not the managed policy: it allows every log group of the account.
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup.grantWrite(role);
    this.role = role;
    acknowledge(role, 'functionRole');
    if (props.placement !== undefined) joinNetwork(role);

    const directory = join(props.sourceRoot, 'functions', props.name);
    const code = functionAsset({
      sourceRoot: props.sourceRoot,
      name: props.name,
      inlineLayers: props.layers.length === 0,
      ...(props.files === undefined ? {} : { files: props.files }),
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
      onFailure: new SqsDestination(props.invocationDeadLetter),
      reservedConcurrentExecutions: props.reservedConcurrency,
      ...(props.placement === undefined
        ? {}
        : {
            vpc: props.placement.vpc,
            vpcSubnets: props.placement.subnets,
            securityGroups: [props.placement.securityGroup],
          }),
      environment: {
        NODE_OPTIONS: '--enable-source-maps',
        POWERTOOLS_SERVICE_NAME: props.name,
        ...props.environment,
      },
    });
    acknowledge(this.lambda, 'failureDestination');
    (this.lambda.node.defaultChild as CfnFunction).overrideLogicalId(functionLogicalId(props.name));
  }

  /** May read the secret at run time; its ARN is in the environment under `environmentKey`, its value never. */
  reads(secret: ReadableSecret, environmentKey: string): this {
    secret.grantRead(this.lambda);
    this.lambda.addEnvironment(environmentKey, secret.secretArn);
    return this;
  }

  /** May use the ledger as the runtime role: by its own identity where the database is ours, else by the secret. */
  connectsTo(database: Database): this {
    if (database.kind === 'external') return this.trustsDatabases().reads(database.secret, secretKeys.database);
    // The certificate of the proxy is signed by an authority that Node knows.
    database.grantConnect(this.lambda);
    for (const [part, value] of Object.entries(database.address))
      this.lambda.addEnvironment(databaseKeys[part as keyof typeof databaseKeys], value);
    return this;
  }

  /** May change the ledger's schema, as its owner. Where the database is not ours it also gives the runtime role its password. */
  migrates(database: Database): this {
    this.trustsDatabases().reads(database.ownerSecret, secretKeys.databaseOwner);
    return database.kind === 'external' ? this.reads(database.secret, secretKeys.database) : this;
  }

  /** Goes to a database itself, whose certificate may be signed by an authority of RDS: Node's own list has none of those. */
  private trustsDatabases(): this {
    this.lambda.addEnvironment('NODE_EXTRA_CA_CERTS', runtimeAuthorities);
    return this;
  }

  /** May put new evidence, and neither read nor replace nor delete any; the bucket's name is in the environment. */
  writesTo(evidence: EvidenceBucket): this {
    return this.reachesObjects(evidence, 's3:PutObject');
  }

  /** May read what is stored as evidence, and be told that something is not; the bucket's name is in the environment. */
  readsFrom(evidence: EvidenceBucket): this {
    // Without it S3 says of an object that is not there that access to it is denied.
    this.lambda.addToRolePolicy(
      new PolicyStatement({ actions: ['s3:ListBucket'], resources: [evidence.bucket.bucketArn] }),
    );
    return this.reachesObjects(evidence, 's3:GetObject');
  }

  private reachesObjects({ bucket }: EvidenceBucket, action: string): this {
    this.lambda.addToRolePolicy(
      new PolicyStatement({
        actions: [action],
        resources: evidencePrefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`)),
      }),
    );
    acknowledgeAbout(this.role, Stack.of(bucket).stackName, 'evidenceObjects');
    this.lambda.addEnvironment(evidenceKeys.bucket, bucket.bucketName);
    return this;
  }

  /** May sign with the key, and learn which public key that is; its id is in the environment. */
  signsWith(key: IKey): this {
    key.grant(this.lambda, 'kms:Sign', 'kms:GetPublicKey');
    this.lambda.addEnvironment(evidenceKeys.signingKey, key.keyArn);
    return this;
  }

  /** May learn the key's public half; it and the keys that were published are in the environment. */
  verifiesWith(key: IKey, published: readonly string[]): this {
    key.grant(this.lambda, 'kms:GetPublicKey');
    this.lambda.addEnvironment(evidenceKeys.signingKey, key.keyArn);
    if (published.length > 0) this.lambda.addEnvironment(evidenceKeys.publishedKeys, published.join(''));
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
    source.queue.grantConsumeMessages(this.lambda);
    // Not `SqsEventSource`: it names the mapping after the place of the queue in the tree. Under another name
    // CloudFormation creates a second mapping first, which Lambda refuses while the first one stands.
    const mapping = new EventSourceMapping(this, source.node.id, {
      target: this.lambda,
      eventSourceArn: source.queue.queueArn,
      batchSize: options.batchSize,
      maxConcurrency: options.maximumConcurrency,
      reportBatchItemFailures: true,
    });
    acknowledge(mapping, 'queueSource');
    return this;
  }
}
