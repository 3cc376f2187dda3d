import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import {
  builtInStrategies,
  decimal,
  defaultLimits,
  parseCatalog,
  parseInstant,
  publishOutbox,
  routeOrder,
  toText,
  type AccountLabel,
  type ExecutionRequest,
  type RoutePorts,
  type Ticker,
} from '@torghut/domain';
import {
  createMemoryTelemetry,
  createPool,
  enterInitialStage,
  fixedCredentials,
  inTransaction,
  migratePostgres,
  postgresExecutionLedger,
  postgresOutbox,
  registerFeatureContract,
  seedControls,
  syncCatalog,
  type Pool,
} from '@torghut/platform';
import pg from 'pg';
import { parse } from 'yaml';
import { startPostgres, type LocalPostgres } from '../../infra/local/engines/postgres.ts';
import { insertRow, sampleRow } from '../support/rows.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { sampleDecisionRow, sampleRequest, sampleStrategy } from '../support/sample-decision.ts';
import { benchRow, median, type BenchRow } from './row.ts';
import { asScript, recordStatements } from './statement-script.ts';

const account = 'paper' as AccountLabel;
const symbols = ['AAPL', 'NVDA', 'MSFT', 'AMD'] as Ticker[];
const now = parseInstant('2026-02-13T15:04:00.000Z');
const hash = 'ab'.repeat(32);
const root = join(import.meta.dirname, '..', '..');

/** A pool as a router has one. */
const poolOf = (postgres: LocalPostgres, database: string, user: string): Pool =>
  createPool({
    host: postgres.host,
    port: postgres.port,
    database,
    user,
    login: fixedCredentials({ password: postgres.password }),
    tls: false,
    applicationName: 'bench',
    statementTimeoutMs: 15_000,
  });

/** Decisions ready to be claimed, and everything a claim asks for. */
const prepare = async (owner: Pool, count: number): Promise<readonly ExecutionRequest[]> => {
  const catalog = parseCatalog(
    parse(await readFile(join(root, 'infra', 'strategies.yaml'), 'utf8')),
    builtInStrategies,
  );
  if (!catalog.ok) throw new Error('expected a usable strategy catalog');
  await registerFeatureContract(owner);
  await syncCatalog(owner, catalog.entries, 'sync');
  await seedControls(owner, {
    accountLabel: account,
    killSwitch: false,
    tradingEnabled: true,
    autonomyEnabled: true,
    tradingMode: 'paper',
    actor: 'bench',
    at: now - 1,
  });
  await enterInitialStage(owner, account, 'paper', 'bench', now - 1);
  const idOf = async (table: string, key: string, value: string): Promise<string> => {
    const { rows } = await owner.query<{ id: string }>(`SELECT id FROM ${table} WHERE ${key} = $1`, [value]);
    return rows[0]?.id ?? '';
  };
  const strategyPk = await idOf('strategies', 'strategy_id', sampleStrategy.id);
  const featureContractId = await idOf('feature_contracts', 'status', 'active');
  const at = toText(now);
  const requests: ExecutionRequest[] = [];
  await inTransaction(owner, async (client) => {
    const session = { session_date: '2026-02-13', kind: 'full', source: 'alpaca', fetched_at: at };
    await insertRow(client, 'market_calendar', {
      ...session,
      open_at: '2026-02-13T14:30:00Z',
      close_at: '2026-02-13T21:00:00Z',
    });
    await insertRow(client, 'universe_resolutions', {
      account_label: account,
      symbols,
      universe_hash: hash,
      status: 'ok',
      reason: 'jangar_fetch_ok',
      fetched_at: at,
      resolved_at: at,
    });
    await insertRow(client, 'position_snapshots', {
      account_label: account,
      as_of: at,
      session_date: '2026-02-13',
      kind: 'cycle',
      equity: '1000000',
      cash: '1000000',
      buying_power: '2000000',
      long_market_value: '0',
      short_market_value: '0',
      maintenance_margin: '0',
      shorting_enabled: true,
      positions: '[]',
      complete: true,
      source: 'bench',
    });
    await insertRow(client, 'reconciliation_runs', {
      account_label: account,
      scope: 'orders',
      scheduled_for: at,
      status: 'completed',
      sources: {},
      checked: 0,
      breaks: 0,
      healed: 0,
      started_at: at,
      finished_at: at,
    });
    await insertRow(client, 'signal_windows', sampleRow('signal_windows', { window_start: at }));
    for (let index = 0; index < count; index += 1) {
      const symbol = symbols[index % symbols.length] ?? symbols[0]!;
      const eventTs = now - 2_000 - index;
      const request = sampleRequest({
        account,
        symbol,
        side: 'buy',
        qty: '1',
        limitPrice: '100.02',
        expected: 'alpaca',
        eventTs,
        decidedAt: now,
        expiresAt: now + 60_000,
      });
      requests.push(request);
      const facts = { strategyPk, featureContractId, windowStart: at, eventTs, referencePrice: '100' };
      await insertRow(client, 'trade_decisions', sampleDecisionRow(request, facts, { status: 'queued' }));
    }
  });
  return requests;
};

