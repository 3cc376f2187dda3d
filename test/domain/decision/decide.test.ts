import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  contentHash,
  cooldownKey,
  decide,
  decimal,
  inTableOrder,
  riskCodes,
  type CheckRecord,
  type DecideInput,
  type LimitValues,
  type SignalRow,
} from '@torghut/domain';
import {
  account,
  decideInput,
  featureRow,
  limitsWith,
  now,
  riskContext,
  runnable,
  sellIndicators,
  signalRow,
  standing,
  ticker,
} from './fixtures.ts';

const holding = (symbol: string, qty: string) =>
  account({
    positions: [{ symbol: ticker(symbol), qty: decimal(qty), marketValue: decimal(qty).times(decimal('100')) }],
  });
const withLimits = (changes: Partial<LimitValues>): Partial<DecideInput> => ({
  risk: riskContext({ limits: limitsWith(changes) }),
});
const buyAt = (eventTs: number, changes: Partial<SignalRow> = {}) =>
  featureRow(signalRow({ eventTs, priceAt: eventTs, ...changes }));

describe('decide', () => {
  it('turns a signal into a planned decision with everything its row needs', () => {
    const { decisions, signalsEvaluated } = decide(decideInput());
    expect(signalsEvaluated).toBe(1);
    expect(decisions).toHaveLength(1);
    expect(decisions[0]).toMatchObject({
      status: 'planned',
      action: 'buy',
      intent: 'entry',
      symbol: 'NVDA',
      qty: '2',
      orderType: 'limit',
      timeInForce: 'day',
      limitPrice: '100.01',
      referencePrice: '100',
      reasons: [],
      capitalStage: 'paper',
      signalLagMs: 5_000,
      expiresAt: now + 60_000,
      ttlSeconds: 120,
      expectedAdapter: 'lean',
    });
  });

  it('[S8] writes the document with every key of the contract, feature hash included, and hashes exactly it', () => {
    const [decision] = decide(decideInput()).decisions;
    const document = decision!.decisionJson;
    expect(Object.keys(document).sort()).toEqual(
      [
        ...['account_label', 'strategy_id', 'strategy_version', 'symbol', 'timeframe', 'event_ts', 'action'],
        ...['qty', 'order_type', 'time_in_force', 'limit_price', 'stop_price', 'signal', 'price_snapshot'],
        ...['strategy_runtime', 'sizing', 'execution_policy', 'impact', 'risk', 'llm', 'route'],
      ].sort(),
    );
    expect(document).toMatchObject({
      signal: { seq: '18446744073709551615', source: 'ta', features: { price: 100, rsi14: 57 } },
      price_snapshot: { price: '100', age_ms: 0, source: 'ta_microbars.c' },
      strategy_runtime: { type: 'intraday_tsmom', version: '1.1.0', profile: '1Min@1' },
      sizing: { binding_cap: 'stage_max_notional', caps: { global_max_notional: '250', strategy_max_notional: null } },
      route: { expected: 'lean', policy: 'all:lean' },
    });
    const { checks } = document['risk'] as { checks: readonly CheckRecord[] };
    expect(checks.map(([code]) => code)).toEqual(riskCodes.map(({ code }) => code));
    expect(checks).toContainEqual(['max_notional_exceeded', 'passed', '200', '250']);
    expect(decision!.contentHash).toBe(contentHash(document));
  });

  it('keeps the identity and changes the content when only the equity changed', () => {
    const [rich] = decide(decideInput()).decisions;
    const [poor] = decide(
      decideInput({ risk: riskContext({ account: account({ equity: decimal('9000') }) }) }),
    ).decisions;
    expect(poor!.decisionIdentity).toBe(rich!.decisionIdentity);
    expect([poor!.qty, poor!.contentHash === rich!.contentHash]).toEqual(['2', false]);
  });

  it('is a function: equal inputs give equal outcomes, and the inputs stay untouched', () => {
    const input = decideInput();
    expect(decide(input)).toEqual(decide(input));
    expect([input.lastDecisionAt.size, input.lastDenials.size, input.health.size]).toEqual([0, 0, 0]);
  });

  it('sells what is held and not reserved, and never more', () => {
    const commitment = {
      kind: 'open_order',
      symbol: ticker('NVDA'),
      side: 'sell',
      orderType: 'limit',
      qty: decimal('4'),
      limitPrice: decimal('101'),
      price: decimal('100'),
    } as const;
    const rows = [featureRow(signalRow({ indicators: sellIndicators }))];
    const sell = decide(
      decideInput({ rows, risk: riskContext({ account: holding('NVDA', '10'), commitments: [commitment] }) }),
    );
    expect(sell.decisions).toMatchObject([
      { status: 'planned', action: 'sell', intent: 'exit', qty: '6', ttlSeconds: 60 },
    ]);
  });

  it('counts a sell with nothing to sell as a rejection and writes no decision', () => {
    const outcome = decide(decideInput({ rows: [featureRow(signalRow({ indicators: sellIndicators }))] }));
    expect([outcome.decisions, outcome.rejectionCounters]).toEqual([[], { 'tsmom@prod': { nothing_to_exit: 1 } }]);
  });

  it('cools down per symbol and action within one batch and across batches, the row itself excluded', () => {
    const rows = [buyAt(now - 62_000), buyAt(now - 30_000), buyAt(now - 2_000)];
    const outcome = decide(decideInput({ rows }));
    expect(outcome.decisions.map(({ eventTs }) => eventTs)).toEqual([now - 62_000, now - 2_000]);
    expect(outcome.rejectionCounters).toEqual({ 'tsmom@prod': { cooldown_active: 1 } });

    const key = cooldownKey('paper', 'tsmom@prod', 'NVDA', 'buy');
    const single = decideInput({ rows: [buyAt(now - 2_000)] });
    expect(decide({ ...single, lastDecisionAt: new Map([[key, now - 30_000]]) }).decisions).toEqual([]);
    expect(decide({ ...single, lastDecisionAt: new Map([[key, now - 2_000]]) }).decisions).toHaveLength(1);
    const otherSide = cooldownKey('paper', 'tsmom@prod', 'NVDA', 'sell');
    expect(decide({ ...single, lastDecisionAt: new Map([[otherSide, now - 30_000]]) }).decisions).toHaveLength(1);
  });

  it('lets a denial start no cooldown, but counts its repetitions instead of writing them', () => {
    const rows = [buyAt(now - 40_000), buyAt(now - 20_000), buyAt(now - 10_000, { priceAt: now - 200_000 })];
    const strategies = new Map([['tsmom@prod', standing({ maxNotionalPerTrade: '50' })]]);
    const outcome = decide(decideInput({ rows, risk: riskContext({ strategies }) }));
    expect(outcome.decisions.map(({ eventTs, reasons }) => [eventTs, reasons])).toEqual([
      [now - 40_000, ['qty_below_min']],
      [now - 10_000, ['price_stale', 'qty_below_min']],
    ]);
    expect(outcome.rejectionCounters).toEqual({ 'tsmom@prod': { repeated_denial: 1 } });
  });

  it('denies early with every failing code in table order', () => {
    const controls = { readable: false, detail: 'connection lost' } as const;
    const outcome = decide(
      decideInput({ risk: riskContext({ controls, lastOrderSyncAt: null, session: { kind: 'unknown' } }) }),
    );
    expect(outcome.decisions[0]).toMatchObject({
      status: 'denied',
      reasons: ['control_state_unreadable', 'calendar_unknown', 'order_sync_stale'],
      reasonDetails: { control_state_unreadable: { observed: 'connection lost', limit: 'readable' } },
    });
    const { checks } = outcome.decisions[0]!.decisionJson['risk'] as { checks: readonly CheckRecord[] };
    expect(checks).toContainEqual(['control_state_unreadable', 'failed', 'connection lost', 'readable']);
  });

  it('nets two strategies on one signal and counts the loser', () => {
    const strategies = [runnable(), runnable({ strategyId: 'second@prod', priority: 200 })];
    const standings = new Map([
      ['tsmom@prod', standing()],
      ['second@prod', standing()],
    ]);
    const outcome = decide(decideInput({ strategies, risk: riskContext({ strategies: standings }) }));
    expect(outcome.decisions.map(({ strategyId }) => strategyId)).toEqual(['second@prod']);
    expect(outcome.rejectionCounters).toEqual({ 'tsmom@prod': { netted_out: 1 } });
  });

  it.each<[string, Partial<LimitValues>, readonly string[]]>([
    ['maxNotionalPerTrade', { maxNotionalPerTrade: '0' }, ['qty_below_min']],
    ['maxPositionPctEquity', { maxPositionPctEquity: '0' }, ['qty_below_min']],
    ['maxGross', { maxGross: '0' }, ['qty_below_min']],
    ['maxNet', { maxNet: '0' }, ['qty_below_min']],
    ['maxParticipationRate', { maxParticipationRate: '0' }, ['qty_below_min']],
    ['maxPositions', { maxPositions: 0 }, ['max_positions_exceeded']],
    ['maxMaintenanceMargin', { maxMaintenanceMargin: '0' }, ['intraday_margin_exceeded']],
    ['priceCollarBps', { priceCollarBps: '0' }, []],
    ['signalMaxAgeSeconds', { signalMaxAgeSeconds: 0 }, ['signal_too_old']],
    ['priceMaxAgeSeconds1Min', { priceMaxAgeSeconds1Min: 0 }, []],
    ['accountSnapshotMaxAgeSeconds', { accountSnapshotMaxAgeSeconds: 0 }, ['account_snapshot_stale']],
    ['orderSyncMaxAgeSeconds', { orderSyncMaxAgeSeconds: 0 }, ['order_sync_stale']],
    ['maxOrdersPerMinute', { maxOrdersPerMinute: 0 }, ['order_rate_exceeded']],
    ['maxOrdersPerSession', { maxOrdersPerSession: 0 }, ['session_budget_exceeded']],
    ['maxSessionNotional', { maxSessionNotional: '0' }, ['session_budget_exceeded']],
  ])('respects a limit of 0 for %s', (_name, changes, reasons) => {
    expect(decide(decideInput(withLimits(changes))).decisions[0]!.reasons).toEqual(reasons);
  });

  it('never accepts more than the caps allow, whatever rows, holdings and limits', () => {
    const symbols = ['A', 'B', 'C', 'D'].map(ticker);
    const row = fc.record({
      symbol: fc.constantFrom(...symbols),
      price: fc.integer({ min: 50, max: 90_000 }).map((cents) => cents / 100),
      age: fc.integer({ min: 0, max: 89 }),
      sell: fc.boolean(),
      volume: fc.option(fc.integer({ min: 0, max: 5_000 })),
    });
    const held = fc.record({
      symbol: fc.constantFrom(...symbols),
      qty: fc.integer({ min: 1, max: 50 }),
      price: fc.integer({ min: 1, max: 500 }),
    });
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 12 }),
        fc.uniqueArray(held, { selector: ({ symbol }) => symbol }),
        fc.integer({ min: 0, max: 30_000 }),
        fc.integer({ min: 0, max: 30_000 }),
        fc.constantFrom('0', '0.2', '0.5', '1'),
        fc.constantFrom('0', '0.1', '0.5'),
        fc.integer({ min: 0, max: 5 }),
        (cases, positions, equity, buyingPower, maxGross, maxNet, maxPositions) => {
          const limits = limitsWith({
            maxGross,
            maxNet,
            maxPositions,
            cooldownSeconds: 0,
            maxNotionalPerTrade: '1000',
            maxPositionPctEquity: '0.3',
          });
          const caps = { maxNotionalPerTrade: '1000', maxPositionPctEquity: '0.3' };
          const risk = riskContext({
            limits,
            universe: { available: true, symbols: new Set(symbols) },
            strategies: new Map([['tsmom@prod', standing({ stage: { ...standing().stage!, ...caps } })]]),
            account: account({
              equity: decimal(String(equity)),
              buyingPower: decimal(String(buyingPower)),
              positions: positions.map(({ symbol, qty, price }) => ({
                symbol,
                qty: decimal(String(qty)),
                marketValue: decimal(String(qty * price)),
              })),
            }),
          });
          const rows = cases.map(({ symbol, price, age, sell, volume }) =>
            featureRow(
              signalRow({
                symbol,
                eventTs: now - age * 1_000,
                priceAt: now - age * 1_000,
                price,
                meanMinuteVolume20: volume,
                indicators: sell
                  ? { ...sellIndicators, macd: (-3 * price) / 1e4, macd_signal: 0 }
                  : { macd: (3 * price) / 1e4, macd_signal: 0, imbalance_spread: 0 },
              }),
            ),
          );
          const { decisions } = decide(decideInput({ rows, risk }));

          const accepted = decisions.filter(({ status }) => status === 'planned');
          const buys = accepted.filter(({ action }) => action === 'buy');
          const notional = ({ qty, referencePrice }: (typeof accepted)[number]) => Number(qty) * Number(referencePrice);
          const bought = buys.reduce((sum, one) => sum + notional(one), 0);
          const longValue = positions.reduce((sum, { qty, price }) => sum + qty * price, 0);
          const epsilon = 1e-6;
          for (const one of decisions) {
            expect(one.status === 'denied').toBe(one.reasons.length > 0);
            expect(one.reasons).toEqual(inTableOrder(one.reasons));
            expect(Number(one.qty) % 1).toBe(0);
          }
          for (const one of buys) {
            expect(notional(one)).toBeLessThanOrEqual(1_000 + epsilon);
            expect(Number(one.qty)).toBeGreaterThanOrEqual(1);
          }
          if (buys.length > 0) {
            expect(longValue + bought).toBeLessThanOrEqual(
              Math.min(Number(maxGross), Number(maxNet)) * equity + epsilon,
            );
            expect(buys.reduce((sum, one) => sum + Number(one.qty) * Number(one.limitPrice), 0)).toBeLessThanOrEqual(
              buyingPower + epsilon,
            );
          }
          for (const symbol of symbols) {
            const position = positions.find((one) => one.symbol === symbol);
            const own = buys.filter((one) => one.symbol === symbol);
            const value =
              (position === undefined ? 0 : position.qty * position.price) +
              own.reduce((sum, one) => sum + notional(one), 0);
            if (own.length > 0) expect(value).toBeLessThanOrEqual(0.3 * equity + epsilon);
            const sold = accepted
              .filter((one) => one.symbol === symbol && one.action === 'sell')
              .reduce((sum, one) => sum + Number(one.qty), 0);
            expect(sold).toBeLessThanOrEqual(position?.qty ?? 0);
          }
          const opened = new Set(
            buys.map(({ symbol }) => symbol).filter((symbol) => positions.every((one) => one.symbol !== symbol)),
          );
          if (opened.size > 0) expect(positions.length + opened.size).toBeLessThanOrEqual(maxPositions);
        },
      ),
      { numRuns: 200 },
    );
  });
});
