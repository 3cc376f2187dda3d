import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '@torghut/domain';
import { httpExchange, type Exchange } from '@torghut/platform';
import { faultOf } from './faults.ts';
import type { Fault, LimitedFault, TwinAnswer } from './faults.ts';

export interface TwinRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  /** Decoded groups of the route's pattern; one that did not take part is empty. */
  readonly parameters: readonly string[];
}

export interface Route<Operation extends string> {
  readonly operation: Operation;
  readonly method: string;
  /** Matches the whole path. */
  readonly path: RegExp;
  readonly handle: (request: TwinRequest) => TwinAnswer | Promise<TwinAnswer>;
}

export interface HttpTwin<Operation extends string> {
  readonly url: string;
  /**
   * Exchanges as over a connection, for a caller of this process: the same routes with the same answers, without what a
   * connection costs. While a fault is in force it makes one, because most faults are those of a connection. The caller's
   * time limit is that of the connection.
   */
  readonly exchange: Exchange;
  /** Puts a fault in force for some operations or all; `null` ends it. `down` closes the port, anything else reopens it. */
  setFault(fault: Fault | null, operations?: readonly Operation[]): Promise<void>;
  /** The next requests of some operations or all meet a fault; before any fault in force, the oldest first. */
  limitFault(fault: LimitedFault, operations: readonly string[] | null, requests: number): void;
  /** Takes connections that ask for another protocol. */
  onUpgrade(listener: (message: IncomingMessage, socket: Duplex, head: Buffer) => void): void;
  /** Closes the port and every connection; requests still held have no further effect. */
  stop(): Promise<void>;
}

export interface HttpTwinConfig<Operation extends string> {
  readonly clock: Clock;
  /** 0 takes any free port. */
  readonly port: number;
  readonly seed: number;
  readonly routes: readonly Route<Operation>[];
  readonly notFound: TwinAnswer;
}

/** What a request comes to. */
interface Met {
  readonly fault: Fault | null;
  readonly process: () => Promise<TwinAnswer>;
}

/** A request that is never answered is held until its caller leaves, at most this long in the clock's time. */
const longestHoldMs = 60_000;
/** Longer than any client keeps an idle connection, so that no request meets a connection that is just closing. */
const keepAliveMs = 65_000;

/** Serves the routes on 127.0.0.1, with faults in between. */
export const startHttpTwin = async <Operation extends string>(
  config: HttpTwinConfig<Operation>,
): Promise<HttpTwin<Operation>> => {
  const { clock, seed, routes, notFound } = config;
  const occurrences = new Map<string, number>();
  let inForce: { readonly fault: Fault; readonly operations: readonly Operation[] | null } | null = null;
  const limited: { readonly fault: LimitedFault; readonly operations: readonly string[] | null; left: number }[] = [];
  let stopped = false;

  const limitedFaultFor = (operation: Operation): Fault | null => {
    const index = limited.findIndex(({ operations }) => operations?.includes(operation) ?? true);
    const found = limited[index];
    if (found === undefined) return null;
    found.left -= 1;
    if (found.left <= 0) limited.splice(index, 1);
    return found.fault;
  };

  const faultFor = (operation: Operation, request: TwinRequest): Fault | null => {
    if (inForce === null || (inForce.operations !== null && !inForce.operations.includes(operation))) return null;
    const key = `${request.method} ${request.path} ${request.text}`;
    const occurrence = occurrences.get(key) ?? 0;
    occurrences.set(key, occurrence + 1);
    return faultOf(inForce.fault, seed, key, occurrence);
  };

  const meet = (method: string, target: string, headers: TwinRequest['headers'], text: string): Met => {
    const url = new URL(target, 'http://twin');
    const route = routes.find((one) => one.method === method && one.path.test(url.pathname));
    if (route === undefined) return { fault: null, process: () => Promise.resolve(notFound) };
    const request: TwinRequest = {
      method: route.method,
      path: url.pathname,
      query: url.searchParams,
      headers,
      text,
      parameters: (route.path.exec(url.pathname) ?? [])
        .slice(1)
        .map((group: string | undefined) => decoded(group ?? '')),
    };
    return {
      fault: limitedFaultFor(route.operation) ?? faultFor(route.operation, request),
      process: async () => (stopped ? notFound : route.handle(request)),
    };
  };

  const respond = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await bodyOf(message);
    // The caller left before the request was complete: there is nothing to act on.
    if (text === null) return;
    const headers = message.headers as TwinRequest['headers'];
    const { fault, process } = meet(message.method ?? '', message.url ?? '/', headers, text);
    if (fault === null) send(response, await process());
    else await misbehave(fault, process, response, clock);
  };

  const server = createServer((message, response) => {
    respond(message, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
      return crash(error);
    });
  });
  server.keepAliveTimeout = keepAliveMs;

  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    });

  await listen(config.port);
  const { port } = server.address() as AddressInfo;

  const url = `http://127.0.0.1:${port}`;
  const exchange: Exchange = async (http, caller) => {
    if (inForce !== null || limited.length > 0 || !http.url.startsWith(`${url}/`)) return httpExchange(http, caller);
    const startedAt = caller.now();
    const headers = { ...impliedHeaders(http.body), ...lowerCased(http.headers) };
    const { process } = meet(http.method, http.url.slice(url.length), headers, http.body ?? '');
    const answer = await process().catch(crash);
    const text = payloadOf(answer);
    return {
      kind: 'answer',
      status: answer.status,
      headers: lowerCased(headOf(answer, text)),
      text,
      durationMs: caller.now() - startedAt,
    };
  };

  return {
    url,
    exchange,
    async setFault(fault, operations) {
      inForce = fault === null ? null : { fault, operations: operations ?? null };
      const down = fault?.kind === 'down';
      if (down && server.listening) await close();
      if (!down && !server.listening) await listen(port);
    },
    limitFault(fault, operations, requests) {
      if (requests > 0) limited.push({ fault, operations, left: requests });
    },
    onUpgrade(listener) {
      server.on('upgrade', listener);
    },
    async stop() {
      stopped = true;
      if (server.listening) await close();
    },
  };
};

