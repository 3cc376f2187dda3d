import type { FunctionName, secretKeys } from '@torghut/domain/contract';
import { CfnResource } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Logical ids are fixed by name, not by the place in the construct tree: moving a construct cannot replace a queue, a
 * secret or a database, and the one-machine deployment finds by name in the template what it runs.
 */

export type SecretName = keyof typeof secretKeys;

const pascalCase = (name: string): string =>
  name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

export const functionLogicalId = (name: FunctionName): string => `${pascalCase(name)}Function`;

/** The group that all schedules of an environment are in. */
export const scheduleGroupLogicalId = 'MarketSchedules';

export const secretLogicalId = (name: SecretName): string => `${pascalCase(name)}Secret`;

export const deadLetterLogicalId = (queueLogicalId: string): string => `${queueLogicalId}DeadLetter`;

export const migrationLogicalId = 'LedgerMigration';

/**
 * Dead letters of what no queue delivers: schedules that could not invoke, asynchronous invocations that failed, and
 * notifications of alarms that reached nobody.
 */
export const undeliveredQueues = {
  scheduleDeadLetter: 'ScheduleDeadLetterQueue',
  invocationDeadLetter: 'InvocationDeadLetterQueue',
  notificationDeadLetter: 'NotificationDeadLetterQueue',
} as const;

/** Where alarms go. */
export const topicLogicalIds = { pages: 'PagesTopic', tickets: 'TicketsTopic' } as const;

/** What keeps state, or holds what keeps it. */
export const stateLogicalIds = {
  network: 'Network',
  functionsSecurityGroup: 'FunctionsSecurityGroup',
  migrationSecurityGroup: 'MigrationSecurityGroup',
  database: 'Database',
  evidence: 'EvidenceBucket',
  signingKey: 'EvidenceSigningKey',
} as const;

/**
 * Names every resource in a construct by `name` and its place inside the construct: wherever the construct itself goes,
 * they stay. Call it when the construct is complete; what is added later keeps the library's names.
 */
export const fixLogicalIds = (construct: IConstruct, name: string): void => {
  const depth = construct.node.scopes.length;
  for (const resource of construct.node.findAll()) {
    if (!CfnResource.isCfnResource(resource)) continue;
    const inside = resource.node.scopes.slice(depth).map(({ node }) => node.id.replaceAll(/[^A-Za-z0-9]/g, ''));
    // The library's name for the resource that a construct is about.
    resource.overrideLogicalId([name, ...inside.filter((id) => id !== 'Resource' && id !== 'Default')].join(''));
  }
};
