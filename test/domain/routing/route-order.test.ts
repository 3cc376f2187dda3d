import {
  decimal,
  fallBack,
  lookUp,
  routeOrder,
  second,
  type BrokerAsset,
  type BrokerOrder,
  type Claim,
  type ExecutionAdapter,
  type ExecutionLedger,
  type ExecutionRequest,
  type Lookup,
  type Read,
  type RoutePorts,
  type RouteResult,
  type SubmitOutcome,
  type VenueExchange,
  type WritePermit,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countingTelemetry } from '../../support/counting-telemetry.ts';
import { brokerOrder, decidedAt, exchange, executionRequest, waitingClock } from './fixtures.ts';

const permit: WritePermit = { receiptId: 'receipt-1', fencingToken: 7, correlationId: 'torghut-1' };
const claimed: Claim = { kind: 'claimed', permit };
const unresolved = (...codes: string[]): Claim => ({ kind: 'unresolved', permit, codes });
const request = executionRequest();
/** The same order after LEAN may have taken it: absence was proved, so it moved to Alpaca. */
const movedOn = executionRequest({
  route: fallBack(request.route, {
    adapter: 'lean',
    code: 'lean_submit_order_timeout',
    at: decidedAt,
    receiptId: '6f1f1d62-51b9-4f43-9f0c-0d3b6b6f9a11',
    sent: true,
  }),
});
/** The same order after no connection to LEAN opened. */
const neverSent = executionRequest({
  route: fallBack(request.route, {
    adapter: 'lean',
    code: 'lean_submit_order_network_error',
    at: decidedAt,
    receiptId: '6f1f1d62-51b9-4f43-9f0c-0d3b6b6f9a11',
    sent: false,
  }),
});
const order = brokerOrder(request);

const acknowledged: SubmitOutcome = { kind: 'acknowledged', order, exchange };
const rejected: SubmitOutcome = { kind: 'rejected', rejection: 'insufficient_funds', message: 'no money', exchange };
const duplicate: SubmitOutcome = { kind: 'duplicate', exchange };
const notSent: SubmitOutcome = { kind: 'not_sent', failure: 'network_error', detail: 'refused', exchange };
const lost: SubmitOutcome = { kind: 'unknown', failure: 'http_502', detail: 'bad gateway', exchange };
const rateLimited = (afterMs: number): SubmitOutcome => ({
  kind: 'rate_limited',
  retryAt: decidedAt + afterMs,
  exchange,
});
const found: Lookup = { kind: 'found', order, exchange };
const absent: Lookup = { kind: 'absent', exchange };
const failed: Lookup = { kind: 'failed', failure: 'timeout', detail: 'no answer', exchange };

type Call = readonly [name: string, ...facts: unknown[]];
interface Script {
  readonly request?: ExecutionRequest;
  readonly adapter?: ExecutionAdapter;
  readonly claims?: readonly Claim[];
  readonly submits?: readonly SubmitOutcome[];
  /** The last one is given again when there are not enough. */
  readonly lookups?: readonly Lookup[];
  /** What the ledger answers to settling calls: `false` for a worker that was overtaken. */
  readonly current?: boolean;
  /** The same of those that settle alone. */
  readonly settles?: boolean;
  readonly leaseMs?: number;
  /** Every order the broker lists; none unless given. */
  readonly listed?: Read<readonly BrokerOrder[]>;
  readonly absence?: 'fallen_back' | 'rejected' | 'denied' | 'superseded';
  readonly asset?: BrokerAsset | null;
}

