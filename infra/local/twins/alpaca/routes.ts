import { decimal, isDecimalText, toText, zero } from '@torghut/domain';
import type { Clock, Decimal, Instant } from '@torghut/domain';
import * as z from 'zod';
import type { TwinAnswer } from '../faults.ts';
import type { Route } from '../http-twin.ts';
import { draw } from '../random.ts';
import type { PaperBroker } from './broker.ts';
import type { Knobs } from './knobs.ts';
import { listActivities, listOrders } from './lists.ts';
import { holdsShares } from './order-checks.ts';
import type { TwinAsset } from './order-checks.ts';
import { remainingQty, statusRules } from './order.ts';
import type { TwinOrder } from './order.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { answerOf, forbidden, invalid, malformed, notFound, ok } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import type { Sessions } from './sessions.ts';
import { accountJson, assetJson, calendarJson, clockJson, configurationJson, orderJson, positionJson } from './wire.ts';

export const alpacaTwinOperations = [
  'submit_order',
  'replace_order',
  'cancel_order',
  'cancel_all_orders',
  'get_order',
  'get_order_by_client_order_id',
  'list_orders',
  'account',
  'configurations',
  'positions',
  'close_position',
  'close_all_positions',
  'activities',
  'calendar',
  'clock',
  'assets',
] as const;
export type AlpacaTwinOperation = (typeof alpacaTwinOperations)[number];

export interface RouteContext {
  readonly broker: PaperBroker;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly facts: ProbeFacts;
  readonly knobs: Knobs;
  readonly assets: ReadonlyMap<string, TwinAsset>;
  readonly seed: number;
  readonly shortingEnabled: boolean;
}

type TwinRoute = Route<AlpacaTwinOperation>;

/** The endpoints of the trading API. */
export const alpacaRoutes = (context: RouteContext): readonly TwinRoute[] => [
  ...orderRoutes(context),
  ...positionRoutes(context),
  ...accountRoutes(context),
  ...marketRoutes(context),
];

const orderRoutes = ({ broker, clock, facts, knobs, seed }: RouteContext): readonly TwinRoute[] => {
  const { state } = broker;
  const { stopConversionShown } = facts;
  const shown = (order: TwinOrder, nested = false): TwinAnswer =>
    ok(orderJson(order, { legs: nested ? state.legsOf(order.id) : null, stopConversionShown }));
  const refused = (refusal: Refusal): TwinAnswer =>
    answerOf({ ...refusal, status: facts.statusOfCode[refusal.code] ?? refusal.status });
  let lists = 0;
  /** Lists are behind; an order by its id is not. */
  const listed = (): readonly TwinOrder[] => {
    const { fromMs, toMs } = knobs.listLag;
    lists += 1;
    const orders =
      toMs === 0
        ? state.orders()
        : state.ordersAsOf(clock.now() - Math.round(fromMs + draw(seed, 'list lag', lists) * (toMs - fromMs)));
    return knobs.vanishedOrders.size === 0 ? orders : orders.filter(({ id }) => !knobs.vanishedOrders.has(id));
  };

  return [
    {
      operation: 'submit_order',
      method: 'POST',
      path: /^\/v2\/orders$/,
      handle: ({ text }) => {
        const result = broker.submit(text);
        // The answer to a bracket shows its legs, unlike a later read that does not ask for them.
        return 'code' in result ? refused(result) : shown(result, true);
      },
    },
    {
      operation: 'list_orders',
      method: 'GET',
      path: /^\/v2\/orders$/,
      handle: ({ query }) => listOrders(listed(), query, stopConversionShown),
    },
    {
      operation: 'cancel_all_orders',
      method: 'DELETE',
      path: /^\/v2\/orders$/,
      handle: () => ({
        status: 207,
        body: state.openOrders().map(({ id }) => {
          const result = broker.cancel(id);
          return { id, status: 'code' in result ? result.status : 200 };
        }),
      }),
    },
    {
      operation: 'get_order_by_client_order_id',
      method: 'GET',
      path: /^\/v2\/orders:by_client_order_id$/,
      handle: ({ query }) => {
        const clientOrderId = query.get('client_order_id') ?? '';
        const found = state.orderByClientOrderId(clientOrderId);
        return found === null ||
          knobs.vanishedOrders.has(found.id) ||
          found.submittedAt + knobs.lookupDelayMs > clock.now()
          ? refused(notFound(`order not found for ${clientOrderId}`))
          : shown(found);
      },
    },
    {
      operation: 'get_order',
      method: 'GET',
      path: /^\/v2\/orders\/([^/]+)$/,
      handle: ({ parameters: [id = ''], query }) => {
        const found = state.orderById(id);
        return found === null || knobs.vanishedOrders.has(id)
          ? refused(notFound(`order not found for ${id}`))
          : shown(found, query.get('nested') === 'true');
      },
    },
    {
      operation: 'replace_order',
      method: 'PATCH',
      path: /^\/v2\/orders\/([^/]+)$/,
      handle: ({ parameters: [id = ''], text }) => {
        const result = broker.replace(id, text);
        return 'code' in result ? refused(result) : shown(result);
      },
    },
    {
      operation: 'cancel_order',
      method: 'DELETE',
      path: /^\/v2\/orders\/([^/]+)$/,
      handle: ({ parameters: [id = ''] }) => {
        const result = broker.cancel(id);
        return 'code' in result ? refused(result) : { status: 204 };
      },
    },
  ];
};

