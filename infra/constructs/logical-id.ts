import type { FunctionName, secretKeys } from '@torghut/domain/contract';

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

/** The state machine of research runs. */
export const researchLaneLogicalId = 'ResearchLane';

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
