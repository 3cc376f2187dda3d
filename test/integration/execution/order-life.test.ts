import { decimal, decimalText, followUpOrder, matchLots, minute, second, type Fill } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import type { Disturbance } from '../../../infra/local/twins/index.ts';
import {
  account,
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

/** Rests: a buy below the ask. */
const resting = { limitPrice: '100.00' } as const;
const offer = (): void => {
  world.market.set('AAPL', world.clock.now(), '99.80', '99.95');
};
const disturb = (event: Disturbance): void => {
  expect(world.twins.alpaca.disturb(event)).toEqual({ applied: true, detail: expect.any(String) as unknown });
};
/** Lets time pass; what the market does at its end, and what the broker makes of it, comes last. */
const pass = (seconds: number, atLast: () => void = () => undefined): void => {
  world.clock.advanceTo(world.clock.now() + seconds * second);
  atLast();
  world.twins.alpaca.advance();
};
const breaks = (type: string) =>
  world.rows<{ status: string; severity: string; symbol: string; ours: object; theirs: object }>(
    `SELECT status, severity, symbol, ours, theirs FROM reconciliation_breaks WHERE break_type = $1 ORDER BY created_at`,
    [type],
  );
const chainOf = (decisionId: string) =>
  world.rows<{ state: string; filled_qty: string; expected: string; actual: string; source: string; linked: boolean }>(
    `SELECT e.state, e.filled_qty, e.execution_expected_adapter AS expected, e.execution_actual_adapter AS actual, e.provenance_source AS source,
       e.replaces_id IS NOT DISTINCT FROM before.id AS linked
       FROM executions e LEFT JOIN executions before ON before.replaced_by_id = e.id
      WHERE e.trade_decision_id = $1 ORDER BY e.submitted_at`,
    [decisionId],
  );
const adapterStates = (symbol: string) =>
  world.rows(
    `SELECT adapter, state, health_reason FROM adapter_states WHERE symbol = $1 AND state <> 'enabled' AND superseded_at IS NULL ORDER BY adapter`,
    [symbol],
  );
const underReview = (reason: string) =>
  ['alpaca', 'lean'].map((adapter) => ({ adapter, state: 'manual_review', health_reason: reason }));

describe('an order that is replaced by hand', () => {
  const replace = (body: Readonly<Record<string, unknown>>): void => {
    disturb({ kind: 'external_replace', order: { state: 'open', symbol: 'AAPL' }, body });
    pass(1);
  };

  it('[E10] is followed through three replacements, each linked and under the route of the first', async () => {
    await start();
    const decision = await world.order(resting);
    pass(1);
    for (const price of ['99.99', '99.98', '99.97']) replace({ limit_price: price });
    await world.minutes(1);
    const link = { filled_qty: '0', expected: 'lean', actual: 'lean', linked: true };
    expect(await chainOf(decision.id)).toEqual([
      { ...link, state: 'replaced', source: 'route' },
      { ...link, state: 'replaced', source: 'adopted' },
      { ...link, state: 'replaced', source: 'adopted' },
      { ...link, state: expect.stringMatching(/working|acknowledged/) as unknown, source: 'adopted' },
    ]);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'submitted' });
    expect(await breaks('illegal_transition')).toEqual([]);
    // The last one rests for its own time to live, and is cancelled then.
    await world.minutes(3);
    expect((await chainOf(decision.id)).map(({ state }) => state)).toEqual([
      'replaced',
      'replaced',
      'replaced',
      'canceled',
    ]);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
  });

  it('[E10] keeps what it had filled: quantities add up over the chain', async () => {
    await start({ broker: { partialFillShare: 1 } });
    const decision = await world.order({ ...resting, qty: '2' });
    pass(1, offer);
    await world.minutes(1);
    expect(await world.execution(decision)).toMatchObject({ state: 'partially_filled', filled_qty: '1' });
    replace({ limit_price: '99.90', qty: '2' });
    await world.minutes(1);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'partially_filled' });
    disturb({ kind: 'fill', order: { state: 'open', symbol: 'AAPL' }, price: '99.90' });
    await world.minutes(1);
    const chain = await chainOf(decision.id);
    expect(chain.map(({ state }) => state)).toEqual(['replaced', 'filled']);
    const booked = await world.rows(
      `SELECT sum(f.qty)::text AS qty FROM booked_fills f JOIN executions e ON e.id = f.execution_id WHERE e.trade_decision_id = $1`,
      [decision.id],
    );
    const total = chain.reduce((sum, { filled_qty: qty }) => sum.plus(decimal(qty)), decimal('0'));
    expect(booked).toEqual([{ qty: decimalText(total) }]);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
  });

  it('[E10] is followed later when its successor cannot be read, and stays open until then', async () => {
    await start();
    const decision = await world.order(resting);
    pass(1);
    replace({ limit_price: '99.99' });
    const successor = world.twins.alpaca.orders().at(-1)!;
    disturb({ kind: 'order_vanished', order: successor.id, on: true });
    await world.minutes(1);
    expect((await chainOf(decision.id)).map(({ state }) => state)).not.toContain('replaced');
    disturb({ kind: 'order_vanished', order: successor.id, on: false });
    await world.minutes(1);
    expect((await chainOf(decision.id)).map(({ state }) => state)[0]).toBe('replaced');
    expect(await chainOf(decision.id)).toHaveLength(2);
  });
});

