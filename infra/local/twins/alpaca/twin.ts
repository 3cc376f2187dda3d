import { decimal, zero } from '@torghut/domain';
import type { Clock, Decimal, DecimalText } from '@torghut/domain';
import type { AlpacaCredentials } from '@torghut/platform';
import type { Fault, TwinAnswer } from '../faults.ts';
import { startHttpTwin } from '../http-twin.ts';
import type { Route } from '../http-twin.ts';
import { PaperBroker } from './broker.ts';
import { frontDoor } from './front-door.ts';
import { listFills, listOrders } from './lists.ts';
import type { MarketData } from './market-data.ts';
import { partialFillShare } from './matching.ts';
import type { TwinAsset } from './order-checks.ts';
import { answerOf, invalid, malformed, notFound, ok } from './refusals.ts';
import { ruleCalendar, sessionEndingAfter, sessionsBetween } from './sessions.ts';
import type { Calendar } from './sessions.ts';
import type { OrderEffect, TwinFill, TwinOrder } from './state.ts';
import { accountJson, assetJson, calendarJson, clockJson, orderJson, positionJson } from './wire.ts';

export interface AlpacaTwinConfig {
  readonly clock: Clock;
  readonly marketData: MarketData;
  /** Symbols that can be traded; `assets` overrides the flags of some. */
  readonly symbols: readonly string[];
  readonly assets?: Readonly<Record<string, Partial<TwinAsset>>>;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  /** `:memory:`, the default, or a file that survives the process. */
  readonly stateFile?: string;
  readonly seed: number;
  readonly calendar?: Calendar;
  readonly startingCash?: DecimalText;
  /** `'4'` by default: intraday leverage. */
  readonly multiplier?: '1' | '2' | '4';
  readonly shortingEnabled?: boolean;
  readonly partialFillShare?: number;
  /** Time between a request to cancel and its effect; none by default. */
  readonly cancelLatencyMs?: number;
  readonly requestsPerMinute?: number;
}

export type AlpacaTwinOperation =
  | 'submit_order'
  | 'cancel_order'
  | 'cancel_all_orders'
  | 'get_order'
  | 'get_order_by_client_order_id'
  | 'list_orders'
  | 'account'
  | 'configurations'
  | 'positions'
  | 'activities'
  | 'calendar'
  | 'clock'
  | 'assets';

export interface AlpacaTwin {
  /** Base URL of the trading API. */
  readonly url: string;
  setFault(fault: Fault | null, operations?: readonly AlpacaTwinOperation[]): Promise<void>;
  /** The only keys that are let in from now on; until then any are. */
  setKeys(keys: AlpacaCredentials): void;
  /** Every effect on an order, oldest first: the broker's own truth. */
  log(): readonly OrderEffect[];
  /** Every order that was ever accepted, oldest first. */
  orders(): readonly TwinOrder[];
  /** Every fill, oldest first. */
  fills(): readonly TwinFill[];
  stop(): Promise<void>;
}

const usualAsset: TwinAsset = {
  active: true,
  tradable: true,
  shortable: true,
  easyToBorrow: true,
  fractionable: true,
  attributes: [],
};
const endOfTime = Number.MAX_SAFE_INTEGER;