/** A router beside a venue that fills every order at once, in no time: what is left is the router and its ledger. */
const routerOf = (pool: Pool) => {
  const telemetry = createMemoryTelemetry();
  const nothing = () => Promise.reject(new Error('expected every order to be acknowledged'));
  const exchange = { status: 200, requestId: 'bench', body: { status: 'filled' }, durationMs: 0 };
  const ports: RoutePorts = {
    ledger: postgresExecutionLedger(pool, {
      account,
      limits: {
        ...defaultLimits,
        cooldownSeconds: 0,
        maxOrdersPerMinute: 1_000_000,
        maxOrdersPerSession: 1_000_000,
        maxSessionNotional: '1000000',
      },
      tradingEnabled: true,
      liveEnabled: false,
      fallback: 'alpaca',
      universeMaxStaleSeconds: 900,
      telemetry,
    }),
    venue: {
      adapter: 'alpaca',
      submit: ({ clientOrderId: id, symbol, side, qty, type, timeInForce, limitPrice }) => {
        const raw = {
          id: `broker-${id}`,
          client_order_id: id,
          symbol,
          side,
          qty,
          type,
          status: 'filled',
          filled_qty: qty,
        };
        return Promise.resolve({
          kind: 'acknowledged',
          exchange: { ...exchange, body: raw },
          order: {
            id: raw.id,
            clientOrderId: id,
            symbol,
            side,
            type,
            timeInForce,
            qty: decimal(qty),
            filledQty: decimal(qty),
            filledAvgPrice: decimal(limitPrice ?? '100'),
            limitPrice: null,
            status: 'filled',
            submittedAt: now,
            updatedAt: now,
            replaces: null,
            replacedBy: null,
            raw,
          },
        });
      },
      cancel: nothing,
      getOrder: nothing,
      getOrderByClientOrderId: nothing,
      listOrders: nothing,
      health: nothing,
    },
    broker: {
      getOrderByClientOrderId: nothing,
      async *ordersFrom() {
        yield await nothing();
      },
    },
    refreshAccount: () => Promise.resolve(),
    asset: (symbol) =>
      Promise.resolve({
        symbol,
        active: true,
        tradable: true,
        shortable: true,
        easyToBorrow: true,
        fractionable: true,
        attributes: [],
        marginRequirement: null,
      }),
    clock: { now: () => now, sleep: () => Promise.resolve(), deadline: () => new AbortController().signal },
    telemetry,
  };
  const outbox = postgresOutbox(pool, account);
  const publisher = {
    publish: (messages: readonly { readonly id: number }[]) =>
      Promise.resolve({ accepted: messages.map(({ id }) => id), failed: [] }),
  };
  return async (request: ExecutionRequest): Promise<void> => {
    const result = await routeOrder(request, ports);
    if (result !== 'acknowledged') throw new Error(`expected an acknowledged order, found ${result}`);
    await publishOutbox(outbox, publisher, now);
  };
};

const find = async (program: string): Promise<string | null> => {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, program);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
};

/** Seconds that pgbench takes for a script, its connection not counted. */
const pgbenchSeconds = async (
  pgbench: string,
  postgres: LocalPostgres,
  database: string,
  script: string,
): Promise<number> => {
  const { stdout } = await promisify(execFile)(
    pgbench,
    [
      '--no-vacuum',
      '--client=1',
      '--transactions=1',
      `--file=${script}`,
      `--host=${postgres.host}`,
      `--port=${postgres.port}`,
      '--username=torghut_app',
      database,
    ],
    { env: { ...process.env, PGPASSWORD: postgres.password }, maxBuffer: 64 * 2 ** 20 },
  );
  const latency = /latency average = ([\d.]+) ms/.exec(stdout)?.[1];
  if (latency === undefined) throw new Error(`expected a latency from pgbench, found: ${stdout}`);
  return Number(latency) / 1_000;
};

