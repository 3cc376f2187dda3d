import { decimalText, floorDecimal, maxDecimal, minDecimal, newYorkDate, zero } from '@torghut/domain';
import type { Decimal, Instant } from '@torghut/domain';
import { draw, uuidOf } from '../random.ts';
import { fillActivity } from './activities.ts';
import type { Knobs } from './knobs.ts';
import type { MarketData, Quote } from './market-data.ts';
import { buyStopLimit, executionPrice, executionQty, reachesStop, trail } from './matching.ts';
import { isTerminal, liveStatus, remainingQty, statusRules } from './order.ts';
import type { TwinFill, TwinOrder, TwinOrderStatus } from './order.ts';
import { afterFill } from './position.ts';
import type { ProbeFacts } from './probe-facts.ts';
import type { Sessions } from './sessions.ts';
import type { OrderEffect, TwinState } from './state.ts';

/** What happens to an order, as the event stream tells it. */
export interface TradeEvent {
  readonly event: string;
  readonly at: Instant;
  readonly order: TwinOrder;
  /** Of fills, busts and corrections. */
  readonly fill?: TwinFill;
  readonly reason?: string;
}

export interface LifeSettings {
  readonly seed: number;
  readonly facts: ProbeFacts;
  readonly marketData: MarketData;
  readonly sessions: Sessions;
  readonly knobs: Knobs;
  /** Share of eligible fills that are partial. */
  readonly partialFillShare: number;
  readonly emit: (event: TradeEvent) => void;
}

const timesOfEnd = {
  canceled: 'canceledAt',
  expired: 'expiredAt',
  rejected: 'failedAt',
  replaced: 'replacedAt',
} as const;
export type UnfilledEnd = keyof typeof timesOfEnd;

interface EndOptions {
  readonly reason?: string;
  /** Leaves the rest of its group alive. */
  readonly alone?: boolean;
}

/** Orders that are done with after the first look at the market. */
const immediateEnds = { ioc: 'canceled', fok: 'canceled', opg: 'expired', cls: 'expired' } as const;

/** Everything that can happen to one order, with its consequences for its legs, the position, the cash and the log. */
export class OrderLife {
  readonly #settings: LifeSettings;
  readonly #state: TwinState;

  constructor(settings: LifeSettings, state: TwinState) {
    this.#settings = settings;
    this.#state = state;
  }

  /** Books an order that was taken. */
  open(order: TwinOrder): void {
    this.#state.saveOrder(order);
    this.#effect(order.submittedAt, 'accepted', order, '');
    this.#emit(order.status, order.submittedAt, order);
  }

  /** The next step on the way from `accepted` over `pending_new` to `new`. */
  nextPhase(order: TwinOrder, at: Instant): void {
    if (order.status === 'accepted') {
      const { acknowledgeMs } = this.#settings.knobs.latencies;
      this.#move(order, 'pending_new', at, { nextPhaseAt: at + acknowledgeMs });
      return;
    }
    const live =
      order.status === 'pending_new'
        ? this.#move(order, liveStatus(order), at, { nextPhaseAt: null, liveAt: at }, 'new')
        : this.#change(order, at, { nextPhaseAt: null, liveAt: at });
    if (live.orderClass === 'oco') this.#armLegs(live, at);
    const quote = this.#settings.marketData.quoteAt(live.symbol, at);
    if (quote !== null) this.match(live, quote, at);
    if (live.timeInForce in immediateEnds) this.#endImmediate(live.id, at);
  }

