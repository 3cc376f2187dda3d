import { second } from '../instant.ts';
import { seededUniform, type SeedWords, type Uniform } from '../statistics/random.ts';
import type { Desires } from './desires.ts';
import type { ExecutionModel } from './execution-model.ts';
import { noFees, type SessionFees } from './fees.ts';
import type { Market } from './market.ts';
import type { SeriesSession } from './series.ts';

/** Fills in order, as columns; `count` of each are used. */
export interface FillBuffer {
  readonly count: number;
  /** Row of the series. */
  readonly bar: Uint32Array;
  /** Shares, negative for a sale. */
  readonly qty: Float64Array;
  /** USD, costs of spread and slippage included. */
  readonly price: Float64Array;
  /** USD, at least 0. */
  readonly spreadCost: Float64Array;
  readonly slippageCost: Float64Array;
  readonly commission: Float64Array;
  /** Row at whose end the order was decided. */
  readonly decided: Uint32Array;
}

/**
 * Positions, or parts of one, that were closed, as columns: the unit a "trade" is counted in. However many fills an exit
 * takes in a session, it is one trade.
 */
export interface TradeBuffer {
  readonly count: number;
  /** Row of the last closing fill. */
  readonly bar: Uint32Array;
  /** USD paid or received when it was opened, above 0. */
  readonly notional: Float64Array;
  /** USD by FIFO lots, after spread, slippage and commission, before regulatory fees. */
  readonly profit: Float64Array;
}

/** Sums of one session, USD and counts. */
export interface SessionSums {
  readonly session: SeriesSession;
  /** By FIFO lots at fill prices, after commission. */
  realised: number;
  /** Of what is held after the last bar, at its close. */
  unrealised: number;
  /** Spread, slippage and commission that opening it has cost; part of what its lots cost, and of no realised profit. */
  openCost: number;
  spreadCost: number;
  slippageCost: number;
  commission: number;
  /** Regulatory fees before rounding, in the order of `feeColumns`. */
  readonly fees: [number, number, number];
  boughtNotional: number;
  soldNotional: number;
  decisions: number;
  orders: number;
  rejected: number;
  expired: number;
  /** Entries that an exit took back, so that they do not trade with it. */
  cancelled: number;
  fills: number;
  partialFills: number;
  trades: number;
  /** Wanted, and too small for one lot. */
  belowLot: number;
}

export interface Simulation {
  readonly fills: FillBuffer;
  readonly trades: TradeBuffer;
  readonly sessions: readonly SessionSums[];
  /** Profit since the start after each bar of the range, USD, marked at its close; before regulatory fees. */
  readonly equity: Float64Array;
}

/** Sessions `[from, to)` of the series that are simulated; every simulation starts flat. */
export interface SessionRange {
  readonly from: number;
  readonly to: number;
}

