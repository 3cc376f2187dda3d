import type { Json } from '../canonical-json.ts';
import { decimal, decimalText, floorDecimal, fromDouble, maxDecimal, zero, type Decimal } from '../decimal.ts';
import { isOnTick, tickAt } from '../decision/execution-policy.ts';
import { lotPlaces } from '../decision/sizing.ts';
import { priceMaxAgeMs, type priceProblem } from '../features/reference-price.ts';
import { hour, minute, second, toText } from '../instant.ts';
import type { BrokerAsset } from '../ports.ts';
import type { RiskCode } from '../reason-codes.ts';
import { inCooldown } from '../strategy/cooldown.ts';
import type { AccountSnapshot, RiskContext, RiskOrder, RouteAvailability, StrategyStanding } from './context.ts';
import { longCase, payingPrice, shortCase, type ExposureBook, type SymbolExposure } from './exposure.ts';
import { stageRules, type StrategyCaps } from './stage-caps.ts';
import { washTradeConflict } from './wash-trade.ts';

/**
 * How one check ended. `not_applicable`: the order is exempt, or has nothing of what is checked. `unknown`: what it looks
 * at is not known, and the check that says so is another one.
 */
export const checkResults = ['passed', 'failed', 'not_applicable', 'unknown'] as const;
export type CheckResult = (typeof checkResults)[number];

/** What one check saw and what it allows, in the unit of the check; null where that is not known. */
export interface CheckReading {
  readonly result: CheckResult;
  readonly observed: Json;
  readonly limit: Json;
}

/** Unit of observed and limit. `word`: they are words; `time`: instants as UTC text. */
export type CheckUnit =
  | 'word'
  | 'time'
  | 'ms'
  | 'USD'
  | 'USD per share'
  | 'bps'
  | 'shares'
  | 'symbols'
  | 'positions'
  | 'orders'
  | 'breaks'
  | 'orders and USD';

/** All a check may look at. Values are null where they cannot be known; the code that says so is another one's. */
export interface CheckFacts {
  readonly context: RiskContext;
  readonly order: RiskOrder;
  readonly standing: StrategyStanding | undefined;
  readonly caps: StrategyCaps;
  readonly route: RouteAvailability;
  readonly asset: BrokerAsset | undefined;
  readonly account: AccountSnapshot | null;
  readonly book: ExposureBook;
  readonly exposure: SymbolExposure;
  readonly reducing: boolean;
  /** The part of the order that is more than a reduction, shares. */
  readonly openingQty: Decimal;
  readonly priceProblem: ReturnType<typeof priceProblem>;
  readonly price: Decimal | null;
  /** Quantity at the reference price, USD. */
  readonly notional: Decimal | null;
  readonly margin: Decimal;
  readonly ordersReserved: number;
  readonly notionalReserved: Decimal;
  readonly limit: ReturnType<typeof readRiskLimits>;
}

/** One check as it is stored with its decision or claim. */
export type CheckRecord = readonly [code: RiskCode, result: CheckResult, observed: Json, limit: Json];

export interface RiskCheck {
  readonly unit: CheckUnit;
  readonly read: (facts: CheckFacts) => CheckReading;
}

export const readRiskLimits = (limits: RiskContext['limits']) => ({
  collarBps: decimal(limits.priceCollarBps),
  minNotional: decimal(limits.minNotional),
  maintenance: decimal(limits.maxMaintenanceMargin),
  gross: decimal(limits.maxGross),
  net: decimal(limits.maxNet),
  participation: decimal(limits.maxParticipationRate),
  sessionNotional: decimal(limits.maxSessionNotional),
});

const one = decimal('1');
const bps = decimal('10000');

const notApplicable: CheckReading = { result: 'not_applicable', observed: null, limit: null };
const unknown: CheckReading = { result: 'unknown', observed: null, limit: null };
const judged = (fails: boolean, observed: Json, limit: Json): CheckReading => ({
  result: fails ? 'failed' : 'passed',
  observed,
  limit,
});
/** Passes when it is what it has to be. */
const mustBe = (observed: string, required: string): CheckReading => judged(observed !== required, observed, required);
const text = (value: Decimal | null): string | null => (value === null ? null : decimalText(value));
const atMost = (observed: Decimal | null, limit: Decimal | null): CheckReading =>
  observed === null || limit === null
    ? { result: 'unknown', observed: text(observed), limit: text(limit) }
    : judged(observed.gt(limit), decimalText(observed), decimalText(limit));
