import {
  decimal,
  defaultLimits,
  fallBack,
  followUpOrder,
  hour,
  minute,
  second,
  syncOrders,
  zero,
  type BrokerOrder,
  type BrokerSession,
  type CalendarDay,
  type CancelOutcome,
  type ExecutionAdapter,
  type FillActivity,
  type Instant,
  type Lookup,
  type OpenExecution,
  type Read,
  type RequestBudget,
  type SourceRecord,
  type SyncPorts,
  type UnresolvedReceipt,
} from '@torghut/domain';
import { describe, expect, it } from 'vitest';
import { countingTelemetry } from '../../support/counting-telemetry.ts';
import { brokerOrder, decidedAt, exchange, executionRequest, waitingClock } from '../routing/fixtures.ts';

const day = 24 * hour;
const request = executionRequest();
const working = brokerOrder(request);
const found = (order: BrokerOrder = working): Lookup => ({ kind: 'found', order, exchange });
const absent: Lookup = { kind: 'absent', exchange };
const failed: Lookup = { kind: 'failed', failure: 'timeout', detail: 'no answer', exchange };
const unread = { ok: false, failure: 'http_503', detail: 'unavailable' } as const;

const receipt = (changes: Partial<UnresolvedReceipt> = {}): UnresolvedReceipt => ({
  permit: { receiptId: 'receipt-1', fencingToken: 3, correlationId: 'torghut-1' },
  adapter: 'lean',
  request,
  sentAt: decidedAt - 6 * second,
  codes: [],
  checks: 0,
  ...changes,
});
const execution = (changes: Partial<OpenExecution> = {}): OpenExecution => ({
  id: 'execution-1',
  clientOrderId: request.order.clientOrderId,
  brokerOrderId: working.id,
  symbol: request.order.symbol,
  state: 'working',
  adapter: 'lean',
  intent: 'entry',
  sentAt: decidedAt,
  cancels: { requests: 0, firstAt: null },
  ...changes,
});
const session = (date: string, openAt: string, closeAt: string): BrokerSession => ({
  date,
  openAt: Date.parse(openAt),
  closeAt: Date.parse(closeAt),
  extendedOpenAt: null,
  extendedCloseAt: null,
  settlementDate: null,
});
const sessionDay: CalendarDay = {
  ...session('2026-02-13', '2026-02-13T14:30:00Z', '2026-02-13T21:00:00Z'),
  kind: 'full',
};
const fill: FillActivity = {
  id: 'fill-1',
  source: 'activities',
  correction: null,
  orderId: working.id,
  symbol: 'NVDA',
  side: 'buy',
  qty: decimal('1'),
  price: decimal('100'),
  cumQty: decimal('1'),
  leavesQty: zero,
  transactionTime: decidedAt,
  raw: {},
};

type Call = readonly [name: string, ...facts: unknown[]];
interface World {
  readonly now?: Instant;
  /** `null`: the run was completed before. */
  readonly runId?: string | null;
  readonly receipts?: readonly UnresolvedReceipt[];
  readonly unreadable?: readonly { readonly receiptId: string; readonly detail: string }[];
  /** Ids of executions and receipts at which a port throws. */
  readonly throwing?: readonly string[];
  /** How long each read of an order takes. */
  readonly readMs?: number;
  readonly listing?: boolean;
  readonly executions?: readonly OpenExecution[];
  /** Answers to lookups by client order id, then to reads of orders; the last one is given again. */
  readonly lookups?: readonly Lookup[];
  readonly orders?: readonly Lookup[];
  readonly cancels?: Partial<Record<ExecutionAdapter, CancelOutcome>>;
  readonly cancelHeld?: boolean;
  readonly current?: boolean;
  readonly absence?: 'fallen_back' | 'denied' | 'superseded';
  readonly applied?: readonly ('applied' | 'unchanged' | 'illegal')[];
  readonly horizon?: { readonly lastDate: string; readonly fetchedAt: Instant } | null;
  readonly sessions?: Read<readonly BrokerSession[]>;
  readonly accountRead?: boolean;
  readonly positionsRead?: boolean;
  readonly fills?: Read<readonly FillActivity[]>;
  readonly lastFillAt?: Instant | null;
  readonly lastCompletedAt?: Instant | null;
  readonly reconciled?: boolean;
  readonly stopped?: boolean;
  /** The broker's list of orders. */
  readonly history?: Read<readonly BrokerOrder[]>;
  readonly openList?: Read<readonly BrokerOrder[]>;
  readonly unlinked?: readonly string[];
  readonly budget?: RequestBudget;
  readonly clockRead?: boolean;
  /** How far our clock is behind the broker's. */
  readonly clockBehind?: number;
  readonly marketOpen?: boolean;
  /** The stored calendar: read before each comparison; the last one is read again. */
  readonly calendars?: readonly (readonly CalendarDay[])[];
}

