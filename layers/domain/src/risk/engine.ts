import type { Json } from '../canonical-json.ts';
import { decimal, decimalText, fromDouble, maxDecimal, zero, type Decimal } from '../decimal.ts';
import { isOnTick } from '../decision/execution-policy.ts';
import { lotPlaces } from '../decision/sizing.ts';
import { priceMaxAgeMs, priceProblem } from '../features/reference-price.ts';
import type { Side } from '../enumerations.ts';
import type { Ticker } from '../identifiers.ts';
import { minute, second, toText } from '../instant.ts';
import type { BrokerAsset } from '../ports.ts';
import { riskCodes, type RiskCode } from '../reason-codes.ts';
import { inCooldown } from '../strategy/cooldown.ts';
import type {
  AccountSnapshot,
  Commitment,
  RiskContext,
  RiskOrder,
  RouteAvailability,
  StrategyStanding,
} from './context.ts';
import { ExposureBook, longCase, payingPrice, reducibleQty, shortCase, type SymbolExposure } from './exposure.ts';
import { stageRules, strategyCaps, type StrategyCaps } from './stage-caps.ts';
import { washTradeConflict } from './wash-trade.ts';

type Details = Readonly<Partial<Record<RiskCode, Json>>>;

export type RiskVerdict = { readonly phase: RiskContext['phase']; readonly reducing: boolean } & (
  | { readonly ok: true }
  /** Every failing code, in the order of the table, with what was observed and what the limit was. */
  | { readonly ok: false; readonly codes: readonly RiskCode[]; readonly details: Details }
);

/** What sizing needs to know of the exposure of one symbol; null where no account snapshot is known. */
export interface ExposureRoom {
  readonly equity: Decimal | null;
  readonly positionValue: Decimal;
  readonly grossRoom: Decimal | null;
  readonly netRoom: Decimal | null;
  readonly buyingPower: Decimal | null;
  /** Held, and reserved by pending sells, shares. */
  readonly held: Decimal;
  readonly reserved: Decimal;
}

/** The risk state of one cycle or one claim: prepared once, then O(1) for each order. */
export interface RiskBook {
  assess(order: RiskOrder): RiskVerdict;
  /** Books an accepted order as exposure, so that the next one is judged with it. */
  reserve(order: RiskOrder): void;
  room(symbol: Ticker): ExposureRoom;
  caps(strategyId: string): StrategyCaps;
}

/** All a check may look at. Values are null where they cannot be known; the code that says so is another one's. */
interface Facts {
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
  readonly limit: ReturnType<typeof readLimits>;
}

/** `null`: passed. Anything else: failed, and this is the detail. */
type Check = (facts: Facts) => Json | null;

const one = decimal('1');
const bps = decimal('10000');
const failed: Json = {};
const when = (fails: boolean, detail: Json = failed): Json | null => (fails ? detail : null);
const exceeds = (observed: Decimal | null, limit: Decimal): Json | null =>
  observed !== null && observed.gt(limit) ? { observed: decimalText(observed), limit: decimalText(limit) } : null;

const readLimits = (limits: RiskContext['limits']) => ({
  collarBps: decimal(limits.priceCollarBps),
  minNotional: decimal(limits.minNotional),
  maintenance: decimal(limits.maxMaintenanceMargin),
  gross: decimal(limits.maxGross),
  net: decimal(limits.maxNet),
  participation: decimal(limits.maxParticipationRate),
  sessionNotional: decimal(limits.maxSessionNotional),
});