describe('a fill that is taken back or corrected', () => {
  const filled = async (): Promise<{ readonly id: string; readonly clientOrderId: string }> => {
    await start();
    const decision = await world.order({ qty: '2' });
    await world.minutes(1);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '2' });
    return decision;
  };
  const originals = () =>
    world.rows(`SELECT id, qty, price, raw_event FROM execution_order_events WHERE event_type = 'fill'`);
  const lots = async (): Promise<readonly string[]> => {
    const rows = await world.rows<{ id: string; side: 'buy' | 'sell'; qty: string; price: string; at: number }>(
      `SELECT broker_execution_id AS id, side, qty, price, executed_at AS at FROM booked_fills ORDER BY 1`,
    );
    const fills = rows.map(({ id, side, qty, price, at }): Fill => ({
      executionId: id,
      accountLabel: account,
      strategyId: null,
      symbol: 'AAPL' as Fill['symbol'],
      side,
      qty: decimal(qty),
      price: decimal(price),
      executedAt: at,
    }));
    return matchLots(fills).openLots.map(({ qty, price }) => `${decimalText(qty)} at ${decimalText(price)}`);
  };

  it('[E10] by a bust counts no more, leaves the order filled and the first row as it was, and is one open break', async () => {
    const decision = await filled();
    const before = await originals();
    disturb({ kind: 'trade_bust', fill: { newest: true } });
    await world.minutes(3);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '0', avg_fill_price: null });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    expect(await originals()).toEqual(before);
    expect(await lots()).toEqual([]);
    expect(await world.rows(`SELECT sum(signed_qty)::text AS qty FROM fill_movements`)).toEqual([{ qty: '0' }]);
    expect(await world.rows(`SELECT filled_qty, shortfall_notional FROM execution_tca_metrics`)).toEqual([
      { filled_qty: '0', shortfall_notional: '0' },
    ]);
    expect(await breaks('trade_bust')).toMatchObject([{ severity: 'critical', status: 'open', symbol: 'AAPL' }]);
  });

  it('[E10] by a correction counts with the new price and quantity, at the time of the trade', async () => {
    const decision = await filled();
    const [trade] = await world.rows<{ at: number }>(`SELECT event_ts AS at FROM execution_order_events`);
    disturb({ kind: 'trade_correct', fill: { newest: true }, qty: '1', price: '100.01' });
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({
      state: 'filled',
      filled_qty: '1',
      avg_fill_price: '100.01',
    });
    expect(await lots()).toEqual(['1 at 100.01']);
    expect(await world.rows(`SELECT executed_at AS at FROM booked_fills`)).toEqual([trade]);
    expect(await world.rows(`SELECT filled_qty, avg_fill_price FROM execution_tca_metrics`)).toEqual([
      { filled_qty: '1', avg_fill_price: '100.01' },
    ]);
    expect(await breaks('trade_correct')).toMatchObject([{ severity: 'critical', status: 'open' }]);
    // A correction may be corrected again, and busted at last.
    disturb({ kind: 'trade_correct', fill: { newest: true }, price: '100.00' });
    await world.minutes(1);
    expect(await lots()).toEqual(['1 at 100']);
    disturb({ kind: 'trade_bust', fill: { newest: true } });
    await world.minutes(1);
    expect(await lots()).toEqual([]);
    expect(await world.rows(`SELECT sum(signed_qty)::text AS qty FROM fill_movements`)).toEqual([{ qty: '0' }]);
  });

  it('[E10] beyond what was ordered is a critical break, booked as it is', async () => {
    const decision = await filled();
    disturb({ kind: 'overfill', order: decision.clientOrderId, qty: '1' });
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '3' });
    expect(await breaks('overfill')).toMatchObject([
      { severity: 'critical', status: 'open', ours: { submitted_qty: '2' }, theirs: { filled_qty: '3' } },
    ]);
  });
});