/** Ports over a scripted world, and every call that changes something or asks the broker. */
const portsOf = (world: World) => {
  const calls: Call[] = [];
  const { clock } = waitingClock(world.now ?? decidedAt);
  const { telemetry, counts } = countingTelemetry();
  const { current = true } = world;
  const record = <T>(result: T, ...call: Call): Promise<T> => {
    calls.push(call);
    return Promise.resolve(result);
  };
  /** The n-th answer for the n-th call of that name; the last one is given again. */
  const answer = <T>(answers: readonly T[], name: string, otherwise: T): T =>
    answers[calls.filter(([called]) => called === name).length] ?? answers.at(-1) ?? otherwise;
  const calendar: CalendarDay[] = [];
  const finished: {
    sources?: Readonly<Record<string, SourceRecord>>;
    checked?: number;
    completed?: boolean;
  } = {};
  const ours = <T extends { readonly clientOrderId?: string | null }>(rows: readonly T[]): Promise<readonly T[]> =>
    Promise.resolve(rows);
  const fails = (id: string): Promise<never> | null =>
    world.throwing?.includes(id) === true ? Promise.reject(new Error(`${id} fails`)) : null;
  const canceled: CancelOutcome = { kind: 'requested', exchange };
  const cancelAt = (adapter: ExecutionAdapter) => ({
    cancel: (id: string) => record(world.cancels?.[adapter] ?? canceled, 'cancel', adapter, id),
  });
  const ports: SyncPorts = {
    orders: {
      beginRun: () => Promise.resolve(world.runId === undefined ? 'run-1' : world.runId),
      finishRun: (id, result) => {
        Object.assign(finished, result);
        return record(undefined, 'finishRun', id);
      },
      lastCompletedRunAt: () => Promise.resolve(world.lastCompletedAt ?? null),
      isStopped: () => Promise.resolve(world.stopped === true),
      calendarDays: () =>
        record(
          new Map(
            answer(world.calendars ?? [[sessionDay]], 'calendarDays', [sessionDay]).map((one) => [one.date, one]),
          ),
          'calendarDays',
        ),
      calendarHorizon: () =>
        Promise.resolve(world.horizon === undefined ? { lastDate: '2026-03-05', fetchedAt: decidedAt } : world.horizon),
      saveCalendar: (days, source, fetchedAt) => {
        calendar.push(...days);
        return record(undefined, 'saveCalendar', source, fetchedAt);
      },
      saveSnapshot: (account, positions, asOf, dayBegunAt) =>
        record(
          undefined,
          'saveSnapshot',
          account.equity.toFixed(),
          positions.length,
          dayBegunAt === null ? null : dayBegunAt - asOf,
        ),
      takeUnresolved: (_now, limit, clientOrderId) =>
        record(
          { receipts: world.receipts ?? [], unreadable: world.unreadable ?? [] },
          'takeUnresolved',
          limit,
          clientOrderId ?? null,
        ),
      recheckLater: (_receipt, isAbsent, { nextCheckAt }) =>
        record(undefined, 'recheckLater', isAbsent, nextCheckAt - (world.now ?? decidedAt)),
      openExecutions: () =>
        world.listing === false ? Promise.reject(new Error('no listing')) : ours(world.executions ?? []),
      applyOrder: (id, order, runId) =>
        fails(id) ??
        record(answer(world.applied ?? [], 'applyOrder', 'unchanged' as const), 'applyOrder', id, order.status, runId),
      recordForeign: (order, difference) => record(undefined, 'recordForeign', order.id, difference),
      recordStuckCancel: (one, since, runId) =>
        record(undefined, 'recordStuckCancel', one.id, since - decidedAt, runId),
      adoptReplacement: (id, order) =>
        record(execution({ id: `${id}/${order.id}`, brokerOrderId: order.id }), 'adoptReplacement', id, order.id),
      unlinkedOrders: () => Promise.resolve(world.unlinked ?? []),
      adoptStrays: (found) =>
        record(
          found.length,
          'adoptStrays',
          found.map(({ id }) => id),
        ),
      reviewFollowUps: (runId) => record(undefined, 'reviewFollowUps', runId),
      recordMissing: (one, runId) => record(undefined, 'recordMissing', one.id, runId),
      claimCancel: (one) =>
        record(
          world.cancelHeld === true ? null : { receiptId: 'cancel-1', fencingToken: 4, correlationId: 'torghut-2' },
          'claimCancel',
          one.id,
        ),
      settleCancel: (_permit, adapter, outcome) => record(undefined, 'settleCancel', adapter, outcome.kind),
      lastFillAt: () => Promise.resolve(world.lastFillAt ?? null),
      bookFills: (fills) =>
        record(
          { booked: fills.length, duplicate: 0, late: 0, outOfOrder: 0, firstFills: [] },
          'bookFills',
          fills.map(({ id }) => id),
        ),
      denyUnclaimed: (_now, olderThanSeconds) => record(0, 'denyUnclaimed', olderThanSeconds),
    },
    executions: {
      claim: () => Promise.reject(new Error('the sync claims no submit')),
      markInFlight: () => Promise.reject(new Error('the sync sends nothing')),
      release: () => Promise.reject(new Error('the sync releases nothing')),
      settleRejected: () => Promise.reject(new Error('the sync rejects nothing')),
      settleUnknown: () => Promise.reject(new Error('what is unknown stays so')),
      settleOrder: (permit, { outcome, provenance, codes, verdict }) =>
        fails(permit.receiptId) ?? record(current, 'settleOrder', outcome, provenance, codes, verdict),
      settleAbsent: (_permit, { failure }) => record(world.absence ?? 'fallen_back', 'settleAbsent', failure),
    },
    broker: {
      getOrderByClientOrderId: (id) => record(answer(world.lookups ?? [], 'lookUp', failed), 'lookUp', id),
      getOrder: async (id) => {
        await clock.sleep(world.readMs ?? 0);
        return record(answer(world.orders ?? [], 'getOrder', failed), 'getOrder', id);
      },
      account: () =>
        Promise.resolve(
          world.accountRead === false
            ? unread
            : {
                ok: true,
                value: {
                  status: 'ACTIVE',
                  equity: decimal('10000'),
                  lastEquity: decimal('10000'),
                  cash: decimal('10000'),
                  buyingPower: decimal('10000'),
                  longMarketValue: zero,
                  shortMarketValue: zero,
                  maintenanceMargin: zero,
                  tradingBlocked: false,
                  shortingEnabled: false,
                },
              },
        ),
      positions: () => Promise.resolve(world.positionsRead === false ? unread : { ok: true, value: [] }),
      fillsAfter: (after) =>
        record(world.fills ?? ({ ok: true, value: [] } as const), 'fillsAfter', after - (world.now ?? decidedAt)),
      sessions: (from, to) => record(world.sessions ?? unread, 'sessions', from, to),
      asset: () => Promise.resolve(unread),
      marketClock: () =>
        Promise.resolve(
          world.clockRead === false
            ? unread
            : {
                ok: true,
                value: { at: (world.now ?? decidedAt) + (world.clockBehind ?? 0), isOpen: world.marketOpen ?? true },
              },
        ),
      rateLimit: () => world.budget ?? null,
      listOrders: () => Promise.resolve(world.openList ?? { ok: true, value: [] }),
      ordersFrom: async function* (from) {
        yield await record(
          world.history ?? ({ ok: true, value: [] } as const),
          'ordersFrom',
          (from ?? 0) - (world.now ?? decidedAt),
        );
      },
    },
    reconcileAfterGap: () => record(world.reconciled !== false, 'reconcileAfterGap'),
    venues: { lean: cancelAt('lean'), alpaca: cancelAt('alpaca') },
    clock,
    telemetry,
    limits: defaultLimits,
  };
  return { ports, calls, counts, calendar, finished };
};

