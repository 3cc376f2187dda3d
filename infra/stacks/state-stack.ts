import { deployment, type QueueName, queues, secretKeys } from '@torghut/domain/contract';
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { type CfnSecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

import { DeadLetterQueue } from '../constructs/dead-letter-queue.ts';
import { secretLogicalId, type SecretName, undeliveredQueues } from '../constructs/logical-id.ts';
import type { ReadableSecret } from '../constructs/torghut-function.ts';
import { ExecutionQueue, FollowUpQueue, type WorkQueue } from '../constructs/work-queue.ts';
import { functionTable } from './function-table.ts';

/** What outlives a deployment of code: messages on their way, dead letters, secrets. */
export class StateStack extends Stack {
  readonly queues: Readonly<Record<QueueName, WorkQueue>>;
  readonly secrets: Readonly<Record<SecretName, ReadableSecret>>;
  readonly scheduleDeadLetter: DeadLetterQueue;
  readonly invocationDeadLetter: DeadLetterQueue;

  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    this.queues = { lean: this.queue('lean'), alpaca: this.queue('alpaca'), followUp: this.queue('followUp') };
    this.secrets = {
      database: this.secret('database'),
      databaseOwner: this.secret('databaseOwner'),
      clickhouse: this.secret('clickhouse'),
      alpaca: this.secret('alpaca'),
      lean: this.secret('lean'),
      jangar: this.secret('jangar'),
    };
    this.scheduleDeadLetter = this.undelivered('scheduleDeadLetter');
    this.invocationDeadLetter = this.undelivered('invocationDeadLetter');
  }

  private queue(name: QueueName): WorkQueue {
    const { logicalId, environmentKey, fifo, consumer } = queues[name];
    const kind = fifo ? ExecutionQueue : FollowUpQueue;
    return new kind(this, logicalId, {
      logicalId,
      environmentKey,
      consumerTimeout: Duration.seconds(functionTable[consumer].timeoutSeconds),
      receiveCount: deployment.queueReceiveCount,
    });
  }

  /** Created with a random value that nothing accepts; an operator puts the real one in. */
  private secret(name: SecretName): Secret {
    const secret = new Secret(this, secretLogicalId(name), {
      description: `torghut ${name} credentials (${secretKeys[name]})`,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    (secret.node.defaultChild as CfnSecret).overrideLogicalId(secretLogicalId(name));
    return secret;
  }

  private undelivered(name: keyof typeof undeliveredQueues): DeadLetterQueue {
    const logicalId = undeliveredQueues[name];
    return new DeadLetterQueue(this, logicalId, { logicalId, fifo: false });
  }
}
