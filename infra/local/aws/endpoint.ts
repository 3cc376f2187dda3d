import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '@torghut/domain';
import { type EventLog, eventOperations } from './events.ts';
import { InvalidInput, type Operation } from './operation.ts';
import type { QueueEngine } from './queue-engine.ts';
import { SecretNotFound, secretsOperations, type SecretStore } from './secrets.ts';
import { SqsError } from './sqs-error.ts';
import { queueUrlOf, sqsOperations } from './sqs-api.ts';

/**
 * How an operation fails:
 * - `throttled`: refused, 400.
 * - `unavailable`: refused, 503.
 * - `connection_lost`: the connection breaks before anything happened.
 * - `answer_lost`: it happened, and the connection breaks before the answer.
 * - `first_entry_failed`: the first entry of a batch fails on the service's side, the others happen.
 */
export type AwsFault = 'throttled' | 'unavailable' | 'connection_lost' | 'answer_lost' | 'first_entry_failed';

export interface AwsEndpoint {
  /** Origin to give to SDK clients as `endpoint`. */
  readonly url: string;
  queueUrl(queue: string): string;
  secretArn(name: string): string;
  /** Makes the next `count` calls of an operation, such as `SendMessageBatch`, fail. */
  failNext(operation: string, count: number, fault: AwsFault): void;
  stop(): Promise<void>;
}

export const localRegion = 'us-east-1';
export const localAccountId = '000000000000';

/** Prefix of `X-Amz-Target` to the content type of the service's answers. */
const services = {
  AmazonSQS: { contentType: 'application/x-amz-json-1.0' },
  secretsmanager: { contentType: 'application/x-amz-json-1.1' },
  AWSEvents: { contentType: 'application/x-amz-json-1.1' },
} as const;

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const refusal = (
  status: number,
  type: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer => ({
  status,
  headers: { 'x-amzn-errortype': type, ...headers },
  body: { __type: type, message },
});

const refusalOf = (error: unknown): Answer => {
  if (error instanceof SqsError) {
    return refusal(400, `com.amazonaws.sqs#${error.code}`, error.message, {
      'x-amzn-query-error': `${error.queryCode};Sender`,
    });
  }
  if (error instanceof SecretNotFound) return refusal(400, 'ResourceNotFoundException', error.message);
  if (error instanceof InvalidInput) return refusal(400, 'ValidationException', error.message);
  return refusal(500, 'InternalFailure', error instanceof Error ? error.message : String(error));
};

/**
 * Serves SQS, Secrets Manager and EventBridge on a loopback port in the AWS JSON protocols, so that the code under
 * deployment runs here with the real SDK clients. Signatures are not checked.
 */
export const startAwsEndpoint = async (
  parts: {
    readonly engine: QueueEngine;
    readonly secrets: SecretStore;
    readonly events: EventLog;
    readonly clock: Clock;
  },
  options: { readonly port?: number } = {},
): Promise<AwsEndpoint> => {
  let origin = '';
  const address = () => ({ origin, region: localRegion, accountId: localAccountId });
  const secretArn = (name: string) => `arn:aws:secretsmanager:${localRegion}:${localAccountId}:secret:${name}`;
  const operations: Record<keyof typeof services, Record<string, Operation>> = {
    AmazonSQS: sqsOperations(parts.engine, address),
    secretsmanager: secretsOperations(parts.secrets, secretArn),
    AWSEvents: eventOperations(parts.events, parts.clock),
  };
  const faults = new Map<string, AwsFault[]>();

  const answerTo = (operation: Operation, body: string): Answer => {
    try {
      return { status: 200, body: operation(body === '' ? {} : JSON.parse(body)) };
    } catch (error) {
      return refusalOf(error);
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = String(request.headers['x-amz-target']);
    const [prefix = '', name = ''] = target.split('.');
    const body = await textOf(request);
    const service = Object.hasOwn(services, prefix) ? (prefix as keyof typeof services) : null;
    const operation = service === null ? undefined : operations[service][name];
    if (service === null || operation === undefined) {
      send(
        response,
        'application/x-amz-json-1.1',
        refusal(400, 'UnknownOperationException', `no operation "${target}" on this machine`),
      );
      return;
    }
    const { contentType } = services[service];
    const fault = faults.get(name)?.shift();
    switch (fault) {
      case undefined:
        send(response, contentType, answerTo(operation, body));
        return;
      case 'throttled':
        send(response, contentType, refusal(400, 'ThrottlingException', 'Rate exceeded'));
        return;
      case 'unavailable':
        send(response, contentType, refusal(503, 'ServiceUnavailable', 'Service is unavailable'));
        return;
      case 'connection_lost':
        response.destroy();
        return;
      case 'answer_lost':
        answerTo(operation, body);
        response.destroy();
        return;
      case 'first_entry_failed':
        send(response, contentType, withoutFirstEntry(operation, body, answerTo));
    }
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      // The caller went away while it was sending; there is nobody to answer.
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: origin,
    queueUrl: (queue) => queueUrlOf(address(), queue),
    secretArn,
    failNext: (operation, count, fault) => {
      faults.set(operation, [...(faults.get(operation) ?? []), ...Array<AwsFault>(count).fill(fault)]);
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};

/** The batch without its first entry, which is reported as failed by the service. */
const withoutFirstEntry = (
  operation: Operation,
  body: string,
  answerTo: (operation: Operation, body: string) => Answer,
): Answer => {
  const input = JSON.parse(body) as { Entries: { Id?: string }[] };
  const [first, ...rest] = input.Entries;
  const answered = rest.length === 0 ? null : answerTo(operation, JSON.stringify({ ...input, Entries: rest }));
  if (answered !== null && answered.status !== 200) return answered;
  const result = (answered?.body ?? {}) as {
    Successful?: unknown[];
    Failed?: unknown[];
    Entries?: unknown[];
    FailedEntryCount?: number;
  };
  if (first?.Id === undefined) {
    const failure = { ErrorCode: 'InternalFailure', ErrorMessage: 'Internal error' };
    return {
      status: 200,
      body: { FailedEntryCount: (result.FailedEntryCount ?? 0) + 1, Entries: [failure, ...(result.Entries ?? [])] },
    };
  }
  const failure = { Id: first.Id, SenderFault: false, Code: 'InternalError', Message: 'Internal error' };
  return { status: 200, body: { Successful: result.Successful ?? [], Failed: [failure, ...(result.Failed ?? [])] } };
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

const send = (response: ServerResponse, contentType: string, answer: Answer): void => {
  const payload = JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(payload),
    ...answer.headers,
  });
  response.end(payload);
};