/** Records of equal width in one buffer, which is four times as long whenever it is full. */
class Records {
  #values: Float64Array;
  #end = 0;
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
    this.#values = new Float64Array(64 * width);
  }

  get count(): number {
    return this.#end / this.#width;
  }

  /** Room for one more record, and where in it the record begins. */
  add(): { readonly values: Float64Array; readonly at: number } {
    if (this.#end === this.#values.length) {
      const longer = new Float64Array(4 * this.#end);
      longer.set(this.#values);
      this.#values = longer;
    }
    const at = this.#end;
    this.#end += this.#width;
    return { values: this.#values, at };
  }

  /** Where the last record begins; there has to be one. */
  last(): { readonly values: Float64Array; readonly at: number } {
    return { values: this.#values, at: this.#end - this.#width };
  }

  column(index: number): Float64Array {
    const column = new Float64Array(this.count);
    for (let record = 0, at = index; record < column.length; record += 1, at += this.#width)
      column[record] = this.#values[at] ?? 0;
    return column;
  }
}

class FillRecords {
  readonly #records = new Records(7);

  add(
    bar: number,
    qty: number,
    price: number,
    spreadCost: number,
    slippageCost: number,
    commission: number,
    decided: number,
  ): void {
    const { values, at } = this.#records.add();
    values[at] = bar;
    values[at + 1] = qty;
    values[at + 2] = price;
    values[at + 3] = spreadCost;
    values[at + 4] = slippageCost;
    values[at + 5] = commission;
    values[at + 6] = decided;
  }

  columns(): FillBuffer {
    const records = this.#records;
    return {
      count: records.count,
      bar: Uint32Array.from(records.column(0)),
      qty: records.column(1),
      price: records.column(2),
      spreadCost: records.column(3),
      slippageCost: records.column(4),
      commission: records.column(5),
      decided: Uint32Array.from(records.column(6)),
    };
  }
}

class TradeRecords {
  readonly #records = new Records(3);

  add(bar: number, notional: number, profit: number): void {
    const { values, at } = this.#records.add();
    values[at] = bar;
    values[at + 1] = notional;
    values[at + 2] = profit;
  }

  /** Adds another part to the last trade. */
  extend(bar: number, notional: number, profit: number): void {
    const { values, at } = this.#records.last();
    values[at] = bar;
    values[at + 1] = (values[at + 1] ?? 0) + notional;
    values[at + 2] = (values[at + 2] ?? 0) + profit;
  }

  columns(): TradeBuffer {
    const records = this.#records;
    return {
      count: records.count,
      bar: Uint32Array.from(records.column(0)),
      notional: records.column(1),
      profit: records.column(2),
    };
  }
}

interface RestingOrder {
  /** Shares still to trade, above 0. */
  remaining: number;
  /** 1 buys, -1 sells. */
  side: 1 | -1;
  /** Limit or stop, USD; NaN for a market order. */
  price: number;
  /** First instant a bar may start at to fill it. */
  activeAt: number;
  /** A bar that starts at or after it does not fill it. */
  expiresAt: number;
  entry: boolean;
  /** Whether its end is one that was asked for. */
  cancelled: boolean;
  triggered: boolean;
  /** Row at whose end it was decided. */
  decided: number;
}

/** Orders that rest, oldest first. Those that are gone are kept behind them, so that a simulation makes few objects. */
class RestingOrders {
  count = 0;
  readonly #orders: RestingOrder[] = [];

  at(index: number): RestingOrder {
    const order = this.#orders[index];
    if (order === undefined)
      throw new RangeError(`expected one of ${this.count} resting orders, found none at ${index}`);
    return order;
  }

  add(
    side: 1 | -1,
    remaining: number,
    price: number,
    activeAt: number,
    expiresAt: number,
    entry: boolean,
    decided: number,
  ): void {
    const used = this.#orders[this.count];
    this.count += 1;
    if (used === undefined) {
      this.#orders.push({
        remaining,
        side,
        price,
        activeAt,
        expiresAt,
        entry,
        cancelled: false,
        triggered: false,
        decided,
      });
      return;
    }
    used.remaining = remaining;
    used.side = side;
    used.price = price;
    used.activeAt = activeAt;
    used.expiresAt = expiresAt;
    used.entry = entry;
    used.cancelled = false;
    used.triggered = false;
    used.decided = decided;
  }

  remove(index: number): void {
    const gone = this.at(index);
    const last = this.count - 1;
    for (let next = index; next < last; next += 1) this.#orders[next] = this.at(next + 1);
    this.#orders[last] = gone;
    this.count = last;
  }

  /** Removes what has come to its end at an instant, and counts it as expired or cancelled. */
  expire(at: number, sums: SessionSums): void {
    for (let index = this.count - 1; index >= 0; index -= 1) {
      const order = this.at(index);
      if (at < order.expiresAt) continue;
      if (order.cancelled) sums.cancelled += 1;
      else sums.expired += 1;
      this.remove(index);
    }
  }

  /** Asks for the end of the entries; until the request arrives at that instant they may fill. */
  cancelEntries(at: number): void {
    for (let index = 0; index < this.count; index += 1) {
      const order = this.at(index);
      if (!order.entry || order.expiresAt <= at) continue;
      order.expiresAt = at;
      order.cancelled = true;
    }
  }

  /** Shares on one side. */
  shares(side: 1 | -1): number {
    let shares = 0;
    for (let index = 0; index < this.count; index += 1) {
      const order = this.at(index);
      if (order.side === side) shares += order.remaining;
    }
    return shares;
  }
}

const doubled = (values: Float64Array): Float64Array<ArrayBuffer> => {
  const longer = new Float64Array(2 * values.length);
  longer.set(values);
  return longer;
};

/** Open lots of one sign, oldest first: what a share cost with spread, slippage and commission. */
class Lots {
  #first = 0;
  #end = 0;
  #qty = new Float64Array(16);
  #price = new Float64Array(16);
  /** Costs within the price. */
  #cost = new Float64Array(16);

  /** Shares of the oldest lot, negative when short; 0 without one. */
  get oldestQty(): number {
    return this.#first < this.#end ? (this.#qty[this.#first] ?? 0) : 0;
  }

  get oldestPrice(): number {
    return this.#price[this.#first] ?? 0;
  }

  /** @param cost of a share, within its price */
  add(qty: number, price: number, cost: number): void {
    if (this.#first === this.#end) {
      this.#first = 0;
      this.#end = 0;
    } else if (this.#end === this.#qty.length) {
      this.#qty = doubled(this.#qty);
      this.#price = doubled(this.#price);
      this.#cost = doubled(this.#cost);
    }
    this.#qty[this.#end] = qty;
    this.#price[this.#end] = price;
    this.#cost[this.#end] = cost;
    this.#end += 1;
  }

  /** Leaves the oldest lot with other shares; a lot of none is gone. */
  resizeOldest(qty: number): void {
    this.#qty[this.#first] = qty;
    if (qty === 0) this.#first += 1;
  }

  /** What they were opened for, USD, with its sign. */
  basis(): number {
    let basis = 0;
    for (let lot = this.#first; lot < this.#end; lot += 1) basis += (this.#qty[lot] ?? 0) * (this.#price[lot] ?? 0);
    return basis;
  }

  /** What opening them has cost, USD. */
  cost(): number {
    let cost = 0;
    for (let lot = this.#first; lot < this.#end; lot += 1)
      cost += Math.abs(this.#qty[lot] ?? 0) * (this.#cost[lot] ?? 0);
    return cost;
  }
}

const openSums = (session: SeriesSession): SessionSums => ({
  session,
  realised: 0,
  unrealised: 0,
  openCost: 0,
  spreadCost: 0,
  slippageCost: 0,
  commission: 0,
  fees: [0, 0, 0],
  boughtNotional: 0,
  soldNotional: 0,
  decisions: 0,
  orders: 0,
  rejected: 0,
  expired: 0,
  cancelled: 0,
  fills: 0,
  partialFills: 0,
  trades: 0,
  belowLot: 0,
});

/** Where the draw of a burst begins, apart from those of the session it falls into. */
const burstSeedOf = ([a, b, c]: SeedWords): SeedWords => [~a, b, c];

/** The account of one symbol during one simulation: what rests, what is held, what it cost. */
class Account {
  readonly orders = new RestingOrders();
  readonly fills = new FillRecords();
  readonly trades = new TradeRecords();
  readonly sums: SessionSums[] = [];
  /** Shares, negative when short. */
  position = 0;
  /** USD the position was opened for, with its sign. */
  basis = 0;
  /** USD realised since the start, after commission. */
  realised = 0;

  readonly #lots = new Lots();
  readonly #market: Market;
  readonly #model: ExecutionModel;
  readonly #fees: readonly SessionFees[];
  #sums: SessionSums;
  #sessionFees = noFees;
  /** Instants of the session, bounded by what the model allows in it. */
  #openAt = 0;
  #closeAt = 0;
  #entriesEndAt = 0;
  #uniform: Uniform;
  #burstFrom = Infinity;
  #burstTo = -Infinity;
  #lastBuyAt = -Infinity;
  #lastSellAt = -Infinity;
  /** Decision that the last trade of the session closed by; -1 before the first one. */
  #closedBy = -1;

  constructor(market: Market, model: ExecutionModel, fees: readonly SessionFees[], first: SeriesSession) {
    if (model.seed !== market.seed)
      throw new RangeError(`expected the model that the market was made for, seed ${market.seed}, found ${model.seed}`);
    this.#market = market;
    this.#model = model;
    this.#fees = fees;
    this.#sums = openSums(first);
    this.#uniform = () => 0;
  }

  /** Draws of a session depend on it and the symbol alone, so that a session is the same in every fold it is part of. */
  beginSession(session: SeriesSession, index: number): void {
    const { reject_burst, entry_cutoff_seconds } = this.#model;
    this.#openAt = session.openAt;
    this.#closeAt = session.closeAt;
    this.#entriesEndAt = session.closeAt - entry_cutoff_seconds * second;
    this.#sessionFees = this.#fees[index] ?? noFees;
    this.#sums = openSums(session);
    this.sums.push(this.#sums);
    this.#closedBy = -1;
    const seed = this.#market.drawSeeds[index] ?? [0, 0, 0];
    this.#uniform = seededUniform(seed);
    if (reject_burst !== null) {
      const room = Math.max(0, session.closeAt - session.openAt - reject_burst.seconds * second);
      // Drawn apart, so that every order meets the draws it would have met without a burst.
      this.#burstFrom = session.openAt + seededUniform(burstSeedOf(seed))() * room;
      this.#burstTo = this.#burstFrom + reject_burst.seconds * second;
    }
  }

  /** @param lastClose USD */
  endSession(lastClose: number): void {
    this.#sums.unrealised = this.position * lastClose - this.basis;
    this.#sums.openCost = this.#lots.cost();
    if (this.#model.order.time_in_force === 'day') this.orders.expire(Infinity, this.#sums);
  }

  /** What a bar does to the orders that rest. */
  trade(row: number): void {
    const { start, volume, barMs } = this.#market.series;
    const { orders } = this;
    const at = start[row] ?? 0;
    orders.expire(at, this.#sums);
    const { avoid_auctions, participation, sizing } = this.#model;
    if (avoid_auctions && (at <= this.#openAt || at + barMs >= this.#closeAt)) return;
    const { lot } = sizing;
    const traded = volume[row] ?? 0;
    const most = Math.floor((participation.cap * traded) / lot + 1e-9) * lot;
    let available = most;
    for (let index = 0; index < orders.count && available > 0; index += 1) {
      const order = orders.at(index);
      if (at < order.activeAt) continue;
      const qty = Math.min(order.remaining, available);
      // What other orders took of the bar was taken from this one's liquidity as well.
      if (!this.#fill(order, row, qty, (most - available + qty) / traded)) continue;
      available -= qty;
      order.remaining -= qty;
      if (order.remaining > 0) {
        this.#sums.partialFills += 1;
      } else {
        orders.remove(index);
        index -= 1;
      }
    }
  }

  /** Fills part of an order in a bar if the bar's prices allow it. */
  #fill(order: RestingOrder, row: number, qty: number, share: number): boolean {
    const { series, halfSpread, shortRestricted } = this.#market;
    const { side, decided } = order;
    const { type } = this.#model.order;
    const opened = series.open[row] ?? 0;
    const high = series.high[row] ?? 0;
    const low = series.low[row] ?? 0;
    const half = halfSpread[row] ?? 0;
    const slip = opened * this.#slippage(share);
    const taken = opened + side * (half + slip);
    // Under Rule 201 a short sale may not hit the bid: it rests at the ask, whatever its type.
    const restricted = side < 0 && order.entry && shortRestricted[row] === 1;
    if (type === 'stop' && !order.triggered) {
      const reached = side > 0 ? high >= order.price : low <= order.price;
      if (!reached) return false;
      order.triggered = true;
      if (restricted) return false;
      const worse = side > 0 ? Math.max(opened, order.price) : Math.min(opened, order.price);
      this.#book(row, side * qty, worse + side * (half + slip), qty * half, qty * slip, decided);
      return true;
    }
    if (type !== 'limit' && !restricted) {
      this.#book(row, side * qty, taken, qty * half, qty * slip, decided);
      return true;
    }
    const asked = type === 'limit' ? order.price : 0;
    const limit = restricted ? Math.max(asked, opened + half) : asked;
    if (!restricted && (side > 0 ? taken <= limit : taken >= limit)) {
      this.#book(row, side * qty, taken, qty * half, qty * slip, decided);
      return true;
    }
    // How far the bar went through the limit, USD.
    const through = side > 0 ? limit - low : high - limit;
    const reached = this.#model.touch_fills ? through >= 0 : through > 0;
    if (reached) this.#book(row, side * qty, limit, 0, 0, decided);
    return reached;
  }

  /** Fraction of the price that taking this share of a bar's volume costs. */
  #slippage(share: number): number {
    const { slippage } = this.#model.participation;
    for (const { up_to, bps } of slippage) if (share <= up_to) return bps / 1e4;
    return (slippage.at(-1)?.bps ?? 0) / 1e4;
  }

  #book(row: number, qty: number, price: number, spreadCost: number, slippageCost: number, decided: number): void {
    const shares = Math.abs(qty);
    const notional = shares * price;
    const { per_share_usd, rate } = this.#model.commission;
    const commission = shares * per_share_usd + notional * rate;
    this.fills.add(row, qty, price, spreadCost, slippageCost, commission, decided);

    const sums = this.#sums;
    const fees = this.#sessionFees;
    if (qty > 0) {
      sums.boughtNotional += notional;
    } else {
      sums.soldNotional += notional;
      sums.fees[0] += notional * fees.perUsdSold;
      sums.fees[1] += Math.min(shares * fees.perShareSold, fees.shareSoldCap);
    }
    sums.fees[2] += shares * fees.perShareTraded;
    sums.fills += 1;
    sums.spreadCost += spreadCost;
    sums.slippageCost += slippageCost;
    sums.commission += commission;
    this.#settle(row, qty, price, commission, spreadCost + slippageCost + commission, decided);
  }

  /** Closes the oldest lots first; what is left opens a new one. Commission is part of a lot's price. */
  #settle(row: number, qty: number, price: number, commission: number, cost: number, decided: number): void {
    const lots = this.#lots;
    const side = qty > 0 ? 1 : -1;
    const each = price + (side * commission) / Math.abs(qty);
    let left = Math.abs(qty);
    let profit = 0;
    let notional = 0;
    while (left > 0) {
      const held = lots.oldestQty;
      if (held * side >= 0) break;
      const paid = lots.oldestPrice;
      const closed = Math.min(left, Math.abs(held));
      profit += closed * (each - paid) * -side;
      notional += closed * paid;
      left -= closed;
      lots.resizeOldest(held + side * closed);
    }
    if (notional > 0) {
      this.realised += profit;
      this.#sums.realised += profit;
      if (this.#closedBy === decided) {
        this.trades.extend(row, notional, profit);
      } else {
        this.#closedBy = decided;
        this.#sums.trades += 1;
        this.trades.add(row, notional, profit);
      }
    }
    if (left > 0) lots.add(side * left, each, cost / Math.abs(qty));
    this.position += qty;
    this.basis = lots.basis();
  }

  /** Writes the equity of rows `[from, to)`, over which nothing is traded. */
  mark(close: Float64Array, from: number, to: number, equity: Float64Array, firstRow: number): void {
    const { realised, position, basis } = this;
    if (position === 0 && basis === 0) {
      equity.fill(realised, from - firstRow, to - firstRow);
      return;
    }
    for (let row = from; row < to; row += 1) equity[row - firstRow] = realised + position * (close[row] ?? 0) - basis;
  }

  /** What a strategy's wish at the end of a bar becomes. */
  decide(row: number, side: 1 | -1): void {
    const { start, barMs } = this.#market.series;
    const now = (start[row] ?? 0) + barMs;
    const { cooldown_seconds, shorts, order, latency } = this.#model;
    if (now - (side > 0 ? this.#lastBuyAt : this.#lastSellAt) < cooldown_seconds * second) return;
    const reduces = this.position * side < 0;
    if (!reduces && ((side < 0 && !shorts.allowed) || now >= this.#entriesEndAt)) return;
    const qty = reduces ? Math.abs(this.position) - this.orders.shares(side) : this.#toOpen(row, side);
    if (qty <= 0) return;
    if (side > 0) this.#lastBuyAt = now;
    else this.#lastSellAt = now;
    this.#sums.decisions += 1;
    this.#sums.orders += 1;
    const bursting = now >= this.#burstFrom && now < this.#burstTo;
    const rejectRate = bursting ? (this.#model.reject_burst?.rate ?? 0) : this.#model.reject_rate;
    // Both are drawn for every order, so that a refusal more or less moves no later draw.
    const refusal = this.#uniform();
    const delay = this.#uniform();
    const { bars, milliseconds } = latency;
    const drawn = milliseconds[Math.floor(delay * milliseconds.length)] ?? 0;
    const activeAt = now + (bars === 0 && drawn === 0 ? 0 : Math.max(bars * barMs, drawn));
    // A request of its own, as long on its way as the exit, whatever becomes of that.
    if (reduces) this.orders.cancelEntries(activeAt);
    if (refusal < rejectRate) {
      this.#sums.rejected += 1;
      return;
    }
    const ttl = reduces ? order.exit_ttl_seconds : order.entry_ttl_seconds;
    const expiresAt = Math.max(now + ttl * second, activeAt + barMs);
    this.orders.add(side, qty, this.#orderPrice(row, side), activeAt, expiresAt, !reduces, row);
  }

  #orderPrice(row: number, side: 1 | -1): number {
    const { type, stop_bps } = this.#model.order;
    if (type === 'market') return Number.NaN;
    const reference = this.#market.series.close[row] ?? 0;
    if (type === 'stop') return reference * (1 + (side * stop_bps) / 1e4);
    const scale = reference >= 1 ? 100 : 10_000;
    const wanted = (reference + side * (this.#market.halfSpread[row] ?? 0)) * scale;
    // Rounded toward the market; a cent price is a hair off its tick in binary.
    return (side > 0 ? Math.ceil(wanted - 1e-6) : Math.floor(wanted + 1e-6)) / scale;
  }

  #toOpen(row: number, side: 1 | -1): number {
    // An order of the other side that rests would trade with this one: the broker refuses it.
    if (this.orders.shares(side > 0 ? -1 : 1) > 0) return 0;
    const { equity_usd, max_notional_usd, max_position_share, max_participation, lot } = this.#model.sizing;
    const price = this.#market.series.close[row] ?? 0;
    const held = (Math.abs(this.position) + this.orders.shares(side)) * price;
    const budget = Math.min(
      max_notional_usd,
      equity_usd * max_position_share - held,
      max_participation * (this.#market.meanMinuteVolume[row] ?? 0) * price,
    );
    const qty = Math.floor(budget / price / lot + 1e-9) * lot;
    if (qty > 0) return qty;
    if (budget > 0) this.#sums.belowLot += 1;
    return 0;
  }
}

/** First row of `[from, to)` that wishes something; `to` when none does. */
const nextWish = (actions: Int8Array, from: number, to: number): number => {
  let row = from;
  while (row < to && actions[row] === 0) row += 1;
  return row;
};

/**
 * Bars of one session. While nothing rests, nothing but the mark changes from one wish to the next: such a stretch is
 * marked at once.
 */
const simulateSession = (
  account: Account,
  close: Float64Array,
  actions: Int8Array,
  { from, to }: SeriesSession,
  equity: Float64Array,
  firstRow: number,
): void => {
  const { orders } = account;
  let row = from;
  while (row < to) {
    const resting = orders.count > 0;
    if (resting) account.trade(row);
    const wished = resting ? row : nextWish(actions, row, to);
    const end = Math.min(wished + 1, to);
    account.mark(close, row, end, equity, firstRow);
    const action = wished < to ? (actions[wished] ?? 0) : 0;
    if (action !== 0) account.decide(wished, action > 0 ? 1 : -1);
    row = end;
  }
};

/**
 * Runs one symbol's desires through the execution model, bar by bar, over sessions of its series. A bar first fills what
 * rests, then the wish at its end becomes an order that a later bar may fill.
 * @param fees rates by session index of the series; `[]` charges none
 */
export const simulate = (
  market: Market,
  desires: Pick<Desires, 'actions'>,
  model: ExecutionModel,
  fees: readonly SessionFees[],
  range: SessionRange,
): Simulation => {
  const { series } = market;
  const sessions = series.sessions.slice(range.from, range.to);
  const [first, last] = [sessions[0], sessions.at(-1)];
  if (first === undefined || last === undefined)
    throw new RangeError(`expected sessions ${range.from} to ${range.to} of ${series.sessions.length}, found none`);
  const account = new Account(market, model, fees, first);
  const equity = new Float64Array(last.to - first.from);
  for (const [index, session] of sessions.entries()) {
    account.beginSession(session, range.from + index);
    simulateSession(account, series.close, desires.actions, session, equity, first.from);
    account.endSession(series.close[session.to - 1] ?? 0);
  }
  return { fills: account.fills.columns(), trades: account.trades.columns(), sessions: account.sums, equity };
};
