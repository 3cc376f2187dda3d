import {
  builtInStrategies,
  eventBusKey,
  fallbackCalendar,
  parseCatalog,
  queues as queueContract,
  secretKeys,
  toText,
  type AccountLabel,
  type FreshnessReport,
  type Instant,
  type Json,
} from '@torghut/domain';
import {
  createMemoryTelemetry,
  enterInitialStage,
  migrateClickHouse,
  registerFeatureContract,
  saveCalendar,
  seedControls,
  syncCatalog,
  type MemoryTelemetry,
} from '@torghut/platform';
import { onTestFinished } from 'vitest';
import * as autonomyCycle from '../../functions/autonomy-cycle/handler.ts';
import type { CyclePorts, CycleResult } from '../../functions/autonomy-cycle/run.ts';
import * as autonomyCycleWire from '../../functions/autonomy-cycle/wire.ts';
import * as freshnessCheck from '../../functions/freshness-check/handler.ts';
import * as freshnessCheckWire from '../../functions/freshness-check/wire.ts';
import { startAwsEndpoint, localRegion, type AwsEndpoint } from '../../infra/local/aws/endpoint.ts';
import { EventLog } from '../../infra/local/aws/events.ts';
import { lambdaContexts } from '../../infra/local/aws/lambda-context.ts';
import { openLocalDatabase } from '../../infra/local/aws/local-database.ts';
import { QueueEngine } from '../../infra/local/aws/queue-engine.ts';
import { SecretStore } from '../../infra/local/aws/secrets.ts';
import { ReplayClock } from '../../infra/local/clock.ts';
import { startHttpTwin } from '../../infra/local/twins/http-twin.ts';
import { startJangarTwin, type JangarTwin } from '../../infra/local/twins/index.ts';
import type { Fault } from '../../infra/local/twins/faults.ts';
import { testClickHouse } from './clickhouse.ts';
import { queueSettings } from './local-aws.ts';
import { clickHouseMigrations } from './migrations.ts';
import { testDatabase, type TestDatabase } from './postgres.ts';
import { insertRow } from './rows.ts';
import { insertStream, type StreamRow } from './stream.ts';

export const account = 'paper' as AccountLabel;
/** Half an hour into the session of Friday 13 February 2026, which lasts from 14:30 to 21:00 UTC. */
export const midSession = Date.parse('2026-02-13T15:00:00.000Z');

const seed = 20_260_213;
const codeHash = 'c0de'.repeat(16);
const equity = '100000';

/** A catalog of the tests' own: the profiles in production are calibrated again from time to time. */
const catalogEntries = (
  [
    ['intraday_tsmom_v1@prod', '1Min', '1Min@1'],
    ['intraday_tsmom_v1_seconds@prod', '1Sec', '1Sec@1'],
  ] as const
).map(([strategyId, timeframe, profile]) => ({
  strategy_id: strategyId,
  name: `Momentum on ${timeframe}`,
  enabled: true,
  strategy_type: 'intraday_tsmom',
  version: '1.1.0',
  base_timeframe: timeframe,
  params: { profile },
  max_position_pct_equity: '0.025',
  max_notional_per_trade: '250',
}));

/** Where PostgreSQL listens. */
export interface DatabasePlace {
  readonly host: string;
  readonly port: number;
}

export interface LoopOptions {
  readonly startAt?: Instant;
  /** The universe that Jangar serves. */
  readonly symbols?: readonly string[];
  /** First and last New York date of the calendar; 2025 to 2026 unless given. */
  readonly calendar?: readonly [from: string, to: string];
  /** What stands between the functions and the database; nothing unless given. */
  readonly databaseVia?: (database: DatabasePlace) => Promise<DatabasePlace>;
  /** Environment keys that differ. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Real milliseconds per virtual one of a deadline; small where a test lets one pass. */
  readonly deadlineScale?: number;
}