/** Gross exposure of all symbols if the order were added, USD. */
const grossAfter = ({ book, exposure, order, notional }: Facts): Decimal | null => {
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

const positionAfter = ({ exposure, order, notional }: Facts): Decimal | null =>
  notional === null
    ? null
    : (order.side === 'buy' ? longCase(exposure).plus(notional) : shortCase(exposure).minus(notional)).abs();

const netAfter = ({ book, order, notional }: Facts): Decimal | null =>
  notional === null
    ? null
    : order.side === 'buy'
      ? book.longNet.plus(notional)
      : zero.minus(book.shortNet.minus(notional));

/** A cap on an observed figure that needs a known account; without one `account_snapshot_stale` speaks. */
const ofEquity = (facts: Facts, observed: Decimal | null, multiple: Decimal): Json | null =>
  facts.account === null ? null : exceeds(observed, facts.account.equity.times(multiple));

const closingEntries = new Set(['ptp_no_exception', 'ipo']);
const opensShort = ({ order, openingQty }: Facts): boolean => order.side === 'sell' && openingQty.gt(zero);

/** One check per code of the risk table; the table gives order and exemptions. */
const checks: Readonly<Record<RiskCode, Check>> = {
  control_state_unreadable: ({ context: { controls } }) => (controls.readable ? null : { detail: controls.detail }),
  kill_switch_engaged: ({ context: { controls } }) => when(controls.readable && controls.killSwitch),
  emergency_stop_active: ({ context: { controls } }) => when(controls.readable && controls.emergencyStop),
  reduce_only_active: ({ context: { controls, reduceOnlySymbols }, order: { symbol } }) =>
    reduceOnlySymbols.has(symbol) ? { symbol } : when(controls.readable && controls.reduceOnly),
  trading_disabled: ({ context: { controls } }) => when(controls.readable && !controls.tradingEnabled),
  live_trading_disabled: ({ context: { controls, liveEnabled } }) =>
    when(controls.readable && controls.tradingMode === 'live' && !liveEnabled),
  order_message_expired: ({ context: { now }, order: { expiresAt } }) =>
    when(now > expiresAt, { expires_at: toText(expiresAt) }),

  market_closed: ({ context: { session, now, limits }, reducing }) => {
    if (session.kind === 'unknown') return null;
    if (session.kind === 'closed') return failed;
    const lastExit = session.closeAt - limits.exitCutoffMinutes * minute;
    const end = reducing ? lastExit : session.closeAt;
    return when(now < session.openAt || now >= end, { open_at: toText(session.openAt), until: toText(end) });
  },
  new_exposure_cutoff: ({ context: { session, now, limits } }) => {
    if (session.kind !== 'trading_day') return null;
    const from = session.openAt + limits.entryOpenDelaySeconds * second;
    const until = session.closeAt - limits.entryCutoffMinutes * minute;
    return when(now < from || now >= until, { from: toText(from), until: toText(until) });
  },
  signal_too_old: ({ context: { now, limits }, order: { eventTs } }) =>
    when(now - eventTs > limits.signalMaxAgeSeconds * second, {
      age_ms: now - eventTs,
      limit_s: limits.signalMaxAgeSeconds,
    }),
  calendar_unknown: ({ context: { session } }) => when(session.kind === 'unknown'),

  strategy_disabled: ({ standing }) => when(standing?.enabled !== true),
  strategy_degraded: ({ standing }) => when(standing?.degraded === true),
  stage_not_permitted: ({ standing, context: { controls } }) => {
    const stage = standing?.stage?.stage ?? null;
    if (stage === null) return { stage: null };
    const allowed = controls.readable ? stageRules[stage].modes.includes(controls.tradingMode) : stage !== 'shadow';
    return when(!allowed, { stage });
  },
  symbol_not_in_stage: ({ standing, order }) => {
    const stage = standing?.stage ?? null;
    return when(stage !== null && stageRules[stage.stage].namedSymbolsOnly && !stage.symbols.has(order.symbol));
  },
  capital_stage_expired: ({ standing, context: { now } }) => {
    const expiresAt = standing?.stage?.expiresAt ?? null;
    return expiresAt === null ? null : when(now > expiresAt, { expires_at: toText(expiresAt) });
  },

  universe_unavailable: ({ context: { universe } }) => when(!universe.available || universe.symbols.size === 0),
  symbol_not_in_universe: ({ context: { universe }, order }) => when(!universe.symbols.has(order.symbol)),
  symbol_not_allowed: ({ standing, order }) => {
    const filter = standing?.universeFilter ?? null;
    return when(filter !== null && !filter.has(order.symbol));
  },

  route_unavailable: ({ route }) => when(!route.available),
  symbol_manual_review: ({ route }) => when(route.manualReview),

  symbol_not_tradable: ({ asset, reducing }) => {
    if (asset === undefined) return null;
    const attributes = reducing ? [] : asset.attributes.filter((attribute) => closingEntries.has(attribute));
    return when(!asset.active || !asset.tradable || attributes.length > 0, {
      active: asset.active,
      tradable: asset.tradable,
      attributes,
    });
  },
  // Metadata is read at the claim, which is authoritative; a cycle makes no call per symbol.
  asset_metadata_unavailable: ({ asset, context: { controls, phase } }) =>
    when(phase === 'claim' && asset === undefined && (!controls.readable || controls.tradingMode === 'live')),

  missing_price: (facts) => when(facts.priceProblem === 'missing_price'),
  price_stale: ({ priceProblem: problem, order, context: { limits } }) =>
    when(problem === 'price_stale', {
      age_ms: order.price.asOf === null ? null : order.eventTs - order.price.asOf,
      limit_ms: priceMaxAgeMs(order.timeframe, limits),
    }),
  price_non_positive: (facts) => when(facts.priceProblem === 'price_non_positive'),
  price_collar_exceeded: ({ order, price, limit }) => {
    if (price === null || order.orderType === 'market' || order.orderType === 'stop') return null;
    if (order.limitPrice === null) return { limit_price: null };
    const distance = order.limitPrice.minus(price).abs();
    // Compared as products: a quotient would be rounded.
    return when(distance.times(bps).gt(price.times(limit.collarBps)), {
      limit_price: decimalText(order.limitPrice),
      reference_price: decimalText(price),
      limit_bps: decimalText(limit.collarBps),
    });
  },

  price_increment_invalid: ({ order: { limitPrice } }) =>
    limitPrice === null || isOnTick(limitPrice) ? null : { limit_price: decimalText(limitPrice) },

  qty_below_min: ({ order, asset, context: { limits } }) => {
    if (order.unbounded) return null;
    const whole = lotPlaces(limits, asset?.fractionable ?? false) === 0;
    return when(whole ? order.qty.lt(one) : order.qty.lte(zero), { qty: decimalText(order.qty) });
  },
  min_notional_not_met: ({ order, notional, limit }) =>
    when(order.qty.gt(zero) && notional !== null && notional.lt(limit.minNotional), {
      notional: notional === null ? null : decimalText(notional),
      limit: decimalText(limit.minNotional),
    }),
  max_notional_exceeded: ({ notional, caps }) => exceeds(notional, caps.maxNotional),
  sizing_unbounded: ({ order }) => when(order.unbounded),

  account_snapshot_stale: ({ account, context: { now, limits } }) => {
    if (account === null) return { as_of: null };
    const tooOld = now - account.asOf > limits.accountSnapshotMaxAgeSeconds * second;
    return when(tooOld || !account.complete, { as_of: toText(account.asOf), complete: account.complete });
  },
  order_sync_stale: ({ context: { now, limits, lastOrderSyncAt } }) =>
    when(lastOrderSyncAt === null || now - lastOrderSyncAt > limits.orderSyncMaxAgeSeconds * second, {
      last_sync_at: lastOrderSyncAt === null ? null : toText(lastOrderSyncAt),
    }),
  insufficient_buying_power: ({ account, book, order, price, openingQty }) =>
    account === null || price === null
      ? null
      : exceeds(book.openingValue.plus(openingQty.times(payingPrice({ ...order, price }))), account.buyingPower),
  intraday_margin_exceeded: (facts) => {
    const { account, book, openingQty, price, margin, limit } = facts;
    if (account === null || price === null) return null;
    const projected = account.maintenanceMargin.plus(book.openingMargin).plus(openingQty.times(price).times(margin));
    return ofEquity(facts, projected, limit.maintenance);
  },
  max_position_pct_exceeded: (facts) => ofEquity(facts, positionAfter(facts), facts.caps.positionPct),
  gross_exposure_exceeded: (facts) => ofEquity(facts, grossAfter(facts), facts.limit.gross),
  net_exposure_exceeded: (facts) => ofEquity(facts, netAfter(facts), facts.limit.net),
  max_positions_exceeded: ({ book, order, context: { limits } }) =>
    when(!book.isOpen(order.symbol) && book.openSymbols + 1 > limits.maxPositions, {
      open: book.openSymbols,
      limit: limits.maxPositions,
    }),

  shorts_not_allowed: (facts) =>
    when(opensShort(facts) && !facts.context.limits.allowShorts, { short_qty: decimalText(facts.openingQty) }),
  account_shorting_disabled: (facts) => when(opensShort(facts) && facts.account?.shortingEnabled === false),
  symbol_not_shortable: (facts) =>
    when(opensShort(facts) && facts.asset !== undefined && !(facts.asset.shortable && facts.asset.easyToBorrow)),
  shorting_metadata_unavailable: (facts) =>
    when(opensShort(facts) && (facts.asset === undefined || facts.account === null)),

  position_flip_not_allowed: ({ order, exposure: { positionQty }, openingQty }) =>
    when(openingQty.gt(zero) && (order.side === 'sell' ? positionQty.gt(zero) : positionQty.lt(zero)), {
      position: decimalText(positionQty),
      beyond: decimalText(openingQty),
    }),

  wash_trade_conflict: ({ exposure, order }) => {
    const conflict = exposure.commitments.find(
      // An order that has ended rests nowhere, so nothing can trade with it.
      (existing) => existing.kind !== 'unseen_fill' && washTradeConflict(existing, order),
    );
    return conflict === undefined
      ? null
      : { existing: conflict.kind, side: conflict.side, order_type: conflict.orderType };
  },
  participation_exceeds_max: ({ order, limit }) =>
    order.meanMinuteVolume === null
      ? null
      : exceeds(order.qty, limit.participation.times(fromDouble(order.meanMinuteVolume))),
  cooldown_active: ({ order, context: { limits } }) =>
    when(inCooldown(order.lastDecisionAt, order.eventTs, limits.cooldownSeconds * second), {
      last_at: order.lastDecisionAt === null ? null : toText(order.lastDecisionAt),
      limit_s: limits.cooldownSeconds,
    }),
  order_rate_exceeded: ({ context: { ordersLastMinute, limits }, ordersReserved }) =>
    when(ordersLastMinute + ordersReserved + 1 > limits.maxOrdersPerMinute, {
      orders_last_minute: ordersLastMinute + ordersReserved,
      limit: limits.maxOrdersPerMinute,
    }),
  session_budget_exceeded: (facts) => {
    const { context, ordersReserved, notionalReserved, notional, limit } = facts;
    const orders = context.ordersInSession + ordersReserved;
    if (orders + 1 > context.limits.maxOrdersPerSession) return { orders, limit: context.limits.maxOrdersPerSession };
    const used = context.sessionNotional.plus(notionalReserved).plus(notional ?? zero);
    return ofEquity(facts, used, limit.sessionNotional);
  },
};

/** Groups of the risk table, in order. */
export const riskGroups = [...new Set(riskCodes.map(({ group }) => group))];
const groupOf = new Map<RiskCode, string>(riskCodes.map(({ code, group }) => [code, group]));

/** Failing codes by group, every group present: the record of the checks in the decision document. */
export const riskChecks = (verdict: RiskVerdict): Readonly<Record<string, readonly RiskCode[]>> => {
  const codes = verdict.ok ? [] : verdict.codes;
  return Object.fromEntries(riskGroups.map((group) => [group, codes.filter((code) => groupOf.get(code) === group)]));
};

/** Reads the shared state once. Orders are then assessed in turn; each accepted one has to be reserved. */
export const prepareRisk = (context: RiskContext): RiskBook => {
  const { limits, account } = context;
  const limit = readLimits(limits);
  // What is not known counts whole.
  const marginOf = (symbol: Ticker, side: Side): Decimal =>
    context.assets.get(symbol)?.marginRequirement?.[side === 'buy' ? 'long' : 'short'] ?? one;
  const book = new ExposureBook(account?.positions ?? [], context.commitments, marginOf);
  const capsById = new Map<string, StrategyCaps>();
  const caps = (strategyId: string): StrategyCaps => {
    let found = capsById.get(strategyId);
    if (found === undefined)
      capsById.set(strategyId, (found = strategyCaps(context.strategies.get(strategyId), limits)));
    return found;
  };
  let ordersReserved = 0;
  let notionalReserved = zero;

  const assess = (order: RiskOrder): RiskVerdict => {
    const exposure = book.of(order.symbol);
    const reducible = reducibleQty(exposure, order.side);
    const reducing = reducible.gt(zero) && order.qty.lte(reducible);
    const problem = priceProblem(order.price, order.eventTs, priceMaxAgeMs(order.timeframe, limits));
    const price = problem === null ? order.price.price : null;
    const facts: Facts = {
      context,
      order,
      standing: context.strategies.get(order.strategyId),
      caps: caps(order.strategyId),
      route: context.routes.bySymbol.get(order.symbol) ?? context.routes.global,
      asset: context.assets.get(order.symbol),
      account,
      book,
      exposure,
      reducing,
      openingQty: maxDecimal(zero, order.qty.minus(reducible)),
      priceProblem: problem,
      price,
      notional: price === null ? null : order.qty.times(price),
      margin: marginOf(order.symbol, order.side),
      ordersReserved,
      notionalReserved,
      limit,
    };
    const codes: RiskCode[] = [];
    const details: Partial<Record<RiskCode, Json>> = {};
    for (const { code, skippedWhenReducing } of riskCodes) {
      if (skippedWhenReducing && reducing) continue;
      const detail = checks[code](facts);
      if (detail === null) continue;
      codes.push(code);
      details[code] = detail;
    }
    const { phase } = context;
    return codes.length === 0 ? { ok: true, phase, reducing } : { ok: false, phase, reducing, codes, details };
  };

  const reserve = (order: RiskOrder): void => {
    const price = order.price.price ?? order.limitPrice;
    if (price === null) throw new TypeError('expected an accepted order to have a price');
    const { symbol, side, orderType, qty, limitPrice } = order;
    const commitment: Commitment = { kind: 'reservation', symbol, side, orderType, qty, limitPrice, price };
    book.commit(commitment, marginOf(symbol, side));
    ordersReserved += 1;
    notionalReserved = notionalReserved.plus(qty.times(price));
  };

  const room = (symbol: Ticker): ExposureRoom => {
    const exposure = book.of(symbol);
    const equity = account?.equity ?? null;
    return {
      equity,
      positionValue: longCase(exposure).abs(),
      grossRoom: equity?.times(limit.gross).minus(book.gross) ?? null,
      netRoom: equity?.times(limit.net).minus(book.longNet) ?? null,
      buyingPower: account?.buyingPower.minus(book.openingValue) ?? null,
      held: exposure.positionQty,
      reserved: exposure.sellQty,
    };
  };

  return { assess, reserve, room, caps };
};

/** Assesses a single order, as the claiming transaction does. */
export const assessRisk = (input: { readonly context: RiskContext; readonly order: RiskOrder }): RiskVerdict =>
  prepareRisk(input.context).assess(input.order);
