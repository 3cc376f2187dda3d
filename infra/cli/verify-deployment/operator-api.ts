import type { Clock } from '@torghut/domain';
import type * as z from 'zod';
import { type ApiAnswer, apiExchange, parseAnswer, unexpectedStatus } from '../operator/exchange.ts';
import type { AwsClients } from './aws.ts';
import { Unanswered } from './check.ts';

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

export interface OperatorApiOptions {
  /** Origin of the API, as the stack's output names it. */
  readonly url: string;
  readonly region: string;
  readonly credentials: AwsClients['credentials'];
  readonly clock: Clock;
}

export const operatorApi = ({ url, region, credentials, clock }: OperatorApiOptions): OperatorApi => {
  const exchange = apiExchange({ url, signer: { region, credentials }, clock });

  const asked = new Map<string, Promise<ApiAnswer>>();
  const text: OperatorApi['text'] = async (path, { query = {}, statuses = [200] } = {}) => {
    const key = JSON.stringify([path, query]);
    const asking = asked.get(key) ?? exchange({ method: 'GET', path, query });
    asked.set(key, asking);
    const answer = await asking;
    if (!statuses.includes(answer.status)) throw unexpectedStatus({ method: 'GET', path }, statuses, answer);
    return answer;
  };

  return {
    text,
    json: async (path, body, options) => {
      const answer = await text(path, options);
      const value = parseAnswer({ method: 'GET', path }, answer);
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
