import { minute, routeOrder, second } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import {
  startExecution,
  type ExecutionOptions,
  type ExecutionWorld,
  type SeededDecision,
} from '../../support/execution.ts';

let world: ExecutionWorld;
const start = async (options: ExecutionOptions = {}): Promise<void> => {
  world = await startExecution(options);
};
afterEach(() => world.close());

describe('routing to LEAN', () => {
  it('[E1][E2][E5] takes an order through LEAN with its whole provenance, markers and one receipt', async () => {
    await start();
    const decision = await world.order({ qty: '2' });
    expect(await world.execution(decision)).toMatchObject({
      expected: 'lean',
      actual: 'lean',
      reason: null,
      count: 0,
      provenance_source: 'route',
      raw_order: {
        client_order_id: decision.clientOrderId,
        _execution_route_expected: 'lean',
        _execution_route_actual: 'lean',
        _execution_adapter: 'lean',
        _execution_fallback_reason: null,
        _execution_fallback_count: 0,
        _execution_idempotency_key: decision.clientOrderId,
      },
    });
    const [receipt, ...others] = await world.receipts(decision);
    expect(others).toEqual([]);
    expect(receipt).toMatchObject({
      operation: 'submit',
      adapter: 'lean',
      state: 'settled',
      outcome: 'acknowledged',
      http_status: 200,
      claimed_at: expect.any(Number) as number,
      io_at: expect.any(Number) as number,
      settled_at: expect.any(Number) as number,
    });
    expect(receipt!.control_snapshot).toContainEqual({ control: 'kill_switch', engaged: false, value: null });
    expect(world.twins.alpaca.orders()).toHaveLength(1);
    await world.minutes(1);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled', reasons: [] });
    await world.expectConsistent();
  });

  it('[E5] tags each order with the policy that chose its adapter', async () => {
    await start();
    const decision = await world.order({ symbol: 'NVDA' });
    expect(
      await world.rows(`SELECT route_context FROM executions WHERE client_order_id = $1`, [decision.clientOrderId]),
    ).toEqual([
      { route_context: { expected: 'lean', policy: 'all:lean', fallback_count: 0, fallback_reason: null, failed: [] } },
    ]);
  });
});

describe('LEAN down', () => {
  it('[E1][E2][E5] sends every order to Alpaca: expected lean, actual alpaca, one fallback with its reason', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' } });
    const decisions = [await world.order(), await world.order({ symbol: 'NVDA' })];
    for (const decision of decisions) {
      expect(await world.execution(decision)).toMatchObject({
        expected: 'lean',
        actual: 'alpaca',
        reason: 'lean_submit_order_network_error',
        count: 1,
        provenance_source: 'route',
      });
      expect(await world.receipts(decision)).toMatchObject([
        { adapter: 'lean', outcome: 'not_sent', outcome_codes: ['lean_submit_order_network_error'] },
        { adapter: 'alpaca', outcome: 'acknowledged' },
      ]);
    }
    expect(world.twins.lean.log()).toEqual([]);
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E6] opens the breaker after three failures, passes LEAN by without looking, and closes after three good probes', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' } });
    for (let failures = 0; failures < 3; failures += 1)
      await world.order({ symbol: ['AAPL', 'NVDA', 'MSFT'][failures]! });
    const breaker = () =>
      world.rows<{ breaker: string }>(
        `SELECT breaker FROM adapter_states WHERE adapter = 'lean' AND symbol IS NULL AND superseded_at IS NULL`,
      );
    expect(await breaker()).toEqual([{ breaker: 'open' }]);

    await world.minutes(1);
    const before = world.clock.now();
    const passedBy = await world.order();
    expect(await world.execution(passedBy)).toMatchObject({ actual: 'alpaca', reason: 'breaker_open', count: 1 });
    expect(await world.receipts(passedBy)).toMatchObject([{ adapter: 'alpaca', outcome: 'acknowledged' }]);
    // Looking for a lost order would have taken five seconds.
    expect(world.clock.now()).toBe(before);

    await world.faults({ lean: null });
    await world.minutes(5);
    for (const symbol of ['AAPL', 'NVDA', 'MSFT']) {
      const probe = await world.order({ symbol });
      expect(await world.execution(probe)).toMatchObject({ actual: 'lean', count: 0 });
    }
    expect(await breaker()).toEqual([{ breaker: 'closed' }]);
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E6] opens the breaker again, for twice as long, when its probe fails', async () => {
    await start();
    // Its health is no matter here: a runner that is down altogether is disabled by the check.
    await world.faults({ lean: { kind: 'answer', answer: { status: 503, body: { detail: 'unavailable' } } } });
    for (const symbol of ['AAPL', 'NVDA', 'MSFT']) await world.order({ symbol });
    await world.minutes(6);
    await world.order();
    const [opened] = await world.rows<{ opened_at: number }>(
      `SELECT opened_at FROM adapter_states WHERE adapter = 'lean' AND symbol IS NULL AND superseded_at IS NULL`,
    );
    await world.minutes(8);
    const passedBy = await world.order({ symbol: 'NVDA' });
    expect(await world.execution(passedBy)).toMatchObject({ reason: 'breaker_open' });
    expect(world.clock.now() - opened!.opened_at).toBeLessThan(10 * minute);
    await world.minutes(1);
    await world.expectConsistent();
  });
});

