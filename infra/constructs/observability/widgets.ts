import { metricsNamespaceOf } from '@torghut/domain/contract';
import type { CounterName, MetricDimensions } from '@torghut/domain/metrics';
import { Duration } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  GraphWidget,
  type IMetric,
  type IWidget,
  MathExpression,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';

import { lambdaMetric, type MetricReference, own, queueMetric, toMetric } from './metrics.ts';
import type { WatchedFunction, WatchedQueue } from './resource-alarms.ts';

/** Metrics by their name in the expression. */
interface Computed {
  readonly expression: string;
  readonly metrics: Readonly<Record<string, MetricReference>>;
}
/** One line for each value of a dimension that occurs. It may be drawn and not alarmed on; alarms name their values. */
interface Search {
  readonly everyValueOf: string;
  readonly metric: CounterName;
}
type Line = MetricReference | Computed | Search;

/** One graph: lines by label. `later` says what must be built before it shows anything. */
export interface Graph {
  readonly title: string;
  readonly unit: string;
  readonly lines: Readonly<Record<string, Line>>;
  readonly periodSeconds?: number;
  readonly later?: string;
}

/** The grid is 24 wide. */
const graphsPerRow = 2;
const graphWidth = 24 / graphsPerRow;
const graphHeight = 6;

const toLine = (environment: string, label: string, line: Line, period: Duration): IMetric => {
  if ('everyValueOf' in line) {
    const { everyValueOf: dimension, metric } = line;
    const schema = `${metricsNamespaceOf(environment)},${dimension}`;
    return new MathExpression({
      expression: `SEARCH('{${schema}} MetricName="${metric}"', 'Sum', ${String(period.toSeconds())})`,
      usingMetrics: {},
      period,
      label,
    });
  }
  if (!('expression' in line)) return toMetric(environment, line, period, label);
  const metrics = Object.entries(line.metrics).map(
    ([name, reference]) => [name, toMetric(environment, reference, period)] as const,
  );
  return new MathExpression({
    expression: line.expression,
    usingMetrics: Object.fromEntries(metrics),
    period,
    label,
  });
};

const everyValueOf = <N extends CounterName>(metric: N, dimension: string & keyof MetricDimensions<N>): Search => ({
  everyValueOf: dimension,
  metric,
});

const toWidget = (environment: string, graph: Graph): IWidget => {
  const period = Duration.seconds(graph.periodSeconds ?? 60);
  return new GraphWidget({
    title: graph.later === undefined ? graph.title : `${graph.title} (comes with ${graph.later})`,
    left: Object.entries(graph.lines).map(([label, line]) => toLine(environment, label, line, period)),
    leftYAxis: { label: graph.unit, showUnits: false },
    period,
    width: graphWidth,
    height: graphHeight,
  });
};

/** Graphs in rows of two. */
export const graphRows = (environment: string, graphs: readonly Graph[]): IWidget[][] =>
  Array.from({ length: Math.ceil(graphs.length / graphsPerRow) }, (_, index) =>
    graphs.slice(index * graphsPerRow, (index + 1) * graphsPerRow).map((graph) => toWidget(environment, graph)),
  );

/** Rows of the grid that the status of so many alarms takes: seven to a line, under the title. */
const alarmRows = (count: number): number => 1 + 2 * Math.ceil(count / 7);

/** What the dashboard answers, and the state of the alarms that belong to it once there are any. */
export const heading = (question: string, alarms: readonly Alarm[]): IWidget[] => [
  new TextWidget({ markdown: question, width: 24, height: 2 }),
  ...(alarms.length === 0
    ? []
    : [new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24, height: alarmRows(alarms.length) })]),
];

const adapters = ['lean', 'alpaca'] as const;
const byAdapter = (name: 'decision_to_ack_ms' | 'decision_to_fill_ms', statistic: 'p50' | 'p95') =>
  Object.fromEntries(
    adapters.map((adapter) => [`${adapter} ${statistic}`, own(name, statistic, { adapter })] as const),
  );

const classPeriodSeconds = 300;

