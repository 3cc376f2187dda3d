import { createMemoryTelemetry, type CustomResource, customResourceHandler } from '@torghut/platform';
import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { type ResponseUrl, startResponseUrl } from '../../support/response-url.ts';

let waiting: ResponseUrl;
beforeEach(async () => {
  waiting = await startResponseUrl();
});
afterEach(() => waiting.close());

const event = (change: Readonly<Record<string, unknown>> = {}): unknown => ({
  RequestType: 'Update',
  ResponseURL: waiting.url,
  StackId: 'arn:aws:cloudformation:us-east-1:123456789012:stack/torghut/1',
  RequestId: 'request-1',
  LogicalResourceId: 'Ledger',
  PhysicalResourceId: 'ledger',
  ResourceType: 'Custom::Ledger',
  ...change,
});

const invoke = async (
  apply: CustomResource['apply'],
  change: Readonly<Record<string, unknown>> = {},
  remainingMs = 300_000,
): Promise<ReturnType<typeof createMemoryTelemetry>> => {
  const telemetry = createMemoryTelemetry();
  const context = { getRemainingTimeInMillis: () => remainingMs } as Context;
  await customResourceHandler(telemetry, { id: 'ledger', apply })(event(change), context);
  return telemetry;
};

const done = (): Promise<string> => Promise.resolve('schema version 0012');

describe('a custom resource', () => {
  it.each(['Create', 'Update'])('answers %s once: a PUT without content type that names the request', async (type) => {
    await invoke(done, { RequestType: type, ...(type === 'Create' ? { PhysicalResourceId: undefined } : {}) });
    expect(waiting.answers).toEqual([
      {
        method: 'PUT',
        contentType: '',
        bytes: expect.any(Number) as number,
        body: {
          Status: 'SUCCESS',
          Reason: 'schema version 0012',
          PhysicalResourceId: 'ledger',
          StackId: 'arn:aws:cloudformation:us-east-1:123456789012:stack/torghut/1',
          RequestId: 'request-1',
          LogicalResourceId: 'Ledger',
        },
      },
    ]);
  });

  it('is deleted without doing anything', async () => {
    const apply = vi.fn(done);
    await invoke(apply, { RequestType: 'Delete' });
    expect(apply).not.toHaveBeenCalled();
    expect(waiting.answers.map(({ body }) => [body['Status'], body['PhysicalResourceId']])).toEqual([
      ['SUCCESS', 'ledger'],
    ]);
  });

  const failures: readonly (readonly [string, CustomResource['apply'], RegExp])[] = [
    ['a rejected promise', () => Promise.reject(new Error('statement 3 failed')), /^statement 3 failed$/],
    [
      'an error thrown before there was a promise',
      () => {
        throw new Error('TRADING_MODE: expected paper or live');
      },
      /^TRADING_MODE: expected paper or live$/,
    ],
    ['a message of several lines', () => Promise.reject(new Error('first\n  second')), /^first second$/],
    [
      'a message with credentials in a URL',
      () => Promise.reject(new Error('no answer from postgres://owner:canary@db/ledger')),
      /^no answer from postgres:\/\/\[redacted\]@db\/ledger$/,
    ],
  ];
  it.each(failures)('fails with the reason of %s, and logs it', async (_, apply, reason) => {
    const telemetry = await invoke(apply);
    expect(waiting.answers.map(({ body }) => body)).toEqual([
      expect.objectContaining({ Status: 'FAILED', Reason: expect.stringMatching(reason) as string }),
    ]);
    expect(telemetry.logs()).toEqual([
      expect.objectContaining({ level: 'error', fields: { reason: expect.stringMatching(reason) as string } }),
    ]);
  });

  it('keeps a reason within 1 KB, whole characters only', async () => {
    await invoke(() => Promise.reject(new Error('€'.repeat(2_000))));
    const reason = String(waiting.answers[0]?.body['Reason']);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(1_024);
    expect(reason).toMatch(/^€{300,} …$/);
    expect(waiting.answers[0]?.bytes).toBeLessThan(4_096);
  });

  it.each([
    ['another kind of request', { RequestType: 'Replace' }, /RequestType/],
    ['no request id', { RequestId: undefined }, /RequestId/],
  ])('answers an event that is wrong: %s', async (_, change, reason) => {
    const apply = vi.fn(done);
    await invoke(apply, change);
    expect(apply).not.toHaveBeenCalled();
    expect(waiting.answers.map(({ body }) => body)).toEqual([
      expect.objectContaining({ Status: 'FAILED', Reason: expect.stringMatching(reason) as string }),
    ]);
  });

  it.each([
    ['is missing', undefined],
    ['is no URL', 'nowhere'],
    ['leads to a file', 'file:///etc/passwd'],
  ])('cannot answer when the address %s, and says so to the runtime', async (_, ResponseURL) => {
    await expect(invoke(done, { ResponseURL })).rejects.toThrow('expected the event of a custom resource');
    expect(waiting.answers).toEqual([]);
  });

  it('answers before its own time is over, tells the work to stop, and does not answer again when that ends', async () => {
    let stopped: () => void = () => undefined;
    const ended = new Promise<string>((resolve) => {
      stopped = () => {
        resolve('too late');
      };
    });
    await invoke(
      (signal) => {
        signal.addEventListener('abort', stopped);
        return ended;
      },
      {},
      10_020,
    );
    await expect(ended).resolves.toBe('too late');
    expect(waiting.answers.map(({ body }) => [body['Status'], body['Reason']])).toEqual([
      ['FAILED', 'not finished within the 0 s it may take'],
    ]);
  });

  it('says what the work was at when its time was over, but does not wait for it long', async () => {
    const endless = (signal: AbortSignal) =>
      new Promise<string>((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(new Error('0016_endless.sql, line 2'));
        });
      });
    await invoke(endless, {}, 10_020);
    await invoke(() => new Promise<string>(() => undefined), {}, 10_020);
    expect(waiting.answers.map(({ body }) => [body['Status'], body['Reason']])).toEqual([
      ['FAILED', 'not finished within the 0 s it may take: 0016_endless.sql, line 2'],
      ['FAILED', 'not finished within the 0 s it may take'],
    ]);
  });

  it.each([503, null])('repeats an answer that did not arrive (%s) once', async (failure) => {
    waiting.failures.push(failure);
    await invoke(done);
    expect(waiting.answers).toHaveLength(2);
    expect(waiting.answers[0]?.body).toEqual(waiting.answers[1]?.body);
  });

  it('lets the runtime know when neither answer arrived, without the presigned address', async () => {
    waiting.failures.push(503, 403, 503);
    const error = await invoke(done).then(
      () => null,
      (thrown: unknown) => String(thrown),
    );
    expect(error).toMatch(/CloudFormation was not answered \(HTTP 503, then HTTP 403\): SUCCESS schema version 0012/);
    expect(error).not.toContain('permit');
    expect(waiting.answers).toHaveLength(2);
  });
});
