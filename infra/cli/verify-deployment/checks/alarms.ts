import { type CompositeAlarm, DescribeAlarmsCommand, type MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { ask } from '../aws.ts';
import { type Check, failed, ok } from '../check.ts';

const alarmTypes = ['AWS::CloudWatch::Alarm', 'AWS::CloudWatch::CompositeAlarm'];
/** As many as DescribeAlarms takes. */
const namesPerQuestion = 100;

/** The alarms of the deployment exist, and none of them is in alarm. */
export const alarms: Check = async ({ aws, deployment }) => {
  const declared = deployment.stacks.flatMap(({ resources }) =>
    resources.filter(({ type }) => alarmTypes.includes(type)),
  );
  const logicalIds = new Map(declared.map(({ physicalId, logicalId }) => [physicalId, logicalId]));
  const names = [...logicalIds.keys()];
  const batches = Array.from({ length: Math.ceil(names.length / namesPerQuestion) }, (_, index) =>
    names.slice(index * namesPerQuestion, (index + 1) * namesPerQuestion),
  );
  const answers = await Promise.all(
    batches.map((batch) =>
      ask('cloudwatch:DescribeAlarms', () =>
        aws.cloudWatch.send(
          new DescribeAlarmsCommand({
            AlarmNames: batch,
            AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
            MaxRecords: namesPerQuestion,
          }),
        ),
      ),
    ),
  );
  const known = answers.flatMap(({ MetricAlarms = [], CompositeAlarms = [] }): (MetricAlarm | CompositeAlarm)[] => [
    ...MetricAlarms,
    ...CompositeAlarms,
  ]);
  const nameOf = ({ AlarmName = '' }: MetricAlarm | CompositeAlarm) => logicalIds.get(AlarmName) ?? AlarmName;
  const ringing = known.filter(({ StateValue }) => StateValue === 'ALARM');
  const undecided = known.filter(({ StateValue }) => StateValue === 'INSUFFICIENT_DATA');
  const found = {
    value: `${ringing.length} of ${known.length} in alarm`,
    limit: '0 in alarm',
    details: [
      ...ringing.map(
        (alarm) => `${nameOf(alarm)}: ${alarm.AlarmDescription ?? alarm.StateReason ?? 'without a description'}`,
      ),
      ...(undecided.length > 0 ? [`${undecided.length} without enough data yet`] : []),
    ],
  };
  if (declared.length === 0) return failed('the stacks declare no alarm', found);
  const seen = new Set(known.map(({ AlarmName }) => AlarmName));
  const missing = declared.filter(({ physicalId }) => !seen.has(physicalId)).map(({ logicalId }) => logicalId);
  if (missing.length > 0) return failed(`CloudWatch does not know ${missing.join(', ')}; deploy again`, found);
  if (ringing.length > 0)
    return failed(`${ringing.map(nameOf).join(', ')}; follow the runbook each description names`, found);
  return ok(found);
};
