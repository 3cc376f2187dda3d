import { decimal, decimalText, newYorkDate, zero } from '@torghut/domain';
import type { Decimal, DecimalText, Instant, NewYorkDate } from '@torghut/domain';
import { limitedFaults } from '../faults.ts';
import type { LimitedFault, LimitedFaultName } from '../faults.ts';
import type { PaperBroker } from './broker.ts';
import type { Knobs, Lag, Latencies } from './knobs.ts';
import type { TwinAsset } from './order-checks.ts';
import { isTerminal } from './order.ts';
import type { TwinFill, TwinOrder, TwinOrderStatus } from './order.ts';
import type { Sessions } from './sessions.ts';
import type { AccountFlags } from './state.ts';
import type { StreamFaults } from './stream.ts';

/** An order by its client order id or its id, or the newest one in a state, of a symbol if one is named. */
export type OrderChoice =
  | string
  | {
      readonly state: 'open' | 'terminal' | 'any' | TwinOrderStatus;
      readonly symbol?: string;
    };

/** A fill by its execution id, or the newest one that counts, of a symbol if one is named. */
export type FillChoice = string | { readonly newest: true; readonly symbol?: string };

/**
 * Something that goes wrong at the broker, or that only an operator there does. Everything takes effect at once, at the
 * moment of the clock, unless it says otherwise; what it sets stays until it is set again. Quantities, prices and amounts
 * are decimal text.
 */
export type Disturbance =
  /** The next `requests` requests, of some operations or all, meet a fault (default one). */
  | {
      readonly kind: 'answers';
      readonly fault: LimitedFaultName | LimitedFault;
      readonly operations?: readonly string[];
      readonly requests?: number;
    }
  /** The next requests are answered 401, whatever keys they bring. */
  | { readonly kind: 'keys_refused'; readonly requests: number }
  /** Everything is answered 429 for the rest of the minute. */
  | { readonly kind: 'budget_spent' }
  /** Lists of orders are behind by a time drawn between the two; orders by id are current. */
  | ({ readonly kind: 'list_lag' } & Lag)
  /** An order is not found by its client order id for a while after it was accepted. */
  | { readonly kind: 'lookup_delay'; readonly ms: number }
  /** The list of positions leaves out a symbol, or all of them, for some requests (default one). */
  | { readonly kind: 'positions_missing'; readonly symbol?: string; readonly requests?: number }
  /** An order is found by no id and in no list, or is found again. */
  | { readonly kind: 'order_vanished'; readonly order: OrderChoice; readonly on: boolean }
  /** Activities created from now on are not listed before a moment. */
  | { readonly kind: 'activities_missing'; readonly until: Instant }
  /** The broker's clock answers with another time; what it does stays on time. */
  | { readonly kind: 'clock_skew'; readonly ms: number }
  | ({ readonly kind: 'latencies' } & Partial<Latencies>)
  /** Cancels are accepted and never take effect; those under way stop as well. */
  | { readonly kind: 'cancels_stick'; readonly on: boolean }
  /** An order takes a status that the market does not produce and stays there; `new` hands it back to the market. */
  | { readonly kind: 'order_status'; readonly order: OrderChoice; readonly status: TwinOrderStatus }
  /** An open order fills now, whatever the quotes say: all of it unless a quantity below what is left is given. */
  | FillOf<'fill'>
  /** An order that is already canceled or expired fills after all, now or at a later moment. */
  | (FillOf<'late_fill'> & { readonly at?: Instant })
  /** One execution more than the order asked for: of the quantity, by default one share. */
  | FillOf<'overfill'>
  | { readonly kind: 'trade_bust'; readonly fill: FillChoice }
  | {
      readonly kind: 'trade_correct';
      readonly fill: FillChoice;
      readonly qty?: DecimalText;
      readonly price?: DecimalText;
    }
  /** Somebody places an order by hand: a body of POST /v2/orders. */
  | { readonly kind: 'external_order'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'external_cancel'; readonly order: OrderChoice }
  /** Somebody replaces an order by hand: a body of PATCH /v2/orders. */
  | { readonly kind: 'external_replace'; readonly order: OrderChoice; readonly body: Readonly<Record<string, unknown>> }
  /** Cash moves: a deposit (CSD), a withdrawal (CSW), interest (INT), a fee (FEE), a journal (JNLC), ...; `null` moves it
   * without an activity. */
  | {
      readonly kind: 'cash';
      readonly activity: string | null;
      readonly subType?: string;
      readonly amount: DecimalText;
      readonly symbol?: string;
      readonly date?: NewYorkDate;
      readonly status?: 'executed' | 'correct' | 'canceled';
    }
  /** USD per share of the position, paid or, of a short, owed. */
  | { readonly kind: 'dividend'; readonly symbol: string; readonly perShare: DecimalText }
  /** `to` new shares for `from` old ones; open orders of the symbol are canceled. */
  | { readonly kind: 'split'; readonly symbol: string; readonly from: number; readonly to: number }
  /** The position ends for cash; open orders of the symbol are canceled. */
  | { readonly kind: 'merger'; readonly symbol: string; readonly cashPerShare: DecimalText }
  /** Shares come or go without a trade. */
  | { readonly kind: 'shares_moved'; readonly symbol: string; readonly qty: DecimalText; readonly price: DecimalText }
  /** Orders of the symbol rest without being filled while it is halted. */
  | { readonly kind: 'halt'; readonly symbol: string; readonly on: boolean }
  /** The session under way, or the one of a date, closes early; the calendar tells only when it is announced. */
  | { readonly kind: 'early_close'; readonly closeAt: Instant; readonly announced: boolean }
  | { readonly kind: 'asset'; readonly symbol: string; readonly change: Partial<TwinAsset> }
  | ({ readonly kind: 'account' } & Partial<AccountFlags> & {
        readonly suspendTrade?: boolean;
        readonly noShorting?: boolean;
      })
  /** Shares of stream messages that come twice, in another order, or never. */
  | ({ readonly kind: 'stream' } & Partial<StreamFaults>)
  /** Every connection to the stream breaks. */
  | { readonly kind: 'stream_drop' };

