import {
  decimal,
  defaultLimits,
  minute,
  orderTypes,
  prepareRisk,
  washTradeConflict,
  type BrokerAsset,
  type Commitment,
  type OrderType,
  type RiskCode,
  type RiskContext,
  type RiskOrder,
  type Side,
  type Ticker,
} from '@torghut/domain';
import { alpacaReads, alpacaVenue, fixedCredentials } from '@torghut/platform';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { startAlpacaTwin, type AlpacaTwin, type AlpacaTwinConfig } from '../../../infra/local/twins/index.ts';
import { riskContext, riskOrder, standing } from '../../domain/decision/fixtures.ts';
import { TestClock, buyOrder, credentials, midSession, permit, steadyMarket } from '../../infra/local/twins/support.ts';

let twin: AlpacaTwin | null = null;
const start = async (clock: TestClock, change: Partial<AlpacaTwinConfig> = {}) => {
  await twin?.stop();
  const started = await startAlpacaTwin({
    clock,
    marketData: steadyMarket,
    symbols: ['AAPL', 'NVDA'],
    seed: 7,
    partialFillShare: 0,
    ...change,
  });
  twin = started;
  const config = { baseUrl: started.url, credentials: fixedCredentials(credentials) };
  return { twin: started, venue: alpacaVenue(config, clock), reads: alpacaReads(config, clock) };
};
afterEach(async () => {
  await twin?.stop();
  twin = null;
});

const opposite = { buy: 'sell', sell: 'buy' } as const;
const hasLimit = (type: OrderType): boolean => type === 'limit' || type === 'stop_limit';
const hasStop = (type: OrderType): boolean => type === 'stop' || type === 'stop_limit';
const rows = (['buy', 'sell'] as const).flatMap((side) =>
  orderTypes.flatMap((existing) => orderTypes.map((added) => [side, existing, added] as const)),
);

describe('the wash-trade rule', () => {
  /** Before the open, when every order rests. */
  const beforeOpen = midSession - 40 * minute;

  it.each(rows)(
    '[E6] refuses what the broker refuses beside an existing %s %s: a new opposite %s, crossing and not',
    async (side, existing, added) => {
      for (const [buyLimit, sellLimit] of [
        ['99', '100'],
        ['100', '100'],
        ['101', '100'],
      ] as const) {
        const { venue } = await start(new TestClock(beforeOpen));
        const place = (at: Side, type: OrderType, id: string) =>
          venue.submit(
            buyOrder({
              clientOrderId: id,
              side: at,
              type,
              qty: '1',
              limitPrice: hasLimit(type) ? (at === 'buy' ? buyLimit : sellLimit) : null,
              stopPrice: hasStop(type) ? (at === 'buy' ? buyLimit : sellLimit) : null,
            }),
            permit,
          );
        const limitOf = (at: Side, type: OrderType) =>
          hasLimit(type) ? decimal(at === 'buy' ? buyLimit : sellLimit) : null;
        expect(await place(side, existing, 'tg1-existing')).toMatchObject({ kind: 'acknowledged' });
        const refused = washTradeConflict(
          { side, orderType: existing, limitPrice: limitOf(side, existing) },
          { side: opposite[side], orderType: added, limitPrice: limitOf(opposite[side], added) },
        );
        const answer = await place(opposite[side], added, 'tg1-added');
        expect(answer.kind === 'rejected' && answer.rejection === 'wash_trade').toBe(refused);
      }
    },
  );
});