describe('an operator and a breaker', () => {
  it('[E6] passes by an adapter an operator disabled for a symbol that had failed on it before', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' } });
    await world.order();
    await world.faults({ lean: null });
    await world.adapter('lean', 'disabled');
    const passedBy = await world.order();
    expect(await world.execution(passedBy)).toMatchObject({ actual: 'alpaca', reason: 'adapter_disabled' });
    await world.minutes(1);
    await world.expectConsistent();
  });
});

describe('controls between decision and claim', () => {
  it.each([
    ['kill_switch', true, 'kill_switch_engaged'],
    ['emergency_stop', true, 'emergency_stop_active'],
    ['trading_enabled', false, 'trading_disabled'],
    ['reduce_only', true, 'reduce_only_active'],
  ] as const)(
    '[E6] refuses an entry when %s is set to %s, before any venue hears of it',
    async (control, engaged, code) => {
      await start();
      const decision = await world.decide();
      await world.control(control, engaged);
      await world.drain();
      expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: [code] });
      expect(await world.receipts(decision)).toMatchObject([{ outcome: 'denied', outcome_codes: [code], io_at: null }]);
      expect(world.twins.lean.log()).toEqual([]);
      expect(world.twins.alpaca.orders()).toEqual([]);
      await world.expectConsistent();
    },
  );

  it('[E6] lets a position be sold while only reducing is allowed', async () => {
    await start();
    await world.order();
    await world.minutes(1);
    await world.control('reduce_only', true);
    const exit = await world.order({ side: 'sell' });
    expect(await world.execution(exit)).toMatchObject({ actual: 'lean' });
    await world.minutes(1);
    expect(await world.decision(exit.id)).toMatchObject({ status: 'filled' });
    await world.expectConsistent();
  });

  it('[E6] refuses a fallback on the second queue when the kill switch was engaged meanwhile', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' } });
    const decision = await world.decide();
    await world.deliver('lean');
    await world.control('kill_switch', true);
    await world.drain();
    expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: ['kill_switch_engaged'] });
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', outcome: 'not_sent' },
      { adapter: 'alpaca', outcome: 'denied', io_at: null },
    ]);
    expect(world.twins.alpaca.orders()).toEqual([]);
  });

  /** Routes to LEAN with something that happens between the claim and the write. */
  const routeAfter = (decision: SeededDecision, happening: () => Promise<void> | void) => {
    const { lean } = world.ports;
    const ledger: typeof lean.ledger = {
      ...lean.ledger,
      markInFlight: async (permit) => {
        await happening();
        return lean.ledger.markInFlight(permit, world.clock.now());
      },
    };
    return routeOrder(decision.request, { ...lean, ledger });
  };

  it.each([
    ['kill_switch', 'kill_switch_engaged'],
    ['emergency_stop', 'emergency_stop_active'],
  ] as const)('[E6] sends nothing when %s is engaged between claim and send', async (control, code) => {
    await start();
    const decision = await world.decide();
    expect(await routeAfter(decision, () => world.control(control, true))).toBe('denied');
    expect(await world.receipts(decision)).toMatchObject([{ state: 'settled', outcome: 'denied', io_at: null }]);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: [code] });
    expect(world.twins.lean.log()).toEqual([]);
    expect(world.twins.alpaca.orders()).toEqual([]);
    await world.expectConsistent();
  });

  it('[E10][E11] sends nothing under a claim that stood still until its lease was over, and once under the next', async () => {
    await start();
    const decision = await world.decide();
    const later = world.clock.now() + 30 * second;
    const marked: (number | null)[] = [];
    const { lean } = world.ports;
    const ledger: typeof lean.ledger = {
      ...lean.ledger,
      markInFlight: async (permit) => {
        world.clock.advanceTo(later);
        const until = await lean.ledger.markInFlight(permit, world.clock.now());
        marked.push(until);
        return until;
      },
    };
    expect(await routeOrder(decision.request, { ...lean, ledger })).toBe('acknowledged');
    expect(marked).toEqual([null, later + 30 * second]);
    expect(await world.receipts(decision)).toMatchObject([{ outcome: 'acknowledged', outcome_codes: [] }]);
    expect(world.twins.lean.log()).toHaveLength(1);
    await world.drain();
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E10][E11] denies, and does not send, an order that expired while its claim stood still', async () => {
    await start();
    const decision = await world.decide();
    world.clock.advanceTo(world.clock.now() + 40 * second);
    const later = world.clock.now() + 21 * second;
    const stand = (): void => {
      world.clock.advanceTo(later);
    };
    expect(await routeAfter(decision, stand)).toBe('denied');
    expect((await world.decision(decision.id)).reasons).toContain('order_message_expired');
    expect(world.twins.lean.log()).toEqual([]);
  });

  it('[E6] moves an order whose own claim on LEAN sent nothing to Alpaca when LEAN is passed by meanwhile', async () => {
    await start();
    const decision = await world.decide();
    const { lean } = world.ports;
    const ledger: typeof lean.ledger = { ...lean.ledger, markInFlight: () => Promise.resolve(null) };
    expect(await routeOrder(decision.request, { ...lean, ledger })).toBe('retry');
    await world.adapter('lean', 'disabled');
    world.clock.advanceTo(world.clock.now() + 31 * second);
    await world.drain();
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', state: 'settled', outcome: 'not_sent', outcome_codes: ['adapter_disabled'] },
      { adapter: 'alpaca', outcome: 'acknowledged' },
    ]);
    expect(await world.execution(decision)).toMatchObject({ actual: 'alpaca', reason: 'adapter_disabled', count: 1 });
    await world.minutes(1);
    await world.expectConsistent();
  });

  it.each([
    ['disabled', 'adapter_disabled'],
    ['manual_review', 'symbol_manual_review'],
    ['canary', 'adapter_disabled'],
  ])('[E6] passes LEAN by, without a look at the broker, when an operator set it to %s', async (state, reason) => {
    await start();
    const decision = await world.decide();
    await world.adapter('lean', state, state === 'manual_review' ? 'AAPL' : null);
    const before = world.clock.now();
    await world.drain();
    expect(await world.execution(decision)).toMatchObject({ expected: 'lean', actual: 'alpaca', reason, count: 1 });
    expect(world.clock.now()).toBe(before);
    expect(world.twins.lean.log()).toEqual([]);
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E6] keeps LEAN for the canary symbols when LEAN as a whole is a canary', async () => {
    await start();
    await world.adapter('lean', 'canary');
    await world.adapter('lean', 'canary', 'NVDA');
    const canary = await world.order({ symbol: 'NVDA' });
    const other = await world.order({ symbol: 'AAPL' });
    expect(await world.execution(canary)).toMatchObject({ actual: 'lean', count: 0 });
    expect(await world.execution(other)).toMatchObject({ actual: 'alpaca', reason: 'adapter_disabled' });
  });

  it('[E6] denies an order when no adapter is left', async () => {
    await start();
    const decision = await world.decide();
    await world.adapter('lean', 'disabled');
    await world.adapter('alpaca', 'disabled');
    await world.drain();
    expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: ['route_unavailable'] });
    await world.expectConsistent();
  });
});
