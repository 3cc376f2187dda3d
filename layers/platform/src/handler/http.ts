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

export interface Route<Query extends z.ZodObject = z.ZodObject> {
  readonly method: HttpMethod;
  readonly path: string;
  /** The only parameters of the path; the description of a field says what is expected of it. */
  readonly query: Query;
  /** Answered without an identity; for probes that carry none. */
  readonly open: boolean;
  readonly answer: (request: {
    readonly query: z.output<Query>;
    readonly identity: Identity | null;
  }) => Promise<HttpAnswer>;
}

const noParameters = z.object({});

/** A GET route that only authenticated callers reach. */
export const get = <Query extends z.ZodObject = typeof noParameters>(
  path: string,
  answer: Route<Query>['answer'],
  query?: Query,
  // The table of routes holds routes of different queries; each is only ever called with its own parsed query.
): Route => ({ method: 'GET', path, query: query ?? noParameters, open: false, answer }) as unknown as Route;

/** A GET route for callers without an identity. */
export const openGet = (path: string, answer: Route<typeof noParameters>['answer']): Route => ({
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

const queryProblem = (query: z.ZodObject, error: z.ZodError, found: Readonly<Record<string, string>>): HttpAnswer => {
  const shape = query.shape as Readonly<Record<string, z.ZodType>>;
  const unknown = Object.keys(found).find((name) => !(name in shape));
  if (unknown !== undefined) {
    const known = Object.keys(shape);
    return problem(
      400,
      'unknown_parameter',
      known.length === 0 ? 'no parameters' : `only ${known.join(', ')}`,
      unknown,
    );
  }
  const issue = error.issues[0];
  const name = String(issue?.path[0] ?? '');
  return problem(
    400,
    'invalid_parameter',
    `${name}: ${shape[name]?.description ?? issue?.message ?? ''}`,
    found[name] ?? null,
  );
};

/**
 * Handler of an HTTP API (payload version 2.0). Every route but the open ones needs an IAM identity. Errors are JSON:
 * `{error, expected, found}`.
 */
export const httpHandler = (
  telemetry: InvocationTelemetry,
  routes: readonly Route[],
): LambdaFunction<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2> => {
  const byPath = Map.groupBy(routes, (route) => route.path);

  const answer = async (
    event: APIGatewayProxyEventV2,
    context: Context,
  ): Promise<APIGatewayProxyStructuredResultV2> => {
    const { method } = event.requestContext.http;
    const candidates = byPath.get(event.rawPath) ?? [];
    const route = candidates.find((candidate) => candidate.method === method);
    const identity = identityOf(event);
    // Before 404 and 405, so that a stranger learns nothing about which paths exist.
    if (identity === null && route?.open !== true) {
      return toResult(
        problem(401, 'identity_required', 'a request signed with AWS Signature Version 4', 'no identity'),
      );
    }
    if (candidates.length === 0) return toResult(problem(404, 'not_found', [...byPath.keys()], event.rawPath));
    if (route === undefined) {
      const allowed = candidates.map((candidate) => candidate.method);
      return toResult(problem(405, 'method_not_allowed', allowed, method), { allow: allowed.join(', ') });
    }
    const parameters = Object.fromEntries(
      Object.entries(event.queryStringParameters ?? {}).map(([name, value]) => [name, value ?? '']),
    );
    const query = route.query.strict().safeParse(parameters);
    if (!query.success) return toResult(queryProblem(route.query, query.error, parameters));
    try {
      return toResult(await route.answer({ query: query.data, identity }));
    } catch (error) {
      telemetry.error('request failed', { method, path: event.rawPath, error });
      return toResult(
        problem(500, 'internal_error', 'an answer; the log of this request says more', context.awsRequestId),
      );
    }
  };
  return withPreset(telemetry, answer);
};