const sync = async (world: World = {}) => {
  const made = portsOf(world);
  const result = await syncOrders(decidedAt, made.ports);
  return {
    ...made,
    result,
    names: made.calls.map(([name]) => name),
    call: (name: string): Call | undefined => made.calls.find(([called]) => called === name),
  };
};

describe('a run', () => {
  it('reads every source and is completed when each was read', async () => {
    const { result, finished, calls } = await sync({ fills: { ok: true, value: [fill] } });
    expect(result).toEqual({ resolved: 0, followed: 0, canceled: 0, fillsBooked: 1, completed: true });
    expect(finished).toMatchObject({ checked: 0, completed: true });
    expect(Object.keys(finished.sources ?? {})).toEqual([
      'calendar',
      'clock',
      'receipts',
      'orders',
      'activities',
      'strays',
      'account',
    ]);
    expect(calls).toContainEqual(['saveSnapshot', '10000', 0, 0]);
    expect(calls).toContainEqual(['denyUnclaimed', 600]);
    expect(calls.at(-1)).toEqual(['finishRun', 'run-1']);
  });

  it('that was completed before does nothing', async () => {
    const { result, calls } = await sync({ runId: null, receipts: [receipt()], executions: [execution()] });
    expect(calls).toEqual([]);
    expect(result.completed).toBe(true);
  });

  it.each<[string, World, string]>([
    ['the account', { accountRead: false }, 'account'],
    ['the positions', { positionsRead: false }, 'account'],
    ['the fills', { fills: unread }, 'activities'],
    ['an open order', { executions: [execution()], orders: [failed] }, 'orders'],
    [
      'a fresh open order that the broker does not know yet',
      { executions: [execution()], orders: [absent], lookups: [absent] },
      'orders',
    ],
    [
      'an open order by either of its ids',
      { executions: [execution({ sentAt: decidedAt - hour })], orders: [absent], lookups: [failed] },
      'orders',
    ],
    [
      'one of several open orders',
      { executions: [execution(), execution({ id: 'execution-2' })], orders: [found(), failed] },
      'orders',
    ],
  ])(
    '[E10] that could not read %s is not complete, and what was not read changes nothing',
    async (_title, world, source) => {
      const { result, finished, names } = await sync(world);
      expect(result.completed).toBe(false);
      expect(finished.completed).toBe(false);
      expect(finished.sources?.[source]).toMatchObject({ fetched: true, complete: false });
      expect(names).not.toContain('recordMissing');
      if (source === 'account') expect(names).not.toContain('saveSnapshot');
      if (source === 'activities') expect(names).not.toContain('bookFills');
      // The other sources were still read.
      expect(
        Object.entries(finished.sources ?? {}).flatMap(([name, { complete }]) => (complete ? [] : [name])),
      ).toEqual([source]);
    },
  );

  it.each<[string, World]>([
    ['fills were booked', { fills: { ok: true, value: [fill] } }],
    ['an order changed', { executions: [execution()], orders: [found()], applied: ['applied'] }],
    ['an unknown outcome was resolved', { receipts: [receipt()], lookups: [found()] }],
  ])('snapshots the account before everything else, and once more at the end when %s', async (_title, world) => {
    const { names } = await sync(world);
    expect(names[0]).toBe('saveSnapshot');
    expect(names.filter((name) => name === 'saveSnapshot')).toHaveLength(2);
    expect(names.lastIndexOf('saveSnapshot')).toBeGreaterThan(names.indexOf('fillsAfter'));
  });

  it.each<[string, World, number]>([
    ['ours is four minutes ahead', { clockBehind: -4 * minute }, -4 * minute],
    ['ours is four minutes behind', { clockBehind: 4 * minute }, 4 * minute],
    ['they differ by what an answer may take', { clockBehind: -5_000 }, 0],
    ['the broker’s cannot be read', { clockRead: false }, 0],
  ])('begins the day by the broker’s clock when %s', async (_title, world, difference) => {
    const { calls } = await sync(world);
    expect(calls).toContainEqual(['saveSnapshot', '10000', 0, difference]);
  });

  it('snapshots the account once when nothing changed', async () => {
    const { names } = await sync({ executions: [execution()], orders: [found()] });
    expect(names.filter((name) => name === 'saveSnapshot')).toHaveLength(1);
  });

  it('[E10] goes on with the other orders, the fills and the account when one order cannot be applied', async () => {
    const { result, finished, names, calls } = await sync({
      executions: [execution(), execution({ id: 'execution-2' })],
      orders: [found()],
      throwing: ['execution-1'],
      fills: { ok: true, value: [fill] },
    });
    expect(calls).toContainEqual(['applyOrder', 'execution-2', 'new', 'run-1']);
    expect(names).toEqual(expect.arrayContaining(['bookFills', 'saveSnapshot', 'denyUnclaimed', 'finishRun']));
    expect(result).toMatchObject({ fillsBooked: 1, completed: false });
    expect(finished.sources?.['orders']?.detail).toBe('1 failed, 0 not reached in time');
  });

  it('[E10] is completed although one receipt cannot be settled and another cannot be read, and says so', async () => {
    const second = receipt({ permit: { receiptId: 'receipt-2', fencingToken: 4, correlationId: 'torghut-2' } });
    const { result, finished } = await sync({
      receipts: [receipt(), second],
      unreadable: [{ receiptId: 'receipt-3', detail: 'not a request' }],
      lookups: [found()],
      throwing: ['receipt-1'],
    });
    expect(result).toMatchObject({ resolved: 1, completed: true });
    expect(finished.sources?.['receipts']).toMatchObject({
      complete: false,
      detail: '2 failed, 0 not reached in time',
    });
  });

  it('[E10] books fills and reads the account when the open orders cannot be listed', async () => {
    const { result, names, finished } = await sync({ listing: false, fills: { ok: true, value: [fill] } });
    expect(names).toEqual(expect.arrayContaining(['bookFills', 'saveSnapshot']));
    expect(finished.sources?.['orders']).toMatchObject({ complete: false, detail: 'no listing' });
    expect(result.completed).toBe(false);
  });

  it('stops following orders after 20 s, so that fills and account are read within the time of the function', async () => {
    const executions = [1, 2, 3, 4].map((n) => execution({ id: `execution-${n}` }));
    const { result, finished, names } = await sync({ executions, orders: [found()], readMs: 10 * second });
    expect(names.filter((name) => name === 'applyOrder')).toHaveLength(2);
    expect(names).toContain('fillsAfter');
    expect(finished.sources?.['orders']?.detail).toBe('0 failed, 2 not reached in time');
    expect(result.completed).toBe(false);
  });

  it('reads fills again from ten minutes before the newest one, or of one day when there is none', async () => {
    const last = await sync({ lastFillAt: decidedAt - minute });
    expect(last.call('fillsAfter')).toEqual(['fillsAfter', -11 * minute]);
    expect((await sync()).call('fillsAfter')).toEqual(['fillsAfter', -(day + 10 * minute)]);
  });
});

