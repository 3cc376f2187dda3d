import type { Instant } from '@torghut/domain';
import type { MarketData, Quote } from './market-data.ts';
import { sessionEndingAfter } from './sessions.ts';
import type { Calendar } from './sessions.ts';
import type { TwinOrder } from './state.ts';

/** One thing that happens to an order, or to the account at a close, at a moment. */
export type Step = { readonly at: Instant; readonly seq: number } & (
  | { readonly kind: 'go_live'; readonly id: string }
  | { readonly kind: 'match'; readonly id: string; readonly quote: Quote }
  | { readonly kind: 'end'; readonly id: string; readonly status: 'canceled' | 'expired' }
  | { readonly kind: 'record_close' }
);

/** After every order step of the same moment, so that what expired at the close no longer counts. */
const lastSeq = Number.MAX_SAFE_INTEGER;

/**
 * What happens to an open order up to `now`, from where it was last matched. A requested cancel has its own moment; until
 * then the order can still fill.
 */
export const orderSteps = (order: TwinOrder, now: Instant, marketData: MarketData, calendar: Calendar): Step[] => {
  const { id, seq, symbol, canceledAt } = order;
  const isCanceled = canceledAt !== null && canceledAt < order.expiresAt;
  const endsAt = isCanceled ? canceledAt : order.expiresAt;
  const liveAt = Math.max(order.submittedAt, order.opensAt);
  const steps: Step[] = [];
  const match = (quote: Quote, at: Instant): void => {
    if (sessionEndingAfter(calendar, at).openAt <= at) steps.push({ kind: 'match', at, seq, id, quote });
  };
  if (liveAt <= now && liveAt < endsAt) {
    if (order.matchedTo === null) {
      steps.push({ kind: 'go_live', at: liveAt, seq, id });
      const inForce = marketData.quoteAt(symbol, liveAt);
      if (inForce !== null) match(inForce, liveAt);
    }
    const until = Math.min(now, endsAt - 1);
    for (const quote of marketData.quotesBetween(symbol, order.matchedTo ?? liveAt, until)) match(quote, quote.at);
  }
  if (endsAt <= now) {
    // A day order expires; one that is good till canceled is canceled by the broker in the end.
    const status = order.timeInForce === 'day' && !isCanceled ? 'expired' : 'canceled';
    steps.push({ kind: 'end', at: endsAt, seq, id, status });
  }
  return steps;
};

/** The session closes with `after < at <= now`. */
export const closeSteps = (after: Instant, now: Instant, calendar: Calendar): Step[] => {
  const steps: Step[] = [];
  let { closeAt } = sessionEndingAfter(calendar, after);
  while (closeAt <= now) {
    steps.push({ kind: 'record_close', at: closeAt, seq: lastSeq });
    ({ closeAt } = sessionEndingAfter(calendar, closeAt));
  }
  return steps;
};

/** Steps in the order they happened; those of one order at one moment stay as listed. */
export const inOrder = (steps: readonly Step[]): Step[] =>
  steps.toSorted((first, second) => first.at - second.at || first.seq - second.seq);
