import {
  deployment,
  eventBusKey,
  floorTo,
  minute,
  publishOutbox,
  queues as queueContract,
  secretKeys,
  second,
  sha256,
  toText,
  type AccountLabel,
  type EventBus,
  type FunctionName,
  type Instant,
} from '@torghut/domain';
import {
  createMemoryTelemetry,
  enterInitialStage,
  fixedCredentials,
  httpExchange,
  postgresOutbox,
  seedControls,
  type ClickHouse,
  type Exchange,
  type InvocationTelemetry,
  type LambdaFunction,
  type Overrides,
  type Pool,
  type SecretsReader,
} from '@torghut/platform';
import type { Context } from 'aws-lambda';
import * as alpacaRouter from '../../functions/alpaca-router/handler.ts';
import * as alpacaRouterWire from '../../functions/alpaca-router/wire.ts';
import * as freshnessCheck from '../../functions/freshness-check/handler.ts';
import * as freshnessCheckWire from '../../functions/freshness-check/wire.ts';
import * as autonomyCycle from '../../functions/autonomy-cycle/handler.ts';
import * as autonomyCycleWire from '../../functions/autonomy-cycle/wire.ts';
import * as leanRouter from '../../functions/lean-router/handler.ts';
import * as leanRouterWire from '../../functions/lean-router/wire.ts';
import * as nightlyReconciliation from '../../functions/nightly-reconciliation/handler.ts';
import * as nightlyReconciliationWire from '../../functions/nightly-reconciliation/wire.ts';
import * as orderSync from '../../functions/order-sync/handler.ts';
import * as orderSyncWire from '../../functions/order-sync/wire.ts';
import { lambdaContexts } from '../../infra/local/aws/lambda-context.ts';
import { draw } from '../../infra/local/twins/random.ts';
import {
  startAlpacaTwin,
  startJangarTwin,
  startLeanTwin,
  type AlpacaTwin,
  type JangarTwin,
  type LeanTwin,
} from '../../infra/local/twins/index.ts';
import { simulatedDatabase } from './database.ts';
import type { Faults } from './faults.ts';
import { Gates } from './gates.ts';
import { resetShared } from './ledger.ts';
import { marketSymbols, SimulatedMarket } from './market.ts';
import { simulatedQueues, type OrderQueue, type SimulatedQueues } from './messages.ts';
import { simulatedExchange, type AnsweredLookup } from './network.ts';
import { startOperators, type OperatorAnswer, type Operators } from './operators.ts';
import { planDecision } from './planner.ts';
import type { Act, PlannedOrder, Scenario, StreamName } from './scenario.ts';
import { Scheduler, type Actor } from './scheduler.ts';
import { simulatedSignals } from './signals.ts';

/** What a worker keeps from one run to the next. */
export interface Resources {
  /** As the role of the functions. */
  readonly app: Pool;
  readonly owner: Pool;
  readonly clickhouse: ClickHouse;
  /** Settings that name the tables of a stream. */
  readonly tables: (stream: StreamName) => Readonly<Record<string, string>>;
}

const codeHash = 'c0de'.repeat(16);
const keys = { keyId: 'PKSIMULATION', secretKey: 'secret' };

/** The only secret that is asked for: everything else the functions need is given to them. */
const secrets: SecretsReader = {
  get: (_id, schema) => Promise.resolve(schema.parse({ key_id: keys.keyId, secret_key: keys.secretKey })),
  credentials: (_id, schema) => fixedCredentials(schema.parse({ key_id: keys.keyId, secret_key: keys.secretKey })),
};

/** Everything that trades. */
type Simulated = Extract<
  FunctionName,
  'autonomy-cycle' | 'order-sync' | 'lean-router' | 'alpaca-router' | 'nightly-reconciliation' | 'freshness-check'
