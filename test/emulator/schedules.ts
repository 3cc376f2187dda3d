import {
  CreateScheduleCommand,
  GetScheduleCommand,
  type GetScheduleCommandOutput,
  ListSchedulesCommand,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler';
import { type ScheduledFunction, schedules } from '@torghut/domain/contract';
import { minute, toText, type Instant } from '@torghut/domain';
import { functionLogicalId, researchLaneLogicalId } from '../../infra/constructs/logical-id.ts';
import type { AwsClients } from './aws.ts';
import type { DeployedStage } from './deployed.ts';

/** What stands in a schedule's input for the time it was due; the service puts the time in its place. */
export const scheduledTime = '<aws.scheduler.scheduled-time>';

/** A schedule's expression of a moment. */
const atExpression = (at: Instant): string => `at(${toText(at).slice(0, 19)})`;

/** What the schedule of a function starts: the function, or the state machine whose steps the function holds. */
const targetLogicalId = (name: ScheduledFunction): string =>
  name === 'research-lane' ? researchLaneLogicalId : functionLogicalId(name);

/** CloudFormation names a function by its name and a state machine by its ARN. */
const isTarget = (arn: string | undefined, physicalId: string): boolean =>
  arn === physicalId || arn?.endsWith(`:${physicalId}`) === true;

/** The deployed schedules. */
export class Schedules {
  readonly #aws: AwsClients;
  readonly #stage: DeployedStage;
  #fired = 0;

  constructor(aws: AwsClients, stage: DeployedStage) {
    this.#aws = aws;
    this.#stage = stage;
  }

  async #named(name: string, group: string | undefined): Promise<GetScheduleCommandOutput> {
    return this.#aws.scheduler.send(new GetScheduleCommand({ Name: name, GroupName: group }));
  }

  /** @throws Error when the stage has not exactly one schedule of the function */
  async of(name: ScheduledFunction): Promise<GetScheduleCommandOutput> {
    const target = await this.#stage.physicalId(targetLogicalId(name));
    const { Schedules: listed = [] } = await this.#aws.scheduler.send(new ListSchedulesCommand());
    const [found, ...others] = listed.filter(({ Target }) => isTarget(Target?.Arn, target));
    if (found?.Name === undefined || others.length > 0)
      throw new Error(`expected one schedule of ${name} (${target}), found ${found === undefined ? 0 : listed.length}`);
    return this.#named(found.Name, found.GroupName);
  }

  /**
   * Switches the deployed schedules off, so that nothing fires but what a claim asks for: they fire in session hours only,
   * and this run may be at any hour.
   */
  async pauseAll(): Promise<void> {
    for (const name of Object.keys(schedules) as ScheduledFunction[]) await this.#pause(name);
  }

  async #pause(name: ScheduledFunction): Promise<void> {
    const { Name, GroupName, ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target } =
      await this.of(name);
    await this.#aws.scheduler.send(
      new UpdateScheduleCommand({
        Name,
        GroupName,
        ScheduleExpression,
        ScheduleExpressionTimezone,
        FlexibleTimeWindow,
        Target,
        State: 'DISABLED',
      }),
    );
  }

  /**
   * Has the service fire a deployed schedule's target once, now, with the same role, retries and dead letter. The time it
   * was due is written into the input here, because MiniStack leaves the place of it as it is.
   * @returns the time it was due, a full minute
   */
  async fire(name: ScheduledFunction): Promise<Instant> {
    const { Target } = await this.of(name);
    const due = Math.floor(Date.now() / minute) * minute;
    this.#fired += 1;
    await this.#aws.scheduler.send(
      new CreateScheduleCommand({
        Name: `emulator-${name}-${due}-${this.#fired}`,
        ScheduleExpression: atExpression(Date.now()),
        FlexibleTimeWindow: { Mode: 'OFF' },
        ActionAfterCompletion: 'DELETE',
        Target: Target && { ...Target, Input: Target.Input?.replace(scheduledTime, toText(due)) },
      }),
    );
    return due;
  }
}
