import { functionNames, limits, minute, type FunctionName } from '@torghut/domain';
import { schedules } from '@torghut/domain/contract';
import { functionTable } from '../../../infra/stacks/function-table.ts';
import { startLocalDeployment, type LocalDeployment } from '../../../infra/local/deployment.ts';
import { startGateway } from '../../../infra/local/http-gateway.ts';
import { ingestSession } from '../../../infra/local/ingest/ingest.ts';
import { BarStream } from '../../../infra/local/ingest/rows.ts';
import { LocalScheduler } from '../../../infra/local/scheduler.ts';
import { median } from '../row.ts';
import { firstMinutes } from '../stream.ts';
import { assumptions, firingsOfExpression, networkMilliseconds } from './assumptions.ts';
import { InvocationRecorder, type RecordedFunction } from './invocation-recorder.ts';
import type { FunctionDay, TradingDay } from './trading-day.ts';

const seed = 1;
const historyMinutes = 31;
const warmUpWindows = 7;
const measuredWindows = 15;
const apiRequests = 10;

/** What a few windows of a universe showed. */
export interface Observation {
  readonly symbols: number;
  readonly functions: ReadonlyMap<string, RecordedFunction>;
  /** Batches of follow-ups for each routed order. */
  readonly followUpsPerOrder: number;
}

const askStatus = async (deployment: LocalDeployment): Promise<void> => {
  const handler = deployment.functions['operator-api'] as unknown as Parameters<typeof startGateway>[0]['handler'];
  const context = { functionName: 'operator-api', awsRequestId: 'bench' };
  const gateway = await startGateway({
    port: 0,
    host: '127.0.0.1',
    handler: (event) => (handler as (...parameters: unknown[]) => ReturnType<typeof handler>)(event, context),
  });
  try {
    for (let request = 0; request < apiRequests; request += 1) {
      const answer = await fetch(new URL('/trading/status', gateway.url));
      if (!answer.ok) throw new Error(`expected the status of trading, found HTTP ${answer.status}`);
      await answer.text();
    }
  } finally {
    await gateway.stop();
  }
};

/** Runs windows of a universe through every function, on the engines of this machine. */
export const observe = async (symbols: number): Promise<Observation> => {
  const bars = firstMinutes(seed, symbols, historyMinutes + warmUpWindows + measuredWindows + 1);
  const [session] = bars.sessions;
  if (session === undefined) throw new RangeError('expected one session of bars, found none');
  const startAt = session.day.openAt + historyMinutes * minute;
  const deployment = await startLocalDeployment(
    { bars, dataDirectory: null, startAt, lean: null, alpaca: null },
    () => undefined,
  );
  try {
    await ingestSession(deployment.clickhouse, new BarStream().rowsOf(session), { database: 'torghut' });
    using recorder = new InvocationRecorder(deployment.telemetry);
    const scheduler = new LocalScheduler(deployment);
    for (let window = 0; window < warmUpWindows + measuredWindows; window += 1) {
      if (window === warmUpWindows) recorder.forgetTimes();
      const { failures } = await scheduler.tick(startAt + window * minute);
      const [failure] = failures;
      if (failure !== undefined) throw new Error(`${failure.function} failed`, { cause: failure.error });
    }
    await askStatus(deployment);
    const functions = recorder.functions();
    const count = (name: FunctionName): number => functions.get(name)?.milliseconds.length ?? 0;
    const orders = count('lean-router') + count('alpaca-router');
    return {
      symbols,
      functions,
      followUpsPerOrder: orders === 0 ? 0 : (count('order-sync') - measuredWindows) / orders,
    };
  } finally {
    await deployment.stop();
  }
};

const firings = Object.fromEntries(
  Object.entries(schedules).map(([name, expression]) => [name, firingsOfExpression(expression)]),
) as Readonly<Partial<Record<FunctionName, ReturnType<typeof firingsOfExpression>>>>;

const activeHours = (name: FunctionName): number =>
  firings[name]?.hours ?? (name === 'operator-api' ? 24 : assumptions.sessionHours);

/** Hours in which CloudWatch sees each metric: those of whichever function sends it longest. */
const metricHoursOf = (functions: Observation['functions']): number => {
  const hours = new Map<string, number>();
  for (const [name, { metrics }] of functions) {
    for (const metric of metrics) {
      hours.set(metric, Math.max(hours.get(metric) ?? 0, activeHours(name as FunctionName)));
    }
  }
  return [...hours.values()].reduce((total, value) => total + value, 0);
};

/** A whole day of what was observed, with the deployed schedules and sizes. */
export const tradingDayOf = (observation: Observation, secrets: number): TradingDay => {
  const orders = Math.min(assumptions.intentsPerSymbol * observation.symbols, limits.maxOrdersPerSession.value);
  const followUps = Math.ceil(orders * observation.followUpsPerOrder);
  const scheduled = (name: FunctionName): number => (firings[name]?.hours ?? 0) * (firings[name]?.perHour ?? 0);
  const invocations: Readonly<Partial<Record<FunctionName, number>>> = {
    'autonomy-cycle': scheduled('autonomy-cycle'),
    'freshness-check': scheduled('freshness-check'),
    'lean-router': orders,
    'order-sync': scheduled('order-sync') + followUps,
    'nightly-reconciliation': scheduled('nightly-reconciliation'),
    'operator-api': assumptions.apiRequests,
  };
  const functions = functionNames.flatMap((name): FunctionDay[] => {
    const recorded = observation.functions.get(name);
    const times = invocations[name];
    if (times === undefined) return [];
    if (recorded === undefined || recorded.milliseconds.length === 0)
      throw new Error(`expected ${name} to run in the observed windows, but it did not`);
    const { memoryMegabytes } = functionTable[name];
    const slower = Math.max(1, assumptions.megabytesPerCpu / memoryMegabytes);
    return [
      {
        invocations: times,
        milliseconds: median(recorded.milliseconds) * slower + networkMilliseconds[name],
        memoryMegabytes,
        logBytes: median(recorded.logBytes) + assumptions.platformLogBytes,
      },
    ];
  });
  const scheduledInvocations = functionNames.reduce((total, name) => total + scheduled(name), 0);
  const polls = (assumptions.pollers * 24 * 60 * 60) / assumptions.pollSeconds;
  return {
    functions,
    scheduledInvocations,
    events: 0,
    // Sent, received and deleted, beside the empty polls of two FIFO queues and one standard queue.
    fifoRequests: 2 * polls + 3 * orders,
    queueRequests: polls + 3 * followUps,
    apiRequests: assumptions.apiRequests,
    tracedInvocations: functions.reduce((total, { invocations: times }) => total + times, 0),
    metricHours: metricHoursOf(observation.functions),
    secrets,
    secretReads: functionNames.reduce((total, name) => {
      if (invocations[name] === undefined) return total;
      return total + functionTable[name].reads.length * activeHours(name) * (3_600 / assumptions.secretCacheSeconds);
    }, 0),
  };
};
