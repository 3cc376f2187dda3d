import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { type CfnTopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription, UrlSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { topicLogicalIds } from './logical-id.ts';

export interface PagingProps {
  /** Where a notification goes that its receiver did not take. */
  readonly deadLetter: IQueue;
  /** HTTPS endpoint of the pager that wakes someone. */
  readonly pagerUrl?: string;
  /** Address that tickets go to. Pages never do: a mail wakes nobody. */
  readonly ticketEmail?: string;
}

const alarms = (): ServicePrincipal => new ServicePrincipal('cloudwatch.amazonaws.com');

/**
 * Where alarms go: `pages` wake someone, `tickets` wait for the next working day. Encrypted, TLS only, and CloudWatch
 * alarms of this account are all that may publish.
 */
export class Paging extends Construct {
  readonly pages: Topic;
  readonly tickets: Topic;
  private readonly key: Key;

  constructor(scope: Construct, id: string, props: PagingProps) {
    super(scope, id);
    // A key of our own, because the policy of the service's default key does not let CloudWatch use it: alarms would
    // change state and notify nobody.
    this.key = new Key(this, 'Key', {
      description: 'torghut alarm notifications',
      enableKeyRotation: true,
      // Protects messages on their way and nothing that is stored.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // Without a condition on the account, as AWS documents it for alarms on encrypted topics: whether the call of the key
    // carries the source account is not documented, and where it does not, no page would ever arrive. Who may publish is
    // the topics' business.
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsMayEncrypt',
        principals: [alarms()],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
      }),
    );
    this.pages = this.topic('pages', 'torghut pages');
    this.tickets = this.topic('tickets', 'torghut tickets');
    const undelivered = { deadLetterQueue: props.deadLetter };
    if (props.pagerUrl !== undefined) this.pages.addSubscription(new UrlSubscription(props.pagerUrl, undelivered));
    if (props.ticketEmail !== undefined)
      this.tickets.addSubscription(new EmailSubscription(props.ticketEmail, undelivered));
  }

  private topic(name: keyof typeof topicLogicalIds, displayName: string): Topic {
    const logicalId = topicLogicalIds[name];
    const topic = new Topic(this, logicalId, { displayName, masterKey: this.key, enforceSSL: true });
    (topic.node.defaultChild as CfnTopic).overrideLogicalId(logicalId);
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        principals: [alarms()],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    );
    return topic;
  }
}
