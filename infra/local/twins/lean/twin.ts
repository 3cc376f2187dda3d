import { toText } from '@torghut/domain';
import type { Clock, Instant } from '@torghut/domain';
import { httpExchange } from '@torghut/platform';
import type { AlpacaCredentials, Exchange, HttpExchange } from '@torghut/platform';
import type { Fault, TwinAnswer } from '../faults.ts';
import { ApiKeyDoor } from '../api-key-door.ts';
import { startHttpTwin } from '../http-twin.ts';
import type { Route, TwinRequest } from '../http-twin.ts';
import { brokerBody, readSubmit, runnerError } from './contract.ts';

export interface LeanTwinConfig {
  readonly clock: Clock;
  /** The broker's base URL; orders are passed on to it over HTTP, as the runner does. */
  readonly brokerUrl: string;
  /** How it is reached; over the network unless given. */
  readonly brokerExchange?: Exchange;
  readonly credentials: AlpacaCredentials;
  /** Asked of every caller but for its health; none unless given. */
  readonly apiKey?: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly seed: number;
}

export type LeanTwinOperation =
  | 'submit_order'
  | 'cancel_order'
  | 'cancel_all_orders'
  | 'get_order'
  | 'get_order_by_client_order_id'
  | 'list_orders'
  | 'health'
  | 'observability';

export interface LeanTwin {
  readonly url: string;
  /** Exchanges of this process, without a connection; see `HttpTwin`. */
  readonly exchange: Exchange;
  setFault(fault: Fault | null, operations?: readonly LeanTwinOperation[]): Promise<void>;
  /** The key asked for from now on. */
  setApiKey(key: string): void;
  /** Every submit that reached the runner's own work, oldest first. */
  log(): readonly LeanSubmission[];
  stop(): Promise<void>;
}

export interface LeanSubmission {
  readonly at: Instant;
  readonly clientOrderId: string;
  /** Status the runner answered with, whether or not the answer arrived. */
  readonly status: number;
  readonly idempotentReplay: boolean;
}

const runner = 'torghut-lean-runner';
const idempotencyMs = 300_000;
const brokerTimeoutMs = 5_000;

type Json = Readonly<Record<string, unknown>>;

