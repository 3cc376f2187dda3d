import type { Clock } from '@torghut/domain';
import { toText } from '@torghut/domain';
import type { Exchange } from '@torghut/platform';
import { ApiKeyDoor } from '../api-key-door.ts';
import type { Fault, TwinAnswer } from '../faults.ts';
import { startHttpTwin, type Route } from '../http-twin.ts';

export interface JangarTwinConfig {
  readonly clock: Clock;
  /** Enabled equities; served ascending and in upper case. */
  readonly symbols: readonly string[];
  /** Asked of every caller; none unless given. */
  readonly apiKey?: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly seed: number;
}

export interface JangarTwin {
  /** The symbols endpoint. */
  readonly url: string;
  /** Exchanges of this process, without a connection; see `HttpTwin`. */
  readonly exchange: Exchange;
  setFault(fault: Fault | null): Promise<void>;
  /** The key asked for from now on. */
  setApiKey(key: string): void;
  /** Replaces the list that is served from now on. */
  setSymbols(symbols: readonly string[]): void;
  stop(): Promise<void>;
}

/** Serves the symbols endpoint: `{"symbols": [...]}`, with `format=full` `{"items": [...]}`. */
export const startJangarTwin = async (config: JangarTwinConfig): Promise<JangarTwin> => {
  let symbols = config.symbols;
  const served = (query: URLSearchParams): TwinAnswer => {
    const assetClass = query.get('assetClass') ?? 'equity';
    if (!['equity', 'crypto'].includes(assetClass))
      return { status: 400, body: { error: `unknown assetClass ${assetClass}` } };
    const listed = assetClass === 'equity' ? symbols.map((symbol) => symbol.toUpperCase()).sort() : [];
    if (query.get('format') !== 'full') return { status: 200, body: { symbols: listed } };
    const updatedAt = toText(config.clock.now());
    return { status: 200, body: { items: listed.map((symbol) => ({ symbol, enabled: true, assetClass, updatedAt })) } };
  };
  const door = new ApiKeyDoor(config.apiKey ?? null);
  const listing: Route<'symbols'> = {
    operation: 'symbols',
    method: 'GET',
    path: /^\/api\/torghut\/symbols$/,
    handle: ({ query }) => served(query),
  };
  const http = await startHttpTwin({
    clock: config.clock,
    port: config.port ?? 0,
    seed: config.seed,
    routes: [door.guard(listing, { status: 401, body: { error: 'unauthorized' } })],
    notFound: { status: 404, body: { error: 'not found' } },
  });
  return {
    url: `${http.url}/api/torghut/symbols`,
    exchange: http.exchange,
    setFault: (fault) => http.setFault(fault),
    setApiKey: (key) => {
      door.setKey(key);
    },
    setSymbols: (next) => {
      symbols = next;
    },
    stop: () => http.stop(),
  };
};
