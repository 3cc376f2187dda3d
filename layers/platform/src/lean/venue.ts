import { sha256 } from '@torghut/domain';
import type { Clock, ExecutionVenue, Instant, Read, SubmitOutcome, VenueOperation } from '@torghut/domain';
import * as z from 'zod';
import { lookupResult, submitOutcomeOfRefusal, submitOutcomeWithoutRefusal, undecided } from '../alpaca/answers.ts';
import { nothingToCancel } from '../alpaca/broker-error.ts';
import { readResult } from '../alpaca/connection.ts';
import { brokerOrderSchema } from '../alpaca/wire.ts';
import type { Credentials } from '../aws/credentials.ts';
import { bearerHeaders, isUnauthenticated, type ApiKey } from '../http/api-key.ts';
import { authenticatedRead, authenticatedWrite } from '../http/authenticated-exchange.ts';
import { httpExchange } from '../http/exchange.ts';
import type { Exchange, HttpExchange } from '../http/exchange.ts';
import { isSuccess, venueExchange } from '../http/json-answer.ts';
import { requireWritePermit } from '../http/write-permit.ts';
import { leanOrderBody } from './order-body.ts';
import { readRunnerError } from './runner-error.ts';

export interface LeanConfig {
  /** Of the runner, without a trailing path. */
  readonly baseUrl: string;
  readonly apiKey: Credentials<ApiKey>;
  /** Of a whole exchange; 5 000 when absent. */
  readonly timeoutMs?: number;
  /** Of a health check; 2 000 when absent. */
  readonly healthTimeoutMs?: number;
  /** Over the network when absent. */
  readonly exchange?: Exchange;
}

const defaultTimeoutMs = 5_000;
const defaultHealthTimeoutMs = 2_000;

const ordersSchema = z.looseObject({ orders: z.array(brokerOrderSchema) });
const healthSchema = z.looseObject({ status: z.string().min(1) });
const observabilitySchema = z.looseObject({ contract_version: z.string().min(1) });

export interface LeanVenue extends ExecutionVenue {
  /** Version of the contract that the runner says it serves. */
  contractVersion(): Promise<Read<string>>;
}

/** Orders through the LEAN runner (contract v2). A write is one exchange: nothing here repeats one. */
export const leanVenue = (config: LeanConfig, clock: Clock): LeanVenue => {
  const exchange = config.exchange ?? httpExchange;
  const request = (
    method: 'GET' | 'POST',
    path: string,
    correlationId: string,
    {
      timeoutMs = config.timeoutMs ?? defaultTimeoutMs,
      headers = {},
      body,
    }: { timeoutMs?: number; headers?: Record<string, string>; body?: string } = {},
  ) => ({
    credentials: config.apiKey,
    send: (key: ApiKey): Promise<HttpExchange> =>
      exchange(
        {
          method,
          url: `${config.baseUrl}${path}`,
          headers: { 'x-correlation-id': correlationId, ...bearerHeaders(key), ...headers },
          ...(body === undefined ? {} : { body }),
          timeoutMs,
        },
        clock,
      ),
    // A refusal of the broker that the runner passes on has a taxonomy; one of the runner's own door has none.
    isRefused: (answer: { readonly status: number; readonly text: string }): boolean =>
      isUnauthenticated(answer) && readRunnerError(answer.status, answer.text).kind === 'ambiguous',
  });
  const write = (...parameters: Parameters<typeof request>): Promise<HttpExchange> =>
    authenticatedWrite(request(...parameters));
  const read = (
    operation: VenueOperation | 'health' | 'observability',
    path: string,
    timeoutMs?: number,
  ): Promise<HttpExchange> =>
    authenticatedRead(
      request(
        'GET',
        path,
        readCorrelationId(operation, path, clock.now()),
        timeoutMs === undefined ? {} : { timeoutMs },
      ),
    );

  return {
    adapter: 'lean',

    async submit(order, permit) {
      requireWritePermit(permit);
      const http = await write('POST', '/v1/orders/submit', permit.correlationId, {
        headers: { 'idempotency-key': order.clientOrderId },
        body: leanOrderBody(order),
      });
      const settled = submitOutcomeWithoutRefusal(http, order);
      if (settled !== null || http.kind !== 'answer') return settled ?? undecided(http);
      return refusedSubmit(http, clock.now());
    },

    async cancel(orderId, permit) {
      requireWritePermit(permit);
      const http = await write('POST', `/v1/orders/${encodeURIComponent(orderId)}/cancel`, permit.correlationId);
      if (http.kind !== 'answer') return undecided(http);
      if (isSuccess(http.status)) return { kind: 'requested', exchange: venueExchange(http) };
      const error = readRunnerError(http.status, http.text);
      // A runner that does not know an order may have lost it; the broker may have it all the same.
      return error.kind === 'broker' && nothingToCancel(error.broker)
        ? { kind: 'already_terminal', exchange: venueExchange(http) }
        : undecided(http);
    },

    async getOrder(id) {
      return lookupResult(await read('get_order', `/v1/orders/${encodeURIComponent(id)}`), isAbsent, { id });
    },

    async getOrderByClientOrderId(clientOrderId) {
      const path = `/v1/orders/client/${encodeURIComponent(clientOrderId)}`;
      return lookupResult(await read('get_order_by_client_order_id', path), isAbsent, { clientOrderId });
    },

    async listOrders(status) {
      const result = readResult(await read('list_orders', `/v1/orders?status=${status}`), ordersSchema);
      return result.ok ? { ok: true, value: result.value.orders } : result;
    },

    async health() {
      return readResult(
        await read('health', '/healthz', config.healthTimeoutMs ?? defaultHealthTimeoutMs),
        healthSchema,
      );
    },

    async contractVersion() {
      const path = '/v1/observability';
      const answer = await read('observability', path, config.healthTimeoutMs ?? defaultHealthTimeoutMs);
      const result = readResult(answer, observabilitySchema);
      return result.ok ? { ok: true, value: result.value.contract_version } : result;
    },
  };
};

/** A runner that passes on a refusal has not lost the order, so a broker refusal we do not know is still a refusal. */
const refusedSubmit = (http: HttpExchange & { kind: 'answer' }, now: Instant): SubmitOutcome => {
  const error = readRunnerError(http.status, http.text);
  const exchange = venueExchange(http);
  switch (error.kind) {
    case 'rejected': {
      const rejection = error.taxonomy === 'upstream_auth' ? 'other' : 'invalid_order';
      return { kind: 'rejected', rejection, message: `${error.taxonomy}: ${error.detail}`, exchange };
    }
    case 'broker': {
      const known = submitOutcomeOfRefusal(error.broker, http, now);
      if (known !== null) return known;
      const isRefusal = error.broker.status >= 400 && error.broker.status < 500;
      return isRefusal
        ? { kind: 'rejected', rejection: 'other', message: error.broker.message, exchange }
        : undecided(http);
    }
    case 'order_not_found':
    case 'ambiguous':
      return undecided(http);
  }
};

const isAbsent = (answer: { readonly status: number; readonly text: string }): boolean =>
  readRunnerError(answer.status, answer.text).kind === 'order_not_found';

/** Reads carry no receipt; their correlation id names what was read and when. */
const readCorrelationId = (operation: string, path: string, now: Instant): string =>
  `torghut-${sha256(`${operation} ${path} ${now}`).slice(0, 20)}`;
