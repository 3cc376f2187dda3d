import { describe, expect, it } from 'vitest';

import { themes } from '../../../infra/constructs/observability/alarm-row.ts';
import { Alarms } from '../../../infra/constructs/observability/alarms.ts';
import { row as alarmRow } from '../../../infra/constructs/observability/alarm-row.ts';
import { own } from '../../../infra/constructs/observability/metrics.ts';
import { deployedRows, rows, watchedStack } from './watched-stack.ts';
import { readAlarm } from '../../support/metric-math.ts';
import { App, Stack } from 'aws-cdk-lib';
import { Topic } from 'aws-cdk-lib/aws-sns';

interface CompositeResource {
  readonly Properties: {
    readonly AlarmRule: { readonly 'Fn::Join': readonly [string, readonly unknown[]] };
    readonly AlarmActions: readonly unknown[];
    readonly OKActions: readonly unknown[];
    readonly AlarmDescription: string;
  };
}

const composed = watchedStack();
const plain = watchedStack(false);
const composites = Object.values(
  composed.template.findResources('AWS::CloudWatch::CompositeAlarm'),
) as unknown as readonly CompositeResource[];

/** Logical ids of the alarms a rule names, and its text with the longest ARNs there are in their place. */
const ruleOf = ({ Properties }: CompositeResource): { readonly children: readonly string[]; readonly text: string } => {
  const [, parts] = Properties.AlarmRule['Fn::Join'];
  const children = parts.flatMap((part) =>
    typeof part === 'string' ? [] : [(part as { 'Fn::GetAtt': readonly string[] })['Fn::GetAtt'][0]!],
  );
  const longestArn = `arn:aws-us-gov:cloudwatch:ap-southeast-1:123456789012:alarm:${'x'.repeat(255)}`;
  return { children, text: parts.map((part) => (typeof part === 'string' ? part : longestArn)).join('') };
};

describe('alarms', () => {
  it('deploys every row of today and none of a later capability', () => {
    const found = Object.keys(composed.template.findResources('AWS::CloudWatch::Alarm'));
    expect(found.toSorted()).toEqual(deployedRows.map(composed.logicalIdOf).toSorted());
    expect(deployedRows.length).toBeLessThan(rows.length);
  });

  it('pages through the composite alarm of the theme: every page alarm is in one, and each notifies the pager both ways', () => {
    const reachable = composites.flatMap((composite) => ruleOf(composite).children);
    const paging = deployedRows.filter(({ severity }) => severity === 'page');
    expect(reachable.toSorted()).toEqual(paging.map(composed.logicalIdOf).toSorted());
    for (const { Properties } of composites) {
      expect(Properties.AlarmActions).toEqual([{ Ref: composed.pages }]);
      expect(Properties.OKActions).toEqual([{ Ref: composed.pages }]);
    }
  });

  it('fires a composite alarm when any one of its children does', () => {
    for (const composite of composites)
      expect(ruleOf(composite).text).toMatch(/^\(?ALARM\("[^"]*"\)( OR ALARM\("[^"]*"\))*\)?$/);
  });

  it('keeps each rule within 10,240 characters and 100 children, however long names get', () => {
    for (const composite of composites) {
      const { children, text } = ruleOf(composite);
      expect(text.length).toBeLessThanOrEqual(10_240);
      expect(children.length).toBeLessThanOrEqual(100);
    }
  });

  it('opens a ticket for every alarm, and leaves none without an action', () => {
    for (const row of deployedRows) expect(composed.alarmOf(row).actions, row.id).toEqual([{ Ref: composed.tickets }]);
  });

  it('lets page alarms notify the pager themselves where there are no composite alarms', () => {
    plain.template.resourceCountIs('AWS::CloudWatch::CompositeAlarm', 0);
    for (const row of deployedRows) {
      const { actions, okActions } = plain.alarmOf(row);
      const page = row.severity === 'page';
      expect(actions, row.id).toEqual([{ Ref: page ? plain.pages : plain.tickets }]);
      expect(okActions, row.id).toEqual(page ? [{ Ref: plain.pages }] : []);
    }
  });

  it('says in each description what is wrong and where its runbook is', () => {
    for (const row of deployedRows) {
      const { description } = composed.alarmOf(row);
      expect(description).toContain(row.meaning);
      expect(description).toContain(`infra/runbooks/${row.runbook}`);
      // CloudWatch's own limit.
      expect(description.length).toBeLessThanOrEqual(1_024);
    }
    for (const { Properties } of composites) expect(Properties.AlarmDescription.length).toBeLessThanOrEqual(1_024);
  });

  it('uses at most ten metrics an alarm, no search and periods that fit a day', () => {
    for (const row of rows) {
      expect(Object.keys(row.metrics).length).toBeLessThanOrEqual(10);
      expect(row.expression ?? '').not.toContain('SEARCH');
      expect(row.periodSeconds * row.breaching.outOf).toBeLessThanOrEqual(86_400);
    }
  });

  it('names no alarm and no dashboard, so that a second environment fits beside the first', () => {
    for (const type of ['Alarm', 'CompositeAlarm', 'Dashboard']) {
      for (const { Properties } of Object.values(composed.template.findResources(`AWS::CloudWatch::${type}`))) {
        expect(Object.keys(Properties as object)).not.toContain(type === 'Dashboard' ? 'DashboardName' : 'AlarmName');
      }
    }
  });

  it('can read the properties of every alarm, and of nothing it does not know', () => {
    const [first] = Object.values(composed.template.findResources('AWS::CloudWatch::Alarm'));
    const properties = first!['Properties'] as object;
    expect(() => readAlarm(properties)).not.toThrow();
    expect(() => readAlarm({ ...properties, EvaluateLowSampleCountPercentile: 'ignore' })).toThrow();
  });

  it('covers a later row as soon as it is due: all of them synthesize', () => {
    const due = rows.map((row) => ({ ...row, capability: 'now' as const }));
    const all = watchedStack(true, due);
    for (const row of due) expect(() => all.alarmOf(row), row.id).not.toThrow();
    expect(Object.keys(all.template.findResources('AWS::CloudWatch::CompositeAlarm'))).toHaveLength(
      themes.filter((theme) => due.some((row) => row.theme === theme && row.severity === 'page')).length,
    );
  });
});

