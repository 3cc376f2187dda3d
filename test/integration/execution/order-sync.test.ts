import { followUpOrder, minute, second, type ExecutionVenue } from '@torghut/domain';
import { afterEach, describe, expect, it } from 'vitest';
import { startExecution, type ExecutionOptions, type ExecutionWorld } from '../../support/execution.ts';

let world: ExecutionWorld;
const start = async (options: ExecutionOptions = {}): Promise<void> => {
  world = await startExecution(options);
};
afterEach(() => world.close());

/** Rests: a buy below the ask. */
const resting = { limitPrice: '100.00' } as const;
/** A quote that a resting buy meets. */
const offer = (): void => {
  world.market.set('AAPL', world.clock.now(), '99.90', '99.95');
};
const effects = (effect: string) => world.twins.alpaca.log().filter((one) => one.effect === effect);

describe('an order that rests', () => {
  it('[E10] is cancelled after its time to live, read back, and ends canceled', async () => {
    await start();
    const decision = await world.order(resting);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'submitted' });
    await world.minutes(1);
    expect(effects('cancel_requested')).toEqual([]);
    await world.minutes(1);
    expect(effects('cancel_requested')).toHaveLength(1);
    expect(await world.execution(decision)).toMatchObject({
      state: 'canceled',
      broker_status: 'canceled',
      filled_qty: '0',
    });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
    expect(await world.receipts(decision)).toMatchObject([
      { operation: 'submit', outcome: 'acknowledged' },
      { operation: 'cancel', adapter: 'lean', state: 'settled', outcome: 'acknowledged' },
    ]);
    await world.expectConsistent();
  });

  it('is cancelled by its own follow-up when the scheduled runs are missing', async () => {
    await start();
    const decision = await world.order(resting);
    world.clock.advanceTo(world.clock.now() + 120 * second);
    await world.drain();
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
  });

  it('leaves sooner when it is an exit', async () => {
    await start();
    await world.order();
    await world.minutes(1);
    const exit = await world.order({ side: 'sell', limitPrice: '100.50' });
    await world.minutes(1);
    expect(await world.decision(exit.id)).toMatchObject({ status: 'canceled' });
    await world.expectConsistent();
  });

  it('[E10] is cancelled at Alpaca when LEAN, which took it, is gone: the provenance stays', async () => {
    await start();
    const decision = await world.order(resting);
    await world.faults({ lean: { kind: 'down' } });
    await world.minutes(2);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
    expect(await world.execution(decision)).toMatchObject({ expected: 'lean', actual: 'lean', count: 0 });
    await world.expectConsistent();
  });

  it('[E6] is cancelled although the kill switch is engaged', async () => {
    await start();
    const decision = await world.order(resting);
    await world.control('kill_switch', true);
    await world.minutes(2);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
    await world.expectConsistent();
  });

  it('[E10] ends filled when it fills just before the cancel arrives', async () => {
    await start();
    const decision = await world.order(resting);
    world.clock.advanceTo(world.clock.now() + 120 * second);
    const { sync } = world.ports;
    const cancel: ExecutionVenue['cancel'] = (id, permit) => {
      world.clock.advanceTo(world.clock.now() + 1);
      offer();
      return sync.venues.lean.cancel(id, permit);
    };
    await followUpOrder(decision.clientOrderId, { ...sync, venues: { ...sync.venues, lean: { cancel } } });
    expect(await world.receipts(decision)).toMatchObject([{}, { operation: 'cancel', outcome: 'already_satisfied' }]);
    await world.minutes(1);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    await world.expectConsistent();
  });

  it('[E10] ends filled when it fills after the cancel was accepted', async () => {
    await start({ broker: { cancelLatencyMs: 10 * second } });
    const decision = await world.order(resting);
    world.clock.advanceTo(world.clock.now() + 120 * second);
    await world.drain();
    expect(await world.execution(decision)).toMatchObject({ state: 'pending_cancel' });
    world.clock.advanceTo(world.clock.now() + 5 * second);
    offer();
    await world.minutes(1);
    expect(effects('canceled')).toEqual([]);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled', filled_qty: '1' });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    await world.expectConsistent();
  });

  it.each([
    ['before the request was sent', true],
    ['after the request was accepted', false],
  ])('[E10] is cancelled, and the request settled, when the worker dies %s', async (_, before) => {
    await start();
    const decision = await world.order(resting);
    world.clock.advanceTo(world.clock.now() + 120 * second);
    const { sync } = world.ports;
    const cancel: ExecutionVenue['cancel'] = async (id, permit) => {
      if (!before) await sync.venues.lean.cancel(id, permit);
      throw new Error('killed');
    };
    const dying = { ...sync, venues: { ...sync.venues, lean: { cancel } } };
    await expect(followUpOrder(decision.clientOrderId, dying)).rejects.toThrow('killed');
    await world.minutes(2);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
    expect((await world.receipts(decision)).map(({ operation, outcome }) => [operation, outcome])).toEqual(
      before
        ? [
            ['submit', 'acknowledged'],
            ['cancel', 'not_found'],
            ['cancel', 'acknowledged'],
          ]
        : [
            ['submit', 'acknowledged'],
            ['cancel', 'already_satisfied'],
          ],
    );
    await world.expectConsistent();
  });

  it('[E10] settles a cancel whose answer was lost by reading the order back', async () => {
    await start();
    const decision = await world.order(resting);
    const unavailable = { status: 503, body: {} };
    await world.twins.lean.setFault({ kind: 'accept_then_answer', answer: unavailable }, ['cancel_order']);
    await world.twins.alpaca.setFault({ kind: 'accept_then_answer', answer: unavailable }, ['cancel_order']);
    await world.minutes(2);
    expect(await world.receipts(decision)).toMatchObject([
      { operation: 'submit' },
      { operation: 'cancel', outcome: 'already_satisfied', outcome_codes: ['lean_cancel_order_http_503'] },
      { operation: 'cancel', outcome: 'already_satisfied', outcome_codes: ['alpaca_cancel_order_http_503'] },
    ]);
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
    await world.expectConsistent();
  });

  it('[E10] asks for the cancel once while the request is on its way', async () => {
    await start({ broker: { cancelLatencyMs: 5 * minute } });
    await world.order(resting);
    await world.minutes(4);
    expect(effects('cancel_requested')).toHaveLength(1);
  });
});