/** A script that met no rows would be fast. */
const expectSettled = async (postgres: LocalPostgres, database: string, count: number): Promise<void> => {
  const client = new pg.Client({ connectionString: postgres.adminUrl(database) });
  await client.connect();
  const { rows } = await client.query<{ settled: string }>(
    `SELECT count(*) AS settled FROM executions e JOIN broker_receipts r ON r.broker_order_id = e.alpaca_order_id AND r.outcome = 'acknowledged'
       JOIN outbox o ON o.dedup_id = 'time_to_live:' || e.client_order_id AND o.published_at IS NOT NULL`,
  );
  await client.end();
  if (Number(rows[0]?.settled) !== count)
    throw new Error(`expected pgbench to settle ${count} executions, found ${rows[0]?.settled ?? 'none'}`);
};

const rounds = 3;

/**
 * Executions one router process settles per second, from claim to published follow-up, beside the same statements sent by
 * pgbench on the same server: statement by statement what the router sent, from one connection, over the same rows.
 */
export const executionBench = async (
  progress: (text: string) => void,
  { size = 400 }: { readonly size?: number } = {},
): Promise<readonly BenchRow[]> => {
  const pgbench = await find('pgbench');
  if (pgbench === null) {
    progress('skipped: pgbench, which measures the floor, is not in PATH; install the PostgreSQL client tools');
    return [];
  }
  const directory = await temporaryDirectory('bench');
  // Started by root, PostgreSQL runs as another user, who has to get through to its own directory.
  await chmod(directory, 0o711);
  const postgres = await startPostgres({ dataDir: join(directory, 'postgres'), persistent: false });
  const admin = new pg.Client({ connectionString: postgres.adminUrl('postgres') });
  try {
    await admin.connect();
    await postgres.createDatabase('prepared');
    const owner = new pg.Client({ connectionString: postgres.adminUrl('prepared') });
    await owner.connect();
    await migratePostgres(owner, join(root, 'migrations', 'postgres'));
    await owner.end();
    const pool = poolOf(postgres, 'prepared', 'torghut_owner');
    const requests = await prepare(pool, size);
    await pool.query('ANALYZE');
    await pool.end();
    /** The prepared database again, untouched. */
    const copy = async (name: string): Promise<string> => {
      await admin.query(`CREATE DATABASE ${name} TEMPLATE prepared`);
      return name;
    };
    const settleAll = async (database: string): Promise<number> => {
      const app = poolOf(postgres, database, 'torghut_app');
      try {
        const settle = routerOf(app);
        // The connections stand.
        await Promise.all([app.query('SELECT'), app.query('SELECT')]);
        const started = performance.now();
        for (const request of requests) await settle(request);
        return (performance.now() - started) / 1_000;
      } finally {
        await app.end();
      }
    };
    // The first run warms the code up, and its statements are the script.
    const first = await copy('recorded');
    using recorded = recordStatements();
    await settleAll(first);
    const statements = recorded.take();
    const script = join(directory, 'execution.sql');
    await writeFile(script, asScript(statements));
    progress(`${size} executions, ${(statements.length / size).toFixed(1)} messages to the server each`);

    const [routed, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      const database = await copy(`bare_${round}`);
      const floor = size / (await pgbenchSeconds(pgbench, postgres, database, script));
      await expectSettled(postgres, database, size);
      const speed = size / (await settleAll(await copy(`routed_${round}`)));
      bare.push(floor);
      routed.push(speed);
      progress(`round ${round + 1}: ${speed.toFixed(0)} per second, pgbench ${floor.toFixed(0)}`);
    }
    return [
      benchRow({
        name: 'execution_settled',
        value: median(routed),
        unit: 'executions/s',
        floor: median(bare),
        higherIsBetter: true,
        goal: { of: 'ratio', atMost: 2 },
      }),
    ];
  } finally {
    await admin.end();
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
};
