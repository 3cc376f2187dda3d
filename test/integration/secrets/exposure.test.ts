import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { executionRequestJson, floorTo, minute, queues, secretKeys, toText, type QueueName } from '@torghut/domain';
import { createTelemetry, type LambdaFunction, readLedgerRelease } from '@torghut/platform';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import * as alpacaRouter from '../../../functions/alpaca-router/handler.ts';
import * as alpacaRouterWire from '../../../functions/alpaca-router/wire.ts';
import * as autonomyCycle from '../../../functions/autonomy-cycle/handler.ts';
import * as autonomyCycleWire from '../../../functions/autonomy-cycle/wire.ts';
import * as freshnessCheck from '../../../functions/freshness-check/handler.ts';
import * as freshnessCheckWire from '../../../functions/freshness-check/wire.ts';
import * as leanRouter from '../../../functions/lean-router/handler.ts';
import * as leanRouterWire from '../../../functions/lean-router/wire.ts';
import * as migrate from '../../../functions/migrate/handler.ts';
import * as migrateWire from '../../../functions/migrate/wire.ts';
import * as nightlyReconciliation from '../../../functions/nightly-reconciliation/handler.ts';
import * as nightlyReconciliationWire from '../../../functions/nightly-reconciliation/wire.ts';
import * as operatorApi from '../../../functions/operator-api/handler.ts';
import * as operatorApiWire from '../../../functions/operator-api/wire.ts';
import * as orderSync from '../../../functions/order-sync/handler.ts';
import * as orderSyncWire from '../../../functions/order-sync/wire.ts';
import { lambdaContexts } from '../../../infra/local/aws/lambda-context.ts';
import { startClickHouse, type LocalClickHouse } from '../../../infra/local/engines/clickhouse.ts';
import {
  startAlpacaTwin,
  startJangarTwin,
  startLeanTwin,
  type AlpacaTwin,
  type JangarTwin,
  type LeanTwin,
} from '../../../infra/local/twins/index.ts';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { localAws, queueSettings, type LocalAws } from '../../support/local-aws.ts';
import { postgresMigrations } from '../../support/migrations.ts';
import { startResponseUrl } from '../../support/response-url.ts';

/** Part of every secret value, right or wrong, and of nothing else. */
const canary = 'canary-1f6b';
const value = (name: string): string => `${canary}-${name}`;
const symbols = ['AAPL', 'NVDA', 'MSFT'];
const role = `canary_${randomUUID().slice(0, 8)}`;
const ownerRole = `${role}_owner`;

let directory: string;
let clickhouse: LocalClickHouse;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'torghut-exposure-test-'));
  clickhouse = await startClickHouse({
    dataDir: directory,
    credentials: { username: 'reader', password: value('clickhouse') },
  });
});
afterAll(async () => {
  await clickhouse.stop();
  await rm(directory, { recursive: true });
});

let world: ExecutionWorld;
let aws: LocalAws;
let alpaca: AlpacaTwin;
let lean: LeanTwin;
let jangar: JangarTwin;
let environment: Readonly<Record<string, string>>;
/** Whatever a log, an operator or a caller could get to see. */
let shown: string[];

const administer = async (statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: world.database.url('postgres') });
  await client.connect();
  await client.query(statement);
  await client.end();
};

const secretNames = ['database', 'clickhouse', 'alpaca', 'lean', 'jangar'] as const;
type SecretName = (typeof secretNames)[number];

/** Publishes every secret; those named in `changed` with other values than the services take. */
const publish = (changed: Readonly<Partial<Record<SecretName, string>>> = {}): void => {
  const of = (name: SecretName): string => changed[name] ?? value(name);
  const { host, port } = world.database.config('torghut_app');
  const documents: Record<SecretName, object> = {
    database: { host, port, dbname: world.database.name, username: role, password: of('database') },
    clickhouse: { username: 'reader', password: of('clickhouse') },
    alpaca: { key_id: 'PKTEST', secret_key: of('alpaca') },
    lean: { api_key: of('lean') },
    jangar: { api_key: of('jangar') },
  };
  for (const name of secretNames) aws.secrets.put(name, JSON.stringify(documents[name]));
};

