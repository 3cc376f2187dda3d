import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Answer {
  readonly method: string;
  readonly contentType: string | undefined;
  readonly bytes: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Where CloudFormation waits for the answer of a custom resource: an HTTP server that records every request. */
export interface ResponseUrl {
  readonly url: string;
  readonly answers: Answer[];
  /** Status codes of the next requests; 200 after that. `null` breaks the connection. */
  readonly failures: (number | null)[];
  close(): Promise<void>;
}

export const startResponseUrl = async (): Promise<ResponseUrl> => {
  const answers: Answer[] = [];
  const failures: (number | null)[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      answers.push({
        method: request.method ?? '',
        contentType: request.headers['content-type'],
        bytes: Buffer.byteLength(text),
        body: JSON.parse(text) as Answer['body'],
      });
      const failure = failures.shift();
      if (failure === null) response.destroy();
      else response.writeHead(failure ?? 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/answer?X-Amz-Signature=permit`,
    answers,
    failures,
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections();
        server.close((error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
      }),
  };
};