>;
const timeouts: Readonly<Record<Simulated, number>> = {
  'autonomy-cycle': 50,
  'order-sync': 45,
  'lean-router': deployment.routerTimeoutSeconds,
  'alpaca-router': deployment.routerTimeoutSeconds,
  'nightly-reconciliation': 600,
  'freshness-check': 30,
};
export const consumers: Readonly<Record<OrderQueue, Simulated>> = {
  lean: 'lean-router',
  alpaca: 'alpaca-router',
  followUp: 'order-sync',
};

export type ScheduledFunction = Exclude<Simulated, 'lean-router' | 'alpaca-router'>;
const tickKey = (name: ScheduledFunction, at: Instant): string => `tick:${name}:${toText(at)}`;

interface Tick {
  readonly key: string;
  readonly at: Instant;
  readonly name: ScheduledFunction;
}

/** What fires while a scenario lasts, by name. */
export const ticksOf = ({ startAt, endAt, stream, checksFreshness, reconcilesAt }: Scenario): readonly Tick[] => {
  const everyMinute: readonly ScheduledFunction[] = [
    'order-sync',
    ...(stream === null ? [] : (['autonomy-cycle'] as const)),
    ...(checksFreshness ? (['freshness-check'] as const) : []),
  ];
  const minutes = Array.from(
    { length: Math.ceil((endAt - startAt) / minute) },
    (_, index) => floorTo(startAt, minute) + index * minute,
  );
  const tick = (name: ScheduledFunction, at: Instant): Tick => ({ key: tickKey(name, at), at, name });
  return [
    ...minutes.flatMap((at) => everyMinute.map((name) => tick(name, at))),
    ...[...new Set(reconcilesAt)].map((at) => tick('nightly-reconciliation', at)),
  ];
};

export interface World {
  readonly account: AccountLabel;
  readonly scheduler: Scheduler;
  readonly queues: SimulatedQueues;
  readonly twins: { readonly alpaca: AlpacaTwin; readonly lean: LeanTwin; readonly jangar: JangarTwin };
  /** Puts one run of each function on the schedule. */
  readonly tick: (at: Instant, functions: readonly ScheduledFunction[]) => void;
  /** Something a person does, in force at once. */
  readonly perform: (act: Act) => Promise<void>;
  /** A decision of the moment, on its way to its router. */
  readonly plan: (order: PlannedOrder) => void;
  readonly running: () => number;
  readonly close: () => Promise<void>;
}

export interface WorldOptions {
  readonly scenario: Scenario;
  readonly faults: Faults;
  readonly resources: Resources;
  /** Whether venues are reached over connections; what happens is the same without. */
  readonly connects: boolean;
  readonly trace: (line: string) => void;
  /** After a venue may have done something. */
  readonly onEffect: (world: World, key: string) => void;
  /** After something a person did is in force. */
  readonly onAct: (world: World, act: Act, applied: boolean) => Promise<void>;
  /** After an actor committed something, before anybody else acts. */
  readonly onCommit: (world: World, actor: Actor, statements: readonly string[]) => Promise<void>;
  readonly onLookup: (lookup: AnsweredLookup) => void;
  /** After the operator API answered. */
  readonly onAnswer: (answer: OperatorAnswer) => void;
  /** When an order comes that nobody could still expect. */
  readonly onUnforeseen: (clientOrderId: string) => void;
  readonly isWanted: (key: string) => boolean;
}

/** The way to venues of this process, by the origin of what is asked for. */
const withoutConnections = (venues: readonly { readonly url: string; readonly exchange: Exchange }[]): Exchange => {
  const exchanges = new Map(venues.map(({ url, exchange }) => [new URL(url).origin, exchange]));
  return (http, clock) => (exchanges.get(new URL(http.url).origin) ?? httpExchange)(http, clock);
};

const countersOnly = (trace: (line: string) => void): InvocationTelemetry => {
  const telemetry = createMemoryTelemetry({ keptLines: 0 });
  const none = (): void => undefined;
  return {
    ...telemetry,
    info: none,
    warn: none,
    error: (message, fields) => {
      const error = fields?.['error'];
      trace(`      ${message}${error instanceof Error ? `: ${error.message}` : ''}`);
    },
  };
};