export const freshnessGraphs: readonly Graph[] = [
  {
    title: 'Signal lag',
    unit: 'seconds',
    lines: {
      lag: own('signal_lag_seconds', 'Maximum'),
      'since the open': own('signal_effective_lag_seconds', 'Maximum'),
      bars: own('microbar_lag_seconds', 'Maximum'),
    },
  },
  {
    title: 'Ingest delay, 95th percentile',
    unit: 'milliseconds',
    lines: { delay: own('ingest_delay_p95_ms', 'Maximum') },
  },
  {
    title: 'Signal objective: windows hit in 4 h',
    unit: 'ratio',
    lines: { hit: own('window_hit_ratio_4h', 'Minimum') },
  },
  {
    title: 'Burn of the signal objective',
    unit: 'times the budget',
    lines: Object.fromEntries(
      ['15m', '1h', '4h'].map((window) => [window, own('slo_burn_rate', 'Maximum', { window })] as const),
    ),
  },
  {
    title: 'Windows without a signal in a row',
    unit: 'windows',
    lines: Object.fromEntries(
      ['trading', 'lane'].map((consumer) => [consumer, own('no_signal_streak', 'Maximum', { consumer })] as const),
    ),
  },
  {
    title: 'Session and cycles',
    unit: 'per minute',
    lines: { 'session open': own('market_session_open', 'Maximum'), cycles: own('cycles_total', 'Sum') },
  },
  { title: 'Duration of a cycle', unit: 'milliseconds', lines: { p95: own('cycle_duration_ms', 'p95') } },
  {
    title: 'Universe',
    unit: 'symbols, seconds',
    lines: {
      symbols: own('universe_symbols_count', 'Minimum'),
      age: own('universe_cache_age_seconds', 'Maximum'),
    },
  },
];

export const executionGraphs: readonly Graph[] = [
  {
    title: 'Decision to first fill, by adapter',
    unit: 'milliseconds',
    periodSeconds: 300,
    lines: { ...byAdapter('decision_to_fill_ms', 'p50'), ...byAdapter('decision_to_fill_ms', 'p95') },
  },
  {
    title: 'Decision to acknowledgement, by adapter',
    unit: 'milliseconds',
    periodSeconds: 300,
    lines: { ...byAdapter('decision_to_ack_ms', 'p50'), ...byAdapter('decision_to_ack_ms', 'p95') },
  },
  {
    title: 'Share of orders for LEAN that fell back, 15 minutes',
    unit: 'ratio',
    lines: {
      ratio: {
        expression: 'fallbacks / submissions',
        metrics: {
          fallbacks: own('lean_fallbacks_15m', 'Maximum'),
          submissions: own('lean_submissions_15m', 'Maximum'),
        },
      },
    },
  },
  {
    title: 'Fallbacks by reason',
    unit: 'orders',
    periodSeconds: classPeriodSeconds,
    lines: { '': everyValueOf('execution_fallback_reason_total', 'reason') },
  },
  {
    title: 'Rejected submits by code',
    unit: 'orders',
    periodSeconds: classPeriodSeconds,
    lines: { '': everyValueOf('orders_rejected_total', 'code') },
  },
  {
    title: 'Denied decisions by code',
    unit: 'reasons',
    periodSeconds: classPeriodSeconds,
    lines: { '': everyValueOf('denials_total', 'code') },
  },
  {
    title: 'Orders for LEAN of 15 minutes',
    unit: 'orders',
    lines: {
      submitted: own('lean_submissions_15m', 'Maximum'),
      'fell back': own('lean_fallbacks_15m', 'Maximum'),
      'fell back in a row': own('execution_fallback_streak', 'Maximum'),
    },
  },
  {
    title: 'Submits of 15 minutes',
    unit: 'orders',
    lines: {
      submitted: own('order_submissions_15m', 'Maximum'),
      rejected: own('order_rejections_15m', 'Maximum'),
    },
  },
  {
    title: 'Outcomes that were open',
    unit: 'orders',
    periodSeconds: 300,
    lines: {
      unknown: own('orders_unknown_total', 'Sum'),
      adopted: own('orders_adopted_total', 'Sum'),
      'age of the oldest, seconds': own('unknown_order_age_seconds', 'Maximum'),
    },
  },
  {
    title: 'Adapters: 0 enabled, 1 canary, 2 disabled, 3 manual review',
    unit: 'state',
    lines: {
      ...Object.fromEntries(
        adapters.map((adapter) => [adapter, own('adapter_state', 'Maximum', { adapter })] as const),
      ),
      ...Object.fromEntries(
        adapters.map((adapter) => [`${adapter} breaker`, own('breaker_open', 'Maximum', { adapter })] as const),
      ),
      'symbols in review': own('manual_review_symbols_count', 'Maximum'),
    },
  },
  {
    title: 'Provenance of 24 h',
    unit: 'ratio',
    lines: {
      complete: own('route_provenance_coverage_ratio', 'Minimum'),
      unknown: own('route_provenance_unknown_ratio', 'Maximum'),
      'other adapter than expected': own('route_provenance_mismatch_ratio', 'Maximum'),
    },
  },
  { title: 'Mean slippage of 24 h', unit: 'basis points', lines: { slippage: own('tca_avg_slippage_bps', 'Maximum') } },
];

