import { Duration } from 'aws-cdk-lib';
import { type CfnQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

import { acknowledge } from './acknowledgements.ts';

export interface DeadLetterQueueProps {
  readonly logicalId: string;
  readonly fifo: boolean;
}

/** The longest retention SQS has: what ends here is evidence until someone has looked at it. */
export class DeadLetterQueue extends Queue {
  constructor(scope: Construct, id: string, props: DeadLetterQueueProps) {
    super(scope, id, {
      ...(props.fifo ? { fifo: true } : {}),
      retentionPeriod: Duration.days(14),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledge(this, 'deadLetters');
    (this.node.defaultChild as CfnQueue).overrideLogicalId(props.logicalId);
  }
}