/** Serves one paper account over HTTP on 127.0.0.1, matched against the given quotes under the given clock. */
export const startAlpacaTwin = async (config: AlpacaTwinConfig): Promise<AlpacaTwin> => {
  const { clock, seed } = config;
  const calendar = config.calendar ?? ruleCalendar;
  const margin = { multiplier: decimal(config.multiplier ?? '4'), shortingEnabled: config.shortingEnabled ?? true };
  const broker = new PaperBroker(
    {
      ...margin,
      clock,
      marketData: config.marketData,
      calendar,
      seed,
      assets: new Map(config.symbols.map((symbol) => [symbol, { ...usualAsset, ...config.assets?.[symbol] }])),
      startingCash: decimal(config.startingCash ?? '100000'),
      partialFillShare: config.partialFillShare ?? partialFillShare,
      cancelLatencyMs: config.cancelLatencyMs ?? 0,
    },
    config.stateFile ?? ':memory:',
  );
  const { state } = broker;
  const order = (id: string): TwinAnswer => {
    const found = state.orderById(id);
    return found === null ? answerOf(notFound(`order not found for ${id}`)) : ok(orderJson(found));
  };
  const positions = () => {
    const now = clock.now();
    const open = state.openOrders();
    const { lastCloseAt } = state.account();
    return state.positions().map((position) => {
      const mid = broker.mid(position.symbol, now) ?? position.avgEntryPrice;
      const lastMid = (lastCloseAt === null ? null : broker.mid(position.symbol, lastCloseAt)) ?? mid;
      const closingSide = position.qty.gt(zero) ? 'sell' : 'buy';
      const held = open
        .filter(({ symbol, side }) => symbol === position.symbol && side === closingSide)
        .reduce<Decimal>((total, { qty, filledQty }) => total.plus(qty.minus(filledQty)), zero);
      const sign = position.qty.gt(zero) ? held : held.times(decimal('-1'));
      return positionJson(position, position.qty.minus(sign), mid, lastMid);
    });
  };
  const configurations = (): TwinAnswer =>
    ok({
      suspend_trade: state.account().suspendTrade,
      no_shorting: !margin.shortingEnabled,
      fractional_trading: true,
      max_margin_multiplier: config.multiplier ?? '4',
      trade_confirm_email: 'all',
      max_options_trading_level: 0,
      disable_overnight_trading: false,
      ptp_no_exception_entry: false,
    });

  const routes: readonly Route<AlpacaTwinOperation>[] = [
    {
      operation: 'submit_order',
      method: 'POST',
      path: /^\/v2\/orders$/,
      handle: ({ text }) => {
        const result = broker.submit(text);
        return 'code' in result ? answerOf(result) : ok(orderJson(result));
      },
    },
    {
      operation: 'list_orders',
      method: 'GET',
      path: /^\/v2\/orders$/,
      handle: ({ query }) => listOrders(state.orders(), query),
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
        return found === null ? answerOf(notFound(`order not found for ${clientOrderId}`)) : ok(orderJson(found));
      },
    },
    {
      operation: 'get_order',
      method: 'GET',
      path: /^\/v2\/orders\/([^/]+)$/,
      handle: ({ parameters: [id = ''] }) => order(id),
    },
    {
      operation: 'cancel_order',
      method: 'DELETE',
      path: /^\/v2\/orders\/([^/]+)$/,
      handle: ({ parameters: [id = ''] }) => {
        const result = broker.cancel(id);
        return 'code' in result ? answerOf(result) : { status: 204 };
      },
    },
    {
      operation: 'account',
      method: 'GET',
      path: /^\/v2\/account$/,
      handle: () => ok(accountJson(state.account(), broker.valuation(clock.now()), margin)),
    },
    { operation: 'configurations', method: 'GET', path: /^\/v2\/account\/configurations$/, handle: configurations },
    {
      operation: 'configurations',
      method: 'PATCH',
      path: /^\/v2\/account\/configurations$/,
      handle: ({ text }) => {
        const suspend = jsonObject(text)?.['suspend_trade'];
        if (typeof suspend !== 'boolean') return answerOf(invalid('suspend_trade must be true or false'));
        broker.setSuspendTrade(suspend);
        return configurations();
      },
    },
    { operation: 'positions', method: 'GET', path: /^\/v2\/positions$/, handle: () => ok(positions()) },
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
      operation: 'activities',
      method: 'GET',
      path: /^\/v2\/account\/activities(?:\/([A-Z]+))?$/,
      handle: ({ parameters: [type], query }) => {
        const types = type === undefined ? query.get('activity_types')?.split(',') : [type];
        // A paper account has no other activity than fills.
        return types === undefined || types.includes('FILL') ? listFills(state.fills(-1, endOfTime), query) : ok([]);
      },
    },
    {
      operation: 'calendar',
      method: 'GET',
      path: /^\/v2\/calendar$/,
      handle: ({ query }) => {
        const [start, end] = [query.get('start'), query.get('end')].map((text) => text?.slice(0, 10) ?? '');
        if (!isDate(start) || !isDate(end)) return answerOf(malformed('start and end are required, as YYYY-MM-DD'));
        return ok(sessionsBetween(calendar, start, end).map(calendarJson));
      },
    },
    {
      operation: 'clock',
      method: 'GET',
      path: /^\/v2\/clock$/,
      handle: () => {
        const session = sessionEndingAfter(calendar, clock.now());
        return ok(clockJson(clock.now(), session, sessionEndingAfter(calendar, session.closeAt)));
      },
    },
    {
      operation: 'assets',
      method: 'GET',
      path: /^\/v2\/assets\/(.+)$/,
      handle: ({ parameters: [symbol = ''] }) => {
        const asset = broker.asset(symbol);
        return asset === null ? answerOf(notFound(`asset not found for ${symbol}`)) : ok(assetJson(symbol, asset));
      },
    },
    {
      operation: 'assets',
      method: 'GET',
      path: /^\/v2\/assets$/,
      handle: () => ok(config.symbols.map((symbol) => assetJson(symbol, broker.asset(symbol) ?? usualAsset))),
    },
  ];

  let keys: AlpacaCredentials | null = null;
  const admitted = frontDoor(clock, seed, config.requestsPerMinute ?? 200, () => keys);
  const http = await startHttpTwin({
    clock,
    port: config.port ?? 0,
    seed,
    notFound: { status: 404, body: { message: 'endpoint not found' } },
    routes: routes.map((route) => ({
      ...route,
      handle: (request) =>
        admitted(request, () => {
          broker.advance();
          return route.handle(request);
        }),
    })),
  });

  return {
    url: http.url,
    setFault: (fault, operations) => http.setFault(fault, operations),
    setKeys: (next) => {
      keys = next;
    },
    log: () => state.effects(),
    orders: () => state.orders(),
    fills: () => state.fills(-1, endOfTime),
    async stop() {
      await http.stop();
      state.close();
    },
  };
};

const jsonObject = (text: string): Readonly<Record<string, unknown>> | null => {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
};

const isDate = (text: string | undefined): text is string =>
  text !== undefined && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
