import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmRule,
  AlarmState,
  type CfnCompositeAlarm,
  ComparisonOperator,
  CompositeAlarm,
  type IMetric,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

import { type AlarmRow, type MissingData, type Theme, themes } from './alarm-row.ts';
import { toMetric } from './metrics.ts';

export interface AlarmsProps {
  /** Whose metrics they watch. */
  readonly environment: string;
  /** Rows of any capability; those of a later one are not deployed. */
  readonly rows: readonly AlarmRow[];
  readonly pages: ITopic;
  readonly tickets: ITopic;
  /** Without composite alarms every page row notifies the pager itself. */
  readonly composite: boolean;
}

/** CloudWatch's own limit on the metrics of an alarm. */
const maximumMetrics = 10;

/**
 * Children of one composite alarm. A rule may have 100 children and 10,240 characters; an ARN with the longest alarm name
 * (255) and its operator take up to 330 of them.
 */
const maximumChildren = 30;

const comparisons: Readonly<Record<AlarmRow['comparison'], ComparisonOperator>> = {
  '>': ComparisonOperator.GREATER_THAN_THRESHOLD,
  '>=': ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  '<': ComparisonOperator.LESS_THAN_THRESHOLD,
  '<=': ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
};

const missingData: Readonly<Record<MissingData, TreatMissingData>> = {
  breaching: TreatMissingData.BREACHING,
  notBreaching: TreatMissingData.NOT_BREACHING,
  ignore: TreatMissingData.IGNORE,
};

export const pascalCase = (id: string): string =>
  id
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

export const runbookPath = (row: AlarmRow): string => `infra/runbooks/${row.runbook}`;

const describe = (row: AlarmRow): string => `${row.title}. ${row.meaning} Runbook: ${runbookPath(row)}`;

const measured = (row: AlarmRow, environment: string): IMetric => {
  const period = Duration.seconds(row.periodSeconds);
  const references = Object.entries(row.metrics);
  const [first] = references;
  if (first === undefined || references.length > maximumMetrics) {
    throw new Error(`alarm ${row.id}: expected 1 to ${maximumMetrics} metrics, found ${references.length}; split it`);
  }
  if (row.expression === undefined) {
    if (references.length > 1) {
      throw new Error(`alarm ${row.id}: expected an expression over its ${references.length} metrics, found none`);
    }
    return toMetric(environment, first[1], period);
  }
  return new MathExpression({
    expression: row.expression,
    usingMetrics: Object.fromEntries(
      references.map(([name, reference]) => [name, toMetric(environment, reference, period)]),
    ),
    period,
    label: row.title,
  });
};

/** One alarm per deployed row, and one composite alarm per theme that pages. No physical names. */
export class Alarms extends Construct {
  readonly byId: ReadonlyMap<string, Alarm>;
  readonly deployed: readonly AlarmRow[];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.deployed = props.rows.filter(({ capability }) => capability === 'now');
    this.byId = new Map(this.deployed.map((row) => [row.id, this.alarm(row, props.environment)]));
    const tickets = new SnsAction(props.tickets);
    const pages = new SnsAction(props.pages);
    for (const row of this.deployed) {
      const alarm = this.byId.get(row.id);
      // A page row opens a ticket too: while its theme already stands in alarm, the composite alarm says nothing new.
      if (row.severity === 'ticket' || props.composite) alarm?.addAlarmAction(tickets);
      else {
        alarm?.addAlarmAction(pages);
        alarm?.addOkAction(pages);
      }
    }
    if (!props.composite) return;
    for (const theme of themes) {
      const composite = this.composite(theme);
      composite?.addAlarmAction(pages);
      composite?.addOkAction(pages);
    }
  }

  private alarm(row: AlarmRow, environment: string): Alarm {
    return new Alarm(this, pascalCase(row.id), {
      metric: measured(row, environment),
      alarmDescription: describe(row),
      comparisonOperator: comparisons[row.comparison],
      threshold: row.threshold,
      evaluationPeriods: row.breaching.outOf,
      datapointsToAlarm: row.breaching.points,
      treatMissingData: missingData[row.missing],
    });
  }

  /** Undefined for a theme in which nothing pages yet. */
  private composite(theme: Theme): CompositeAlarm | undefined {
    const children = this.deployed.filter((row) => row.theme === theme && row.severity === 'page');
    if (children.length === 0) return undefined;
    if (children.length > maximumChildren) {
      throw new Error(
        `theme ${theme}: expected at most ${maximumChildren} page alarms in one composite alarm, found ${children.length}; split the theme`,
      );
    }
    const composite = new CompositeAlarm(this, `${pascalCase(theme)}Pages`, {
      alarmDescription: `Pages of ${theme}: ${children.map(({ id }) => id).join(', ')}. The alarm inside that fired names its runbook; all of them: infra/runbooks/README.md`,
      alarmRule: AlarmRule.anyOf(
        ...children.flatMap((row) => {
          const alarm = this.byId.get(row.id);
          return alarm === undefined ? [] : [AlarmRule.fromAlarm(alarm, AlarmState.ALARM)];
        }),
      ),
    });
    // The library makes up a physical name; CloudFormation's own fits beside a second environment.
    (composite.node.defaultChild as CfnCompositeAlarm).alarmName = undefined;
    return composite;
  }
}
