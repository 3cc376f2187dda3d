import {
  initialRoute,
  second,
  type BrokerOrder,
  type ExecutionRequest,
  type VenueExchange,
  type WritePermit,
} from '@torghut/domain';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { brokerOrder } from '../../domain/routing/fixtures.ts';
import { startExecution, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
beforeAll(async () => {
  world = await startExecution({
    settings: { TRADING_BREAKER_CONSECUTIVE: '1000', TRADING_BREAKER_MIN_SAMPLES: '100000' },
  });
});
afterAll(() => world.close());

interface Receipt {
  readonly fencing_token: number;
  readonly state: string;
  readonly outcome: string | null;
  readonly lease_expires_at: number;
}
const exchange: VenueExchange = { status: 200, requestId: 'request', body: {}, durationMs: 1 };

const orderOf = (request: ExecutionRequest): BrokerOrder =>
  brokerOrder(request, { id: `broker-${request.order.clientOrderId}` });

const actions = ['claim', 'mark', 'release', 'acknowledge', 'reject', 'unknown', 'absent', 'wait'] as const;
const steps = fc.array(
  fc.record({
    worker: fc.constantFrom(0, 1, 2),
    action: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom<(typeof actions)[number]>('claim', 'claim', 'mark', 'wait') },
      { weight: 2, arbitrary: fc.constantFrom(...actions) },
    ),
    wait: fc.constantFrom(1, 31),
  }),
  { minLength: 14, maxLength: 30 },
);

it('[E10][E11] however three workers take turns, only the holder of the newest token marks, settles or releases a write', async () => {
  const { ledger } = world.ports.alpaca;
  const symbols = ['AAPL', 'NVDA', 'MSFT'];
  const seen = { stale: 0, settled: 0, sent: 0 };
  let run = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      run += 1;
      // A minute later each: snapshot and order sync are fresh, rates and budgets are those of a new minute.
      await world.minutes(1);
      const decision = await world.decide({
        symbol: symbols[run % symbols.length]!,
        side: 'buy',
        expected: 'alpaca',
        publish: false,
      });
      const request = { ...decision.request, route: initialRoute('alpaca', 'all:alpaca') };
      const receipt = async (): Promise<Receipt | null> => {
        const { rows } = await world.database.readonly.query<Receipt>(
          `SELECT fencing_token, state, outcome, lease_expires_at FROM broker_receipts WHERE client_order_id = $1`,
          [decision.clientOrderId],
        );
        return rows[0] ?? null;
      };
      const permits: (WritePermit | null)[] = [null, null, null];
      /** Permits under which a write may be made, each of which is one write at most. */
      const marked = new Set<number>();

      for (const { worker, action, wait } of taken) {
        const now = world.clock.now();
        if (action === 'wait') {
          world.clock.advanceTo(now + wait * second);
          continue;
        }
        if (action === 'claim') {
          const before = await receipt();
          const claim = await ledger.claim(request, 'alpaca', { asset: null, accountRead: true }, now);
          if (claim.kind !== 'claimed' && claim.kind !== 'unresolved') continue;
          // A write that may have been made is looked for and never claimed for another write.
          if (before?.state === 'io' || before?.outcome === 'unknown') expect(claim.kind).toBe('unresolved');
          if (before !== null) expect(claim.permit.fencingToken).toBeGreaterThan(before.fencing_token);
          permits[worker] = claim.permit;
          continue;
        }
        const permit = permits[worker];
        if (permit === null || permit === undefined) continue;
        const before = (await receipt())!;
        const done = await {
          mark: async () => (await ledger.markInFlight(permit, now)) !== null,
          release: () => ledger.release(permit, [], 'unobserved', now),
          acknowledge: () =>
            ledger.settleOrder(
              permit,
              {
                request,
                outcome: 'acknowledged',
                order: orderOf(request),
                provenance: {
                  expected: 'alpaca',
                  actual: 'alpaca',
                  fallbackReason: null,
                  fallbackCount: 0,
                  source: 'route',
                },
                exchange,
                codes: [],
                verdict: 'answered',
              },
              now,
            ),
          reject: () =>
            ledger.settleRejected(
              permit,
              { request, codes: ['broker_rejected_other'], message: '', exchange, verdict: 'answered' },
              now,
            ),
          unknown: () =>
            ledger.settleUnknown(
              permit,
              { request, codes: ['alpaca_submit_order_timeout'], exchange, verdict: 'failed' },
              now,
            ),
          absent: async () =>
            (await ledger.settleAbsent(
              permit,
              {
                request,
                failure: {
                  adapter: 'alpaca',
                  code: 'alpaca_submit_order_timeout',
                  at: now,
                  receiptId: permit.receiptId,
                  sent: true,
                },
                exchange,
                verdict: 'unobserved',
              },
              now,
            )) !== 'superseded',
        }[action]();
        const after = (await receipt())!;
        if (permit.fencingToken !== before.fencing_token) {
          seen.stale += 1;
          expect([action, done, after]).toEqual([action, false, before]);
        } else if (before.state === 'settled' && before.outcome !== 'unknown') {
          expect([action, done, after]).toEqual([action, false, before]);
        } else if (done && action === 'mark') {
          expect(before.state).toBe('claimed');
          expect(marked.has(permit.fencingToken)).toBe(false);
          marked.add(permit.fencingToken);
          seen.sent += 1;
        } else if (done && action !== 'release') {
          // Nothing is settled as sent that was never marked.
          expect(marked.size).toBeGreaterThan(0);
          seen.settled += 1;
        }
      }
      const { rows } = await world.database.readonly.query<{ executions: number }>(
        `SELECT count(*)::int AS executions FROM executions WHERE client_order_id = $1`,
        [decision.clientOrderId],
      );
      expect(rows[0]!.executions).toBeLessThanOrEqual(1);
      // What is left over is no exposure of the next run.
      await world.database.owner.query(
        `DELETE FROM execution_tca_metrics; DELETE FROM executions; UPDATE broker_receipts SET state = 'settled', outcome = 'denied', settled_at = now() WHERE state <> 'settled'; UPDATE broker_receipts SET outcome = 'denied' WHERE outcome = 'unknown'; UPDATE broker_receipts SET next_check_at = NULL; UPDATE outbox SET published_at = now() WHERE published_at IS NULL`,
      );
    }),
    { numRuns: 25 },
  );
  expect(seen.stale).toBeGreaterThan(10);
  expect(seen.settled).toBeGreaterThan(3);
  expect(seen.sent).toBeGreaterThan(5);
}, 120_000);
