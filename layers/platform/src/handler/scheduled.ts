import type { Context } from 'aws-lambda';
import type * as z from 'zod';
import type { InvocationTelemetry } from '../telemetry/invocation-telemetry.ts';
import { type LambdaFunction, withPreset } from './preset.ts';
import { problemsOf } from './problem.ts';

/** A schedule sent something that is not its input. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError';
}

/**
 * Handler of a scheduled function: the event is parsed, then run. A wrong event and every error of `run` reach Lambda,
 * whose on-failure destination keeps the event.
 */
export const scheduledHandler = <Schema extends z.ZodType, Result>(
  telemetry: InvocationTelemetry,
  schema: Schema,
  run: (input: z.output<Schema>, context: Context) => Promise<Result>,
): LambdaFunction<unknown, Result> =>
  withPreset(telemetry, async (event, context) => {
    const parsed = schema.safeParse(event);
    if (!parsed.success) {
      throw new InvalidEventError(`invalid schedule event: ${JSON.stringify(problemsOf(parsed.error, event))}`);
    }
    return run(parsed.data, context);
  });
