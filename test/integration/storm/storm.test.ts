import { writeFile } from 'node:fs/promises';
import { setTimeout as nextTurn } from 'node:timers/promises';
import {
  defaultLimits,
  floorTo,
  hour,
  minute,
  second,
  type Instant,
  type LimitValues,
  type QueueName,
} from '@torghut/domain';
import { createPool, postgresExecutionLedger, type LambdaFunction, type Pool } from '@torghut/platform';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { afterEach, expect, it } from 'vitest';
import * as alpacaRouter from '../../../functions/alpaca-router/handler.ts';
import * as leanRouter from '../../../functions/lean-router/handler.ts';
import { createEventSource, type EventSource } from '../../../infra/local/aws/event-source.ts';
import type { Fault } from '../../../infra/local/twins/index.ts';
import { account, deadLetterOf, sessionMorning, startExecution, type ExecutionWorld } from '../../support/execution.ts';
import { CrowdClock } from '../../support/shared-clock.ts';
import type { StormReport } from '../../support/storm-report.ts';

/** Requests of the storm; `npm run bench -- --only storm` takes it to its full size. */
const requests = Number(process.env['STORM_REQUESTS'] ?? '120');
/** Environments of each router, as many as its queue may have at work. */
const concurrency = 5;
/** More than environments, so that each of them finds a symbol that is not worked on. */
const symbols = ['AAPL', 'NVDA', 'MSFT', 'AMZN', 'META', 'GOOGL'];
/** Time that passes with each delivery. */
const pace = 600;
const breakerOpenSeconds = 6;

/** Budgets are out of the way, so that whatever is refused is refused by a fault; the breaker turns often. */
const limits: LimitValues = {
  ...defaultLimits,
  cooldownSeconds: 0,
  signalMaxAgeSeconds: 100_000,
  accountSnapshotMaxAgeSeconds: 100_000,
  orderSyncMaxAgeSeconds: 100_000,
  maxNotionalPerTrade: '1000',
  maxPositionPctEquity: '1',
  maxGross: '1000',
  maxNet: '1000',
  maxOrdersPerMinute: 1_000_000,
  maxOrdersPerSession: 1_000_000,
  maxSessionNotional: '1000000',
  breakerOpenSeconds,
  breakerMaxOpenSeconds: 8,
  breakerFlappingOpenings: 1_000_000,
  fallbackReviewCount: 1_000_000,
};

let world: ExecutionWorld;
const pools: Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
  await world.close();
});

/** Where to say what the storm was like; nowhere unless given. */
const reportFile = process.env['STORM_REPORT'];

interface Delivery {
  readonly queue: QueueName;
  readonly group: string;
  readonly clientOrderId: string;
}