beforeEach(async () => {
  world = await startExecution();
  const { clock } = world;
  await administer(`CREATE ROLE ${role} LOGIN PASSWORD '${value('database')}' IN ROLE torghut_app`);
  await administer(`CREATE ROLE ${ownerRole} LOGIN PASSWORD '${value('owner')}' IN ROLE torghut_owner`);
  aws = await localAws();
  for (const name of ['lean.fifo', 'alpaca.fifo', 'followUp']) aws.engine.createQueue(queueSettings(name));
  const credentials = { keyId: 'PKTEST', secretKey: value('alpaca') };
  alpaca = await startAlpacaTwin({ clock: clock.venue, marketData: world.market, symbols, seed: 1 });
  alpaca.setKeys(credentials);
  lean = await startLeanTwin({
    clock: clock.venue,
    brokerUrl: alpaca.url,
    credentials,
    apiKey: value('lean'),
    seed: 1,
  });
  jangar = await startJangarTwin({ clock: clock.venue, symbols, apiKey: value('jangar'), seed: 1 });
  publish();
  environment = {
    TORGHUT_CODE_HASH: 'c0de'.repeat(16),
    AWS_ENDPOINT_URL: aws.endpoint.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    EVENT_BUS_NAME: 'torghut',
    ...Object.fromEntries(secretNames.map((name) => [secretKeys[name], name])),
    ...Object.fromEntries(
      (Object.keys(queues) as QueueName[]).map((name) => [
        queues[name].environmentKey,
        aws.endpoint.queueUrl(queues[name].fifo ? `${name}.fifo` : name),
      ]),
    ),
    TA_CLICKHOUSE_URL: clickhouse.url,
    APCA_API_BASE_URL: alpaca.url,
    TRADING_LEAN_RUNNER_URL: lean.url,
    JANGAR_SYMBOLS_URL: jangar.url,
    TRADING_ENABLED: 'true',
    TRADING_AUTONOMY_ENABLED: 'true',
    TRADING_ACCOUNT_LABEL: 'paper',
  };
  shown = [];
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      shown.push(String(chunk));
      return true;
    });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all([alpaca.stop(), lean.stop(), jangar.stop(), aws.close()]);
  await administer(`REASSIGN OWNED BY ${role} TO torghut_owner`);
  await world.close();
  await dropRole();
});

const dropRole = async (): Promise<void> => {
  const client = new pg.Client({ connectionString: world.database.url('postgres').replace(/[^/]*$/, 'postgres') });
  await client.connect();
  await client.query(`DROP ROLE ${role}`);
  await client.query(`DROP ROLE ${ownerRole}`);
  await client.end();
};

const wired: Readonly<Record<string, (overrides: { clock: ExecutionWorld['clock'] }) => Promise<unknown>>> = {
  'autonomy-cycle': async (overrides) =>
    autonomyCycle.createHandler(await autonomyCycleWire.wire(environment, overrides)),
  'freshness-check': async (overrides) =>
    freshnessCheck.createHandler(await freshnessCheckWire.wire(environment, overrides)),
  'lean-router': async (overrides) => leanRouter.createHandler(await leanRouterWire.wire(environment, overrides)),
  'alpaca-router': async (overrides) => alpacaRouter.createHandler(await alpacaRouterWire.wire(environment, overrides)),
  'order-sync': async (overrides) => orderSync.createHandler(await orderSyncWire.wire(environment, overrides)),
  'nightly-reconciliation': async (overrides) =>
    nightlyReconciliation.createHandler(await nightlyReconciliationWire.wire(environment, overrides)),
  'operator-api': async (overrides) => operatorApi.createHandler(await operatorApiWire.wire(environment, overrides)),
};

/** Wires every function anew and gives each something to do; resolves with the names of those that failed. */
const runAll = async (): Promise<readonly string[]> => {
  const { clock } = world;
  const contextOf = lambdaContexts(clock, { functionName: 'test', timeoutSeconds: 60, memoryMegabytes: 512 });
  const tick = { scheduledFor: toText(floorTo(clock.now(), minute)) };
  const order = async (symbol: string) => {
    const { request } = await world.decide({ symbol, publish: false });
    const body = JSON.stringify(executionRequestJson(request));
    return { Records: [{ messageId: 'm', body, attributes: { ApproximateReceiveCount: '1', MessageGroupId: 'g' } }] };
  };
  const get = (path: string) => ({
    rawPath: path,
    rawQueryString: '',
    requestContext: { http: { method: 'GET', path } },
  });
  const events: Readonly<Record<string, readonly unknown[]>> = {
    'autonomy-cycle': [tick],
    'freshness-check': [tick],
    'order-sync': [tick],
    'nightly-reconciliation': [tick],
    'lean-router': [await order('AAPL')],
    'alpaca-router': [await order('NVDA')],
    'operator-api': [get('/readyz'), get('/trading/status'), get('/nowhere')],
  };
  const failed: string[] = [];
  for (const [name, wire] of Object.entries(wired)) {
    try {
      const handler = (await wire({ clock })) as LambdaFunction<unknown, unknown>;
      for (const event of events[name] ?? []) shown.push(inspect(await handler(event, contextOf()), { depth: 10 }));
    } catch (error) {
      failed.push(name);
      shown.push(inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error));
    }
  }
  for (const table of ['broker_receipts', 'executions', 'signal_windows', 'dead_letters', 'adapter_states', 'outbox']) {
    const [row] = await world.rows<{ all: string | null }>(`SELECT json_agg(t)::text AS "all" FROM ${table} t`);
    shown.push(row?.all ?? '');
  }
  return failed;
};

