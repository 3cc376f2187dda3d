import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { minute, second, secretKeys } from '@torghut/domain';
import { alpacaReads, connect, jangarUniverse, leanVenue, type ClickHouse, type Connections } from '@torghut/platform';
import { createClickHouse } from '@torghut/platform/clickhouse';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startClickHouse, type LocalClickHouse } from '../../../infra/local/engines/clickhouse.ts';
import {
  startAlpacaTwin,
  startJangarTwin,
  startLeanTwin,
  type AlpacaTwin,
  type JangarTwin,
  type LeanTwin,
} from '../../../infra/local/twins/index.ts';
import { steadyMarket, TestClock } from '../../infra/local/twins/support.ts';
import { localAws, type LocalAws } from '../../support/local-aws.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

const seed = 1;
/** Of its own, because roles belong to the whole cluster. */
const role = `rotated_${randomUUID().slice(0, 8)}`;

let database: TestDatabase;
let admin: pg.Client;
let clickhouseDirectory: string;
beforeAll(async () => {
  database = await testDatabase({ empty: true });
  admin = new pg.Client({ connectionString: database.url('postgres') });
  await admin.connect();
  await admin.query(`CREATE ROLE ${role} LOGIN`);
  clickhouseDirectory = await mkdtemp(join(tmpdir(), 'torghut-rotation-test-'));
});
afterAll(async () => {
  await admin.query(`DROP ROLE ${role}`);
  await admin.end();
  await database.close();
  await rm(clickhouseDirectory, { recursive: true });
});

let aws: LocalAws;
let clock: TestClock;
let alpaca: AlpacaTwin;
let lean: LeanTwin;
let jangar: JangarTwin;
let clickhouse: LocalClickHouse;
/** The secrets read so far, in order. */
let reads: string[];
let warm: Connections;

const place = () => {
  const { host, port } = database.config('torghut_app');
  return { host, port, dbname: database.name, username: role };
};

/** How each service takes new credentials, and what its secret then says. */
const services = {
  database: async (value: string) => {
    await admin.query(`ALTER ROLE ${role} PASSWORD '${value}'`);
    return { ...place(), password: value };
  },
  clickhouse: async (value: string) => {
    const port = Number(new URL(clickhouse.url).port);
    await clickhouse.stop();
    const credentials = { username: 'reader', password: value };
    clickhouse = await startClickHouse({ dataDir: clickhouseDirectory, port, credentials });
    return credentials;
  },
  alpaca: (value: string) => {
    alpaca.setKeys({ keyId: 'PKTEST', secretKey: value });
    return { key_id: 'PKTEST', secret_key: value };
  },
  lean: (value: string) => {
    lean.setApiKey(value);
    return { api_key: value };
  },
  jangar: (value: string) => {
    jangar.setApiKey(value);
    return { api_key: value };
  },
} as const;
type Service = keyof typeof services;
const names = Object.keys(services) as Service[];

/** The service changes first, then the secret is published, as a rotation does. */
const rotate = async (service: Service, value: string): Promise<void> => {
  aws.secrets.put(service, JSON.stringify(await services[service](value)));
};

/** One use of each service by a container that stays warm; resolves with whether it was let in. */
const uses = (connections: Connections): Record<Service, () => Promise<boolean>> => {
  let store: ClickHouse | null = null;
  const broker = alpacaReads(connections.alpaca(), connections.clock);
  const runner = leanVenue(connections.lean(), connections.clock);
  const universe = jangarUniverse(connections.jangar(), connections.clock);
  return {
    database: async () => {
      const pool = await connections.database();
      // A connection of its own, then given back for good: only a new one shows its password.
      const client = await pool.connect();
      client.release(true);
      return true;
    },
    clickhouse: async () => {
      store ??= connections.clickhouse(createClickHouse);
      return (await store.query({ sql: 'SELECT 1' })).ok;
    },
    alpaca: async () => (await broker.marketClock()).ok,
    lean: async () => (await runner.listOrders('open')).ok,
    jangar: async () => (await universe.fetch()).ok,
  };
};

beforeEach(async () => {
  aws = await localAws();
  clock = new TestClock();
  const symbols = ['AAPL'];
  clickhouse = await startClickHouse({ dataDir: clickhouseDirectory });
  alpaca = await startAlpacaTwin({ clock, marketData: steadyMarket, symbols, seed });
  // The runner has an account of its own at a broker that takes any keys.
  lean = await startLeanTwin({
    clock,
    brokerUrl: alpaca.url,
    credentials: { keyId: 'PKTEST', secretKey: 'one' },
    seed,
  });
  jangar = await startJangarTwin({ clock, symbols, seed });
  for (const name of names) await rotate(name, 'one');
  reads = [];
  const version = aws.secrets.version.bind(aws.secrets);
  aws.secrets.version = (name, stage) => {
    reads.push(name);
    return version(name, stage);
  };
  warm = connect(
    'test',
    {
      TORGHUT_CODE_HASH: 'c0de'.repeat(16),
      AWS_ENDPOINT_URL: aws.endpoint.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      ...Object.fromEntries(names.map((name) => [secretKeys[name], name])),
      TA_CLICKHOUSE_URL: clickhouse.url,
      APCA_API_BASE_URL: alpaca.url,
      TRADING_LEAN_RUNNER_URL: lean.url,
      JANGAR_SYMBOLS_URL: jangar.url,
    },
    { clock },
  );
});
afterEach(async () => {
  await (await warm.database()).end();
  await Promise.all([alpaca.stop(), lean.stop(), jangar.stop(), clickhouse.stop()]);
  await aws.close();
});

it('says so when the secret of the database names another place or user: only the password may be rotated in place', async () => {
  const use = uses(warm).database;
  expect(await use()).toBe(true);
  aws.secrets.put('database', JSON.stringify({ ...place(), username: 'torghut_app_clone', password: 'two' }));
  expect(await use()).toBe(true);
  clock.advance(5 * minute);
  await expect(use()).rejects.toThrow(
    /^the database secret names another username than this process was started with; only the password may be rotated in place/,
  );
});

describe.each(names)('a container that stays warm while the credentials of %s are rotated', (service) => {
  it('works on with the new ones after one forced read, at once and for all who ask together', async () => {
    const use = uses(warm)[service];
    expect(await use()).toBe(true);
    expect(reads).toEqual([service]);

    await rotate(service, 'two');
    expect(await Promise.all([use(), use()])).toEqual([true, true]);
    expect(reads).toEqual([service, service]);

    expect(await use()).toBe(true);
    expect(reads).toEqual([service, service]);
  });

  it('is refused with one forced read for a burst of failures, and recovers when the new ones are published', async () => {
    const use = uses(warm)[service];
    expect(await use()).toBe(true);
    // Changed at the service, not yet published.
    const secret = await services[service]('two');
    for (let failure = 0; failure < 5; failure += 1) expect(await use().catch(() => false)).toBe(false);
    expect(reads).toEqual([service, service]);

    aws.secrets.put(service, JSON.stringify(secret));
    clock.advance(10 * second);
    expect(await use()).toBe(true);
    expect(reads).toEqual([service, service, service]);
  });

  it('reads them again after five minutes without being refused', async () => {
    const use = uses(warm)[service];
    await use();
    clock.advance(5 * minute - 1);
    await use();
    expect(reads).toEqual([service]);
    clock.advance(1);
    await use();
    expect(reads).toEqual([service, service]);
  });
});
