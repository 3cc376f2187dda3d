import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

import { environmentNames } from '../config.ts';
import { evidencePrefixes } from './evidence-bucket.ts';

interface Acknowledgement {
  readonly rules: readonly string[];
  readonly reason: string;
}

/** The finding that a policy lets its holder invoke more than one path of the operator API. */
const invokes = (paths: string): string =>
  `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<OperatorApi4F7445D1>/$default/${paths}]`;

/**
 * Findings of the security checks that stand, each with the reason a reviewer gets. What is not listed here fails the
 * synthesis.
 */
export const acknowledgements = {
  functionRole: {
    rules: ['AwsSolutions-IAM5[Resource::*]'],
    reason:
      'The trace segments of X-Ray, and the network interfaces that the Lambda service attaches, are resources that ' +
      'no policy can name. No other statement of the role has a wildcard (a test lists them), and the code of the ' +
      'function is denied the network actions.',
  },
  stateMachineRole: {
    rules: ['AwsSolutions-IAM5[Resource::*]', 'AwsSolutions-IAM5[Resource::<ResearchLaneFunction.Arn>:*]'],
    reason:
      'Delivery of logs and trace segments are actions that no policy can name a resource for. What the state machine ' +
      'invokes is named: one function, in any of its versions.',
  },
  failureDestination: {
    rules: ['Serverless-LambdaDLQ'],
    reason:
      'Failed asynchronous invocations go to a queue as an on-failure destination, the successor of the dead-letter ' +
      'setting that the rule looks for: it carries the error and the request.',
  },
  queueSource: {
    rules: ['Serverless-LambdaEventSourceMappingDestination'],
    reason:
      'An event source of SQS takes no failure destination: after the last receive the redrive policy of the queue ' +
      'moves the message to its dead-letter queue.',
  },
  deadLetters: {
    rules: ['Serverless-SQSRedrivePolicy'],
    reason: 'It is a dead-letter queue. What arrives raises an alarm and waits 14 days for a person.',
  },
  evidenceObjects: {
    rules: environmentNames.flatMap((environment) =>
      evidencePrefixes.map(
        (prefix) =>
          `AwsSolutions-IAM5[Resource::torghut-${environment}-state:ExportsOutputFnGetAttEvidenceBucketArnBD2E6DE5/${prefix}*]`,
      ),
    ),
    reason:
      'Keys of evidence name its content, so no policy can list them beforehand. Each statement is about the objects below ' +
      'one prefix of one bucket, in which nothing is ever overwritten or deleted.',
  },
  deadLettersOfServices: {
    rules: ['AwsSolutions-SQS3'],
    reason:
      'It is the dead-letter queue of EventBridge Scheduler, of Lambda or of SNS; the rule knows only those that another queue ' +
      'names.',
  },
  liveness: {
    rules: ['AwsSolutions-APIG4'],
    reason:
      'GET /healthz says that the function runs and nothing else, to probes that cannot sign; it is throttled with the ' +
      'rest and reads neither the database nor any secret. Every other route requires a signature.',
  },
  operatorReadPolicy: {
    rules: [invokes('GET/*')],
    reason:
      'Whoever reads may read every path of this one API: all of them say the same account in other ways. The policy is ' +
      'attached to nobody here.',
  },
  operatorChangePolicy: {
    rules: [invokes('POST/trading/controls/*'), invokes('POST/trading/adapters/*')],
    reason:
      'Whoever may stop trading in an emergency may do it with every control and adapter that this one API changes; the ' +
      'symbol is part of the path. The policy is attached to nobody here.',
  },
  existingSubnets: {
    rules: ['@aws-cdk/aws-ec2:noSubnetRouteTableId'],
    reason: "The routes of a network that was there before are its owner's; nothing of ours reads or changes them.",
  },
  vendorCredentials: {
    rules: ['AwsSolutions-SMG4'],
    reason:
      'The other side issues these credentials and has no interface to rotate them. An operator puts a new value; ' +
      'functions take it up within five minutes, or at once when the old one is refused.',
  },
  ownerPassword: {
    rules: ['AwsSolutions-SMG4'],
    reason:
      'Generated, known to nobody, accepted from the security group of the migration only, and read by the migration ' +
      'only, during deployments. A rotation in between would have to hold the right to change the owner all the time.',
  },
  paperDatabase: {
    rules: ['AwsSolutions-RDS3'],
    reason:
      'No money is traded on paper: when the zone fails, trading waits for it. The environment live has its second zone ' +
      'whatever the settings say.',
  },
  databasePort: {
    rules: ['AwsSolutions-RDS11'],
    reason:
      'The subnets have no route out or in, and two security groups are admitted; another port would hide nothing from ' +
      'whoever is inside them.',
  },
} as const satisfies Readonly<Record<string, Acknowledgement>>;

export type AcknowledgementName = keyof typeof acknowledgements;

/** Lets the named findings stand on this construct and what is inside it. */
export const acknowledge = (construct: IConstruct, ...names: readonly AcknowledgementName[]): void => {
  for (const name of names) letStand(construct, name, acknowledgements[name].rules);
};

/** Lets those of the named findings stand that are about something of one stack. */
export const acknowledgeAbout = (construct: IConstruct, stackName: string, name: AcknowledgementName): void => {
  const rules: readonly string[] = acknowledgements[name].rules;
  letStand(
    construct,
    name,
    rules.filter((rule) => rule.includes(`::${stackName}:`)),
  );
};

const letStand = (construct: IConstruct, name: AcknowledgementName, rules: readonly string[]): void => {
  const { reason } = acknowledgements[name];
  Validations.of(construct).acknowledge(...rules.map((id) => ({ id, reason })));
};