const within = (now: number, from: number, until: number): CheckReading =>
  judged(now < from || now >= until, toText(now), { from: toText(from), until: toText(until) });
const notAfter = (now: number, last: number): CheckReading => judged(now > last, toText(now), toText(last));
/** A cap as a multiple of equity, which needs a known account; without one `account_snapshot_stale` speaks. */
const ofEquity = ({ account }: CheckFacts, observed: Decimal | null, multiple: Decimal): CheckReading =>
  atMost(observed, account?.equity.times(multiple) ?? null);

/** Gross exposure of all symbols if the order were added, USD. */
const grossAfter = ({ book, exposure, order, notional }: CheckFacts): Decimal | null => {
  if (notional === null) return null;
  const buy = longCase(exposure);
  const sell = shortCase(exposure);
  const before = maxDecimal(buy.abs(), sell.abs());
  const after =
    order.side === 'buy'
      ? maxDecimal(buy.plus(notional).abs(), sell.abs())
      : maxDecimal(buy.abs(), sell.minus(notional).abs());
  return book.gross.minus(before).plus(after);
};

const positionAfter = ({ exposure, order, notional }: CheckFacts): Decimal | null =>
  notional === null
    ? null
    : (order.side === 'buy' ? longCase(exposure).plus(notional) : shortCase(exposure).minus(notional)).abs();

const netAfter = ({ book, order, notional }: CheckFacts): Decimal | null =>
  notional === null
    ? null
    : order.side === 'buy'
      ? book.longNet.plus(notional)
      : zero.minus(book.shortNet.minus(notional));

const closingEntries = new Set(['ptp_no_exception', 'ipo']);
const opensShort = ({ order, openingQty }: CheckFacts): boolean => order.side === 'sell' && openingQty.gt(zero);

type ReadableControls = Extract<RiskContext['controls'], { readonly readable: true }>;
/** A check of controls that can be read; of others `control_state_unreadable` speaks. */
const ofControls =
  (read: (controls: ReadableControls, facts: CheckFacts) => CheckReading) =>
  (facts: CheckFacts): CheckReading =>
    facts.context.controls.readable ? read(facts.context.controls, facts) : unknown;
/** A check that only money at stake asks for. */
const ofLive = (read: RiskCheck['read']): RiskCheck['read'] =>
  ofControls(({ tradingMode }, facts) => (tradingMode === 'live' ? read(facts) : notApplicable));
const mustBeReleased = (engaged: boolean): CheckReading => mustBe(engaged ? 'engaged' : 'released', 'released');

