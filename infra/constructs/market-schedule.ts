import { type Duration, TimeZone } from 'aws-cdk-lib';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  ContextAttribute,
  type IScheduleGroup,
  Schedule,
  ScheduleExpression,
  ScheduleTargetInput,
  TimeWindow,
} from 'aws-cdk-lib/aws-scheduler';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { ScheduleTargetBase, type ScheduleTargetBaseProps } from 'aws-cdk-lib/aws-scheduler-targets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import type { TorghutFunction } from './torghut-function.ts';

export interface MarketScheduleProps {
  readonly target: TorghutFunction | StateMachine;
  /** `cron(…)` of EventBridge Scheduler. */
  readonly expression: string;
  /** IANA name of the zone the expression is read in. */
  readonly timezone: string;
  readonly retries: number;
  /** An invocation older than this is given up; at least 60 s. */
  readonly maxEventAge: Duration;
  readonly deadLetter: IQueue;
  readonly group: IScheduleGroup;
}

/**
 * Invokes a function, or starts a state machine, on the market's clock. The scheduled time is the only input and the window id, so that a late or
 * repeated invocation names the window it belongs to. Retries and age have no default here: the service's own (185
 * retries over 24 hours) would trade yesterday's window.
 */
export class MarketSchedule extends Construct {
  constructor(scope: Construct, id: string, props: MarketScheduleProps) {
    super(scope, id);
    new Schedule(this, 'Schedule', {
      schedule: ScheduleExpression.expression(props.expression, TimeZone.of(props.timezone)),
      timeWindow: TimeWindow.off(),
      scheduleGroup: props.group,
      target: new MarketTarget(props.target, {
        input: ScheduleTargetInput.fromObject({ scheduledFor: ContextAttribute.scheduledTime }),
        retryAttempts: props.retries,
        maxEventAge: props.maxEventAge,
        deadLetterQueue: props.deadLetter,
      }),
    });
  }
}

/** Unlike the library's targets it allows the function itself and no version or alias of it. */
class MarketTarget extends ScheduleTargetBase {
  private readonly action: string;

  constructor(target: TorghutFunction | StateMachine, props: ScheduleTargetBaseProps) {
    const isFunction = 'lambda' in target;
    super(props, isFunction ? target.lambda.functionArn : target.stateMachineArn);
    this.action = isFunction ? 'lambda:InvokeFunction' : 'states:StartExecution';
  }

  protected override addTargetActionToRole(role: IRole): void {
    role.addToPrincipalPolicy(new PolicyStatement({ actions: [this.action], resources: [this.targetArn] }));
  }
}