it('[E10] an order that the broker filled beyond its quantity is a break, however it becomes known first', async () => {
  await start();
  const decision = await world.order(resting);
  pass(1);
  disturb({ kind: 'fill', order: decision.clientOrderId });
  disturb({ kind: 'overfill', order: decision.clientOrderId, qty: '1' });
  await world.minutes(1);
  expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '2' });
  expect(await breaks('overfill')).toMatchObject([{ severity: 'critical', theirs: { filled_qty: '2' } }]);
});

describe('what follow-ups watch', () => {
  it('[E10] a cancel that sticks is asked for once more after a minute, is a break after five, and heals with its order', async () => {
    await start();
    await world.order(resting);
    disturb({ kind: 'cancels_stick', on: true });
    await world.minutes(4);
    const asked = ['lean', 'lean', 'alpaca'].map((adapter) => ({ adapter }));
    const requests = () =>
      world.rows(`SELECT adapter FROM broker_receipts WHERE operation = 'cancel' ORDER BY fencing_token`);
    // The second time LEAN passes on that one is pending, which settles nothing: the broker is asked itself.
    expect(await requests()).toEqual(asked);
    expect(await breaks('stuck_pending_cancel')).toEqual([]);
    await world.minutes(6);
    expect(await requests()).toEqual(asked);
    expect(await breaks('stuck_pending_cancel')).toMatchObject([{ severity: 'warn', status: 'open', symbol: 'AAPL' }]);
    disturb({ kind: 'cancels_stick', on: false });
    await world.minutes(2);
    expect(await breaks('stuck_pending_cancel')).toMatchObject([{ status: 'healed' }]);
    await world.expectConsistent();
  });

  it('[E10] an outcome unknown for a quarter of an hour closes its symbol, and is still looked for', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'accept_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: { status: 503, body: {} } });
    const decision = await world.order(resting);
    await world.faults({ lean: null });
    await world.minutes(14);
    expect(await breaks('unknown_receipt_aged')).toEqual([]);
    expect(await adapterStates('AAPL')).toEqual([]);
    await world.minutes(2);
    expect(await breaks('unknown_receipt_aged')).toMatchObject([
      { severity: 'critical', status: 'open', symbol: 'AAPL' },
    ]);
    expect(await adapterStates('AAPL')).toEqual(underReview('unknown_receipt_aged'));
    // Whoever it was left to need not come back for it.
    await world.database.owner.query(`UPDATE reconciliation_breaks SET status = 'escalated'`);
    const looks = async () => (await world.receipts(decision))[0]!.fencing_token;
    const before = await looks();
    await world.minutes(2);
    expect(await looks()).toBeGreaterThan(before);
    await world.lookups(null);
    await world.minutes(2);
    expect(await world.receipts(decision)).toMatchObject([{ operation: 'submit', outcome: 'adopted' }, {}]);
    expect(await breaks('unknown_receipt_aged')).toMatchObject([{ status: 'healed' }]);
    // Whether it is safe to trade the symbol again is for a person to say.
    expect(await adapterStates('AAPL')).toEqual(underReview('unknown_receipt_aged'));
  });

  it('[E10] an order the broker does not know closes its symbol', async () => {
    await start();
    const decision = await world.order(resting);
    disturb({ kind: 'order_vanished', order: decision.clientOrderId, on: true });
    await world.minutes(3);
    expect(await breaks('order_missing_at_broker')).toMatchObject([{ severity: 'critical', status: 'open' }]);
    expect(await adapterStates('AAPL')).toEqual(underReview('order_missing_at_broker'));
  });

  it('[E10] an illegal transition met by a follow-up, before any run, is a break and changes nothing', async () => {
    await start({ broker: { partialFillShare: 1 } });
    const decision = await world.order({ ...resting, qty: '2' });
    pass(1, offer);
    await followUpOrder(decision.clientOrderId, world.ports.sync);
    expect(await world.execution(decision)).toMatchObject({ state: 'partially_filled' });
    disturb({ kind: 'order_status', order: decision.clientOrderId, status: 'rejected' });
    await followUpOrder(decision.clientOrderId, world.ports.sync);
    await followUpOrder(decision.clientOrderId, world.ports.sync);
    expect(await world.execution(decision)).toMatchObject({
      state: 'partially_filled',
      broker_status: 'partially_filled',
    });
    const illegal = [
      { status: 'open', severity: 'warn', ours: { state: 'partially_filled' }, theirs: { status: 'rejected' } },
    ];
    expect(await breaks('illegal_transition')).toMatchObject(illegal);
    // The run of the schedule goes on with the one that was opened for it.
    await world.sync();
    expect(await breaks('illegal_transition')).toMatchObject(illegal);
    expect(await world.rows(`SELECT scope, status, breaks FROM reconciliation_runs`)).toEqual([
      { scope: 'orders', status: 'completed', breaks: 1 },
    ]);
  });

  it.each(['entry', 'exit'] as const)(
    'a planned %s that nobody claims is denied after ten minutes, with the reason',
    async (intent) => {
      await start();
      const decision = await world.decide({ intent, side: intent === 'entry' ? 'buy' : 'sell', publish: false });
      await world.database.app.query(`UPDATE outbox SET published_at = now()`);
      await world.minutes(9);
      expect(await world.decision(decision.id)).toMatchObject({ status: 'planned' });
      await world.minutes(2);
      expect(await world.decision(decision.id)).toMatchObject({
        status: 'denied',
        reasons: ['decision_timeout_unsubmitted'],
      });
    },
  );
});

