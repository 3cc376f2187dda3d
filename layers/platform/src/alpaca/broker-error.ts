import type { BrokerRejectionClass } from '@torghut/domain';
import { readBody } from '../http/json-answer.ts';
import { errorSchema } from './wire.ts';

/** A structured refusal by the broker, as answered to us or as passed on by a runner. */
export interface BrokerError {
  readonly status: number;
  readonly code: number | null;
  readonly message: string;
}

/** What a refused submit means. `duplicate`: the broker already holds an order with this client order id. */
export type SubmitRefusal = BrokerRejectionClass | 'duplicate';

interface RefusalRow {
  readonly status: number;
  /** `null` matches an answer with any code or none. */
  readonly code: number | null;
  readonly message: RegExp;
  readonly refusal: SubmitRefusal;
}

const anyMessage = /(?:)/;

/**
 * Refusals of a submit, first match wins. Several codes are overloaded, so the message decides; a status and code that is
 * not listed is not recognised, and only a lookup can tell whether the order exists.
 */
export const submitRefusals: readonly RefusalRow[] = [
  { status: 400, code: 40010000, message: anyMessage, refusal: 'invalid_order' },
  { status: 401, code: null, message: anyMessage, refusal: 'other' },
  { status: 403, code: 40310000, message: /insufficient buying power/i, refusal: 'insufficient_funds' },
  { status: 403, code: 40310000, message: /insufficient qty/i, refusal: 'insufficient_qty' },
  { status: 403, code: 40310000, message: /wash trade|opposite side/i, refusal: 'wash_trade' },
  { status: 403, code: 40310000, message: /cost basis/i, refusal: 'invalid_order' },
  { status: 403, code: 40310000, message: /\bshort/i, refusal: 'not_shortable' },
  {
    status: 403,
    code: 40310000,
    message: /suspend|block|restrict|clos(?:ing|e only)|by user request|not authori[sz]ed to trade/i,
    refusal: 'suspended',
  },
  { status: 403, code: 40310000, message: anyMessage, refusal: 'other' },
  { status: 403, code: 40310001, message: anyMessage, refusal: 'other' },
  { status: 404, code: 40410000, message: /asset|symbol/i, refusal: 'not_tradable' },
  { status: 422, code: 40010001, message: /client_order_id.*unique/i, refusal: 'duplicate' },
  { status: 422, code: 40010001, message: anyMessage, refusal: 'invalid_order' },
  { status: 422, code: 42210000, message: /sub-?penny|increment|limit_price|stop_price/i, refusal: 'invalid_price' },
  { status: 422, code: 42210000, message: /asset|symbol|tradable|fractionable/i, refusal: 'not_tradable' },
  { status: 422, code: 42210000, message: anyMessage, refusal: 'invalid_order' },
  { status: 429, code: null, message: anyMessage, refusal: 'rate_limited' },
];

/** The meaning of a refused submit, or `null` when the refusal is not one the broker is known to give. */
export const classifySubmitRefusal = (error: BrokerError): SubmitRefusal | null =>
  submitRefusals.find(
    (row) =>
      row.status === error.status && (row.code === null || row.code === error.code) && row.message.test(error.message),
  )?.refusal ?? null;

/**
 * Whether a refused cancel says that there is nothing left to cancel. An order whose replacement is under way is alive
 * although it cannot be canceled.
 */
export const nothingToCancel = (error: BrokerError): boolean =>
  isAbsentAtBroker(error) ||
  (error.status === 422 && error.code === 42210000 && !/pending.?(?:replace|cancel)/i.test(error.message));

/** Whether the broker itself says that it has no such thing; a 404 of anything in between proves nothing. */
export const isAbsentAtBroker = (error: BrokerError): boolean => error.status === 404 && error.code === 40410000;

/** Reads the body of a refusal; without a readable body the message is empty and the code `null`. */
export const readBrokerError = (status: number, text: string): BrokerError => {
  const body = readBody(text);
  const parsed = errorSchema.safeParse(body.json ? body.value : null);
  return { status, code: parsed.data?.code ?? null, message: parsed.data?.message ?? '' };
};
