import { second, toText, type Clock, type Instant } from '@torghut/domain';
import type { Exchange, HttpExchange, HttpRequest } from '@torghut/platform';
import { draw } from '../../infra/local/twins/random.ts';
import type { FaultKind, Site } from './faults.ts';
import { hang, type Gate, type Gates } from './gates.ts';
import type { Scheduler } from './scheduler.ts';

/** What a request asks for, by its method and path. */
const sites: readonly (readonly [RegExp, Extract<Site, 'submit' | 'cancel' | 'lookup' | 'read' | 'universe'>])[] = [
  [/^POST .*\/(?:v2\/orders|v1\/orders\/submit)$/, 'submit'],
  [/^(?:DELETE .*\/v2\/orders\/|POST .*\/v1\/orders\/[^/]+\/cancel$)/, 'cancel'],
  [/^GET .*(?:by_client_order_id|\/orders\/client\/)/, 'lookup'],
  [/^GET .*\/symbols/, 'universe'],
  [/^GET /, 'read'],
];

type Answer = HttpExchange & { readonly kind: 'answer' };

const answered = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer => ({
  kind: 'answer',
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
  text: typeof body === 'string' ? body : JSON.stringify(body),
  durationMs: 0,
});
const timedOut = (http: HttpRequest): HttpExchange => ({
  kind: 'failed',
  failure: 'timeout',
  status: null,
  headers: {},
  detail: `no complete answer within ${http.timeoutMs} ms`,
  durationMs: http.timeoutMs,
});
const reset: HttpExchange = {
  kind: 'failed',
  failure: 'network_error',
  status: null,
  headers: {},
  detail: 'ECONNRESET read ECONNRESET',
  durationMs: 0,
};
const refused: HttpExchange = {
  kind: 'not_sent',
  failure: 'network_error',
  detail: 'ECONNREFUSED connect ECONNREFUSED',
  durationMs: 0,
};
const cut = ({ status, headers }: Answer): HttpExchange => ({
  kind: 'failed',
  failure: 'contract_violation',
  status,
  headers,
  detail: 'the answer broke off',
  durationMs: 0,
});

/** An answer with other fields than the venue gave; one that is no object stays as it is. */
const altered = (answer: HttpExchange, change: Readonly<Record<string, unknown>>): HttpExchange => {
  if (answer.kind !== 'answer' || answer.status >= 300) return answer;
  const body = JSON.parse(answer.text) as unknown;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return answer;
  return { ...answer, text: JSON.stringify({ ...body, ...change }) };
};

const unavailable = (key: string): Answer =>
  answered(draw('status', key) < 0.5 ? 503 : 500, { message: 'internal error' });

/** What the caller is told instead of an answer to a request that never had an effect. */
const withoutEffect: Partial<Record<FaultKind, (gate: Gate, http: HttpRequest, now: Instant) => HttpExchange>> = {
  connection_refused: () => refused,
  timeout: (_gate, http) => timedOut(http),
  refused_5xx: ({ key }) => unavailable(key),
  upstream_502: ({ key }) =>
    answered(
      502,
      draw('taxonomy', key) < 0.5 ? { detail: 'bad gateway' } : { detail: 'no answer', taxonomy: 'upstream_error' },
    ),
  reset_before: () => reset,
  rate_limited: ({ key }, _http, now) =>
    answered(
      429,
      { message: 'rate limit exceeded' },
      {
        'x-ratelimit-limit': '200',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Math.floor(now / second) + 1 + Math.floor(draw('reset', key) * 20)),
      },
    ),
  unauthorized: () => answered(401, { message: 'unauthorized.' }),
  briefly_absent: () => answered(404, { code: 40410000, message: 'order not found' }),
  universe_empty: () => answered(200, { symbols: [] }),
  universe_garbage: () => answered(200, { symbols: ['', 'not a ticker', 7] }),
};

/** What the caller is told instead of what the venue answered. */
const afterEffect: Partial<Record<FaultKind, (answer: HttpExchange, gate: Gate, http: HttpRequest) => HttpExchange>> = {
  accepted_then_timeout: (_answer, _gate, http) => timedOut(http),
  accepted_then_5xx: (_answer, { key }) => unavailable(key),
  reset_after: () => reset,
  cut_body: (answer) => (answer.kind === 'answer' ? cut(answer) : answer),
  not_json: (answer) =>
    answer.kind === 'answer' ? { ...answer, text: '<html>', headers: { 'content-type': 'text/html' } } : answer,
  missing_fields: (answer) => altered(answer, { id: undefined, status: undefined }),
  wrong_symbol: (answer) => altered(answer, { symbol: 'WRONG' }),
  wrong_client_order_id: (answer) => altered(answer, { client_order_id: 'somebody-elses' }),
  unknown_status: (answer) => altered(answer, { status: 'pondering' }),
  unknown_fields: (answer) => altered(answer, { hitherto_unknown: { nested: true } }),
  universe_shrunk: (answer) => (answer.kind === 'answer' ? answered(200, { symbols: shrunk(answer.text) }) : answer),
};

const shrunk = (text: string): readonly string[] => (JSON.parse(text) as { symbols: string[] }).symbols.slice(0, 1);

/** When a late request arrives after its caller gave up, at most: before the last look for it, or after all of them. */
const latestArrivalMs = { usually: 4 * second, sometimes: 15 * second } as const;
/** Share of late requests that may arrive after they were believed absent. */
const afterProofShare = 0.3;
const latestCollisionMs = 10 * second;
/** How long a broker may not find an order that it has. */
const lookupLagMs = 2 * second;

