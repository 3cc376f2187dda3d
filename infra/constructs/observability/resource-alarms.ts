import { type AlarmRow, minutes, occurrence, row } from './alarm-row.ts';
import { httpApiMetric, lambdaMetric, queueMetric, scheduleGroupMetric, stateMachineMetric } from './metrics.ts';

export interface WatchedFunction {
  /** Folder name under `functions/`. */
  readonly name: string;
  /** What CloudWatch calls it. */
  readonly functionName: string;
  readonly timeoutSeconds: number;
  /** Invoked by a schedule, and so through Lambda's internal queue. */
  readonly asynchronous: boolean;
}

export interface WatchedQueue {
  /** Logical id in kebab case. */
  readonly name: string;
  readonly queueName: string;
}
export interface WatchedWorkQueue extends WatchedQueue {
  /** Carries orders. */
  readonly execution: boolean;
  /** A message older than this is not being worked on. */
  readonly maximumAgeSeconds: number;
}
export interface WatchedDeadLetterQueue extends WatchedQueue {
  readonly holds: 'orders' | 'notifications' | 'evidence' | 'other';
}

/** `LeanExecutionQueue` as `lean-execution-queue`. */
export const kebabCase = (logicalId: string): string =>
  logicalId.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

/** Share of its timeout at which a function is about to be cut off. */
const nearTimeout = 0.8;

/** Half the age at which Lambda gives an event up: late, and not yet lost. */
const lateEvent = 0.5;

export const functionAlarms = (watched: WatchedFunction, maximumEventAgeSeconds: number): readonly AlarmRow[] => {
  const { name, functionName, timeoutSeconds } = watched;
  const one = (metric: string, statistic: 'Sum' | 'Maximum') => ({
    value: lambdaMetric(functionName, metric, statistic),
  });
  const shared = { severity: 'ticket', theme: 'platform' } as const;
  const always: readonly AlarmRow[] = [
    occurrence({
      ...shared,
      id: `function-errors-${name}`,
      title: `${name} fails`,
      metrics: one('Errors', 'Sum'),
      meaning: `An invocation of ${name} ended with an error or was cut off.`,
      runbook: 'function-errors.md',
    }),
    occurrence({
      ...shared,
      id: `function-throttles-${name}`,
      title: `${name} is throttled`,
      metrics: one('Throttles', 'Sum'),
      meaning: `${name} was invoked more often at a time than its concurrency allows.`,
      runbook: 'function-throttles.md',
    }),
    row({
      ...shared,
      id: `function-duration-${name}`,
      title: `${name} nearly times out`,
      metrics: one('Duration', 'Maximum'),
      comparison: '>=',
      threshold: nearTimeout * timeoutSeconds * 1_000,
      missing: 'notBreaching',
      meaning: `An invocation of ${name} took ${String(nearTimeout * 100)} % of its ${String(timeoutSeconds)} s.`,
      runbook: 'function-duration.md',
    }),
  ];
  if (!watched.asynchronous) return always;
  return [
    ...always,
    occurrence({
      ...shared,
      id: `function-events-lost-${name}`,
      title: `${name} loses invocations`,
      metrics: {
        dropped: lambdaMetric(functionName, 'AsyncEventsDropped', 'Sum'),
        undelivered: lambdaMetric(functionName, 'DestinationDeliveryFailures', 'Sum'),
      },
      // Arithmetic reads a missing data point as 0 beside one that is there.
      expression: 'dropped + undelivered',
      meaning: `Lambda gave an invocation of ${name} up, or could not even write it to the dead letters.`,
      runbook: 'function-events-lost.md',
    }),
    row({
      ...shared,
      id: `function-events-late-${name}`,
      title: `${name} starts late`,
      metrics: one('AsyncEventAge', 'Maximum'),
      comparison: '>=',
      threshold: lateEvent * maximumEventAgeSeconds * 1_000,
      missing: 'notBreaching',
      meaning: `An invocation of ${name} waited ${String(lateEvent * maximumEventAgeSeconds)} s to start; at ${String(maximumEventAgeSeconds)} s it is given up.`,
      runbook: 'function-events-late.md',
    }),
  ];
};

/**
 * The watcher of all our own metrics cannot report its own death, so Lambda's counts of its invocations do. Invocations
 * include those that failed and measured nothing, so their errors are taken off; errors that are missing beside invocations
 * count as 0. It is scheduled every minute from 08:00 to 17:59 New York on weekdays. Metric math knows UTC only: 13 to 21
 * o'clock lies within those hours in summer (12:00 to 21:59 UTC) and in winter (13:00 to 22:59 UTC), and holds the whole
 * session of both (13:30 to 20:00 and 14:30 to 21:00 UTC). DAY counts Monday as 1.
 *
 * HOUR and DAY of a series answer for every period, also where the series has no data point; IF answers 0 where the
 * condition holds and the value is missing. So a minute without an invocation is a 0 and breaches, and outside the hours
 * the answer is 1. Five minutes in a row, because the newest one or two have not arrived yet and look the same.
 */
