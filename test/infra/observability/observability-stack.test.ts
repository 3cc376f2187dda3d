import { functionNames, queues, schedules } from '@torghut/domain';
import { defaultLimits } from '@torghut/domain/limits';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  deadLetterLogicalId,
  functionLogicalId,
  scheduleGroupLogicalId,
  undeliveredQueues,
} from '../../../infra/constructs/logical-id.ts';
import { functionTable } from '../../../infra/stacks/function-table.ts';
import { readAlarm, type TemplateAlarm } from '../../support/metric-math.ts';
import { oneMachine, plantTree, removeTree, synthesizeStage } from '../source-tree.ts';

let root: string;
let template: Template;
let alarms: readonly TemplateAlarm[];

beforeAll(() => {
  root = plantTree();
  template = Template.fromStack(synthesizeStage(root, 'paper', oneMachine).stage.observability);
  alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) =>
    readAlarm(Properties),
  );
});
afterAll(() => {
  removeTree(root);
});

/** Alarms on a metric whose dimension is an import of this logical id. */
const alarmsOn = (metricName: string, logicalId: string): readonly TemplateAlarm[] =>
  alarms.filter(({ metrics }) =>
    Object.values(metrics).some(({ name, dimensions }) => {
      const [value] = Object.values(dimensions);
      const imported = (value as { readonly 'Fn::ImportValue'?: unknown } | undefined)?.['Fn::ImportValue'];
      // `stack:ExportsOutputRefLogicalId1234ABCD`, or `…FnGetAttLogicalIdQueueName1234ABCD`.
      return (
        name === metricName &&
        typeof imported === 'string' &&
        new RegExp(`(Ref|GetAtt)${logicalId}(QueueName)?[0-9A-F]{8}$`).test(imported)
      );
    }),
  );

describe('the observability stack', () => {
  it.each(functionNames)('watches errors, throttles and duration of %s', (name) => {
    const id = functionLogicalId(name);
    const errors = alarmsOn('Errors', id).filter(({ description }) => description.includes('function-errors.md'));
    expect(errors).toHaveLength(1);
    expect(alarmsOn('Throttles', id)).toHaveLength(1);
    const [duration] = alarmsOn('Duration', id);
    expect(duration?.threshold).toBe(0.8 * functionTable[name].timeoutSeconds * 1_000);
  });

  it.each(Object.keys(schedules) as (keyof typeof schedules)[])(
    'watches what becomes of the invocations of %s',
    (name) => {
      const id = functionLogicalId(name);
      for (const metric of ['AsyncEventsDropped', 'DestinationDeliveryFailures', 'AsyncEventAge'])
        expect(alarmsOn(metric, id), metric).toHaveLength(1);
    },
  );

  it.each(Object.values(queues))('watches age and dead letters of $logicalId', ({ logicalId, fifo }) => {
    const [age] = alarmsOn('ApproximateAgeOfOldestMessage', logicalId);
    expect(age?.threshold).toBe(fifo ? defaultLimits.orderMessageTtlSeconds : 1_800);
    const [letters] = alarmsOn('ApproximateNumberOfMessagesVisible', deadLetterLogicalId(logicalId));
    expect(letters?.threshold).toBe(1);
  });

  it.each([
    [undeliveredQueues.scheduleDeadLetter, 'dead-letters.md'],
    [undeliveredQueues.invocationDeadLetter, 'dead-letters.md'],
    [undeliveredQueues.notificationDeadLetter, 'dead-letters-notifications.md'],
  ])('watches %s', (logicalId, runbook) => {
    const found = alarmsOn('ApproximateNumberOfMessagesVisible', logicalId);
    expect(found.map(({ description }) => description)).toEqual([expect.stringContaining(`infra/runbooks/${runbook}`)]);
  });

  it.each(['InvocationDroppedCount', 'TargetErrorCount', 'InvocationThrottleCount'])(
    'watches %s of the schedules of this environment',
    (metric) => {
      expect(alarmsOn(metric, scheduleGroupLogicalId)).toHaveLength(1);
    },
  );

  it('watches the watcher and the operator API', () => {
    const [watcher, ...others] = alarmsOn('Invocations', functionLogicalId('freshness-check'));
    expect(others).toEqual([]);
    expect(alarmsOn('Errors', functionLogicalId('freshness-check'))).toContain(watcher);
    expect(alarms.flatMap(({ metrics }) => Object.values(metrics)).filter(({ name }) => name === '5xx')).toHaveLength(
      1,
    );
  });

  it('notifies the topics of the state stack', () => {
    const text = JSON.stringify(template.findResources('AWS::CloudWatch::CompositeAlarm'));
    expect(text).toContain('PagesTopic');
    for (const { actions } of alarms) expect(JSON.stringify(actions)).toContain('TicketsTopic');
  });

  it('pages from every page alarm itself when the setting says that there are no composite alarms', () => {
    const settings = { ...oneMachine, 'paper:compositeAlarms': 'false' };
    const { stage } = synthesizeStage(root, 'paper', settings, 'without-composites');
    const without = Template.fromStack(stage.observability);
    without.resourceCountIs('AWS::CloudWatch::CompositeAlarm', 0);
    expect(JSON.stringify(without.findResources('AWS::CloudWatch::Alarm'))).toContain('PagesTopic');
  });
});
