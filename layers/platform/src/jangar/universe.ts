import { asTicker } from '@torghut/domain';
import type { Clock, Ticker, UniverseFetch, UniverseSource } from '@torghut/domain';
import * as z from 'zod';
import type { Credentials } from '../aws/credentials.ts';
import { bearerHeaders, isUnauthenticated, type ApiKey } from '../http/api-key.ts';
import { authenticatedRead } from '../http/authenticated-exchange.ts';
import { httpExchange, type Exchange } from '../http/exchange.ts';
import { failureOf, isSuccess, parseJsonAnswer } from '../http/json-answer.ts';

export interface JangarConfig {
  /** The symbols endpoint; `undefined` when none is configured, which is a failure of its own. */
  readonly url: string | undefined;
  readonly apiKey: Credentials<ApiKey>;
  /** Of the whole exchange; 5 000 when absent. */
  readonly timeoutMs?: number;
  /** Over the network when absent. */
  readonly exchange?: Exchange;
}

const defaultTimeoutMs = 5_000;

const itemSchema = z.looseObject({ symbol: z.unknown(), enabled: z.boolean(), assetClass: z.string().optional() });

/** Names in any of the three shapes that Jangar answers; of full items only the enabled equities. */
const payloadSchema: z.ZodType<readonly unknown[]> = z.union([
  z.array(z.unknown()),
  z.looseObject({ symbols: z.array(z.unknown()) }).transform((payload) => payload.symbols),
  z
    .looseObject({ items: z.array(itemSchema) })
    .transform((payload) =>
      payload.items
        .filter((item) => item.enabled && (item.assetClass ?? 'equity') === 'equity')
        .map((item) => item.symbol),
    ),
]);

/** The universe of symbols, ascending and without repetition, as Jangar states it now. */
export const jangarUniverse = (config: JangarConfig, clock: Clock): UniverseSource => ({
  async fetch(): Promise<UniverseFetch> {
    const { url, exchange = httpExchange } = config;
    if (url === undefined || url === '') {
      return {
        ok: false,
        reason: 'jangar_url_missing',
        detail: 'expected JANGAR_SYMBOLS_URL, found none; set it to the symbols endpoint',
      };
    }
    const http = await authenticatedRead({
      credentials: config.apiKey,
      send: (key) =>
        exchange(
          { method: 'GET', url, headers: bearerHeaders(key), timeoutMs: config.timeoutMs ?? defaultTimeoutMs },
          clock,
        ),
      isRefused: isUnauthenticated,
    });
    if (http.kind !== 'answer' || !isSuccess(http.status)) {
      const { failure, detail } = failureOf(http);
      return { ok: false, reason: 'jangar_fetch_failed', detail: `${failure}: ${detail}` };
    }
    const payload = parseJsonAnswer(http, payloadSchema);
    if (!payload.ok) return { ok: false, reason: 'jangar_payload_decode_failed', detail: payload.detail };
    return universeOf(payload.value);
  },
});

/** Malformed names are dropped and reported; a list that holds no well-formed name is empty. */
const universeOf = (names: readonly unknown[]): UniverseFetch => {
  const symbols = new Set<Ticker>();
  const rejected: string[] = [];
  for (const name of names) {
    const ticker = typeof name === 'string' ? asTicker(name) : null;
    if (ticker === null) rejected.push(typeof name === 'string' ? name : JSON.stringify(name));
    else symbols.add(ticker);
  }
  if (symbols.size === 0) {
    return {
      ok: false,
      reason: 'jangar_payload_empty',
      detail: `expected at least one symbol, found ${names.length} names, ${rejected.length} malformed`,
    };
  }
  return { ok: true, symbols: [...symbols].sort(), rejected };
};
