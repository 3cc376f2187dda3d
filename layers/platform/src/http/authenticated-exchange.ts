import { withRenewal, type Credentials } from '../aws/credentials.ts';
import { SecretUnavailable } from '../aws/secrets-reader.ts';
import type { HttpExchange } from './exchange.ts';

export interface Authenticated<T> {
  readonly credentials: Credentials<T>;
  /** Makes one exchange. */
  readonly send: (credentials: T) => Promise<HttpExchange>;
  /** Whether an answer says that the server did nothing because it did not know the caller. */
  readonly isRefused: (answer: HttpExchange & { readonly kind: 'answer' }) => boolean;
}

/** One exchange, and exactly one more with renewed credentials when the first was refused for them. Reads only. */
export const authenticatedRead = <T>({ credentials, send, isRefused }: Authenticated<T>): Promise<HttpExchange> =>
  unlessUnavailable(() => withRenewal(credentials, send, (http) => http.kind === 'answer' && isRefused(http)));

/**
 * Exactly one exchange. When it was refused for its credentials, whoever comes next reads them anew: the refusal is certain,
 * and a caller that is cut off while it waits for a secret would not know that.
 */
export const authenticatedWrite = <T>({ credentials, send, isRefused }: Authenticated<T>): Promise<HttpExchange> =>
  unlessUnavailable(async () => {
    const used = await credentials.get();
    const http = await send(used);
    if (http.kind === 'answer' && isRefused(http)) credentials.doubt(used);
    return http;
  });

/** Without credentials nothing is sent, which is an outcome that callers know what to do with. */
const unlessUnavailable = async (exchange: () => Promise<HttpExchange>): Promise<HttpExchange> => {
  try {
    return await exchange();
  } catch (error) {
    if (!(error instanceof SecretUnavailable)) throw error;
    return { kind: 'not_sent', failure: 'network_error', detail: error.message, durationMs: 0 };
  }
};
