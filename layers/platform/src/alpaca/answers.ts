import { differenceFrom, type Instant, type Lookup, type OrderRequest, type SubmitOutcome } from '@torghut/domain';
import type { HttpExchange } from '../http/exchange.ts';
import { failureOf, isSuccess, parseJsonAnswer, venueExchange } from '../http/json-answer.ts';
import type { BrokerError } from './broker-error.ts';
import { classifySubmitRefusal } from './broker-error.ts';
import { retryAt } from './rate-limit.ts';
import { brokerOrderSchema } from './wire.ts';

/** Outcomes of a submit that broke off or was acknowledged; `null` leaves a complete refusal to the caller's table. */
export const submitOutcomeWithoutRefusal = (http: HttpExchange, sent: OrderRequest): SubmitOutcome | null => {
  const exchange = venueExchange(http);
  if (http.kind === 'not_sent') return { kind: 'not_sent', failure: http.failure, detail: http.detail, exchange };
  if (http.kind === 'failed') return { kind: 'unknown', failure: http.failure, detail: http.detail, exchange };
  if (!isSuccess(http.status)) return null;
  const parsed = parseJsonAnswer(http, brokerOrderSchema);
  const problem = parsed.ok ? differenceFrom(sent, parsed.value) : parsed.detail;
  return parsed.ok && problem === null
    ? { kind: 'acknowledged', order: parsed.value, exchange }
    : { kind: 'unknown', failure: 'contract_violation', detail: problem ?? '', exchange };
};

/** Outcome of a refusal that the broker is known to give, or `null`. */
export const submitOutcomeOfRefusal = (
  error: BrokerError,
  http: HttpExchange & { kind: 'answer' },
  now: Instant,
): SubmitOutcome | null => {
  const refusal = classifySubmitRefusal(error);
  const exchange = venueExchange(http);
  if (refusal === null) return null;
  if (refusal === 'duplicate') return { kind: 'duplicate', exchange };
  if (refusal === 'rate_limited') return { kind: 'rate_limited', retryAt: retryAt(http.headers, now), exchange };
  return { kind: 'rejected', rejection: refusal, message: error.message, exchange };
};

/** An answer that decides nothing: what happened to the order has to be looked up. */
export const undecided = (http: HttpExchange) => ({
  kind: 'unknown' as const,
  ...failureOf(http),
  exchange: venueExchange(http),
});

/** Result of a lookup: found only with a whole order that is the one asked for. */
export const lookupResult = (
  http: HttpExchange,
  isAbsent: (answer: HttpExchange & { kind: 'answer' }) => boolean,
  asked: { readonly id: string } | { readonly clientOrderId: string },
): Lookup => {
  const exchange = venueExchange(http);
  if (http.kind !== 'answer' || !isSuccess(http.status)) {
    return http.kind === 'answer' && isAbsent(http)
      ? { kind: 'absent', exchange }
      : { kind: 'failed', ...failureOf(http), exchange };
  }
  const parsed = parseJsonAnswer(http, brokerOrderSchema);
  if (!parsed.ok) return { kind: 'failed', failure: 'contract_violation', detail: parsed.detail, exchange };
  const order = parsed.value;
  const [expected, found] = 'id' in asked ? [asked.id, order.id] : [asked.clientOrderId, order.clientOrderId];
  return expected === found
    ? { kind: 'found', order, exchange }
    : {
        kind: 'failed',
        failure: 'contract_violation',
        detail: `asked for order ${expected}, found ${found ?? 'none'}`,
        exchange,
      };
};