describe('an order whose request arrives after it was proved absent', () => {
  it.each([
    ['rests', resting],
    ['fills at once', {}],
  ])('[E2][E10] and %s is taken in under its receipt, with its decision', async (_title, change) => {
    await start({ waiting: true, settings: { TRADING_EXECUTION_FALLBACK_ADAPTER: 'none' } });
    await world.faults({ lean: { kind: 'refuse_then_timeout' } });
    const decision = await world.order(change);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'denied', reasons: ['route_exhausted'] });
    const { order } = decision.request;
    disturb({
      kind: 'external_order',
      body: {
        symbol: order.symbol,
        side: order.side,
        qty: order.qty,
        type: 'limit',
        time_in_force: 'day',
        limit_price: order.limitPrice,
        client_order_id: order.clientOrderId,
      },
    });
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({
      state: change === resting ? (expect.stringMatching(/working|pending_cancel|canceled/) as unknown) : 'filled',
      expected: 'lean',
      actual: 'lean',
      provenance_source: 'adopted',
    });
    expect((await world.decision(decision.id)).status).not.toBe('denied');
    expect(await world.rows(`SELECT count(*) AS n FROM execution_order_events WHERE execution_id IS NULL`)).toEqual([
      { n: 0 },
    ]);
    expect(await breaks('order_status_mismatch')).toMatchObject([{ status: 'healed', ours: { outcome: 'not_found' } }]);
    await world.expectConsistent();
  });
});

