import { decimal, decimalText, floorDecimal, zero } from '@torghut/domain';
import type { Clock, Decimal, Instant, Side } from '@torghut/domain';
import { uuidOf } from '../random.ts';
import { AccountBook } from './account-book.ts';
import type { Knobs } from './knobs.ts';
import { OrderLife } from './life.ts';
import type { TradeEvent } from './life.ts';
import type { MarketData } from './market-data.ts';
import { readNewOrder, readOrderChange } from './order-body.ts';
import type { NewLeg, NewOrder, OrderChange } from './order-body.ts';
import { openingPrice, refusalOf } from './order-checks.ts';
import type { AccountView, SizedOrder, TwinAsset } from './order-checks.ts';
import { isTerminal, statusRules } from './order.ts';
import type { OrderOrigin, TwinOrder } from './order.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { duplicateClientOrderId, forbidden, invalid, notFound } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { auctionIsClosed, lifeOf } from './sessions.ts';
import type { Sessions } from './sessions.ts';
import { TwinState } from './state.ts';
import type { TwinAccount } from './state.ts';
import { Timeline } from './timeline.ts';

export interface BrokerSettings {
  readonly clock: Clock;
  readonly marketData: MarketData;
  readonly sessions: Sessions;
  readonly facts: ProbeFacts;
  readonly knobs: Knobs;
  readonly assets: Map<string, TwinAsset>;
  readonly seed: number;
  readonly account: TwinAccount;
  /** Leverage of the account. */
  readonly multiplier: '1' | '2' | '4';
  readonly shortingEnabled: boolean;
  /** Share of eligible fills that are partial. */
  readonly partialFillShare: number;
  readonly emit: (event: TradeEvent) => void;
}

const hundred = decimal('100');

/**
 * The paper broker: one account, matched against supplied quotes. Nothing happens between requests; `advance` brings
 * orders and account through everything the market did since the last look, in the order it happened.
 */
export class PaperBroker {
  readonly state: TwinState;
  readonly life: OrderLife;
  readonly account: AccountBook;
  readonly #settings: BrokerSettings;
  readonly #timeline: Timeline;

  constructor(settings: BrokerSettings, stateFile: string) {
    this.#settings = settings;
    this.state = new TwinState(stateFile, settings.account);
    this.life = new OrderLife(settings, this.state);
    this.account = new AccountBook(settings, this.state);
    this.#timeline = new Timeline(settings, this.state, this.life, this.account);
  }

  /** Brings everything up to now. */
  advance(): void {
    this.#timeline.advance(this.#now());
  }

  /** Lets something happen at a later moment, before anything else of that moment. */
  schedule(at: Instant, run: () => void): void {
    this.#timeline.schedule(at, run);
  }

  asset(symbol: string): TwinAsset | null {
    return this.#settings.assets.get(symbol) ?? null;
  }

