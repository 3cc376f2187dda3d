/**
 * The embedded ClickHouse engine behind the HTTP interface of a ClickHouse server, as far as the official client uses it.
 * Runs as a child process of `clickhouse.ts`, because the engine allows one data directory per process and crashes would
 * take its host along. Arguments: data directory, port, and the credentials as JSON in CLICKHOUSE_LOCAL_CREDENTIALS.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomUUID, timingSafeEqual } from 'node:crypto';
import { Session } from 'chdb';

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What the server answers; the engine computes a whole result before it is sent. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** URL parameters that speak to the HTTP interface; all others but `param_*` are settings of the engine. */
const interfaceParameters = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'user',
  'password',
  // Settings of the HTTP interface itself. Results are whole before they are sent, so none of them has an effect.
  'wait_end_of_query',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'enable_http_compression',
]);

/** No query outlives this, so that abandoned ones cannot occupy the engine. Seconds. */
const longestExecution = 60;

const [dataDirectory, port] = process.argv.slice(2);
if (dataDirectory === undefined || port === undefined)
  throw new Error('expected the arguments <data directory> <port>');
const credentialsText = process.env['CLICKHOUSE_LOCAL_CREDENTIALS'];
const credentials = credentialsText === undefined ? null : (JSON.parse(credentialsText) as Credentials);

// Holds the engine and its data directory open between requests.
new Session(dataDirectory);

const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/;

class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

