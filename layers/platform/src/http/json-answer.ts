import type { TransportFailure, VenueExchange } from '@torghut/domain';
import type * as z from 'zod';
import type { HttpExchange } from './exchange.ts';

/** Text of an unreadable body is kept for the record, up to this many characters. */
const keptTextLength = 4_096;

/** An answer body that was JSON, or the text that was not. */
export type Body = { readonly json: true; readonly value: unknown } | { readonly json: false; readonly text: string };

/** Reads a body as JSON, whatever its content type says: how a refusal is read. */
export const readBody = (text: string): Body => {
  try {
    return { json: true, value: JSON.parse(text) as unknown };
  } catch {
    return { json: false, text: text.slice(0, keptTextLength) };
  }
};

/** The record kept of an exchange with a venue: status, request id, body and duration, never a request header. */
export const venueExchange = (http: HttpExchange): VenueExchange => {
  if (http.kind === 'not_sent') return { status: null, requestId: null, body: null, durationMs: http.durationMs };
  return {
    status: http.status,
    requestId: http.headers['x-request-id'] ?? null,
    body: http.kind === 'answer' ? bodyOnRecord(http.text) : null,
    durationMs: http.durationMs,
  };
};

const bodyOnRecord = (text: string): unknown => {
  if (text === '') return null;
  const body = readBody(text);
  return body.json ? body.value : body.text;
};

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly detail: string };

/** Parses the body of a successful answer; it must declare JSON, be JSON and match the schema. */
export const parseJsonAnswer = <T>(http: HttpExchange & { kind: 'answer' }, schema: z.ZodType<T>): Parsed<T> => {
  const contentType = http.headers['content-type'] ?? 'none';
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(contentType)) {
    return { ok: false, detail: `expected a JSON answer, found content type ${contentType}` };
  }
  const body = readBody(http.text);
  if (!body.json) return { ok: false, detail: `expected JSON, found "${body.text.slice(0, 80)}"` };
  return parseWith(schema, body.value);
};

/** Parses a value; the detail of a failure names each field with what was expected and found. */
export const parseWith = <T>(schema: z.ZodType<T>, value: unknown): Parsed<T> => {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  return { ok: false, detail: problems.slice(0, 5).join('; ') };
};

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

/** Why an exchange gave nothing usable: the transport's failure, or the status of the answer. */
export const failureOf = (http: HttpExchange): { readonly failure: TransportFailure; readonly detail: string } =>
  http.kind === 'answer'
    ? { failure: `http_${http.status}`, detail: http.text.slice(0, 200) || `HTTP ${http.status} without a body` }
    : { failure: http.failure, detail: http.detail };