interface FillOf<Kind extends string> {
  readonly kind: Kind;
  readonly order: OrderChoice;
  readonly qty?: DecimalText;
  /** By default the order's limit, else the far side of the quote. */
  readonly price?: DecimalText;
}

/** Whether a disturbance found something to disturb, and what. */
export type DisturbanceResult =
  { readonly applied: true; readonly detail: string } | { readonly applied: false; readonly reason: string };

/** What disturbances reach into. */
export interface Disturbed {
  readonly broker: PaperBroker;
  readonly knobs: Knobs;
  readonly sessions: Sessions;
  readonly assets: Map<string, TwinAsset>;
  readonly now: () => Instant;
  readonly limitFault: (fault: LimitedFault, operations: readonly string[] | null, requests: number) => void;
  readonly stream: { setFaults(change: Partial<StreamFaults>): void; drop(): void };
}

type Handlers = {
  readonly [Kind in Disturbance['kind']]: (
    event: Extract<Disturbance, { kind: Kind }>,
    twin: Disturbed,
  ) => DisturbanceResult;
};

const done = (detail: string): DisturbanceResult => ({ applied: true, detail });
const nothing = (reason: string): DisturbanceResult => ({ applied: false, reason });
const minute = 60_000;
const oneShare = decimal('1');

const handlers: Handlers = {
  answers: ({ fault, operations, requests }, { limitFault }) => {
    const limited = typeof fault === 'string' ? limitedFaults[fault] : fault;
    limitFault(limited, operations ?? null, requests ?? 1);
    return done(typeof fault === 'string' ? fault : fault.kind);
  },
  keys_refused: ({ requests }, { knobs }) => {
    knobs.keysRefused = requests;
    return done(`${requests} requests`);
  },
  budget_spent: (_event, { knobs, now }) => {
    knobs.budgetSpentUntil = (Math.floor(now() / minute) + 1) * minute;
    return done(`until ${knobs.budgetSpentUntil}`);
  },
  list_lag: ({ fromMs, toMs }, { knobs }) => {
    knobs.listLag = { fromMs, toMs };
    return done(`${fromMs} to ${toMs} ms`);
  },
  lookup_delay: ({ ms }, { knobs }) => {
    knobs.lookupDelayMs = ms;
    return done(`${ms} ms`);
  },
  positions_missing: ({ symbol, requests }, { knobs, broker }) => {
    if (broker.state.positions().every((position) => position.symbol !== (symbol ?? position.symbol)))
      return nothing(`expected a position${symbol === undefined ? '' : ` in ${symbol}`}, found none`);
    knobs.hiddenPositions = { symbol: symbol ?? null, requests: requests ?? 1 };
    return done(symbol ?? 'all');
  },
  order_vanished: ({ order, on }, twin) =>
    withOrder(order, twin, ({ id, clientOrderId }) => {
      if (on) twin.knobs.vanishedOrders.add(id);
      else twin.knobs.vanishedOrders.delete(id);
      return done(clientOrderId);
    }),
  activities_missing: ({ until }, { knobs, now }) => {
    knobs.activitiesHidden = { from: now(), until };
    return done(`until ${until}`);
  },
  clock_skew: ({ ms }, { knobs }) => {
    knobs.clockSkewMs = ms;
    return done(`${ms} ms`);
  },
  latencies: ({ kind: _kind, ...change }, { knobs }) => {
    knobs.latencies = { ...knobs.latencies, ...change };
    return done(JSON.stringify(knobs.latencies));
  },
  cancels_stick: ({ on }, { knobs, broker, now }) => {
    knobs.cancelsStick = on;
    const canceling = broker.state.openOrders().filter(({ status }) => status === 'pending_cancel');
    for (const order of canceling)
      broker.state.saveOrder({ ...order, cancelAt: on ? null : now() + knobs.latencies.cancelMs });
    return done(`${canceling.length} under way`);
  },
  order_status: ({ order, status }, twin) =>
    withOrder(order, twin, (found) => {
      if (isTerminal(found)) return nothing(`order ${found.clientOrderId} is ${found.status}`);
      twin.broker.life.setStatus(found, status, twin.now());
      return done(found.clientOrderId);
    }),
  fill: (event, twin) =>
    withOrder(event.order, twin, (found) => {
      if (isTerminal(found)) return nothing(`order ${found.clientOrderId} is ${found.status}`);
      return fillNow(found, event, found.qty.minus(found.filledQty), twin);
    }),
  late_fill: (event, twin) =>
    withOrder(event.order, twin, (found) => {
      if (found.status !== 'canceled' && found.status !== 'expired')
        return nothing(`expected a canceled or expired order, found ${found.clientOrderId} ${found.status}`);
      const { id } = found;
      const fill = (): DisturbanceResult => {
        const current = twin.broker.state.orderById(id) ?? found;
        const left = current.qty.minus(current.filledQty);
        return left.gt(zero) ? fillNow(current, event, left, twin, event.at) : nothing('nothing is left of the order');
      };
      if (event.at === undefined || event.at <= twin.now()) return fill();
      twin.broker.schedule(event.at, fill);
      return done(`${found.clientOrderId} later`);
    }),
  overfill: (event, twin) =>
    withOrder(event.order, twin, (found) => {
      const left = found.qty.minus(found.filledQty);
      if (found.filledQty.lt(found.qty) && !isTerminal(found)) fillNow(found, {}, left, twin);
      const full = twin.broker.state.orderById(found.id) ?? found;
      const extra = event.qty === undefined ? oneShare : decimal(event.qty);
      return fillNow(full, { ...event, qty: decimalText(extra) }, extra, twin);
    }),
  trade_bust: ({ fill }, twin) =>
    withFill(fill, twin, (found) => {
      twin.broker.life.bust(found, null, twin.now());
      return done(found.id);
    }),
  trade_correct: ({ fill, qty, price }, twin) =>
    withFill(fill, twin, (found) => {
      const correction = {
        qty: qty === undefined ? found.qty : decimal(qty),
        price: price === undefined ? found.price : decimal(price),
      };
      twin.broker.life.bust(found, correction, twin.now());
      return done(found.id);
    }),
  external_order: ({ body }, { broker }) => resultOf(broker.submit(JSON.stringify(body), 'external')),
  external_cancel: ({ order }, twin) => withOrder(order, twin, ({ id }) => resultOf(twin.broker.cancel(id))),
  external_replace: ({ order, body }, twin) =>
    withOrder(order, twin, ({ id }) => resultOf(twin.broker.replace(id, JSON.stringify(body), 'external'))),
  cash: ({ activity, subType, amount, symbol, date, status }, { broker, now }) => {
    if (activity === null) {
      broker.state.saveAccount({ cash: broker.state.account().cash.plus(decimal(amount)) });
      return done(amount);
    }
    broker.account.book(
      {
        type: activity,
        ...(subType === undefined ? {} : { subType }),
        date: date ?? newYorkDate(now()),
        netAmount: decimal(amount),
        ...(symbol === undefined ? {} : { symbol }),
        ...(status === undefined ? {} : { status }),
      },
      now(),
    );
    return done(`${activity} ${amount}`);
  },
  dividend: ({ symbol, perShare }, twin) =>
    withPosition(symbol, twin, (qty) => {
      const amount = qty.times(decimal(perShare)).round(2, 1);
      twin.broker.account.book(
        {
          type: 'DIV',
          date: newYorkDate(twin.now()),
          netAmount: amount,
          symbol,
          qty,
          perShareAmount: decimal(perShare),
        },
        twin.now(),
      );
      return done(decimalText(amount));
    }),
  split: ({ symbol, from, to }, twin) =>
    withPosition(symbol, twin, (qty) => {
      const ratio = decimal(String(to)).div(decimal(String(from)));
      const position = twin.broker.state.position(symbol);
      const after = qty.times(ratio).round(9, 1);
      endForCorporateAction(symbol, twin);
      twin.broker.state.savePosition({ symbol, qty: after, avgEntryPrice: position.avgEntryPrice.div(ratio) });
      twin.broker.account.book(
        {
          type: 'SPLIT',
          subType: to > from ? 'FSPLIT' : 'RSPLIT',
          date: newYorkDate(twin.now()),
          netAmount: zero,
          symbol,
          qty: after.minus(qty),
        },
        twin.now(),
      );
      return done(`${decimalText(qty)} to ${decimalText(after)}`);
    }),
  merger: ({ symbol, cashPerShare }, twin) =>
    withPosition(symbol, twin, (qty) => {
      const amount = qty.times(decimal(cashPerShare)).round(2, 1);
      endForCorporateAction(symbol, twin);
      twin.broker.state.savePosition({ symbol, qty: zero, avgEntryPrice: zero });
      twin.broker.account.book(
        {
          type: 'MA',
          subType: 'CMA',
          date: newYorkDate(twin.now()),
          netAmount: amount,
          symbol,
          qty: qty.times('-1'),
          perShareAmount: decimal(cashPerShare),
        },
        twin.now(),
      );
      return done(decimalText(amount));
    }),
  shares_moved: ({ symbol, qty, price }, { broker, now }) => {
    const position = broker.state.position(symbol);
    const moved = decimal(qty);
    broker.state.savePosition({
      symbol,
      qty: position.qty.plus(moved),
      avgEntryPrice: position.qty.eq(zero) ? decimal(price) : position.avgEntryPrice,
    });
    broker.account.book({ type: 'JNLS', date: newYorkDate(now()), netAmount: zero, symbol, qty: moved }, now());
    return done(`${symbol} ${qty}`);
  },
  halt: ({ symbol, on }, { knobs }) => {
    if (on) knobs.halted.add(symbol);
    else knobs.halted.delete(symbol);
    return done(symbol);
  },
  early_close: ({ closeAt, announced }, { broker, sessions, now }) => {
    if (closeAt <= now()) return nothing('expected a moment that is still to come');
    const day = sessions.endingAfter(closeAt - 1);
    if (day.openAt >= closeAt) return nothing(`expected a moment within a session, the next opens at ${day.openAt}`);
    sessions.closeEarly(day.date, closeAt, announced);
    for (const order of broker.state.openOrders())
      if (order.expiresAt === day.closeAt) broker.state.saveOrder({ ...order, expiresAt: closeAt });
    return done(day.date);
  },
  asset: ({ symbol, change }, { assets }) => {
    const asset = assets.get(symbol);
    if (asset === undefined) return nothing(`asset ${symbol} is not known`);
    assets.set(symbol, { ...asset, ...change });
    return done(symbol);
  },
  account: ({ kind: _kind, suspendTrade, noShorting, ...flags }, { broker }) => {
    const { flags: before, configuration } = broker.state.account();
    broker.state.saveAccount({
      flags: { ...before, ...flags },
      configuration: {
        ...configuration,
        suspendTrade: suspendTrade ?? configuration.suspendTrade,
        noShorting: noShorting ?? configuration.noShorting,
      },
    });
    return done(JSON.stringify(flags));
  },
  stream: ({ kind: _kind, ...change }, { stream }) => {
    stream.setFaults(change);
    return done(JSON.stringify(change));
  },
  stream_drop: (_event, { stream }) => {
    stream.drop();
    return done('');
  },
};