describe('a fill that is reported after its order ended', () => {
  /** An order that ended here while the broker filled it: what a feed that lags makes of a cancel. */
  const endedOrder = async (qty: '1' | '2', broker: ExecutionOptions['broker'] = {}) => {
    await start({ broker });
    const decision = await world.order({ ...resting, qty });
    await world.database.app.query(`UPDATE executions SET state = 'canceled', broker_status = 'canceled'`);
    world.clock.advanceTo(world.clock.now() + 10 * second);
    offer();
    await world.minutes(1);
    return decision;
  };
  const lateFills = () =>
    world.rows(
      `SELECT b.severity, b.status, b.heal_policy, b.symbol, b.ours, b.theirs, r.breaks, r.healed
         FROM reconciliation_breaks b JOIN reconciliation_runs r ON r.id = b.run_id WHERE b.break_type = 'late_fill'`,
    );

  it('[E10] fills the order and its decision, and is one break, however often it is reported', async () => {
    const decision = await endedOrder('1');
    expect(await world.execution(decision)).toMatchObject({
      state: 'filled',
      filled_qty: '1',
      avg_fill_price: '99.95',
    });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'filled' });
    await world.minutes(2);
    expect(await lateFills()).toEqual([
      {
        severity: 'info',
        status: 'healed',
        heal_policy: 'apply_by_execution_id',
        symbol: 'AAPL',
        ours: { state: 'canceled', filled_qty: '0' },
        theirs: { state: 'filled', filled_qty: '1' },
        breaks: 1,
        healed: 1,
      },
    ]);
  });

  it('[E10] reopens an order that it fills in part, which is followed to its end again', async () => {
    const decision = await endedOrder('2', { partialFillShare: 1 });
    expect(await world.execution(decision)).toMatchObject({ state: 'partially_filled', filled_qty: '1' });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'partially_filled' });
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({ state: 'canceled', filled_qty: '1' });
    expect(await lateFills()).toHaveLength(1);
    await world.expectConsistent();
  });
});

describe('what the sync cannot deal with', () => {
  it('[E10] an order the broker does not know is one critical break; new orders are still taken', async () => {
    await start();
    await world.order(resting);
    await world.database.app.query(`UPDATE executions SET alpaca_order_id = 'gone', client_order_id = 'gone'`);
    await world.minutes(4);
    expect(
      await world.rows(`SELECT break_type, severity, heal_policy, status, order_ref, ours FROM reconciliation_breaks`),
    ).toEqual([
      {
        break_type: 'order_missing_at_broker',
        severity: 'critical',
        heal_policy: 'none',
        status: 'open',
        order_ref: 'gone',
        ours: { state: 'acknowledged' },
      },
    ]);
    const next = await world.order({ symbol: 'NVDA' });
    expect(await world.execution(next)).toMatchObject({ actual: 'lean' });
  });

  it('[E10] a receipt whose request cannot be read stays unknown and holds up no other order', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'accept_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: { status: 503, body: {} } });
    const [broken, sound] = [await world.order(), await world.order({ symbol: 'NVDA' })];
    await world.database.app.query(`UPDATE broker_receipts SET request_json = '{}' WHERE client_order_id = $1`, [
      broken.clientOrderId,
    ]);
    await world.faults({ lean: null });
    await world.lookups(null);
    await world.minutes(2);
    expect(await world.receipts(broken)).toMatchObject([{ outcome: 'unknown' }]);
    expect(await world.receipts(sound)).toMatchObject([{ outcome: 'adopted' }]);
    expect(await world.rows(`SELECT status FROM reconciliation_runs ORDER BY scheduled_for DESC LIMIT 1`)).toEqual([
      { status: 'completed' },
    ]);
  });

  it('[E10] is looked for between two scheduled runs, by a message for each look, while its outcome is unknown', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'accept_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: { status: 503, body: {} } });
    const decision = await world.order();
    const sentAt = (await world.receipts(decision))[0]!.io_at!;
    for (let wait = 0; wait < 35; wait += 1) {
      world.clock.advanceTo(world.clock.now() + second);
      await world.drain();
    }
    const looks = await world.rows<{ at: number }>(
      `SELECT available_at AS at FROM outbox WHERE dedup_id LIKE 'unknown_outcome:%' ORDER BY id`,
    );
    const waits = looks.map(({ at }) => (at - sentAt) / second);
    expect(waits.slice(-3)).toEqual([10, 30, 60]);
  });
});