describe('a late order that more than one adapter was asked for', () => {
  const arriveLate = ({ request: { order } }: SeededDecision): void => {
    disturb({
      kind: 'external_order',
      body: {
        symbol: order.symbol,
        side: order.side,
        qty: order.qty,
        type: 'limit',
        time_in_force: 'day',
        limit_price: order.limitPrice,
        client_order_id: order.clientOrderId,
      },
    });
  };

  it('[E2] is Alpaca’s when nothing ever left for LEAN', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'down' }, alpaca: { kind: 'refuse_then_timeout' } });
    const decision = await world.order();
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', outcome: 'not_sent' },
      { adapter: 'alpaca', outcome: 'not_found' },
    ]);
    await world.faults({ lean: null, alpaca: null });
    arriveLate(decision);
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({
      expected: 'lean',
      actual: 'alpaca',
      reason: 'lean_submit_order_network_error',
      count: 1,
    });
    await world.expectConsistent();
  });

  it('[E2] is LEAN’s when LEAN was sent it first; the fallback that was begun stays counted', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'refuse_then_timeout' } });
    const decision = await world.decide();
    await world.deliver('lean');
    await world.faults({ lean: null });
    await world.control('kill_switch', true);
    await world.drain();
    expect(await world.receipts(decision)).toMatchObject([
      { adapter: 'lean', outcome: 'not_found' },
      { adapter: 'alpaca', outcome: 'denied' },
    ]);
    await world.control('kill_switch', false);
    arriveLate(decision);
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({
      expected: 'lean',
      actual: 'lean',
      reason: 'lean_submit_order_timeout',
      count: 1,
    });
  });
});

describe('the end of a session', () => {
  it('[E10] a day order that is still open after the close is followed to its end', async () => {
    await start();
    const decision = await world.order(resting);
    // Before its time to live is over, so that it is the market that ends it.
    disturb({ kind: 'early_close', closeAt: world.clock.now() + 70 * second, announced: true });
    await world.minutes(1);
    expect((await world.execution(decision))?.state).toMatch(/acknowledged|working/);
    await world.minutes(1);
    expect((await world.execution(decision))?.state).toMatch(/^(canceled|expired)$/);
    expect((await world.decision(decision.id)).status).toMatch(/^(canceled|expired)$/);
    expect(await world.receipts(decision)).toMatchObject([{ operation: 'submit' }]);
    expect(await breaks('illegal_transition')).toEqual([]);
  });

  it('[E11] a session that ends early without a word in the calendar leaves no run completed: entries are refused', async () => {
    await start();
    await world.minutes(1);
    disturb({ kind: 'early_close', closeAt: world.clock.now() + minute, announced: false });
    await world.minutes(5);
    const decision = await world.order();
    expect(await world.decision(decision.id)).toMatchObject({ status: 'denied' });
    expect((await world.decision(decision.id)).reasons).toContain('order_sync_stale');
  });
});

describe('a stop of everything', () => {
  it.each(['kill_switch', 'emergency_stop'] as const)(
    '[E6] %s cancels every open order with the next run',
    async (control) => {
      await start();
      const [first, second] = [await world.order(resting), await world.order({ symbol: 'NVDA', limitPrice: '50.00' })];
      pass(1);
      await world.control(control, true);
      await world.minutes(1);
      for (const { id } of [first, second]) expect(await world.decision(id)).toMatchObject({ status: 'canceled' });
      await world.expectConsistent();
    },
  );
});