/** A LEAN runner of contract v2 in front of a broker. Its idempotency cache is lost with the process, as the runner's is. */
export const startLeanTwin = async (config: LeanTwinConfig): Promise<LeanTwin> => {
  const { clock, brokerExchange = httpExchange } = config;
  const remembered = new Map<string, { readonly at: Instant; readonly order: Json }>();
  const submissions: LeanSubmission[] = [];
  const metrics = { requests_total: 0, failures_total: 0, latency_ms_last: 0, latency_ms_avg: 0 };

  const broker = (method: 'GET' | 'POST' | 'DELETE', path: string, body?: string): Promise<HttpExchange> =>
    brokerExchange(
      {
        method,
        url: `${config.brokerUrl}${path}`,
        headers: { 'apca-api-key-id': config.credentials.keyId, 'apca-api-secret-key': config.credentials.secretKey },
        ...(body === undefined ? {} : { body }),
        timeoutMs: brokerTimeoutMs,
      },
      clock,
    );

  const marked = (order: Json, operation: LeanTwinOperation, request: TwinRequest, idempotentReplay = false): Json => ({
    ...order,
    _execution_adapter: 'lean',
    _lean_contract_version: 'v2',
    _lean_audit: {
      runner,
      operation,
      request_ts: toText(clock.now()),
      correlation_id: request.headers['x-correlation-id'] ?? null,
      idempotency_key: request.headers['idempotency-key'] ?? null,
      idempotent_replay: idempotentReplay,
    },
  });

  const submit = async (request: TwinRequest): Promise<TwinAnswer> => {
    const order = readSubmit(request.text);
    if ('status' in order) return order;
    const clientOrderId = order.extra_params.client_order_id;
    const key = request.headers['idempotency-key'] ?? clientOrderId;
    const at = clock.now();
    const known = remembered.get(key);
    if (known !== undefined && at - known.at < idempotencyMs) {
      submissions.push({ at, clientOrderId, status: 200, idempotentReplay: true });
      return { status: 200, body: marked(known.order, 'submit_order', request, true) };
    }
    const http = await broker('POST', '/v2/orders', brokerBody(order));
    const answer = relayed(http, (body) => {
      remembered.set(key, { at: clock.now(), order: body as Json });
      return marked(body as Json, 'submit_order', request);
    });
    submissions.push({ at: clock.now(), clientOrderId, status: answer.status, idempotentReplay: false });
    return answer;
  };

  const one =
    (operation: LeanTwinOperation, pathOf: (id: string) => string) =>
    async (request: TwinRequest): Promise<TwinAnswer> => {
      const http = await broker('GET', pathOf(encodeURIComponent(request.parameters[0] ?? '')));
      return relayed(http, (body) => marked(body as Json, operation, request));
    };

  const routes: readonly Route<LeanTwinOperation>[] = [
    { operation: 'submit_order', method: 'POST', path: /^\/v1\/orders\/submit$/, handle: submit },
    {
      operation: 'cancel_order',
      method: 'POST',
      path: /^\/v1\/orders\/([^/]+)\/cancel$/,
      handle: async ({ parameters: [id = ''] }) =>
        relayed(await broker('DELETE', `/v2/orders/${encodeURIComponent(id)}`), () => ({ ok: true })),
    },
    {
      operation: 'cancel_all_orders',
      method: 'POST',
      path: /^\/v1\/orders\/cancel-all$/,
      handle: async () => relayed(await broker('DELETE', '/v2/orders'), (body) => ({ orders: body })),
    },
    {
      operation: 'get_order_by_client_order_id',
      method: 'GET',
      path: /^\/v1\/orders\/client\/([^/]+)$/,
      handle: one('get_order_by_client_order_id', (id) => `/v2/orders:by_client_order_id?client_order_id=${id}`),
    },
    {
      operation: 'get_order',
      method: 'GET',
      path: /^\/v1\/orders\/([^/]+)$/,
      handle: one('get_order', (id) => `/v2/orders/${id}`),
    },
    {
      operation: 'list_orders',
      method: 'GET',
      path: /^\/v1\/orders$/,
      handle: async (request) => {
        const status = request.query.get('status') ?? 'open';
        const http = await broker('GET', `/v2/orders?status=${encodeURIComponent(status)}&limit=500`);
        return relayed(http, (body) => ({
          orders: Array.isArray(body) ? body.map((order) => marked(order as Json, 'list_orders', request)) : body,
        }));
      },
    },
    {
      operation: 'health',
      method: 'GET',
      path: /^\/healthz$/,
      handle: () => ({ status: 200, body: { status: 'ok', service: runner } }),
    },
    {
      operation: 'observability',
      method: 'GET',
      path: /^\/v1\/observability$/,
      handle: () => ({ status: 200, body: { service: runner, contract_version: 'lean-v2', metrics } }),
    },
  ];

  const measured = (route: Route<LeanTwinOperation>): Route<LeanTwinOperation> => ({
    ...route,
    async handle(request) {
      const startedAt = clock.now();
      const answer = await route.handle(request);
      metrics.requests_total += 1;
      metrics.failures_total += answer.status >= 500 ? 1 : 0;
      metrics.latency_ms_last = clock.now() - startedAt;
      metrics.latency_ms_avg += (metrics.latency_ms_last - metrics.latency_ms_avg) / metrics.requests_total;
      return answer;
    },
  });

  const door = new ApiKeyDoor(config.apiKey ?? null);
  const guarded = (route: Route<LeanTwinOperation>): Route<LeanTwinOperation> =>
    route.operation === 'health' ? route : door.guard(route, { status: 401, body: { detail: 'unauthorized' } });
  const http = await startHttpTwin({
    clock,
    port: config.port ?? 0,
    seed: config.seed,
    routes: routes.map((route) => guarded(route.operation === 'observability' ? route : measured(route))),
    notFound: { status: 404, body: { detail: 'Not Found' } },
  });
  return {
    url: http.url,
    exchange: http.exchange,
    setFault: (fault, operations) => http.setFault(fault, operations),
    setApiKey: (key) => {
      door.setKey(key);
    },
    log: () => submissions,
    stop: () => http.stop(),
  };
};

/** The runner's answer for what the broker did: its result, its refusal with the payload, or the failure to reach it. */
const relayed = (http: HttpExchange, result: (body: unknown) => unknown): TwinAnswer => {
  if (http.kind === 'not_sent') return runnerError(503, 'upstream_unavailable', http.detail);
  if (http.kind === 'failed') {
    return http.failure === 'timeout'
      ? runnerError(504, 'network_timeout', http.detail)
      : runnerError(502, 'upstream_error', http.detail);
  }
  const body = jsonOf(http.text);
  if (http.status < 300 && http.text !== '' && body === null) {
    return runnerError(502, 'upstream_error', 'the broker answered something that is not JSON');
  }
  if (http.status < 300) return { status: 200, body: result(body) };
  if (http.status >= 500 || body === null)
    return runnerError(502, 'upstream_error', `broker answered HTTP ${http.status}`);
  const { code, message, existing_order_id: existingOrderId } = body as Json;
  if (http.status === 404) return { status: 404, body: { detail: 'order_not_found' } };
  if (http.status === 401) return runnerError(502, 'upstream_auth', "the broker refused the runner's credentials");
  const budget = Object.entries(http.headers).filter(([name]) => name.startsWith('x-ratelimit-'));
  return {
    ...runnerError(http.status, 'upstream_rejected', 'the broker refused the order', {
      http_status: http.status,
      code,
      message,
      ...(existingOrderId === undefined ? {} : { existing_order_id: existingOrderId }),
    }),
    headers: Object.fromEntries(budget),
  };
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};
