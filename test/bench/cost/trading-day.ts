import { monthHours, type PriceName, prices } from './price-table.ts';

/** What one function did in a trading day. */
export interface FunctionDay {
  readonly invocations: number;
  /** Of one invocation, as billed. */
  readonly milliseconds: number;
  readonly memoryMegabytes: number;
  /** Of one invocation, the lines of Lambda itself included. */
  readonly logBytes: number;
}

/** Quantities of one trading day. */
export interface TradingDay {
  readonly functions: readonly FunctionDay[];
  readonly scheduledInvocations: number;
  readonly events: number;
  readonly fifoRequests: number;
  readonly queueRequests: number;
  readonly apiRequests: number;
  readonly tracedInvocations: number;
  /** Hours in which a custom metric was sent, summed over the metrics. */
  readonly metricHours: number;
  readonly secrets: number;
  readonly secretReads: number;
}

/** What stands beside the serverless part, and costs the same on a day without trading. */
export interface Standing {
  readonly alarmMetrics: number;
  readonly compositeAlarms: number;
  readonly dashboards: number;
  readonly keys: number;
  /** Capacity the database never goes below, Aurora capacity units; 0 without one of our own. */
  readonly databaseCapacity: number;
  readonly databaseProxies: number;
  readonly natGateways: number;
}

export interface CostLine {
  readonly item: string;
  readonly usd: number;
}

const dayHours = 24;
/** A proxy is charged for this much capacity, however little the database uses. */
const leastProxyCapacity = 8;

const charge = (item: string, name: PriceName, quantity: number): CostLine => ({
  item,
  usd: prices[name].usd * quantity,
});
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
/** A price of a month, for one day of 24 hours. */
const monthsOfDay = dayHours / monthHours;

/** Cost of a trading day by item, USD: what only costs when it is used, and the secrets it needs. */
export const serverlessCost = (day: TradingDay): readonly CostLine[] => [
  charge(
    'lambda_compute',
    'lambdaGigabyteSecond',
    sum(
      day.functions.map(
        ({ invocations, milliseconds, memoryMegabytes }) =>
          (invocations * Math.ceil(milliseconds) * memoryMegabytes) / 1_000 / 1_024,
      ),
    ),
  ),
  charge('lambda_requests', 'lambdaRequest', sum(day.functions.map(({ invocations }) => invocations))),
  charge('scheduler', 'schedulerInvocation', day.scheduledInvocations),
  charge('events', 'event', day.events),
  charge('fifo_queues', 'fifoRequest', day.fifoRequests),
  charge('standard_queue', 'queueRequest', day.queueRequests),
  charge('api', 'apiRequest', day.apiRequests),
  charge('traces', 'trace', day.tracedInvocations),
  charge('logs', 'logGigabyte', sum(day.functions.map(({ invocations, logBytes }) => invocations * logBytes)) / 1e9),
  charge('custom_metrics', 'metricMonth', day.metricHours / monthHours),
  charge('secrets', 'secretMonth', day.secrets * monthsOfDay),
  charge('secret_reads', 'secretRead', day.secretReads),
];

/** What a database, a network, keys, alarms and dashboards add to a day, USD. */
export const standingCost = (standing: Standing): readonly CostLine[] => [
  charge('alarms', 'alarmMetricMonth', standing.alarmMetrics * monthsOfDay),
  charge('composite_alarms', 'compositeAlarmMonth', standing.compositeAlarms * monthsOfDay),
  charge('dashboards', 'dashboardMonth', standing.dashboards * monthsOfDay),
  charge('keys', 'keyMonth', standing.keys * monthsOfDay),
  charge('database', 'auroraCapacityHour', standing.databaseCapacity * dayHours),
  charge(
    'database_proxy',
    'databaseProxyCapacityHour',
    standing.databaseProxies * Math.max(leastProxyCapacity, standing.databaseCapacity) * dayHours,
  ),
  charge('nat_gateways', 'natGatewayHour', standing.natGateways * dayHours),
  charge('public_addresses', 'publicAddressHour', standing.natGateways * dayHours),
];

export const totalOf = (lines: readonly CostLine[]): number => sum(lines.map(({ usd }) => usd));
