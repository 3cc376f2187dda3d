import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as nextTurn } from 'node:timers/promises';
import {
  builtInStrategies,
  decimal,
  decimalText,
  executionGroup,
  executionRequestJson,
  floorTo,
  minute,
  parseCatalog,
  parseInstant,
  publishOutbox,
  queues as queueContract,
  deployment as deployed,
  secretKeys,
  toText,
  type AccountLabel,
  type ControlName,
  type DecimalText,
  type ExecutionAdapter,
  type ExecutionRequest,
  type Instant,
  type IntentKind,
  type QueueName,
  type Side,
  type Ticker,
} from '@torghut/domain';
import {
  createMemoryTelemetry,
  enterInitialStage,
  inTransaction,
  registerFeatureContract,
  seedControls,
  syncCatalog,
  type LambdaFunction,
} from '@torghut/platform';
import type { Context, SQSBatchResponse } from 'aws-lambda';
import { expect } from 'vitest';
import { parse } from 'yaml';
import * as alpacaRouter from '../../functions/alpaca-router/handler.ts';
import * as alpacaRouterWire from '../../functions/alpaca-router/wire.ts';
import * as leanRouter from '../../functions/lean-router/handler.ts';
import * as leanRouterWire from '../../functions/lean-router/wire.ts';
import * as orderSync from '../../functions/order-sync/handler.ts';
import * as orderSyncWire from '../../functions/order-sync/wire.ts';
import { startAwsEndpoint, localRegion } from '../../infra/local/aws/endpoint.ts';
import { createEventSource } from '../../infra/local/aws/event-source.ts';
import { EventLog } from '../../infra/local/aws/events.ts';
import { lambdaContexts } from '../../infra/local/aws/lambda-context.ts';
import { openLocalDatabase } from '../../infra/local/aws/local-database.ts';
import { QueueEngine } from '../../infra/local/aws/queue-engine.ts';
import { SecretStore } from '../../infra/local/aws/secrets.ts';
import {
  startAlpacaTwin,
  startLeanTwin,
  type AlpacaTwinConfig,
  type Fault,
  type MarketData,
  type Quote,
} from '../../infra/local/twins/index.ts';
import { violations } from './invariants.ts';
import { queueSettings } from './local-aws.ts';
import type { DatabasePlace } from './loop.ts';
import { testDatabase } from './postgres.ts';
import { insertRow, sampleRow } from './rows.ts';
import { sampleDecisionRow, sampleRequest, sampleStrategy } from './sample-decision.ts';
import { SharedClock } from './shared-clock.ts';

/** A Friday with a full session, 14:30 to 21:00 UTC. */
export const sessionMorning = parseInstant('2026-02-13T15:04:00.000Z');
export const account = 'paper' as AccountLabel;
const hash = 'ab'.repeat(32);

/** Quotes that a test sets as it goes. */
export class TestMarket implements MarketData {
  readonly #quotes = new Map<string, Quote[]>();

  set(symbol: string, at: Instant, bid: DecimalText, ask: DecimalText): void {
    this.#quotes.set(symbol, [...(this.#quotes.get(symbol) ?? []), { at, bid, ask }]);
  }

  quoteAt(symbol: string, at: Instant): Quote | null {
    return this.#quotes.get(symbol)?.findLast((quote) => quote.at <= at) ?? null;
  }