const positionRoutes = ({ broker, clock, knobs, facts }: RouteContext): readonly TwinRoute[] => {
  const { state } = broker;
  const positions = () => {
    const now = clock.now();
    const open = state.openOrders();
    const { lastCloseAt } = state.account();
    return state.positions().map((position) => {
      const mid = broker.account.mid(position.symbol, now) ?? position.avgEntryPrice;
      const lastMid = (lastCloseAt === null ? null : broker.account.mid(position.symbol, lastCloseAt)) ?? mid;
      const closingSide = position.qty.gt(zero) ? 'sell' : 'buy';
      const held = open
        .filter((order) => order.symbol === position.symbol && holdsShares(order, closingSide))
        .reduce<Decimal>((total, order) => total.plus(remainingQty(order)), zero);
      const sign = position.qty.gt(zero) ? held : held.times(decimal('-1'));
      return positionJson(position, position.qty.minus(sign), mid, lastMid);
    });
  };
  /** The list, without what it is missing at the moment. */
  const listed = () => {
    const { hiddenPositions } = knobs;
    if (hiddenPositions === null) return positions();
    hiddenPositions.requests -= 1;
    if (hiddenPositions.requests <= 0) knobs.hiddenPositions = null;
    const { symbol: hidden } = hiddenPositions;
    return hidden === null ? [] : positions().filter(({ symbol }) => symbol !== hidden);
  };
  const symbolOf = (name: string): string =>
    positions().find(({ symbol, asset_id: id }) => symbol === name || id === name)?.symbol ?? name;
  const cancelOrdersOf = (symbol: string): void => {
    for (const order of state.openOrders()) if (order.symbol === symbol) broker.cancel(order.id);
    // Shares are free once the cancels took effect.
    broker.advance();
  };
  const close = (symbol: string, part?: { readonly qty?: Decimal; readonly share?: Decimal }): TwinAnswer => {
    const closingSide = state.position(symbol).qty.gt(zero) ? 'sell' : 'buy';
    const holder = state
      .openOrders()
      .find(
        (order) =>
          order.symbol === symbol &&
          order.side === closingSide &&
          order.status !== 'pending_cancel' &&
          (order.type.includes('stop') || order.parentId !== null),
      );
    if (holder !== undefined) {
      return answerOf(
        forbidden('insufficient qty available for order: shares are held by open orders', {
          symbol,
          related_orders: [holder.id],
        }),
      );
    }
    const result = broker.closePosition(symbol, part);
    return 'code' in result
      ? answerOf(result)
      : ok(orderJson(result, { legs: null, stopConversionShown: facts.stopConversionShown }));
  };

  return [
    { operation: 'positions', method: 'GET', path: /^\/v2\/positions$/, handle: () => ok(listed()) },
    {
      operation: 'positions',
      method: 'GET',
      path: /^\/v2\/positions\/([^/]+)$/,
      handle: ({ parameters: [name = ''] }) => {
        const found = positions().find(({ symbol, asset_id: id }) => symbol === name || id === name);
        return found === undefined ? answerOf(notFound('position does not exist')) : ok(found);
      },
    },
    {
      operation: 'close_all_positions',
      method: 'DELETE',
      path: /^\/v2\/positions$/,
      handle: ({ query }) => ({
        status: 207,
        body: state.positions().map(({ symbol }) => {
          if (query.get('cancel_orders') === 'true') cancelOrdersOf(symbol);
          const { status, body } = close(symbol);
          return { symbol, status, body };
        }),
      }),
    },
    {
      operation: 'close_position',
      method: 'DELETE',
      path: /^\/v2\/positions\/([^/]+)$/,
      handle: ({ parameters: [name = ''], query }) => {
        const [qty, percentage] = [query.get('qty'), query.get('percentage')];
        const given = qty ?? percentage;
        if (qty !== null && percentage !== null)
          return answerOf(malformed('only one of qty or percentage is accepted'));
        if (given !== null && (!isDecimalText(given) || decimal(given).lte(zero)))
          return answerOf(invalid(`invalid qty or percentage ${given}`));
        return close(symbolOf(name), {
          ...(qty === null ? {} : { qty: decimal(qty) }),
          ...(percentage === null ? {} : { share: decimal(percentage) }),
        });
      },
    },
  ];
};

const configurationSchema = z.strictObject({
  suspend_trade: z.boolean().optional(),
  no_shorting: z.boolean().optional(),
  fractional_trading: z.boolean().optional(),
  max_margin_multiplier: z.enum(['1', '2', '4']).optional(),
  trade_confirm_email: z.enum(['all', 'none']).optional(),
  max_options_trading_level: z.int().min(0).max(3).nullable().optional(),
  disable_overnight_trading: z.boolean().optional(),
  ptp_no_exception_entry: z.boolean().optional(),
});