/** Lets a disturbance happen now; what the market did before has to be done by then. */
export const disturb = (event: Disturbance, twin: Disturbed): DisturbanceResult => {
  const handler = handlers[event.kind] as (event: Disturbance, twin: Disturbed) => DisturbanceResult;
  return twin.broker.state.transaction(() => handler(event, twin));
};

const withOrder = (
  choice: OrderChoice,
  { broker }: Disturbed,
  use: (order: TwinOrder) => DisturbanceResult,
): DisturbanceResult => {
  const { state } = broker;
  const found =
    typeof choice === 'string'
      ? (state.orderByClientOrderId(choice) ?? state.orderById(choice))
      : (state.orders().findLast((order) => isChosen(order, choice)) ?? null);
  return found === null ? nothing(`expected an order ${JSON.stringify(choice)}, found none`) : use(found);
};

const isChosen = (order: TwinOrder, { state, symbol }: Exclude<OrderChoice, string>): boolean =>
  (symbol === undefined || order.symbol === symbol) &&
  (state === 'any' ||
    (state === 'open' ? !isTerminal(order) : state === 'terminal' ? isTerminal(order) : order.status === state));

const withFill = (
  choice: FillChoice,
  { broker }: Disturbed,
  use: (fill: TwinFill) => DisturbanceResult,
): DisturbanceResult => {
  const found = broker.state
    .fills()
    .findLast(
      ({ id, symbol, state }) =>
        state === 'executed' &&
        (typeof choice === 'string' ? id === choice : choice.symbol === undefined || choice.symbol === symbol),
    );
  return found === undefined ? nothing(`expected a fill ${JSON.stringify(choice)}, found none`) : use(found);
};

