import { lookup } from 'node:dns';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '@torghut/domain';
import type * as z from 'zod';
import { type AwsClients, describeFailure } from './aws.ts';
import { Unanswered } from './check.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * The deployed operator API, asked as the identity of the AWS credentials. Each question is asked once, so that checks
 * which look at the same answer agree.
 */
export interface OperatorApi {
  /** @throws Unanswered when there is no answer, or one whose status is not among `statuses` (200 by default). */
  text(path: string, options?: RequestOptions): Promise<ApiAnswer>;
  /** @throws Unanswered as `text`, and when the answer is not what the schema says. */
  json<Body>(path: string, body: z.ZodType<Body>, options?: RequestOptions): Promise<Body>;
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  readonly statuses?: readonly number[];
}

const timeoutMs = 15_000;
const largestAnswerBytes = 16 * 1024 * 1024;

/** Names under localhost lead to this machine by definition, and not every resolver knows. */
const resolve: LookupFunction = (hostname, options, callback) => {
  const name = hostname.endsWith('.localhost') ? '127.0.0.1' : hostname;
  lookup(name, options, callback);
};

const exchange = (url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ApiAnswer> =>
  new Promise((settle, reject) => {
    const send = url.protocol === 'https:' ? secureRequest : plainRequest;
    send(url, { method: 'GET', headers, lookup: resolve, signal }, (response) => {
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
      .end();
  });

/** What to do about an answer that is none. */
const advice: Readonly<Record<number, string>> = {
  401: 'sign in to AWS again',
  403: 'let the identity that runs this call execute-api:Invoke on the operator API',
  404: 'the deployed code does not know this path; deploy this release',
  500: 'read the log of the operator-api function',
  502: 'read the log of the operator-api function',
  503: 'read the log of the operator-api function',
};

const excerpt = (text: string): string => text.replaceAll(/\s+/g, ' ').slice(0, 200);

export interface OperatorApiOptions {
  /** Origin of the API, as the stack's output names it. */
  readonly url: string;
  readonly region: string;
  readonly credentials: AwsClients['credentials'];
  readonly clock: Clock;
}

export const operatorApi = ({ url, region, credentials, clock }: OperatorApiOptions): OperatorApi => {
  const signer = new SignatureV4({ service: 'execute-api', region, credentials, sha256: Sha256 });

  const signedHeaders = async (target: URL): Promise<Readonly<Record<string, string>>> => {
    const { headers } = await signer.sign({
      method: 'GET',
      protocol: target.protocol,
      hostname: target.hostname,
      ...(target.port === '' ? {} : { port: Number(target.port) }),
      path: target.pathname,
      query: Object.fromEntries(target.searchParams),
      headers: { host: target.host },
    });
    return headers;
  };

  const request = async (target: URL): Promise<ApiAnswer> => {
    try {
      return await exchange(target, await signedHeaders(target), clock.deadline(timeoutMs));
    } catch (error) {
      throw new Unanswered(`GET ${target.pathname}: ${describeFailure(error)}`, { cause: error });
    }
  };

  const asked = new Map<string, Promise<ApiAnswer>>();
  const text: OperatorApi['text'] = async (path, { query = {}, statuses = [200] } = {}) => {
    const target = new URL(path, url);
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
    const asking = asked.get(target.href) ?? request(target);
    asked.set(target.href, asking);
    const answer = await asking;
    if (!statuses.includes(answer.status)) {
      const hint = advice[answer.status];
      throw new Unanswered(
        `GET ${path}: expected status ${statuses.join(' or ')}, found ${answer.status} ${excerpt(answer.text)}` +
          (hint === undefined ? '' : `; ${hint}`),
      );
    }
    return answer;
  };

  return {
    text,
    json: async (path, body, options) => {
      const answer = await text(path, options);
      let value: unknown;
      try {
        value = JSON.parse(answer.text);
      } catch (error) {
        throw new Unanswered(`GET ${path}: expected JSON, found ${excerpt(answer.text)}`, { cause: error });
      }
      const parsed = body.safeParse(value);
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw new Unanswered(
        `GET ${path}: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}; deploy this release, or verify with the release that is deployed`,
      );
    },
  };
};

/** Stands for an API that nobody knows the address of. */
export const missingApi = (reason: string): OperatorApi => ({
  text: () => Promise.reject(new Unanswered(reason)),
  json: () => Promise.reject(new Unanswered(reason)),
});
