import { decimal, decimalText } from '@torghut/domain';
import type { Clock, DecimalText } from '@torghut/domain';
import type { AlpacaCredentials, Exchange } from '@torghut/platform';
import type { Fault } from '../faults.ts';
import { startHttpTwin } from '../http-twin.ts';
import { PaperBroker } from './broker.ts';
import { disturb } from './disturbances.ts';
import type { Disturbance, DisturbanceResult } from './disturbances.ts';
import { frontDoor } from './front-door.ts';
import { initialKnobs, noLatencies } from './knobs.ts';
import type { Lag, Latencies } from './knobs.ts';
import type { MarketData } from './market-data.ts';
import { partialFillShare } from './matching.ts';
import type { TwinAsset } from './order-checks.ts';
import type { TwinFill, TwinOrder } from './order.ts';
import { defaultProbeFacts } from './probe-facts.ts';
import type { ProbeFacts } from './probe-facts.ts';
import { alpacaRoutes } from './routes.ts';
import type { AlpacaTwinOperation } from './routes.ts';
import { Sessions, ruleCalendar } from './sessions.ts';
import type { Calendar } from './sessions.ts';
import { newAccount } from './state.ts';
import type { OrderEffect, TwinActivity } from './state.ts';
import { TradeStream } from './stream.ts';
import { tradeUpdateJson } from './wire.ts';

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
  /** Time between the other steps of an order's life; none by default. */
  readonly latencies?: Partial<Omit<Latencies, 'cancelMs'>>;
  /** How far lists of orders are behind; not at all by default, 150 to 250 ms at the real broker. */
  readonly listLag?: Lag;
  readonly requestsPerMinute?: number;
  /** What the broker's documents leave open; `defaultProbeFacts` unless given. */
  readonly facts?: Partial<ProbeFacts>;
}

export interface AlpacaTwin {
  /** Base URL of the trading API. */
  readonly url: string;
  /** Exchanges of this process, without a connection; see `HttpTwin`. */
  readonly exchange: Exchange;
  /** Of the event stream. */
  readonly streamUrl: string;
  setFault(fault: Fault | null, operations?: readonly AlpacaTwinOperation[]): Promise<void>;
  /** The only keys that are let in from now on; until then any are. */
  setKeys(keys: AlpacaCredentials): void;
  /** Every effect on an order, oldest first: the broker's own truth. */
  log(): readonly OrderEffect[];
  /** Every order that was ever accepted, oldest first. */
  orders(): readonly TwinOrder[];
  /** Every fill in the order it was booked, those that were busted or corrected marked as such. */
  fills(): readonly TwinFill[];
  /** Every row of the account's activities. */
  activities(): readonly TwinActivity[];
  /** What the account is worth in cash and shares, as the broker has it. */
  holdings(): { readonly cash: DecimalText; readonly positions: Readonly<Record<string, DecimalText>> };
  /**
   * Lets something go wrong at the broker, after everything the market did up to now. Deterministic: the same seed, clock
   * and order of requests and disturbances give the same answers. Says whether there was anything to disturb.
   */
  disturb(event: Disturbance): DisturbanceResult;
  /** Brings the broker up to now without a request. */
  advance(): void;
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

/** Serves one paper account over HTTP on 127.0.0.1, matched against the given quotes under the given clock. */
export const startAlpacaTwin = async (config: AlpacaTwinConfig): Promise<AlpacaTwin> => {
  const { clock, seed } = config;
  const facts: ProbeFacts = { ...defaultProbeFacts, ...config.facts };
  const sessions = new Sessions(config.calendar ?? ruleCalendar, facts.halfDayExtendedClose);
  const knobs = initialKnobs({ ...noLatencies, ...config.latencies, cancelMs: config.cancelLatencyMs ?? 0 });
  if (config.listLag !== undefined) knobs.listLag = config.listLag;
  const assets = new Map(config.symbols.map((symbol) => [symbol, { ...usualAsset, ...config.assets?.[symbol] }]));
  const shortingEnabled = config.shortingEnabled ?? true;
  const multiplier = config.multiplier ?? '4';
  let keys: AlpacaCredentials | null = null;

  const stream = new TradeStream({
    seed,
    facts,
    keys: () => keys,
    advance: () => {
      broker.advance();
    },
  });
  const broker: PaperBroker = new PaperBroker(
    {
      clock,
      marketData: config.marketData,
      sessions,
      facts,
      knobs,
      assets,
      seed,
      account: newAccount(decimal(config.startingCash ?? '100000'), clock.now(), multiplier, !shortingEnabled),
      multiplier,
      shortingEnabled,
      partialFillShare: config.partialFillShare ?? partialFillShare,
      emit: (event) => {
        stream.publish(() => tradeUpdateJson(event, facts));
      },
    },
    config.stateFile ?? ':memory:',
  );
  const { state } = broker;

  const admitted = frontDoor({
    clock,
    seed,
    requestsPerMinute: config.requestsPerMinute ?? 200,
    facts,
    knobs,
    keys: () => keys,
  });
  const http = await startHttpTwin({
    clock,
    port: config.port ?? 0,
    seed,
    notFound: { status: 404, body: { message: 'endpoint not found' } },
    routes: alpacaRoutes({ broker, clock, sessions, facts, knobs, assets, seed, shortingEnabled }).map((route) => ({
      ...route,
      handle: (request) =>
        admitted(request, () => {
          broker.advance();
          return route.handle(request);
        }),
    })),
  });
  http.onUpgrade((request, socket, head) => {
    stream.upgrade(request, socket, head);
  });

  return {
    url: http.url,
    exchange: http.exchange,
    streamUrl: `${http.url.replace('http:', 'ws:')}/stream`,
    setFault: (fault, operations) => http.setFault(fault, operations),
    setKeys: (next) => {
      keys = next;
    },
    log: () => [...state.effects()],
    orders: () => [...state.orders()],
    fills: () => [...state.fills()],
    activities: () => [...state.activities()],
    holdings: () => ({
      cash: decimalText(state.account().cash),
      positions: Object.fromEntries(state.positions().map(({ symbol, qty }) => [symbol, decimalText(qty)])),
    }),
    disturb: (event) => {
      broker.advance();
      const result = disturb(event, {
        broker,
        knobs,
        sessions,
        assets,
        now: () => clock.now(),
        limitFault: (fault, operations, requests) => {
          http.limitFault(fault, operations, requests);
        },
        stream,
      });
      broker.advance();
      return result;
    },
    advance: () => {
      broker.advance();
    },
    async stop() {
      stream.drop();
      await http.stop();
      state.close();
    },
  };
};
