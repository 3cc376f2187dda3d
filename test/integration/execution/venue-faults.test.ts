import { executionRequestJson, minute, second } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import type { Fault, TwinAnswer } from '../../../infra/local/twins/index.ts';
import { startExecution, type ExecutionOptions, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
const start = async (options: ExecutionOptions = {}): Promise<void> => {
  world = await startExecution(options);
};
afterEach(() => world.close());

const unavailable: TwinAnswer = { status: 503, body: { message: 'service unavailable' } };
const noOrder: TwinAnswer = { status: 200, body: { hello: 'world' } };
const refusedByNothingKnown: TwinAnswer = {
  status: 502,
  body: '<html>bad gateway</html>',
  headers: { 'content-type': 'text/html' },
};

interface Case {
  readonly fault: Fault;
  /** How the order ends when LEAN answers so: adopted from LEAN, or sent again to Alpaca. */
  readonly ends: 'adopted' | 'fallen_back';
  readonly reason: string;
}

const cases: Readonly<Record<string, Case>> = {
  'accepts, then never answers': {
    fault: { kind: 'accept_then_timeout' },
    ends: 'adopted',
    reason: 'lean_submit_order_timeout',
  },
  'accepts, then answers 503': {
    fault: { kind: 'accept_then_answer', answer: unavailable },
    ends: 'adopted',
    reason: 'lean_submit_order_http_503',
  },
  'accepts, then the body is cut': {
    fault: { kind: 'cut_body' },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then answers 200 without an order': {
    fault: { kind: 'accept_then_answer', answer: noOrder },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then answers with the wrong symbol': {
    fault: { kind: 'altered_body', change: { symbol: 'TSLA' } },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then answers for another order': {
    fault: { kind: 'altered_body', change: { client_order_id: 'tg1-another-1' } },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then answers with another quantity': {
    fault: { kind: 'altered_body', change: { qty: '1000' } },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then leaves out the id and the status': {
    fault: { kind: 'altered_body', change: { id: undefined, status: undefined } },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then answers as HTML': {
    fault: { kind: 'content_type', contentType: 'text/html' },
    ends: 'adopted',
    reason: 'lean_submit_order_contract_violation',
  },
  'accepts, then resets the connection': {
    fault: { kind: 'reset', processed: true },
    ends: 'adopted',
    reason: 'lean_submit_order_network_error',
  },
  'never answers and never accepts': {
    fault: { kind: 'refuse_then_timeout' },
    ends: 'fallen_back',
    reason: 'lean_submit_order_timeout',
  },
  'answers 503 without accepting': {
    fault: { kind: 'answer', answer: unavailable },
    ends: 'fallen_back',
    reason: 'lean_submit_order_http_503',
  },
  'answers 200 without accepting': {
    fault: { kind: 'answer', answer: noOrder },
    ends: 'fallen_back',
    reason: 'lean_submit_order_contract_violation',
  },
  'answers a gateway page without accepting': {
    fault: { kind: 'answer', answer: refusedByNothingKnown },
    ends: 'fallen_back',
    reason: 'lean_submit_order_http_502',
  },
  'resets the connection without accepting': {
    fault: { kind: 'reset', processed: false },
    ends: 'fallen_back',
    reason: 'lean_submit_order_network_error',
  },
};

describe('one order whatever LEAN answers', () => {
  it.each(Object.entries(cases))('[E2][E10] LEAN %s', async (_, { fault, ends, reason }) => {
    await start({ waiting: true });
    await world.faults({ lean: fault });
    const decision = await world.order();
    const [receipt, second] = await world.receipts(decision);
    expect(receipt).toMatchObject({ adapter: 'lean', outcome: ends === 'adopted' ? 'adopted' : 'not_found' });
    expect(receipt!.outcome_codes).toEqual([reason]);
    expect(await world.execution(decision)).toMatchObject(
      ends === 'adopted'
        ? { expected: 'lean', actual: 'lean', reason: null, count: 0, provenance_source: 'adopted' }
        : { expected: 'lean', actual: 'alpaca', reason, count: 1, provenance_source: 'route' },
    );
    expect(second?.adapter).toBe(ends === 'adopted' ? undefined : 'alpaca');
    await world.faults({ lean: null });
    await world.minutes(2);
    expect(world.twins.alpaca.orders()).toHaveLength(1);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    await world.expectConsistent();
  });

  it('[E10] adopts the one order when the request to LEAN arrives twice', async () => {
    await start();
    await world.faults({ lean: { kind: 'processed_twice' } });
    const decision = await world.order();
    expect(await world.execution(decision)).toMatchObject({ actual: 'lean', count: 0 });
    expect(world.twins.lean.log()).toMatchObject([{ idempotentReplay: false }, { idempotentReplay: true }]);
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E2][E10] lets a LEAN order that arrives after the fallback collide, and keeps the one that Alpaca took', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'slow', lateByMs: 8 * second } });
    const decision = await world.order();
    await world.faults({ lean: null });
    await world.minutes(2);
    expect(world.twins.lean.log()).toMatchObject([{ clientOrderId: decision.clientOrderId, status: 422 }]);
    expect(world.twins.alpaca.log()).toContainEqual(
      expect.objectContaining({ effect: 'duplicate_refused', clientOrderId: decision.clientOrderId }),
    );
    expect(await world.execution(decision)).toMatchObject({ expected: 'lean', actual: 'alpaca', count: 1 });
    await world.expectConsistent();
  });

  it('[E2][E10] adopts the order of a request to Alpaca that arrives twice as Alpaca’s, when none to LEAN ever left', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' }, alpaca: { kind: 'processed_twice' } });
    const decision = await world.order();
    expect(world.twins.alpaca.log().map(({ effect }) => effect)).toEqual(['accepted', 'filled', 'duplicate_refused']);
    expect(await world.execution(decision)).toMatchObject({
      expected: 'lean',
      actual: 'alpaca',
      reason: 'lean_submit_order_network_error',
      count: 1,
      provenance_source: 'adopted',
    });
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', outcome: 'not_sent' },
      { adapter: 'alpaca', outcome: 'adopted' },
    ]);
    await world.faults({ lean: null, alpaca: null });
    await world.minutes(2);
    await world.expectConsistent();
  });

  it('[E2][E10] knows that nothing left for LEAN, although the lookups failed and the order sync resolves it', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' }, alpaca: { kind: 'processed_twice' } });
    await world.lookups({ kind: 'answer', answer: { status: 500, body: {} } });
    const decision = await world.decide();
    await world.deliver('lean');
    expect(await world.receipts(decision)).toMatchObject([
      {
        adapter: 'lean',
        outcome: 'unknown',
        outcome_codes: expect.arrayContaining(['lean_submit_order_network_error', 'not_sent']) as unknown,
      },
    ]);
    await world.lookups(null);
    // Setting the fault of lookups had replaced that of submits.
    await world.faults({ alpaca: { kind: 'processed_twice' } });
    for (let seconds = 0; seconds < 12; seconds += 1) {
      world.clock.advanceTo(world.clock.now() + second);
      await world.drain();
    }
    expect(await world.execution(decision)).toMatchObject({ actual: 'alpaca', count: 1, provenance_source: 'adopted' });
    await world.faults({ lean: null, alpaca: null });
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E2][E10] adopts a LEAN order that arrives before the fallback is sent: actual lean, the attempt stays counted', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'slow', lateByMs: 6 * second } });
    const decision = await world.decide();
    await world.deliver('lean');
    // Proof of absence takes five seconds; the late order arrives while the message waits on the other queue.
    await world.until(() => world.twins.lean.log().length === 1, 2 * second);
    await world.drain();
    expect(await world.execution(decision)).toMatchObject({
      expected: 'lean',
      actual: 'lean',
      reason: 'lean_submit_order_timeout',
      count: 1,
      provenance_source: 'adopted',
    });
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', outcome: 'not_found' },
      { adapter: 'alpaca', outcome: 'adopted' },
    ]);
    await world.faults({ lean: null });
    await world.minutes(2);
    await world.expectConsistent();
  });
});