  quotesBetween(symbol: string, after: Instant, until: Instant): readonly Quote[] {
    return (this.#quotes.get(symbol) ?? []).filter((quote) => quote.at > after && quote.at <= until);
  }
}

export interface ExecutionOptions {
  /** Settings of the functions that differ from their defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly broker?: Partial<AlpacaTwinConfig>;
  /** Whether the broker answers for its calendar from the start. */
  readonly calendarFromBroker?: boolean;
  /** What stands between the functions and the database; nothing unless given. */
  readonly databaseVia?: (database: DatabasePlace) => Promise<DatabasePlace>;
  /** Seed of what the venues draw. */
  readonly venueSeed?: number;
  /** Whether a venue will leave calls unanswered: their deadlines then pass in a tenth of real time. */
  readonly waiting?: boolean;
  /** The clock of everything; one that a sleeping worker advances unless given. */
  readonly clock?: SharedClock;
}

export interface DecisionChange {
  readonly symbol?: string;
  readonly side?: Side;
  readonly intent?: IntentKind;
  readonly qty?: DecimalText;
  readonly limitPrice?: DecimalText;
  readonly expected?: ExecutionAdapter;
  /** How long its message may be acted on; a minute unless given. */
  readonly lifeMs?: number;
  /** Set to false to keep the decision planned. */
  readonly publish?: boolean;
}

export interface SeededDecision {
  readonly id: string;
  readonly clientOrderId: string;
  readonly request: ExecutionRequest;
}

/** Queues that carry orders. */
type OrderQueue = Exclude<QueueName, 'evidence'>;

const queueNames: Readonly<Record<OrderQueue, string>> = {
  lean: 'lean.fifo',
  alpaca: 'alpaca.fifo',
  followUp: 'follow-up',
};
export const deadLetterOf = (queue: OrderQueue): string =>
  queueContract[queue].fifo ? `${queue}-dead-letter.fifo` : `${queue}-dead-letter`;

/** Far enough above the ask, and within the price collar, to be filled at once. */
const quotes = {
  AAPL: { bid: '99.98', ask: '100.02', reference: '100.00' },
  NVDA: { bid: '49.99', ask: '50.01', reference: '50.00' },
  MSFT: { bid: '199.95', ask: '200.05', reference: '200.00' },
  AMZN: { bid: '149.97', ask: '150.03', reference: '150.00' },
  META: { bid: '79.98', ask: '80.02', reference: '80.00' },
  GOOGL: { bid: '119.98', ask: '120.02', reference: '120.00' },
} as const;
type Symbol = keyof typeof quotes;

/** Decimals as the domain writes them, without the places the column has. */
const withPlainDecimals = <Row extends object>(row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === 'string' && /^-?\d+\.\d{8}$/.test(value) ? decimalText(decimal(value)) : value,
    ]),
  ) as Row;

/**
 * The execution side of the control plane: the handlers of the routers and of the order sync as deployed, over a database
 * of their own, queues with the deployed settings, and the venue twins. Decisions are written as the trading cycle does.
 */
