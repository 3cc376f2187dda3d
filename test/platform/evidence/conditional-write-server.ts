import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the next put fails: `contended` is refused as a concurrent write, `answer_lost` happens and is not answered. */
export type PutFault = 'contended' | 'answer_lost';

export interface ConditionalWriteServer {
  readonly url: string;
  readonly objects: Map<string, Buffer>;
  /** Headers of every put, as they came. */
  readonly puts: IncomingMessage['headers'][];
  failNextPuts(count: number, fault: PutFault): void;
  stop(): Promise<void>;
}

const pageSize = 2;

const xmlError = (code: string): string =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`;

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** Speaks what the store needs of the S3 protocol: conditional puts with a checksum, gets, and lists in pages. */
export const conditionalWriteServer = async (bucket: string): Promise<ConditionalWriteServer> => {
  const objects = new Map<string, Buffer>();
  const puts: IncomingMessage['headers'][] = [];
  const faults: PutFault[] = [];

  const answer = (response: ServerResponse, status: number, body: string | Buffer = ''): void => {
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), 'content-type': 'application/xml' });
    response.end(body);
  };

  const put = (request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): void => {
    puts.push(request.headers);
    const fault = faults.shift();
    if (fault === 'contended') {
      answer(response, 409, xmlError('ConditionalRequestConflict'));
      return;
    }
    if (request.headers['x-amz-checksum-sha256'] !== createHash('sha256').update(body).digest('base64')) {
      answer(response, 400, xmlError('BadDigest'));
      return;
    }
    if (request.headers['if-none-match'] === '*' && objects.has(key)) {
      answer(response, 412, xmlError('PreconditionFailed'));
      return;
    }
    objects.set(key, body);
    if (fault === 'answer_lost') response.destroy();
    else answer(response, 200);
  };

  const list = (response: ServerResponse, query: URLSearchParams): void => {
    const prefix = query.get('prefix') ?? '';
    const from = Number(query.get('continuation-token') ?? '0');
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const page = keys.slice(from, from + pageSize);
    const next =
      from + pageSize < keys.length ? `<NextContinuationToken>${from + pageSize}</NextContinuationToken>` : '';
    answer(
      response,
      200,
      `<?xml version="1.0"?><ListBucketResult><IsTruncated>${next !== ''}</IsTruncated>${next}${page
        .map((key) => `<Contents><Key>${key}</Key></Contents>`)
        .join('')}</ListBucketResult>`,
    );
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const body = await bodyOf(request);
    const [, name, ...parts] = pathname.split('/');
    const key = parts.join('/');
    if (name !== bucket) answer(response, 404, xmlError('NoSuchBucket'));
    else if (request.method === 'PUT') put(request, response, key, body);
    else if (searchParams.get('list-type') === '2') list(response, searchParams);
    else {
      const object = objects.get(key);
      if (object === undefined) answer(response, 404, xmlError('NoSuchKey'));
      else answer(response, 200, object);
    }
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      // The caller went away while it was sending; there is nobody to answer.
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    puts,
    failNextPuts: (count, fault) => faults.push(...Array<PutFault>(count).fill(fault)),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};