/** The control plane with its real handlers, over one account of the worker's database and venues of its own. */
export const startWorld = async (options: WorldOptions): Promise<World> => {
  const { scenario, faults, resources, trace, isWanted } = options;
  const { seed, startAt } = scenario;
  const account = `sim-${seed}` as AccountLabel;
  // The minute before the first tick is for what a running system has done before.
  const scheduler = new Scheduler(seed, startAt - 20 * second);
  const gates = new Gates(scheduler, faults, trace);
  const market = new SimulatedMarket();
  const queues = simulatedQueues(scheduler, gates, faults);
  const venueClock = scheduler.clock(0, () => null);

  await resetShared(resources.owner, seed);
  await seedControls(resources.owner, {
    accountLabel: account,
    killSwitch: false,
    tradingEnabled: true,
    autonomyEnabled: true,
    tradingMode: 'paper',
    actor: 'simulation',
    at: scheduler.now(),
  });
  await enterInitialStage(resources.owner, account, 'paper', 'simulation', scheduler.now());

  const alpaca = await startAlpacaTwin({
    clock: venueClock,
    marketData: market,
    symbols: marketSymbols,
    seed,
    partialFillShare: scenario.partialFillShare,
    cancelLatencyMs: scenario.cancelLatencyMs,
  });
  const lean = await startLeanTwin({
    clock: venueClock,
    brokerUrl: alpaca.url,
    brokerExchange: options.connects ? httpExchange : alpaca.exchange,
    credentials: keys,
    seed,
  });
  const jangar = await startJangarTwin({ clock: venueClock, symbols: scenario.symbols, seed });

  const database = simulatedDatabase(resources.app, gates, (actor, statements) =>
    options.onCommit(world, actor, statements),
  );
  const exchange = simulatedExchange({
    gates,
    scheduler,
    venueClock,
    venues: options.connects ? httpExchange : withoutConnections([alpaca, lean, jangar]),
    leanUrl: lean.url,
    leanForgets: scenario.leanForgets,
    onHarmless: (key) => {
      faults.withdraw(key);
    },
    acceptedAt: (id) => alpaca.orders().find(({ clientOrderId }) => clientOrderId === id)?.submittedAt ?? null,
    trace,
    onLookup: options.onLookup,
    onUnforeseen: options.onUnforeseen,
    onEffect: (key) => {
      options.onEffect(world, key);
    },
  });
  const environment = {
    ...Object.fromEntries(Object.entries(queueContract).map(([name, { environmentKey }]) => [environmentKey, name])),
    [secretKeys.alpaca]: 'alpaca',
    [eventBusKey]: 'simulation',
    AWS_REGION: 'us-east-1',
    TORGHUT_CODE_HASH: codeHash,
    TRADING_LEAN_RUNNER_URL: lean.url,
    APCA_API_BASE_URL: alpaca.url,
    JANGAR_SYMBOLS_URL: jangar.url,
    TRADING_ENABLED: 'true',
    TRADING_AUTONOMY_ENABLED: 'true',
    TRADING_ACCOUNT_LABEL: account,
    ...resources.tables(scenario.stream ?? 'clean'),
    ...scenario.settings,
  };
  const telemetry = countersOnly(trace);
  const aheadMs: Partial<Record<Simulated, number>> = scenario.aheadMs;
  const overridesOf = (name: Simulated): Overrides => ({
    clock: scheduler.clock(aheadMs[name] ?? 0, gates.actor),
    telemetry,
    secrets,
    database,
    exchange,
    publisher: queues.publisher,
    clickhouse: simulatedSignals(resources.clickhouse, gates),
  });
  const wiring: Readonly<Record<Simulated, () => Promise<LambdaFunction<unknown, unknown>>>> = {
    'order-sync': async () => orderSync.createHandler(await orderSyncWire.wire(environment, overridesOf('order-sync'))),
    'autonomy-cycle': async () =>
      autonomyCycle.createHandler(await autonomyCycleWire.wire(environment, overridesOf('autonomy-cycle'))),
    'nightly-reconciliation': async () =>
      nightlyReconciliation.createHandler(
        await nightlyReconciliationWire.wire(environment, overridesOf('nightly-reconciliation')),
      ),
    'freshness-check': async () =>
      freshnessCheck.createHandler({
        ...(await freshnessCheckWire.wire(environment, overridesOf('freshness-check'))),
        events: acceptingEvents,
      }),
    'lean-router': async () =>
      leanRouter.createHandler(await leanRouterWire.wire(environment, overridesOf('lean-router'))) as LambdaFunction<
        unknown,
        unknown
      >,
    'alpaca-router': async () =>
      alpacaRouter.createHandler(
        await alpacaRouterWire.wire(environment, overridesOf('alpaca-router')),
      ) as LambdaFunction<unknown, unknown>,
  };
  /** Processes that wait for work. One that was ended is gone with all it remembered; its successor starts cold. */
  const idle: Record<Simulated, LambdaFunction<unknown, unknown>[]> = {
    'order-sync': [],
    'autonomy-cycle': [],
    'lean-router': [],
    'alpaca-router': [],
    'nightly-reconciliation': [],
    'freshness-check': [],
  };
  const runIn = async (name: Simulated, event: unknown): Promise<unknown> => {
    const handler = idle[name].pop() ?? (await wiring[name]());
    try {
      return await handler(event, contextOf[name]());
    } finally {
      idle[name].push(handler);
    }
  };
  const contextOf = Object.fromEntries(
    Object.entries(timeouts).map(([functionName, timeoutSeconds]) => [
      functionName,
      lambdaContexts(venueClock, { functionName, timeoutSeconds, memoryMegabytes: 512 }),
    ]),
  ) as Readonly<Record<Simulated, () => Context>>;

  let started = 0;
  let running = 0;
  /** Work as an actor, ended when it takes too long, or killed. */
  const act = <T>(name: string, timeoutSeconds: number, work: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      started += 1;
      running += 1;
      const settle = (how: () => void): void => {
        if (actor.ended) return;
        actor.ended = true;
        running -= 1;
        how();
      };
      const actor: Actor = {
        name: `${name}-${started}`,
        gates: 0,
        ended: false,
        frozen: false,
        kill: (why) => {
          trace(`  ${actor.name} ends: ${why}`);
          settle(() => {
            reject(new Error(`${actor.name}: ${why}`));
          });
        },
      };
      trace(`${toText(scheduler.now())} ${actor.name} starts`);
      scheduler.at(
        `timeout:${actor.name}`,
        scheduler.now() + timeoutSeconds * second,
        () => {
          if (!actor.frozen) actor.kill('timed out');
        },
        actor,
      );
      gates.run(actor, work).then(
        (value) => {
          trace(`  ${actor.name} finished ${resultText(value)}`);
          settle(() => {
            resolve(value);
          });
        },
        (error: unknown) => {
          trace(`  ${actor.name} failed: ${error instanceof Error ? error.message : String(error)}`);
          settle(() => {
            reject(error instanceof Error ? error : new Error(String(error)));
          });
        },
      );
    });
  const invoke = (name: Simulated, event: unknown): Promise<unknown> =>
    act(name, timeouts[name], () => runIn(name, event));

  const tick: World['tick'] = (at, functions) => {
    for (const name of functions) {
      const event = { scheduledFor: toText(at) };
      const key = tickKey(name, at);
      const fault = faults.at(key, 'tick', at);
      if (fault !== null) trace(`  fault ${fault} at ${key}`);
      if (fault === 'tick_missed') continue;
      const late =
        fault === 'tick_late' ? 20_000 + draw(seed, 'late', key) * 60_000 : draw(seed, 'jitter', key) * 2_000;
      for (let copy = 0; copy < scenario.schedulers * (fault === 'tick_twice' ? 2 : 1); copy += 1) {
        const firesAt = at + Math.floor(late) + copy * Math.floor(draw(seed, 'second copy', key) * 3_000);
        scheduler.at(`${key}:${copy}`, firesAt, () => {
          // EventBridge tries once more when the run failed, unless the event is old by then.
          invoke(name, event).catch(() => {
            scheduler.at(`${key}:${copy}:again`, scheduler.now() + second, () => {
              if (scheduler.now() - at > deployment.scheduleMaxEventAgeSeconds * second) return;
              invoke(name, event).catch(() => undefined);
            });
          });
        });
      }
    }
  };

  const operators = await startOperators({
    environment,
    overrides: { clock: venueClock, telemetry, secrets, database: resources.app },
    onAnswer: options.onAnswer,
  });
  const world: World = {
    account,
    scheduler,
    queues,
    twins: { alpaca, lean, jangar },
    tick,
    perform: async (one) => {
      trace(`${toText(scheduler.now())} ${one.key}`);
      const applied = await perform(one, world, resources.app, operators);
      await options.onAct(world, one, applied);
    },
    plan: (order) => {
      scheduler.at(order.key, order.at, () => {
        act('planner', 60, async () => {
          await planDecision(database, account, scenario, order, order.at);
          await publishOutbox(postgresOutbox(database, account), queues.publisher, scheduler.now());
        }).catch(() => undefined);
      });
    },
    running: () => running,
    close: async () => {
      await Promise.all([jangar.stop(), lean.stop(), alpaca.stop()]);
      queues.close();
    },
  };

  // What a running system has: a calendar, a snapshot of the account, a completed run.
  await runIn('order-sync', { scheduledFor: toText(floorTo(scheduler.now(), minute)) });
  queues.deliverTo((queue, event) => invoke(consumers[queue], event), scenario.concurrency);
  for (const order of scenario.orders) if (isWanted(order.key)) world.plan(order);
  for (const one of scenario.acts) {
    if (!isWanted(one.key)) continue;
    scheduler.at(one.key, one.at, () => world.perform(one));
  }
  for (const { key, at, name } of ticksOf(scenario)) if (isWanted(key)) tick(at, [name]);
  return world;
};