/** Routes one request through ports that follow a script, and reports every call on them. */
const route = async (script: Script) => {
  const { claims = [claimed], submits = [], lookups = [], current = true, adapter = 'lean' } = script;
  const calls: Call[] = [];
  /** What is kept as the answer of the write. */
  const heardOf: VenueExchange[] = [];
  const { clock, waits } = waitingClock(decidedAt);
  const { telemetry, counts } = countingTelemetry();
  const next = <T>(from: readonly T[], what: string): T => {
    const taken = calls.filter(([name]) => name === what).length - 1;
    const item = from[taken];
    if (item === undefined) throw new Error(`expected no more than ${from.length} calls of ${what}`);
    return item;
  };
  const settle = (...call: Call): Promise<boolean> => {
    calls.push(call);
    return Promise.resolve(current && (script.settles !== false || !call[0].startsWith('settle')));
  };
  const ledger: ExecutionLedger = {
    claim: (_request, asked, { asset, accountRead }, at) => {
      calls.push(['claim', asked, asset, at - decidedAt, ...(accountRead ? ['account read'] : [])]);
      return Promise.resolve(next(claims, 'claim'));
    },
    markInFlight: async (held, at) =>
      (await settle('markInFlight', held.fencingToken)) ? at + (script.leaseMs ?? 30 * second) : null,
    release: (_held, codes, verdict) => settle('release', codes, verdict),
    settleOrder: (_held, { outcome, order: settled, provenance, exchange: heard, codes, verdict }) => {
      heardOf.push(heard);
      return settle('settleOrder', outcome, settled.id, provenance, codes, verdict);
    },
    settleRejected: (_held, { codes, message, verdict }) => settle('settleRejected', codes, message, verdict),
    settleUnknown: (_held, { codes, exchange: heard }) => {
      heardOf.push(heard);
      return settle('settleUnknown', codes);
    },
    settleAbsent: (_held, { failure, exchange: heard }) => {
      heardOf.push(heard);
      calls.push(['settleAbsent', failure]);
      return Promise.resolve(script.absence ?? 'fallen_back');
    },
  };
  const ports: RoutePorts = {
    ledger,
    venue: {
      adapter,
      submit: (sent, held) => {
        calls.push(['submit', sent.clientOrderId, held.fencingToken]);
        return Promise.resolve(next(submits, 'submit'));
      },
      cancel: () => Promise.reject(new Error('a router cancels nothing')),
      getOrder: () => Promise.reject(new Error('lookups go to the broker')),
      getOrderByClientOrderId: () => Promise.reject(new Error('lookups go to the broker')),
      listOrders: () => Promise.reject(new Error('lookups go to the broker')),
      health: () => Promise.reject(new Error('a router checks no health')),
    },
    broker: {
      getOrderByClientOrderId: (id) => {
        calls.push(['lookUp', id]);
        const looked = calls.filter(([name]) => name === 'lookUp').length - 1;
        return Promise.resolve(lookups[looked] ?? lookups.at(-1) ?? failed);
      },
      async *ordersFrom() {
        calls.push(['list']);
        yield await Promise.resolve(script.listed ?? { ok: true, value: [] });
      },
    },
    asset: () => Promise.resolve(script.asset ?? null),
    refreshAccount: async () => {
      await settle('refreshAccount');
    },
    clock,
    telemetry,
  };
  const result = await routeOrder(script.request ?? request, ports);
  return { result, calls, waits, counts, heardOf, names: calls.map(([name]) => name) };
};
type Routed = Awaited<ReturnType<typeof route>>;
const settlement = ({ calls }: Routed): Call => calls.find(([name]) => name.startsWith('settle')) ?? ['none'];

