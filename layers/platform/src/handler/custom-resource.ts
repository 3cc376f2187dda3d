import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { redactingReplacer } from '../telemetry/redact.ts';
import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';
import { type LambdaFunction, withPreset } from './preset.ts';
import { problemsOf } from './problem.ts';
import { InvalidEventError } from './scheduled.ts';

/** What a custom resource stands for. It is never replaced, and outlives the stack: deleting it does nothing. */
export interface CustomResource {
  /** Its physical id, for ever the same. */
  readonly id: string;
  /**
   * Brings it to what this release says, whether it is created or updated; repeating it does no harm. Resolves with a line
   * for people. Its error's message becomes the reason the deployment gives. Once `signal` is aborted it has a second
   * to fail and so to say what it was at; after that nobody waits.
   */
  readonly apply: (signal: AbortSignal) => Promise<string>;
}

const eventSchema = z.object({
  RequestType: z.enum(['Create', 'Update', 'Delete']),
  ResponseURL: z.url({ protocol: /^https?$/ }),
  StackId: z.string().min(1),
  RequestId: z.string().min(1),
  LogicalResourceId: z.string().min(1),
  PhysicalResourceId: z.string().min(1).optional(),
});

/** As much of an event as an answer needs. */
const addressSchema = z.object({
  ResponseURL: eventSchema.shape.ResponseURL,
  StackId: z.string().catch(''),
  RequestId: z.string().catch(''),
  LogicalResourceId: z.string().catch(''),
  PhysicalResourceId: z.string().optional().catch(undefined),
});
type Address = z.output<typeof addressSchema>;

interface Outcome {
  readonly status: 'SUCCESS' | 'FAILED';
  readonly reason: string;
}

/** An answer takes at most two attempts of this length, and some time to get going. */
const attemptTimeoutMs = 4_000;
const answerMarginMs = 2 * attemptTimeoutMs + 2_000;

/** Part of the margin: how long work that was told to stop may take to say where it stood. */
const lastWordsMs = 1_000;

/** CloudFormation takes 4 KB for the whole answer. */
const longestReasonBytes = 1_024;

/**
 * Handler of a Lambda-backed custom resource of CloudFormation, which waits for one answer at a presigned URL. It gets
 * exactly one: for a wrong event, for every error of `apply`, and shortly before the function's own timeout.
 * @throws InvalidEventError when the event names no place to answer at; Error when the answer does not arrive
 */
export const customResourceHandler = (
  telemetry: InvocationTelemetry,
  resource: CustomResource,
): LambdaFunction<unknown, void> =>
  withPreset(telemetry, async (event, context) => {
    const address = addressSchema.safeParse(event);
    if (!address.success) {
      throw new InvalidEventError('expected the event of a custom resource with a ResponseURL, found none');
    }
    const outcome = await decide(event, context, resource);
    if (outcome.status === 'FAILED') telemetry.error('custom resource failed', { reason: outcome.reason });
    else telemetry.info('custom resource applied', { outcome: outcome.reason });
    await answer(address.data, outcome, resource.id);
  });

const decide = async (event: unknown, context: Context, { apply }: CustomResource): Promise<Outcome> => {
  const parsed = eventSchema.safeParse(event);
  if (!parsed.success) {
    const problems = problemsOf(parsed.error, event).map(({ at, expected }) => `${at}: ${expected}`);
    return failed(`invalid event of a custom resource: ${problems.join('; ')}`);
  }
  if (parsed.data.RequestType === 'Delete') {
    return { status: 'SUCCESS', reason: 'nothing to delete: what this resource stands for is kept' };
  }
  const stop = new AbortController();
  const work = Promise.resolve()
    .then(() => apply(stop.signal))
    .then(
      (line): Outcome => ({ status: 'SUCCESS', reason: shortened(line) }),
      (error: unknown) => failed(error instanceof Error ? error.message : String(error)),
    );
  const limitMs = Math.max(0, context.getRemainingTimeInMillis() - answerMarginMs);
  const inTime = await within(work, limitMs);
  if (inTime !== null) return inTime;
  stop.abort();
  const late = await within(work, lastWordsMs);
  const end = `not finished within the ${Math.round(limitMs / 1_000)} s it may take`;
  return failed(late?.status === 'FAILED' ? `${end}: ${late.reason}` : end);
};

/** @returns null when it takes longer */
const within = async <T>(work: Promise<T>, limitMs: number): Promise<T | null> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, limitMs, null);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
};

const failed = (reason: string): Outcome => ({ status: 'FAILED', reason: shortened(reason) });

/** One line without credentials, at most `longestReasonBytes` long in UTF-8. */
const shortened = (text: string): string => {
  const line = String(redactingReplacer('', text)).replace(/\s+/g, ' ').trim();
  const bytes = Buffer.from(line);
  if (bytes.length <= longestReasonBytes) return line;
  // A character cut in half becomes the replacement character, three bytes long.
  return `${bytes
    .subarray(0, longestReasonBytes - 8)
    .toString()
    .replace(/\uFFFD$/, '')} …`;
};

const answer = async (address: Address, { status, reason }: Outcome, id: string): Promise<void> => {
  const body = JSON.stringify({
    Status: status,
    Reason: reason === '' ? 'no reason was given' : reason,
    PhysicalResourceId: address.PhysicalResourceId ?? id,
    StackId: address.StackId,
    RequestId: address.RequestId,
    LogicalResourceId: address.LogicalResourceId,
  });
  const first = await put(address.ResponseURL, body);
  if (first === null) return;
  const second = await put(address.ResponseURL, body);
  // The address is a permit to answer: it is in no message.
  if (second !== null)
    throw new Error(`CloudFormation was not answered (${first}, then ${second}): ${status} ${reason}`);
};

/** @returns null when it arrived, else what happened */
const put = async (url: string, body: string): Promise<string | null> => {
  try {
    // Loaded here: only this one function answers CloudFormation.
    // A CommonJS module that is bundled apart has a default export only.
    const { default: undici } = await import('undici');
    const { statusCode, body: rest } = await undici.request(url, {
      method: 'PUT',
      // Part of what was signed.
      headers: { 'content-type': '' },
      body,
      signal: AbortSignal.timeout(attemptTimeoutMs),
    });
    await rest.dump();
    return statusCode >= 200 && statusCode < 300 ? null : `HTTP ${statusCode}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
  }
};
