import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  assessRisk,
  decimal,
  hour,
  inTableOrder,
  prepareRisk,
  reasonCodes,
  riskCodes,
  type Commitment,
  type RiskContext,
  type RiskCode,
  type RiskOrder,
  type RouteAvailability,
  type CheckReading,
} from '@torghut/domain';
import {
  account,
  asset,
  limitsWith,
  now,
  openControls,
  riskContext,
  riskOrder,
  session,
  standing,
  ticker,
} from '../decision/fixtures.ts';

const NVDA = ticker('NVDA');
const codesOf = (context: Partial<RiskContext> = {}, order: Partial<RiskOrder> = {}): readonly RiskCode[] => {
  const verdict = assessRisk({ context: riskContext(context), order: riskOrder(order) });
  return verdict.ok ? [] : verdict.codes;
};
const controls = (changes: Partial<typeof openControls>) => ({ controls: { ...openControls, ...changes } });
const own = (changes: Parameters<typeof standing>[0]) => ({ strategies: new Map([['tsmom@prod', standing(changes)]]) });
const stage = (changes: object) => own({ stage: { ...standing().stage!, ...changes } });
const limits = (changes: Parameters<typeof limitsWith>[0]) => ({ limits: limitsWith(changes) });
const held = (qty: string) => [{ symbol: NVDA, qty: decimal(qty), marketValue: decimal(qty).times(decimal('100')) }];
const commitment = (changes: Partial<Commitment> = {}): Commitment => ({
  kind: 'open_order',
  symbol: NVDA,
  side: 'buy',
  orderType: 'limit',
  qty: decimal('5'),
  limitPrice: decimal('100'),
  price: decimal('100'),
  ...changes,
});
const price = (text: string | null, asOf: number | null = now - 5_000) => ({
  price: { price: text === null ? null : decimal(text), asOf, source: 'ta_microbars.c' },
});
const live = { ...controls({ tradingMode: 'live' }), liveEnabled: true, ...stage({ stage: 'full' }) };
const route = (changes: Partial<RouteAvailability> = {}): RouteAvailability => ({
  available: true,
  availableToReduce: true,
  manualReview: false,
  ...changes,
});
const shorting = { ...limits({ allowShorts: true }) };
const sell: Partial<RiskOrder> = { side: 'sell', limitPrice: decimal('99.99') };