describe('claims', () => {
  it.each<[string, Claim, RouteResult]>([
    ['a finished order', { kind: 'finished' }, 'finished'],
    ['an order another worker holds', { kind: 'busy', until: decidedAt + 11 * second, written: false }, 'retry'],
    ['a write another worker has begun', { kind: 'busy', until: decidedAt + 11 * second, written: true }, 'unknown'],
    ['a denied order', { kind: 'denied', codes: ['kill_switch_engaged', 'order_message_expired'] }, 'denied'],
    ['an order whose adapter is passed by', { kind: 'rerouted', reason: 'breaker_open' }, 'fallen_back'],
  ])('[E10] %s sends nothing and looks nothing up', async (_title, claim, result) => {
    const routed = await route({ claims: [claim] });
    expect([routed.result, routed.names]).toEqual([result, ['claim']]);
  });

  it('are made for the adapter of the router, with what is known of the asset', async () => {
    const asset: BrokerAsset = {
      symbol: 'NVDA',
      active: true,
      tradable: true,
      shortable: false,
      easyToBorrow: false,
      fractionable: false,
      attributes: [],
      marginRequirement: null,
    };
    const routed = await route({ adapter: 'alpaca', claims: [{ kind: 'finished' }], asset });
    expect(routed.calls).toEqual([['claim', 'alpaca', asset, 0]]);
    expect(routed.counts).toEqual({ 'execution_requests_total{adapter=alpaca}': 1 });
  });

  it('[E11] read the account anew when its figures are too old, and decide by what is then known', async () => {
    const read = await route({ claims: [{ kind: 'outdated' }, claimed], submits: [acknowledged] });
    expect([read.result, read.names.slice(0, 3)]).toEqual(['acknowledged', ['claim', 'refreshAccount', 'claim']]);
    expect(read.calls[2]).toEqual(['claim', 'lean', null, 0, 'account read']);
    const stale = await route({
      claims: [{ kind: 'outdated' }, { kind: 'denied', codes: ['account_snapshot_stale'] }],
    });
    expect([stale.result, stale.names]).toEqual(['denied', ['claim', 'refreshAccount', 'claim']]);
    await expect(route({ claims: [{ kind: 'outdated' }, { kind: 'outdated' }] })).rejects.toThrow('just read account');
  });

  it('counts denials by code and fallbacks by route and reason', async () => {
    const denied = await route({
      claims: [{ kind: 'denied', codes: ['kill_switch_engaged', 'order_message_expired'] }],
    });
    expect(denied.counts).toMatchObject({
      'denials_total{code=kill_switch_engaged}': 1,
      'denials_total{code=order_message_expired}': 1,
    });
    const rerouted = await route({ claims: [{ kind: 'rerouted', reason: 'breaker_open' }] });
    expect(rerouted.counts).toMatchObject({
      'execution_fallback_total{from=lean,to=alpaca}': 1,
      'execution_fallback_reason_total{reason=breaker_open}': 1,
    });
  });

  it('[E10] commits "in flight" before the socket opens, and sends nothing when it was overtaken', async () => {
    expect((await route({ submits: [acknowledged] })).names).toEqual([
      'claim',
      'markInFlight',
      'submit',
      'settleOrder',
    ]);
    const overtaken = await route({ submits: [acknowledged], current: false });
    expect([overtaken.result, overtaken.names]).toEqual(['retry', ['claim', 'markInFlight', 'release']]);
  });

  it('[E10] sends nothing when it wakes after the lease of a write that it had marked', async () => {
    const frozen = await route({ submits: [acknowledged], leaseMs: 0 });
    expect([frozen.result, frozen.names]).toEqual(['retry', ['claim', 'markInFlight']]);
  });

  it('wait for a lease that is about to end, and no longer than ten seconds in all', async () => {
    const busy = (ms: number): Claim => ({ kind: 'busy', until: decidedAt + ms, written: false });
    const waited = await route({ claims: [busy(4 * second), claimed], submits: [acknowledged] });
    expect([waited.result, waited.waits]).toEqual(['acknowledged', [4 * second]]);
    const twice = await route({ claims: [busy(6 * second), busy(12 * second)] });
    expect([twice.result, twice.waits]).toEqual(['retry', [6 * second]]);
    const over = await route({ claims: [busy(-second), { kind: 'finished' }] });
    expect([over.result, over.waits]).toEqual(['finished', [second]]);
  });
});