const alpacaCases: Readonly<Record<string, { readonly fault: Fault; readonly order: boolean }>> = {
  'accepts, then never answers': { fault: { kind: 'accept_then_timeout' }, order: true },
  'accepts, then answers 503': { fault: { kind: 'accept_then_answer', answer: unavailable }, order: true },
  'accepts, then the body is cut': { fault: { kind: 'cut_body' }, order: true },
  'accepts, then answers for another order': {
    fault: { kind: 'altered_body', change: { client_order_id: 'tg1-another-1' } },
    order: true,
  },
  'accepts, then resets the connection': { fault: { kind: 'reset', processed: true }, order: true },
  'never answers and never accepts': { fault: { kind: 'refuse_then_timeout' }, order: false },
  'answers 503 without accepting': { fault: { kind: 'answer', answer: unavailable }, order: false },
};

describe('one order whatever Alpaca answers', () => {
  it.each(Object.entries(alpacaCases))('[E10] Alpaca as the expected adapter %s', async (_, { fault, order }) => {
    await start({ waiting: true });
    await world.faults({ alpaca: fault });
    const decision = await world.order({ expected: 'alpaca' });
    await world.faults({ alpaca: null });
    await world.minutes(2);
    expect(await world.execution(decision)).toEqual(
      order
        ? expect.objectContaining({ expected: 'alpaca', actual: 'alpaca', count: 0, provenance_source: 'adopted' })
        : null,
    );
    if (!order) {
      expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: ['route_exhausted'] });
    }
    await world.expectConsistent();
  });

  it.each(Object.entries(alpacaCases))('[E2][E10] Alpaca behind LEAN %s', async (_, { fault, order }) => {
    await start({ waiting: true });
    await world.faults({ alpaca: fault });
    const decision = await world.order();
    await world.faults({ alpaca: null });
    await world.minutes(4);
    if (order) expect(await world.execution(decision)).toMatchObject({ expected: 'lean', actual: 'lean', count: 0 });
    await world.expectConsistent();
  });
});

