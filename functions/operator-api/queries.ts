import { asTicker, decisionStatuses, orderStates, parseInstant } from '@torghut/domain';
import * as z from 'zod';

const symbol = z
  .string()
  .transform((text, context) => {
    const ticker = asTicker(text);
    if (ticker === null) context.addIssue({ code: 'custom', message: 'not a symbol' });
    return ticker;
  })
  .default(null)
  .describe('a symbol such as NVDA');

const since = z.iso
  .datetime({ offset: true })
  .transform(parseInstant)
  .nullable()
  .default(null)
  .describe('an ISO-8601 time with a zone such as 2026-02-13T15:00:00Z');

const integer = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/)
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum));

const limit = integer(1, 500).default(200).describe('a whole number from 1 to 500');

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z
    .enum(values)
    .nullable()
    .default(null)
    .describe(`one of ${values.join(', ')}`);

export const decisionQuery = z.object({ symbol, since, status: oneOf(decisionStatuses), limit });
export const executionQuery = z.object({ symbol, since, status: oneOf(orderStates), limit });
/** Of answers about everything since a moment. */
export const sinceQuery = z.object({ since });
export const evidenceQuery = z.object({
  /** Present without a value is the short form of true. */
  refresh: z
    .enum(['', 'true', 'false'])
    .transform((text) => text !== 'false')
    .default(false)
    .describe('true or false'),
  run_limit: integer(1, 50).nullable().default(null).describe('a whole number from 1 to 50'),
});