export interface WindowRow {
  readonly window_start: Instant;
  readonly session_open: boolean;
  readonly no_signal_reason: string | null;
  readonly blocked_reasons: readonly string[];
  readonly rows_read: number;
  readonly rows_late: number;
  readonly rows_duplicate: number;
  readonly rows_quarantined: number;
  readonly signals_evaluated: number;
  readonly decisions_count: number;
  readonly tail_event_ts: Instant | null;
  readonly lag_seconds: string | null;
  readonly effective_lag_seconds: string | null;
  readonly hit: boolean;
  readonly cursor_before: { readonly event_ts: string; readonly symbol: string } | null;
  readonly cursor_after: { readonly event_ts: string; readonly symbol: string };
  readonly universe_status: string;
}

export interface DecisionRow {
  readonly id: string;
  readonly decision_identity: string;
  readonly content_hash: string;
  readonly strategy_id: string;
  readonly symbol: string;
  readonly event_ts: Instant;
  readonly action: string;
  readonly qty: string;
  readonly status: string;
  readonly reasons: readonly string[];
  readonly decision_json: Readonly<Record<string, Json>>;
  readonly window_start: Instant;
}

/** Ports of the trading cycle that a test replaces. */
export type ChangedPorts = Partial<Omit<CyclePorts, 'telemetry'>>;

/** The signal side of the control plane over real engines: cycle and freshness check, and what they work with. */
export interface Loop {
  readonly clock: ReplayClock;
  readonly database: TestDatabase;
  readonly telemetry: MemoryTelemetry;
  readonly queues: QueueEngine;
  readonly aws: AwsEndpoint;
  readonly events: EventLog;
  readonly jangar: JangarTwin;
  /** What stands between the functions and the ClickHouse engine. */
  readonly signalStore: {
    setFault(fault: Fault | null): Promise<void>;
    /** Statements sent so far. */
    statements(): number;
  };
  /** Environment of every function. */
  readonly environment: Readonly<Record<string, string>>;
  /** The ports that `wire` made for the trading cycle. */
  readonly ports: Awaited<ReturnType<typeof autonomyCycleWire.wire>>;
  insert(...rows: readonly StreamRow[]): Promise<void>;
  /** Writes what the order sync leaves behind: a complete account snapshot and a completed run. */
  syncAccount(at: Instant, values?: { readonly equity?: string }): Promise<void>;
  /** Moves the clock, syncs the account, and delivers one tick to the trading cycle, with other ports where given. */
  tick(at: Instant, ports?: ChangedPorts): Promise<CycleResult>;
  /** Delivers a tick and nothing else. */
  deliver(at: Instant, ports?: ChangedPorts): Promise<CycleResult>;
  /** Moves the clock and delivers one tick to the freshness check. */
  check(at: Instant): Promise<FreshnessReport>;
  /** Puts a control in force, or takes it out. */
  setControl(control: string, engaged: boolean): Promise<void>;
  windows(): Promise<readonly WindowRow[]>;
  lastWindow(): Promise<WindowRow>;
  decisions(): Promise<readonly DecisionRow[]>;
  deadLetters(): Promise<readonly { key: string; codes: string[]; payload: Record<string, Json>; attempts: number }[]>;
  outbox(): Promise<readonly { dedup_id: string; topic: string; group_key: string; published_at: Instant | null }[]>;
  cursor(): Promise<{
    event_ts: Instant;
    symbol: string;
    seq: string;
    overlap_keys: string[];
    lock_version: number;
  } | null>;
  /** Bodies waiting on a queue, in order; they are taken. */
  receive(
    queue: 'lean.fifo' | 'alpaca.fifo',
  ): readonly { readonly group: string | null; readonly dedup: string | null }[];
  stop(): Promise<void>;
}

const seedDatabase = async (
  database: TestDatabase,
  at: Instant,
  calendar: readonly [string, string],
): Promise<void> => {
  const catalog = parseCatalog({ strategies: catalogEntries }, builtInStrategies);
  if (!catalog.ok) throw new Error(`strategy catalog: ${JSON.stringify(catalog.errors)}`);
  await registerFeatureContract(database.owner);
  await syncCatalog(database.owner, catalog.entries, 'sync');
  await seedControls(database.owner, {
    accountLabel: account,
    killSwitch: false,
    tradingEnabled: true,
    autonomyEnabled: true,
    tradingMode: 'paper',
    actor: 'test',
    at,
  });
  await enterInitialStage(database.owner, account, 'paper', 'test', at);
  await saveCalendar(database.owner, fallbackCalendar(...calendar), 'fallback', at);
};