describe('a run after a gap', () => {
  const gap = { lastCompletedAt: decidedAt - 5 * minute - 1 };

  it('[E10] compares orders and positions with the broker before it is completed', async () => {
    const { names, result } = await sync(gap);
    expect(names.slice(-2)).toEqual(['reconcileAfterGap', 'finishRun']);
    expect(result.completed).toBe(true);
  });

  it('[E10] is not completed when not all of it could be compared, so that claims stay refused', async () => {
    expect((await sync({ ...gap, reconciled: false })).result.completed).toBe(false);
  });

  it.each<[string, World]>([
    ['five minutes after the last completed run', { lastCompletedAt: decidedAt - 5 * minute }],
    ['when it is the first of all', { lastCompletedAt: null }],
    ['when it could not read everything itself', { ...gap, fills: unread }],
  ])('is none %s', async (_title, world) => {
    expect((await sync(world)).names).not.toContain('reconcileAfterGap');
  });
});

describe('the market clock', () => {
  const closedDay: CalendarDay = {
    date: '2026-02-13',
    kind: 'closed',
    openAt: null,
    closeAt: null,
    extendedOpenAt: null,
    extendedCloseAt: null,
    settlementDate: null,
  };
  const at = (text: string): Instant => Date.parse(`2026-02-13T${text}Z`);

  it.each<[string, World]>([
    ['closed in a session', { marketOpen: false }],
    ['open on a closed day', { marketOpen: true, calendars: [[closedDay]] }],
    ['open on a day without a row', { marketOpen: true, calendars: [[]] }],
    ['open more than a minute after the close', { marketOpen: true, now: at('21:01:01') }],
  ])(
    '[E11] that is %s contradicts the calendar: it is read anew, and the run is not completed',
    async (_title, world) => {
      const { result, names, finished, counts } = await sync(world);
      expect(names).toContain('sessions');
      expect(result.completed).toBe(false);
      expect(finished.sources?.['clock']).toMatchObject({ complete: false });
      expect(counts).toMatchObject({ market_clock_contradictions_total: 1 });
    },
  );

  it('that differs because a session closes early agrees once the calendar is read anew', async () => {
    const early: CalendarDay = { ...sessionDay, kind: 'half', closeAt: at('14:59:00') };
    const { result, names } = await sync({ marketOpen: false, calendars: [[sessionDay], [early]] });
    expect(names).toContain('sessions');
    expect(result.completed).toBe(true);
  });

  it.each<[string, World]>([
    ['agrees', { marketOpen: true }],
    ['is late at the open by less than a minute', { marketOpen: false, now: at('14:30:59') }],
    ['is early at the close by a minute', { marketOpen: false, now: at('20:59:00') }],
    ['cannot be read', { clockRead: false }],
  ])('that %s contradicts nothing', async (_title, world) => {
    const { result, names } = await sync(world);
    expect(result.completed).toBe(true);
    expect(names).not.toContain('sessions');
  });
});