describe('outcomes of a submit', () => {
  it('[E1][E2] settles an acknowledged order with its route', async () => {
    const routed = await route({ submits: [acknowledged] });
    expect(routed.result).toBe('acknowledged');
    expect(settlement(routed)).toEqual([
      'settleOrder',
      'acknowledged',
      order.id,
      { expected: 'lean', actual: 'lean', fallbackReason: null, fallbackCount: 0, source: 'route' },
      [],
      'answered',
    ]);
    expect(routed.counts).toMatchObject({ 'orders_submitted_total{adapter=lean}': 1 });
  });

  it('[E1][E2] settles a fallback as expected lean, actual alpaca, with its count and reason', async () => {
    const routed = await route({ request: movedOn, adapter: 'alpaca', submits: [acknowledged] });
    expect(settlement(routed)[3]).toEqual({
      expected: 'lean',
      actual: 'alpaca',
      fallbackReason: 'lean_submit_order_timeout',
      fallbackCount: 1,
      source: 'route',
    });
  });

  it('[E10] a business refusal ends the order: no lookup, no fallback', async () => {
    const routed = await route({ submits: [rejected] });
    expect([routed.result, settlement(routed)]).toEqual([
      'rejected',
      ['settleRejected', ['broker_rejected_insufficient_funds'], 'no money', 'answered'],
    ]);
    expect(routed.names).not.toContain('lookUp');
    expect(routed.counts).toMatchObject({ 'orders_rejected_total{code=broker_rejected_insufficient_funds}': 1 });
  });

  it.each<[string, SubmitOutcome, string, boolean]>([
    ['an unknown outcome', lost, 'lean_submit_order_http_502', true],
    ['a LEAN that cannot be reached', notSent, 'lean_submit_order_network_error', false],
  ])('[E2][E10] falls back after %s only when every lookup says the order is absent', async (...cases) => {
    const [, outcome, code, sent] = cases;
    const routed = await route({ submits: [outcome], lookups: [absent] });
    expect(routed.result).toBe('fallen_back');
    const looks = ['lookUp', 'lookUp', 'lookUp', 'list'];
    expect(routed.names).toEqual(['claim', 'markInFlight', 'submit', ...looks, 'settleAbsent']);
    expect(settlement(routed)[1]).toEqual({
      adapter: 'lean',
      code,
      at: decidedAt + 5 * second,
      receiptId: permit.receiptId,
      sent,
    });
    expect(routed.counts).toMatchObject({
      'execution_fallback_total{from=lean,to=alpaca}': 1,
      [`execution_fallback_reason_total{reason=${code}}`]: 1,
    });
  });

  it('[E2][E10] adopts an order whose answer was lost: actual lean, no fallback', async () => {
    const routed = await route({ submits: [lost], lookups: [absent, found] });
    expect(routed.result).toBe('adopted');
    expect(routed.waits).toEqual([500, 1_500]);
    expect(settlement(routed)).toEqual([
      'settleOrder',
      'adopted',
      order.id,
      { expected: 'lean', actual: 'lean', fallbackReason: null, fallbackCount: 0, source: 'adopted' },
      ['lean_submit_order_http_502'],
      'failed',
    ]);
    expect(routed.counts).toMatchObject({ orders_adopted_total: 1, orders_unknown_total: 1 });
  });

  it('[E10] adopts an order that lookups missed and the list shows; without a list its absence is not believed', async () => {
    const shown = await route({ submits: [lost], lookups: [absent], listed: { ok: true, value: [order] } });
    expect([shown.result, settlement(shown)[2]]).toEqual(['adopted', order.id]);
    const listed = { ok: false, failure: 'timeout', detail: 'no answer' } as const;
    const unlisted = await route({ submits: [lost], lookups: [absent], listed });
    expect([unlisted.result, settlement(unlisted)]).toEqual([
      'unknown',
      ['settleUnknown', ['lean_submit_order_http_502']],
    ]);
  });

  it('[E10] counts a refusal that only a proved absence makes one', async () => {
    const routed = await route({ adapter: 'alpaca', submits: [lost], lookups: [absent], absence: 'rejected' });
    expect(routed.result).toBe('rejected');
    expect(routed.counts).toMatchObject({ 'orders_rejected_total{code=broker_rejected_other}': 1 });
  });

  it('[E10] leaves an order unknown when a lookup fails, with both failures', async () => {
    const routed = await route({ submits: [lost], lookups: [absent, failed] });
    expect([routed.result, settlement(routed)]).toEqual([
      'unknown',
      ['settleUnknown', ['lean_submit_order_http_502', 'alpaca_get_order_by_client_order_id_timeout']],
    ]);
    expect(routed.counts).not.toHaveProperty('execution_fallback_total{from=lean,to=alpaca}');
  });

  it('[E10] adopts the order of a duplicate id, as a healthy answer and never as a refusal', async () => {
    const routed = await route({ adapter: 'alpaca', submits: [duplicate], lookups: [found] });
    expect(routed.result).toBe('adopted');
    expect(settlement(routed)).toMatchObject(['settleOrder', 'adopted', order.id, {}, [], 'answered']);
  });

  it('[E2] adopts a late LEAN order that collides under the same id: actual lean, the attempted fallback stays counted', async () => {
    const routed = await route({ request: movedOn, adapter: 'alpaca', submits: [duplicate], lookups: [found] });
    expect(settlement(routed)[3]).toEqual({
      expected: 'lean',
      actual: 'lean',
      fallbackReason: 'lean_submit_order_timeout',
      fallbackCount: 1,
      source: 'adopted',
    });
  });

  it('[E2] adopts the order of an Alpaca request that came twice as Alpaca’s, when LEAN’s never left', async () => {
    const script = { request: neverSent, adapter: 'alpaca', lookups: [found] } as const;
    const provenance = { expected: 'lean', actual: 'alpaca', fallbackReason: 'lean_submit_order_network_error' };
    for (const routed of [
      await route({ ...script, submits: [duplicate] }),
      await route({ ...script, claims: [unresolved('alpaca_submit_order_duplicate')] }),
    ])
      expect(settlement(routed)[3]).toMatchObject(provenance);
  });

  it('[E2] remembers of an unknown outcome that its request never left, until its absence is proved', async () => {
    const codes = ['lean_submit_order_network_error', 'not_sent'];
    const unknown = await route({ submits: [notSent], lookups: [failed] });
    expect(settlement(unknown)).toEqual(['settleUnknown', [...codes, 'alpaca_get_order_by_client_order_id_timeout']]);
    const later = await route({ claims: [unresolved(...codes)], lookups: [absent] });
    expect(settlement(later)[1]).toMatchObject({ code: 'lean_submit_order_network_error', sent: false });
    const died = await route({ claims: [unresolved()], lookups: [absent] });
    expect(settlement(died)[1]).toMatchObject({ sent: true });
  });

  it('[E10] adopts nothing but what was asked for: another order under its id leaves the outcome unknown', async () => {
    const foreign = brokerOrder(request, { id: 'foreign', symbol: 'MSFT', side: 'sell', qty: decimal('40') });
    for (const script of [
      { submits: [duplicate], lookups: [{ kind: 'found', order: foreign, exchange }] },
      { submits: [lost], lookups: [absent], listed: { ok: true, value: [foreign] } },
    ] as const) {
      const routed = await route(script);
      expect([routed.result, routed.names.includes('settleOrder')]).toEqual(['unknown', false]);
      expect(settlement(routed)[1]).toContain('alpaca_get_order_by_client_order_id_contract_violation');
    }
  });

  it('[E10] keeps the answer of the write as its answer, and never that of a look for it', async () => {
    const answered = { status: 500, requestId: 'the-submit', body: { message: 'oops' }, durationMs: 9 };
    const failing: SubmitOutcome = { kind: 'unknown', failure: 'http_500', detail: 'oops', exchange: answered };
    for (const lookups of [[found], [absent], [failed]])
      expect((await route({ submits: [failing], lookups })).heardOf).toEqual([answered]);
    const died = await route({ claims: [unresolved()], lookups: [found] });
    expect(died.heardOf).toMatchObject([{ status: null, requestId: null, body: null }]);
  });

  it('[E6] counts a refusal of the caller as a failure of the venue, and one of the order as an answer', async () => {
    const unauthorized: SubmitOutcome = { ...rejected, rejection: 'other', exchange: { ...exchange, status: 401 } };
    expect(settlement(await route({ adapter: 'alpaca', submits: [unauthorized] })).at(-1)).toBe('failed');
    expect(settlement(await route({ adapter: 'alpaca', submits: [rejected] })).at(-1)).toBe('answered');
    const odd = (status: number): SubmitOutcome => ({
      kind: 'unknown',
      failure: `http_${status}`,
      detail: '',
      exchange: { ...exchange, status },
    });
    const verdictOf = async (status: number) =>
      settlement(await route({ adapter: 'alpaca', submits: [odd(status)], lookups: [found] })).at(-1);
    expect([await verdictOf(418), await verdictOf(422), await verdictOf(408), await verdictOf(500)]).toEqual([
      'answered',
      'answered',
      'failed',
      'failed',
    ]);
  });

  it('[E10] an order that is known and absent at once stays unknown', async () => {
    const routed = await route({ adapter: 'alpaca', submits: [duplicate], lookups: [absent] });
    expect([routed.result, settlement(routed)]).toEqual([
      'unknown',
      ['settleUnknown', ['alpaca_submit_order_duplicate']],
    ]);
  });

  it('[E10] tries Alpaca once more, six seconds later, when it could not be reached; released each time', async () => {
    for (const sent of [request, movedOn]) {
      const reached = await route({
        request: sent,
        adapter: 'alpaca',
        claims: [claimed, claimed],
        submits: [notSent, acknowledged],
      });
      expect([reached.result, reached.waits]).toEqual(['acknowledged', [6 * second]]);
      const never = await route({
        request: sent,
        adapter: 'alpaca',
        claims: [claimed, claimed],
        submits: [notSent, notSent],
      });
      expect([never.result, never.waits.length, never.calls.at(-1)]).toEqual([
        'retry',
        1,
        ['release', ['alpaca_submit_order_network_error'], 'failed'],
      ]);
    }
  });

  it('denies an order that is absent everywhere when no adapter is left', async () => {
    const script = { submits: [lost], lookups: [absent] };
    const denied = await route({ ...script, absence: 'denied' });
    expect(denied.result).toBe('denied');
    expect(denied.counts).not.toHaveProperty('execution_fallback_total{from=lean,to=alpaca}');
  });

  it('[E6][E10] leaves a write to whoever took it over: its message need not come back', async () => {
    for (const [submit, lookups] of [
      [lost, [absent]],
      [lost, [absent, found]],
      [acknowledged, []],
      [rejected, []],
    ] as const) {
      const routed = await route({ submits: [submit], lookups, settles: false, absence: 'superseded' });
      expect([routed.result, routed.names.at(-1)?.startsWith('settle')]).toEqual(['finished', true]);
    }
  });
});

