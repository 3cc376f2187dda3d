import middy, { type MiddlewareObj } from '@middy/core';
import type { Context } from 'aws-lambda';
import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';

/** A function as Lambda calls it. */
export type LambdaFunction<Event, Result> = (event: Event, context: Context) => Promise<Result>;

/** Log context at the start, metrics at the end whatever happened, an unexpected error logged exactly once. */
const instrumented = (telemetry: InvocationTelemetry): MiddlewareObj => ({
  before: ({ context }) => {
    telemetry.begin(context);
  },
  after: () => {
    telemetry.flush();
  },
  onError: ({ error }) => {
    telemetry.error('invocation failed', { error });
    telemetry.flush();
  },
});

/**
 * The preset around every handler. An error that is not handled inside reaches Lambda, so that its retry and
 * dead-letter rules apply.
 */
export const withPreset = <Event, Result>(
  telemetry: InvocationTelemetry,
  run: LambdaFunction<Event, Result>,
): LambdaFunction<Event, Result> => {
  // No early time-out: it would answer while a broker call is still running and hide that its outcome is unknown.
  const wrapped = middy<Event, Result>({ timeoutEarlyInMillis: 0 })
    .use(instrumented(telemetry))
    .handler((event: Event, context: Context) => run(event, context));
  return (event, context) => wrapped(event, context);
};

/**
 * A handler that is wired on its first invocation and kept for the life of the container. A failed wiring is not kept:
 * the next invocation tries again.
 */
export const wiredOnFirstUse = <Event, Result>(
  wire: () => LambdaFunction<Event, Result> | Promise<LambdaFunction<Event, Result>>,
): LambdaFunction<Event, Result> => {
  let wired: Promise<LambdaFunction<Event, Result>> | null = null;
  return async (event, context) => {
    wired ??= Promise.resolve().then(wire);
    const attempt = wired;
    const run = await attempt.catch((error: unknown) => {
      // A concurrent invocation may have started a new attempt already.
      if (wired === attempt) wired = null;
      throw error;
    });
    return run(event, context);
  };
};