describe('partial fills', () => {
  it('[E10] keeps what was filled when the rest is cancelled, and books it once', async () => {
    await start({ broker: { partialFillShare: 1 } });
    const decision = await world.order({ ...resting, qty: '2' });
    world.clock.advanceTo(world.clock.now() + 30 * second);
    offer();
    await world.minutes(1);
    expect(await world.execution(decision)).toMatchObject({ state: 'partially_filled', filled_qty: '1' });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'partially_filled' });
    await world.minutes(2);
    expect(await world.execution(decision)).toMatchObject({ state: 'canceled', filled_qty: '1' });
    expect(await world.decision(decision.id)).toMatchObject({ status: 'canceled' });
    await world.expectConsistent();
  });

  it('follows an order through two fills to its end, with the cost of both', async () => {
    await start({ broker: { partialFillShare: 1 } });
    const decision = await world.order({ ...resting, qty: '2' });
    for (let fills = 1; fills <= 2; fills += 1) {
      world.clock.advanceTo(world.clock.now() + 10 * second);
      world.market.set('AAPL', world.clock.now(), '99.80', fills === 1 ? '99.90' : '99.94');
      await world.minutes(1);
    }
    expect(await world.execution(decision)).toMatchObject({
      state: 'filled',
      filled_qty: '2',
      avg_fill_price: '99.92',
    });
    expect(
      await world.rows(
        `SELECT event_type, qty FROM execution_order_events WHERE client_order_id = $1 ORDER BY event_ts`,
        [decision.clientOrderId],
      ),
    ).toEqual([
      { event_type: 'partial_fill', qty: '1' },
      { event_type: 'fill', qty: '1' },
    ]);
    expect(await world.rows(`SELECT filled_qty, avg_fill_price, slippage_bps FROM execution_tca_metrics`)).toEqual([
      { filled_qty: '2', avg_fill_price: '99.92', slippage_bps: '-8' },
    ]);
    await world.expectConsistent();
  });
});