/** Statements that give a fresh connection the settings, parameters and database of one request. */
const preparation = (parameters: URLSearchParams, queryId: string): string => {
  const settings = new Map([
    ['max_execution_time', String(longestExecution)],
    // How an abandoned query is found again.
    ['log_comment', queryId],
  ]);
  for (const [name, value] of parameters) if (!interfaceParameters.has(name)) settings.set(name, value);
  const assignments = [...settings].map(([name, value]) => {
    if (!identifier.test(name))
      throw new BadRequest(`Code: 115. DB::Exception: Setting ${name} is not a name. (UNKNOWN_SETTING)`);
    return `${name} = ${literal(value)}`;
  });
  const statements = [`SET ${assignments.join(', ')}`];
  const database = parameters.get('database');
  if (database !== null) statements.push(`USE \`${database.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``);
  return statements.join('; ');
};

/** Runs one request on a connection of its own: what it sets ends with it, and requests run in parallel. */
const run = async (parameters: URLSearchParams, body: string, queryId: string): Promise<Answer> => {
  const query = parameters.get('query');
  const sql = query === null ? body : body === '' ? query : `${query}\n${body}`;
  const format = parameters.get('default_format') ?? 'TabSeparated';
  const formatOfAnswer = /\bFORMAT\s+(\w+)[\s;]*$/i.exec(sql)?.[1] ?? format;
  const connection = new Session(dataDirectory);
  try {
    await connection.queryAsync(preparation(parameters, queryId));
    const isInsertWithoutRows =
      body.trim() === '' && query !== null && /^\s*INSERT\b.*\bFORMAT\s+\w+\s*$/is.test(query);
    const result = isInsertWithoutRows ? null : await connection.queryAsync(sql, { format });
    const summary = {
      read_rows: String(result?.rowsRead ?? 0),
      read_bytes: String(result?.bytesRead ?? 0),
      elapsed_ns: String(Math.round((result?.elapsed ?? 0) * 1e9)),
    };
    return {
      status: 200,
      headers: { 'X-ClickHouse-Summary': JSON.stringify(summary), 'X-ClickHouse-Format': formatOfAnswer },
      body: result?.bytes() ?? '',
    };
  } finally {
    connection.close();
  }
};

/** Status by exception code, where it is not 500. */
const statuses: Readonly<Record<string, number>> = {
  '47': 404,
  '60': 404,
  '81': 404,
  '46': 404,
  '62': 400,
  '27': 400,
  '26': 400,
  '53': 400,
  '115': 400,
  '117': 400,
  '456': 400,
  '457': 400,
  '516': 401,
};

const refusal = (message: string): Answer => {
  const code = /Code: (\d+)/.exec(message)?.[1] ?? '1002';
  return {
    status: statuses[code] ?? 500,
    headers: { 'X-ClickHouse-Exception-Code': code, 'Content-Type': 'text/plain; charset=UTF-8' },
    body: message,
  };
};

const isAuthorized = (request: IncomingMessage, parameters: URLSearchParams): boolean => {
  if (credentials === null) return true;
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const given =
    basic === undefined
      ? `${String(request.headers['x-clickhouse-user'] ?? parameters.get('user'))}:${String(request.headers['x-clickhouse-key'] ?? parameters.get('password'))}`
      : Buffer.from(basic, 'base64').toString();
  const expected = Buffer.from(`${credentials.username}:${credentials.password}`);
  const found = Buffer.from(given);
  return expected.length === found.length && timingSafeEqual(expected, found);
};

const send = (response: ServerResponse, answer: Answer, queryId: string): void => {
  response.writeHead(answer.status, {
    'Content-Length': Buffer.byteLength(answer.body),
    'X-ClickHouse-Query-Id': queryId,
    'X-ClickHouse-Server-Display-Name': 'embedded',
    'X-ClickHouse-Timezone': 'UTC',
    ...answer.headers,
  });
  response.end(answer.body);
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/**
 * The parts of a form by name, `null` for any other body. The client sends one where the parameters would make a URL too
 * long: the statement is a part of it, too.
 */
const formOf = (request: IncomingMessage, body: string): [name: string, value: string][] | null => {
  const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) return null;
  return body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const headEnd = part.indexOf('\r\n\r\n');
      const name = /\bname="([^"]*)"/.exec(part.slice(0, headEnd))?.[1];
      if (name === undefined) throw new BadRequest('Code: 36. DB::Exception: A part has no name. (BAD_ARGUMENTS)');
      return [name, part.slice(headEnd + 4, -2)];
    });
};

/** Cancels a query that nobody waits for. Asynchronous: the engine's synchronous form never returns here. */
const cancel = async (queryId: string): Promise<void> => {
  const connection = new Session(dataDirectory);
  try {
    await connection.queryAsync(`KILL QUERY WHERE Settings['log_comment'] = ${literal(queryId)} ASYNC`);
  } finally {
    connection.close();
  }
};

const answerTo = async (request: IncomingMessage, parameters: URLSearchParams, body: string, queryId: string) => {
  const form = formOf(request, body);
  return form === null
    ? run(parameters, body, queryId)
    : run(new URLSearchParams([...parameters, ...form]), '', queryId);
};

const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname === '/ping') {
    response.end('Ok.\n');
    return;
  }
  const queryId = searchParams.get('query_id') ?? randomUUID();
  const body = await textOf(request);
  if (!isAuthorized(request, searchParams)) {
    const message =
      'Code: 516. DB::Exception: Authentication failed: password is incorrect, or there is no such user. (AUTHENTICATION_FAILED)';
    send(response, refusal(message), queryId);
    return;
  }
  const onClose = () => {
    if (!response.writableFinished) void cancel(queryId).catch(() => undefined);
  };
  response.once('close', onClose);
  const answer = await answerTo(request, searchParams, body, queryId).catch((error: unknown) =>
    refusal(error instanceof Error ? error.message : String(error)),
  );
  response.off('close', onClose);
  if (!response.destroyed) send(response, answer, queryId);
};

const server = createServer((request, response) => {
  handle(request, response).catch(() => {
    // The caller went away while it was sending; there is nobody to answer.
    response.destroy();
  });
});
// A client's kept connection must not be closed by us just as the client uses it again.
server.keepAliveTimeout = 0;

server.listen(Number(port), '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});

// Ctrl-C in a terminal reaches this process too; it serves until its parent, which ends in order, lets it go.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
// The channel closes when the parent ends, however it ends. An orderly exit would wait for running queries; killing is
// safe, because a part of a table is on disk, renamed into place, before its insert is answered.
process.once('disconnect', () => {
  process.kill(process.pid, 'SIGKILL');
});