describe('a rate limit', () => {
  it('waits for its reset, claims again and sends again: one submit per claim, no fallback', async () => {
    const routed = await route({ claims: [claimed, claimed], submits: [rateLimited(3 * second), acknowledged] });
    expect(routed.result).toBe('acknowledged');
    expect(routed.waits).toEqual([3 * second]);
    expect(routed.names).toEqual([
      'claim',
      'markInFlight',
      'submit',
      'release',
      'claim',
      'markInFlight',
      'submit',
      'settleOrder',
    ]);
    expect(routed.calls[3]).toEqual(['release', ['broker_rejected_rate_limited'], 'answered']);
  });

  it('that lasts longer than the order rejects it at once', async () => {
    const routed = await route({ submits: [rateLimited(60 * second)] });
    expect([routed.result, routed.waits, settlement(routed)]).toEqual([
      'rejected',
      [],
      [
        'settleRejected',
        ['broker_rejected_rate_limited'],
        'rate limit lasts longer than the order can wait',
        'answered',
      ],
    ]);
  });

  it('that lasts longer than the function may wait rejects the order, although the order would live', async () => {
    const routed = await route({ submits: [rateLimited(11 * second)] });
    expect([routed.result, routed.waits, settlement(routed)[1]]).toEqual([
      'rejected',
      [],
      ['broker_rejected_rate_limited'],
    ]);
  });

  it('is waited on for ten seconds in all, however often it is met', async () => {
    const routed = await route({
      claims: [claimed, claimed],
      submits: [rateLimited(6 * second), rateLimited(12 * second)],
    });
    expect([routed.result, routed.waits]).toEqual(['rejected', [6 * second]]);
    expect(routed.counts).toMatchObject({ 'execution_requests_total{adapter=lean}': 1 });
  });

  it('whose reset has passed already is still waited on, for a second', async () => {
    const routed = await route({ claims: [claimed, { kind: 'finished' }], submits: [rateLimited(-5 * second)] });
    expect([routed.result, routed.waits]).toEqual(['finished', [second]]);
  });
});