describe('an order that was held for absent', () => {
  const stray = brokerOrder(request, { id: 'stray' });

  it('[E2] is looked for among the open orders and those with fills nobody could link', async () => {
    const { calls, names } = await sync({
      openList: { ok: true, value: [stray] },
      unlinked: ['filled'],
      orders: [found(brokerOrder(request, { id: 'filled', status: 'filled' }))],
    });
    expect(calls).toContainEqual(['adoptStrays', ['stray', 'filled']]);
    expect(names.filter((name) => name === 'saveSnapshot')).toHaveLength(2);
  });

  it('is not looked for when the broker lists nothing, and a failed list does not fail the run', async () => {
    expect((await sync()).names).not.toContain('adoptStrays');
    const failedList = await sync({ openList: unread });
    expect(failedList.finished.sources?.['strays']).toMatchObject({ complete: false });
    expect(failedList.result.completed).toBe(true);
  });
});

describe('a write whose outcome is unknown', () => {
  const provenance = { expected: 'lean', actual: 'lean', fallbackReason: null, fallbackCount: 0, source: 'adopted' };

  it('[E2][E10] is adopted when its order is found', async () => {
    const { result, call, counts } = await sync({ receipts: [receipt()], lookups: [found()] });
    expect(result.resolved).toBe(1);
    expect(call('settleOrder')).toEqual([
      'settleOrder',
      'adopted',
      provenance,
      ['lean_submit_order_timeout'],
      'unobserved',
    ]);
    expect(counts).toMatchObject({ orders_adopted_total: 1 });
  });

  it('[E2] a late LEAN order that collided at the broker is adopted as LEAN’s, the attempted fallback counted', async () => {
    const route = fallBack(request.route, {
      adapter: 'lean',
      code: 'lean_submit_order_timeout',
      at: decidedAt,
      receiptId: '6f1f1d62-51b9-4f43-9f0c-0d3b6b6f9a11',
      sent: true,
    });
    const collided = receipt({
      adapter: 'alpaca',
      request: executionRequest({ route }),
      codes: ['alpaca_submit_order_duplicate'],
      checks: 9,
    });
    const { call } = await sync({ receipts: [collided], lookups: [found()] });
    expect(call('settleOrder')).toEqual([
      'settleOrder',
      'adopted',
      { ...provenance, fallbackReason: 'lean_submit_order_timeout', fallbackCount: 1 },
      [],
      'unobserved',
    ]);
    // Called known and found absent at once: a contradiction, so it is looked for again and again.
    const contradiction = await sync({ receipts: [collided], lookups: [absent] });
    expect([contradiction.result.resolved, contradiction.names.includes('settleAbsent')]).toEqual([0, false]);
    expect(contradiction.names).toContain('recheckLater');
  });

  it('[E10] is not adopted, and is a break, when another order stands under its id', async () => {
    const foreign = brokerOrder(request, { id: 'foreign', side: 'sell', qty: decimal('40') });
    for (const world of [
      { lookups: [{ kind: 'found', order: foreign, exchange }] },
      { lookups: [absent], history: { ok: true, value: [foreign] } },
    ] as const) {
      const { result, call, names } = await sync({
        receipts: [receipt({ checks: 2, sentAt: decidedAt - 6 * second })],
        ...world,
      });
      expect(result.resolved).toBe(0);
      expect(names).not.toContain('settleOrder');
      expect(call('recordForeign')).toEqual(['recordForeign', 'foreign', 'expected side buy, found sell']);
      expect(call('recheckLater')?.[1]).toBe(false);
    }
  });

  it('[E2][E10] is passed on for the reason its receipt recorded, after the third look that finds nothing', async () => {
    const lost = receipt({ checks: 2, codes: ['lean_submit_order_http_502'] });
    const { result, call } = await sync({ receipts: [lost], lookups: [absent] });
    expect(result.resolved).toBe(1);
    expect(call('settleAbsent')).toEqual([
      'settleAbsent',
      { adapter: 'lean', code: 'lean_submit_order_http_502', at: decidedAt, receiptId: 'receipt-1', sent: true },
    ]);
  });

  it('[E2] is passed on as never sent when no connection had opened for it', async () => {
    const codes = ['lean_submit_order_network_error', 'not_sent'];
    const { call } = await sync({ receipts: [receipt({ checks: 2, codes })], lookups: [absent] });
    expect(call('settleAbsent')?.[1]).toMatchObject({ code: 'lean_submit_order_network_error', sent: false });
  });

  const lost = receipt({ checks: 2, sentAt: decidedAt - 6 * second });

  it('[E2][E10] is adopted when the list shows what no lookup found', async () => {
    const { result, call, names } = await sync({
      receipts: [lost],
      lookups: [absent],
      history: { ok: true, value: [brokerOrder(request, { id: 'other', clientOrderId: 'other' }), working] },
    });
    expect(call('ordersFrom')).toEqual(['ordersFrom', -(5 * minute + 6 * second)]);
    expect(call('settleOrder')?.slice(0, 3)).toEqual(['settleOrder', 'adopted', provenance]);
    expect(names).not.toContain('settleAbsent');
    expect(result.resolved).toBe(1);
  });

  it('[E2][E10] is not taken for absent when the list cannot be read', async () => {
    const { result, names } = await sync({ receipts: [lost], lookups: [absent], history: unread });
    expect(result.resolved).toBe(0);
    expect(names).toContain('recheckLater');
    expect(names).not.toContain('settleAbsent');
  });

  it('[E10] is never taken for absent by the list alone', async () => {
    const { names } = await sync({ receipts: [receipt({ checks: 1 })], lookups: [absent] });
    expect(names).not.toContain('ordersFrom');
    expect(names).not.toContain('settleAbsent');
  });

  it.each<[string, Partial<UnresolvedReceipt>, Lookup]>([
    ['after the first look', { checks: 0 }, absent],
    ['after the second look', { checks: 1 }, absent],
    ['within five seconds of the write', { checks: 5, sentAt: decidedAt - 5 * second + 1 }, absent],
    ['when the look failed', { checks: 5 }, failed],
  ])('[E10] is not taken for absent %s', async (_title, changes, lookup) => {
    const { result, names, call } = await sync({ receipts: [receipt(changes)], lookups: [lookup] });
    expect(result.resolved).toBe(0);
    expect(names).not.toContain('settleAbsent');
    expect(call('recheckLater')?.[1]).toBe(lookup.kind === 'absent');
  });

  it.each([
    [0, 1],
    [1, 1],
    [4.5, 0.5],
    [5, 5],
    [10, 20],
    [30, 30],
    [59, 1],
    [60, 60],
    [3_600, 60],
  ])(
    'is looked for 1, 2, 5, 10, 30 and 60 s after it was sent, then every minute: after %s s again in %s s',
    async (age, wait) => {
      const { call } = await sync({ receipts: [receipt({ sentAt: decidedAt - age * second })], lookups: [failed] });
      expect(call('recheckLater')).toEqual(['recheckLater', false, wait * second]);
    },
  );

  it('settled by another worker meanwhile is not counted as resolved', async () => {
    expect((await sync({ receipts: [receipt()], lookups: [found()], current: false })).result.resolved).toBe(0);
    const lost = { receipts: [receipt({ checks: 2 })], lookups: [absent], absence: 'superseded' } as const;
    expect((await sync(lost)).result.resolved).toBe(0);
  });
});