  /** Lets an order meet a quote: its trail follows, its stop is reached, it fills. */
  match(order: TwinOrder, quote: Quote, at: Instant): void {
    if (!this.#meetsTheMarket(order, at)) return;
    const followed = order.type === 'trailing_stop' && !order.triggered ? this.#follow(order, quote, at) : order;
    const ready = followed.triggered ? followed : this.#trigger(followed, quote, at);
    if (ready === null) return;
    const price = executionPrice({ side: ready.side, limitPrice: effectiveLimit(ready) }, quote);
    if (price === null) return;
    const sized = ready.notional === null ? ready : this.#size(ready, ready.notional, price, at);
    this.fill(sized, this.#quantity(sized, at), price, at);
  }

  /** Books an execution, whatever the market and the order's status say. */
  fill(order: TwinOrder, qty: Decimal, price: Decimal, at: Instant): TwinFill {
    const state = this.#state;
    const filledQty = order.filledQty.plus(qty);
    const isDone = filledQty.gte(order.qty);
    const keepsStatus =
      order.frozen || isTerminal(order) || ['pending_cancel', 'pending_replace'].includes(order.status);
    const updated: TwinOrder = {
      ...order,
      status: isDone ? 'filled' : keepsStatus ? order.status : 'partially_filled',
      frozen: order.frozen && !isDone,
      filledQty,
      filledValue: order.filledValue.plus(qty.times(price)),
      filledAt: isDone ? at : order.filledAt,
      updatedAt: at,
    };
    state.saveOrder(updated);
    const position = afterFill(state.position(order.symbol), order.side, qty, price);
    state.savePosition(position);
    const account = state.account();
    const paid = qty.times(price);
    const date = newYorkDate(at);
    state.saveAccount({
      cash: order.side === 'buy' ? account.cash.minus(paid) : account.cash.plus(paid),
      ...(this.#settings.facts.feeRows && !account.unpostedFees.includes(date)
        ? { unpostedFees: [...account.unpostedFees, date] }
        : {}),
    });
    const fill: TwinFill = {
      id: uuidOf(this.#settings.seed, 'fill', order.id, state.fills().length),
      orderId: order.id,
      symbol: order.symbol,
      side: order.side,
      at,
      price,
      qty,
      cumQty: filledQty,
      leavesQty: maxDecimal(zero, order.qty.minus(filledQty)),
      positionQty: position.qty,
      state: 'executed',
      corrects: null,
    };
    state.saveFill(fill);
    state.addActivity(fillActivity(fill, {}));
    this.#effect(at, 'filled', updated, `${decimalText(qty)} at ${decimalText(price)}`);
    this.#emit(isDone ? 'fill' : 'partial_fill', at, updated, { fill });
    this.#afterFill(order, updated, qty, at);
    return fill;
  }

  /** Ends an order that is not terminal; its group and a replacement under way end with it. */
  end(id: string, status: UnfilledEnd, at: Instant, { reason, alone = false }: EndOptions = {}): void {
    const order = this.#state.orderById(id);
    if (order === null || isTerminal(order)) return;
    const ended = this.#change(order, at, {
      status,
      frozen: false,
      nextPhaseAt: null,
      cancelAt: null,
      replaceAt: null,
      [timesOfEnd[status]]: at,
    });
    this.#effect(at, status, ended, reason ?? '');
    this.#emit(status, at, ended, reason === undefined ? {} : { reason });
    if (status === 'replaced') return;
    this.#rejectReplacementOf(order, at);
    if (order.orderClass !== 'simple' && !alone)
      for (const other of this.#groupOf(order)) this.end(other.id, status, at);
  }

  /** A request to cancel was accepted; the order may still fill before it takes effect. */
  requestCancel(order: TwinOrder, at: Instant): TwinOrder {
    const { cancelsStick, latencies } = this.#settings.knobs;
    const canceling = this.#move(order, 'pending_cancel', at, {
      frozen: false,
      cancelAt: cancelsStick ? null : at + latencies.cancelMs,
    });
    this.#effect(at, 'cancel_requested', canceling, '');
    return canceling;
  }

