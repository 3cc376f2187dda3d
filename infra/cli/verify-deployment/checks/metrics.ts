import { GetMetricDataCommand, type MetricDataResult } from '@aws-sdk/client-cloudwatch';
import { type MetricName, metricsNamespace, metricsNamespaceOf, minute, toText } from '@torghut/domain';
import { ask } from '../aws.ts';
import { type Check, failed, ok, unknown } from '../check.ts';
import { partOf } from '../deployment.ts';
import { tradingStatus } from './trading-status.ts';

const sampleLine = /^(\w+)(?:\{.*\})? (?:-?[\d.e+-]+|NaN|[+-]Inf)$/;

/** The API answers the text exposition, and a scraper can read it. */
export const metricsEndpoint: Check = async ({ api }) => {
  const { text } = await api.text('/metrics');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const unreadable = lines.find((line) => !sampleLine.test(line));
  const samples = lines.filter((line) => line.startsWith(`${metricsNamespace}_`));
  const found = { value: `${samples.length} samples`, limit: `samples of ${metricsNamespace}_*, every line readable` };
  if (unreadable !== undefined) return failed(`expected a sample, found "${unreadable.slice(0, 100)}"`, found);
  if (samples.length === 0) return failed('the exposition has no sample of ours', found);
  return ok(found);
};

/** A cycle and a freshness check run every minute of a session, so either of them shows that metrics arrive. */
const heartbeats = ['cycles_total', 'market_session_open'] as const satisfies readonly MetricName[];
/** CloudWatch shows a data point a minute or two after it was logged. */
const windowMinutes = 5;

const newest = ({ Timestamps = [] }: MetricDataResult): number | null =>
  Timestamps.length === 0 ? null : Math.max(...Timestamps.map((time) => time.getTime()));

/** The functions' metrics arrive in CloudWatch, where the alarms look for them. */
export const metricsCloudWatch: Check = async ({ environment, aws, api, clock, deployment }) => {
  const now = clock.now();
  const from = now - windowMinutes * minute;
  const { MetricDataResults = [] } = await ask('cloudwatch:GetMetricData', () =>
    aws.cloudWatch.send(
      new GetMetricDataCommand({
        StartTime: new Date(from),
        EndTime: new Date(now),
        MetricDataQueries: heartbeats.map((name) => ({
          Id: name,
          MetricStat: {
            Metric: { Namespace: metricsNamespaceOf(environment), MetricName: name },
            Period: minute / 1_000,
            Stat: 'SampleCount',
          },
        })),
      }),
    ),
  );
  const times = MetricDataResults.flatMap((result) => newest(result) ?? []);
  const found = {
    value: times.length === 0 ? 'no data point' : `newest data point ${toText(Math.max(...times))}`,
    limit: `a data point of ${heartbeats.join(' or ')} in ${windowMinutes} min`,
  };
  if (times.length > 0) return ok(found);
  const { signal_continuity: signals } = await tradingStatus(api);
  if (!signals.session_open) return unknown('the market is closed, so no cycle runs; verify again in a session', found);
  const changedAt = partOf(deployment, 'runtime')?.changedAt ?? null;
  if (changedAt !== null && changedAt > from)
    return unknown(`deployed less than ${windowMinutes} min ago; verify again then, or use --wait`, found);
  return failed('the session is open and nothing arrives: read the logs of autonomy-cycle and freshness-check', found);
};
