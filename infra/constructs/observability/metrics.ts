import { metricsNamespace, metricsNamespaceOf } from '@torghut/domain/contract';
import type { MetricDimensions, MetricName } from '@torghut/domain/metrics';
import type { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';

export type Statistic = 'SampleCount' | 'Sum' | 'Minimum' | 'Maximum' | 'Average' | 'p50' | 'p95' | 'p99';

/** One metric as CloudWatch knows it. Alarms and widgets give it a period. */
export interface MetricReference {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: Statistic;
}

/** Dimensions in the order of the metric table; nothing to write for a metric without any. */
type Dimensions<N extends MetricName> = keyof MetricDimensions<N> extends never
  ? []
  : [dimensions: MetricDimensions<N>];

/** A metric the functions emit, with exactly the dimensions of the metric table. */
export const own = <N extends MetricName>(
  name: N,
  statistic: Statistic,
  ...[dimensions]: Dimensions<N>
): MetricReference => ({ namespace: metricsNamespace, name, dimensions: dimensions ?? {}, statistic });

export const lambdaMetric = (functionName: string, name: string, statistic: Statistic): MetricReference => ({
  namespace: 'AWS/Lambda',
  name,
  dimensions: { FunctionName: functionName },
  statistic,
});

export const queueMetric = (queueName: string, name: string, statistic: Statistic): MetricReference => ({
  namespace: 'AWS/SQS',
  name,
  dimensions: { QueueName: queueName },
  statistic,
});

/** The scheduler measures groups of schedules, not schedules. */
export const scheduleGroupMetric = (group: string, name: string): MetricReference => ({
  namespace: 'AWS/Scheduler',
  name,
  dimensions: { ScheduleGroup: group },
  statistic: 'Sum',
});

/** The service counts executions by how they ended. */
export const stateMachineMetric = (arn: string, name: string): MetricReference => ({
  namespace: 'AWS/States',
  name,
  dimensions: { StateMachineArn: arn },
  statistic: 'Sum',
});

export const httpApiMetric = (apiId: string, name: string, statistic: Statistic): MetricReference => ({
  namespace: 'AWS/ApiGateway',
  name,
  dimensions: { ApiId: apiId },
  statistic,
});

/** @param environment whose functions emit what is our own */
export const toMetric = (environment: string, reference: MetricReference, period: Duration, label?: string): Metric =>
  new Metric({
    namespace: reference.namespace === metricsNamespace ? metricsNamespaceOf(environment) : reference.namespace,
    metricName: reference.name,
    dimensionsMap: { ...reference.dimensions },
    statistic: reference.statistic,
    period,
    ...(label === undefined ? {} : { label }),
  });
