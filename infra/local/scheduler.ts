import type { Context } from 'aws-lambda';
import { toText, type FunctionName, type Instant } from '@torghut/domain';
import { lambdaContexts } from './aws/lambda-context.ts';
import { execute } from './aws/state-machine.ts';
import type { LocalDeployment } from './deployment.ts';
import { compileSchedule, type CompiledSchedule } from './schedule-expression.ts';
import type { DeployedSchedule } from './template.ts';

/** The order in which functions of one tick run: what a cycle needs of the broker is read before it. */
const order: readonly FunctionName[] = [
  'order-sync',
  'nightly-reconciliation',
  'autonomy-cycle',
  'freshness-check',
  'research-lane',
];

export interface Tick {
  readonly failures: readonly { readonly function: FunctionName; readonly error: Error }[];
}

/** EventBridge Scheduler for one machine: the template's schedules, their inputs, retries and dead-letter queues. */
export class LocalScheduler {
  readonly #deployment: LocalDeployment;
  readonly #schedules: readonly {
    readonly schedule: DeployedSchedule;
    readonly compiled: CompiledSchedule;
    readonly context: () => Context;
  }[];

  constructor(deployment: LocalDeployment) {
    this.#deployment = deployment;
    this.#schedules = [...deployment.template.schedules]
      .sort((a, b) => order.indexOf(a.function) - order.indexOf(b.function))
      .map((schedule) => {
        const { timeoutSeconds, memoryMegabytes } = deployment.template.functions[schedule.function];
        return {
          schedule,
          compiled: compileSchedule(schedule.expression, schedule.timezone),
          context: lambdaContexts(deployment.clock, {
            functionName: schedule.function,
            timeoutSeconds,
            memoryMegabytes,
          }),
        };
      });
  }

  /** Invokes what fires at this minute, one after the other; queues are drained after each, so that orders leave at once. */
  async tick(at: Instant): Promise<Tick> {
    const { clock, functions, queues, template } = this.#deployment;
    clock.advanceTo(at);
    const failures: { function: FunctionName; error: Error }[] = [];
    for (const { schedule, compiled, context } of this.#schedules) {
      if (!compiled.firesAt(at)) continue;
      const input = schedule.input.replaceAll('<aws.scheduler.scheduled-time>', toText(at));
      let failure: Error | null = null;
      for (let attempt = 0; attempt <= schedule.retries; attempt += 1) {
        const invoke = (payload: unknown): Promise<unknown> => functions[schedule.function](payload, context());
        const event: unknown = JSON.parse(input);
        const run = schedule.throughStateMachine
          ? execute(template.researchLane, event, {
              invoke: (_, payload) => invoke(payload),
              // Virtual time is everybody's: a lane that waits must not age orders.
              wait: () => Promise.resolve(),
            })
          : invoke(event);
        failure = await run.then(
          () => null,
          (error: unknown) => error as Error,
        );
        // An execution was started, and that is all a schedule does: how it ends is not its failure.
        if (failure === null || schedule.throughStateMachine) break;
      }
      if (failure !== null) {
        failures.push({ function: schedule.function, error: failure });
        if (!schedule.throughStateMachine) queues.send(schedule.deadLetter, { body: input });
      }
      await this.drain();
    }
    return { failures };
  }

  /** Delivers what is visible on the queues until nothing is left to deliver now. */
  async drain(): Promise<void> {
    const { eventSources } = this.#deployment;
    for (;;) {
      let delivered = 0;
      for (const queue of ['lean', 'alpaca', 'followUp', 'evidence'] as const) {
        const result = await eventSources[queue]?.drain();
        delivered += result?.succeeded ?? 0;
      }
      if (delivered === 0) return;
    }
  }
}
