import type { Instant } from '@torghut/domain';
import { minute } from '@torghut/domain';

/** The broker's request budget as of its last answer. */
export interface RateLimit {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAt: Instant;
}

/** Reads `X-RateLimit-*`; the reset is stated in Unix seconds. `null` when a header is missing or unreadable. */
export const readRateLimit = (headers: Readonly<Record<string, string>>): RateLimit | null => {
  const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((name) =>
    wholeNumber(headers[`x-ratelimit-${name}`]),
  );
  if (limit === undefined || remaining === undefined || reset === undefined) return null;
  return { limit, remaining, resetAt: reset * 1_000 };
};

/** When a refusal for too many requests may be sent again: at the stated reset, else after the whole window. */
export const retryAt = (headers: Readonly<Record<string, string>>, now: Instant): Instant => {
  const reset = wholeNumber(headers['x-ratelimit-reset']);
  return reset === undefined ? now + minute : reset * 1_000;
};

const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;
