import {
  adapterStates,
  asTicker,
  decisionStatuses,
  executionAdapters,
  orderStates,
  parseInstant,
} from '@torghut/domain';
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

const required = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values).describe(`one of ${values.join(', ')}`);

export const decisionQuery = z.object({ symbol, since, status: oneOf(decisionStatuses), limit });
export const executionQuery = z.object({ symbol, since, status: oneOf(orderStates), limit });
export const parityQuery = z.object({ symbol, limit });
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

export const whyQuery = z.object({
  id: z
    .string()
    .regex(/^[\w.:-]{1,128}$/)
    .describe("a decision id, a client order id or the broker's order id"),
});

export const burnInQuery = z.object({
  hours: integer(1, 168).default(24).describe('a whole number from 1 to 168'),
});

export const historyQuery = z.object({ limit: integer(1, 500).default(20).describe('a whole number from 1 to 500') });

/** Names of controls as they stand in paths. */
const controlPaths = {
  'kill-switch': 'kill_switch',
  'reduce-only': 'reduce_only',
  'trading-enabled': 'trading_enabled',
  'autonomy-enabled': 'autonomy_enabled',
  'emergency-stop': 'emergency_stop',
} as const;

export const controlQuery = z.object({
  control: required(Object.keys(controlPaths) as [keyof typeof controlPaths, ...(keyof typeof controlPaths)[]])
    .transform((name) => controlPaths[name])
    .describe(`one of ${Object.keys(controlPaths).join(', ')}`),
});

const adapter = required(executionAdapters);
export const adapterQuery = z.object({ adapter });
export const adapterSymbolQuery = z.object({
  adapter,
  symbol: z
    .string()
    .transform((text, context) => {
      const ticker = asTicker(text);
      if (ticker !== null) return ticker;
      context.addIssue({ code: 'custom', message: 'not a symbol' });
      return z.NEVER;
    })
    .describe('a symbol such as NVDA'),
});

const reason = z
  .string()
  .trim()
  .min(3)
  .max(1_000)
  .describe('why, in 3 to 1000 characters, for the next person who reads it');
const requestId = z
  .string()
  .regex(/^[\w.:-]{8,128}$/)
  .nullable()
  .default(null)
  .describe('8 to 128 letters, digits and . : _ -, the same when the same request is sent again');

export const controlChange = z.object({
  engaged: z.boolean().describe('true or false'),
  reason,
  request_id: requestId,
});
export const adapterChange = z.object({ state: required(adapterStates), reason, request_id: requestId });