/** One way to make each code of the table fail alone; the type makes the list complete. */
const alone: Record<RiskCode, readonly [Partial<RiskContext>, Partial<RiskOrder>]> = {
  control_state_unreadable: [{ controls: { readable: false, detail: 'timeout' } }, {}],
  kill_switch_engaged: [controls({ killSwitch: true }), {}],
  emergency_stop_active: [controls({ emergencyStop: true }), {}],
  reduce_only_active: [controls({ reduceOnly: true }), {}],
  trading_disabled: [controls({ tradingEnabled: false }), {}],
  live_trading_disabled: [{ ...live, liveEnabled: false }, {}],
  order_message_expired: [{}, { expiresAt: now - 1 }],
  market_closed: [{ session: { kind: 'closed' } }, {}],
  new_exposure_cutoff: [{ session: { ...session, closeAt: now + 29 * 60_000 } }, {}],
  signal_too_old: [{}, { eventTs: now - 90_001, ...price('100', now - 90_001) }],
  calendar_unknown: [{ session: { kind: 'unknown' } }, {}],
  strategy_disabled: [own({ enabled: false }), {}],
  strategy_degraded: [own({ degraded: true }), {}],
  stage_not_permitted: [stage({ stage: 'shadow', maxNotionalPerTrade: '250', maxPositionPctEquity: '0.025' }), {}],
  symbol_not_in_stage: [stage({ stage: 'canary', symbols: new Set([ticker('AAPL')]) }), {}],
  capital_stage_expired: [stage({ expiresAt: now - 1 }), {}],
  universe_unavailable: [{ universe: { available: false, symbols: new Set([NVDA]) } }, {}],
  symbol_not_in_universe: [{ universe: { available: true, symbols: new Set([ticker('AAPL')]) } }, {}],
  symbol_not_allowed: [own({ universeFilter: new Set() }), {}],
  route_unavailable: [
    { routes: { global: route({ available: false, availableToReduce: false }), bySymbol: new Map() } },
    {},
  ],
  symbol_manual_review: [
    { routes: { global: route(), bySymbol: new Map([[NVDA, route({ manualReview: true })]]) } },
    {},
  ],
  symbol_not_tradable: [{ assets: new Map([[NVDA, asset('NVDA', { tradable: false })]]) }, {}],
  asset_metadata_unavailable: [{ ...live, phase: 'claim', assets: new Map() }, {}],
  missing_price: [{}, price(null)],
  price_stale: [{}, price('100', now - 5_000 - 120_001)],
  price_non_positive: [{}, price('0')],
  price_collar_exceeded: [{}, { limitPrice: decimal('101.01') }],
  price_increment_invalid: [{}, { limitPrice: decimal('100.015') }],
  qty_below_min: [{}, { qty: decimal('0.9999') }],
  min_notional_not_met: [{}, { qty: decimal('1'), limitPrice: decimal('0.9999'), ...price('0.9999') }],
  max_notional_exceeded: [{}, { qty: decimal('3') }],
  sizing_unbounded: [{}, { qty: decimal('0'), unbounded: true }],
  account_snapshot_stale: [{ account: account({ asOf: now - 60_001 }) }, {}],
  order_sync_stale: [{ lastOrderSyncAt: now - 180_001 }, {}],
  reconciliation_stale: [{ ...live, lastReconciliationAt: now - 24 * hour - 1 }, {}],
  critical_breaks_open: [{ ...live, openCriticalBreaks: 1 }, {}],
  insufficient_buying_power: [{ account: account({ buyingPower: decimal('200.01') }) }, {}],
  intraday_margin_exceeded: [{ account: account({ maintenanceMargin: decimal('89900') }) }, {}],
  max_position_pct_exceeded: [{ account: account({ equity: decimal('7999') }) }, {}],
  gross_exposure_exceeded: [limits({ maxGross: '0.0019' }), {}],
  net_exposure_exceeded: [limits({ maxNet: '0.0019' }), {}],
  max_positions_exceeded: [limits({ maxPositions: 0 }), {}],
  shorts_not_allowed: [{}, sell],
  account_shorting_disabled: [{ ...shorting, account: account({ shortingEnabled: false }) }, sell],
  symbol_not_shortable: [{ ...shorting, assets: new Map([[NVDA, asset('NVDA', { easyToBorrow: false })]]) }, sell],
  shorting_metadata_unavailable: [{ ...shorting, assets: new Map() }, sell],
  position_flip_not_allowed: [
    { ...shorting, account: account({ positions: held('1') }) },
    { ...sell, qty: decimal('2') },
  ],
  wash_trade_conflict: [
    { commitments: [commitment({ side: 'sell', qty: decimal('1') })], account: account({ positions: held('1') }) },
    {},
  ],
  participation_exceeds_max: [{}, { meanMinuteVolume: 19 }],
  cooldown_active: [{}, { lastDecisionAt: now - 64_999 }],
  order_rate_exceeded: [{ ordersLastMinute: 10 }, {}],
  session_budget_exceeded: [{ ordersInSession: 200 }, {}],
};

