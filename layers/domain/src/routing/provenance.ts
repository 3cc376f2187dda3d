import type { ExecutionAdapter, ProvenanceSource } from '../enumerations.ts';
import type { TransportFailure, VenueOperation } from '../ports.ts';
import type { Instant } from '../instant.ts';
import { toText } from '../instant.ts';

/** Reasons to pass an adapter by before anything was sent to it. */
export const routeSkipReasons = ['adapter_disabled', 'breaker_open', 'symbol_manual_review'] as const;
export type RouteSkipReason = (typeof routeSkipReasons)[number];

/** `lean_submit_order_timeout` and its kin: which adapter failed, at what, how. */
export type TransportReason = `${ExecutionAdapter}_${VenueOperation}_${TransportFailure}`;
/** A fallback that only the venue's answer tells of: it passed the order on by itself. */
export type HiddenFallback = `fallback_from_${ExecutionAdapter}_to_${ExecutionAdapter}`;
export type FallbackReason = RouteSkipReason | TransportReason | HiddenFallback;

export const transportReason = (
  adapter: ExecutionAdapter,
  operation: VenueOperation,
  failure: TransportFailure,
): TransportReason => `${adapter}_${operation}_${failure}`;

/** Alpaca's answer that it knows the client order id already. */
export const duplicateAtBroker = transportReason('alpaca', 'submit_order', 'http_422');

/** Why a receipt's submit has no outcome, by the codes it recorded; a worker that died on the way recorded none. */
export const submitFailure = (adapter: ExecutionAdapter, codes: readonly string[]): TransportReason => {
  const recorded = codes.filter((code): code is TransportReason => code.startsWith(`${adapter}_submit_order_`));
  // Codes are a set: of several, the one that proves something wins.
  return (
    recorded.find((code) => code === duplicateAtBroker) ??
    recorded[0] ??
    transportReason(adapter, 'submit_order', 'timeout')
  );
};

/**
 * Whether the broker itself answered a submit with a refusal that is in no table of ours. A refusal of LEAN's without its
 * taxonomy says nothing about the broker. 408 and 429 do not refuse the order.
 */
export const isUnknownRefusal = (failure: FallbackReason): boolean =>
  /^alpaca_submit_order_http_4(?!08|29)\d\d$/.test(failure) && failure !== duplicateAtBroker;

/** One adapter that was tried, or passed by, before the present one. */
export interface RouteFailure {
  readonly adapter: ExecutionAdapter;
  readonly code: FallbackReason;
  readonly at: Instant;
  readonly receiptId: string | null;
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
 * before. Then an earlier LEAN attempt arrived late and collided under the same id.
 */
export const senderOf = (route: RouteContext, asked: ExecutionAdapter, failure: TransportReason): ExecutionAdapter =>
  failure === duplicateAtBroker && route.failed.some(({ receiptId }) => receiptId !== null) ? 'lean' : asked;

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
  })),
});