/** An answer that a function got when it looked for an order. */
export interface AnsweredLookup {
  readonly clientOrderId: string;
  readonly at: Instant;
  readonly absent: boolean;
}

export interface Network {
  readonly gates: Gates;
  readonly scheduler: Scheduler;
  /** What the venues go by; they wait for nobody. */
  readonly venueClock: Clock;
  /** The way to them when nothing goes wrong on it. */
  readonly venues: Exchange;
  readonly leanUrl: string;
  /** When the broker took the order of a client order id; `null` when it has none. */
  readonly acceptedAt: (clientOrderId: string) => Instant | null;
  readonly trace: (line: string) => void;
  readonly onLookup: (lookup: AnsweredLookup) => void;
  /** Called when a fault changed nothing. */
  readonly onHarmless: (key: string) => void;
  /** Whether LEAN knows none of the orders it is asked to cancel. */
  readonly leanForgets: boolean;
  /** Called when an order comes that nobody could still expect. */
  readonly onUnforeseen: (clientOrderId: string) => void;
  /** Called after the venues may have changed. */
  readonly onEffect: (key: string) => void;
}

/** Exchanges with venues, with what a network does to them before and after. */
export const simulatedExchange = (network: Network): Exchange => {
  const { gates, scheduler, venueClock, venues, trace } = network;
  const perform = (http: HttpRequest): Promise<HttpExchange> => venues(http, venueClock);
  let late = 0;
  const colliding: { readonly clientOrderId: string; readonly http: HttpRequest }[] = [];
  /** Requests that were on their way for so long that their order came by another way first. */
  const collide = (): void => {
    for (const one of colliding.filter(({ clientOrderId }) => network.acceptedAt(clientOrderId) !== null)) {
      colliding.splice(colliding.indexOf(one), 1);
      late += 1;
      const name = `collision:${late}`;
      scheduler.at(name, scheduler.now() + Math.floor(draw(gates.seed, name) * latestCollisionMs), async () => {
        trace(`    ${name} arrives at ${toText(scheduler.now())}`);
        await perform(one.http);
        network.onEffect(name);
      });
    }
  };

  return async (http) => {
    const site =
      sites.find(([pattern]) => pattern.test(`${http.method} ${http.url}`.replace(/\?.*by_client.*/, '')))?.[1] ??
      'read';
    const isLean = http.url.startsWith(network.leanUrl);
    const startedAt = scheduler.now();
    const gate = await gates.enter(site, `${site}@${isLean ? 'lean' : 'alpaca'}`, (kind) => {
      if (kind === 'upstream_502' || kind === 'late_collision') return isLean;
      if (kind === 'rate_limited' || kind === 'unauthorized') return !isLean;
      if (kind !== 'briefly_absent') return true;
      const id = new URL(http.url).searchParams.get('client_order_id');
      const at = id === null ? null : network.acceptedAt(id);
      return at !== null && scheduler.now() - at < lookupLagMs;
    });
    if (gate === null) return perform(http);
    const { fault, turn, actor, key } = gate;
    const finish = async (answer: HttpExchange, waited = fault): Promise<HttpExchange> => {
      turn.end();
      const isTimeout = answer.kind === 'failed' && answer.failure === 'timeout';
      await gate.answer(waited, isTimeout ? http.timeoutMs : undefined);
      const id = site === 'lookup' ? new URL(http.url).searchParams.get('client_order_id') : null;
      if (id !== null && answer.kind === 'answer')
        network.onLookup({ clientOrderId: id, at: scheduler.now(), absent: answer.status === 404 });
      trace(`    ${key} -> ${answer.kind === 'answer' ? answer.status : `${answer.kind} ${answer.failure}`}`);
      return { ...answer, durationMs: scheduler.now() - startedAt };
    };
    if (fault === 'killed_before') {
      actor.kill(fault);
      turn.end();
      return hang();
    }
    if (fault === 'late_collision') {
      colliding.push({ clientOrderId: orderIdOf(http), http });
      return finish(timedOut(http));
    }
    if (fault === 'late') {
      const afterProof = draw(gates.seed, 'after proof', key) < afterProofShare;
      const within = latestArrivalMs[afterProof ? 'sometimes' : 'usually'];
      const arrivesAt = scheduler.now() + http.timeoutMs + Math.floor(draw(gates.seed, 'late', key) * within);
      late += 1;
      scheduler.at(`late:${late}`, arrivesAt, async () => {
        trace(`    ${key} arrives late at ${toText(scheduler.now())}`);
        if (afterProof) network.onUnforeseen(orderIdOf(http));
        await perform(http);
        network.onEffect(key);
      });
      return finish(timedOut(http));
    }
    if (fault === null && site === 'cancel' && isLean && network.leanForgets)
      return finish(answered(404, { detail: 'order_not_found' }));
    const instead = fault === null ? undefined : withoutEffect[fault];
    if (instead !== undefined) return finish(instead(gate, http, scheduler.now()));
    const first = await perform(http);
    const answer = fault === 'processed_twice' ? await perform(http) : first;
    network.onEffect(key);
    collide();
    if (fault === 'killed_after') {
      actor.kill(fault);
      turn.end();
      return hang();
    }
    const told = (fault === null ? undefined : afterEffect[fault])?.(answer, gate, http) ?? answer;
    if (fault !== null && fault in afterEffect && told === answer) network.onHarmless(key);
    return finish(told);
  };
};

/** The client order id in the body of a submit. */
const orderIdOf = ({ body = '{}' }: HttpRequest): string => {
  const order = JSON.parse(body) as { client_order_id?: string; extra_params?: { client_order_id?: string } };
  return order.client_order_id ?? order.extra_params?.client_order_id ?? '';
};