describe('what our checks accept', () => {
  const symbols = ['AAPL', 'NVDA'] as Ticker[];
  const reference: Readonly<Record<string, string>> = { AAPL: '100', NVDA: '50' };
  /** Limits of ours that no broker knows are out of the way. */
  const limits = {
    ...defaultLimits,
    allowShorts: true,
    maxNotionalPerTrade: '1000000000',
    maxPositionPctEquity: '1000000',
    maxGross: '1000000',
    maxNet: '1000000',
    maxMaintenanceMargin: '1000000',
    maxSessionNotional: '1000000',
    maxOrdersPerMinute: 1_000,
    maxOrdersPerSession: 1_000,
  };
  const unbounded = standing({
    stage: {
      stage: 'full',
      symbols: new Set(),
      maxNotionalPerTrade: '1000000000',
      maxPositionPctEquity: '1000000',
      expiresAt: null,
    },
  });

  interface Step {
    readonly symbol: Ticker;
    readonly side: Side;
    readonly type: OrderType;
    readonly qty: number;
    /** Hundredths of a cent away from the reference price. */
    readonly away: number;
    /** Placed by somebody whom our checks did not ask. */
    readonly byHand: boolean;
  }
  const steps = fc.array(
    fc.record<Step>({
      symbol: fc.constantFrom(...symbols),
      side: fc.constantFrom('buy', 'sell'),
      type: fc.constantFrom('limit', 'limit', 'limit', 'market'),
      qty: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 120 })),
      away: fc.oneof(
        fc.integer({ min: -40, max: 40 }).map((cents) => cents * 100),
        fc.integer({ min: -4_000, max: 4_000 }),
      ),
      byHand: fc.boolean(),
    }),
    { minLength: 4, maxLength: 14 },
  );
  const flags = fc.record({
    tradable: fc.constantFrom(true, true, true, false),
    shortable: fc.constantFrom(true, true, false),
    easyToBorrow: fc.constantFrom(true, true, false),
  });

  /** Codes of ours by the refusal of the broker that each must come before. */
  const before: Readonly<Record<string, readonly RiskCode[]>> = {
    insufficient_funds: ['insufficient_buying_power'],
    insufficient_qty: ['position_flip_not_allowed'],
    wash_trade: ['wash_trade_conflict'],
    not_tradable: ['symbol_not_tradable'],
    not_shortable: ['symbol_not_shortable', 'account_shorting_disabled'],
    invalid_price: ['price_increment_invalid'],
    invalid_order: ['min_notional_not_met', 'qty_below_min'],
  };

  it('[E6] the broker never refuses, whatever is held, rests and was placed by hand', async () => {
    const seen = new Map<string, number>();
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        steps,
        flags,
        flags,
        fc.integer({ min: 500, max: 30_000 }),
        fc.constantFrom<'1' | '2' | '4'>('1', '2', '4'),
        fc.boolean(),
        async (taken, ofAapl, ofNvda, cash, multiplier, shortingEnabled) => {
          const clock = new TestClock();
          const {
            twin: broker,
            venue,
            reads,
          } = await start(clock, {
            startingCash: String(cash),
            multiplier,
            shortingEnabled,
            assets: { AAPL: ofAapl, NVDA: ofNvda },
          });
          const assets = new Map<Ticker, BrokerAsset>();
          for (const symbol of symbols) {
            const read = await reads.asset(symbol);
            if (!read.ok || read.value === null) throw new Error('expected the asset');
            assets.set(symbol, read.value);
          }
          for (const [index, step] of taken.entries()) {
            clock.advance(500);
            const [account, positions] = [await reads.account(), await reads.positions()];
            if (!account.ok || !positions.ok) throw new Error('expected the account and its positions');
            const price = decimal(reference[step.symbol]!);
            const limitPrice =
              step.type === 'limit' ? price.plus(decimal(String(step.away)).div(decimal('10000'))) : null;
            const commitments = broker
              .orders()
              .filter(({ status }) => !['filled', 'canceled', 'expired', 'rejected', 'replaced'].includes(status))
              .map((order): Commitment => ({
                kind: 'open_order',
                symbol: order.symbol as Ticker,
                side: order.side,
                orderType: order.type as OrderType,
                qty: order.qty.minus(order.filledQty),
                limitPrice: order.limitPrice,
                price: decimal(reference[order.symbol]!),
              }));
            const context: RiskContext = riskContext({
              phase: 'claim',
              limits,
              universe: { available: true, symbols: new Set(symbols) },
              strategies: new Map([['tsmom@prod', unbounded]]),
              assets,
              account: {
                ...riskContext().account!,
                equity: account.value.equity,
                buyingPower: account.value.buyingPower,
                maintenanceMargin: account.value.maintenanceMargin,
                shortingEnabled: account.value.shortingEnabled,
                positions: positions.value.map(({ symbol, qty, marketValue }) => ({
                  symbol: symbol as Ticker,
                  qty,
                  marketValue,
                })),
              },
              commitments,
            });
            const order: RiskOrder = riskOrder({
              symbol: step.symbol,
              side: step.side,
              qty: decimal(String(step.qty)),
              orderType: step.type,
              limitPrice,
              price: { ...riskOrder().price, price },
              meanMinuteVolume: null,
            });
            const verdict = prepareRisk(context).assess(order);
            if (!verdict.ok && !step.byHand) continue;
            const answer = await venue.submit(
              buyOrder({
                clientOrderId: `tg1-${index}`,
                symbol: step.symbol,
                side: step.side,
                type: step.type,
                qty: String(step.qty),
                limitPrice: limitPrice === null ? null : limitPrice.toFixed(),
              }),
              permit,
            );
            const refusal = answer.kind === 'rejected' ? `${answer.rejection}: ${answer.message}` : null;
            if (verdict.ok) {
              accepted += 1;
              expect(refusal).toBeNull();
            } else if (answer.kind === 'rejected') {
              const { rejection } = answer;
              seen.set(rejection, (seen.get(rejection) ?? 0) + 1);
              expect(verdict.codes.filter((code) => before[rejection]?.includes(code))).not.toEqual([]);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
    // The oracle was asked about every class, or nothing is known of it.
    expect([...seen.keys()].toSorted()).toEqual([
      'insufficient_funds',
      'insufficient_qty',
      'invalid_price',
      'not_shortable',
      'not_tradable',
      'wash_trade',
    ]);
    expect(accepted).toBeGreaterThan(50);
  }, 60_000);
});
