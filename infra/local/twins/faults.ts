import { draw } from './random.ts';

/** How a twin misbehaves. "Processed" means that the request has its full effect, whatever the caller is told. */
export type Fault =
  /** Connections are refused. */
  | { readonly kind: 'down' }
  /** Nothing is answered; the request is processed `lateByMs` after the caller gave up. */
  | { readonly kind: 'slow'; readonly lateByMs: number }
  /** Processed at once, never answered. */
  | { readonly kind: 'accept_then_timeout' }
  /** Neither processed nor answered. */
  | { readonly kind: 'refuse_then_timeout' }
  /** Processed, then answered with this instead. */
  | { readonly kind: 'accept_then_answer'; readonly answer: TwinAnswer }
  /** Not processed, answered with this. */
  | { readonly kind: 'answer'; readonly answer: TwinAnswer }
  /** The connection is reset without an answer, after or without processing. */
  | { readonly kind: 'reset'; readonly processed: boolean }
  /** Processed; the answer breaks off in the middle of its body. */
  | { readonly kind: 'cut_body' }
  /** Processed; the answer stalls in the middle of its body until the caller gives up. */
  | { readonly kind: 'slow_body' }
  /** Processed; the answer claims another content type. */
  | { readonly kind: 'content_type'; readonly contentType: string }
  /** Processed; fields of the answer, of each item of a list, are replaced, or removed where the value is `undefined`. */
  | { readonly kind: 'altered_body'; readonly change: Readonly<Record<string, unknown>> }
  /** Processed twice, as if the request had been duplicated on the way; the second answer is given. */
  | { readonly kind: 'processed_twice' }
  /** A seeded share of the requests meets one of `flakyMixture`. */
  | { readonly kind: 'flaky'; readonly ratio: number };

/** `body` is sent as JSON, a string as it is. */
export interface TwinAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const unavailable: TwinAnswer = { status: 503, body: { message: 'service unavailable' } };

/** What a flaky venue does: three in four of these leave the order accepted behind a failure. */
export const flakyMixture: readonly Fault[] = [
  { kind: 'accept_then_timeout' },
  { kind: 'accept_then_answer', answer: unavailable },
  { kind: 'answer', answer: unavailable },
  { kind: 'cut_body' },
];

/** Faults that can be limited to a number of requests: a closed port and a share of all requests cannot. */
export type LimitedFault = Exclude<Fault, { readonly kind: 'down' | 'flaky' }>;

const refusal = (status: number, code: number, message: string, fields: object = {}): LimitedFault => ({
  kind: 'answer',
  answer: { status, body: { code, message, ...fields } },
});
const afterAccept = (status: number): LimitedFault => ({
  kind: 'accept_then_answer',
  answer: { status, body: { code: 50010000, message: 'internal server error occurred' } },
});
const otherOrder = '00000000-0000-4000-8000-000000000000';

/** What a broker's answer can be, by name. A refusal was not processed; everything else was unless its name says so. */
export const limitedFaults = {
  accept_then_timeout: { kind: 'accept_then_timeout' },
  refuse_then_timeout: { kind: 'refuse_then_timeout' },
  accept_then_500: afterAccept(500),
  accept_then_502: afterAccept(502),
  accept_then_503: afterAccept(503),
  accept_then_504: afterAccept(504),
  refuse_with_503: { kind: 'answer', answer: unavailable },
  reset_before: { kind: 'reset', processed: false },
  reset_after: { kind: 'reset', processed: true },
  slow_body: { kind: 'slow_body' },
  cut_body: { kind: 'cut_body' },
  other_content_type: { kind: 'content_type', contentType: 'text/html' },
  not_json: {
    kind: 'accept_then_answer',
    answer: { status: 200, body: '<html>ok</html>', headers: { 'content-type': 'text/html' } },
  },
  missing_status: { kind: 'altered_body', change: { status: undefined } },
  missing_id: { kind: 'altered_body', change: { id: undefined } },
  wrong_symbol: { kind: 'altered_body', change: { symbol: 'ZVZZT' } },
  wrong_client_order_id: { kind: 'altered_body', change: { client_order_id: 'of-another-order' } },
  unknown_status: { kind: 'altered_body', change: { status: 'under_review' } },
  unknown_fields: { kind: 'altered_body', change: { new_field: { nested: [1, 'two', null] }, venue_hint: 'X' } },
  processed_twice: { kind: 'processed_twice' },
  unauthorized: refusal(401, 40110000, 'request is not authorized'),
  rate_limited: refusal(429, 42910000, 'rate limit exceeded'),
  other_validation_error: refusal(422, 40010001, 'qty: invalid value'),
  wash_trade: refusal(403, 40310000, 'potential wash trade detected. use complex orders', {
    existing_order_id: otherOrder,
    reject_reason: 'opposite side limit order exists',
  }),
  insufficient_qty: refusal(403, 40310000, 'insufficient qty available for order (requested: 2, available: 0)', {
    available: '0',
    existing_qty: '2',
    held_for_orders: '2',
    related_orders: [otherOrder],
  }),
  insufficient_funds: refusal(403, 40310000, 'insufficient buying power', { buying_power: '0', cost_basis: '200' }),
  cost_basis: refusal(403, 40310000, 'cost basis must be >= minimal amount of order 1'),
  suspended: refusal(403, 40310000, 'new orders are rejected by user request'),
  blocked: refusal(403, 40310000, 'trading is blocked for this account'),
  not_shortable: refusal(403, 40310000, 'account is not allowed to short'),
  position_action: refusal(403, 40310001, 'action not allowed for this position'),
  unknown_refusal: refusal(418, 41810000, 'unknown'),
} as const satisfies Readonly<Record<string, LimitedFault>>;
export type LimitedFaultName = keyof typeof limitedFaults;

/** A fault with the operations it is limited to; all of them when absent. */
export interface FaultSetting<Operation extends string = string> {
  readonly fault: Fault;
  readonly operations?: readonly Operation[];
}

/**
 * The faults offered by name on the command line. A slow venue acts after the last of the lookups at 0.5, 2 and 5 s, so
 * that its late order meets the one sent elsewhere.
 */
export const venueFaults = {
  down: { fault: { kind: 'down' } },
  slow: { fault: { kind: 'slow', lateByMs: 8_000 } },
  flaky: { fault: { kind: 'flaky', ratio: 0.3 }, operations: ['submit_order'] },
} as const satisfies Readonly<Record<string, FaultSetting<'submit_order'>>>;
export type VenueFaultName = keyof typeof venueFaults;

/** The fault one request meets. `request` and `occurrence` make the draw of a flaky venue independent of timing. */
export const faultOf = (fault: Fault, seed: number, request: string, occurrence: number): Fault | null => {
  if (fault.kind !== 'flaky') return fault;
  if (draw(seed, 'flaky', request, occurrence) >= fault.ratio) return null;
  return flakyMixture[Math.floor(draw(seed, 'mixture', request, occurrence) * flakyMixture.length)] ?? null;
};
