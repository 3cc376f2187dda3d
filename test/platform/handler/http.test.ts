import { createMemoryTelemetry, get, httpHandler, openGet, post } from '@torghut/platform';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

const context = { awsRequestId: 'request-1' } as Context;
const operator = { iam: { userArn: 'arn:aws:iam::000000000000:user/operator' } };

const ask = async (
  path: string,
  request: {
    method?: string;
    query?: Record<string, string>;
    authorizer?: object | null;
    body?: string;
    isBase64Encoded?: boolean;
  } = {},
) => {
  const { method = 'GET', query, authorizer = operator, body: sent, isBase64Encoded = false } = request;
  const telemetry = createMemoryTelemetry();
  const handler = httpHandler(telemetry, [
    openGet('/healthz', () => Promise.resolve({ status: 200, body: { status: 'ok' } })),
    get('/who', ({ identity }) => Promise.resolve({ status: 200, body: identity })),
    get('/text', () => Promise.resolve({ status: 200, text: 'up 1\n', contentType: 'text/plain' })),
    get('/file.txt', () => Promise.resolve({ status: 200, body: {} })),
    get('/broken', () => Promise.reject(new Error('password is hunter2'))),
    get(
      '/rows',
      ({ query: { limit } }) => Promise.resolve({ status: 200, body: { limit } }),
      z.object({ limit: z.string().regex(/^\d+$/).transform(Number).default(200).describe('a whole number') }),
    ),
    get(
      '/orders/{id}/events',
      ({ query: { id, kind } }) => Promise.resolve({ status: 200, body: { id, kind } }),
      z.object({
        id: z
          .string()
          .regex(/^[\w. ]+$/)
          .describe('an order id'),
        kind: z.string().default('all'),
      }),
    ),
    post(
      '/switches/{name}',
      {
        query: z.object({ name: z.string() }),
        body: z.object({ on: z.boolean().describe('true or false'), why: z.string().default('') }),
      },
      ({ query: { name }, body: { on, why }, identity }) =>
        Promise.resolve({ status: 200, body: { name, on, why, by: identity.arn } }),
    ),
  ]);
  const event = {
    rawPath: path,
    ...(sent === undefined ? {} : { body: sent }),
    isBase64Encoded,
    requestContext: { http: { method, path }, ...(authorizer === null ? {} : { authorizer }) },
    ...(query === undefined ? {} : { queryStringParameters: query }),
  } as unknown as APIGatewayProxyEventV2;
  const { statusCode, headers, body = '' } = await handler(event, context);
  return { statusCode, headers, body, json: () => JSON.parse(body) as unknown, logs: telemetry.logs() };
};

describe('HTTP handler', () => {
  it.each([
    { what: 'no authorizer', authorizer: null },
    { what: 'an authorizer without an IAM identity', authorizer: { jwt: { claims: {} } } },
    { what: 'an empty principal', authorizer: { iam: { userArn: '' } } },
  ])('answers 401 in JSON to a request with $what, whether the path exists or not', async ({ authorizer }) => {
    for (const path of ['/who', '/nowhere']) {
      const answer = await ask(path, { authorizer });
      expect(answer.statusCode).toBe(401);
      expect(answer.json()).toMatchObject({ error: 'identity_required', found: 'no identity' });
    }
  });

  it('answers the open route without an identity', async () => {
    expect((await ask('/healthz', { authorizer: null })).json()).toEqual({ status: 'ok' });
  });

  it('hands the identity to the route', async () => {
    expect((await ask('/who')).json()).toEqual({ arn: operator.iam.userArn });
  });

  it('answers 404 with the paths there are, and 405 with the methods allowed', async () => {
    const lost = await ask('/nowhere');
    expect(lost.statusCode).toBe(404);
    expect(lost.json()).toMatchObject({ error: 'not_found', found: '/nowhere' });
    const wrong = await ask('/who', { method: 'POST' });
    expect(wrong.statusCode).toBe(405);
    expect(wrong.headers).toMatchObject({ allow: 'GET' });
    expect(wrong.json()).toEqual({ error: 'method_not_allowed', expected: ['GET'], found: 'POST' });
  });

  it('parses the query, fills defaults, and refuses what it does not know', async () => {
    expect((await ask('/rows')).json()).toEqual({ limit: 200 });
    expect((await ask('/rows', { query: { limit: '5' } })).json()).toEqual({ limit: 5 });
    const bad = await ask('/rows', { query: { limit: 'many' } });
    expect(bad.statusCode).toBe(400);
    expect(bad.json()).toEqual({ error: 'invalid_parameter', expected: 'limit: a whole number', found: 'many' });
    expect((await ask('/rows', { query: { limt: '5' } })).json()).toEqual({
      error: 'unknown_parameter',
      expected: 'only limit',
      found: 'limt',
    });
    expect((await ask('/who', { query: { a: '1' } })).json()).toMatchObject({ expected: 'no parameters' });
  });

  it('reads what a path names as parameters, decoded, and only there', async () => {
    expect((await ask('/orders/a%20b/events')).json()).toEqual({ id: 'a b', kind: 'all' });
    expect((await ask('/orders/a.b/events', { query: { kind: 'fill' } })).json()).toEqual({ id: 'a.b', kind: 'fill' });
    expect((await ask('/orders/%zz/events')).json()).toEqual({
      error: 'invalid_parameter',
      expected: 'id: an order id',
      found: '%zz',
    });
    expect((await ask('/orders/a/events', { query: { id: 'b' } })).json()).toMatchObject({
      error: 'unknown_parameter',
    });
    for (const path of ['/orders/a', '/orders//events', '/orders/a/b/events', '/orders/a/events/', '/orders/aXevents'])
      expect((await ask(path)).statusCode).toBe(404);
    expect((await ask('/orders/a/events', { method: 'POST' })).headers).toMatchObject({ allow: 'GET' });
    // A dot in a template is a dot.
    expect((await ask('/file.txt')).statusCode).toBe(200);
    expect((await ask('/fileXtxt')).statusCode).toBe(404);
  });

  it('parses a JSON body, hands over who asks, and refuses members it does not know', async () => {
    const press = (body: string, isBase64Encoded = false) =>
      ask('/switches/light', { method: 'POST', body, isBase64Encoded });
    const pressed = { name: 'light', on: true, why: '', by: operator.iam.userArn };
    expect((await press('{"on":true}')).json()).toEqual(pressed);
    expect((await press(Buffer.from('{"on":true}').toString('base64'), true)).json()).toEqual(pressed);
    for (const body of ['', 'on=true', '[]', 'null', '"on"'])
      expect((await press(body)).json()).toEqual({ error: 'invalid_body', expected: 'a JSON object', found: body });
    expect((await press('{"on":"yes"}')).json()).toEqual({
      error: 'invalid_member',
      expected: 'on: true or false',
      found: 'yes',
    });
    expect((await press('{"on":true,"by":"me"}')).json()).toEqual({
      error: 'unknown_member',
      expected: 'only on, why',
      found: 'by',
    });
    expect((await ask('/switches/light', { method: 'POST', body: '{"on":true}', authorizer: null })).statusCode).toBe(
      401,
    );
  });

  it('answers 500 without details, and logs them once', async () => {
    const answer = await ask('/broken');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('hunter2');
    expect(answer.json()).toMatchObject({ error: 'internal_error', found: 'request-1' });
    expect(answer.logs).toHaveLength(1);
  });

  it('sends text as it stands, and nothing may be cached or sniffed', async () => {
    const { body, headers } = await ask('/text');
    expect(body).toBe('up 1\n');
    expect(headers).toMatchObject({
      'content-type': 'text/plain',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });
});
