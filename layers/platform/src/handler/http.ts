import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import * as z from 'zod';
import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';
import { type LambdaFunction, withPreset } from './preset.ts';

/** Who asks: the IAM principal that API Gateway authenticated. */
export interface Identity {
  readonly arn: string;
}

/** `body` is sent as JSON; a `text` answer goes out as it stands. */
export type HttpAnswer =
  | { readonly status: number; readonly body: unknown }
  | { readonly status: number; readonly text: string; readonly contentType: string };

export type HttpMethod = 'GET' | 'POST';

export interface Route<Query extends z.ZodObject = z.ZodObject, Body extends z.ZodObject = z.ZodObject> {
  readonly method: HttpMethod;
  /** `/trading/why/{id}`: a name in braces is one segment. */
  readonly path: string;
  /** The only parameters, those named in the path among them; the description of a field says what is expected of it. */
  readonly query: Query;
  /** Members of the JSON body, described likewise; null where none is read. */
  readonly body: Body | null;
  /** Answered without an identity; for probes that carry none. */
  readonly open: boolean;
  readonly answer: (request: {
    readonly query: z.output<Query>;
    readonly body: z.output<Body>;
    readonly identity: Identity | null;
  }) => Promise<HttpAnswer>;
}

const noParameters = z.object({});
type NoParameters = typeof noParameters;

/** A GET route that only authenticated callers reach. */
export const get = <Query extends z.ZodObject = NoParameters>(
  path: string,
  answer: Route<Query>['answer'],
  query?: Query,
  // The table of routes holds routes of different queries; each is only ever called with its own parsed query.
): Route =>
  ({ method: 'GET', path, query: query ?? noParameters, body: null, open: false, answer }) as unknown as Route;

/** What a route that changes something is asked, and by whom. */
export interface Command<Query extends z.ZodObject, Body extends z.ZodObject> {
  readonly query: z.output<Query>;
  readonly body: z.output<Body>;
  readonly identity: Identity;
}

/** A POST route with a JSON body. Nobody reaches it without an identity. */
export const post = <Query extends z.ZodObject, Body extends z.ZodObject>(
  path: string,
  { query, body }: { readonly query: Query; readonly body: Body },
  answer: (command: Command<Query, Body>) => Promise<HttpAnswer>,
): Route => ({ method: 'POST', path, query, body, open: false, answer }) as unknown as Route;

/** A GET route for callers without an identity. */
export const openGet = (path: string, answer: Route<NoParameters>['answer']): Route => ({
  ...get(path, answer),
  open: true,
});

interface RequestContextWithIam {
  readonly authorizer?: { readonly iam?: { readonly userArn?: unknown } };
}

const identityOf = (event: APIGatewayProxyEventV2): Identity | null => {
  const arn = (event.requestContext as RequestContextWithIam).authorizer?.iam?.userArn;
  return typeof arn === 'string' && arn !== '' ? { arn } : null;
};

const securityHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

const toResult = (
  answer: HttpAnswer,
  headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyStructuredResultV2 => ({
  statusCode: answer.status,
  headers: {
    ...securityHeaders,
    'content-type': 'text' in answer ? answer.contentType : 'application/json; charset=utf-8',
    ...headers,
  },
  body: 'text' in answer ? answer.text : JSON.stringify(answer.body),
});

/** An error answer: a code, what was expected, what was found. */
const problem = (status: number, error: string, expected: unknown, found: unknown): HttpAnswer => ({
  status,
  body: { error, expected, found },
});

/** What is wrong with the members of a query or a body; `kind` is `parameter` or `member`. */
const memberProblem = (
  kind: 'parameter' | 'member',
  schema: z.ZodObject,
  error: z.ZodError,
  found: Readonly<Record<string, unknown>>,
): HttpAnswer => {
  const shape = schema.shape as Readonly<Record<string, z.ZodType>>;
  const unknown = Object.keys(found).find((name) => !(name in shape));
  if (unknown !== undefined) {
    const known = Object.keys(shape);
    return problem(400, `unknown_${kind}`, known.length === 0 ? `no ${kind}s` : `only ${known.join(', ')}`, unknown);
  }
  const issue = error.issues[0];
  const name = String(issue?.path[0] ?? '');
  return problem(
    400,
    `invalid_${kind}`,
    `${name}: ${shape[name]?.description ?? issue?.message ?? ''}`,
    found[name] ?? null,
  );
};

/** A template as an expression, with the names of its segments in order. */
const compile = (path: string): { readonly pattern: RegExp; readonly names: readonly string[] } => {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const escaped = path.replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  return { pattern: new RegExp(`^${escaped.replaceAll(/\{\w+\}/g, '([^/]+)')}$`), names };
};

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    // Not an encoding: then it stands for itself, and its schema has the say.
    return segment;
  }
};