const withPosition = (
  symbol: string,
  { broker }: Disturbed,
  use: (qty: Decimal) => DisturbanceResult,
): DisturbanceResult => {
  const { qty } = broker.state.position(symbol);
  return qty.eq(zero) ? nothing(`expected a position in ${symbol}, found none`) : use(qty);
};

const fillNow = (
  order: TwinOrder,
  { qty, price }: { readonly qty?: DecimalText; readonly price?: DecimalText },
  most: Decimal,
  { broker, now }: Disturbed,
  at?: Instant,
): DisturbanceResult => {
  const asked = qty === undefined ? most : decimal(qty);
  const executed = asked.gt(most) ? most : asked;
  const paid = price === undefined ? (order.limitPrice ?? broker.account.mid(order.symbol, now())) : decimal(price);
  if (paid === null) return nothing(`expected a price for ${order.symbol}, found no quote`);
  const fill = broker.life.fill(order, executed, paid, at ?? now());
  return done(fill.id);
};

const endForCorporateAction = (symbol: string, { broker, now }: Disturbed): void => {
  for (const order of broker.state.openOrders())
    if (order.symbol === symbol) broker.life.end(order.id, 'canceled', now(), { reason: 'CORPORATE_ACTION' });
};

const resultOf = (answer: TwinOrder | { readonly code: number; readonly message: string }): DisturbanceResult =>
  'code' in answer ? nothing(answer.message) : done(answer.clientOrderId);
