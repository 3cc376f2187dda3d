import { deployment, type FunctionName, type QueueName } from '@torghut/domain/contract';

import type { SecretName } from '../constructs/logical-id.ts';

export interface FunctionProfile {
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** Executions at a time, and a share of the account's concurrency kept free for them. */
  readonly reservedConcurrency: number;
  readonly reads: readonly SecretName[];
  readonly sendsTo: readonly QueueName[];
  /** Puts events on the bus. */
  readonly publishes?: boolean;
}

/** Whoever publishes the outbox may meet a message of any topic. */
const everyQueue: readonly QueueName[] = ['lean', 'alpaca', 'followUp'];

/** Batches of a queue in work at a time. Each holds one or two database connections. */
export const maximumConcurrency: Readonly<Record<QueueName, number>> = { lean: 5, alpaca: 5, followUp: 2 };

/**
 * Size and reach of every function. A scheduled function ends before its next tick. A consumer's reserved concurrency
 * covers what its event source may start, or SQS would count throttled deliveries as failures.
 */
export const functionTable: Readonly<Record<FunctionName, FunctionProfile>> = {
  'autonomy-cycle': {
    timeoutSeconds: 50,
    memoryMegabytes: 1024,
    reservedConcurrency: 1,
    reads: ['database', 'clickhouse', 'jangar'],
    sendsTo: everyQueue,
  },
  'freshness-check': {
    timeoutSeconds: 30,
    memoryMegabytes: 512,
    reservedConcurrency: 1,
    reads: ['database', 'clickhouse'],
    sendsTo: everyQueue,
    publishes: true,
  },
  'lean-router': {
    timeoutSeconds: deployment.routerTimeoutSeconds,
    memoryMegabytes: 512,
    reservedConcurrency: maximumConcurrency.lean,
    reads: ['database', 'alpaca', 'lean'],
    sendsTo: everyQueue,
  },
  'alpaca-router': {
    timeoutSeconds: deployment.routerTimeoutSeconds,
    memoryMegabytes: 512,
    reservedConcurrency: maximumConcurrency.alpaca,
    reads: ['database', 'alpaca'],
    sendsTo: everyQueue,
  },
  'order-sync': {
    timeoutSeconds: 45,
    memoryMegabytes: 512,
    // Its event source and its schedule.
    reservedConcurrency: maximumConcurrency.followUp + 1,
    reads: ['database', 'alpaca', 'lean'],
    sendsTo: everyQueue,
  },
  // Reads the broker page by page within its rate, and ends before its next tick.
  'nightly-reconciliation': {
    timeoutSeconds: 600,
    memoryMegabytes: 1024,
    reservedConcurrency: 1,
    reads: ['database', 'alpaca'],
    sendsTo: [],
  },
  'operator-api': {
    timeoutSeconds: 10,
    memoryMegabytes: 512,
    reservedConcurrency: 5,
    reads: ['database'],
    sendsTo: [],
  },
  // Once per deployment. One at a time: a second run would only wait for the first one's lock.
  migrate: {
    timeoutSeconds: 300,
    memoryMegabytes: 512,
    reservedConcurrency: 1,
    reads: ['databaseOwner', 'database'],
    sendsTo: [],
  },
};

/** Taken from the concurrency of the account by one environment; Lambda refuses to leave less than 100 unreserved. */
export const reservedConcurrencyOfEnvironment = Object.values(functionTable).reduce(
  (sum, { reservedConcurrency }) => sum + reservedConcurrency,
  0,
);
