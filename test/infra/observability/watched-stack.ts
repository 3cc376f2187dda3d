import { functionNames, type QueueName, queues, schedules } from '@torghut/domain';
import { defaultLimits } from '@torghut/domain/limits';
import { App, type CfnResource, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';

import { scheduleGroupLogicalId, undeliveredQueues } from '../../../infra/constructs/logical-id.ts';
import type { AlarmRow } from '../../../infra/constructs/observability/alarm-row.ts';
import { Alarms } from '../../../infra/constructs/observability/alarms.ts';
import { Dashboards } from '../../../infra/constructs/observability/dashboards.ts';
import { everyAlarm, type Watched } from '../../../infra/constructs/observability/every-alarm.ts';
import { kebabCase } from '../../../infra/constructs/observability/resource-alarms.ts';
import { deadLetters } from '../../../infra/stacks/function-table.ts';
import { readAlarm, type TemplateAlarm } from '../../support/metric-math.ts';

/** The functions and queues of the contract under names of their own, so that nothing has to be bundled. */
export const watched: Watched = {
  functions: functionNames.map((name) => ({
    name,
    functionName: `${name}-function`,
    timeoutSeconds: 30,
    asynchronous: name in schedules,
  })),
  workQueues: Object.values(queues).map(({ logicalId, fifo }) => ({
    name: kebabCase(logicalId),
    queueName: logicalId,
    execution: fifo,
    maximumAgeSeconds: fifo ? 60 : 1_800,
  })),
  deadLetterQueues: [
    ...(Object.keys(queues) as QueueName[]).map((name) => ({
      name: `${kebabCase(queues[name].logicalId)}-dead-letter`,
      queueName: `${queues[name].logicalId}DeadLetter`,
      holds: deadLetters[name],
    })),
    ...Object.entries(undeliveredQueues).map(([name, logicalId]) => ({
      name: kebabCase(logicalId),
      queueName: logicalId,
      holds: name === 'notificationDeadLetter' ? ('notifications' as const) : ('other' as const),
    })),
  ],
  watcherFunctionName: 'freshness-check-function',
  scheduleGroup: scheduleGroupLogicalId,
  researchLane: 'arn:aws:states:eu-central-1:123456789012:stateMachine:research-lane',
  maximumEventAgeSeconds: 60,
  operatorApiId: 'operator',
};

export const rows: readonly AlarmRow[] = everyAlarm(defaultLimits, watched);
export const deployedRows = rows.filter(({ capability }) => capability === 'now');

export interface WatchedStack {
  readonly template: Template;
  readonly pages: string;
  readonly tickets: string;
  readonly logicalIdOf: (row: AlarmRow) => string;
  readonly alarmOf: (row: AlarmRow) => TemplateAlarm;
}

/** Alarms and dashboards of all rows in a stack of their own. */
export const watchedStack = (composite = true, of: readonly AlarmRow[] = rows): WatchedStack => {
  const stack = new Stack(new App({ builtinCloudFormationValidation: false }), 'watched');
  const pages = new Topic(stack, 'PagesTopic');
  const tickets = new Topic(stack, 'TicketsTopic');
  const alarms = new Alarms(stack, 'Alarms', { environment: 'paper', rows: of, pages, tickets, composite });
  new Dashboards(stack, 'Dashboards', { environment: 'paper', alarms, watched });
  const template = Template.fromStack(stack);
  const found = template.findResources('AWS::CloudWatch::Alarm');
  const logicalIdOf = (row: AlarmRow): string => {
    const alarm = alarms.byId.get(row.id);
    if (alarm === undefined) throw new Error(`expected an alarm of ${row.id} in the template, found none`);
    return stack.getLogicalId(alarm.node.defaultChild as CfnResource);
  };
  return {
    template,
    pages: stack.getLogicalId(pages.node.defaultChild as CfnResource),
    tickets: stack.getLogicalId(tickets.node.defaultChild as CfnResource),
    logicalIdOf,
    alarmOf: (row) => readAlarm(found[logicalIdOf(row)]!['Properties']),
  };
};
