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
  /** Processed; the answer claims another content type. */
  | { readonly kind: 'content_type'; readonly contentType: string }
  /** Processed; fields of the answer are replaced, or removed where the value is `undefined`. */
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