const accountRoutes = ({ broker, clock, facts, knobs, shortingEnabled }: RouteContext): readonly TwinRoute[] => {
  const { state } = broker;
  return [
    {
      operation: 'account',
      method: 'GET',
      path: /^\/v2\/account$/,
      handle: () =>
        ok(
          accountJson(
            state.account(),
            broker.account.valuation(clock.now()),
            shortingEnabled,
            broker.account.accruedFees(),
          ),
        ),
    },
    {
      operation: 'configurations',
      method: 'GET',
      path: /^\/v2\/account\/configurations$/,
      handle: () => ok(configurationJson(state.account().configuration)),
    },
    {
      operation: 'configurations',
      method: 'PATCH',
      path: /^\/v2\/account\/configurations$/,
      handle: ({ text }) => {
        const change = configurationSchema.safeParse(jsonValue(text));
        if (!change.success) {
          const issue = change.error.issues[0];
          return answerOf(invalid(`invalid configuration: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`));
        }
        const before = state.account().configuration;
        const { data } = change;
        state.saveAccount({
          configuration: {
            suspendTrade: data.suspend_trade ?? before.suspendTrade,
            noShorting: data.no_shorting ?? before.noShorting,
            fractionalTrading: data.fractional_trading ?? before.fractionalTrading,
            maxMarginMultiplier: data.max_margin_multiplier ?? before.maxMarginMultiplier,
            tradeConfirmEmail: data.trade_confirm_email ?? before.tradeConfirmEmail,
            maxOptionsTradingLevel:
              data.max_options_trading_level === undefined
                ? before.maxOptionsTradingLevel
                : data.max_options_trading_level,
            disableOvernightTrading: data.disable_overnight_trading ?? before.disableOvernightTrading,
            ptpNoExceptionEntry: data.ptp_no_exception_entry ?? before.ptpNoExceptionEntry,
          },
        });
        if (data.suspend_trade === true && facts.suspendCancelsOpenOrders)
          for (const order of state.openOrders())
            if (statusRules[order.status].cancelable) broker.life.requestCancel(order, clock.now());
        return ok(configurationJson(state.account().configuration));
      },
    },
    {
      operation: 'activities',
      method: 'GET',
      path: /^\/v2\/account\/activities(?:\/([A-Z]+))?$/,
      handle: ({ parameters: [type = ''], query }) => {
        const types = type === '' ? (query.get('activity_types')?.split(',') ?? null) : [type];
        const shown = state
          .activities()
          .filter(
            ({ createdAt }) => createdAt < knobs.activitiesHidden.from || clock.now() >= knobs.activitiesHidden.until,
          );
        return listActivities(shown, types, query, facts);
      },
    },
  ];
};

const marketRoutes = ({ clock, sessions, knobs, assets }: RouteContext): readonly TwinRoute[] => [
  {
    operation: 'calendar',
    method: 'GET',
    path: /^\/v2\/calendar$/,
    handle: ({ query }) => {
      const [start, end] = [query.get('start'), query.get('end')].map((text) => text?.slice(0, 10) ?? '');
      if (!isDate(start) || !isDate(end)) return answerOf(malformed('start and end are required, as YYYY-MM-DD'));
      return ok(sessions.announced(start, end).map(calendarJson));
    },
  },
  {
    operation: 'clock',
    method: 'GET',
    path: /^\/v2\/clock$/,
    handle: () => {
      const session = sessions.endingAfter(clock.now());
      const answer = clockJson(clock.now(), session, sessions.endingAfter(session.closeAt));
      const shownAt: Instant = clock.now() + knobs.clockSkewMs;
      return ok({ ...answer, timestamp: toText(shownAt) });
    },
  },
  {
    operation: 'assets',
    method: 'GET',
    path: /^\/v2\/assets\/(.+)$/,
    handle: ({ parameters: [name = ''] }) => {
      const found = [...assets].map(([symbol, asset]) => assetJson(symbol, asset));
      const asset = found.find(({ symbol, id }) => symbol === name || id === name);
      return asset === undefined ? answerOf(notFound(`asset not found for ${name}`)) : ok(asset);
    },
  },
  {
    operation: 'assets',
    method: 'GET',
    path: /^\/v2\/assets$/,
    handle: ({ query }) => {
      const [status, assetClass, exchange] = ['status', 'asset_class', 'exchange'].map((name) => query.get(name));
      const attributes = query.get('attributes')?.split(',') ?? null;
      return ok(
        [...assets]
          .map(([symbol, asset]) => assetJson(symbol, asset))
          .filter(
            (asset) =>
              (status ?? asset.status) === asset.status &&
              (assetClass ?? asset.class) === asset.class &&
              (exchange ?? asset.exchange) === asset.exchange &&
              (attributes === null || attributes.some((attribute) => asset.attributes.includes(attribute))),
          ),
      );
    },
  },
];

const jsonValue = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // Refused like any other value that is no configuration.
    return null;
  }
};

const isDate = (text: string | undefined): text is string =>
  text !== undefined && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
