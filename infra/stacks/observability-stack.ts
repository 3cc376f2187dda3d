import { deployment, functionNames, type QueueName, queues, schedules } from '@torghut/domain/contract';
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

import type { Settings } from '../config.ts';
import { deadLetterLogicalId, undeliveredQueues } from '../constructs/logical-id.ts';
import { Alarms } from '../constructs/observability/alarms.ts';
import { Dashboards } from '../constructs/observability/dashboards.ts';
import { everyAlarm, type Watched } from '../constructs/observability/every-alarm.ts';
import { limitsInForce } from '../constructs/observability/limits-in-force.ts';
import { kebabCase } from '../constructs/observability/resource-alarms.ts';
import { deadLetters, functionTable } from './function-table.ts';
import type { OperatorStack } from './operator-stack.ts';
import type { RuntimeStack } from './runtime-stack.ts';
import type { StateStack } from './state-stack.ts';

export interface ObservabilityStackProps extends StackProps {
  readonly settings: Settings;
  readonly state: StateStack;
  readonly runtime: RuntimeStack;
  readonly operator: OperatorStack;
}

/** Twice the longest delay a message may have; evidence that waits as long is not being stored. */
const waitingAgeSeconds = 1_800;

const watchedOf = ({ settings, state, runtime, operator }: ObservabilityStackProps): Watched => {
  const limits = limitsInForce(settings.overrides);
  const names = Object.keys(queues) as QueueName[];
  return {
    functions: functionNames.map((name) => ({
      name,
      functionName: runtime.functions[name].lambda.functionName,
      timeoutSeconds: functionTable[name].timeoutSeconds,
      asynchronous: name in schedules,
    })),
    workQueues: names.map((name) => ({
      name: kebabCase(queues[name].logicalId),
      queueName: state.queues[name].queue.queueName,
      execution: queues[name].fifo,
      maximumAgeSeconds: queues[name].fifo ? limits.orderMessageTtlSeconds : waitingAgeSeconds,
    })),
    deadLetterQueues: [
      ...names.map((name) => ({
        name: kebabCase(deadLetterLogicalId(queues[name].logicalId)),
        queueName: state.queues[name].deadLetterQueue.queueName,
        holds: deadLetters[name],
      })),
      ...(
        [
          ['scheduleDeadLetter', 'other'],
          ['invocationDeadLetter', 'other'],
          ['notificationDeadLetter', 'notifications'],
        ] as const
      ).map(([name, holds]) => ({
        name: kebabCase(undeliveredQueues[name]),
        queueName: state[name].queueName,
        holds,
      })),
    ],
    watcherFunctionName: runtime.functions['freshness-check'].lambda.functionName,
    scheduleGroup: runtime.scheduleGroup,
    researchLane: runtime.researchLane,
    maximumEventAgeSeconds: deployment.scheduleMaxEventAgeSeconds,
    operatorApiId: operator.api.apiId,
  };
};

/** What watches the control plane: alarms from one table with a pager and tickets behind them, and dashboards. */
export class ObservabilityStack extends Stack {
  readonly alarms: Alarms;

  constructor(scope: Construct, id: string, props: ObservabilityStackProps) {
    super(scope, id, props);
    const { settings, state } = props;
    const { environment } = settings;
    const watched = watchedOf(props);
    this.alarms = new Alarms(this, 'Alarms', {
      environment,
      rows: everyAlarm(limitsInForce(settings.overrides), watched),
      pages: state.paging.pages,
      tickets: state.paging.tickets,
      composite: settings.compositeAlarms,
    });
    new Dashboards(this, 'Dashboards', { environment, alarms: this.alarms, watched });
  }
}
