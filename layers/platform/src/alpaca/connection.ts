import type { Clock, Read } from '@torghut/domain';
import type * as z from 'zod';
import type { Credentials } from '../aws/credentials.ts';
import { authenticatedRead, authenticatedWrite } from '../http/authenticated-exchange.ts';
import { httpExchange } from '../http/exchange.ts';
import type { Exchange, HttpExchange, HttpRequest } from '../http/exchange.ts';
import { failureOf, isSuccess, parseJsonAnswer } from '../http/json-answer.ts';
import { readRateLimit } from './rate-limit.ts';
import type { RateLimit } from './rate-limit.ts';

export interface AlpacaCredentials {
  readonly keyId: string;
  readonly secretKey: string;
}

export interface AlpacaConfig {
  /** Of the trading API, without a trailing path: the paper host unless live trading is active. */
  readonly baseUrl: string;
  readonly credentials: Credentials<AlpacaCredentials>;
  /** Of a whole exchange; 5 000 when absent. */
  readonly timeoutMs?: number;
  /** Over the network when absent. */
  readonly exchange?: Exchange;
}

export interface AlpacaConnection {
  /** One exchange, never repeated; one that was not authorised renews the credentials for the next. */
  write(method: 'POST' | 'DELETE', path: string, body?: string): Promise<HttpExchange>;
  /** One exchange; a second one with renewed credentials when the first was not authorised. */
  read(path: string): Promise<HttpExchange>;
  readParsed<T>(path: string, schema: z.ZodType<T>): Promise<Read<T>>;
  /** The request budget in the last answer that stated one. */
  rateLimit(): RateLimit | null;
}

const defaultTimeoutMs = 5_000;

export const alpacaConnection = (config: AlpacaConfig, clock: Clock): AlpacaConnection => {
  let lastRateLimit: RateLimit | null = null;
  const exchange = config.exchange ?? httpExchange;

  const request = (method: HttpRequest['method'], path: string, body?: string) => ({
    credentials: config.credentials,
    send: async ({ keyId, secretKey }: AlpacaCredentials): Promise<HttpExchange> => {
      const http = await exchange(
        {
          method,
          url: `${config.baseUrl}${path}`,
          headers: { 'apca-api-key-id': keyId, 'apca-api-secret-key': secretKey },
          ...(body === undefined ? {} : { body }),
          timeoutMs: config.timeoutMs ?? defaultTimeoutMs,
        },
        clock,
      );
      if (http.kind !== 'not_sent') lastRateLimit = readRateLimit(http.headers) ?? lastRateLimit;
      return http;
    },
    // A 403 of this broker is about the order or the account, never about the keys.
    isRefused: ({ status }: { readonly status: number }): boolean => status === 401,
  });
  const read = (path: string): Promise<HttpExchange> => authenticatedRead(request('GET', path));

  return {
    write: (method, path, body) => authenticatedWrite(request(method, path, body)),
    read,
    readParsed: async (path, schema) => readResult(await read(path), schema),
    rateLimit: () => lastRateLimit,
  };
};

/** The parsed body of a successful read, or why there is none. */
export const readResult = <T>(http: HttpExchange, schema: z.ZodType<T>): Read<T> => {
  if (http.kind !== 'answer' || !isSuccess(http.status)) return { ok: false, ...failureOf(http) };
  const parsed = parseJsonAnswer(http, schema);
  return parsed.ok ? parsed : { ok: false, failure: 'contract_violation', detail: parsed.detail };
};

/** A path with its query, encoded. */
export const withQuery = (path: string, query: Readonly<Record<string, string>>): string =>
  `${path}?${new URLSearchParams(query).toString()}`;
