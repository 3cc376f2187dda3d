import { DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { deployment, type ScheduledFunction, schedules } from '@torghut/domain/contract';
import { type Claim, require } from '../claim.ts';
import { allStacks, type Emulation, stackName, succeeded } from '../emulation.ts';
import { scheduledTime } from '../schedules.ts';

const alarmsPerRequest = 100;

/** Stacks of an environment without a network of its own. */
const stageStacks = ['observability', 'operator', 'promotion', 'runtime', 'state'].map(stackName);

/** Physical ids of every resource of a type. */
const physicalIds = async ({ stage }: Emulation, type: string): Promise<readonly string[]> =>
  (await stage.resources()).filter((resource) => resource.type === type).map(({ physicalId }) => physicalId);

/** What is in place after `cdk deploy`. */
export const deploymentClaims = (emulation: Emulation): readonly Claim[] => {
  const { aws, cdk, stage, world, assembly } = emulation;
  return [
    {
      title: 'every stack is deployed',
      prove: async () => {
        const stacks = await stage.stacks();
        const unfinished = stacks.filter(({ status }) => !/^(CREATE|UPDATE)_COMPLETE$/.test(status));
        const names = stacks.map(({ name }) => name).toSorted();
        require(names.join() === stageStacks.join(), stageStacks.join(', '), names);
        require(unfinished.length === 0, 'CREATE_COMPLETE or UPDATE_COMPLETE everywhere', stacks);
        return `${stacks.length} stacks, ${(await stage.resources()).length} resources`;
      },
    },
    {
      title: 'a second deployment of the same changes nothing',
      prove: async () => {
        const again = succeeded('cdk deploy', await cdk.deploy(assembly, allStacks));
        const stacks = (await stage.stacks()).map(({ name }) => name).toSorted();
        const unchanged = again.unchanged.toSorted();
        require(stacks.join() === unchanged.join(), `no changes in ${stacks.join(', ')}`, unchanged);
        return `${again.seconds.toFixed(1)} s`;
      },
    },
    {
      title: 'schedules follow the market’s clock, with few retries and a dead letter',
      prove: async () => {
        for (const name of Object.keys(schedules) as ScheduledFunction[]) {
          const found = await emulation.schedules.of(name);
          // Not its time zone, which MiniStack does not take from a template; the tests of the templates show it.
          const { ScheduleExpression, State, Target } = found;
          const asDeclared =
            ScheduleExpression === schedules[name] &&
            State === 'ENABLED' &&
            Target?.RetryPolicy?.MaximumRetryAttempts === deployment.scheduleRetries &&
            Target.RetryPolicy.MaximumEventAgeInSeconds === deployment.scheduleMaxEventAgeSeconds &&
            Target.DeadLetterConfig?.Arn !== undefined &&
            Target.Input?.includes(scheduledTime) === true;
          require(asDeclared, `the schedule of ${name} as the contract declares it`, found);
        }
        return undefined;
      },
    },
    {
      title: 'no function carries a secret in its configuration',
      prove: async () => {
        const names = await physicalIds(emulation, 'AWS::Lambda::Function');
        for (const name of names) {
          const configuration = await aws.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: name }));
          const text = JSON.stringify(configuration.Environment ?? {});
          const leaked = world.confidential.some((value) => text.includes(value));
          require(!leaked, `no secret value in the environment of ${name}`, Object.keys(
            configuration.Environment?.Variables ?? {},
          ));
        }
        return `${names.length} functions`;
      },
    },
    {
      title: 'every alarm of the templates exists, with an action',
      prove: async () => {
        const names = await physicalIds(emulation, 'AWS::CloudWatch::Alarm');
        require(names.length > 0, 'alarms in the templates', names);
        const silent: string[] = [];
        let existing = 0;
        for (let at = 0; at < names.length; at += alarmsPerRequest) {
          const { MetricAlarms = [] } = await aws.cloudWatch.send(
            new DescribeAlarmsCommand({
              AlarmNames: names.slice(at, at + alarmsPerRequest),
              MaxRecords: alarmsPerRequest,
            }),
          );
          existing += MetricAlarms.length;
          for (const { AlarmName = '', AlarmActions = [], ActionsEnabled } of MetricAlarms)
            if (AlarmActions.length === 0 || ActionsEnabled !== true) silent.push(AlarmName);
        }
        require(existing === names.length, `${names.length} alarms`, existing);
        require(silent.length === 0, 'an action on every alarm', silent);
        return `${names.length} alarms`;
      },
    },
  ];
};
