import type { Side } from '../enumerations.ts';
import type { Instant } from '../instant.ts';

/** What a cooldown is kept for. */
export const cooldownKey = (accountLabel: string, strategyId: string, symbol: string, action: Side): string =>
  `${accountLabel}|${strategyId}|${symbol}|${action}`;

/**
 * Whether a decision at `eventTs` falls into the cooldown of another one at `last`. Event times are compared, because
 * all rows of a cycle share one "now". An equal event time is the row under evaluation itself, seen again, and does not
 * count; a later one does, because a late row must not slip in before it.
 */
export const inCooldown = (last: Instant | null, eventTs: Instant, cooldownMs: number): boolean =>
  last !== null && last !== eventTs && Math.abs(eventTs - last) < cooldownMs;