/** One check per code of the risk table; the table gives order and exemptions. */
export const riskCheckTable: Readonly<Record<RiskCode, RiskCheck>> = {
  control_state_unreadable: {
    unit: 'word',
    read: ({ context: { controls } }) => mustBe(controls.readable ? 'readable' : controls.detail, 'readable'),
  },
  kill_switch_engaged: { unit: 'word', read: ofControls(({ killSwitch }) => mustBeReleased(killSwitch)) },
  emergency_stop_active: { unit: 'word', read: ofControls(({ emergencyStop }) => mustBeReleased(emergencyStop)) },
  reduce_only_active: {
    unit: 'word',
    read: (facts) =>
      facts.context.reduceOnlySymbols.has(facts.order.symbol)
        ? judged(true, `a break holds ${facts.order.symbol}`, 'released')
        : ofControls(({ reduceOnly }) => mustBeReleased(reduceOnly))(facts),
  },
  trading_disabled: {
    unit: 'word',
    read: ofControls(({ tradingEnabled }) => mustBe(tradingEnabled ? 'enabled' : 'disabled', 'enabled')),
  },
  live_trading_disabled: {
    unit: 'word',
    read: ofControls(({ tradingMode }, { context: { liveEnabled } }) =>
      judged(tradingMode === 'live' && !liveEnabled, tradingMode, liveEnabled ? ['paper', 'live'] : ['paper']),
    ),
  },
  order_message_expired: {
    unit: 'time',
    read: ({ context: { now }, order: { expiresAt } }) => notAfter(now, expiresAt),
  },

  market_closed: {
    unit: 'time',
    read: ({ context: { session, now, limits }, reducing }) => {
      if (session.kind === 'unknown') return unknown;
      if (session.kind === 'closed') return judged(true, toText(now), 'no session today');
      const lastExit = session.closeAt - limits.exitCutoffMinutes * minute;
      return within(now, session.openAt, reducing ? lastExit : session.closeAt);
    },
  },
  new_exposure_cutoff: {
    unit: 'time',
    read: ({ context: { session, now, limits } }) =>
      session.kind === 'trading_day'
        ? within(
            now,
            session.openAt + limits.entryOpenDelaySeconds * second,
            session.closeAt - limits.entryCutoffMinutes * minute,
          )
        : unknown,
  },
  signal_too_old: {
    unit: 'ms',
    read: ({ context: { now, limits }, order: { eventTs } }) => {
      const limit = limits.signalMaxAgeSeconds * second;
      return judged(now - eventTs > limit, now - eventTs, limit);
    },
  },
  calendar_unknown: {
    unit: 'word',
    read: ({ context: { session } }) => mustBe(session.kind === 'unknown' ? 'no calendar row' : 'known', 'known'),
  },

  strategy_disabled: {
    unit: 'word',
    read: ({ standing }) =>
      mustBe(standing === undefined ? 'not in the catalog' : standing.enabled ? 'enabled' : 'disabled', 'enabled'),
  },
  strategy_degraded: {
    unit: 'word',
    read: ({ standing }) =>
      standing === undefined ? unknown : mustBe(standing.degraded ? 'suspended' : 'running', 'running'),
  },
  stage_not_permitted: {
    unit: 'word',
    read: ({ standing, context: { controls } }) => {
      const stages = Object.entries(stageRules).flatMap(([stage, { modes }]) =>
        (controls.readable ? modes.includes(controls.tradingMode) : stage !== 'shadow') ? [stage] : [],
      );
      const stage = standing?.stage?.stage ?? 'none';
      return judged(!stages.includes(stage), stage, stages);
    },
  },
  symbol_not_in_stage: {
    unit: 'word',
    read: ({ standing, order: { symbol } }) => {
      const stage = standing?.stage ?? null;
      if (stage === null) return unknown;
      return stageRules[stage.stage].namedSymbolsOnly
        ? mustBe(stage.symbols.has(symbol) ? 'named' : 'not named', 'named')
        : notApplicable;
    },
  },
  capital_stage_expired: {
    unit: 'time',
    read: ({ standing, context: { now } }) => {
      const stage = standing?.stage ?? null;
      if (stage === null) return unknown;
      return stage.expiresAt === null ? notApplicable : notAfter(now, stage.expiresAt);
    },
  },

  universe_unavailable: {
    unit: 'symbols',
    read: ({ context: { universe } }) => {
      const size = universe.available ? universe.symbols.size : 0;
      return judged(size === 0, size, 1);
    },
  },
  symbol_not_in_universe: {
    unit: 'word',
    read: ({ context: { universe }, order: { symbol } }) =>
      mustBe(universe.symbols.has(symbol) ? 'member' : 'no member', 'member'),
  },
  symbol_not_allowed: {
    unit: 'word',
    read: ({ standing, order: { symbol } }) => {
      const filter = standing?.universeFilter ?? null;
      return filter === null ? notApplicable : mustBe(filter.has(symbol) ? 'member' : 'no member', 'member');
    },
  },

  route_unavailable: {
    unit: 'word',
    read: ({ route, reducing }) =>
      mustBe((reducing ? route.availableToReduce : route.available) ? 'available' : 'no enabled adapter', 'available'),
  },
  symbol_manual_review: {
    unit: 'word',
    read: ({ route }) => mustBe(route.manualReview ? 'waits for an operator' : 'free', 'free'),
  },

  symbol_not_tradable: {
    unit: 'word',
    read: ({ asset, reducing }) => {
      if (asset === undefined) return unknown;
      const closing = reducing ? [] : asset.attributes.filter((attribute) => closingEntries.has(attribute));
      const found = [...(asset.active ? [] : ['inactive']), ...(asset.tradable ? [] : ['not tradable']), ...closing];
      return mustBe(found.length === 0 ? 'tradable' : found.join(', '), 'tradable');
    },
  },
  // Metadata is read at the claim, which is authoritative; a cycle makes no call per symbol.
  asset_metadata_unavailable: {
    unit: 'word',
    read: ({ asset, context: { controls, phase } }) => {
      if (asset !== undefined) return mustBe('known', 'known');
      return phase === 'claim' && (!controls.readable || controls.tradingMode === 'live')
        ? judged(true, 'not read', 'known')
        : unknown;
    },
  },

  missing_price: {
    unit: 'word',
    read: ({ priceProblem: problem }) => mustBe(problem === 'missing_price' ? 'none at the signal' : 'known', 'known'),
  },
  price_stale: {
    unit: 'ms',
    read: ({ priceProblem: problem, order, context: { limits } }) =>
      problem === 'missing_price' || order.price.asOf === null
        ? unknown
        : judged(problem === 'price_stale', order.eventTs - order.price.asOf, priceMaxAgeMs(order.timeframe, limits)),
  },
  price_non_positive: {
    unit: 'USD per share',
    read: ({ priceProblem: problem, order: { price } }) =>
      price.price === null || problem === 'missing_price' || problem === 'price_stale'
        ? unknown
        : judged(problem === 'price_non_positive', decimalText(price.price), 'above 0'),
  },
  price_collar_exceeded: {
    unit: 'bps',
    read: ({ order, price, limit }) => {
      if (order.orderType === 'market' || order.orderType === 'stop') return notApplicable;
      if (price === null) return unknown;
      const collar = decimalText(limit.collarBps);
      if (order.limitPrice === null) return judged(true, 'no limit price on the tick', collar);
      const distance = order.limitPrice.minus(price).abs().times(bps);
      // Compared as products: the quotient is rounded, and only shown.
      return judged(
        distance.gt(price.times(limit.collarBps)),
        decimalText(floorDecimal(distance.div(price), 4)),
        collar,
      );
    },
  },
  price_increment_invalid: {
    unit: 'USD per share',
    read: ({ order: { limitPrice } }) =>
      limitPrice === null
        ? notApplicable
        : judged(!isOnTick(limitPrice), decimalText(limitPrice), decimalText(tickAt(limitPrice))),
  },

  qty_below_min: {
    unit: 'shares',
    read: ({ order, asset, context: { limits } }) => {
      if (order.unbounded) return unknown;
      const whole = lotPlaces(limits, asset?.fractionable ?? false) === 0;
      return judged(whole ? order.qty.lt(one) : order.qty.lte(zero), decimalText(order.qty), whole ? '1' : 'above 0');
    },
  },
  min_notional_not_met: {
    unit: 'USD',
    read: ({ order, notional, limit }) =>
      notional === null || order.qty.lte(zero)
        ? unknown
        : judged(notional.lt(limit.minNotional), decimalText(notional), decimalText(limit.minNotional)),
  },
  max_notional_exceeded: { unit: 'USD', read: ({ notional, caps }) => atMost(notional, caps.maxNotional) },
  sizing_unbounded: {
    unit: 'word',
    read: ({ order }) => mustBe(order.unbounded ? 'unbounded' : 'bounded', 'bounded'),
  },

  account_snapshot_stale: {
    unit: 'ms',
    read: ({ account, context: { now, limits } }) => {
      const limit = limits.accountSnapshotMaxAgeSeconds * second;
      if (account === null) return judged(true, 'no snapshot', limit);
      const age = now - account.asOf;
      return account.complete ? judged(age > limit, age, limit) : judged(true, 'incomplete', limit);
    },
  },
  order_sync_stale: {
    unit: 'ms',
    read: ({ context: { now, limits, lastOrderSyncAt } }) => {
      const limit = limits.orderSyncMaxAgeSeconds * second;
      if (lastOrderSyncAt === null) return judged(true, 'no completed sync', limit);
      return judged(now - lastOrderSyncAt > limit, now - lastOrderSyncAt, limit);
    },
  },
  reconciliation_stale: {
    unit: 'ms',
    read: ofLive(({ context: { now, limits, lastReconciliationAt } }) => {
      const limit = limits.reconciliationMaxAgeHours * hour;
      if (lastReconciliationAt === null) return judged(true, 'no completed reconciliation', limit);
      return judged(now - lastReconciliationAt > limit, now - lastReconciliationAt, limit);
    }),
  },
  critical_breaks_open: {
    unit: 'breaks',
    read: ofLive(({ context: { openCriticalBreaks } }) => judged(openCriticalBreaks > 0, openCriticalBreaks, 0)),
  },
  insufficient_buying_power: {
    unit: 'USD',
    read: ({ account, book, order, price, openingQty }) =>
      atMost(
        price === null ? null : book.openingValue.plus(openingQty.times(payingPrice({ ...order, price }))),
        account?.buyingPower ?? null,
      ),
  },
  intraday_margin_exceeded: {
    unit: 'USD',
    read: (facts) => {
      const { account, book, openingQty, price, margin, limit } = facts;
      const projected =
        account === null || price === null
          ? null
          : account.maintenanceMargin.plus(book.openingMargin).plus(openingQty.times(price).times(margin));
      return ofEquity(facts, projected, limit.maintenance);
    },
  },
  max_position_pct_exceeded: {
    unit: 'USD',
    read: (facts) => ofEquity(facts, positionAfter(facts), facts.caps.positionPct),
  },
  gross_exposure_exceeded: { unit: 'USD', read: (facts) => ofEquity(facts, grossAfter(facts), facts.limit.gross) },
  net_exposure_exceeded: { unit: 'USD', read: (facts) => ofEquity(facts, netAfter(facts), facts.limit.net) },
  max_positions_exceeded: {
    unit: 'positions',
    read: ({ book, order, context: { limits } }) => {
      const isOpen = book.isOpen(order.symbol);
      const open = book.openSymbols + (isOpen ? 0 : 1);
      return judged(!isOpen && open > limits.maxPositions, open, limits.maxPositions);
    },
  },

  shorts_not_allowed: {
    unit: 'shares',
    read: (facts) => {
      if (!opensShort(facts)) return notApplicable;
      const allowed = facts.context.limits.allowShorts;
      return judged(!allowed, decimalText(facts.openingQty), allowed ? 'any' : '0');
    },
  },
  account_shorting_disabled: {
    unit: 'word',
    read: (facts) => {
      if (!opensShort(facts)) return notApplicable;
      return facts.account === null
        ? unknown
        : mustBe(facts.account.shortingEnabled ? 'may sell short' : 'may not sell short', 'may sell short');
    },
  },
  symbol_not_shortable: {
    unit: 'word',
    read: (facts) => {
      if (!opensShort(facts)) return notApplicable;
      const { asset } = facts;
      if (asset === undefined) return unknown;
      const found = [...(asset.shortable ? [] : ['not shortable']), ...(asset.easyToBorrow ? [] : ['hard to borrow'])];
      return mustBe(found.length === 0 ? 'shortable' : found.join(', '), 'shortable');
    },
  },
  shorting_metadata_unavailable: {
    unit: 'word',
    read: (facts) =>
      opensShort(facts)
        ? mustBe(facts.asset === undefined || facts.account === null ? 'not read' : 'known', 'known')
        : notApplicable,
  },
  position_flip_not_allowed: {
    unit: 'shares',
    read: ({ order, exposure: { positionQty }, openingQty }) => {
      const against = order.side === 'sell' ? positionQty.gt(zero) : positionQty.lt(zero);
      return against ? judged(openingQty.gt(zero), decimalText(openingQty), '0') : notApplicable;
    },
  },

  wash_trade_conflict: {
    unit: 'word',
    read: ({ exposure, order }) => {
      const conflict = exposure.commitments.find(
        // An order that has ended rests nowhere, so nothing can trade with it.
        (existing) => existing.kind !== 'unseen_fill' && washTradeConflict(existing, order),
      );
      return mustBe(
        conflict === undefined
          ? 'none'
          : `${conflict.kind.replaceAll('_', ' ')}: ${conflict.side} ${conflict.orderType.replaceAll('_', ' ')}`,
        'none',
      );
    },
  },
  participation_exceeds_max: {
    unit: 'shares',
    read: ({ order, limit }) =>
      atMost(
        order.qty,
        order.meanMinuteVolume === null ? null : limit.participation.times(fromDouble(order.meanMinuteVolume)),
      ),
  },
  cooldown_active: {
    unit: 'ms',
    read: ({ order, context: { limits } }) => {
      const cooldown = limits.cooldownSeconds * second;
      return order.lastDecisionAt === null
        ? notApplicable
        : judged(
            inCooldown(order.lastDecisionAt, order.eventTs, cooldown),
            order.eventTs - order.lastDecisionAt,
            cooldown,
          );
    },
  },
  order_rate_exceeded: {
    unit: 'orders',
    read: ({ context: { ordersLastMinute, limits }, ordersReserved }) => {
      const orders = ordersLastMinute + ordersReserved + 1;
      return judged(orders > limits.maxOrdersPerMinute, orders, limits.maxOrdersPerMinute);
    },
  },
  session_budget_exceeded: {
    unit: 'orders and USD',
    read: (facts) => {
      const { context, ordersReserved, notionalReserved, notional, limit } = facts;
      const orders = context.ordersInSession + ordersReserved + 1;
      const most = context.limits.maxOrdersPerSession;
      const used = context.sessionNotional.plus(notionalReserved).plus(notional ?? zero);
      const value = ofEquity(facts, used, limit.sessionNotional);
      return {
        result: orders > most ? 'failed' : value.result,
        observed: { orders, notional: value.observed },
        limit: { orders: most, notional: value.limit },
      };
    },
  },
};
