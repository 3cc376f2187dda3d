import { laneErrors } from '@torghut/domain/contract';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  type CfnStateMachine,
  DefinitionBody,
  Fail,
  JsonPath,
  LogLevel,
  Map,
  type RetryProps,
  type State,
  StateMachine,
  StateMachineType,
  TaskInput,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke, type LambdaInvokeProps } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledgements.ts';
import { researchLaneLogicalId } from './logical-id.ts';
import type { TorghutFunction } from './torghut-function.ts';

export interface ResearchLaneProps {
  /** The function that holds every step. */
  readonly steps: TorghutFunction;
  /** Tasks at work at a time; below the function's reserved concurrency, so that no step is throttled. */
  readonly concurrency: number;
  /** How long an execution may take in which everything answers. */
  readonly worksFor: Duration;
  readonly logRetention: RetentionDays;
}

/**
 * The runs of two windows may overlap, and then the function has fewer executions than both want: a step waits for its turn,
 * eight minutes at most.
 */
const whileBusy: RetryProps = {
  errors: ['Lambda.TooManyRequestsException'],
  interval: Duration.seconds(4),
  backoffRate: 1.5,
  maxAttempts: 10,
};

/**
 * Our own stores, and the stream, are away for minutes when they are: five more tries within five minutes. Other errors a
 * step would throw again.
 */
const outage = { intervalSeconds: 10, backoffRate: 2, maxAttempts: 5 } as const;
const whileOutOfReach: RetryProps = {
  errors: [laneErrors.outOfReach],
  interval: Duration.seconds(outage.intervalSeconds),
  backoffRate: outage.backoffRate,
  maxAttempts: outage.maxAttempts,
};

/** A try that finds nothing to reach: 21 s of waits at a queue that does not take a message, and its connections' own. */
const vainTrySeconds = 30;

/** A step from its first try to its last one during an outage that does not end. */
const outageSeconds =
  (outage.intervalSeconds * (outage.backoffRate ** outage.maxAttempts - 1)) / (outage.backoffRate - 1) +
  (outage.maxAttempts + 1) * vainTrySeconds;
/** A step that gives up, and the one that then records it. Nothing catches an execution that runs out of time. */
const vainSteps = 2;

/**
 * The way of research runs: one after another, and within each its tasks fan out twice, candidates first, then the stress
 * cases of the one that is judged. From step to step go keys of stored documents, never results: the size of a run has no
 * limit here.
 */
export class ResearchLane extends Construct {
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, id: string, props: ResearchLaneProps) {
    super(scope, id);
    const step = (name: string, options: Pick<LambdaInvokeProps, 'payload' | 'resultPath'>): LambdaInvoke => {
      const task = new LambdaInvoke(this, name, {
        lambdaFunction: props.steps.lambda,
        payloadResponseOnly: true,
        // Faults of the service.
        retryOnServiceExceptions: true,
        ...options,
      });
      task.addRetry(whileBusy);
      task.addRetry(whileOutOfReach);
      return task;
    };
    const invoke = (name: string, payload: Readonly<Record<string, unknown>>, resultPath?: string): LambdaInvoke =>
      step(name, {
        payload: TaskInput.fromObject({ ...payload }),
        ...(resultPath === undefined ? {} : { resultPath }),
      });
    const fanOut = (name: string, from: string, resultPath: string): Map => {
      const map = new Map(this, name, {
        itemsPath: `${from}.tasks`,
        itemSelector: {
          step: 'task',
          work: JsonPath.stringAt(`${from}.work`),
          task: JsonPath.numberAt('$$.Map.Item.Value'),
        },
        maxConcurrency: props.concurrency,
        resultPath,
      });
      map.itemProcessor(step(`${name} task`, {}));
      return map;
    };
    const first = fanOut('Candidates', '$', '$.first');
    const choose = invoke(
      'Choose',
      { step: 'choose', work: JsonPath.stringAt('$.work'), results: JsonPath.objectAt('$.first') },
      '$.chosen',
    );
    const second = fanOut('Judged candidate', '$.chosen', '$.second');
    const close = invoke('Close', {
      step: 'close',
      work: JsonPath.stringAt('$.chosen.work'),
      first: JsonPath.objectAt('$.first'),
      second: JsonPath.objectAt('$.second'),
    });
    const failed = invoke('Record failure', {
      step: 'fail',
      run_id: JsonPath.stringAt('$.run_id'),
      cause: JsonPath.stringAt('$.failure.Cause'),
    });
    const outOfReach = new Fail(this, 'Out of reach', {
      error: laneErrors.outOfReach,
      causePath: JsonPath.stringAt('$.failure.Cause'),
    });
    for (const one of [first, choose, second, close] as (State & { addCatch: LambdaInvoke['addCatch'] })[]) {
      // What one strategy could not reach in all its tries, the next one would not either.
      one.addCatch(outOfReach, { errors: [laneErrors.outOfReach], resultPath: '$.failure' });
      // Of several strategies the others go on: what failed is in the ledger.
      one.addCatch(failed, { resultPath: '$.failure' });
    }
    const runs = new Map(this, 'Runs', { itemsPath: '$.runs', maxConcurrency: 1, resultPath: JsonPath.DISCARD });
    runs.itemProcessor(first.next(choose).next(second).next(close));
    const open = invoke('Open', { step: 'open', scheduledFor: JsonPath.stringAt('$.scheduledFor') });
    const abandon = invoke(
      'Abandon',
      {
        step: 'abandon',
        scheduledFor: JsonPath.stringAt('$.scheduledFor'),
        cause: JsonPath.stringAt('$.failure.Cause'),
      },
      JsonPath.DISCARD,
    );
    abandon.addCatch(
      new Fail(this, 'Not recorded', {
        error: 'LaneNotRecorded',
        cause: 'runs of the window are still running in the ledger, which could not be told that they are not',
      }),
    );
    abandon.next(
      new Fail(this, 'Not evaluated', {
        error: 'LaneNotEvaluated',
        causePath: JsonPath.stringAt('$.failure.Cause'),
      }),
    );
    open.addCatch(abandon, { resultPath: '$.failure' });
    runs.addCatch(abandon, { resultPath: '$.failure' });

    this.stateMachine = new StateMachine(this, 'Resource', {
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromChainable(open.next(runs)),
      timeout: props.worksFor.plus(Duration.seconds(vainSteps * outageSeconds)),
      tracingEnabled: true,
      logs: {
        level: LogLevel.ALL,
        destination: new LogGroup(this, 'Logs', {
          retention: props.logRetention,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      },
    });
    acknowledge(this.stateMachine.role, 'stateMachineRole');
    (this.stateMachine.node.defaultChild as CfnStateMachine).overrideLogicalId(researchLaneLogicalId);
  }
}
