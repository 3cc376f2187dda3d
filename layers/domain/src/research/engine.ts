import { second } from '../instant.ts';
import { sha256 } from '../canonical-json.ts';
import { seededUniform, seedOf, type Uniform } from '../statistics/random.ts';
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
}

/** Positions, or parts of one, that were closed, as columns: the unit a "trade" is counted in. */
export interface TradeBuffer {
  readonly count: number;
  /** Row of the closing fill. */
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

const firstCapacity = 256;

/** A column that doubles when it is full. */
class Column<Store extends Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>> {
  #values: Store;
  #count = 0;
  readonly #create: (length: number) => Store;

  constructor(create: (length: number) => Store) {
    this.#values = create(firstCapacity);
    this.#create = create;
  }

  push(value: number): void {
    if (this.#count === this.#values.length) {
      const longer = this.#create(2 * this.#count);
      longer.set(this.#values);
      this.#values = longer;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  used(): Store {
    return this.#values.subarray(0, this.#count) as Store;
  }
}

const doubles = () => new Column((length) => new Float64Array(length));
const indices = () => new Column((length) => new Uint32Array(length));

interface RestingOrder {
  /** Shares still to trade, above 0. */
  remaining: number;
  /** 1 buys, -1 sells. */
  readonly side: 1 | -1;
  readonly type: ExecutionModel['order']['type'];
  /** Limit or stop, USD; NaN for a market order. */
  readonly price: number;
  /** First instant a bar may start at to fill it. */
  readonly activeAt: number;
  /** A bar that starts at or after it does not fill it. */
  readonly expiresAt: number;
  readonly entry: boolean;
  triggered: boolean;
}

const openSums = (session: SeriesSession): SessionSums => ({
  session,
  realised: 0,
  unrealised: 0,
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
  fills: 0,
  partialFills: 0,
  trades: 0,
  belowLot: 0,
});

const noRow = -1;

/** The account of one symbol during one simulation: what rests, what is held, what it cost. */
class Account {
  readonly orders: RestingOrder[] = [];
  readonly fillColumns = {
    bar: indices(),
    qty: doubles(),
    price: doubles(),
    spreadCost: doubles(),
    slippageCost: doubles(),
    commission: doubles(),
  };
  readonly tradeColumns = { bar: indices(), notional: doubles(), profit: doubles() };
  readonly sums: SessionSums[] = [];
  /** Shares, negative when short. */
  position = 0;
  /** USD the position was opened for, with its sign. */
  basis = 0;
  /** USD realised since the start, after commission. */
  realised = 0;

  /** Open lots, oldest first, of one sign: what a share cost with spread, slippage and commission. */
  readonly #lots: { qty: number; price: number }[] = [];
  readonly #market: Market;
  readonly #model: ExecutionModel;
  readonly #fees: readonly SessionFees[];
  #sums: SessionSums;
  #sessionIndex = 0;
  #session: SeriesSession;
  #uniform: Uniform;
  #burstFrom = Infinity;
  #burstTo = -Infinity;
  readonly #lastDecision = { buy: -Infinity, sell: -Infinity };

  constructor(market: Market, model: ExecutionModel, fees: readonly SessionFees[], first: SeriesSession) {
    this.#market = market;
    this.#model = model;
    this.#fees = fees;
    this.#session = first;
    this.#sums = openSums(first);
    this.#uniform = () => 0;
  }

  /** Draws of a session depend on it and the symbol alone, so that a session is the same in every fold it is part of. */
  beginSession(session: SeriesSession, index: number): void {
    const { seed, reject_burst } = this.#model;
    this.#session = session;
    this.#sessionIndex = index;
    this.#sums = openSums(session);
    this.sums.push(this.#sums);
    this.#uniform = seededUniform(seedOf(sha256(`${seed}|${this.#market.series.symbol}|${session.date}`)));
    if (reject_burst !== null) {
      const room = Math.max(0, session.closeAt - session.openAt - reject_burst.seconds * second);
      this.#burstFrom = session.openAt + this.#uniform() * room;
      this.#burstTo = this.#burstFrom + reject_burst.seconds * second;
    }
  }

  endSession(lastRow: number): void {
    this.#sums.unrealised = this.position * (this.#market.series.close[lastRow] ?? 0) - this.basis;
    if (this.#model.order.time_in_force === 'day') this.#expire(() => true);
  }

  #expire(which: (order: RestingOrder) => boolean): void {
    for (let index = this.orders.length - 1; index >= 0; index -= 1) {
      const order = this.orders[index];
      if (order !== undefined && which(order)) {
        this.orders.splice(index, 1);
        this.#sums.expired += 1;
      }
    }
  }

  /** What a bar does to the orders that rest. */
  trade(row: number): void {
    const { start, volume, barMs } = this.#market.series;
    const at = start[row] ?? 0;
    this.#expire(({ expiresAt }) => at >= expiresAt);
    const { avoid_auctions, participation } = this.#model;
    if (avoid_auctions && (at <= this.#session.openAt || at + barMs >= this.#session.closeAt)) return;
    const { lot } = this.#model.sizing;
    const traded = volume[row] ?? 0;
    let available = Math.floor((participation.cap * traded) / lot + 1e-9) * lot;
    for (let index = 0; index < this.orders.length && available > 0; index += 1) {
      const order = this.orders[index];
      if (order === undefined || at < order.activeAt) continue;
      const qty = Math.min(order.remaining, available);
      if (!this.#fill(order, row, qty, qty / traded)) continue;
      available -= qty;
      order.remaining -= qty;
      if (order.remaining > 0) {
        this.#sums.partialFills += 1;
      } else {
        this.orders.splice(index, 1);
        index -= 1;
      }
    }
  }

  /** Fills part of an order in a bar if the bar's prices allow it. */
  #fill(order: RestingOrder, row: number, qty: number, share: number): boolean {
    const { open, high, low } = this.#market.series;
    const { side } = order;
    const opened = open[row] ?? 0;
    const half = this.#market.halfSpread[row] ?? 0;
    const slip = opened * this.#slippage(share);
    const [highest, lowest] = [high[row] ?? 0, low[row] ?? 0];
    const taken = opened + side * (half + slip);
    if (order.type === 'stop' && !order.triggered) {
      const reached = side > 0 ? highest >= order.price : lowest <= order.price;
      if (!reached) return false;
      order.triggered = true;
      const worse = side > 0 ? Math.max(opened, order.price) : Math.min(opened, order.price);
      this.#book(row, side * qty, worse + side * (half + slip), qty * half, qty * slip);
      return true;
    }
    if (order.type !== 'limit') {
      this.#book(row, side * qty, taken, qty * half, qty * slip);
      return true;
    }
    const restricted = side < 0 && order.entry && (this.#market.shortRestricted[row] ?? 0) === 1;
    // Under Rule 201 a short sale may not hit the bid: it rests at the ask.
    const limit = restricted ? Math.max(order.price, opened + half) : order.price;
    if (!restricted && (side > 0 ? taken <= limit : taken >= limit)) {
      this.#book(row, side * qty, taken, qty * half, qty * slip);
      return true;
    }
    const reached = this.#model.touch_fills
      ? side > 0
        ? lowest <= limit
        : highest >= limit
      : side > 0
        ? lowest < limit
        : highest > limit;
    if (reached) this.#book(row, side * qty, limit, 0, 0);
    return reached;
  }

  /** Fraction of the price that taking this share of a bar's volume costs. */
  #slippage(share: number): number {
    for (const { up_to, bps } of this.#model.participation.slippage) if (share <= up_to) return bps / 1e4;
    return (this.#model.participation.slippage.at(-1)?.bps ?? 0) / 1e4;
  }

  #book(row: number, qty: number, price: number, spreadCost: number, slippageCost: number): void {
    const shares = Math.abs(qty);
    const notional = shares * price;
    const { per_share_usd, rate } = this.#model.commission;
    const commission = shares * per_share_usd + notional * rate;
    const {
      bar,
      qty: qtys,
      price: prices,
      spreadCost: spreads,
      slippageCost: slips,
      commission: paid,
    } = this.fillColumns;
    bar.push(row);
    qtys.push(qty);
    prices.push(price);
    spreads.push(spreadCost);
    slips.push(slippageCost);
    paid.push(commission);

    const sums = this.#sums;
    const fees = this.#fees[this.#sessionIndex] ?? noFees;
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
    this.#settle(row, qty, price, commission);
  }

  /** Closes the oldest lots first; what is left opens a new one. Commission is part of a lot's price. */
  #settle(row: number, qty: number, price: number, commission: number): void {
    const side = Math.sign(qty);
    const each = price + (side * commission) / Math.abs(qty);
    let left = Math.abs(qty);
    let [profit, notional] = [0, 0];
    while (left > 0) {
      const lot = this.#lots[0];
      if (lot === undefined || Math.sign(lot.qty) === side) break;
      const closed = Math.min(left, Math.abs(lot.qty));
      profit += closed * (each - lot.price) * -side;
      notional += closed * lot.price;
      left -= closed;
      lot.qty += side * closed;
      if (lot.qty === 0) this.#lots.shift();
    }
    if (notional > 0) {
      this.realised += profit;
      this.#sums.realised += profit;
      this.#sums.trades += 1;
      this.tradeColumns.bar.push(row);
      this.tradeColumns.notional.push(notional);
      this.tradeColumns.profit.push(profit);
    }
    if (left > 0) this.#lots.push({ qty: side * left, price: each });
    this.position += qty;
    this.basis = 0;
    for (const lot of this.#lots) this.basis += lot.qty * lot.price;
  }

  /** What a strategy's wish at the end of a bar becomes. */
  decide(row: number, side: 1 | -1): void {
    const { start, barMs } = this.#market.series;
    const now = (start[row] ?? 0) + barMs;
    const name = side > 0 ? 'buy' : 'sell';
    const { cooldown_seconds, entry_cutoff_seconds, shorts, order } = this.#model;
    if (now - this.#lastDecision[name] < cooldown_seconds * second) return;
    const reduces = this.position * side < 0;
    if (!reduces) {
      if (side < 0 && !shorts.allowed) return;
      if (now >= this.#session.closeAt - entry_cutoff_seconds * second) return;
    }
    const qty = reduces ? this.#toClose(side) : this.#toOpen(row, side);
    if (qty <= 0) return;
    this.#lastDecision[name] = now;
    this.#sums.decisions += 1;
    this.#sums.orders += 1;
    const bursting = now >= this.#burstFrom && now < this.#burstTo;
    const rejectRate = bursting ? (this.#model.reject_burst?.rate ?? 0) : this.#model.reject_rate;
    // Both are drawn for every order, so that a refusal more or less moves no later draw.
    const [refusal, delay] = [this.#uniform(), this.#uniform()];
    if (refusal < rejectRate) {
      this.#sums.rejected += 1;
      return;
    }
    const { bars, milliseconds } = this.#model.latency;
    const drawn = milliseconds[Math.floor(delay * milliseconds.length)] ?? 0;
    const ttl = reduces ? order.exit_ttl_seconds : order.entry_ttl_seconds;
    const activeAt = now + (bars === 0 && drawn === 0 ? 0 : Math.max(bars * barMs, drawn));
    this.orders.push({
      remaining: qty,
      side,
      type: order.type,
      price: this.#orderPrice(row, side),
      activeAt,
      expiresAt: Math.max(now + ttl * second, activeAt + barMs),
      entry: !reduces,
      triggered: false,
    });
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

  /** Shares on their way to or from the position. */
  #resting(side: 1 | -1): number {
    let qty = 0;
    for (const order of this.orders) if (order.side === side) qty += order.remaining;
    return qty;
  }

  #toClose(side: 1 | -1): number {
    return Math.abs(this.position) - this.#resting(side);
  }

  #toOpen(row: number, side: 1 | -1): number {
    // An order of the other side that rests would trade with this one: the broker refuses it.
    if (this.#resting(side > 0 ? -1 : 1) > 0) return 0;
    const { equity_usd, max_notional_usd, max_position_share, max_participation, lot } = this.#model.sizing;
    const price = this.#market.series.close[row] ?? 0;
    const held = (Math.abs(this.position) + this.#resting(side)) * price;
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
  const { close } = series;
  const { actions } = desires;
  const { orders } = account;
  const equity = new Float64Array(last.to - first.from);
  let previous = noRow;
  for (const [index, session] of sessions.entries()) {
    account.beginSession(session, range.from + index);
    for (let row = session.from; row < session.to; row += 1) {
      if (orders.length > 0) account.trade(row);
      const action = actions[row] ?? 0;
      if (action !== 0) account.decide(row, action > 0 ? 1 : -1);
      equity[row - first.from] = account.realised + account.position * (close[row] ?? 0) - account.basis;
      previous = row;
    }
    account.endSession(previous);
  }
  const { fillColumns, tradeColumns } = account;
  const bar = fillColumns.bar.used();
  const closedBar = tradeColumns.bar.used();
  return {
    fills: {
      count: bar.length,
      bar,
      qty: fillColumns.qty.used(),
      price: fillColumns.price.used(),
      spreadCost: fillColumns.spreadCost.used(),
      slippageCost: fillColumns.slippageCost.used(),
      commission: fillColumns.commission.used(),
    },
    trades: {
      count: closedBar.length,
      bar: closedBar,
      notional: tradeColumns.notional.used(),
      profit: tradeColumns.profit.used(),
    },
    sessions: account.sums,
    equity,
  };
};

/** SHA-256 over all fills; two evaluations with the same one did the same. */
export const fillsDigest = (simulations: readonly Simulation[]): string =>
  sha256(
    Buffer.concat(
      simulations.flatMap(({ fills }) =>
        [Float64Array.of(fills.count), fills.bar, fills.qty, fills.price].map((column) =>
          Buffer.from(column.buffer, column.byteOffset, column.byteLength),
        ),
      ),
    ),
  );
