import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpExchange } from '@torghut/platform';
import { afterEach, expect, it } from 'vitest';
import { TestClock } from '../../infra/local/twins/support.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const serve = async (listener: RequestListener): Promise<number> => {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

const get = (url: string, clock = new TestClock()) =>
  httpExchange({ method: 'GET', url, headers: {}, timeoutMs: 5_000 }, clock);

/** A port that was free a moment ago and refuses connections. */
const closedPort = async (): Promise<number> => {
  const port = await serve(() => undefined);
  const server = servers.pop();
  await new Promise((resolve) => server?.close(resolve));
  return port;
};

it('gives the answer whatever its status, with lower-case header names', async () => {
  const port = await serve((_request, response) => {
    response.writeHead(418, { 'X-Request-ID': 'r-1' }).end('short and stout');
  });
  expect(await get(`http://127.0.0.1:${String(port)}/`)).toMatchObject({
    kind: 'answer',
    status: 418,
    text: 'short and stout',
    headers: { 'x-request-id': 'r-1' },
  });
});

it.each(['127.0.0.1', 'localhost'])('knows that nothing was sent when %s refuses the connection', async (host) => {
  const port = await closedPort();
  expect(await get(`http://${host}:${String(port)}/`)).toMatchObject({ kind: 'not_sent', failure: 'network_error' });
});

it('does not know whether a reset connection carried the request', async () => {
  const port = await serve((request) => request.socket.destroy());
  expect(await get(`http://127.0.0.1:${String(port)}/`)).toMatchObject({
    kind: 'failed',
    failure: 'network_error',
    status: null,
  });
});

it('keeps the status of an answer that broke off', async () => {
  const port = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  });
  expect(await get(`http://127.0.0.1:${String(port)}/`)).toMatchObject({
    kind: 'failed',
    failure: 'contract_violation',
    status: 200,
  });
});

it.each([
  ['before the head', () => undefined, null],
  ['in the body', ((_request, response) => response.writeHead(200).write('half')) satisfies RequestListener, 200],
] as const)('gives up at the deadline of the clock %s', async (_title, listener, status) => {
  const port = await serve(listener);
  const clock = new TestClock();
  clock.impatient();
  expect(await get(`http://127.0.0.1:${String(port)}/`, clock)).toMatchObject({
    kind: 'failed',
    failure: 'timeout',
    status,
  });
});

it('never follows a redirect', async () => {
  let requests = 0;
  const port = await serve((_request, response) => {
    requests += 1;
    response.writeHead(307, { location: '/again' }).end();
  });
  expect(await get(`http://127.0.0.1:${String(port)}/`)).toMatchObject({ kind: 'answer', status: 307 });
  expect(requests).toBe(1);
});
