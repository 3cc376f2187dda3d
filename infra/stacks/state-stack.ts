import { type QueueName, queues, secretKeys } from '@torghut/domain/contract';
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Grant } from 'aws-cdk-lib/aws-iam';
import { ObjectLockMode } from 'aws-cdk-lib/aws-s3';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import { acknowledge } from '../constructs/acknowledgements.ts';
import { type Database, ManagedDatabase } from '../constructs/database.ts';
import { DeadLetterQueue } from '../constructs/dead-letter-queue.ts';
import { EvidenceBucket } from '../constructs/evidence-bucket.ts';
import { fixLogicalIds } from '../constructs/fixed-logical-ids.ts';
import { secretLogicalId, type SecretName, undeliveredQueues } from '../constructs/logical-id.ts';
import type { Network } from '../constructs/network.ts';
import { Paging } from '../constructs/paging.ts';
import { SigningKey } from '../constructs/signing-key.ts';
import type { ReadableSecret } from '../constructs/torghut-function.ts';
import { ExecutionQueue, FollowUpQueue, type WorkQueue } from '../constructs/work-queue.ts';
import { functionTable, receiveCounts } from './function-table.ts';

export interface StateStackProps extends StackProps {
  readonly settings: Settings;
  readonly network?: Network;
}

type DatabaseSecretName = 'database' | 'databaseOwner';
export type VendorSecretName = Exclude<SecretName, DatabaseSecretName>;

/** What outlives a deployment of code: the ledger, evidence, keys, secrets, messages on their way, dead letters. */
export class StateStack extends Stack {
  readonly queues: Readonly<Record<QueueName, WorkQueue>>;
  readonly database: Database;
  readonly secrets: Readonly<Record<VendorSecretName, ReadableSecret>>;
  readonly evidence: EvidenceBucket;
  readonly signingKey: SigningKey;
  readonly scheduleDeadLetter: DeadLetterQueue;
  readonly invocationDeadLetter: DeadLetterQueue;
  readonly notificationDeadLetter: DeadLetterQueue;
  readonly paging: Paging;

  constructor(scope: Construct, id: string, props: StateStackProps) {
    const { settings } = props;
    super(scope, id, { ...props, terminationProtection: settings.deletionProtection });
    const { pagerUrl, ticketEmail } = settings;
    this.queues = {
      lean: this.queue('lean'),
      alpaca: this.queue('alpaca'),
      followUp: this.queue('followUp'),
      evidence: this.queue('evidence'),
    };
    this.secrets = {
      clickhouse: this.secret('clickhouse', settings),
      alpaca: this.secret('alpaca', settings),
      lean: this.secret('lean', settings),
      jangar: this.secret('jangar', settings),
    };
    this.database = this.ledger(props);
    this.evidence = new EvidenceBucket(this, 'Evidence', {
      lockMode: settings.environment === 'live' ? ObjectLockMode.COMPLIANCE : ObjectLockMode.GOVERNANCE,
      retentionDays: settings.evidenceRetentionDays,
      accessLogDays: settings.logRetentionDays,
    });
    this.signingKey = new SigningKey(this, 'SigningKey');
    this.scheduleDeadLetter = this.undelivered('scheduleDeadLetter');
    this.invocationDeadLetter = this.undelivered('invocationDeadLetter');
    this.notificationDeadLetter = this.undelivered('notificationDeadLetter');
    this.paging = new Paging(this, 'Paging', {
      deadLetter: this.notificationDeadLetter,
      ...(pagerUrl === undefined ? {} : { pagerUrl }),
      ...(ticketEmail === undefined ? {} : { ticketEmail }),
    });
  }

  private queue(name: QueueName): WorkQueue {
    const { logicalId, environmentKey, fifo, consumer } = queues[name];
    const kind = fifo ? ExecutionQueue : FollowUpQueue;
    return new kind(this, logicalId, {
      logicalId,
      environmentKey,
      consumerTimeout: Duration.seconds(functionTable[consumer].timeoutSeconds),
      receiveCount: receiveCounts[name],
    });
  }

  private ledger({ settings, network }: StateStackProps): Database {
    if (settings.database === 'external') {
      return {
        kind: 'external',
        secret: this.secret('database', settings),
        ownerSecret: this.secret('databaseOwner', settings),
      };
    }
    if (network === undefined) throw new Error('expected a network for the database, found none');
    return new ManagedDatabase(this, 'Database', {
      network,
      size:
        settings.database === 'aurora'
          ? {
              engine: 'aurora',
              minimumCapacity: settings.databaseMinimumCapacity,
              maximumCapacity: settings.databaseMaximumCapacity,
            }
          : {
              engine: 'rds',
              instanceType: settings.databaseInstanceType,
              storageGigabytes: settings.databaseStorageGigabytes,
            },
      standby: settings.environment === 'live',
      backupDays: settings.databaseBackupDays,
      deletionProtection: settings.deletionProtection,
      logRetention: settings.logRetentionDays,
    });
  }

  /** One that is there already, or a new one with a random value that nothing accepts; an operator puts the real one in. */
  private secret(
    name: SecretName,
    { secretKeyArn, [`${name}SecretArn` as const]: existing }: Settings,
  ): ReadableSecret {
    const logicalId = secretLogicalId(name);
    if (existing !== undefined) {
      const secret = Secret.fromSecretCompleteArn(this, logicalId, existing);
      return secretKeyArn === undefined ? secret : this.underKey(secret, secretKeyArn);
    }
    const secret = new Secret(this, logicalId, {
      description: `torghut ${name} credentials (${secretKeys[name]})`,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(secret, 'vendorCredentials');
    fixLogicalIds(secret, logicalId);
    return secret;
  }

  /** The library would put the right to decrypt into the policy of the key, which is not ours to change. */
  private underKey(secret: ISecret, keyArn: string): ReadableSecret {
    return {
      secretArn: secret.secretArn,
      grantRead: (grantee) =>
        secret.grantRead(grantee).combine(
          Grant.addToPrincipal({
            grantee,
            actions: ['kms:Decrypt'],
            resourceArns: [keyArn],
            conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${this.region}.amazonaws.com` } },
          }),
        ),
    };
  }

  private undelivered(name: keyof typeof undeliveredQueues): DeadLetterQueue {
    const logicalId = undeliveredQueues[name];
    const queue = new DeadLetterQueue(this, logicalId, { logicalId, fifo: false });
    acknowledge(queue, 'deadLettersOfServices');
    return queue;
  }
}
