import type { FunctionName } from '@torghut/domain';

/**
 * What a trading day is taken to be where this machine cannot say. Everything else is measured in the run or read from
 * the table and the templates that are deployed.
 */
export const assumptions = {
  /** Intents of the strategy for each symbol and day: the median on real bars. The session's order limit caps orders. */
  intentsPerSymbol: 11,
  /** Requests an operator's tools make: one a minute, all day. */
  apiRequests: 24 * 60,
  /** Hours with orders to route. */
  sessionHours: 7,
  /** Connections with which Lambda polls a queue around the clock, and the seconds an empty poll waits. */
  pollers: 5,
  pollSeconds: 20,
  /** START, END and REPORT lines of Lambda itself, with what CloudWatch adds to each. */
  platformLogBytes: 3 * 26 + 370,
  /** Memory that buys one whole virtual CPU. Less memory computes slower in proportion. */
  megabytesPerCpu: 1_769,
  /** Seconds a secret may be remembered. */
  secretCacheSeconds: 300,
} as const;

/** Milliseconds an invocation waits for networks that this machine does not have: database, signal store, broker. */
export const networkMilliseconds: Readonly<Record<FunctionName, number>> = {
  'autonomy-cycle': 150,
  'freshness-check': 100,
  'lean-router': 500,
  'alpaca-router': 500,
  'order-sync': 400,
  'nightly-reconciliation': 800,
  'research-lane': 500,
  'evidence-writer': 200,
  'operator-api': 100,
  migrate: 0,
};

/** Hours of a weekday in which a schedule fires, and how often in each of them. */
export const firingsOfExpression = (expression: string): { readonly hours: number; readonly perHour: number } => {
  const [, step, hours] = /^cron\((\*|0\/\d+) (\d+(?:[-,]\d+)*) /.exec(expression) ?? [];
  if (step === undefined || hours === undefined)
    throw new Error(`expected a schedule of every minute, or of every few, of some hours, found "${expression}"`);
  const counted = hours.split(',').map((range) => {
    const [from = '', to = from] = range.split('-');
    return Number(to) - Number(from) + 1;
  });
  return {
    hours: counted.reduce((sum, count) => sum + count, 0),
    perHour: step === '*' ? 60 : 60 / Number(step.slice(2)),
  };
};
