import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { deployment, functionNames, queues, schedules, secretKeys } from '@torghut/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Deployment, readTemplate } from '../../infra/local/template.ts';
import { oneMachine, plantTree, removeTree, synthesizeStage } from './source-tree.ts';

let root: string;
let assembly: string;
let found: Deployment;

beforeAll(() => {
  root = plantTree();
  ({ assembly } = synthesizeStage(root, 'paper', oneMachine));
  found = readTemplate(assembly, 'paper');
});
afterAll(() => {
  removeTree(root);
});

describe('the deployment read from the template', () => {
  it('has every function of the contract with its limits', () => {
    expect(Object.keys(found.functions).toSorted()).toEqual(functionNames.toSorted());
    expect(found.functions['lean-router']).toMatchObject({
      timeoutSeconds: deployment.routerTimeoutSeconds,
      reservedConcurrency: 5,
      asynchronous: { retries: 0, maxEventAgeSeconds: 60, deadLetter: 'invocationDeadLetter' },
    });
  });

  it('resolves what a variable refers to, across stacks: text, a queue or a secret', () => {
    const { environment, queueUrls, secrets } = found.functions['autonomy-cycle'];
    expect(environment).toMatchObject({ TRADING_ACCOUNT_LABEL: 'paper', TORGHUT_CODE_HASH: found.codeHash });
    expect(queueUrls).toEqual({ LEAN_QUEUE_URL: 'lean', ALPACA_QUEUE_URL: 'alpaca', FOLLOW_UP_QUEUE_URL: 'followUp' });
    expect(secrets).toEqual({
      [secretKeys.database]: 'database',
      [secretKeys.clickhouse]: 'clickhouse',
      [secretKeys.jangar]: 'jangar',
    });
  });

  it('has every queue with its dead-letter queue', () => {
    expect(found.queues.lean).toEqual({
      fifo: true,
      contentBasedDeduplication: false,
      visibilityTimeoutSeconds: 150,
      delaySeconds: 0,
      retentionSeconds: 345_600,
      deadLetter: { queue: 'leanDeadLetter', maxReceiveCount: 3 },
    });
    expect(found.queues.leanDeadLetter).toMatchObject({ fifo: true, deadLetter: null });
    expect(found.queues.followUp).toMatchObject({ fifo: false, deadLetter: { queue: 'followUpDeadLetter' } });
    expect(found.queues.scheduleDeadLetter.fifo).toBe(false);
  });

  it('knows which function brings the ledger up to the release', () => {
    expect(found.migration).toBe('migrate');
  });

  it('has every event source and schedule', () => {
    expect(found.eventSources).toHaveLength(Object.keys(queues).length);
    expect(found.eventSources).toContainEqual({
      function: 'lean-router',
      queue: 'lean',
      batchSize: 1,
      maximumConcurrency: 5,
      reportBatchItemFailures: true,
    });
    expect(found.schedules.map(({ function: name, expression }) => [name, expression])).toEqual(
      Object.entries(schedules),
    );
    expect(found.schedules[0]).toMatchObject({
      timezone: 'America/New_York',
      retries: 1,
      maxEventAgeSeconds: 60,
      deadLetter: 'scheduleDeadLetter',
      input: '{"scheduledFor":"<aws.scheduler.scheduled-time>"}',
    });
  });
});

describe('a template that is not understood', () => {
  interface EditableTemplate {
    Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
  }
  let file: string;
  let original: string;
  const edit = (stack: string, change: (template: EditableTemplate) => void): void => {
    const directory = join(assembly, 'assembly-torghut-paper');
    const name = readdirSync(directory).find((entry) => entry.includes(stack) && entry.endsWith('.template.json'))!;
    file = join(directory, name);
    original = readFileSync(file, 'utf8');
    const template = JSON.parse(original) as EditableTemplate;
    change(template);
    writeFileSync(file, JSON.stringify(template));
  };
  beforeEach(() => () => {
    writeFileSync(file, original);
  });

  const cases: readonly (readonly [string, string, (template: EditableTemplate) => void, RegExp])[] = [
    [
      'an unknown type of resource',
      'runtime',
      (template) => (template.Resources['Tap'] = { Type: 'AWS::Pipes::Pipe', Properties: {} }),
      /Tap: expected a resource type the one-machine deployment knows, found AWS::Pipes::Pipe/,
    ],
    [
      'an unknown property of a queue',
      'state',
      (template) => (template.Resources['LeanExecutionQueue']!.Properties['DeduplicationScope'] = 'messageGroup'),
      /LeanExecutionQueue \(AWS::SQS::Queue\)[\s\S]*DeduplicationScope/,
    ],
    [
      'another runtime',
      'runtime',
      (template) => (template.Resources['LeanRouterFunction']!.Properties['Runtime'] = 'nodejs22.x'),
      /LeanRouterFunction[\s\S]*nodejs24\.x/,
    ],
    [
      'a queue outside the contract',
      'state',
      (template) => (template.Resources['Tap'] = { Type: 'AWS::SQS::Queue', Properties: {} }),
      /Tap: expected one of the queues LeanExecutionQueue, /,
    ],
    [
      'a missing queue',
      'state',
      (template) => delete template.Resources['OrderFollowUpQueueDeadLetter'],
      /expected the template to declare the queue followUpDeadLetter, found none/,
    ],
    [
      'no migration',
      'runtime',
      (template) => delete template.Resources['LedgerMigration'],
      /expected the template to declare the custom resource migration, found none/,
    ],
    [
      'a variable that is neither text nor a reference',
      'runtime',
      (template) =>
        (template.Resources['LeanRouterFunction']!.Properties['Environment'] = {
          Variables: { URL: { 'Fn::Sub': 'x' } },
        }),
      /expected a reference to a resource, found \{"Fn::Sub":"x"\}/,
    ],
    [
      'functions that carry no code hash',
      'runtime',
      (template) => (template.Resources['LeanRouterFunction']!.Properties['Environment'] = { Variables: {} }),
      /TORGHUT_CODE_HASH: expected one SHA-256/,
    ],
  ];
  it.each(cases)('is refused: %s', (_name, stack, change, message) => {
    edit(stack, change);
    expect(() => readTemplate(assembly, 'paper')).toThrow(message);
  });

  it('is refused: an environment that was not synthesized', () => {
    expect(() => readTemplate(assembly, 'live')).toThrow('expected the environment "live", found none');
  });
});
