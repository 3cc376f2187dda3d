import { Duration } from 'aws-cdk-lib';
import { type CfnQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { DeadLetterQueue } from './dead-letter-queue.ts';
import { deadLetterLogicalId } from './logical-id.ts';

/** AWS's advice for event sources: below it, a message is delivered again while its first delivery still runs. */
export const visibilityPerTimeout = 6;

export interface WorkQueueProps {
  readonly logicalId: string;
  /** Environment variable under which a sender finds the URL. */
  readonly environmentKey: string;
  /** Timeout of the consuming function; the visibility timeout is six times that. */
  readonly consumerTimeout: Duration;
  readonly receiveCount: number;
}

/** A queue that one function consumes, with its dead-letter queue; encrypted, TLS only. */
abstract class WorkQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;
  readonly environmentKey: string;
  readonly visibilityTimeout: Duration;

  protected constructor(scope: Construct, id: string, props: WorkQueueProps, fifo: boolean) {
    super(scope, id);
    this.environmentKey = props.environmentKey;
    this.visibilityTimeout = Duration.seconds(visibilityPerTimeout * props.consumerTimeout.toSeconds());
    this.deadLetterQueue = new DeadLetterQueue(this, 'DeadLetter', {
      logicalId: deadLetterLogicalId(props.logicalId),
      fifo,
    });
    this.queue = new Queue(this, 'Queue', {
      ...(fifo ? { fifo: true, contentBasedDeduplication: false } : {}),
      visibilityTimeout: this.visibilityTimeout,
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: props.receiveCount },
      retentionPeriod: Duration.days(4),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    (this.queue.node.defaultChild as CfnQueue).overrideLogicalId(props.logicalId);
  }
}
export type { WorkQueue };

/**
 * Orders on their way to a router. FIFO with the group `account:symbol`, so that orders of a symbol keep their order; the
 * sender gives the deduplication id. A dead letter is never sent back by machine: its order is late by then.
 */
export class ExecutionQueue extends WorkQueue {
  constructor(scope: Construct, id: string, props: WorkQueueProps) {
    super(scope, id, props, true);
  }
}

/** Delayed looks at an order. Standard: only standard queues take a delay per message, and a look has no order. */
export class FollowUpQueue extends WorkQueue {
  constructor(scope: Construct, id: string, props: WorkQueueProps) {
    super(scope, id, props, false);
  }
}