/** Has the migration answer a deployment; resolves with the status it gave. */
const runMigration = async (): Promise<unknown> => {
  const { clock } = world;
  const deployment = await startResponseUrl();
  const handler = migrate.createHandler(createTelemetry({ service: 'migrate' }), () =>
    migrateWire.wire(
      { ...environment, DATABASE_OWNER_SECRET_ID: 'owner' },
      {
        clock,
        release: () => readLedgerRelease(postgresMigrations, join(postgresMigrations, '../../infra/strategies.yaml')),
      },
    ),
  );
  const event = {
    RequestType: 'Update',
    ResponseURL: deployment.url,
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'LedgerMigration',
  };
  try {
    await handler(
      event,
      lambdaContexts(clock, { functionName: 'migrate', timeoutSeconds: 60, memoryMegabytes: 512 })(),
    );
  } finally {
    await deployment.close();
  }
  shown.push(inspect(deployment.answers, { depth: 10 }));
  return deployment.answers[0]?.body['Status'];
};

const expectNothingShown = (): void => {
  const places = [...shown, JSON.stringify(environment), JSON.stringify(process.env)];
  expect(places.filter((text) => text.includes(canary)).map((text) => text.slice(0, 2_000))).toEqual([]);
};

describe('no secret value is shown in a log, an error, an answer, a record or an environment', () => {
  it('while every function works', async () => {
    expect(await runAll()).toEqual([]);
    expect(shown.join('')).toContain('order routed');
    expectNothingShown();
  });

  it('when every service refuses what is published', async () => {
    publish({
      clickhouse: value('wrong'),
      alpaca: value('wrong'),
      lean: value('wrong'),
      jangar: value('wrong'),
    });
    await runAll();
    expect(shown.join('')).toMatch(/AUTHENTICATION_FAILED|http_401/);
    expectNothingShown();
  });

  it('when the database refuses what is published', async () => {
    publish({ database: value('wrong') });
    // The operator API stays to say what is wrong.
    expect(await runAll()).toEqual(Object.keys(wired).filter((name) => name !== 'operator-api'));
    expect(shown.join('')).toContain('password authentication failed');
    expectNothingShown();
  });

  it.each([
    ['text that is not JSON', `password=${value('text')}`],
    ['another document', JSON.stringify({ api_key: { nested: value('nested') }, username: 7, pass: value('key') })],
  ])('when the secrets hold %s', async (_title, text) => {
    for (const name of secretNames) aws.secrets.put(name, text);
    expect(await runAll()).toHaveLength(Object.keys(wired).length);
    expect(shown.join('')).toMatch(/secret database: (?:expected a JSON document|not of the expected form)/);
    expectNothingShown();
  });

  describe('by the migration of a deployment', () => {
    const putOwner = (password: string): void => {
      const { host, port } = world.database.config('torghut_owner');
      aws.secrets.put(
        'owner',
        JSON.stringify({ host, port, dbname: world.database.name, username: ownerRole, password }),
      );
    };

    it('that works', async () => {
      putOwner(value('owner'));
      expect(await runMigration(), shown.join('')).toBe('SUCCESS');
      expect(shown.join('')).toContain('custom resource applied');
      expectNothingShown();
    });

    const refusals: readonly (readonly [string, () => void, string])[] = [
      [
        'whose owner the database refuses',
        () => {
          putOwner(value('wrong'));
        },
        'the database refused role and password',
      ],
      [
        'whose runtime password cannot be set',
        () => {
          putOwner(value('owner'));
          aws.secrets.put('database', JSON.stringify({ username: 'torghut_app', password: value('pässword') }));
        },
        'expected printable ASCII',
      ],
      [
        'whose secrets hold something else',
        () => {
          aws.secrets.put('owner', `password=${value('text')}`);
        },
        'expected a JSON document',
      ],
    ];
    it.each(refusals)('%s', async (_title, arrange, reason) => {
      arrange();
      expect(await runMigration()).toBe('FAILED');
      expect(shown.join('')).toContain(reason);
      expectNothingShown();
    });
  });
});
