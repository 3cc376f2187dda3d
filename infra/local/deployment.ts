import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import type { AccountLabel, FunctionName, Instant, QueueName } from '@torghut/domain';
import {
  createMemoryTelemetry,
  createPool,
  fileEvidenceStore,
  fileSigner,
  fixedCredentials,
  migrateClickHouse,
  prepareLedger,
  type LambdaFunction,
  type MemoryTelemetry,
  type Pool,
} from '@torghut/platform';
import pg from 'pg';
import * as alpacaRouter from '../../functions/alpaca-router/handler.ts';
import * as alpacaRouterWire from '../../functions/alpaca-router/wire.ts';
import * as autonomyCycle from '../../functions/autonomy-cycle/handler.ts';
import * as autonomyCycleWire from '../../functions/autonomy-cycle/wire.ts';
import * as evidenceWriter from '../../functions/evidence-writer/handler.ts';
import * as evidenceWriterWire from '../../functions/evidence-writer/wire.ts';
import * as freshnessCheck from '../../functions/freshness-check/handler.ts';
import * as freshnessCheckWire from '../../functions/freshness-check/wire.ts';
import * as leanRouter from '../../functions/lean-router/handler.ts';
import * as leanRouterWire from '../../functions/lean-router/wire.ts';
import * as migrate from '../../functions/migrate/handler.ts';
import * as migrateWire from '../../functions/migrate/wire.ts';
import * as nightlyReconciliation from '../../functions/nightly-reconciliation/handler.ts';
import * as nightlyReconciliationWire from '../../functions/nightly-reconciliation/wire.ts';
import * as operatorApi from '../../functions/operator-api/handler.ts';
import * as operatorApiWire from '../../functions/operator-api/wire.ts';
import * as researchLane from '../../functions/research-lane/handler.ts';
import * as researchLaneWire from '../../functions/research-lane/wire.ts';
import * as orderSync from '../../functions/order-sync/handler.ts';
import * as orderSyncWire from '../../functions/order-sync/wire.ts';
import { startAwsEndpoint, localRegion, type AwsEndpoint } from './aws/endpoint.ts';
import { createEventSource, type EventSource } from './aws/event-source.ts';
import { EventLog } from './aws/events.ts';
import { openLocalDatabase } from './aws/local-database.ts';
import { QueueEngine } from './aws/queue-engine.ts';
import { SecretStore } from './aws/secrets.ts';
import { barFrequencies, type BarSet } from './bars/bars.ts';
import { BarsMarket } from './bars/market.ts';
import { deployedRelease } from './catalog.ts';
import { ReplayClock } from './clock.ts';
import { startClickHouse, type LocalClickHouse } from './engines/clickhouse.ts';
import { startPostgres, type LocalPostgres } from './engines/postgres.ts';
import { synthesize } from './synth.ts';
import { readTemplate, type DeployedQueueName, type Deployment } from './template.ts';
import {
  startAlpacaTwin,
  startJangarTwin,
  startLeanTwin,
  venueFaults,
  type AlpacaTwin,
  type FaultSetting,
  type JangarTwin,
  type LeanTwin,
  type VenueFaultName,
} from './twins/index.ts';

const root = join(import.meta.dirname, '..', '..');
const database = 'torghut';
const account = 'paper' as AccountLabel;
const seed = 20_260_213;