describe('an open order', () => {
  const old = { sentAt: decidedAt - 120 * second };
  const unknownCancel: CancelOutcome = { kind: 'unknown', failure: 'timeout', detail: 'no answer', exchange };
  const gone = found(brokerOrder(request, { status: 'canceled' }));

  it('is read back at the broker and applied', async () => {
    const { result, calls } = await sync({ executions: [execution()], orders: [found()], applied: ['applied'] });
    expect(result).toMatchObject({ followed: 1, canceled: 0, completed: true });
    expect(calls).toContainEqual(['applyOrder', 'execution-1', 'new', 'run-1']);
  });

  it.each<[string, Partial<OpenExecution>, boolean]>([
    ['an entry of 120 s', { intent: 'entry', ...old }, true],
    ['an entry of less', { intent: 'entry', sentAt: old.sentAt + 1 }, false],
    ['an exit of 60 s', { intent: 'exit', sentAt: decidedAt - 60 * second }, true],
    ['an exit of less', { intent: 'exit', sentAt: decidedAt - 60 * second + 1 }, false],
    ['a reduction of 60 s', { intent: 'reduce', sentAt: decidedAt - 60 * second }, true],
  ])('that rested for its time to live is cancelled: %s, %s', async (_title, changes, cancels) => {
    const { names } = await sync({ executions: [execution(changes)], orders: [found()] });
    expect(names.includes('cancel')).toBe(cancels);
  });

  it.each<[string, Partial<RequestBudget>, Partial<OpenExecution>, boolean, boolean]>([
    ['with requests to spare', { remaining: 51 }, {}, false, true],
    ['that is not due, with a quarter of the requests left,', {}, {}, false, false],
    ['once the minute of those requests is over', { resetAt: decidedAt }, {}, false, true],
    ['whose time to live is over, with no request left,', { remaining: 0 }, old, false, true],
    ['whose cancel is pending, with no request left,', { remaining: 0 }, { state: 'pending_cancel' }, false, true],
    ['under a kill switch, with no request left,', { remaining: 0 }, {}, true, true],
  ])('%s is looked at as the budget of requests allows', async (_title, budget, changes, stopped, looked) => {
    const { names, result } = await sync({
      budget: { limit: 200, remaining: 50, resetAt: decidedAt + 1, ...budget },
      executions: [execution(changes)],
      orders: [found()],
      stopped,
    });
    expect([names.includes('getOrder'), result.completed]).toEqual([looked, looked]);
  });

  it('is looked for whatever the budget of requests, while its outcome is unknown', async () => {
    const { names } = await sync({
      budget: { limit: 200, remaining: 0, resetAt: decidedAt + minute },
      receipts: [receipt()],
      lookups: [found()],
    });
    expect(names).toContain('lookUp');
  });

  it('is read back after its cancel: a request is not an outcome', async () => {
    const { result, names, calls } = await sync({
      executions: [execution(old)],
      orders: [found(), gone],
      applied: ['unchanged', 'applied'],
    });
    expect(names.filter((name) => /order$|cancel/i.test(name))).toEqual([
      'getOrder',
      'applyOrder',
      'claimCancel',
      'cancel',
      'settleCancel',
      'getOrder',
      'applyOrder',
    ]);
    expect(calls).toContainEqual(['cancel', 'lean', working.id]);
    expect(calls).toContainEqual(['applyOrder', 'execution-1', 'canceled', 'run-1']);
    expect(result).toMatchObject({ followed: 1, canceled: 1 });
  });

  it('[E10] whose cancel LEAN did not answer is cancelled at Alpaca at once', async () => {
    const { result, calls } = await sync({
      executions: [execution(old)],
      orders: [found(), gone],
      cancels: { lean: unknownCancel },
    });
    expect(calls.filter(([name]) => name === 'cancel')).toEqual([
      ['cancel', 'lean', working.id],
      ['cancel', 'alpaca', working.id],
    ]);
    // Each answer is kept under the receipt of the adapter that gave it.
    expect(calls.filter(([name]) => name === 'settleCancel')).toEqual([
      ['settleCancel', 'lean', 'unknown'],
      ['settleCancel', 'alpaca', 'requested'],
    ]);
    expect(result.canceled).toBe(1);
  });

  it('[E10] that LEAN says has ended, and the broker says rests, is cancelled at Alpaca', async () => {
    const ended: CancelOutcome = { kind: 'already_terminal', exchange };
    const { result, calls } = await sync({
      executions: [execution(old)],
      orders: [found(), found(), gone],
      cancels: { lean: ended },
    });
    expect(calls.filter(([name]) => name === 'cancel').map(([, adapter]) => adapter)).toEqual(['lean', 'alpaca']);
    expect(result.canceled).toBe(1);
    const right = await sync({ executions: [execution(old)], orders: [found(), gone], cancels: { lean: ended } });
    expect(right.calls.filter(([name]) => name === 'cancel')).toHaveLength(1);
  });

  it('whose cancel Alpaca did not answer stays unknown, and is not asked for elsewhere', async () => {
    const { result, calls } = await sync({
      executions: [execution({ ...old, adapter: 'alpaca' })],
      orders: [found()],
      cancels: { alpaca: unknownCancel },
    });
    expect(calls.filter(([name]) => name === 'cancel')).toEqual([['cancel', 'alpaca', working.id]]);
    expect(calls).toContainEqual(['settleCancel', 'alpaca', 'unknown']);
    expect(result.canceled).toBe(0);
  });

  it.each<[string, World]>([
    ['while an earlier request is in flight', { orders: [found()], cancelHeld: true }],
    ['when it is done', { orders: [found(brokerOrder(request, { status: 'filled' }))] }],
    ['when its cancel is pending', { orders: [found(brokerOrder(request, { status: 'pending_cancel' }))] }],
    ['when its status is a word we do not know', { orders: [found(brokerOrder(request, { status: 'on_hold' }))] }],
    ['when it could not be read', { orders: [failed] }],
  ])('is not cancelled %s', async (_title, world) => {
    const { names } = await sync({ executions: [execution(old)], ...world });
    expect(names).not.toContain('cancel');
  });

  it('[E10] that the broker knows by neither id after a minute is a break, and the run is completed', async () => {
    const world = { orders: [absent], lookups: [absent] };
    const { result, finished, calls } = await sync({
      ...world,
      executions: [execution({ sentAt: decidedAt - minute - 1 })],
    });
    expect(calls).toContainEqual(['recordMissing', 'execution-1', 'run-1']);
    expect(finished).toMatchObject({ checked: 1, completed: true });
    expect(result.completed).toBe(true);
    const fresh = await sync({ ...world, executions: [execution({ sentAt: decidedAt - minute })] });
    expect(fresh.names).not.toContain('recordMissing');
  });

  it('that the broker knows by its client order id only is applied', async () => {
    const { calls, names } = await sync({
      executions: [execution({ sentAt: decidedAt - minute - 1 })],
      orders: [absent],
      lookups: [found()],
    });
    expect(calls).toContainEqual(['applyOrder', 'execution-1', 'new', 'run-1']);
    expect(names).not.toContain('recordMissing');
  });

  it('in an illegal state is counted, whatever follows it in the same run', async () => {
    const illegal = { executions: [execution(old)], orders: [found()], applied: ['illegal', 'unchanged'] } as const;
    for (const world of [illegal, { ...illegal, cancelHeld: true }]) {
      const { finished, counts } = await sync(world);
      expect(finished).toMatchObject({ checked: 1, completed: true });
      expect(counts).toMatchObject({ order_feed_illegal_transition_total: 1 });
    }
  });
});

