import { request } from 'node:http';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import { type Gateway, startGateway } from '../../../infra/local/http-gateway.ts';

let gateway: Gateway | null = null;
afterEach(async () => {
  await gateway?.stop();
  gateway = null;
});

/** A gateway in front of a function that answers with the event it got. */
const echo = async (port = 0): Promise<Gateway> => {
  gateway = await startGateway({
    port,
    host: '127.0.0.1',
    handler: (event) =>
      Promise.resolve({
        statusCode: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(event),
      }),
  });
  return gateway;
};

const send = (url: string, headers: Readonly<Record<string, string>>): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text });
      });
    })
      .on('error', reject)
      .end();
  });

describe('the local HTTP gateway', () => {
  it('hands over a request as API Gateway does, with the identity of the local operator', async () => {
    const { url } = await echo();
    const answer = await fetch(`${url}/trading/decisions?symbol=NVDA&status=a&status=b`, {
      method: 'POST',
      body: '{"a":1}',
    });
    expect((await answer.json()) as APIGatewayProxyEventV2).toMatchObject({
      version: '2.0',
      rawPath: '/trading/decisions',
      rawQueryString: 'symbol=NVDA&status=a&status=b',
      queryStringParameters: { symbol: 'NVDA', status: 'a,b' },
      body: '{"a":1}',
      isBase64Encoded: false,
      requestContext: {
        http: { method: 'POST', path: '/trading/decisions' },
        authorizer: { iam: { userArn: 'arn:aws:iam::000000000000:user/local-operator' } },
      },
    });
  });

  it.each([
    { headers: { host: 'evil.example' }, why: 'the name of another site' },
    { headers: { host: '127.0.0.1.evil.example' }, why: 'a name that only looks like loopback' },
    { headers: { origin: 'http://evil.example' }, why: 'a page of another origin' },
    { headers: { origin: 'null' }, why: 'a page without an origin' },
  ])('refuses a request that comes through $why', async ({ headers }) => {
    const { url } = await echo();
    const { status, text } = await send(`${url}/healthz`, headers);
    expect(status).toBe(403);
    expect(JSON.parse(text)).toMatchObject({ error: 'forbidden' });
  });

  it.each(['localhost', '127.0.0.1:8080', '[::1]:9'])('accepts the loopback name %s', async (host) => {
    const { url } = await echo();
    expect((await send(`${url}/healthz`, { host })).status).toBe(200);
  });

  it('refuses a body of more than 1 MiB', async () => {
    const { url } = await echo();
    expect((await fetch(url, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413);
  });

  it('says what to do when the port is taken', async () => {
    const { url } = await echo();
    const port = Number(new URL(url).port);
    await expect(
      startGateway({ port, host: '127.0.0.1', handler: () => Promise.resolve({ statusCode: 200 }) }),
    ).rejects.toThrow(`port ${port} of 127.0.0.1 is in use: end what listens there, or choose another port`);
  });

  it('answers 500 in JSON when the function fails', async () => {
    gateway = await startGateway({ port: 0, host: '127.0.0.1', handler: () => Promise.reject(new Error('not wired')) });
    const answer = await fetch(gateway.url);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual({ error: 'internal_error', expected: 'an answer', found: 'not wired' });
  });
});