export const startExecution = async (options: ExecutionOptions = {}) => {
  const database = await testDatabase();
  const clock = options.clock ?? new SharedClock(sessionMorning, { deadlineScale: options.waiting === true ? 0.1 : 1 });
  const seed = options.venueSeed ?? 20_260_213;
  const market = new TestMarket();
  for (const [symbol, { bid, ask }] of Object.entries(quotes))
    market.set(symbol, sessionMorning - 60 * minute, bid, ask);

  const catalogText = await readFile(resolve(import.meta.dirname, '../../infra/strategies.yaml'), 'utf8');
  const catalog = parseCatalog(parse(catalogText), builtInStrategies);
  if (!catalog.ok) throw new Error('expected a usable strategy catalog');
  await registerFeatureContract(database.owner);
  await syncCatalog(database.owner, catalog.entries, 'sync');
  await seedControls(database.owner, {
    accountLabel: account,
    killSwitch: false,
    tradingEnabled: true,
    autonomyEnabled: true,
    tradingMode: 'paper',
    actor: 'test',
    at: sessionMorning,
  });
  await enterInitialStage(database.owner, account, 'paper', 'test', sessionMorning);

  const idOf = async (table: string, key: string, value: string): Promise<string> =>
    (await database.owner.query<{ id: string }>(`SELECT id FROM ${table} WHERE ${key} = $1`, [value])).rows[0]!.id;
  const strategyPk = await idOf('strategies', 'strategy_id', sampleStrategy.id);
  const featureContractId = await idOf('feature_contracts', 'status', 'active');
  let decided = 0;
  const windows = new Set<string>();

  const store = openLocalDatabase(':memory:');
  const queues = new QueueEngine(store, clock);
  for (const name of Object.keys(queueNames) as OrderQueue[]) {
    queues.createQueue(queueSettings(deadLetterOf(name)));
    queues.createQueue(
      queueSettings(queueNames[name], {
        visibilityTimeoutSeconds: deployed.queueVisibilitySeconds,
        deadLetter: { queue: deadLetterOf(name), maxReceiveCount: deployed.queueReceiveCount },
      }),
    );
  }
  const secrets = new SecretStore(clock);
  const aws = await startAwsEndpoint({ engine: queues, secrets, events: new EventLog(store), clock });

  const credentials = { keyId: 'PKTEST', secretKey: 'secret' };
  const alpaca = await startAlpacaTwin({
    clock: clock.venue,
    marketData: market,
    symbols: Object.keys(quotes),
    seed,
    partialFillShare: 0,
    ...options.broker,
  });
  const lean = await startLeanTwin({ clock: clock.venue, brokerUrl: alpaca.url, credentials, seed });

  const { host, port, user } = database.config('torghut_app');
  const { password } = await database.config('torghut_app').login.get();
  const place = (await options.databaseVia?.({ host, port })) ?? { host: database.nearest, port };
  const secretValues = {
    database: { ...place, dbname: database.name, username: user, password },
    alpaca: { key_id: credentials.keyId, secret_key: credentials.secretKey },
  };
  for (const [name, value] of Object.entries(secretValues)) secrets.put(name, JSON.stringify(value));
  const environment = {
    ...Object.fromEntries(
      (Object.keys(queueNames) as OrderQueue[]).map((name) => [
        queueContract[name].environmentKey,
        aws.queueUrl(queueNames[name]),
      ]),
    ),
    [secretKeys.database]: 'database',
    [secretKeys.alpaca]: 'alpaca',
    TORGHUT_CODE_HASH: hash,
    AWS_ENDPOINT_URL: aws.url,
    AWS_REGION: localRegion,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    TRADING_LEAN_RUNNER_URL: lean.url,
    APCA_API_BASE_URL: alpaca.url,
    TRADING_ENABLED: 'true',
    // Decisions follow each other as fast as a test writes them.
    TRADING_COOLDOWN_SECONDS: '0',
    TRADING_AUTONOMY_ENABLED: 'true',
    TRADING_ACCOUNT_LABEL: account,
    ...options.settings,
  };
  const telemetry = createMemoryTelemetry();
  const overrides = { clock, telemetry };
  const ports = {
    lean: await leanRouterWire.wire(environment, overrides),
    alpaca: await alpacaRouterWire.wire(environment, overrides),
    sync: await orderSyncWire.wire(environment, overrides),
  };
  const handlers = {
    lean: leanRouter.createHandler(ports.lean),
    alpaca: alpacaRouter.createHandler(ports.alpaca),
    followUp: orderSync.createHandler(ports.sync),
  } as Readonly<Record<OrderQueue, LambdaFunction<unknown, unknown>>>;
  const sourceOf = (queue: OrderQueue) =>
    createEventSource(queues, clock, {
      queue: queueNames[queue],
      batchSize: queueContract[queue].batchSize,
      maximumConcurrency: 1,
      reportBatchItemFailures: true,
      function: {
        functionName: queueContract[queue].consumer,
        timeoutSeconds: deployed.routerTimeoutSeconds,
        memoryMegabytes: 512,
      },
      handler: handlers[queue],
    });
  const sources = { lean: sourceOf('lean'), alpaca: sourceOf('alpaca'), followUp: sourceOf('followUp') };
  const contextOf = lambdaContexts(clock, { functionName: 'order-sync', timeoutSeconds: 60, memoryMegabytes: 512 });

  const world = {
    clock,
    database,
    market,
    queues,
    queueNames,
    telemetry,
    twins: { alpaca, lean },
    ports,
    handlers,

    /** Invokes the order sync as its schedule does, at the present minute. */
    sync: async (): Promise<void> => {
      const scheduledFor = toText(floorTo(clock.now(), minute));
      await (handlers.followUp as (event: unknown, context: Context) => Promise<unknown>)(
        { scheduledFor },
        contextOf(),
      );
    },

    /** Delivers what is visible on one queue. */
    deliver: (queue: OrderQueue) => sources[queue].drain(),

    /** Delivers what is visible on the queues until nothing is left to deliver now. */
    drain: async (): Promise<void> => {
      for (let delivered = 1; delivered > 0;) {
        delivered = 0;
        for (const queue of ['lean', 'alpaca', 'followUp'] as const)
          delivered += (await sources[queue].drain()).succeeded;
      }
    },

    publish: (): Promise<number> => publishOutbox(ports.lean.outbox, ports.lean.publisher, clock.now()),

    /** The next minutes of the schedules. */
    minutes: async (count: number): Promise<void> => {
      for (let passed = 0; passed < count; passed += 1) {
        clock.advanceTo(floorTo(clock.now(), minute) + minute);
        await world.sync();
        await world.drain();
      }
    },

    /** Writes a decision of the present minute and its message in one transaction, as the trading cycle does, and publishes it. */
    decide: async (change: DecisionChange = {}): Promise<SeededDecision> => {
      const symbol = (change.symbol ?? 'AAPL') as Ticker;
      const side = change.side ?? 'buy';
      const now = clock.now();
      decided += 1;
      const eventTs = now - 2_000 - decided;
      const expected = change.expected ?? 'lean';
      const quoted = quotes[symbol as string as Symbol];
      const request = sampleRequest({
        account,
        symbol,
        side,
        qty: change.qty ?? '1',
        limitPrice: change.limitPrice ?? (side === 'buy' ? quoted.ask : quoted.bid),
        expected,
        eventTs,
        decidedAt: now,
        expiresAt: now + (change.lifeMs ?? minute),
      });
      const at = toText(now);
      const windowStart = toText(floorTo(now, minute) - minute);
      await inTransaction(database.app, async (client) => {
        await insertRow(client, 'universe_resolutions', {
          account_label: account,
          symbols: Object.keys(quotes),
          universe_hash: hash,
          status: 'ok',
          reason: 'jangar_fetch_ok',
          fetched_at: at,
          resolved_at: at,
        });
        if (!windows.has(windowStart)) {
          windows.add(windowStart);
          await insertRow(client, 'signal_windows', sampleRow('signal_windows', { window_start: windowStart }));
        }
        await insertRow(
          client,
          'trade_decisions',
          sampleDecisionRow(
            request,
            { strategyPk, featureContractId, windowStart, eventTs, referencePrice: quoted.reference },
            change.intent === undefined ? {} : { intent: change.intent },
          ),
        );
        await insertRow(client, 'outbox', {
          topic: expected,
          group_key: executionGroup(request),
          dedup_id: request.order.clientOrderId,
          payload: executionRequestJson(request),
          available_at: at,
          attempts: 0,
        });
      });
      if (change.publish !== false) await world.publish();
      return { id: request.tradeDecisionId, clientOrderId: request.order.clientOrderId, request };
    },

    /** Decides and routes to where the order rests or ends. */
    order: async (change: DecisionChange = {}): Promise<SeededDecision> => {
      const decision = await world.decide(change);
      await world.drain();
      return decision;
    },

    /** An operator's act: the row in force is superseded. */
    control: async (control: ControlName, engaged: boolean): Promise<void> => {
      const at = toText(clock.now());
      await inTransaction(database.app, async (client) => {
        await client.query(
          `UPDATE trading_controls SET superseded_at = $3 WHERE account_label = $1 AND control = $2 AND superseded_at IS NULL`,
          [account, control, at],
        );
        await client.query(
          `INSERT INTO trading_controls (account_label, control, engaged, reasons, actor, note, at)
           VALUES ($1, $2, $3, $4, 'test', 'set by a test', $5)`,
          [account, control, engaged, JSON.stringify(engaged ? [{ code: 'operator', at }] : []), at],
        );
      });
    },

    /** An operator's act on an adapter, for all symbols or one. */
    adapter: async (adapter: ExecutionAdapter, state: string, symbol: string | null = null): Promise<void> => {
      const at = toText(clock.now());
      await inTransaction(database.app, async (client) => {
        await client.query(
          `UPDATE adapter_states SET superseded_at = $4
            WHERE account_label = $1 AND adapter = $2 AND symbol IS NOT DISTINCT FROM $3 AND superseded_at IS NULL`,
          [account, adapter, symbol, at],
        );
        await client.query(
          `INSERT INTO adapter_states (account_label, adapter, symbol, state, breaker, health_reason, consecutive_failures, window_stats, actor, reason, at)
           VALUES ($1, $2, $3, $4, 'closed', $5, 0, '{}', 'test', 'set by a test', $6)`,
          [account, adapter, symbol, state, state === 'enabled' ? null : 'operator', at],
        );
      });
    },

    decision: async (id: string) => {
      const { rows } = await database.readonly.query<{ status: string; reasons: string[]; reason_details: object }>(
        `SELECT status, reasons, reason_details FROM trade_decisions WHERE id = $1`,
        [id],
      );
      return rows[0]!;
    },

    receipts: async (order: { readonly clientOrderId: string }) => {
      const { rows } = await database.readonly.query<{
        id: string;
        operation: string;
        adapter: string;
        state: string;
        outcome: string | null;
        outcome_codes: string[];
        fencing_token: number;
        claimed_at: Instant;
        io_at: Instant | null;
        settled_at: Instant | null;
        resolved_at: Instant | null;
        http_status: number | null;
        x_request_id: string | null;
        control_snapshot: { control: string; engaged: boolean }[];
      }>(
        `SELECT id, operation, adapter, state, outcome, outcome_codes, fencing_token, claimed_at, io_at, settled_at, resolved_at, http_status,
           x_request_id, control_snapshot
         FROM broker_receipts WHERE client_order_id = $1 ORDER BY operation DESC, fencing_token`,
        [order.clientOrderId],
      );
      return rows;
    },

    execution: async (order: { readonly clientOrderId: string }) => {
      const { rows } = await database.readonly.query<{
        id: string;
        state: string;
        broker_status: string;
        filled_qty: string;
        avg_fill_price: string | null;
        expected: string;
        actual: string;
        reason: string | null;
        count: number;
        provenance_source: string;
        raw_order: Record<string, unknown>;
      }>(
        `SELECT id, state, broker_status, filled_qty, avg_fill_price, execution_expected_adapter AS expected, execution_actual_adapter AS actual,
           execution_fallback_reason AS reason, execution_fallback_count AS count, provenance_source, raw_order
         FROM executions WHERE client_order_id = $1`,
        [order.clientOrderId],
      );
      return rows[0] === undefined ? null : withPlainDecimals(rows[0]);
    },

    /** Rows of a query as the reading role. */
    rows: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
      (await database.readonly.query<Row>(text, [...values])).rows.map(withPlainDecimals),

    statistics: (queue: string) => queues.statistics(queue),

    faults: async (faults: { readonly lean?: Fault | null; readonly alpaca?: Fault | null }): Promise<void> => {
      if (faults.lean !== undefined)
        await lean.setFault(faults.lean, faults.lean?.kind === 'down' ? undefined : ['submit_order']);
      if (faults.alpaca !== undefined)
        await alpaca.setFault(faults.alpaca, faults.alpaca?.kind === 'down' ? undefined : ['submit_order']);
    },

    /** Hands messages to a router or the order sync beside the queue, as a second delivery does; resolves with its answer. */
    invoke: async (queue: OrderQueue, bodies: readonly (string | object)[]): Promise<SQSBatchResponse> => {
      const records = bodies.map((body, index) => ({
        messageId: `message-${index + 1}`,
        body: typeof body === 'string' ? body : JSON.stringify(body),
        attributes: { ApproximateReceiveCount: '1', MessageGroupId: `group-${index + 1}` },
      }));
      return (await handlers[queue]({ Records: records }, contextOf())) as SQSBatchResponse;
    },

    /** How the broker answers when an order is looked for by its client order id. */
    lookups: (fault: Fault | null): Promise<void> => alpaca.setFault(fault, ['get_order_by_client_order_id']),

    /** Lets time pass in steps, and venues act in it, until something is so. */
    until: async (isSo: () => boolean, atMostMs: number): Promise<void> => {
      for (const end = clock.now() + atMostMs; clock.now() < end && !isSo();) {
        clock.advanceTo(clock.now() + 100);
        for (let turn = 0; turn < 20 && !isSo(); turn += 1) await nextTurn(1);
      }
    },

    /** Fails the test with everything in the ledger that contradicts the venues or itself. */
    expectConsistent: async (settled = true): Promise<void> => {
      const truth = {
        orders: alpaca.orders(),
        effects: alpaca.log(),
        fills: alpaca.fills(),
        leanSubmissions: lean.log(),
      };
      expect(await violations(database.readonly, truth, { now: clock.now(), settled })).toEqual([]);
    },

    close: async (): Promise<void> => {
      await lean.stop();
      await alpaca.stop();
      await aws.stop();
      store.close();
      await database.close();
    },
  };
  if (options.calendarFromBroker === false)
    await alpaca.setFault({ kind: 'answer', answer: { status: 500, body: {} } }, ['calendar']);
  // What every claim asks for: a calendar, a snapshot of the account, a completed run.
  await world.sync();
  return world;
};
export type ExecutionWorld = Awaited<ReturnType<typeof startExecution>>;