type BodyText = { readonly ok: true; readonly members: Readonly<Record<string, unknown>> } | { readonly ok: false };

const readMembers = ({ body = '', isBase64Encoded }: APIGatewayProxyEventV2): BodyText => {
  const text = isBase64Encoded ? Buffer.from(body, 'base64').toString('utf8') : body;
  try {
    const value = JSON.parse(text) as unknown;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? { ok: true, members: value as Record<string, unknown> } : { ok: false };
  } catch {
    return { ok: false };
  }
};

/**
 * Handler of an HTTP API (payload version 2.0). Every route but the open ones needs an IAM identity. Errors are JSON:
 * `{error, expected, found}`.
 */
export const httpHandler = (
  telemetry: InvocationTelemetry,
  routes: readonly Route[],
): LambdaFunction<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2> => {
  const paths = [...Map.groupBy(routes, (route) => route.path)].map(([path, candidates]) => ({
    path,
    candidates,
    ...compile(path),
  }));

  const answer = async (
    event: APIGatewayProxyEventV2,
    context: Context,
  ): Promise<APIGatewayProxyStructuredResultV2> => {
    const { method } = event.requestContext.http;
    const known = paths.find(({ pattern }) => pattern.test(event.rawPath));
    const candidates = known?.candidates ?? [];
    const route = candidates.find((candidate) => candidate.method === method);
    const identity = identityOf(event);
    // Before 404 and 405, so that a stranger learns nothing about which paths exist.
    if (identity === null && route?.open !== true) {
      return toResult(
        problem(401, 'identity_required', 'a request signed with AWS Signature Version 4', 'no identity'),
      );
    }
    if (known === undefined) {
      return toResult(
        problem(
          404,
          'not_found',
          paths.map(({ path }) => path),
          event.rawPath,
        ),
      );
    }
    if (route === undefined) {
      const allowed = candidates.map((candidate) => candidate.method);
      return toResult(problem(405, 'method_not_allowed', allowed, method), { allow: allowed.join(', ') });
    }
    const asked = Object.fromEntries(
      Object.entries(event.queryStringParameters ?? {}).map(([name, value]) => [name, value ?? '']),
    );
    // What the path says cannot be said again behind it.
    const again = known.names.find((name) => name in asked);
    if (again !== undefined) return toResult(problem(400, 'unknown_parameter', `${again} in the path only`, again));
    const segments = (known.pattern.exec(event.rawPath) ?? []).slice(1).map(decoded);
    const parameters = {
      ...asked,
      ...Object.fromEntries(known.names.map((name, index) => [name, segments[index] ?? ''])),
    };
    const query = route.query.strict().safeParse(parameters);
    if (!query.success) return toResult(memberProblem('parameter', route.query, query.error, parameters));
    let body: unknown = null;
    if (route.body !== null) {
      const sent = readMembers(event);
      if (!sent.ok) return toResult(problem(400, 'invalid_body', 'a JSON object', (event.body ?? '').slice(0, 80)));
      const read = route.body.strict().safeParse(sent.members);
      if (!read.success) return toResult(memberProblem('member', route.body, read.error, sent.members));
      body = read.data;
    }
    try {
      return toResult(await route.answer({ query: query.data, body: body as never, identity }));
    } catch (error) {
      telemetry.error('request failed', { method, path: event.rawPath, error });
      return toResult(
        problem(500, 'internal_error', 'an answer; the log of this request says more', context.awsRequestId),
      );
    }
  };
  return withPreset(telemetry, answer);
};