describe('risk engine', () => {
  it('accepts an order that nothing speaks against', () => {
    const verdict = assessRisk({ context: riskContext(), order: riskOrder() });
    expect(verdict).toMatchObject({ ok: true, phase: 'decision', reducing: false });
    expect(verdict.checks.filter(([, result]) => result === 'failed')).toEqual([]);
  });

  it('[A6] records of every check of the table what it saw and what it allows, in a form JSON keeps', () => {
    for (const [context, order] of [[{}, {}] as const, ...Object.values(alone)]) {
      const { checks } = assessRisk({ context: riskContext(context), order: riskOrder(order) });
      expect(checks.map(([code]) => code)).toEqual(riskCodes.map(({ code }) => code));
      expect(JSON.parse(JSON.stringify(checks))).toEqual(checks);
      for (const [code, result, observed, limit] of checks) {
        if (result === 'not_applicable') expect([code, observed, limit]).toEqual([code, null, null]);
        if (result === 'passed' || result === 'failed') expect([observed, limit], code).not.toContain(null);
      }
    }
  });

  it.each<[RiskCode, Partial<RiskContext>, Partial<RiskOrder>, CheckReading]>([
    ['kill_switch_engaged', {}, {}, { result: 'passed', observed: 'released', limit: 'released' }],
    [
      'kill_switch_engaged',
      { controls: { readable: false, detail: 'timeout' } },
      {},
      { result: 'unknown', observed: null, limit: null },
    ],
    ['max_notional_exceeded', {}, {}, { result: 'passed', observed: '200', limit: '250' }],
    ['max_notional_exceeded', {}, { qty: decimal('3') }, { result: 'failed', observed: '300', limit: '250' }],
    ['gross_exposure_exceeded', {}, {}, { result: 'passed', observed: '200', limit: '100000' }],
    ['gross_exposure_exceeded', { account: null }, {}, { result: 'unknown', observed: '200', limit: null }],
    [
      'price_collar_exceeded',
      {},
      { limitPrice: decimal('101.01') },
      { result: 'failed', observed: '101', limit: '100' },
    ],
    ['participation_exceeds_max', {}, { meanMinuteVolume: null }, { result: 'unknown', observed: '2', limit: null }],
    ['shorts_not_allowed', {}, {}, { result: 'not_applicable', observed: null, limit: null }],
    [
      'new_exposure_cutoff',
      { account: account({ positions: held('2') }) },
      sell,
      { result: 'not_applicable', observed: null, limit: null },
    ],
    [
      'session_budget_exceeded',
      {},
      {},
      {
        result: 'passed',
        observed: { orders: 1, notional: '200' },
        limit: { orders: 200, notional: '200000' },
      },
    ],
  ])('[A6] reads %s as it is', (code, context, order, reading) => {
    const { checks } = assessRisk({ context: riskContext(context), order: riskOrder(order) });
    const { result, observed, limit } = reading;
    expect(checks.find((check) => check[0] === code)).toEqual([code, result, observed, limit]);
  });

  it.each(Object.entries(alone))('denies with %s alone', (code, [context, order]) => {
    expect(codesOf(context, order)).toEqual([code]);
  });

  it('decides the same in the claiming transaction as at decision time, and says which of them it was', () => {
    for (const [code, [context, order]] of Object.entries(alone)) {
      if (code === 'asset_metadata_unavailable') continue;
      const at = (phase: RiskContext['phase']) =>
        assessRisk({ context: riskContext({ ...context, phase }), order: riskOrder(order) });
      expect(at('claim')).toEqual({ ...at('decision'), phase: 'claim' });
    }
  });

  it('[E6] lets a symbol that an open break holds only be left, and names it; others trade on', () => {
    const held1 = { reduceOnlySymbols: new Set([NVDA]), account: account({ positions: held('2') }) };
    const verdict = assessRisk({ context: riskContext(held1), order: riskOrder() });
    expect(verdict).toMatchObject({ ok: false, details: { reduce_only_active: { observed: 'a break holds NVDA' } } });
    expect(codesOf(held1, sell)).toEqual([]);
    expect(codesOf({ reduceOnlySymbols: new Set([ticker('AAPL')]) })).toEqual([]);
  });

  it('[E6] lets a symbol under review on every adapter only be left', () => {
    const reviewed = route({ available: false, manualReview: true });
    const context = {
      routes: { global: route(), bySymbol: new Map([[NVDA, reviewed]]) },
      account: account({ positions: held('2') }),
    };
    expect(codesOf(context)).toEqual(['route_unavailable', 'symbol_manual_review']);
    expect(codesOf(context, sell)).toEqual([]);
    expect(codesOf(context, { ...sell, qty: decimal('3') })).toContain('symbol_manual_review');
  });

  it('asks for a reconciliation of the last 24 hours without open critical breaks in live trading, and for entries only', () => {
    const unreconciled = { lastReconciliationAt: null, openCriticalBreaks: 2 };
    expect(codesOf({ ...live, ...unreconciled })).toEqual(['reconciliation_stale', 'critical_breaks_open']);
    expect(codesOf({ ...live, lastReconciliationAt: now - 24 * hour })).toEqual([]);
    expect(codesOf(unreconciled)).toEqual([]);
    expect(codesOf({ ...live, ...unreconciled, account: account({ positions: held('2') }) }, sell)).toEqual([]);
  });

  it('[E6] asks for the margin the broker states for the side, and for all of the notional where it states none', () => {
    const margin = (long: string, short: string) => ({
      marginRequirement: { long: decimal(long), short: decimal(short) },
    });
    const tight = (assets: RiskContext['assets']) => ({
      assets,
      ...limits({ allowShorts: true }),
      account: account({ maintenanceMargin: decimal('89900') }),
    });
    const of = (long: string, short: string) => tight(new Map([[NVDA, asset('NVDA', margin(long, short))]]));
    expect(codesOf(of('0.3', '1'))).toEqual([]);
    expect(codesOf(of('1', '0.3'))).toEqual(['intraday_margin_exceeded']);
    expect(codesOf(of('0.3', '1'), sell)).toEqual(['intraday_margin_exceeded']);
    expect(codesOf(of('1', '0.3'), sell)).toEqual([]);
    expect(codesOf(tight(new Map([[NVDA, asset('NVDA')]])))).toEqual(['intraday_margin_exceeded']);
  });

  it('sees no wash trade in an order that has ended, and counts what it filled', () => {
    const filled = {
      kind: 'unseen_fill',
      symbol: NVDA,
      side: 'buy',
      orderType: 'limit',
      qty: decimal('2'),
      limitPrice: decimal('100'),
      price: decimal('100'),
    } as const;
    const sold = { ...sell, qty: decimal('2') };
    expect(
      codesOf({ commitments: [{ ...filled, kind: 'open_order' }], account: account({ positions: held('2') }) }, sold),
    ).toEqual(['wash_trade_conflict']);
    expect(codesOf({ commitments: [filled], account: account({ positions: held('2') }) }, sold)).toEqual([]);
    expect(
      codesOf({ commitments: [{ ...filled, side: 'sell' }], account: account({ positions: held('2') }) }, sold),
    ).toContain('shorts_not_allowed');
  });

  it('asks for asset metadata at the claim only, where one symbol is looked up', () => {
    const [context] = alone.asset_metadata_unavailable;
    expect(codesOf({ ...context, phase: 'claim' })).toEqual(['asset_metadata_unavailable']);
    expect(codesOf({ ...context, phase: 'decision' })).toEqual([]);
  });

  it('runs every check and records all failing codes in table order', () => {
    fc.assert(
      fc.property(fc.subarray(Object.values(alone), { minLength: 1 }), (picked) => {
        const context = Object.assign({}, ...picked.map(([one]) => one)) as Partial<RiskContext>;
        const order = Object.assign({}, ...picked.map(([, one]) => one)) as Partial<RiskOrder>;
        const verdict = assessRisk({ context: riskContext(context), order: riskOrder(order) });
        const codes = verdict.ok ? [] : verdict.codes;
        expect(codes.length).toBeGreaterThan(0);
        expect(codes).toEqual(inTableOrder(codes));
        expect(new Set(codes).size).toBe(codes.length);
        if (!verdict.ok) expect(Object.keys(verdict.details).sort()).toEqual([...codes].sort());
      }),
    );
  });

  it('exempts an order that only reduces from exactly the entry-only rows', () => {
    const reduce = { ...sell, qty: decimal('2'), expiresAt: now + 1 };
    for (const { code, skippedWhenReducing, group } of riskCodes) {
      if (group === 'short' || code === 'market_closed' || code === 'wash_trade_conflict') continue;
      const [context, order] = alone[code];
      const positions = held('10');
      const snapshot =
        context.account === undefined ? account({ positions }) : context.account && { ...context.account, positions };
      const limitPrice = order.limitPrice ?? decimal('99.99');
      const codes = codesOf({ ...context, account: snapshot }, { ...reduce, ...order, side: 'sell', limitPrice });
      if (skippedWhenReducing) expect(codes).toEqual([]);
      else expect(codes).toContain(code);
    }
  });

  it('lets a symbol that left the universe be sold, but not bought, and not sold short', () => {
    const gone = { universe: { available: true, symbols: new Set([ticker('AAPL')]) } };
    expect(codesOf({ ...gone, account: account({ positions: held('2') }) }, sell)).toEqual([]);
    expect(codesOf(gone)).toEqual(['symbol_not_in_universe']);
    expect(codesOf({ ...gone, account: account({ positions: held('1') }) }, sell)).toEqual([
      'symbol_not_in_universe',
      'shorts_not_allowed',
      'position_flip_not_allowed',
    ]);
  });

  it.each<[string, number, boolean, readonly RiskCode[]]>([
    ['a buy before the open', session.openAt - 1, false, ['market_closed', 'new_exposure_cutoff']],
    ['a buy in the first minute', session.openAt + 59_999, false, ['new_exposure_cutoff']],
    ['a buy after the first minute', session.openAt + 60_000, false, []],
    ['a buy before the cutoff', session.closeAt - 30 * 60_000 - 1, false, []],
    ['a buy at the cutoff', session.closeAt - 30 * 60_000, false, ['new_exposure_cutoff']],
    ['a sell at the entry cutoff', session.closeAt - 30 * 60_000, true, []],
    ['a sell before its own cutoff', session.closeAt - 5 * 60_000 - 1, true, []],
    ['a sell at its own cutoff', session.closeAt - 5 * 60_000, true, ['market_closed']],
    ['a buy at the close', session.closeAt, false, ['market_closed', 'new_exposure_cutoff']],
  ])('judges %s by the session', (_claim, at, exit, codes) => {
    const context = { now: at, account: account({ asOf: at, positions: exit ? held('10') : [] }), lastOrderSyncAt: at };
    const order = { eventTs: at, expiresAt: at, ...price('100', at), ...(exit ? sell : {}) };
    expect(codesOf(context, order)).toEqual(codes);
  });

  it('fails closed on missing evidence: no strategy, no stage, no account, no sync, no universe', () => {
    expect(codesOf({ strategies: new Map() })).toEqual(['strategy_disabled', 'stage_not_permitted']);
    expect(codesOf(own({ stage: null }))).toEqual(['stage_not_permitted']);
    expect(codesOf({ account: null })).toEqual(['account_snapshot_stale']);
    expect(codesOf({ account: account({ complete: false }) })).toEqual(['account_snapshot_stale']);
    expect(codesOf({ lastOrderSyncAt: null })).toEqual(['order_sync_stale']);
    expect(codesOf({ universe: { available: true, symbols: new Set() } })).toEqual([
      'universe_unavailable',
      'symbol_not_in_universe',
    ]);
    expect(codesOf({ assets: new Map() })).toEqual([]);
  });

  it('does not let an empty list of the stage mean "every symbol"', () => {
    expect(codesOf(stage({ stage: 'canary', symbols: new Set() }))).toEqual(['symbol_not_in_stage']);
  });

  it('keeps a paper stage out of live trading', () => {
    expect(codesOf({ ...live, ...stage({ stage: 'paper' }) })).toEqual(['stage_not_permitted']);
  });

  it('takes neither a session VWAP nor a price from after the signal', () => {
    expect(codesOf({}, price('100', now - 4_999))).toEqual(['missing_price']);
  });

  it.each<Commitment['kind']>(['open_order', 'unknown_receipt', 'reservation'])(
    'counts a pending %s as exposure',
    (kind) => {
      const pending = [commitment({ kind, qty: decimal('24') })];
      expect(codesOf({ commitments: pending })).toEqual(['max_position_pct_exceeded']);
      expect(codesOf({ commitments: pending, ...limits({ maxGross: '0.025', maxNet: '0.025' }) })).toEqual([
        'max_position_pct_exceeded',
        'gross_exposure_exceeded',
        'net_exposure_exceeded',
      ]);
    },
  );

  it('does not let pending sells make room: they may not fill', () => {
    const pending = [commitment({ side: 'sell', qty: decimal('24'), limitPrice: decimal('110') })];
    expect(codesOf({ commitments: pending, account: account({ positions: held('24') }) })).toEqual([
      'max_position_pct_exceeded',
    ]);
  });

  it('does not sell shares twice: a sell beyond what pending sells leave is a short', () => {
    const pending = [
      commitment({ kind: 'unknown_receipt', side: 'sell', qty: decimal('9'), limitPrice: decimal('101') }),
    ];
    const context = { commitments: pending, account: account({ positions: held('10') }) };
    expect(codesOf(context, { ...sell, qty: decimal('1') })).toEqual([]);
    expect(codesOf(context, sell)).toEqual(['shorts_not_allowed', 'position_flip_not_allowed']);
  });

  it('judges each order with those accepted before it in the batch', () => {
    const symbols = Array.from({ length: 12 }, (_, index) => ticker(`S${index}`));
    const accepted = (changes: Partial<RiskContext>) => {
      const book = prepareRisk(riskContext({ universe: { available: true, symbols: new Set(symbols) }, ...changes }));
      return symbols.filter((symbol) => {
        const order = riskOrder({ symbol });
        const { ok } = book.assess(order);
        if (ok) book.reserve(order);
        return ok;
      }).length;
    };
    expect(accepted({})).toBe(10);
    expect(accepted(limits({ maxOrdersPerMinute: 3 }))).toBe(3);
    expect(accepted(limits({ maxPositions: 4 }))).toBe(4);
    expect(accepted({ account: account({ buyingPower: decimal('1000.10') }) })).toBe(5);
    expect(accepted(limits({ maxGross: '0.0121' }))).toBe(6);
    expect(accepted({ sessionNotional: decimal('198500') })).toBe(7);
    expect(accepted({ account: account({ maintenanceMargin: decimal('89500') }) })).toBe(2);
  });

  it('keeps entries out of assets that only close, and lets them be closed', () => {
    const context = { assets: new Map([[NVDA, asset('NVDA', { attributes: ['ptp_no_exception'] })]]) };
    expect(codesOf(context)).toEqual(['symbol_not_tradable']);
    expect(codesOf({ ...context, account: account({ positions: held('2') }) }, sell)).toEqual([]);
  });
});

describe('table of reason codes', () => {
  it('has every code once, and risk rows 1..11 in ascending order', () => {
    const codes = reasonCodes.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    const numbers = riskCodes.map(({ number }) => number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect([...new Set(numbers)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('sorts into its order, each code once, and refuses a code it does not hold', () => {
    expect(inTableOrder(['cooldown_active', 'kill_switch_engaged', 'cooldown_active'])).toEqual([
      'kill_switch_engaged',
      'cooldown_active',
    ]);
    expect(() => inTableOrder(['made_up'])).toThrow(/made_up/);
  });
});