describe('an unresolved order', () => {
  it.each<[string, Lookup, RouteResult]>([
    ['adopted when it is found', found, 'adopted'],
    ['passed on when it is absent', absent, 'fallen_back'],
    ['unknown when the lookup fails', failed, 'unknown'],
  ])('[E10] is never sent again: %s', async (_title, lookup, result) => {
    const routed = await route({ claims: [unresolved()], lookups: [lookup] });
    expect(routed.result).toBe(result);
    expect(routed.names).not.toContain('submit');
    expect(routed.names).not.toContain('markInFlight');
  });

  it('[E2] falls back for the reason its receipt recorded; one that recorded none timed out', async () => {
    const reasonOf = async (...codes: string[]) =>
      settlement(await route({ claims: [unresolved(...codes)], lookups: [absent] }))[1];
    expect(await reasonOf('lean_submit_order_http_503')).toMatchObject({ code: 'lean_submit_order_http_503' });
    expect(await reasonOf()).toMatchObject({ code: 'lean_submit_order_timeout' });
  });

  it('[E2][E10] that the broker called a duplicate before is still LEAN’s, and still not proved absent', async () => {
    const script = {
      request: movedOn,
      adapter: 'alpaca',
      claims: [unresolved('alpaca_submit_order_duplicate')],
    } as const;
    expect(settlement(await route({ ...script, lookups: [found] }))[3]).toMatchObject({ actual: 'lean' });
    expect((await route({ ...script, lookups: [absent] })).result).toBe('unknown');
  });
});

