import { lookup } from 'node:dns';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '@torghut/domain';
import { type AwsClients, describeFailure } from '../verify-deployment/aws.ts';
import { Unanswered } from '../verify-deployment/check.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * One request to the operator API, sent once: whether a change was made must not depend on how often it was sent.
 * @throws Unanswered when no answer came
 */
export type ApiExchange = (request: ApiRequest) => Promise<ApiAnswer>;

export interface ApiPlace {
  /** Origin of the API. */
  readonly url: string;
  /** Who signs; null where the API is on this machine and asks for no signature. */
  readonly signer: { readonly region: string; readonly credentials: AwsClients['credentials'] } | null;
  readonly clock: Clock;
}

const timeoutMs = 15_000;
const largestAnswerBytes = 16 * 1024 * 1024;

/** Names under localhost lead to this machine by definition, and not every resolver knows. */
const resolve: LookupFunction = (hostname, options, callback) => {
  const name = hostname.endsWith('.localhost') ? '127.0.0.1' : hostname;
  lookup(name, options, callback);
};

const exchange = (
  url: URL,
  method: ApiRequest['method'],
  headers: Readonly<Record<string, string>>,
  body: string | null,
  signal: AbortSignal,
): Promise<ApiAnswer> =>
  new Promise((settle, reject) => {
    const send = url.protocol === 'https:' ? secureRequest : plainRequest;
    send(url, { method, headers, lookup: resolve, signal }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > largestAnswerBytes) response.destroy(new Error(`more than ${largestAnswerBytes} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        settle({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
    })
      .on('error', reject)
      .end(body ?? undefined);
  });

export const apiExchange = ({ url, signer, clock }: ApiPlace): ApiExchange => {
  const signature = signer === null ? null : new SignatureV4({ service: 'execute-api', ...signer, sha256: Sha256 });

  return async ({ method, path, query = {}, body }) => {
    const target = new URL(path, url);
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
    const text = body === undefined ? null : JSON.stringify(body);
    const headers = { host: target.host, ...(text === null ? {} : { 'content-type': 'application/json' }) };
    try {
      const signed = await signature?.sign({
        method,
        protocol: target.protocol,
        hostname: target.hostname,
        ...(target.port === '' ? {} : { port: Number(target.port) }),
        path: target.pathname,
        query: Object.fromEntries(target.searchParams),
        headers,
        ...(text === null ? {} : { body: text }),
      });
      return await exchange(target, method, signed?.headers ?? headers, text, clock.deadline(timeoutMs));
    } catch (error) {
      const refused = signer === null && (error as { readonly code?: unknown }).code === 'ECONNREFUSED';
      throw new Unanswered(
        `${method} ${target.pathname}: ${refused ? `nothing answers at ${target.origin}; is npm start running there?` : describeFailure(error)}`,
        { cause: error },
      );
    }
  };
};

/** What to do about an answer that is none. */
const advice: Readonly<Record<number, string>> = {
  401: 'sign in to AWS again',
  403: 'let the identity that runs this call execute-api:Invoke on the operator API',
  404: 'the deployed code does not know this path; deploy this release',
  500: 'read the log of the operator-api function',
  502: 'read the log of the operator-api function',
  503: 'read the log of the operator-api function',
};

export const excerpt = (text: string): string => text.replaceAll(/\s+/g, ' ').slice(0, 200);

/** One line for an answer whose status is not among those that say something. */
export const unexpectedStatus = (
  { method, path }: Pick<ApiRequest, 'method' | 'path'>,
  statuses: readonly number[],
  { status, text }: ApiAnswer,
): Unanswered => {
  const hint = advice[status];
  return new Unanswered(
    `${method} ${path}: expected status ${statuses.join(' or ')}, found ${status} ${excerpt(text)}` +
      (hint === undefined ? '' : `; ${hint}`),
  );
};

/** @throws Unanswered when the text is not JSON */
export const parseAnswer = ({ method, path }: Pick<ApiRequest, 'method' | 'path'>, { text }: ApiAnswer): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Unanswered(`${method} ${path}: expected JSON, found ${excerpt(text)}`, { cause: error });
  }
};