export interface LocalOptions {
  readonly bars: BarSet;
  /** Where state is kept; a directory that goes with the process when null. */
  readonly dataDirectory: string | null;
  readonly startAt: Instant;
  readonly lean: VenueFaultName | null;
  readonly alpaca: VenueFaultName | null;
  /** Settings that differ from those of the template, by environment key. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A function as the local scheduler and queues call it. */
export type LocalFunctions = Readonly<Record<FunctionName, LambdaFunction<unknown, unknown>>>;

/** The whole control plane on this machine: what the template declares, over local engines and venue twins. */
export interface LocalDeployment {
  readonly template: Deployment;
  readonly clock: ReplayClock;
  readonly account: AccountLabel;
  readonly functions: LocalFunctions;
  readonly eventSources: Readonly<Partial<Record<QueueName, EventSource>>>;
  readonly queues: QueueEngine;
  readonly aws: AwsEndpoint;
  readonly postgres: LocalPostgres;
  /** Connected as `torghut_readonly`: reports read, they never write. */
  readonly readonly: Pool;
  readonly clickhouse: ClickHouseClient;
  readonly twins: { readonly alpaca: AlpacaTwin; readonly lean: LeanTwin; readonly jangar: JangarTwin };
  readonly telemetry: MemoryTelemetry;
  readonly environmentOf: (name: FunctionName) => Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Undoes what was started, last first, also when starting fails half-way. A step that fails keeps no other from its turn. */
class Teardown {
  readonly #steps: (() => Promise<void> | void)[] = [];
  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'could not undo all that was started');
  }
}

const adminClient = async (postgres: LocalPostgres): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: postgres.adminUrl(database) });
  await client.connect();
  return client;
};

/** Schema, roles and the rows a deployment starts with: contract, catalog, controls, capital stage. */
const prepareDatabase = async (postgres: LocalPostgres, at: Instant): Promise<void> => {
  await postgres.createDatabase(database);
  const client = await adminClient(postgres);
  try {
    await prepareLedger(client, await deployedRelease(), {
      accountLabel: account,
      killSwitch: false,
      tradingEnabled: true,
      autonomyEnabled: true,
      tradingMode: 'paper',
      stage: 'paper',
      actor: 'local-operator',
      at,
    });
  } finally {
    await client.end();
  }
};

const queueFileName = (name: DeployedQueueName, { fifo }: { readonly fifo: boolean }): string =>
  fifo ? `${name}.fifo` : name;

/**
 * Starts everything. What is declared in the synthesized template (functions, queues, event sources, schedules, code
 * hash) is taken from there; engines, venues and secrets are this machine's.
 */
export const startLocalDeployment = async (
  options: LocalOptions,
  progress: (step: string) => void,
): Promise<LocalDeployment> => {
  const teardown = new Teardown();
  try {
    return await start(options, progress, teardown);
  } catch (error) {
    await teardown.run();
    throw error;
  }
};