describe('lookups', () => {
  it('[E10] look 0.5, 2 and 5 seconds after the failure, at the broker, by client order id', async () => {
    const { waits, calls } = await route({ submits: [lost], lookups: [absent] });
    expect(waits.map((_, index) => waits.slice(0, index + 1).reduce((a, b) => a + b))).toEqual([500, 2_000, 5_000]);
    expect(calls.filter(([name]) => name === 'lookUp')).toEqual(
      Array.from({ length: 3 }, () => ['lookUp', request.order.clientOrderId]),
    );
  });

  it('[E10] that failed once prove nothing, whatever the others say', async () => {
    for (const lookups of [
      [failed, absent, absent],
      [absent, failed, absent],
      [absent, absent, failed],
    ])
      expect((await route({ submits: [lost], lookups })).result).toBe('unknown');
  });

  it('need at least one scheduled look to say anything', async () => {
    const broker = { getOrderByClientOrderId: () => Promise.resolve(absent) };
    await expect(lookUp(broker, 'tg1', waitingClock(decidedAt).clock, [])).rejects.toThrow('found none');
  });
});

it('[E10] whatever ledger, venue and broker answer: at most one submit per claim, each under its permit, each settled or released', async () => {
  const anyClaim = fc.constantFrom<Claim>(
    claimed,
    claimed,
    claimed,
    unresolved(),
    { kind: 'finished' },
    { kind: 'denied', codes: ['kill_switch_engaged'] },
    { kind: 'busy', until: decidedAt, written: false },
    { kind: 'rerouted', reason: 'breaker_open' },
  );
  const anySubmit = fc.constantFrom(
    acknowledged,
    rejected,
    duplicate,
    notSent,
    lost,
    rateLimited(second),
    rateLimited(30 * second),
    rateLimited(90 * second),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyClaim, { minLength: 11, maxLength: 11 }),
      fc.array(anySubmit, { minLength: 10, maxLength: 10 }),
      fc.array(fc.constantFrom(found, absent, failed), { minLength: 3, maxLength: 3 }),
      fc.constantFrom<ExecutionAdapter>('lean', 'alpaca'),
      fc.constantFrom(request, movedOn),
      async (claims, submits, lookups, adapter, sent) => {
        // The last claim and answer end every script.
        const routed = await route({
          request: sent,
          adapter,
          claims: [...claims, { kind: 'finished' }],
          submits: [...submits, acknowledged],
          lookups,
        });
        const taken = routed.names.filter((name) => name === 'claim').length;
        const claimsOf = [...claims, { kind: 'finished' as const }].slice(0, taken);
        const writes = claimsOf.filter(({ kind }) => kind === 'claimed').length;
        expect(routed.names.filter((name) => name === 'submit')).toHaveLength(writes);
        expect(routed.names.filter((name) => name === 'markInFlight')).toHaveLength(writes);
        const resolved = claimsOf.filter(({ kind }) => kind === 'claimed' || kind === 'unresolved').length;
        const ends = routed.names.filter((name) => name === 'release' || name.startsWith('settle'));
        expect(ends).toHaveLength(resolved);
        routed.names.forEach((name, index) => {
          if (name === 'submit') expect(routed.names[index - 1]).toBe('markInFlight');
        });
      },
    ),
    { numRuns: 300 },
  );
});
