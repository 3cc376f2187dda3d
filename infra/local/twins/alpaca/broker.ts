import { decimal, decimalText, zero } from '@torghut/domain';
import type { Clock, Decimal, Instant } from '@torghut/domain';
import { draw, uuidOf } from '../random.ts';
import type { MarketData, Quote } from './market-data.ts';
import { executionPrice, executionQty } from './matching.ts';
import { openingPrice, readNewOrder, refusalOf } from './order-checks.ts';
import type { TwinAsset } from './order-checks.ts';
import { afterFill, closingQty } from './position.ts';
import { duplicateClientOrderId, invalid, notFound } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { sessionEndingAfter } from './sessions.ts';
import type { Calendar } from './sessions.ts';
import { closeSteps, inOrder, orderSteps } from './steps.ts';
import type { Step } from './steps.ts';
import { TwinState, isTerminal } from './state.ts';
import type { TwinOrder } from './state.ts';

export interface BrokerSettings {
  readonly clock: Clock;
  readonly marketData: MarketData;
  readonly calendar: Calendar;
  readonly assets: ReadonlyMap<string, TwinAsset>;
  readonly seed: number;
  readonly startingCash: Decimal;
  /** Leverage of the account. */
  readonly multiplier: Decimal;
  readonly shortingEnabled: boolean;
  /** Share of eligible fills that are partial. */
  readonly partialFillShare: number;
  /** Between a request to cancel and its effect; the order can fill meanwhile. */
  readonly cancelLatencyMs: number;
}

/** The account's value at one moment; positions at the middle of their last quote. */
export interface Valuation {
  readonly equity: Decimal;
  readonly longMarketValue: Decimal;
  /** Not positive. */
  readonly shortMarketValue: Decimal;
  readonly buyingPower: Decimal;
}

const goodTillCanceledMs = 90 * 86_400_000;
const half = decimal('0.5');

/**
 * The paper broker: one account, matched against supplied quotes. Nothing happens between requests; `advance` brings
 * orders and account through everything the market did since the last look, in the order it happened.
 */
export class PaperBroker {
  readonly state: TwinState;
  readonly #settings: BrokerSettings;

  constructor(settings: BrokerSettings, stateFile: string) {
    this.#settings = settings;
    this.state = new TwinState(stateFile, settings.startingCash, settings.clock.now());
  }

  asset(symbol: string): TwinAsset | null {
    return this.#settings.assets.get(symbol) ?? null;
  }

