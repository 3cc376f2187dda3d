import { second, type Ticker } from '@torghut/domain';
import { assetLookup } from '@torghut/platform';
import { afterEach, describe, expect, it } from 'vitest';
import { readRiskFacts } from '../../../layers/platform/src/postgres/risk-facts.ts';
import {
  account,
  startExecution,
  type DecisionChange,
  type ExecutionOptions,
  type ExecutionWorld,
} from '../../support/execution.ts';

let world: ExecutionWorld;
const start = async (options: ExecutionOptions = {}): Promise<void> => {
  world = await startExecution(options);
};
afterEach(() => world.close());

/** Time passes, but not to the next run of the order sync. */
const later = (): void => {
  world.clock.advanceTo(world.clock.now() + second);
};
/** The end of an order, learned from its own follow-up and not from a run that takes a snapshot. */
const filled = async (change: DecisionChange): Promise<void> => {
  const decision = await world.order(change);
  later();
  const followUp = {
    schema: 'torghut.order-follow-up.v1',
    account_label: account,
    client_order_id: decision.clientOrderId,
    reason: 'time_to_live',
  };
  await world.invoke('followUp', [followUp]);
  expect(await world.execution(decision)).toMatchObject({ state: 'filled' });
};
const facts = () => readRiskFacts(world.database.app, account, world.clock.now(), null);

describe('what was filled since the last snapshot', () => {
  it('[E6] cannot be sold twice', async () => {
    await start();
    await world.order({ qty: '2' });
    await world.minutes(1);
    later();
    await filled({ side: 'sell', qty: '2' });
    later();
    const next = await world.order({ side: 'sell', qty: '2' });
    expect(await world.decision(next.id)).toMatchObject({
      status: 'denied',
      reasons: expect.arrayContaining(['shorts_not_allowed']) as string[],
    });
    await world.minutes(1);
    await world.expectConsistent();
  });

  it('[E6] is an open position to the cap on positions', async () => {
    await start({ settings: { TRADING_MAX_POSITIONS: '1' } });
    later();
    await filled({});
    later();
    const next = await world.order({ symbol: 'NVDA' });
    expect(await world.decision(next.id)).toMatchObject({ status: 'denied', reasons: ['max_positions_exceeded'] });
  });

  it('is counted once: as a commitment first, as a position from the next snapshot on', async () => {
    await start();
    later();
    await filled({ qty: '2' });
    const before = await facts();
    expect(before.commitments.map(({ symbol, qty }) => [symbol, qty.toString()])).toEqual([['AAPL', '2']]);
    expect(before.account?.positions).toEqual([]);
    await world.minutes(1);
    const after = await facts();
    expect(after.commitments).toEqual([]);
    expect(after.account?.positions.map(({ qty }) => qty.toString())).toEqual(['2']);
  });
});

describe('orders of the session', () => {
  it('[E6] counts an order once that LEAN did not take and Alpaca did', async () => {
    await start();
    await world.faults({ lean: { kind: 'down' } });
    await world.order({ qty: '2' });
    expect(await facts()).toMatchObject({ ordersLastMinute: 1, ordersInSession: 1 });
    expect(Number((await facts()).sessionNotional)).toBeCloseTo(200.04);
  });
});

describe('the price of an order without a decision', () => {
  const adopted = (symbol: string, id: string, raw: object) =>
    world.database.app.query(
      `INSERT INTO executions (account_label, alpaca_order_id, client_order_id, attempt, symbol, side, order_type, time_in_force, submitted_qty,
         filled_qty, state, execution_expected_adapter, execution_actual_adapter, provenance_source, route_context, raw_order,
         submitted_at, last_update_at)
       VALUES ($1, $2, $2, 1, $3, 'buy', 'limit', 'day', 1, 0, 'working', 'alpaca', 'alpaca', 'adopted', '{}', $4, $5, $5)`,
      [account, id, symbol, JSON.stringify(raw), new Date(world.clock.now())],
    );

  it('[E6] is its limit, else that of the position, and never zero', async () => {
    await start();
    await world.order({ qty: '2' });
    await world.minutes(1);
    await adopted('NVDA', 'priced', { limit_price: '49.5' });
    await adopted('AAPL', 'held', { limit_price: null });
    await adopted('MSFT', 'unpriced', { limit_price: 'none' });
    const prices = new Map(
      (await facts()).commitments.map(({ symbol, price }) => [symbol as string, Number(price.toString())]),
    );
    expect(prices.get('NVDA')).toBe(49.5);
    expect(prices.get('AAPL')).toBeCloseTo(100, 0);
    expect(prices.get('MSFT')).toBe(1e9);
    const next = await world.order({ symbol: 'NVDA' });
    expect((await world.decision(next.id)).reasons).toContain('gross_exposure_exceeded');
  });
});

describe('an asset the broker does not know', () => {
  it('[E6] is known as not to be traded, which a failed read is not', async () => {
    await start();
    const gone = assetLookup({ asset: () => Promise.resolve({ ok: true, value: null }) }, world.clock);
    expect(await gone('GONE' as Ticker)).toMatchObject({ symbol: 'GONE', active: false, tradable: false });
    const failed = { ok: false, failure: 'timeout', detail: 'no answer' } as const;
    const unread = assetLookup({ asset: () => Promise.resolve(failed) }, world.clock);
    expect(await unread('GONE' as Ticker)).toBeNull();
  });
});
