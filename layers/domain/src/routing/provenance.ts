import type { ExecutionAdapter, ProvenanceSource, ReceiptOutcome } from '../enumerations.ts';
import type { TransportFailure, VenueOperation } from '../ports.ts';
import type { Instant } from '../instant.ts';
import { toText } from '../instant.ts';

/** Reasons to pass an adapter by before anything was sent to it. */
export const routeSkipReasons = ['adapter_disabled', 'breaker_open', 'symbol_manual_review'] as const;
export type RouteSkipReason = (typeof routeSkipReasons)[number];

/** `lean_submit_order_timeout` and its kin: which adapter failed, at what, how. */
export type TransportReason = `${ExecutionAdapter}_${VenueOperation}_${TransportFailure | 'duplicate'}`;
/** A fallback that only the venue's answer tells of: it passed the order on by itself. */
export type HiddenFallback = `fallback_from_${ExecutionAdapter}_to_${ExecutionAdapter}`;
export type FallbackReason = RouteSkipReason | TransportReason | HiddenFallback;

export const transportReason = (
  adapter: ExecutionAdapter,
  operation: VenueOperation,
  failure: TransportFailure | 'duplicate',
): TransportReason => `${adapter}_${operation}_${failure}`;

/** Whether a submit failed because the broker knows its client order id already. */
export const isDuplicate = (failure: TransportReason): boolean => failure.endsWith('_submit_order_duplicate');

/** Why a receipt's submit has no outcome, by the codes it recorded; a worker that died on the way recorded none. */
export const submitFailure = (adapter: ExecutionAdapter, codes: readonly string[]): TransportReason => {
  const recorded = codes.filter((code): code is TransportReason => code.startsWith(`${adapter}_submit_order_`));
  // Codes are a set: of several, the one that proves something wins.
  return recorded.find(isDuplicate) ?? recorded[0] ?? transportReason(adapter, 'submit_order', 'timeout');
};

/** Stands among the codes of a receipt whose outcome is unknown although no connection opened for its write. */
const neverLeft: ReceiptOutcome = 'not_sent';

/** What a receipt records of a submit without an answer, for whoever resolves it later. */
export const failureCodes = (failure: TransportReason, sent: boolean): readonly string[] =>
  sent ? [failure] : [failure, neverLeft];

/** Whether the write of a receipt may have left, by the codes it recorded; that of a worker that died may have. */
export const mayHaveLeft = (codes: readonly string[]): boolean => !codes.includes(neverLeft);

/**
 * Whether the broker itself answered a submit with a refusal that is in no table of ours. A refusal of LEAN's without its
 * taxonomy says nothing about the broker. 408 and 429 do not refuse the order.
 */
export const isUnknownRefusal = (failure: FallbackReason): boolean =>
  /^alpaca_submit_order_http_4(?!08|29)\d\d$/.test(failure);

/** One adapter that was tried, or passed by, before the present one. */
export interface RouteFailure {
  readonly adapter: ExecutionAdapter;
  readonly code: FallbackReason;
  readonly at: Instant;
  readonly receiptId: string | null;
  /** Whether the order may have left for it: not when it was passed by, nor when no connection opened. */
  readonly sent: boolean;
}

/** How an order came to where it is: travels with the message, is never kept in an adapter. */
export interface RouteContext {
  readonly expected: ExecutionAdapter;
  readonly policy: string;
  readonly fallbackCount: number;
  readonly fallbackReason: FallbackReason | null;
  readonly failed: readonly RouteFailure[];
}

/** Where an order was meant to go and where it went: written once, at submit. */
export interface Provenance {
  readonly expected: ExecutionAdapter;
  readonly actual: ExecutionAdapter;
  readonly fallbackReason: FallbackReason | null;
  readonly fallbackCount: number;
  readonly source: ProvenanceSource;
}

export const initialRoute = (expected: ExecutionAdapter, policy: string): RouteContext => ({
  expected,
  policy,
  fallbackCount: 0,
  fallbackReason: null,
  failed: [],
});

/** The route after one more adapter failed or was passed by. */
export const fallBack = (route: RouteContext, failure: RouteFailure): RouteContext => ({
  ...route,
  fallbackCount: route.fallbackCount + 1,
  fallbackReason: failure.code,
  failed: [...route.failed, failure],
});

const markerAdapter = (marker: unknown): ExecutionAdapter | null => {
  const text = typeof marker === 'string' ? marker.trim().toLowerCase() : '';
  // Historic name of "LEAN was asked, Alpaca took it".
  if (text === 'alpaca_fallback') return 'alpaca';
  return text === 'lean' || text === 'alpaca' ? text : null;
};

/**
 * Provenance of an order that now exists at the broker. The response's own markers say who took it; without one it was
 * the adapter that was asked.
 */
export const deriveProvenance = (
  route: RouteContext,
  asked: ExecutionAdapter,
  response: Readonly<Record<string, unknown>>,
  source: 'route' | 'adopted',
): Provenance => {
  const actual =
    markerAdapter(response['_execution_route_actual']) ?? markerAdapter(response['_execution_adapter']) ?? asked;
  const { expected, fallbackReason, fallbackCount } = route;
  if (actual !== expected && fallbackCount === 0)
    return { expected, actual, fallbackReason: `fallback_from_${expected}_to_${actual}`, fallbackCount: 1, source };
  return { expected, actual, fallbackReason, fallbackCount, source };
};

/**
 * The adapter that sent an order which was found by looking: the one that was asked, unless the broker knew the order
 * before and an earlier LEAN attempt may have brought it there late. When LEAN's never left, the request of the asked
 * adapter itself came twice.
 */
export const senderOf = (route: RouteContext, asked: ExecutionAdapter, failure: TransportReason): ExecutionAdapter =>
  isDuplicate(failure) && route.failed.some(({ adapter, sent }) => adapter === 'lean' && sent) ? 'lean' : asked;

/** The audit markers stored with the first payload of an order. */
export const provenanceMarkers = (
  provenance: Provenance,
  correlationId: string,
  idempotencyKey: string,
): Readonly<Record<string, string | number | null>> => ({
  _execution_route_expected: provenance.expected,
  _execution_route_actual: provenance.actual,
  _execution_adapter: provenance.actual,
  _execution_fallback_reason: provenance.fallbackReason,
  _execution_fallback_count: provenance.fallbackCount,
  _execution_correlation_id: correlationId,
  _execution_idempotency_key: idempotencyKey,
});

/** JSON form of a route, as stored and as carried by messages. */
export const routeJson = (route: RouteContext) => ({
  expected: route.expected,
  policy: route.policy,
  fallback_count: route.fallbackCount,
  fallback_reason: route.fallbackReason,
  failed: route.failed.map((failure) => ({
    adapter: failure.adapter,
    code: failure.code,
    at: toText(failure.at),
    receipt_id: failure.receiptId,
    sent: failure.sent,
  })),
});