describe('an order that was replaced at the broker', () => {
  const chain = (...ids: string[]): BrokerOrder[] =>
    ids.map((id, index) =>
      brokerOrder(request, {
        id,
        status: index + 1 < ids.length ? 'replaced' : 'new',
        replacedBy: ids[index + 1] ?? null,
      }),
    );

  it('[E10] is followed to the last of its successors, each taken in before its predecessor ends', async () => {
    const orders = chain(working.id, 'second', 'third', 'fourth');
    const { calls, result } = await sync({ executions: [execution()], orders: orders.map((one) => found(one)) });
    expect(calls.filter(([name]) => /adoptReplacement|applyOrder/.test(name))).toEqual([
      ['adoptReplacement', 'execution-1', 'second'],
      ['applyOrder', 'execution-1', 'replaced', 'run-1'],
      ['adoptReplacement', 'execution-1/second', 'third'],
      ['applyOrder', 'execution-1/second', 'replaced', 'run-1'],
      ['adoptReplacement', 'execution-1/second/third', 'fourth'],
      ['applyOrder', 'execution-1/second/third', 'replaced', 'run-1'],
      ['applyOrder', 'execution-1/second/third/fourth', 'new', 'run-1'],
    ]);
    expect(result.completed).toBe(true);
  });

  it('[E10] stays open while one of its successors cannot be read', async () => {
    const [first, second] = chain(working.id, 'second', 'third');
    const { names, result } = await sync({ executions: [execution()], orders: [found(first), found(second), failed] });
    expect(names).not.toContain('adoptReplacement');
    expect(names).not.toContain('applyOrder');
    expect(result.completed).toBe(false);
  });

  it('[E10] ends a run although the orders replace each other in a circle', async () => {
    const circle = brokerOrder(request, { status: 'replaced', replacedBy: working.id });
    const { names, result } = await sync({ executions: [execution()], orders: [found(circle)] });
    expect(names).not.toContain('applyOrder');
    expect(result.completed).toBe(false);
  });
});