  /** Takes the body of an order or says why not. */
  submit(text: string, origin: OrderOrigin = 'api'): TwinOrder | Refusal {
    const order = readNewOrder(text, this.#settings.facts);
    return 'code' in order ? this.#refuse(this.#now(), clientOrderIdIn(text), order) : this.#place(order, origin);
  }

  /** Accepts a request to cancel; the order may still fill before the request takes effect. */
  cancel(id: string): TwinOrder | Refusal {
    const order = this.state.orderById(id);
    if (order === null) return notFound(`order not found for ${id}`);
    if (!statusRules[order.status].cancelable) return invalid(`order is already in "${order.status}" state`);
    if (this.state.account().configuration.suspendTrade && this.#settings.facts.suspendRefusesCancels)
      return forbidden('cancels are rejected by user request');
    return this.state.transaction(() => this.life.requestCancel(order, this.#now()));
  }

  /** Accepts a request to replace and gives the new order; the old one may still fill before it takes effect. */
  replace(id: string, text: string, origin: OrderOrigin = 'replacement'): TwinOrder | Refusal {
    const change = readOrderChange(text);
    if ('code' in change) return change;
    const order = this.state.orderById(id);
    if (order === null) return notFound(`order not found for ${id}`);
    const problem = this.#cannotReplace(order, change);
    if (problem !== null) return this.#refuse(this.#now(), change.clientOrderId ?? '', problem);
    const now = this.#now();
    const seq = this.state.nextSeq();
    const timeInForce = change.timeInForce ?? order.timeInForce;
    const { opensAt, closesAt } = lifeOf({ ...order, timeInForce }, now, this.#settings.sessions);
    const replacement: TwinOrder = {
      ...order,
      seq,
      id: uuidOf(this.#settings.seed, 'order', seq),
      clientOrderId: change.clientOrderId ?? uuidOf(this.#settings.seed, 'client order', seq),
      origin,
      qty: change.qty ?? order.qty,
      limitPrice: change.limitPrice ?? order.limitPrice,
      stopPrice: change.stopPrice ?? order.stopPrice,
      trailPrice: order.trailPrice === null ? null : (change.trail ?? order.trailPrice),
      trailPercent: order.trailPercent === null ? null : (change.trail ?? order.trailPercent),
      timeInForce,
      submittedAt: now,
      updatedAt: now,
      opensAt,
      expiresAt: closesAt,
      status: 'accepted',
      filledQty: zero,
      filledValue: zero,
      filledAt: null,
      replaces: order.id,
      nextPhaseAt: null,
      liveAt: null,
    };
    return this.state.transaction(() => {
      this.life.requestReplace(order, replacement, now);
      return replacement;
    });
  }

  /** Sells or covers a position at the market, all of it or a part. */
  closePosition(symbol: string, part: { readonly qty?: Decimal; readonly share?: Decimal } = {}): TwinOrder | Refusal {
    const position = this.state.position(symbol);
    if (position.qty.eq(zero)) return notFound('position does not exist');
    const size = position.qty.abs();
    const qty = part.qty ?? (part.share === undefined ? size : floorDecimal(size.times(part.share).div(hundred), 9));
    return this.#place(
      {
        ...plainOrder,
        symbol,
        side: position.qty.gt(zero) ? 'sell' : 'buy',
        type: 'market',
        timeInForce: 'day',
        qty,
      },
      'close_position',
    );
  }

  #place(order: NewOrder, origin: OrderOrigin): TwinOrder | Refusal {
    const { seed, sessions, facts, knobs } = this.#settings;
    const now = this.#now();
    const seq = this.state.nextSeq();
    const id = uuidOf(seed, 'order', seq);
    const clientOrderId = order.clientOrderId ?? uuidOf(seed, 'client order', seq);
    if (this.#isTaken(clientOrderId)) return this.#refuse(now, clientOrderId, duplicateClientOrderId);
    const auction = order.timeInForce === 'opg' || order.timeInForce === 'cls' ? order.timeInForce : null;
    if (auction !== null && facts.auctionOrders === 'at_auction' && auctionIsClosed(auction, now, sessions))
      return this.#refuse(now, clientOrderId, invalid(`${auction} orders are not accepted at this time`));
    const sized = this.#sized(order, now);
    const refusal = refusalOf(sized, this.asset(order.symbol), this.#view(order.symbol, now));
    if (refusal !== null) return this.#refuse(now, clientOrderId, refusal);
    const actsAtOnce = auction !== null && facts.auctionOrders === 'at_once';
    const { opensAt, closesAt } = lifeOf(actsAtOnce ? { ...order, timeInForce: 'day' } : order, now, sessions);
    const waits = opensAt > now || knobs.latencies.routeMs > 0;
    const routedAt = Math.max(now + knobs.latencies.routeMs, opensAt);
    const accepted: TwinOrder = {
      ...newOrderTimes,
      seq,
      id,
      clientOrderId,
      origin,
      symbol: order.symbol,
      side: order.side,
      type: order.type,
      timeInForce: order.timeInForce,
      qty: sized.qty,
      notional: order.notional,
      limitPrice: order.orderClass === 'oco' ? (order.takeProfit?.limitPrice ?? null) : order.limitPrice,
      stopPrice: order.stopPrice,
      trailPrice: order.trailPrice,
      trailPercent: order.trailPercent,
      highWaterMark: null,
      triggered: ['market', 'limit'].includes(order.type),
      extendedHours: order.extendedHours,
      orderClass: order.orderClass,
      positionIntent: order.positionIntent,
      parentId: null,
      armed: false,
      submittedAt: now,
      opensAt,
      expiresAt: closesAt,
      status: waits ? 'accepted' : 'pending_new',
      frozen: false,
      filledQty: zero,
      filledValue: zero,
      updatedAt: now,
      nextPhaseAt: waits ? routedAt : now + knobs.latencies.acknowledgeMs,
    };
    this.state.transaction(() => {
      this.life.open(accepted);
      for (const leg of [order.takeProfit, order.stopLoss]) if (leg !== null) this.#openLeg(accepted, leg);
    });
    return accepted;
  }

  #openLeg(parent: TwinOrder, leg: NewLeg): void {
    // The profit leg of an OCO pair is the parent itself.
    if (parent.orderClass === 'oco' && leg.type === 'limit') return;
    const seq = this.state.nextSeq();
    this.life.open({
      ...parent,
      seq,
      id: uuidOf(this.#settings.seed, 'order', seq),
      clientOrderId: uuidOf(this.#settings.seed, 'client order', seq),
      origin: 'leg',
      side: parent.orderClass === 'oco' ? parent.side : parent.side === 'buy' ? 'sell' : 'buy',
      type: leg.type,
      limitPrice: leg.limitPrice,
      stopPrice: leg.stopPrice,
      triggered: leg.type === 'limit',
      positionIntent: null,
      parentId: parent.id,
      status: 'held',
      nextPhaseAt: null,
    });
  }

  #cannotReplace(order: TwinOrder, change: OrderChange): Refusal | null {
    const { facts } = this.#settings;
    const allowed =
      order.status === 'partially_filled'
        ? facts.partiallyFilledReplaceable
        : (statusRules[order.status].replaceable ?? facts.unlistedStatusesReplaceable);
    if (!allowed) return invalid(`order in "${order.status}" state cannot be replaced`);
    if (order.notional !== null) return invalid('notional orders cannot be replaced');
    if (change.clientOrderId !== null && this.#isTaken(change.clientOrderId)) return duplicateClientOrderId;
    if (change.qty?.lte(order.filledQty) === true) return invalid('qty must be > filled_qty');
    if (change.limitPrice !== null && order.limitPrice === null) return invalid('order has no limit_price to replace');
    if (change.stopPrice !== null && order.stopPrice === null) return invalid('order has no stop_price to replace');
    if (change.trail !== null && order.type !== 'trailing_stop') return invalid('order has no trail to replace');
    const now = this.#now();
    const { buyingPower } = this.account.valuation(now);
    const held = this.account.hold(order, now);
    const wanted = this.account.hold(
      { ...order, qty: change.qty ?? order.qty, limitPrice: change.limitPrice ?? order.limitPrice },
      now,
    );
    if (wanted.minus(held).lte(buyingPower)) return null;
    return forbidden('insufficient buying power', {
      buying_power: decimalText(buyingPower),
      cost_basis: decimalText(wanted),
    });
  }

  #isTaken(clientOrderId: string): boolean {
    const known = this.state.orderByClientOrderId(clientOrderId);
    return known !== null && !(this.#settings.facts.clientOrderIdReusable && isTerminal(known));
  }

  /** An order by value is sized at the price it would open at, the smallest fraction when there is none. */
  #sized(order: NewOrder, now: Instant): SizedOrder {
    if (order.qty !== null) return { ...order, qty: order.qty };
    const price = openingPrice({ ...order, side: 'buy' }, this.#view(order.symbol, now));
    const qty = price === null ? zero : floorDecimal((order.notional ?? zero).div(price), 9);
    return { ...order, qty: qty.gt(zero) ? qty : smallestFraction };
  }

  #view(symbol: string, now: Instant): AccountView {
    const { facts, sessions, shortingEnabled } = this.#settings;
    const { configuration, flags } = this.state.account();
    const { equity, buyingPower } = this.account.valuation(now);
    const position = this.state.position(symbol);
    return {
      facts,
      configuration,
      flags,
      shortingEnabled,
      equity,
      buyingPower,
      position,
      largestPositionValue: this.account.largestPositionValue(now),
      openOrders: this.state.openOrders().filter((order) => order.symbol === symbol),
      quote: this.account.quote(symbol, now),
      phase: sessions.isOpen(now, false) ? 'core' : sessions.isOpen(now, true) ? 'extended' : 'closed',
    };
  }

  #refuse(at: Instant, clientOrderId: string, refusal: Refusal): Refusal {
    const effect = refusal === duplicateClientOrderId ? 'duplicate_refused' : 'refused';
    this.state.addEffect({ at, effect, clientOrderId, orderId: null, detail: refusal.message });
    return refusal;
  }

  #now(): Instant {
    return this.#settings.clock.now();
  }
}

const smallestFraction = decimal('0.000000001');

const plainOrder = {
  clientOrderId: null,
  notional: null,
  limitPrice: null,
  stopPrice: null,
  trailPrice: null,
  trailPercent: null,
  extendedHours: false,
  orderClass: 'simple',
  positionIntent: null,
  takeProfit: null,
  stopLoss: null,
} as const satisfies Partial<NewOrder> & { side?: Side };

const newOrderTimes = {
  liveAt: null,
  cancelAt: null,
  replaceAt: null,
  filledAt: null,
  canceledAt: null,
  expiredAt: null,
  failedAt: null,
  replacedAt: null,
  replacedBy: null,
  replaces: null,
} as const satisfies Partial<TwinOrder>;

/** The client order id of a body that was refused as malformed, for the log. */
const clientOrderIdIn = (text: string): string => /"client_order_id"\s*:\s*"([^"]*)"/.exec(text)?.[1] ?? '';