const start = async (
  options: LocalOptions,
  progress: (step: string) => void,
  teardown: Teardown,
): Promise<LocalDeployment> => {
  const kept = options.dataDirectory !== null;
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'torghut-')));
  if (!kept) {
    teardown.add(() => rm(dataDirectory, { recursive: true, force: true }));
    // Started by root, PostgreSQL runs as another user, who has to get through to its own directory.
    await chmod(dataDirectory, 0o711);
  }
  await mkdir(dataDirectory, { recursive: true });

  progress('synthesizing the template, starting PostgreSQL and ClickHouse');
  const clickhouseCredentials = { username: 'torghut', password: 'torghut-local' };
  const [assembly, postgres, clickhouseEngine] = await settledAll([
    synthesize({ cacheDirectory: join(root, '.torghut', 'synth') }),
    startPostgres({ dataDir: join(dataDirectory, 'postgres'), persistent: kept }).then((started) => {
      teardown.add(() => started.stop());
      return started;
    }),
    startClickHouse({ dataDir: join(dataDirectory, 'clickhouse'), credentials: clickhouseCredentials }).then(
      (started) => {
        teardown.add(() => started.stop());
        return started;
      },
    ),
  ]);
  const template = readTemplate(assembly, 'paper');
  // A deadline is real time; it is shortened only where a venue is told not to answer.
  const waiting = options.lean !== null || options.alpaca !== null;
  const clock = new ReplayClock(options.startAt, { deadlineScale: waiting ? 0.1 : 1 });

  progress('migrating');
  const [, clickhouse] = await settledAll([
    prepareDatabase(postgres, options.startAt),
    openClickHouse(clickhouseEngine, clickhouseCredentials),
  ]);
  teardown.add(() => clickhouse.close());

  progress('starting queues and venue twins');
  const files = (name: string): string => (kept ? join(dataDirectory, name) : ':memory:');
  const store = openLocalDatabase(files('queues.sqlite'));
  teardown.add(() => {
    store.close();
  });
  const queues = new QueueEngine(store, clock);
  const queueName = (name: DeployedQueueName): string => queueFileName(name, template.queues[name]);
  for (const [name, queue] of Object.entries(template.queues)) {
    queues.createQueue({
      ...queue,
      name: queueFileName(name as DeployedQueueName, queue),
      deadLetter: queue.deadLetter === null ? null : { ...queue.deadLetter, queue: queueName(queue.deadLetter.queue) },
    });
  }
  const secrets = new SecretStore(clock);
  const aws = await startAwsEndpoint({ engine: queues, secrets, events: new EventLog(store), clock });
  teardown.add(() => aws.stop());

  const credentials = { keyId: 'PKLOCAL', secretKey: 'local-secret' };
  const symbols = options.bars.symbols;
  const alpaca = await startAlpacaTwin({
    clock,
    marketData: new BarsMarket(options.bars),
    symbols,
    stateFile: files('alpaca.sqlite'),
    seed,
  });
  teardown.add(() => alpaca.stop());
  const leanKey = 'local-runner-key';
  const lean = await startLeanTwin({ clock, brokerUrl: alpaca.url, credentials, apiKey: leanKey, seed });
  teardown.add(() => lean.stop());
  const jangar = await startJangarTwin({ clock, symbols, seed });
  teardown.add(() => jangar.stop());
  if (options.lean !== null) {
    const { fault, operations }: FaultSetting<'submit_order'> = venueFaults[options.lean];
    await lean.setFault(fault, operations);
  }
  if (options.alpaca !== null) {
    const { fault, operations }: FaultSetting<'submit_order'> = venueFaults[options.alpaca];
    await alpaca.setFault(fault, operations);
  }

  const put = (name: string, value: unknown): void => {
    secrets.put(name, JSON.stringify(value));
  };
  const databaseHost = postgres.socketDirectory ?? postgres.host;
  const address = { host: databaseHost, port: postgres.port, dbname: database, password: postgres.password };
  put('database', { ...address, username: 'torghut_app' });
  put('databaseOwner', { ...address, username: 'torghut_owner' });
  put('clickhouse', clickhouseCredentials);
  put('alpaca', { key_id: credentials.keyId, secret_key: credentials.secretKey });
  put('lean', { api_key: leanKey });
  put('jangar', {});

  const environmentOf = (name: FunctionName): Readonly<Record<string, string>> => {
    const deployed = template.functions[name];
    return {
      ...deployed.environment,
      ...Object.fromEntries(
        Object.entries(deployed.queueUrls).map(([key, queue]) => [key, aws.queueUrl(queueName(queue))]),
      ),
      ...Object.fromEntries(Object.entries(deployed.secrets).map(([key, secret]) => [key, aws.secretArn(secret)])),
      AWS_ENDPOINT_URL: aws.url,
      AWS_REGION: localRegion,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      TA_CLICKHOUSE_URL: clickhouseEngine.url,
      JANGAR_SYMBOLS_URL: jangar.url,
      TRADING_LEAN_RUNNER_URL: lean.url,
      APCA_API_BASE_URL: alpaca.url,
      TRADING_ENABLED: 'true',
      TRADING_AUTONOMY_ENABLED: 'true',
      TRADING_ACCOUNT_LABEL: account,
      TRADING_SIGNAL_WINDOW_SIZE: barFrequencies[options.bars.frequency].windowSize,
      ...options.settings,
    };
  };

  progress('wiring the functions');
  const telemetry = createMemoryTelemetry();
  const overrides = {
    clock,
    telemetry,
    evidence: fileEvidenceStore(dataDirectory),
    signer: await fileSigner(join(dataDirectory, 'signing-key.pem')),
  };
  const functions: LocalFunctions = {
    'autonomy-cycle': autonomyCycle.createHandler(
      await autonomyCycleWire.wire(environmentOf('autonomy-cycle'), overrides),
    ),
    'freshness-check': freshnessCheck.createHandler(
      await freshnessCheckWire.wire(environmentOf('freshness-check'), overrides),
    ),
    'lean-router': leanRouter.createHandler(
      await leanRouterWire.wire(environmentOf('lean-router'), overrides),
    ) as LambdaFunction<unknown, unknown>,
    'alpaca-router': alpacaRouter.createHandler(
      await alpacaRouterWire.wire(environmentOf('alpaca-router'), overrides),
    ) as LambdaFunction<unknown, unknown>,
    'order-sync': orderSync.createHandler(await orderSyncWire.wire(environmentOf('order-sync'), overrides)),
    'nightly-reconciliation': nightlyReconciliation.createHandler(
      await nightlyReconciliationWire.wire(environmentOf('nightly-reconciliation'), overrides),
    ),
    'research-lane': researchLane.createHandler(await researchLaneWire.wire(environmentOf('research-lane'), overrides)),
    'evidence-writer': evidenceWriter.createHandler(
      evidenceWriterWire.wire(environmentOf('evidence-writer'), overrides),
    ) as LambdaFunction<unknown, unknown>,
    'operator-api': operatorApi.createHandler(
      await operatorApiWire.wire(environmentOf('operator-api'), overrides),
    ) as LambdaFunction<unknown, unknown>,
    migrate: migrate.createHandler(telemetry, () =>
      migrateWire.wire(environmentOf('migrate'), { ...overrides, release: deployedRelease }),
    ),
  };
  const eventSources: Partial<Record<QueueName, EventSource>> = {};
  for (const source of template.eventSources) {
    const deployed = template.functions[source.function];
    eventSources[source.queue as QueueName] = createEventSource(queues, clock, {
      queue: queueName(source.queue),
      batchSize: source.batchSize,
      // One batch at a time: virtual time is everybody's, so concurrent work would age each other's orders.
      maximumConcurrency: 1,
      reportBatchItemFailures: source.reportBatchItemFailures,
      function: {
        functionName: source.function,
        timeoutSeconds: deployed.timeoutSeconds,
        memoryMegabytes: deployed.memoryMegabytes,
      },
      handler: functions[source.function],
    });
  }

  const readonly = createPool({
    host: databaseHost,
    port: postgres.port,
    database,
    user: 'torghut_readonly',
    login: fixedCredentials({ password: postgres.password }),
    tls: false,
    applicationName: 'report',
    statementTimeoutMs: 60_000,
  });
  teardown.add(() => readonly.end());

  return {
    template,
    clock,
    account,
    functions,
    eventSources,
    queues,
    aws,
    postgres,
    readonly,
    clickhouse,
    twins: { alpaca, lean, jangar },
    telemetry,
    environmentOf,
    stop: () => teardown.run(),
  };
};

const openClickHouse = async (
  engine: LocalClickHouse,
  credentials: { readonly username: string; readonly password: string },
): Promise<ClickHouseClient> => {
  const bootstrap = createClient({ url: engine.url, ...credentials });
  await bootstrap.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` });
  await bootstrap.close();
  const client = createClient({ url: engine.url, ...credentials, database });
  // Replayed bars are older than their time to live on arrival.
  await migrateClickHouse(client, join(root, 'migrations', 'clickhouse'), { replicated: false, ttl: false });
  return client;
};

/** Like `Promise.all`, but waits for every part before it fails, so that nothing is started after the teardown. */
const settledAll = async <T extends readonly unknown[]>(parts: {
  readonly [K in keyof T]: Promise<T[K]>;
}): Promise<T> => {
  const settled = await Promise.allSettled(parts);
  for (const part of settled) if (part.status === 'rejected') throw part.reason as Error;
  return settled.map((part) => (part as PromiseFulfilledResult<unknown>).value) as unknown as T;
};
