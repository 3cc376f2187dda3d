import { type AlarmRow, minutes, occurrence, row } from './alarm-row.ts';
import { httpApiMetric, lambdaMetric, queueMetric, scheduleGroupMetric } from './metrics.ts';

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
  /** Carries orders. */
  readonly execution: boolean;
}
export interface WatchedWorkQueue extends WatchedQueue {
  /** A message older than this is not being worked on. */
  readonly maximumAgeSeconds: number;
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
 * The watcher of all our own metrics cannot report its own death, so Lambda's count of its invocations does. It is
 * scheduled every minute from 08:00 to 17:59 New York on weekdays. Metric math knows UTC only: 13 to 21 o'clock lies
 * within those hours in summer (12:00 to 21:59 UTC) and in winter (13:00 to 22:59 UTC), and holds the whole session of
 * both (13:30 to 20:00 and 14:30 to 21:00 UTC). DAY counts Monday as 1.
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
    metrics: { invocations: lambdaMetric(functionName, 'Invocations', 'Sum') },
    expression:
      'IF((HOUR(invocations) >= 13) AND (HOUR(invocations) <= 21) AND (DAY(invocations) <= 5), invocations, 1)',
    comparison: '<',
    threshold: 1,
    breaching: minutes(5),
    missing: 'breaching',
    meaning: 'freshness-check has not been invoked for 5 minutes: every other alarm on our own metrics is blind.',
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
      : `A message is older than ${String(maximumAgeSeconds)} s, longer than the longest delay and a full round of retries.`,
    runbook: 'queue-age.md',
  });

export const deadLetterAlarm = ({ name, queueName, execution }: WatchedQueue): AlarmRow =>
  row({
    id: `dead-letters-${name}`,
    title: `Dead letters in ${name}`,
    severity: execution ? 'page' : 'ticket',
    theme: execution ? 'delivery' : 'platform',
    metrics: { value: queueMetric(queueName, 'ApproximateNumberOfMessagesVisible', 'Maximum') },
    comparison: '>=',
    threshold: 1,
    // The queue service measures a queue that holds something, and stops some hours after it was last used.
    missing: 'notBreaching',
    meaning: execution
      ? 'An order request failed three times and will not be tried again.'
      : 'Something failed for good and waits here for someone to look at it.',
    runbook: execution ? 'dead-letters-execution.md' : 'dead-letters.md',
  });

/** Schedules that could not invoke their function. The group is shared by all schedules of the account that name none. */
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
