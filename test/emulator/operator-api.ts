import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsEndpoint } from './aws.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

/** The deployed operator API. Paths start with a slash and may carry a query. */
export interface OperatorApi {
  readonly url: string;
  /** As the caller of the endpoint, signed with Signature Version 4. */
  get(path: string): Promise<ApiAnswer>;
  /** As anybody. */
  getUnsigned(path: string): Promise<ApiAnswer>;
}

const timeoutMs = 15_000;

const fetchFrom = (url: URL, headers: Readonly<Record<string, string>>): Promise<ApiAnswer> =>
  new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? secureRequest : plainRequest)(
      url,
      {
        headers,
        signal: AbortSignal.timeout(timeoutMs),
        // The emulator's own names are of this machine (RFC 6761), which not every resolver knows.
        ...(url.hostname.endsWith('.localhost')
          ? {
              lookup: (_name, { all }, found) => {
                if (all === true) found(null, [{ address: '127.0.0.1', family: 4 }]);
                else found(null, '127.0.0.1', 4);
              },
            }
          : {}),
      },
      (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (part: string) => (text += part))
          .on('error', reject)
          .on('end', () => {
            resolve({ status: response.statusCode ?? 0, text });
          });
      },
    );
    request.on('error', reject).end();
  });

/** @param url of the API as its stack gives it out */
export const operatorApi = (endpoint: AwsEndpoint, url: string): OperatorApi => {
  const signer = new SignatureV4({
    service: 'execute-api',
    region: endpoint.region,
    credentials: endpoint.credentials,
    sha256: Sha256,
  });
  return {
    url,
    get: async (path) => {
      const target = new URL(path, url);
      const { headers } = await signer.sign({
        method: 'GET',
        protocol: target.protocol,
        hostname: target.hostname,
        path: target.pathname,
        query: Object.fromEntries(target.searchParams),
        headers: { host: target.host },
      });
      return fetchFrom(target, headers);
    },
    getUnsigned: (path) => fetchFrom(new URL(path, url), {}),
  };
};
