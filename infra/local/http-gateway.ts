import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { MachineError } from './machine-error.ts';

export interface GatewayOptions {
  /** 0 takes any free port. */
  readonly port: number;
  readonly host: '127.0.0.1';
  readonly handler: (event: APIGatewayProxyEventV2) => Promise<APIGatewayProxyStructuredResultV2>;
}

export interface Gateway {
  readonly url: string;
  /** Ends open connections and frees the port. */
  stop(): Promise<void>;
}

/** Whoever can reach the loopback address of this machine is its operator. */
const localOperator = {
  accessKey: 'LOCAL',
  accountId: '000000000000',
  callerId: 'LOCAL',
  cognitoIdentity: null,
  principalOrgId: null,
  userArn: 'arn:aws:iam::000000000000:user/local-operator',
  userId: 'LOCAL',
};

const largestBodyBytes = 1024 * 1024;
const loopbackNames = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Why a request may not come in; null when it may. */
const refusal = (request: IncomingMessage): string | null => {
  const { host = '', origin } = request.headers;
  // A page of another site can make a browser send requests here under a name of its own (DNS rebinding) or as a form.
  if (!loopbackNames.has(host.replace(/:\d+$/, ''))) return `expected a loopback Host header, found "${host}"`;
  if (origin !== undefined && origin !== `http://${host}`) return `expected no other origin, found "${origin}"`;
  return null;
};

const readBody = async (request: IncomingMessage): Promise<Buffer | null> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBodyBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** The request as API Gateway hands it to a function: HTTP API, payload version 2.0, IAM authorizer. */
const toEvent = (request: IncomingMessage, url: URL, body: Buffer): APIGatewayProxyEventV2 => {
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) query[name] = name in query ? `${query[name] ?? ''},${value}` : value;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value;
  }
  const requestContext = {
    accountId: localOperator.accountId,
    apiId: 'local',
    authorizer: { iam: localOperator },
    domainName: headers.host ?? 'localhost',
    domainPrefix: 'local',
    http: {
      method: request.method ?? 'GET',
      path: url.pathname,
      protocol: `HTTP/${request.httpVersion}`,
      sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
      userAgent: headers['user-agent'] ?? '',
    },
    requestId: randomUUID(),
    routeKey: '$default',
    stage: '$default',
    time: '',
    timeEpoch: 0,
  };
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers,
    ...(url.search === '' ? {} : { queryStringParameters: query }),
    requestContext,
    ...(body.length === 0 ? {} : { body: body.toString('utf8') }),
    isBase64Encoded: false,
  };
};

const send = (response: ServerResponse, result: APIGatewayProxyStructuredResultV2): void => {
  response.statusCode = result.statusCode ?? 200;
  for (const [name, value] of Object.entries(result.headers ?? {})) response.setHeader(name, String(value));
  response.end(result.isBase64Encoded === true ? Buffer.from(result.body ?? '', 'base64') : (result.body ?? ''));
};

const sendProblem = (
  response: ServerResponse,
  statusCode: number,
  error: string,
  expected: string,
  found: unknown,
): void => {
  send(response, {
    statusCode,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ error, expected, found }),
  });
};

/**
 * An HTTP API on the loopback address, in front of one function. It stands in for API Gateway with IAM authorization:
 * every caller is the local operator, and only this machine can call.
 * @throws MachineError when the port is taken.
 */
export const startGateway = async ({ port, host, handler }: GatewayOptions): Promise<Gateway> => {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refused = refusal(request);
    if (refused !== null) {
      sendProblem(response, 403, 'forbidden', 'a request from this machine', refused);
      return;
    }
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    if (url === null) {
      sendProblem(response, 400, 'invalid_path', 'a path', request.url);
      return;
    }
    const body = await readBody(request);
    if (body === null) {
      sendProblem(response, 413, 'body_too_large', `at most ${largestBodyBytes} bytes`, 'more');
      return;
    }
    send(response, await handler(toEvent(request, url, body)));
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else
        sendProblem(
          response,
          500,
          'internal_error',
          'an answer',
          error instanceof Error ? error.message : String(error),
        );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new MachineError(`port ${port} of ${host} is in use: end what listens there, or choose another port`, {
              cause: error,
            })
          : error,
      );
    });
    server.listen(port, host, resolve);
  });
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${boundPort}`,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
        server.closeAllConnections();
      }),
  };
};