describe('a cancel that stays pending', () => {
  const pending = [found(brokerOrder(request, { status: 'pending_cancel', updatedAt: decidedAt - 10 * minute }))];
  const asked = (requests: number, age: number) => ({
    executions: [execution({ sentAt: decidedAt - hour, cancels: { requests, firstAt: decidedAt - age * second } })],
    orders: pending,
  });

  it.each<[string, number, number, boolean]>([
    ['not within the first minute', 1, 60, false],
    ['after more than a minute', 1, 60.001, true],
    ['once and no more', 2, 299, false],
  ])('[E10] is asked for again %s', async (_title, requests, age, again) => {
    const { names } = await sync(asked(requests, age));
    expect(names.includes('cancel')).toBe(again);
    expect(names).not.toContain('recordStuckCancel');
  });

  it('[E10] is a break after five minutes', async () => {
    expect((await sync(asked(2, 300))).calls).toContainEqual(['recordStuckCancel', 'execution-1', -300_000, 'run-1']);
    const { executions } = asked(0, 0);
    const foreign = { executions: executions.map((one) => ({ ...one, cancels: { requests: 0, firstAt: null } })) };
    expect((await sync({ ...foreign, orders: pending })).calls).toContainEqual([
      'recordStuckCancel',
      'execution-1',
      -600_000,
      'run-1',
    ]);
  });
});

describe('while a control stops everything', () => {
  const fresh = { executions: [execution()], stopped: true };

  it('[E6] an order is cancelled before its time to live', async () => {
    const { names } = await sync({ ...fresh, orders: [found()] });
    expect(names).toContain('cancel');
    expect((await sync({ ...fresh, stopped: false, orders: [found()] })).names).not.toContain('cancel');
  });

  it('an order that cannot be cancelled is not', async () => {
    for (const status of ['filled', 'pending_replace', 'calculated'])
      expect((await sync({ ...fresh, orders: [found(brokerOrder(request, { status }))] })).names).not.toContain(
        'cancel',
      );
  });
});

describe('the market calendar', () => {
  const sessions: Read<readonly BrokerSession[]> = {
    ok: true,
    value: [
      session('2026-02-12', '2026-02-12T14:30:00Z', '2026-02-12T21:00:00Z'),
      session('2026-02-13', '2026-02-13T14:30:00Z', '2026-02-13T18:00:00Z'),
    ],
  };

  it('is refreshed when it is unknown, old, or does not reach far enough', async () => {
    const needed = async (horizon: World['horizon']) =>
      (await sync({ horizon: horizon ?? null, sessions })).names.includes('sessions');
    expect(await needed(null)).toBe(true);
    expect(await needed({ lastDate: '2026-03-05', fetchedAt: decidedAt - 20 * hour })).toBe(true);
    expect(await needed({ lastDate: '2026-02-27', fetchedAt: decidedAt })).toBe(true);
    expect(await needed({ lastDate: '2026-02-28', fetchedAt: decidedAt - 20 * hour + 1 })).toBe(false);
  });

  it('has a row for every day: what the broker did not list was closed, what is shorter is a half day', async () => {
    const { calendar, call, finished } = await sync({ horizon: null, sessions });
    expect(call('sessions')).toEqual(['sessions', '2026-02-12', '2026-03-05']);
    expect(call('saveCalendar')).toEqual(['saveCalendar', 'alpaca', decidedAt]);
    expect(calendar).toHaveLength(22);
    expect(calendar.slice(0, 3)).toEqual([
      expect.objectContaining({ date: '2026-02-12', kind: 'full', openAt: Date.parse('2026-02-12T14:30:00Z') }),
      expect.objectContaining({ date: '2026-02-13', kind: 'half', closeAt: Date.parse('2026-02-13T18:00:00Z') }),
      expect.objectContaining({ date: '2026-02-14', kind: 'closed', openAt: null, closeAt: null }),
    ]);
    expect(finished.sources?.['calendar']).toMatchObject({ fetched: true, complete: true });
  });

  it('falls back to the rules of the exchange without the broker, and the run says so without failing', async () => {
    const { calendar, call, finished, result } = await sync({ horizon: null });
    expect(call('saveCalendar')?.[1]).toBe('fallback');
    expect(calendar.find(({ date }) => date === '2026-02-16')).toMatchObject({ kind: 'closed' });
    expect(calendar.find(({ date }) => date === '2026-02-17')).toMatchObject({ kind: 'full' });
    expect(finished.sources?.['calendar']).toMatchObject({ fetched: true, complete: false, detail: 'unavailable' });
    expect(result.completed).toBe(true);
  });
});

describe('a follow-up', () => {
  it('looks at its one order, outside of any run', async () => {
    const { ports, calls } = portsOf({
      receipts: [receipt()],
      lookups: [found()],
      executions: [execution()],
      orders: [found()],
    });
    await followUpOrder(request.order.clientOrderId, ports);
    expect(calls[0]).toEqual(['takeUnresolved', 1, request.order.clientOrderId]);
    expect(calls).toContainEqual(['applyOrder', 'execution-1', 'new', null]);
    expect(calls.map(([name]) => name)).not.toContain('finishRun');
  });
});