describe('venues down', () => {
  it.each([
    { minutes: 3, reasons: ['order_message_expired', 'signal_too_old'] },
    { minutes: 12, reasons: ['decision_timeout_unsubmitted'] },
  ])(
    '[E10] ends an order with its reason after both venues were down for $minutes minutes',
    async ({ minutes, reasons }) => {
      await start();
      await world.faults({ lean: { kind: 'down' }, alpaca: { kind: 'down' } });
      const decision = await world.order();
      expect(await world.decision(decision.id)).toMatchObject({ status: 'unknown' });
      await world.minutes(minutes);
      await world.faults({ lean: null, alpaca: null });
      await world.minutes(6);
      expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons });
      expect(world.twins.alpaca.orders()).toEqual([]);
      await world.expectConsistent();
    },
  );

  it('[E10] sends an order once when Alpaca, which it is meant for, comes back in time', async () => {
    await start();
    await world.faults({ alpaca: { kind: 'down' } });
    const decision = await world.order({ expected: 'alpaca' });
    expect(await world.receipts(decision)).toMatchObject([{ state: 'claimed', outcome: null }]);
    await world.faults({ alpaca: null });
    expect(await world.invoke('alpaca', [executionRequestJson(decision.request)])).toEqual({ batchItemFailures: [] });
    expect(await world.execution(decision)).toMatchObject({ actual: 'alpaca', count: 0 });
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E10] counts an order with an unknown outcome as exposure until it is resolved', async () => {
    await start({ waiting: true, settings: { TRADING_MAX_POSITION_PCT_EQUITY: '0.003' } });
    await world.faults({ lean: { kind: 'accept_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: unavailable });
    const lost = await world.order({ qty: '2' });
    expect(await world.decision(lost.id)).toMatchObject({ status: 'unknown' });
    expect(await world.execution(lost)).toBeNull();

    // 200 of the 300 USD that 0.3 % of the equity allow are possibly bought already.
    await world.faults({ lean: null });
    const next = await world.order({ qty: '2' });
    expect(await world.decision(next.id)).toMatchObject({ status: 'denied', reasons: ['max_position_pct_exceeded'] });

    await world.lookups(null);
    await world.minutes(2);
    expect(await world.execution(lost)).toMatchObject({
      actual: 'lean',
      provenance_source: 'adopted',
      state: 'filled',
    });
    await world.expectConsistent();
  });

  it('[E6] counts a lost answer as one failure of its venue, however often it is looked for', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'accept_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: unavailable });
    await world.order();
    await world.minutes(2);
    await world.lookups(null);
    await world.minutes(2);
    expect(
      await world.rows(
        `SELECT consecutive_failures FROM adapter_states WHERE symbol IS NULL AND superseded_at IS NULL`,
      ),
    ).toEqual([{ consecutive_failures: 1 }]);
    await world.expectConsistent();
  });

  it('[E10] proves the absence of a lost order by looking, then lets the fallback be refused as late', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'refuse_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: unavailable });
    const lost = await world.order();
    expect(await world.receipts(lost)).toMatchObject([{ adapter: 'lean', outcome: 'unknown' }]);
    await world.faults({ lean: null });
    await world.lookups(null);
    await world.minutes(8);
    expect(await world.receipts(lost)).toMatchObject([
      { adapter: 'lean', outcome: 'not_found' },
      { adapter: 'alpaca', outcome: 'denied', outcome_codes: ['order_message_expired', 'signal_too_old'] },
    ]);
    expect(await world.decision(lost.id)).toMatchObject({
      status: 'denied',
      reasons: ['order_message_expired', 'signal_too_old'],
    });
    expect(world.clock.now()).toBeGreaterThan(lost.request.decidedAt + minute);
    await world.expectConsistent();
  });
});
