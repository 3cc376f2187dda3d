import type { DecimalText, Instant } from '@torghut/domain';

/** A quote in force from `at` until the next one. */
export interface Quote {
  readonly at: Instant;
  readonly bid: DecimalText;
  readonly ask: DecimalText;
}

/** What the market quoted; the twin matches against it and makes nothing up. */
export interface MarketData {
  /** The quote in force at a moment, or `null` when there is none. */
  quoteAt(symbol: string, at: Instant): Quote | null;
  /** Quotes with `after < at <= until`, ascending. */
  quotesBetween(symbol: string, after: Instant, until: Instant): Iterable<Quote>;
}