  /** A request to replace was accepted; the old order may still fill before it takes effect. */
  requestReplace(order: TwinOrder, replacement: TwinOrder, at: Instant): void {
    const replacing = this.#move(order, 'pending_replace', at, {
      replaceAt: at + this.#settings.knobs.latencies.replaceMs,
      replacedBy: replacement.id,
    });
    this.#effect(at, 'replace_requested', replacing, replacement.id);
    this.open(replacement);
  }

  /** The replacement takes the place of the old order, unless there is nothing left of one of them. */
  replace(order: TwinOrder, at: Instant): void {
    const replacement = this.#state.orderById(order.replacedBy ?? '');
    const isLate = replacement === null || isTerminal(replacement) || replacement.qty.lte(order.filledQty);
    if (isLate) {
      this.#rejectReplacementOf(order, at);
      this.#change(order, at, { status: liveStatus(order), replaceAt: null, replacedBy: null });
      return;
    }
    this.end(order.id, 'replaced', at);
    const carried = this.#settings.facts.replacementQuantity === 'carried';
    const taken = this.#change(replacement, at, {
      ...(carried
        ? { filledQty: order.filledQty, filledValue: order.filledValue }
        : { qty: replacement.qty.minus(order.filledQty) }),
      nextPhaseAt: Math.max(at, replacement.opensAt) + this.#settings.knobs.latencies.routeMs,
    });
    if (order.orderClass === 'simple') return;
    for (const leg of this.#state.legsOf(order.id)) this.#change(leg, at, { parentId: taken.id });
  }

  /** Sets a status that the market does not produce; it stays until it is set again or the order ends. */
  setStatus(order: TwinOrder, status: TwinOrderStatus, at: Instant): void {
    if (status === 'filled') {
      const quote = this.#settings.marketData.quoteAt(order.symbol, at);
      const price =
        order.limitPrice ?? (quote === null ? null : executionPrice({ side: order.side, limitPrice: null }, quote));
      if (price !== null && !isTerminal(order)) this.fill(order, remainingQty(order), price, at);
      return;
    }
    if (status in timesOfEnd) {
      this.end(order.id, status as UnfilledEnd, at);
      return;
    }
    const works = status === 'new' || status === 'partially_filled';
    const set = this.#move(order, works ? liveStatus(order) : status, at, {
      frozen: !works,
      nextPhaseAt: null,
      cancelAt: null,
      replaceAt: null,
    });
    this.#effect(at, 'status_set', set, set.status);
  }

  /** Takes a fill back, or puts another price and quantity in its place; the order keeps its status. */
  bust(fill: TwinFill, correction: { readonly qty: Decimal; readonly price: Decimal } | null, at: Instant): void {
    const order = this.#state.orderById(fill.orderId);
    if (order === null) return;
    const state = this.#state;
    const kind = correction === null ? 'canceled' : 'correct';
    state.saveFill({ ...fill, state: correction === null ? 'busted' : 'corrected' });
    const opposite = fill.side === 'buy' ? 'sell' : 'buy';
    const [qty, price] = [correction?.qty ?? zero, correction?.price ?? fill.price];
    const undone = afterFill(state.position(fill.symbol), opposite, fill.qty, fill.price);
    const position = qty.eq(zero) ? undone : afterFill(undone, fill.side, qty, price);
    state.savePosition(position);
    const difference = fill.qty.times(fill.price).minus(qty.times(price));
    const { cash } = state.account();
    state.saveAccount({ cash: fill.side === 'buy' ? cash.plus(difference) : cash.minus(difference) });
    const changed = this.#change(order, at, {
      filledQty: order.filledQty.minus(fill.qty).plus(qty),
      filledValue: order.filledValue.minus(fill.qty.times(fill.price)).plus(qty.times(price)),
    });
    const row: TwinFill = {
      ...fill,
      id: uuidOf(this.#settings.seed, kind, fill.id),
      at,
      qty: correction === null ? fill.qty : qty,
      price,
      cumQty: changed.filledQty,
      leavesQty: maxDecimal(zero, changed.qty.minus(changed.filledQty)),
      positionQty: position.qty,
      state: 'executed',
      corrects: fill.id,
    };
    if (correction !== null) state.saveFill(row);
    state.addActivity(fillActivity(row, { status: kind, previous_execution_id: fill.id }));
    this.#effect(
      at,
      correction === null ? 'busted' : 'corrected',
      changed,
      `${decimalText(row.qty)} at ${decimalText(price)}`,
    );
    if (this.#settings.facts.bustsOnStream) {
      const name = correction === null ? 'trade_bust' : 'trade_correct';
      this.#emit(name, at, changed, { fill: row, reason: name.toUpperCase() });
    }
  }

  /** Consequences for the order's group: a filled entry lets its exits work, an exit that fills ends the other one. */
  #afterFill(before: TwinOrder, order: TwinOrder, qty: Decimal, at: Instant): void {
    if (order.status === 'filled') this.#rejectReplacementOf(before, at);
    if (order.orderClass === 'simple') return;
    const isEntry = order.parentId === null && order.orderClass !== 'oco';
    if (isEntry) {
      if (order.status === 'filled') this.#activateLegs(order, at);
      return;
    }
    for (const other of this.#groupOf(order)) {
      if (order.status === 'filled') this.end(other.id, 'canceled', at);
      else this.#change(other, at, { qty: other.qty.minus(qty) });
    }
  }

  #activateLegs(entry: TwinOrder, at: Instant): void {
    const legs = this.#state.legsOf(entry.id).filter(({ status }) => status === 'held');
    for (const leg of legs) {
      // Of two legs the stop stays held, watching, until its moment comes.
      if (leg.type !== 'limit' && legs.length > 1) this.#change(leg, at, { armed: true });
      else {
        const live = this.#move(leg, 'new', at, { liveAt: at });
        const quote = this.#settings.marketData.quoteAt(live.symbol, at);
        if (quote !== null) this.match(live, quote, at);
      }
    }
  }

  #armLegs(parent: TwinOrder, at: Instant): void {
    for (const leg of this.#state.legsOf(parent.id)) if (leg.status === 'held') this.#change(leg, at, { armed: true });
  }

  /** The other open orders that end when this one does. */
  #groupOf(order: TwinOrder): TwinOrder[] {
    if (order.parentId === null) return this.#state.legsOf(order.id).filter((leg) => !isTerminal(leg));
    const parent = this.#state.orderById(order.parentId);
    const siblings = this.#state.legsOf(order.parentId).filter(({ id }) => id !== order.id);
    return [...siblings, ...(parent === null ? [] : [parent])].filter((other) => !isTerminal(other));
  }

  #meetsTheMarket(order: TwinOrder, at: Instant): boolean {
    const { sessions, knobs } = this.#settings;
    return (
      !order.frozen &&
      order.nextPhaseAt === null &&
      (statusRules[order.status].works || (order.status === 'held' && order.armed)) &&
      remainingQty(order).gt(zero) &&
      !knobs.halted.has(order.symbol) &&
      sessions.isOpen(at, order.extendedHours)
    );
  }

  #follow(order: TwinOrder, quote: Quote, at: Instant): TwinOrder {
    const followed = trail(order, quote);
    return order.highWaterMark?.eq(followed.highWaterMark) === true ? order : this.#change(order, at, followed);
  }

  /** The order as it works once its stop is reached, else `null`. */
  #trigger(order: TwinOrder, quote: Quote, at: Instant): TwinOrder | null {
    if (order.stopPrice === null || !reachesStop(order.side, order.stopPrice, quote)) return null;
    if (order.status !== 'held') return this.#change(order, at, { triggered: true });
    // The profit leg makes room: the group ends with the one that executes.
    const live = this.#move(order, 'new', at, { triggered: true });
    for (const other of this.#groupOf(order)) this.end(other.id, 'canceled', at, { alone: true });
    return live;
  }

  #size(order: TwinOrder, notional: Decimal, price: Decimal, at: Instant): TwinOrder {
    return this.#change(order, at, { qty: floorDecimal(notional.div(price), 9) });
  }

  #quantity(order: TwinOrder, at: Instant): Decimal {
    const remaining = remainingQty(order);
    if (order.timeInForce === 'fok' || order.notional !== null) return remaining;
    const { seed, partialFillShare } = this.#settings;
    const filled = decimalText(order.filledQty);
    return minDecimal(
      remaining,
      executionQty(
        remaining,
        partialFillShare,
        draw(seed, 'partial', order.id, filled, at),
        draw(seed, 'size', order.id, filled, at),
      ),
    );
  }

  #endImmediate(id: string, at: Instant): void {
    const order = this.#state.orderById(id);
    if (order === null || isTerminal(order)) return;
    this.end(id, immediateEnds[order.timeInForce as keyof typeof immediateEnds], at);
  }

  #rejectReplacementOf(order: TwinOrder, at: Instant): void {
    if (order.status !== 'pending_replace' || order.replacedBy === null) return;
    const old = this.#state.orderById(order.id) ?? order;
    this.#emit('order_replace_rejected', at, old, { reason: 'TOO_LATE_TO_CANCEL' });
    this.end(order.replacedBy, 'rejected', at, { reason: 'the order to replace was gone' });
  }

  #change(order: TwinOrder, at: Instant, change: Partial<TwinOrder>): TwinOrder {
    const changed: TwinOrder = { ...order, ...change, updatedAt: at };
    this.#state.saveOrder(changed);
    return changed;
  }

  #move(
    order: TwinOrder,
    status: TwinOrderStatus,
    at: Instant,
    change: Partial<TwinOrder>,
    event: string = status,
  ): TwinOrder {
    const moved = this.#change(order, at, { ...change, status });
    this.#emit(event, at, moved);
    return moved;
  }

  #emit(event: string, at: Instant, order: TwinOrder, more: Pick<TradeEvent, 'fill' | 'reason'> = {}): void {
    this.#settings.emit({ event, at, order, ...more });
  }

  #effect(at: Instant, effect: OrderEffect['effect'], order: TwinOrder, detail: string): void {
    this.#state.addEffect({ at, effect, clientOrderId: order.clientOrderId, orderId: order.id, detail });
  }
}

/** The limit that bounds an execution: a buy stop has become a stop-limit order, a sell stop a market order. */
export const effectiveLimit = (order: TwinOrder): Decimal | null =>
  order.type === 'stop' && order.side === 'buy' && order.stopPrice !== null
    ? buyStopLimit(order.stopPrice)
    : order.limitPrice;
