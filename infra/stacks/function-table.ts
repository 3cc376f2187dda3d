import { deployment, type FunctionName, type QueueName } from '@torghut/domain/contract';

import type { SecretName } from '../constructs/logical-id.ts';
import type { WatchedDeadLetterQueue } from '../constructs/observability/resource-alarms.ts';

export interface FunctionProfile {
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** Executions at a time, and a share of the account's concurrency kept free for them. */
  readonly reservedConcurrency: number;
  readonly reads: readonly SecretName[];
  readonly sendsTo: readonly QueueName[];
  /** Puts events on the bus. */
  readonly publishes?: boolean;
  readonly readsEvidence?: boolean;
  readonly writesEvidence?: boolean;
  readonly signs?: boolean;
  /** Knows whose signatures count: of keys that were published, and of the one that signs now. */
  readonly verifies?: boolean;
}

/** Whoever publishes the outbox may meet a message of any topic. */
const everyQueue: readonly QueueName[] = ['lean', 'alpaca', 'followUp'];

/** Batches of a queue in work at a time. Each holds one or two database connections. */
export const maximumConcurrency: Readonly<Record<QueueName, number>> = { lean: 5, alpaca: 5, followUp: 2, evidence: 2 };

/** Steps of research runs at work at a time. */
export const researchConcurrency = 8;

/** Deliveries of a message until it is a dead letter. Evidence is tried again within its one delivery. */
export const receiveCounts: Readonly<Record<QueueName, number>> = {
  lean: deployment.queueReceiveCount,
  alpaca: deployment.queueReceiveCount,
  followUp: deployment.queueReceiveCount,
  evidence: 1,
};

/** What the dead letters of each queue were. */
export const deadLetters: Readonly<Record<QueueName, WatchedDeadLetterQueue['holds']>> = {
  lean: 'orders',
  alpaca: 'orders',
  followUp: 'other',
  evidence: 'evidence',
};

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
    // The stream, because the decisions of the last session are made from it again.
    reads: ['database', 'clickhouse', 'alpaca'],
    sendsTo: [],
    // Checks what research left, and signs where the chain over it leads.
    readsEvidence: true,
    writesEvidence: true,
    signs: true,
    verifies: true,
  },
  // Each invocation is one step of a run: a candidate on the whole dataset, at most.
  'research-lane': {
    timeoutSeconds: 300,
    memoryMegabytes: 3072,
    reservedConcurrency: researchConcurrency,
    reads: ['database', 'clickhouse'],
    sendsTo: ['evidence'],
    readsEvidence: true,
    writesEvidence: true,
    signs: true,
  },
  // Waits 21 s between its attempts, and each may wait 8 s for a database that does not answer; then it says so.
  'evidence-writer': {
    timeoutSeconds: 120,
    memoryMegabytes: 1024,
    reservedConcurrency: maximumConcurrency.evidence,
    reads: ['database'],
    sendsTo: [],
    readsEvidence: true,
    verifies: true,
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