/** The bus of events, which takes everything. */
const acceptingEvents: EventBus = {
  put: (events) => Promise.resolve({ accepted: events.length, failed: [] }),
};

const resultText = (value: unknown): string => sha256(JSON.stringify(value ?? null)).slice(0, 8);

/** An operator's act, or one of the broker, in force at once. Resolves with whether there was anything to act on. */
const perform = async (
  act: Act,
  { account, scheduler, twins, queues }: World,
  app: Pool,
  operators: Operators,
): Promise<boolean> => {
  const now = scheduler.now();
  const at = toText(now);
  switch (act.kind) {
    case 'control':
      // The safety evaluation sets the emergency stop; the API refuses to.
      if (act.control !== 'emergency_stop') return operators.control(act.control, act.engaged, act.key);
      await app.query(
        `UPDATE trading_controls SET superseded_at = $2 WHERE account_label = $1 AND control = 'emergency_stop' AND superseded_at IS NULL`,
        [account, at],
      );
      await app.query(
        `INSERT INTO trading_controls (account_label, control, engaged, reasons, actor, note, at)
         VALUES ($1, 'emergency_stop', $2, $3, 'simulation', 'set by the simulation', $4)`,
        [account, act.engaged, JSON.stringify(act.engaged ? [{ code: 'operator', at }] : []), at],
      );
      return true;
    case 'adapter':
      return operators.adapter(act.adapter, act.state, act.key);
    case 'read':
      await operators.read(act.path);
      return true;
    case 'disturb': {
      const result = twins.alpaca.disturb(act.event);
      return result.applied;
    }
    case 'suspend':
      await httpExchange(
        {
          method: 'PATCH',
          url: `${twins.alpaca.url}/v2/account/configurations`,
          headers: { 'apca-api-key-id': keys.keyId, 'apca-api-secret-key': keys.secretKey },
          body: JSON.stringify({ suspend_trade: act.suspended }),
          timeoutMs: 5_000,
        },
        scheduler.clock(0, () => null),
      );
      return true;
    case 'poison':
      queues.plant(act.queue, act.body, `${account}:POISON`);
      return true;
  }
};