describe('a wrong row', () => {
  const topics = (): { readonly stack: Stack; readonly pages: Topic; readonly tickets: Topic } => {
    const stack = new Stack(new App(), 'wrong');
    return { stack, pages: new Topic(stack, 'Pages'), tickets: new Topic(stack, 'Tickets') };
  };
  const base = {
    id: 'wrong',
    title: 'Wrong',
    severity: 'page',
    theme: 'platform',
    comparison: '>',
    threshold: 0,
    meaning: '',
  } as const;
  const cycles = own('cycles_total', 'Sum');

  it.each([
    ['no metric', {}, /expected 1 to 10 metrics, found 0/],
    ['two metrics and no expression', { a: cycles, b: cycles }, /expected an expression over its 2 metrics/],
    [
      'eleven metrics',
      Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`m${String(index)}`, cycles])),
      /expected 1 to 10 metrics, found 11/,
    ],
  ])('is refused: %s', (_what, metrics, message) => {
    const { stack, pages, tickets } = topics();
    expect(
      () =>
        new Alarms(stack, 'Alarms', {
          environment: 'paper',
          rows: [alarmRow({ ...base, metrics })],
          pages,
          tickets,
          composite: true,
        }),
    ).toThrow(message);
  });

  it('is refused: more page alarms in a theme than a rule can name', () => {
    const { stack, pages, tickets } = topics();
    const many = Array.from({ length: 31 }, (_, index) =>
      alarmRow({ ...base, id: `row-${String(index)}`, metrics: { cycles } }),
    );
    expect(
      () => new Alarms(stack, 'Alarms', { environment: 'paper', rows: many, pages, tickets, composite: true }),
    ).toThrow(/split the theme/);
  });
});

describe('dashboards', () => {
  const bodies = Object.values(composed.template.findResources('AWS::CloudWatch::Dashboard')).map(({ Properties }) => {
    const { DashboardBody } = Properties as {
      DashboardBody: string | { 'Fn::Join': readonly [string, readonly unknown[]] };
    };
    const text =
      typeof DashboardBody === 'string'
        ? DashboardBody
        : DashboardBody['Fn::Join'][1]
            .map((part) =>
              typeof part === 'string'
                ? part
                : ((part as { 'Fn::GetAtt'?: readonly string[] })['Fn::GetAtt']?.[0] ?? 'reference'),
            )
            .join('');
    return JSON.parse(text) as {
      readonly widgets: readonly { readonly type: string; readonly properties: Readonly<Record<string, unknown>> }[];
    };
  });
  const titles = bodies.flatMap(({ widgets }) => widgets.map(({ properties }) => String(properties['title'])));

  it.each([
    ['ingest latency', 'Ingest delay, 95th percentile'],
    ['signal lag', 'Signal lag'],
    ['decision-to-fill latency by adapter', 'Decision to first fill, by adapter'],
    ['fallback ratio', 'Share of orders for LEAN that fell back, 15 minutes'],
    ['execution error classes', 'Fallbacks by reason'],
    ['execution error classes', 'Rejected submits by code'],
    ['rolling daily profit', 'Realized profit of the day after cost'],
    ['gate coverage', 'Gate coverage: evidence checks of a day'],
    ['advisory', 'Advisory answers (comes with advisory)'],
    ['queues', 'Oldest message'],
    ['functions', 'Errors'],
  ])('[O2] shows %s: "%s"', (_what, title) => {
    expect(titles).toContain(title);
  });

  it('[E7] shows fallbacks by rate, in a row and by reason on the dashboard of execution', () => {
    const text = JSON.stringify(bodies);
    for (const metric of [
      'lean_fallbacks_15m',
      'execution_fallback_streak',
      'execution_fallback_reason_total',
      'breaker_open',
    ])
      expect(text).toContain(metric);
  });

  it('marks exactly the graphs whose metrics nothing emits yet', () => {
    const marked = titles.filter((title) => title.includes('(comes with'));
    expect(marked).toHaveLength(4);
  });

  it('shows the state of every deployed alarm on one of them', () => {
    const shown = bodies.flatMap(({ widgets }) =>
      widgets
        .filter(({ type }) => type === 'alarm')
        .flatMap(({ properties }) => properties['alarms'] as readonly unknown[]),
    );
    expect([...new Set(shown)].toSorted()).toEqual(deployedRows.map(composed.logicalIdOf).toSorted());
  });

  it('fits the grid and the service: at most 24 columns, 500 widgets', () => {
    for (const { widgets } of bodies) {
      expect(widgets.length).toBeLessThanOrEqual(500);
      for (const widget of widgets as readonly unknown[] as readonly { x: number; width: number }[])
        expect(widget.x + widget.width).toBeLessThanOrEqual(24);
    }
  });
});
