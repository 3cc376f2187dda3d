import type { Instant } from '@torghut/domain';

/** Delays between the steps of an order's life, in ms. */
export interface Latencies {
  /** From the answer to the venue: `accepted` to `pending_new`. */
  readonly routeMs: number;
  /** From the venue's receipt to its acceptance: `pending_new` to `new`. */
  readonly acknowledgeMs: number;
  /** Between a request to cancel and its effect; the order can fill meanwhile. */
  readonly cancelMs: number;
  /** Between a request to replace and its effect; the old order can fill meanwhile. */
  readonly replaceMs: number;
}

export const noLatencies: Latencies = { routeMs: 0, acknowledgeMs: 0, cancelMs: 0, replaceMs: 0 };

/** How far lists are behind, in ms: drawn between the two for each request. */
export interface Lag {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What disturbances have changed; nothing of it survives the process. */
export interface Knobs {
  latencies: Latencies;
  /** Cancels that are accepted never take effect. */
  cancelsStick: boolean;
  readonly halted: Set<string>;
  listLag: Lag;
  /** How long an order is not found by its client order id. */
  lookupDelayMs: number;
  /** Positions that the list leaves out, and for how many requests; the symbol `null` stands for all. */
  hiddenPositions: { readonly symbol: string | null; requests: number } | null;
  /** Orders by id that nothing finds. */
  readonly vanishedOrders: Set<string>;
  /** Activities created from one moment on are not listed before the other. */
  activitiesHidden: { readonly from: Instant; readonly until: Instant };
  clockSkewMs: number;
  /** How many requests are still refused as not authorised. */
  keysRefused: number;
  /** Until when every request is beyond the budget. */
  budgetSpentUntil: Instant;
}

export const initialKnobs = (latencies: Latencies): Knobs => ({
  latencies,
  cancelsStick: false,
  halted: new Set(),
  listLag: { fromMs: 0, toMs: 0 },
  lookupDelayMs: 0,
  hiddenPositions: null,
  vanishedOrders: new Set(),
  activitiesHidden: { from: Number.POSITIVE_INFINITY, until: Number.NEGATIVE_INFINITY },
  clockSkewMs: 0,
  keysRefused: 0,
  budgetSpentUntil: Number.NEGATIVE_INFINITY,
});