it(
  `[E6][E10][E11] takes ${requests} requests through both routers at full concurrency while LEAN flaps: nothing lost, nothing twice, in order`,
  async () => {
    const clock = new CrowdClock(sessionMorning, { deadlineScale: 1 });
    world = await startExecution({ clock, broker: { startingCash: '100000000', requestsPerMinute: 1_000_000 } });
    const deliveries: Delivery[] = [];
    const working = new Map<string, string>();
    const overlaps: string[] = [];
    let delivered = 0;
    let syncedFor = clock.now();
    let failedSyncs = 0;

    /** LEAN goes through a calm and two kinds of trouble, over and over. */
    const weather: readonly (Fault | null)[] = [
      null,
      { kind: 'answer', answer: { status: 503, body: { detail: 'unavailable' } } },
      null,
      { kind: 'accept_then_answer', answer: { status: 503, body: { detail: 'unavailable' } } },
    ];
    const spell = Math.max(24, Math.floor(requests / 12));
    const turnWeather = async (): Promise<void> => {
      delivered += 1;
      if (delivered % spell === 0) await world.faults({ lean: weather[(delivered / spell) % weather.length] ?? null });
    };

    /** The order sync runs beside the routers, at every minute that passes. */
    const syncWhenDue = async (): Promise<void> => {
      const due = floorTo(clock.now(), minute);
      if (due <= syncedFor) return;
      syncedFor = due;
      // A run that fails is followed by the next one; what it should have done and nobody did shows in the end.
      await world.sync().catch(() => (failedSyncs += 1));
    };

    /** One environment of a router: its own connections and its own handler. */
    const routerOf = (queue: 'lean' | 'alpaca'): LambdaFunction<SQSEvent, unknown> => {
      const pool = createPool(world.database.config('torghut_app'));
      pools.push(pool);
      const ledger = postgresExecutionLedger(pool, {
        account,
        limits,
        tradingEnabled: true,
        liveEnabled: false,
        fallback: 'alpaca',
        universeMaxStaleSeconds: 100_000,
        telemetry: world.telemetry,
      });
      const { createHandler } = queue === 'lean' ? leanRouter : alpacaRouter;
      return createHandler({ ...world.ports[queue], ledger });
    };
    const observed = (queue: 'lean' | 'alpaca', record: SQSRecord): Delivery => ({
      queue,
      group: `${queue}:${record.attributes.MessageGroupId ?? ''}`,
      clientOrderId: (JSON.parse(record.body) as { client_order_id: string }).client_order_id,
    });
    const atWork = { lean: 0, alpaca: 0, most: { lean: 0, alpaca: 0 } };
    /** One environment behind its queue. */
    const sourceOf = (queue: 'lean' | 'alpaca') => {
      const router = routerOf(queue);
      return createEventSource(world.queues, clock, {
        queue: world.queueNames[queue],
        batchSize: 1,
        maximumConcurrency: 1,
        reportBatchItemFailures: true,
        // Time passes for all workers together, so none of them is measured by it.
        function: { functionName: `${queue}-router`, timeoutSeconds: 3_600, memoryMegabytes: 512 },
        handler: (event, context) =>
          clock.work(async () => {
            const delivery = observed(queue, event.Records[0]!);
            const before = working.get(delivery.group);
            if (before !== undefined) overlaps.push(`${delivery.clientOrderId} beside ${before}`);
            working.set(delivery.group, delivery.clientOrderId);
            deliveries.push(delivery);
            atWork[queue] += 1;
            atWork.most[queue] = Math.max(atWork.most[queue], atWork[queue]);
            try {
              await turnWeather();
              clock.advanceTo(clock.now() + pace);
              await syncWhenDue();
              return await router(event, context);
            } finally {
              working.delete(delivery.group);
              atWork[queue] -= 1;
            }
          }),
      });
    };
    const sources = (['lean', 'alpaca'] as const).flatMap((queue) =>
      Array.from({ length: concurrency }, () => sourceOf(queue)),
    );
    /** All environments work side by side until nobody is at work and nothing is visible. Resolves with their batches. */
    const workOff = async (): Promise<number> => {
      let batches = 0;
      const poll = async (source: EventSource): Promise<void> => {
        for (let last = 1; last > 0 || atWork.lean + atWork.alpaca > 0;) {
          const result = await source.drain();
          expect(result.errors).toEqual([]);
          last = result.batches;
          batches += last;
          if (last === 0) await nextTurn(1);
        }
      };
      await Promise.all(sources.map(poll));
      return batches;
    };

    const decided: { readonly symbol: string; readonly clientOrderId: string; readonly id: string }[] = [];
    for (let index = 0; index < requests; index += 1) {
      const symbol = symbols[index % symbols.length]!;
      const { id, clientOrderId } = await world.decide({ symbol, lifeMs: 5 * hour, publish: false });
      decided.push({ symbol, id, clientOrderId });
    }
    await world.publish();

    // The server does this by itself, but seldom on an engine of a test.
    await world.database.owner.query('VACUUM ANALYZE');
    const started = performance.now();
    for (let idle = 0, turns = 0; turns < 40 && idle < 2; turns += 1) {
      const batches = await workOff();
      idle = batches === 0 ? idle + 1 : 0;
      // What was returned to a queue comes back when its visibility ends; what the sync resolves moves on.
      if (idle > 0) clock.advanceTo(clock.now() + 151 * second);
      await world.sync();
      await world.deliver('followUp');
    }
    // Without it this would have been no storm.
    expect(atWork.most).toEqual({ lean: concurrency, alpaca: concurrency });
    await world.faults({ lean: null });
    await world.minutes(3);
    const seconds = (performance.now() - started) / 1_000;
    await world.expectConsistent();

    // Nothing lost: each decision has one order at the broker and ended filled.
    const byId = new Map(world.twins.alpaca.orders().map((order) => [order.clientOrderId, order]));
    expect(world.twins.alpaca.orders()).toHaveLength(requests);
    expect(decided.filter(({ clientOrderId }) => !byId.has(clientOrderId))).toEqual([]);
    expect(await world.rows(`SELECT status, count(*)::int AS decisions FROM trade_decisions GROUP BY status`)).toEqual([
      { status: 'filled', decisions: requests },
    ]);
    for (const queue of ['lean', 'alpaca'] as const) {
      const left = world.statistics(world.queueNames[queue]);
      expect(left).toMatchObject({ visible: 0, inFlight: 0 });
      expect(world.statistics(deadLetterOf(queue))).toMatchObject({ visible: 0, inFlight: 0 });
    }

    // In order: a group is worked on by one environment at a time, first come first served, on either queue.
    expect(overlaps).toEqual([]);
    const firsts = (queue: QueueName, symbol: string): readonly string[] => [
      ...new Set(
        deliveries
          .filter((one) => one.queue === queue && one.group.endsWith(`:${symbol}`))
          .map(({ clientOrderId }) => clientOrderId),
      ),
    ];
    const fallbacks = await world.rows<{ group_key: string; client_order_id: string }>(
      `SELECT group_key, payload ->> 'client_order_id' AS client_order_id FROM outbox WHERE topic = 'alpaca' ORDER BY id`,
    );
    for (const symbol of symbols) {
      expect(firsts('lean', symbol)).toEqual(
        decided.filter((one) => one.symbol === symbol).map(({ clientOrderId }) => clientOrderId),
      );
      expect(firsts('alpaca', symbol)).toEqual(
        fallbacks.filter(({ group_key }) => group_key.endsWith(`:${symbol}`)).map((row) => row.client_order_id),
      );
    }
    expect(fallbacks.length).toBeGreaterThan(requests / 20);
    expect(fallbacks.length).toBeLessThan(requests);

    // Breakers turn as tabled: open for their time, then half open, then closed or open for twice as long, up to the longest.
    // A row that was superseded in the instant it was written comes before the one that followed it.
    const turns = await world.rows<{
      symbol: string | null;
      breaker: string;
      at: Instant;
      opened_at: Instant | null;
      open_seconds: number;
    }>(
      `SELECT symbol, breaker, at, opened_at, (window_stats ->> 'open_seconds')::int AS open_seconds FROM adapter_states
        WHERE adapter = 'lean' AND actor = 'breaker' ORDER BY symbol NULLS FIRST, at, superseded_at NULLS LAST`,
    );
    const legal: Readonly<Record<string, readonly string[]>> = {
      closed: ['open'],
      open: ['half_open'],
      half_open: ['closed', 'open'],
    };
    for (const [, rows] of Map.groupBy(turns, ({ symbol }) => symbol)) {
      rows.forEach((row, index) => {
        const before = rows[index - 1];
        if (before === undefined) return;
        expect(legal[before.breaker]).toContain(row.breaker);
        if (row.breaker === 'half_open')
          expect(row.at - (before.opened_at ?? Number.NaN)).toBeGreaterThanOrEqual(before.open_seconds * second);
        if (row.breaker === 'open')
          expect(row.open_seconds).toBe(
            before.breaker === 'closed'
              ? breakerOpenSeconds
              : Math.min(before.open_seconds * 2, limits.breakerMaxOpenSeconds),
          );
      });
    }
    // While one is open, nothing of its scope is sent to LEAN.
    expect(
      await world.rows(
        `SELECT r.client_order_id, r.claimed_at, s.at FROM adapter_states s
           JOIN broker_receipts r ON r.adapter = 'lean' AND (s.symbol IS NULL OR s.symbol = r.symbol)
            AND r.claimed_at > s.at AND r.claimed_at < coalesce(s.superseded_at, 'infinity')
          WHERE s.adapter = 'lean' AND s.breaker = 'open'`,
      ),
    ).toEqual([]);
    const whole = turns.filter(({ symbol }) => symbol === null).map(({ breaker }) => breaker);
    expect(whole.filter((breaker) => breaker === 'open').length).toBeGreaterThanOrEqual(2);
    expect(whole.slice(1).filter((breaker) => breaker === 'closed').length).toBeGreaterThanOrEqual(1);

    if (reportFile !== undefined) {
      const transitions: Record<string, number> = {};
      for (const { symbol, breaker } of turns) {
        const name = `${symbol === null ? 'adapter' : 'symbol'} ${breaker}`;
        transitions[name] = (transitions[name] ?? 0) + 1;
      }
      const report: StormReport = {
        seconds,
        simulatedMinutes: (clock.now() - sessionMorning) / minute,
        deliveries: deliveries.length,
        fallbacks: fallbacks.length,
        transitions,
        failedSyncs,
      };
      await writeFile(reportFile, JSON.stringify(report));
    }
  },
  Math.max(120_000, requests * 1_000),
);