export const watcherAlarm = (functionName: string): AlarmRow =>
  row({
    id: 'watcher-silent',
    title: 'Nothing is being measured',
    severity: 'page',
    theme: 'platform',
    metrics: {
      invocations: lambdaMetric(functionName, 'Invocations', 'Sum'),
      errors: lambdaMetric(functionName, 'Errors', 'Sum'),
    },
    expression:
      'IF((HOUR(invocations) >= 13) AND (HOUR(invocations) <= 21) AND (DAY(invocations) <= 5), invocations - errors, 1)',
    comparison: '<',
    threshold: 1,
    breaching: minutes(5),
    missing: 'breaching',
    meaning:
      'For 5 minutes no invocation of freshness-check has succeeded, or there was none: every other alarm on our own metrics is blind.',
  });

export const workQueueAlarm = ({ name, queueName, execution, maximumAgeSeconds }: WatchedWorkQueue): AlarmRow =>
  row({
    id: `queue-age-${name}`,
    title: `Messages wait in ${name}`,
    severity: execution ? 'page' : 'ticket',
    theme: execution ? 'orders' : 'platform',
    metrics: { value: queueMetric(queueName, 'ApproximateAgeOfOldestMessage', 'Maximum') },
    comparison: execution ? '>=' : '>',
    threshold: maximumAgeSeconds,
    missing: 'notBreaching',
    meaning: execution
      ? `An order has waited ${String(maximumAgeSeconds)} s, after which no router may submit it.`
      : `A message is older than ${String(maximumAgeSeconds)} s, longer than any delay and a full round of retries.`,
    runbook: 'queue-age.md',
  });

type DeadLetterKind = Pick<AlarmRow, 'severity' | 'theme' | 'meaning' | 'runbook'>;

const deadLetterKinds: Readonly<Record<WatchedDeadLetterQueue['holds'], DeadLetterKind>> = {
  orders: {
    severity: 'page',
    theme: 'delivery',
    meaning: 'An order request failed three times and will not be tried again.',
    runbook: 'dead-letters-execution.md',
  },
  // Told through the same topics that just failed, as there are no others. The pager's outage may be over by the time the
  // queue is measured, and where only one of the two ways is broken the other one, page or ticket, arrives. In a theme of
  // its own, so that no letter that waits to be looked at mutes it.
  notifications: {
    severity: 'page',
    theme: 'notifications',
    meaning: 'The pager or the ticket address did not take a notification: someone was not told of an alarm.',
    runbook: 'dead-letters-notifications.md',
  },
  evidence: {
    severity: 'page',
    theme: 'research',
    meaning: 'Evidence of a research run is not in the ledger, after all retries.',
    runbook: 'research-persistence-dead-letter.md',
  },
  other: {
    severity: 'ticket',
    theme: 'platform',
    meaning: 'Something failed for good and waits here for someone to look at it.',
    runbook: 'dead-letters.md',
  },
};

export const deadLetterAlarm = ({ name, queueName, holds }: WatchedDeadLetterQueue): AlarmRow =>
  row({
    ...deadLetterKinds[holds],
    id: `dead-letters-${name}`,
    title: `Dead letters in ${name}`,
    metrics: { value: queueMetric(queueName, 'ApproximateNumberOfMessagesVisible', 'Maximum') },
    comparison: '>=',
    threshold: 1,
    // The queue service measures a queue that holds something, and stops some hours after it was last used.
    missing: 'notBreaching',
  });

/** Executions of the research lane that did not end as the lane ends: what a run fails with by itself is in the ledger. */
export const researchLaneAlarm = (arn: string): AlarmRow =>
  occurrence({
    id: 'research-lane-failed',
    title: 'The research lane cannot work',
    severity: 'ticket',
    theme: 'research',
    metrics: {
      failed: stateMachineMetric(arn, 'ExecutionsFailed'),
      late: stateMachineMetric(arn, 'ExecutionsTimedOut'),
      aborted: stateMachineMetric(arn, 'ExecutionsAborted'),
    },
    // Arithmetic reads a missing data point as 0 beside one that is there.
    expression: 'failed + late + aborted',
    periodSeconds: 300,
    breaching: { points: 1, outOf: 24 },
    meaning:
      'An execution of the research lane failed or ran out of time within 2 h: something it needs was away for all tries.',
  });

/** Schedules that could not invoke their function. */
export const scheduleAlarms = (group: string): readonly AlarmRow[] => {
  const shared = { severity: 'ticket', theme: 'platform', runbook: 'schedule-drops.md' } as const;
  return [
    occurrence({
      ...shared,
      id: 'schedule-dropped',
      title: 'A schedule gave up',
      metrics: { value: scheduleGroupMetric(group, 'InvocationDroppedCount') },
      meaning: 'A scheduled invocation failed until its retries or its age were used up.',
    }),
    occurrence({
      ...shared,
      id: 'schedule-target-errors',
      title: 'A schedule cannot reach its function',
      metrics: { value: scheduleGroupMetric(group, 'TargetErrorCount') },
      meaning: 'The target of a schedule answered with an error.',
    }),
    occurrence({
      ...shared,
      id: 'schedule-throttled',
      title: 'Schedules are throttled',
      metrics: { value: scheduleGroupMetric(group, 'InvocationThrottleCount') },
      meaning: 'A scheduled invocation was delayed because the service or the function is at its rate.',
    }),
  ];
};

export const operatorApiAlarm = (apiId: string): AlarmRow =>
  occurrence({
    id: 'operator-api-errors',
    title: 'The operator API fails',
    severity: 'ticket',
    theme: 'platform',
    metrics: { value: httpApiMetric(apiId, '5xx', 'Sum') },
    periodSeconds: 300,
    meaning: 'The operator API answered with a server error within 5 minutes.',
  });
