import { defaultLimits, hour, second, type Instant, type LimitValues, type QueueName } from '@torghut/domain';
import { createPool, postgresExecutionLedger, type LambdaFunction, type Pool } from '@torghut/platform';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { afterEach, expect, it } from 'vitest';
import * as alpacaRouter from '../../../functions/alpaca-router/handler.ts';
import * as leanRouter from '../../../functions/lean-router/handler.ts';
import { createEventSource } from '../../../infra/local/aws/event-source.ts';
import type { Fault } from '../../../infra/local/twins/index.ts';
import { account, deadLetterOf, startExecution, type ExecutionWorld } from '../../support/execution.ts';

/** Requests of the storm; `npm run bench -- --only storm` takes it to its full size. */
const requests = Number(process.env['STORM_REQUESTS'] ?? '120');
/** Environments of each router, as many as its queue may have at work. */
const concurrency = 5;
const symbols = ['AAPL', 'NVDA', 'MSFT'];
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

interface Delivery {
  readonly queue: QueueName;
  readonly group: string;
  readonly clientOrderId: string;
}

it(
  `[E6][E10][E11] takes ${requests} requests through both routers at full concurrency while LEAN flaps: nothing lost, nothing twice, in order`,
  async () => {
    world = await startExecution({ broker: { startingCash: '100000000', requestsPerMinute: 1_000_000 } });
    const deliveries: Delivery[] = [];
    const working = new Map<string, string>();
    const overlaps: string[] = [];
    let delivered = 0;

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
    const sourceOf = (queue: 'lean' | 'alpaca') => {
      const idle = Array.from({ length: concurrency }, () => routerOf(queue));
      return createEventSource(world.queues, world.clock, {
        queue: world.queueNames[queue],
        batchSize: 1,
        maximumConcurrency: concurrency,
        reportBatchItemFailures: true,
        // Time passes for all workers together, so none of them is measured by it.
        function: { functionName: `${queue}-router`, timeoutSeconds: 3_600, memoryMegabytes: 512 },
        handler: async (event, context) => {
          const router = idle.pop();
          if (router === undefined) throw new Error('expected an idle environment, found none');
          const delivery = observed(queue, event.Records[0]!);
          const before = working.get(delivery.group);
          if (before !== undefined) overlaps.push(`${delivery.clientOrderId} beside ${before}`);
          working.set(delivery.group, delivery.clientOrderId);
          deliveries.push(delivery);
          await turnWeather();
          world.clock.advanceTo(world.clock.now() + pace);
          try {
            return await router(event, context);
          } finally {
            working.delete(delivery.group);
            idle.push(router);
          }
        },
      });
    };
    const sources = [sourceOf('lean'), sourceOf('alpaca')];

    const decided: { readonly symbol: string; readonly clientOrderId: string; readonly id: string }[] = [];
    for (let index = 0; index < requests; index += 1) {
      const symbol = symbols[index % symbols.length]!;
      const { id, clientOrderId } = await world.decide({ symbol, lifeMs: 5 * hour, publish: false });
      decided.push({ symbol, id, clientOrderId });
    }
    await world.publish();

    // Both routers work side by side until neither has anything visible.
    for (let turns = 0, done = 0; turns < 40 && done < 2; turns += 1) {
      const results = await Promise.all(sources.map((source) => source.drain()));
      expect(results.flatMap(({ errors }) => errors)).toEqual([]);
      const idle = results.every(({ batches }) => batches === 0);
      done = idle ? done + 1 : 0;
      // What was returned to a queue comes back when its visibility ends; what the sync resolves moves on.
      if (idle) world.clock.advanceTo(world.clock.now() + 151 * second);
      await world.sync();
      await world.deliver('followUp');
    }
    await world.faults({ lean: null });
    await world.minutes(3);
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
    const turns = await world.rows<{
      symbol: string | null;
      breaker: string;
      at: Instant;
      opened_at: Instant | null;
      open_seconds: number;
    }>(
      `SELECT symbol, breaker, at, opened_at, (window_stats ->> 'open_seconds')::int AS open_seconds FROM adapter_states
        WHERE adapter = 'lean' AND actor = 'breaker' ORDER BY symbol NULLS FIRST, at, created_at`,
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
    const whole = turns.filter(({ symbol }) => symbol === null).map(({ breaker }) => breaker);
    expect(whole.filter((breaker) => breaker === 'open').length).toBeGreaterThanOrEqual(2);
    expect(whole.slice(1).filter((breaker) => breaker === 'closed').length).toBeGreaterThanOrEqual(1);
  },
  Math.max(120_000, requests * 1_000),
);