const misbehave = async (
  fault: Fault,
  process: () => Promise<TwinAnswer>,
  response: ServerResponse,
  clock: Clock,
): Promise<void> => {
  switch (fault.kind) {
    case 'slow':
      await callerGone(response, clock);
      await clock.sleep(fault.lateByMs);
      await process();
      return;
    case 'accept_then_timeout':
      await process();
      await callerGone(response, clock);
      return;
    case 'refuse_then_timeout':
      await callerGone(response, clock);
      return;
    case 'accept_then_answer':
      await process();
      send(response, fault.answer);
      return;
    case 'answer':
      send(response, fault.answer);
      return;
    case 'reset':
      if (fault.processed) await process();
      response.destroy();
      return;
    case 'cut_body':
      sendHalf(response, await process());
      return;
    case 'slow_body': {
      const answer = await process();
      const payload = payloadOf(answer);
      writeHead(response, answer, payload);
      response.write(payload.slice(0, Math.floor(payload.length / 2)));
      await callerGone(response, clock);
      return;
    }
    case 'content_type': {
      const answer = await process();
      send(response, { ...answer, headers: { ...answer.headers, 'content-type': fault.contentType } });
      return;
    }
    case 'altered_body': {
      const answer = await process();
      const altered = (body: unknown): unknown => ({ ...(body as Record<string, unknown>), ...fault.change });
      send(response, { ...answer, body: Array.isArray(answer.body) ? answer.body.map(altered) : altered(answer.body) });
      return;
    }
    case 'processed_twice':
      await process();
      send(response, await process());
      return;
    case 'down':
    case 'flaky':
      // A closed port has no requests, and a flaky venue was resolved to one of its mixture.
      response.destroy();
  }
};

/** Resolves when the caller closed the connection, or the hold ends and the connection is closed here. */
const callerGone = (response: ServerResponse, clock: Clock): Promise<void> =>
  new Promise((resolve) => {
    const bound = clock.deadline(longestHoldMs);
    const end = () => response.destroy();
    response.once('close', () => {
      bound.removeEventListener('abort', end);
      resolve();
    });
    if (response.destroyed) resolve();
    bound.addEventListener('abort', end, { once: true });
  });

/** A bug of the twin must not look like a venue's answer. */
const crash = (error: unknown): Promise<never> => {
  queueMicrotask(() => {
    throw error;
  });
  return new Promise(() => undefined);
};

const payloadOf = ({ body }: TwinAnswer): string =>
  body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);

const headOf = (answer: TwinAnswer, payload: string): Readonly<Record<string, string>> => ({
  ...(payload === '' ? {} : { 'content-type': 'application/json; charset=UTF-8' }),
  ...(answer.status === 204 ? {} : { 'content-length': String(Buffer.byteLength(payload)) }),
  ...answer.headers,
});

/** What a client adds to the headers of a request. */
const impliedHeaders = (body: string | undefined): Readonly<Record<string, string>> => ({
  accept: 'application/json',
  ...(body === undefined ? {} : { 'content-type': 'application/json' }),
});

const lowerCased = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

const writeHead = (response: ServerResponse, answer: TwinAnswer, payload: string): void => {
  response.writeHead(answer.status, headOf(answer, payload));
};

const send = (response: ServerResponse, answer: TwinAnswer): void => {
  const payload = payloadOf(answer);
  writeHead(response, answer, payload);
  response.end(payload);
};

const sendHalf = (response: ServerResponse, answer: TwinAnswer): void => {
  const payload = payloadOf(answer);
  writeHead(response, answer, payload);
  response.write(payload.slice(0, Math.floor(payload.length / 2)), () => {
    response.destroy();
  });
};

const bodyOf = async (message: IncomingMessage): Promise<string | null> => {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk as Buffer);
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString('utf8');
};

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};