describe('what is read back', () => {
  it('[E10] books each fill once, however often the broker reports it', async () => {
    await start();
    await world.order();
    await world.order({ symbol: 'NVDA', qty: '3' });
    await world.minutes(5);
    expect(await world.rows(`SELECT count(*) AS n FROM execution_order_events WHERE event_type = 'fill'`)).toEqual([
      { n: 2 },
    ]);
    expect(await world.rows(`SELECT count(*) AS n FROM account_activities`)).toEqual([{ n: 2 }]);
    expect(await world.rows(`SELECT count(*) AS n FROM execution_tca_metrics`)).toEqual([{ n: 2 }]);
    await world.expectConsistent();
  });

  it('links a fill to its order although the fill was reported while the outcome of the order was unknown', async () => {
    await start({ waiting: true });
    await world.faults({ lean: { kind: 'accept_then_timeout' } });
    await world.lookups({ kind: 'answer', answer: { status: 503, body: {} } });
    const decision = await world.order();
    await world.minutes(2);
    expect(await world.rows(`SELECT execution_id FROM execution_order_events`)).toEqual([{ execution_id: null }]);
    await world.faults({ lean: null });
    await world.lookups(null);
    await world.minutes(3);
    expect(
      await world.rows(
        `SELECT e.client_order_id FROM execution_order_events v JOIN executions e ON e.id = v.execution_id`,
      ),
    ).toEqual([{ client_order_id: decision.clientOrderId }]);
    expect(await world.rows(`SELECT count(*) AS n FROM execution_tca_metrics`)).toEqual([{ n: 1 }]);
    await world.expectConsistent();
  });

  it('[E2] never changes the provenance of an order', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' } });
    const decision = await world.order({ ...resting });
    const provenanceOf = async () => {
      const { expected, actual, reason, count, raw_order: raw } = (await world.execution(decision))!;
      return { expected, actual, reason, count, raw };
    };
    const written = await provenanceOf();
    await world.faults({ lean: null });
    offer();
    await world.minutes(4);
    expect(await world.execution(decision)).toMatchObject({ state: 'filled' });
    expect(await provenanceOf()).toEqual(written);
    await expect(
      world.database.app.query(
        `UPDATE executions SET execution_actual_adapter = 'lean', execution_fallback_count = 0, execution_fallback_reason = NULL`,
      ),
    ).rejects.toThrow(/provenance/);
    await world.expectConsistent();
  });

  it('writes the cost of an order against its decision: arrival price, slippage and delays', async () => {
    await start();
    const decision = await world.order({ qty: '2' });
    await world.minutes(1);
    expect(
      await world.rows(
        `SELECT side, arrival_price, arrival_source, avg_fill_price, filled_qty, signed_qty, slippage_bps, expected_slippage_bps,
           divergence_bps, shortfall_notional, churn_qty, decision_to_ack_ms, decision_to_fill_ms
         FROM execution_tca_metrics WHERE trade_decision_id = $1`,
        [decision.id],
      ),
    ).toEqual([
      {
        side: 'buy',
        arrival_price: '100',
        arrival_source: 'trade_decisions.reference_price',
        avg_fill_price: '100.02',
        filled_qty: '2',
        signed_qty: '2',
        slippage_bps: '2',
        expected_slippage_bps: '4',
        divergence_bps: '-2',
        shortfall_notional: '0.04',
        churn_qty: '0',
        decision_to_ack_ms: 0,
        decision_to_fill_ms: 0,
      },
    ]);
  });

  it('snapshots the account once a minute, again when something changed, and the start of the day once', async () => {
    await start();
    await world.order({ qty: '2' });
    await world.minutes(2);
    expect(await world.rows(`SELECT kind, count(*) AS n FROM position_snapshots GROUP BY kind ORDER BY kind`)).toEqual([
      { kind: 'cycle', n: 4 },
      { kind: 'day_start', n: 1 },
    ]);
    const [latest] = await world.rows<{ cash: string; positions: { symbol: string; qty: string }[] }>(
      `SELECT cash, positions FROM position_snapshots WHERE kind = 'cycle' ORDER BY as_of DESC LIMIT 1`,
    );
    expect(latest).toMatchObject({ cash: '99799.96', positions: [{ symbol: 'AAPL', qty: '2' }] });
  });

  it('[E11] refuses new exposure while the account cannot be read, and says which fact was old', async () => {
    await start();
    await world.twins.alpaca.setFault({ kind: 'answer', answer: { status: 500, body: {} } }, ['account', 'positions']);
    await world.minutes(2);
    const stale = await world.order();
    expect(await world.decision(stale.id)).toMatchObject({ status: 'denied', reasons: ['account_snapshot_stale'] });
    await world.minutes(2);
    const older = await world.order();
    expect(await world.decision(older.id)).toMatchObject({
      status: 'denied',
      reasons: ['account_snapshot_stale', 'order_sync_stale'],
    });
    const [run] = await world.rows<{ status: string; sources: object }>(
      `SELECT status, sources FROM reconciliation_runs ORDER BY scheduled_for DESC LIMIT 1`,
    );
    expect(run).toMatchObject({
      status: 'failed',
      sources: { account: { complete: false }, activities: { complete: true } },
    });
    await world.expectConsistent();
  });
});

describe('the calendar', () => {
  it('is the one of the broker, for three weeks ahead, with closed days as rows', async () => {
    await start();
    const days = await world.rows<{ session_date: string; kind: string; source: string }>(
      `SELECT session_date, kind, source FROM market_calendar ORDER BY session_date`,
    );
    expect(days[0]).toEqual({ session_date: '2026-02-12', kind: 'full', source: 'alpaca' });
    expect(days.at(-1)).toMatchObject({ session_date: '2026-03-05' });
    // Presidents' Day.
    expect(days.find(({ session_date: date }) => date === '2026-02-16')).toMatchObject({ kind: 'closed' });
    expect(days).toHaveLength(22);
  });

  it('falls back to the rules while the broker is down, and takes its word once it answers', async () => {
    await start({ calendarFromBroker: false });
    const sources = () => world.rows(`SELECT DISTINCT source FROM market_calendar`);
    expect(await sources()).toEqual([{ source: 'fallback' }]);
    const decision = await world.order();
    expect(await world.execution(decision)).toMatchObject({ actual: 'lean' });
    await world.twins.alpaca.setFault(null);
    await world.minutes(1);
    expect(await sources()).toEqual([{ source: 'alpaca' }]);
  });
});