/** Every statement of the functions passes here, is counted, and may meet a fault. */
const startRelay = async (target: string, clock: ReplayClock) => {
  let statements = 0;
  const twin = await startHttpTwin({
    clock,
    port: 0,
    seed,
    routes: [
      {
        operation: 'query',
        method: 'POST',
        path: /^\/$/,
        handle: async ({ query, text, headers }) => {
          statements += 1;
          const answer = await fetch(`${target}/?${query.toString()}`, {
            method: 'POST',
            body: text,
            headers: { 'content-type': headers['content-type'] ?? 'text/plain' },
          });
          const code = answer.headers.get('x-clickhouse-exception-code');
          return {
            status: answer.status,
            body: await answer.text(),
            headers: code === null ? {} : { 'x-clickhouse-exception-code': code },
          };
        },
      },
    ],
    notFound: { status: 404 },
  });
  return {
    url: twin.url,
    setFault: (fault: Fault | null) => twin.setFault(fault),
    statements: () => statements,
    stop: () => twin.stop(),
  };
};

/** Starts a loop in which an order would pass every risk check. The caller stops it. */
export const startLoop = async (options: LoopOptions = {}): Promise<Loop> => {
  const startAt = options.startAt ?? midSession;
  const clock = new ReplayClock(startAt, { deadlineScale: options.deadlineScale ?? 1 });
  const [database, clickhouse] = await Promise.all([testDatabase(), testClickHouse()]);
  await Promise.all([
    seedDatabase(database, startAt, options.calendar ?? ['2025-01-01', '2026-12-31']),
    migrateClickHouse(clickhouse.client, clickHouseMigrations, { replicated: false, ttl: false }),
  ]);

  const store = openLocalDatabase(':memory:');
  const queues = new QueueEngine(store, clock);
  for (const queue of ['lean.fifo', 'alpaca.fifo', 'followUp']) queues.createQueue(queueSettings(queue));
  const secrets = new SecretStore(clock);
  const events = new EventLog(store);
  const aws = await startAwsEndpoint({ engine: queues, secrets, events, clock });
  const relay = await startRelay(clickhouse.url, clock);
  const jangar = await startJangarTwin({ clock, symbols: options.symbols ?? ['AAPL', 'MSFT'], seed });

  const { host, port, user, login: credentials } = database.config('torghut_app');
  const place = (await options.databaseVia?.({ host, port })) ?? { host: database.nearest, port };
  const { password } = await credentials.get();
  const login = { ...place, dbname: database.name, username: user, password };
  secrets.put('database', JSON.stringify(login));
  secrets.put('clickhouse', JSON.stringify({ username: 'default', password: '' }));
  const environment: Readonly<Record<string, string>> = {
    AWS_ENDPOINT_URL: aws.url,
    AWS_REGION: localRegion,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    TORGHUT_CODE_HASH: codeHash,
    [secretKeys.database]: aws.secretArn('database'),
    [secretKeys.clickhouse]: aws.secretArn('clickhouse'),
    [queueContract.lean.environmentKey]: aws.queueUrl('lean.fifo'),
    [queueContract.alpaca.environmentKey]: aws.queueUrl('alpaca.fifo'),
    [queueContract.followUp.environmentKey]: aws.queueUrl('followUp'),
    [eventBusKey]: 'torghut',
    TA_CLICKHOUSE_URL: relay.url,
    JANGAR_SYMBOLS_URL: jangar.url,
    TRADING_ENABLED: 'true',
    TRADING_AUTONOMY_ENABLED: 'true',
    TRADING_ACCOUNT_LABEL: account,
    TRADING_SIGNAL_TABLE: `${clickhouse.database}.ta_signals`,
    TRADING_PRICE_TABLE: `${clickhouse.database}.ta_microbars`,
    ...options.environment,
  };

  const telemetry = createMemoryTelemetry();
  const overrides = { clock, telemetry };
  const ports = await autonomyCycleWire.wire(environment, overrides);
  const checkFreshness = freshnessCheck.createHandler(await freshnessCheckWire.wire(environment, overrides));
  const context = lambdaContexts(clock, { functionName: 'loop', timeoutSeconds: 50, memoryMegabytes: 512 });
  const input = (at: Instant): { scheduledFor: string } => ({ scheduledFor: toText(at) });
  const select = async <Row extends object>(statement: string): Promise<Row[]> =>
    (await database.readonly.query<Row>(statement)).rows;

  const syncAccount: Loop['syncAccount'] = async (at, values = {}) => {
    const amount = values.equity ?? equity;
    await insertRow(database.app, 'position_snapshots', {
      account_label: account,
      as_of: toText(at),
      session_date: toText(at).slice(0, 10),
      kind: 'cycle',
      equity: amount,
      cash: amount,
      buying_power: amount,
      long_market_value: '0',
      short_market_value: '0',
      positions: '[]',
      complete: true,
      source: 'alpaca',
    });
    await database.app.query(
      `INSERT INTO reconciliation_runs (account_label, scope, scheduled_for, status, sources, checked, breaks, healed, started_at, finished_at)
       VALUES ($1, 'orders', $2, 'completed', '{}', 0, 0, 0, $2, $2) ON CONFLICT DO NOTHING`,
      [account, toText(at)],
    );
  };
  const deliver: Loop['deliver'] = (at, changed = {}) =>
    autonomyCycle.createHandler({ ...ports, ...changed })(input(at), context());
  const windows = () =>
    select<WindowRow>(`SELECT * FROM signal_windows WHERE consumer = 'trading' ORDER BY window_start`);

  return {
    clock,
    database,
    telemetry,
    queues,
    aws,
    events,
    jangar,
    signalStore: relay,
    environment,
    ports,
    insert: (...rows) => insertStream(clickhouse.client, rows),
    syncAccount,
    tick: async (at, changed) => {
      clock.advanceTo(at);
      await syncAccount(at);
      return deliver(at, changed);
    },
    deliver,
    check: (at) => {
      clock.advanceTo(at);
      return checkFreshness(input(at), context());
    },
    setControl: async (control, engaged) => {
      const at = toText(clock.now());
      await database.app.query(
        `UPDATE trading_controls SET superseded_at = $2 WHERE control = $1 AND superseded_at IS NULL`,
        [control, at],
      );
      await insertRow(database.app, 'trading_controls', {
        account_label: account,
        control,
        engaged,
        reasons: JSON.stringify(engaged ? [{ code: 'test', observed: null, limit: null, at }] : []),
        actor: 'test',
        note: '',
        at,
      });
    },
    windows,
    lastWindow: async () => {
      const last = (await windows()).at(-1);
      if (last === undefined) throw new Error('expected a window, found none');
      return last;
    },
    decisions: () => select<DecisionRow>('SELECT * FROM trade_decisions ORDER BY event_ts, symbol, strategy_id'),
    deadLetters: () => select('SELECT key, codes, payload, attempts FROM dead_letters ORDER BY first_seen_at, key'),
    outbox: () => select('SELECT dedup_id, topic, group_key, published_at FROM outbox ORDER BY id'),
    cursor: async () =>
      (
        await select<NonNullable<Awaited<ReturnType<Loop['cursor']>>>>(
          `SELECT cursor_event_ts AS event_ts, cursor_symbol AS symbol, cursor_seq::text AS seq, overlap_keys, lock_version FROM trade_cursor`,
        )
      )[0] ?? null,
    receive: (queue) => {
      const received: { group: string | null; dedup: string | null }[] = [];
      for (;;) {
        const messages = queues.receive(queue);
        if (messages.length === 0) return received;
        for (const message of messages) {
          received.push({ group: message.groupId, dedup: message.deduplicationId });
          queues.delete(queue, message.receiptHandle);
        }
      }
    },
    stop: async () => {
      await Promise.all([jangar.stop(), relay.stop(), aws.stop()]);
      store.close();
      await Promise.all([database.close(), clickhouse.close()]);
    },
  };
};

/** A loop for the calling test, stopped when it ends. */
export const testLoop = async (options: LoopOptions = {}): Promise<Loop> => {
  const loop = await startLoop(options);
  onTestFinished(() => loop.stop());
  return loop;
};