export const profitGraphs: readonly Graph[] = [
  {
    title: 'Realized profit of the day after cost',
    unit: 'USD',
    lines: { realized: own('realized_net_usd_day', 'Average') },
  },
  { title: 'Drawdown', unit: 'share of day-start equity', lines: { drawdown: own('drawdown_fraction', 'Maximum') } },
  {
    title: 'Gate coverage: evidence checks of a day',
    unit: 'checks',
    periodSeconds: 86_400,
    lines: {
      checks: own('evidence_continuity_checks_total', 'Sum'),
      failed: own('evidence_continuity_failures_total', 'Sum'),
    },
  },
  {
    title: 'Capital stage: 0 shadow, 1 paper, 2 canary, 3 live, 4 full',
    unit: 'stage',
    lines: { highest: own('capital_stage_level', 'Maximum') },
  },
];

export const advisoryGraphs: readonly Graph[] = [
  {
    title: 'Advisory answers',
    unit: 'answers',
    periodSeconds: 300,
    lines: {
      requests: own('llm_requests_total', 'Sum'),
      approvals: own('llm_approve_total', 'Sum'),
      vetoes: own('llm_veto_total', 'Sum'),
      adjustments: own('llm_adjust_total', 'Sum'),
      shadow: own('llm_shadow_total', 'Sum'),
    },
    later: 'advisory',
  },
  {
    title: 'Advisory faults',
    unit: 'answers',
    periodSeconds: 300,
    lines: {
      errors: own('llm_error_total', 'Sum'),
      unparsed: own('llm_parse_error_total', 'Sum'),
      blocked: own('llm_guardrail_block_total', 'Sum'),
      'circuit open': own('llm_circuit_open_total', 'Sum'),
    },
    later: 'advisory',
  },
  {
    title: 'Advisory tokens',
    unit: 'tokens',
    periodSeconds: 300,
    lines: Object.fromEntries(
      ['input', 'output'].map((kind) => [kind, own('llm_tokens_total', 'Sum', { kind })] as const),
    ),
    later: 'advisory',
  },
  {
    title: 'Duration of an advisory request',
    unit: 'milliseconds',
    periodSeconds: 300,
    lines: { p50: own('llm_latency_ms', 'p50'), p95: own('llm_latency_ms', 'p95') },
    later: 'advisory',
  },
];

export interface WatchedResources {
  readonly functions: readonly WatchedFunction[];
  readonly workQueues: readonly WatchedQueue[];
  readonly deadLetterQueues: readonly WatchedQueue[];
}

export const healthGraphs = ({ functions, workQueues, deadLetterQueues }: WatchedResources): readonly Graph[] => {
  const perFunction = (metric: string, statistic: 'Sum' | 'p95') =>
    Object.fromEntries(
      functions.map(({ name, functionName }) => [name, lambdaMetric(functionName, metric, statistic)]),
    );
  const perQueue = (watched: readonly WatchedQueue[], metric: string) =>
    Object.fromEntries(watched.map(({ name, queueName }) => [name, queueMetric(queueName, metric, 'Maximum')]));
  return [
    { title: 'Errors', unit: 'invocations', lines: perFunction('Errors', 'Sum') },
    { title: 'Throttles', unit: 'invocations', lines: perFunction('Throttles', 'Sum') },
    { title: 'Duration, 95th percentile', unit: 'milliseconds', lines: perFunction('Duration', 'p95') },
    { title: 'Invocations', unit: 'invocations', lines: perFunction('Invocations', 'Sum') },
    {
      title: 'Oldest message',
      unit: 'seconds',
      lines: perQueue(workQueues, 'ApproximateAgeOfOldestMessage'),
    },
    {
      title: 'Dead letters',
      unit: 'messages',
      lines: perQueue(deadLetterQueues, 'ApproximateNumberOfMessagesVisible'),
    },
    {
      title: 'Boot check and signal store',
      unit: 'flag, ratio',
      lines: {
        'boot check': own('boot_check_ok', 'Minimum'),
        'store read-only': own('clickhouse_replica_readonly', 'Maximum'),
        'disk free': own('clickhouse_disk_free_ratio', 'Minimum'),
      },
    },
  ];
};
