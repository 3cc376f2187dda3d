import type { TwinAnswer } from '../faults.ts';

/** A refusal of the broker: `{code, message, ...}` under an HTTP status. */
export interface Refusal {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export const ok = (body: unknown): TwinAnswer => ({ status: 200, body });

export const answerOf = ({ status, code, message, fields }: Refusal): TwinAnswer => ({
  status,
  body: { code, message, ...fields },
});

export const malformed = (message: string): Refusal => ({ status: 400, code: 40010000, message });
export const unauthorized: Refusal = { status: 401, code: 40110000, message: 'request is not authorized' };
export const forbidden = (message: string, fields: Readonly<Record<string, unknown>> = {}): Refusal => ({
  status: 403,
  code: 40310000,
  message,
  fields,
});
export const notFound = (message: string): Refusal => ({ status: 404, code: 40410000, message });
export const invalidField = (message: string): Refusal => ({ status: 422, code: 40010001, message });
export const duplicateClientOrderId: Refusal = invalidField('client_order_id must be unique');
export const invalid = (message: string): Refusal => ({ status: 422, code: 42210000, message });
export const rateLimited: Refusal = { status: 429, code: 42910000, message: 'rate limit exceeded' };
