/**
 * List prices of us-east-1 in USD, free tiers left out: other workloads of an account may use them up. Every price names
 * the public page it is from. `checkedOn` is the month of the newest published copy of that page that was found to say so; null
 * where none was found, and the price is as generally known when this table was written, in 2026-11.
 */
export interface Price {
  readonly usd: number;
  readonly per: string;
  readonly source: string;
  readonly checkedOn: string | null;
}

const price = (usd: number, per: string, source: string, checkedOn: string | null): Price => ({
  usd,
  per,
  source,
  checkedOn,
});

export const prices = {
  lambdaGigabyteSecond: price(0.0000133334, 'GB-second on arm64', 'aws.amazon.com/lambda/pricing', '2026-05'),
  lambdaRequest: price(0.2e-6, 'request', 'aws.amazon.com/lambda/pricing', '2026-05'),
  schedulerInvocation: price(1e-6, 'invocation', 'aws.amazon.com/eventbridge/pricing', '2026-03'),
  event: price(1e-6, 'custom event of at most 64 KB', 'aws.amazon.com/eventbridge/pricing', '2026-06'),
  fifoRequest: price(0.5e-6, 'FIFO request', 'aws.amazon.com/sqs/pricing', null),
  queueRequest: price(0.4e-6, 'standard request', 'aws.amazon.com/sqs/pricing', null),
  apiRequest: price(1e-6, 'HTTP API request', 'aws.amazon.com/api-gateway/pricing', null),
  trace: price(5e-6, 'trace recorded', 'aws.amazon.com/xray/pricing', null),
  logGigabyte: price(0.5, 'GB of logs taken in', 'aws.amazon.com/cloudwatch/pricing', '2026-06'),
  metricMonth: price(
    0.3,
    'custom metric and month, by the hour in which it is sent',
    'aws.amazon.com/cloudwatch/pricing',
    '2026-02',
  ),
  alarmMetricMonth: price(0.1, 'metric of a standard alarm and month', 'aws.amazon.com/cloudwatch/pricing', '2026-02'),
  compositeAlarmMonth: price(0.5, 'composite alarm and month', 'aws.amazon.com/cloudwatch/pricing', '2026-02'),
  dashboardMonth: price(3, 'dashboard and month', 'aws.amazon.com/cloudwatch/pricing', '2026-06'),
  secretMonth: price(0.4, 'secret and month', 'aws.amazon.com/secrets-manager/pricing', null),
  secretRead: price(0.05e-4, 'call of Secrets Manager', 'aws.amazon.com/secrets-manager/pricing', null),
  keyMonth: price(1, 'customer key and month', 'aws.amazon.com/kms/pricing', null),
  auroraCapacityHour: price(0.12, 'Aurora capacity unit and hour', 'aws.amazon.com/rds/aurora/pricing', '2026-03'),
  databaseProxyCapacityHour: price(
    0.015,
    'Aurora capacity unit behind the proxy and hour, at least 8 of them',
    'aws.amazon.com/rds/proxy/pricing',
    null,
  ),
  natGatewayHour: price(0.045, 'NAT gateway and hour', 'aws.amazon.com/vpc/pricing', null),
  publicAddressHour: price(0.005, 'public IPv4 address and hour', 'aws.amazon.com/vpc/pricing', null),
} as const satisfies Readonly<Record<string, Price>>;

export type PriceName = keyof typeof prices;

/** Hours of a month as AWS counts them. */
export const monthHours = 730;