  /** Takes an order or says why not. */
  submit(text: string): TwinOrder | Refusal {
    const now = this.#settings.clock.now();
    const order = readNewOrder(text);
    if ('code' in order) return this.#refuse(now, clientOrderIdIn(text), order);
    const seq = this.state.nextSeq();
    const id = uuidOf(this.#settings.seed, 'order', seq);
    const clientOrderId = order.clientOrderId ?? uuidOf(this.#settings.seed, 'client order', seq);
    if (this.state.orderByClientOrderId(clientOrderId) !== null) {
      return this.#refuse(now, clientOrderId, duplicateClientOrderId);
    }
    const refusal = refusalOf(order, this.asset(order.symbol), {
      suspendTrade: this.state.account().suspendTrade,
      shortingEnabled: this.#settings.shortingEnabled,
      buyingPower: this.valuation(now).buyingPower,
      position: this.state.position(order.symbol),
      openOrders: this.state.openOrders().filter(({ symbol }) => symbol === order.symbol),
      quote: this.#quote(order.symbol, now),
    });
    if (refusal !== null) return this.#refuse(now, clientOrderId, refusal);
    const session = sessionEndingAfter(this.#settings.calendar, now);
    const accepted: TwinOrder = {
      ...order,
      seq,
      id,
      clientOrderId,
      submittedAt: now,
      opensAt: session.openAt,
      expiresAt: order.timeInForce === 'day' ? session.closeAt : now + goodTillCanceledMs,
      status: session.openAt > now ? 'accepted' : 'pending_new',
      filledQty: zero,
      filledValue: zero,
      updatedAt: now,
      filledAt: null,
      canceledAt: null,
      expiredAt: null,
      matchedTo: null,
    };
    this.state.transaction(() => {
      this.state.saveOrder(accepted);
      this.#effect(now, 'accepted', accepted, '');
    });
    return accepted;
  }

  /** Accepts a request to cancel; the order may still fill before the request takes effect. */
  cancel(id: string): TwinOrder | Refusal {
    const order = this.state.orderById(id);
    if (order === null) return notFound(`order not found for ${id}`);
    if (isTerminal(order) || order.status === 'pending_cancel') {
      return invalid(`order is already in "${order.status}" state`);
    }
    const now = this.#settings.clock.now();
    const canceledAt = now + this.#settings.cancelLatencyMs;
    const canceling: TwinOrder = { ...order, status: 'pending_cancel', updatedAt: now, canceledAt };
    this.state.transaction(() => {
      this.state.saveOrder(canceling);
      this.#effect(now, 'cancel_requested', canceling, '');
    });
    return canceling;
  }

  setSuspendTrade(suspendTrade: boolean): void {
    this.state.saveAccount({ ...this.state.account(), suspendTrade });
  }

  /** The account at a moment that it was advanced to. */
  valuation(at: Instant): Valuation {
    const { cash } = this.state.account();
    const values = this.state
      .positions()
      .map(({ symbol, qty, avgEntryPrice }) => qty.times(this.mid(symbol, at) ?? avgEntryPrice));
    const longMarketValue = sum(values.filter((value) => value.gt(zero)));
    const shortMarketValue = sum(values.filter((value) => value.lt(zero)));
    const equity = cash.plus(longMarketValue).plus(shortMarketValue);
    const free = equity
      .times(this.#settings.multiplier)
      .minus(longMarketValue)
      .plus(shortMarketValue)
      .minus(sum(this.state.openOrders().map((order) => this.#hold(order, at))));
    return { equity, longMarketValue, shortMarketValue, buyingPower: free.gt(zero) ? free : zero };
  }

  /** The middle of the quote in force, or `null`. */
  mid(symbol: string, at: Instant): Decimal | null {
    const quote = this.#quote(symbol, at);
    return quote === null ? null : decimal(quote.bid).plus(decimal(quote.ask)).times(half);
  }

  /** Brings everything up to now: routing, fills, cancels, expiries and the equity at each close. */
  advance(): void {
    const now = this.#settings.clock.now();
    const account = this.state.account();
    const due = this.state.ordersToMatch(now);
    if (now <= account.advancedTo && due.length === 0) return;
    const { calendar, marketData } = this.#settings;
    const steps = inOrder([
      ...closeSteps(account.advancedTo, now, calendar),
      ...due.flatMap((order) => orderSteps(order, now, marketData, calendar)),
    ]);
    this.state.transaction(() => {
      for (const step of steps) this.#apply(step);
      this.state.markMatched(now);
      this.state.saveAccount({ ...this.state.account(), advancedTo: Math.max(now, account.advancedTo) });
    });
  }

  #apply(step: Step): void {
    switch (step.kind) {
      case 'go_live':
        this.#goLive(step.id, step.at);
        return;
      case 'match':
        this.#match(step.id, step.quote, step.at);
        return;
      case 'end':
        this.#end(step.id, step.status, step.at);
        return;
      case 'record_close':
        this.#recordClose(step.at);
    }
  }

  #goLive(id: string, at: Instant): void {
    const order = this.state.orderById(id);
    if (order?.status === 'pending_new' || order?.status === 'accepted')
      this.state.saveOrder({ ...order, status: 'new', updatedAt: at });
  }

  #match(id: string, quote: Quote, at: Instant): void {
    const order = this.state.orderById(id);
    if (order === null || isTerminal(order)) return;
    const price = executionPrice(order, quote);
    if (price === null) return;
    const { seed, partialFillShare } = this.#settings;
    const remaining = order.qty.minus(order.filledQty);
    const filled = decimalText(order.filledQty);
    const qty = executionQty(
      remaining,
      partialFillShare,
      draw(seed, 'partial', id, filled, at),
      draw(seed, 'size', id, filled, at),
    );
    this.#fill(order, qty, price, at);
  }

  #fill(order: TwinOrder, qty: Decimal, price: Decimal, at: Instant): void {
    const filledQty = order.filledQty.plus(qty);
    const done = filledQty.eq(order.qty);
    const updated: TwinOrder = {
      ...order,
      filledQty,
      filledValue: order.filledValue.plus(price.times(qty)),
      status: done ? 'filled' : order.status === 'pending_cancel' ? 'pending_cancel' : 'partially_filled',
      updatedAt: at,
      filledAt: done ? at : null,
    };
    const account = this.state.account();
    const paid = price.times(qty);
    this.state.saveOrder(updated);
    this.state.addFill({
      id: uuidOf(this.#settings.seed, 'fill', order.id, decimalText(filledQty)),
      orderId: order.id,
      symbol: order.symbol,
      side: order.side,
      at,
      price,
      qty,
      cumQty: filledQty,
      leavesQty: order.qty.minus(filledQty),
    });
    this.state.savePosition(afterFill(this.state.position(order.symbol), order.side, qty, price));
    this.state.saveAccount({
      ...account,
      cash: order.side === 'buy' ? account.cash.minus(paid) : account.cash.plus(paid),
    });
    this.#effect(at, 'filled', updated, `${decimalText(qty)} at ${decimalText(price)}`);
  }

  #end(id: string, status: 'canceled' | 'expired', at: Instant): void {
    const order = this.state.orderById(id);
    if (order === null || isTerminal(order)) return;
    const ended: TwinOrder = {
      ...order,
      status,
      updatedAt: at,
      ...(status === 'canceled' ? { canceledAt: at } : { expiredAt: at }),
    };
    this.state.saveOrder(ended);
    this.#effect(at, status, ended, '');
  }

  #recordClose(at: Instant): void {
    const { equity } = this.valuation(at);
    this.state.saveAccount({ ...this.state.account(), lastEquity: equity, lastCloseAt: at });
  }

  #quote(symbol: string, at: Instant): Quote | null {
    return this.#settings.marketData.quoteAt(symbol, at);
  }

  /** Buying power that an open order holds: of the part that would open a position. */
  #hold(order: TwinOrder, at: Instant): Decimal {
    const remaining = order.qty.minus(order.filledQty);
    const opening = remaining.minus(closingQty(this.state.position(order.symbol).qty, order.side, remaining));
    const price = openingPrice(order.side, order.limitPrice, this.#quote(order.symbol, at));
    return price === null ? zero : price.times(opening);
  }

  #refuse(at: Instant, clientOrderId: string, refusal: Refusal): Refusal {
    const effect = refusal === duplicateClientOrderId ? 'duplicate_refused' : 'refused';
    this.state.addEffect({ at, effect, clientOrderId, orderId: null, detail: refusal.message });
    return refusal;
  }

  #effect(
    at: Instant,
    effect: 'accepted' | 'cancel_requested' | 'filled' | 'canceled' | 'expired',
    order: TwinOrder,
    detail: string,
  ): void {
    this.state.addEffect({ at, effect, clientOrderId: order.clientOrderId, orderId: order.id, detail });
  }
}

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), zero);

/** The client order id of a body that was refused as malformed, for the log. */
const clientOrderIdIn = (text: string): string => /"client_order_id"\s*:\s*"([^"]*)"/.exec(text)?.[1] ?? '';
