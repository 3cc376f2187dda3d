import type { FunctionName, secretKeys } from '@torghut/domain/contract';

/**
 * Logical ids are fixed by name, not by the place in the construct tree: moving a construct cannot replace a queue or a
 * secret, and the one-machine deployment finds by name in the template what it runs.
 */

export type SecretName = keyof typeof secretKeys;

const pascalCase = (name: string): string =>
  name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

export const functionLogicalId = (name: FunctionName): string => `${pascalCase(name)}Function`;

export const secretLogicalId = (name: SecretName): string => `${pascalCase(name)}Secret`;

export const deadLetterLogicalId = (queueLogicalId: string): string => `${queueLogicalId}DeadLetter`;

/** Dead letters of what no queue delivers: schedules that could not invoke, and asynchronous invocations that failed. */
export const undeliveredQueues = {
  scheduleDeadLetter: 'ScheduleDeadLetterQueue',
  invocationDeadLetter: 'InvocationDeadLetterQueue',
} as const;
