import { expect, it } from 'vitest';
import { firingsOfExpression } from './assumptions.ts';
import { metricsOfLine } from './invocation-recorder.ts';
import { standingOf } from './standing.ts';
import { serverlessCost, type Standing, standingCost, totalOf, type TradingDay } from './trading-day.ts';

const idle: TradingDay = {
  functions: [],
  scheduledInvocations: 0,
  events: 0,
  fifoRequests: 0,
  queueRequests: 0,
  apiRequests: 0,
  tracedInvocations: 0,
  metricHours: 0,
  secrets: 0,
  secretReads: 0,
};
const nothing: Standing = {
  alarmMetrics: 0,
  compositeAlarms: 0,
  dashboards: 0,
  keys: 0,
  databaseCapacity: 0,
  databaseProxies: 0,
  natGateways: 0,
};
const busyFunction = { invocations: 480, milliseconds: 249.2, memoryMegabytes: 1_024, logBytes: 2_500 };

it('charges nothing for a day on which nothing happened and nothing stands', () => {
  expect([totalOf(serverlessCost(idle)), totalOf(standingCost(nothing))]).toEqual([0, 0]);
});

it.each<[string, Partial<TradingDay>, number]>([
  // 480 invocations x 250 ms (rounded up) x 1 GB = 120 GB-s at 13.3334 millionths
  ['lambda_compute', { functions: [busyFunction] }, 0.001600008],
  // half the memory, half the price
  ['lambda_compute', { functions: [{ ...busyFunction, memoryMegabytes: 512 }] }, 0.000800004],
  ['lambda_requests', { functions: [busyFunction, busyFunction] }, 0.000192],
  // 480 x 2500 bytes = 1.2 MB at 0.50 a GB
  ['logs', { functions: [busyFunction] }, 0.0006],
  ['scheduler', { scheduledInvocations: 2_100 }, 0.0021],
  ['events', { events: 1_000 }, 0.001],
  ['fifo_queues', { fifoRequests: 43_200 }, 0.0216],
  ['standard_queue', { queueRequests: 21_600 }, 0.00864],
  ['api', { apiRequests: 1_440 }, 0.00144],
  ['traces', { tracedInvocations: 4_000 }, 0.02],
  // 60 metrics for 10 of the 730 hours of a month, 0.30 each
  ['custom_metrics', { metricHours: 600 }, 0.2465753424657534],
  // 6 secrets for 24 of 730 hours, 0.40 each
  ['secrets', { secrets: 6 }, 0.0789041095890411],
  ['secret_reads', { secretReads: 1_000 }, 0.005],
])('charges %s for what was used of it, and nothing else for it', (item, used, usd) => {
  const lines = serverlessCost({ ...idle, ...used });
  expect(lines.find((line) => line.item === item)?.usd).toBeCloseTo(usd, 9);
  if (used.functions === undefined) expect(totalOf(lines)).toBeCloseTo(usd, 9);
});

it.each<[string, Partial<Standing>, number]>([
  ['alarms', { alarmMetrics: 73 }, 0.24],
  ['composite_alarms', { compositeAlarms: 73 }, 1.2],
  ['dashboards', { dashboards: 2 }, 0.1972602739726027],
  ['keys', { keys: 3 }, 0.0986301369863014],
  ['database', { databaseCapacity: 0.5 }, 1.44],
  // never less than 8 capacity units
  ['database_proxy', { databaseProxies: 1 }, 2.88],
  ['nat_gateways', { natGateways: 2 }, 2.16],
])('adds %s for every day that it stands', (item, standing, usd) => {
  expect(standingCost({ ...nothing, ...standing }).find((line) => line.item === item)?.usd).toBeCloseTo(usd, 9);
});

it('charges a proxy for the capacity behind it above its least', () => {
  const lines = standingCost({ ...nothing, databaseProxies: 1, databaseCapacity: 16 });
  expect(lines.find(({ item }) => item === 'database_proxy')?.usd).toBeCloseTo(5.76, 9);
});

it('counts an alarm by the metrics it reads, not by what it computes from them', () => {
  const resource = (Type: string, Properties: Record<string, unknown> = {}) => ({ Type, Properties });
  const standing = standingOf([
    {
      Resources: {
        plain: resource('AWS::CloudWatch::Alarm', { MetricName: 'lag' }),
        ratio: resource('AWS::CloudWatch::Alarm', {
          Metrics: [
            { Id: 'a', MetricStat: {} },
            { Id: 'b', MetricStat: {} },
            { Id: 'c', Expression: 'a / b' },
          ],
        }),
        cluster: resource('AWS::RDS::DBCluster', { ServerlessV2ScalingConfiguration: { MinCapacity: 0.5 } }),
      },
      Outputs: {},
    },
    { Resources: { key: resource('AWS::KMS::Key') }, Outputs: {} },
  ]);
  expect(standing).toMatchObject({ alarmMetrics: 3, databaseCapacity: 0.5, keys: 1, natGateways: 0 });
});

it('tells metrics apart by name and dimension values, and finds none in an ordinary line', () => {
  const line = JSON.stringify({
    _aws: {
      CloudWatchMetrics: [
        { Dimensions: [['adapter']], Metrics: [{ Name: 'breaker_open' }, { Name: 'adapter_state' }] },
      ],
    },
    adapter: 'lean',
    breaker_open: 0,
  });
  expect(metricsOfLine(line)).toEqual(['breaker_open adapter=lean', 'adapter_state adapter=lean']);
  expect(metricsOfLine(JSON.stringify({ message: 'order routed', adapter: 'lean' }))).toEqual([]);
});

it('reads the hours of a schedule, both ends included, and refuses another form', () => {
  expect(firingsOfExpression('cron(* 9-16 ? * MON-FRI *)')).toEqual({ hours: 8, perHour: 60 });
  expect(firingsOfExpression('cron(0/15 5,9-16 * * ? *)')).toEqual({ hours: 9, perHour: 4 });
  expect(() => firingsOfExpression('rate(1 minute)')).toThrow('found "rate(1 minute)"');
});
