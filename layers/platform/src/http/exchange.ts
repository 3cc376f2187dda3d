import type { Clock } from '@torghut/domain';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text; its content type is set here. */
  readonly body?: string;
  /** Of the whole exchange, in the clock's milliseconds. */
  readonly timeoutMs: number;
}

/**
 * What is known after exactly one HTTP exchange.
 * - `answer`: the whole answer was read, whatever its status.
 * - `not_sent`: the connection never opened, so the server cannot have acted.
 * - `failed`: the request may have been acted on; `status` is set when the answer broke off after its head.
 */
export type HttpExchange =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** Lower-case names. */
      readonly headers: Readonly<Record<string, string>>;
      readonly text: string;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'not_sent';
      readonly failure: 'timeout' | 'network_error';
      readonly detail: string;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly failure: 'timeout' | 'network_error' | 'contract_violation';
      readonly status: number | null;
      readonly headers: Readonly<Record<string, string>>;
      readonly detail: string;
      readonly durationMs: number;
    };

/** Makes one HTTP exchange. Never throws for what a network or a server does. */
export type Exchange = (http: HttpRequest, clock: Clock) => Promise<HttpExchange>;

const connectTimeoutMs = 2_000;
const largestAnswerBytes = 16 * 1024 * 1024;

/**
 * The client, loaded with the first exchange: it is large, and not every invocation makes one. Connections are kept alive
 * between exchanges. The deadline of the clock is the only timeout of an open connection, and a redirect is an answer
 * like any other: following one could repeat a write.
 */
const loadClient = async () => {
  // A CommonJS module that is bundled apart has a default export only.
  const {
    default: { Agent, request },
  } = await import('undici');
  const connections = new Agent({
    connect: { timeout: connectTimeoutMs },
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: largestAnswerBytes,
    pipelining: 1,
  });
  return { request, connections };
};
let client: ReturnType<typeof loadClient> | null = null;

/** Sends one request once over the network and reads its answer. */
export const httpExchange: Exchange = async (http, clock) => {
  const { request, connections } = await (client ??= loadClient());
  const startedAt = clock.now();
  const deadline = clock.deadline(http.timeoutMs);
  const durationMs = () => clock.now() - startedAt;
  let head: { status: number; headers: Readonly<Record<string, string>> } | null = null;
  try {
    const response = await request(http.url, {
      dispatcher: connections,
      method: http.method,
      headers: {
        accept: 'application/json',
        ...(http.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...http.headers,
      },
      ...(http.body === undefined ? {} : { body: http.body }),
      signal: deadline,
    });
    head = { status: response.statusCode, headers: singleValued(response.headers) };
    const text = await response.body.text();
    return { kind: 'answer', ...head, text, durationMs: durationMs() };
  } catch (error) {
    const detail = describe(error);
    if (deadline.aborted) {
      return {
        kind: 'failed',
        failure: 'timeout',
        status: head?.status ?? null,
        headers: head?.headers ?? {},
        detail: `no complete answer within ${http.timeoutMs} ms`,
        durationMs: durationMs(),
      };
    }
    if (head !== null) {
      return {
        kind: 'failed',
        failure: 'contract_violation',
        ...head,
        detail: `the answer broke off: ${detail}`,
        durationMs: durationMs(),
      };
    }
    const neverOpened = connectionNeverOpened(error);
    if (neverOpened !== null) return { kind: 'not_sent', failure: neverOpened, detail, durationMs: durationMs() };
    return { kind: 'failed', failure: 'network_error', status: null, headers: {}, detail, durationMs: durationMs() };
  }
};

/**
 * How the connection failed to open, or `null` when it may have been open. System errors count only with the system call
 * that opens a connection: the same codes also come from an established one.
 */
const connectionNeverOpened = (error: unknown): 'timeout' | 'network_error' | null => {
  if (!(error instanceof Error)) return null;
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'timeout';
  if (error instanceof AggregateError && error.errors.length > 0) {
    // One error per address tried; all of them must prove that nothing was opened.
    const each = error.errors.map(connectionNeverOpened);
    return each.includes(null) ? null : (each.find((failure) => failure === 'network_error') ?? 'timeout');
  }
  if (syscall !== 'connect' && syscall !== 'getaddrinfo') return null;
  return code === 'ETIMEDOUT' ? 'timeout' : 'network_error';
};

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return 'the connection failed';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? `${code} ${error.message}`.trim() : error.message;
};

const singleValued = (headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> => {
  const single: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) single[name.toLowerCase()] = Array.isArray(value) ? (value[0] ?? '') : value;
  }
  return single;
};
