import { hashJson } from '../canonical-json.ts';
import type { UniverseReason, UniverseStatus } from '../enumerations.ts';
import type { Hash, Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { UniverseFetch } from '../ports.ts';

/**
 * Jangar is the only source of symbols for live routing. The last good fetch is kept in the ledger, so a cold start or a
 * short outage loses nothing; an expired or empty universe trades nothing, whatever a strategy says.
 */
export interface UniverseLimits {
  /** Age up to which the kept list is used without asking again. */
  readonly cacheSeconds: number;
  /** Age up to which the kept list may still be traded when asking fails. */
  readonly maxStaleSeconds: number;
}

/** The last good list in the ledger. */
export interface CachedUniverse {
  readonly symbols: readonly Ticker[];
  readonly fetchedAt: Instant;
}

export interface UniverseResolution {
  readonly symbols: readonly Ticker[];
  readonly universeHash: Hash;
  readonly source: 'jangar';
  readonly status: UniverseStatus;
  readonly reason: UniverseReason;
  /** When the list in force was fetched; the time of the attempt when there is none. */
  readonly fetchedAt: Instant;
  readonly cacheAgeSeconds: number | null;
  /** What went wrong, and which malformed symbols were dropped, in words. */
  readonly detail: string | null;
}

/** Hash of a universe: of its symbols in ascending order. */
export const universeHash = (symbols: readonly Ticker[]): Hash => hashJson([...symbols].sort()) as Hash;

const ageSeconds = (cached: CachedUniverse | null, now: Instant): number | null =>
  cached === null ? null : (now - cached.fetchedAt) / 1_000;

/** Whether Jangar has to be asked in this cycle. */
export const needsFetch = (cached: CachedUniverse | null, now: Instant, limits: UniverseLimits): boolean => {
  const age = ageSeconds(cached, now);
  return age === null || age > limits.cacheSeconds || age < 0;
};

/** A cycle may trade on `ok` and `degraded` only. */
export const universeTradable = (status: UniverseStatus): boolean => status === 'ok' || status === 'degraded';

/**
 * Resolves the universe of one cycle from the answer of Jangar (`null`: not asked, the cache is fresh) and the last good
 * list. An empty answer is not an answer: it never falls back to the cache, because a source that says "nothing" must
 * not be overruled.
 */
export const resolveUniverse = (
  fetched: UniverseFetch | null,
  cached: CachedUniverse | null,
  now: Instant,
  limits: UniverseLimits,
): UniverseResolution => {
  const build = (
    symbols: readonly Ticker[],
    status: UniverseStatus,
    reason: UniverseReason,
    fetchedAt: Instant,
    detail: string | null,
  ): UniverseResolution => ({
    symbols,
    universeHash: universeHash(symbols),
    source: 'jangar',
    status,
    reason,
    fetchedAt,
    cacheAgeSeconds: fetchedAt === now ? 0 : (now - fetchedAt) / 1_000,
    detail,
  });
  if (fetched === null) {
    if (cached === null) throw new TypeError('without a kept universe Jangar must be asked');
    return build(cached.symbols, 'ok', 'jangar_cache_hit', cached.fetchedAt, null);
  }
  if (fetched.ok) {
    const symbols = [...new Set(fetched.symbols)].sort();
    const dropped = fetched.rejected.length === 0 ? null : `malformed symbols dropped: ${fetched.rejected.join(', ')}`;
    return symbols.length === 0
      ? build([], 'unavailable', 'jangar_payload_empty', now, dropped)
      : build(symbols, 'ok', 'jangar_fetch_ok', now, dropped);
  }
  const { reason, detail } = fetched;
  const age = ageSeconds(cached, now);
  const mayUseCache = reason !== 'jangar_payload_empty' && reason !== 'jangar_payload_decode_failed';
  if (cached === null || age === null || !mayUseCache) return build([], 'unavailable', reason, now, detail);
  if (age > limits.maxStaleSeconds) return build([], 'blocked', reason, cached.fetchedAt, detail);
  return build(cached.symbols, age <= limits.cacheSeconds ? 'ok' : 'degraded', reason, cached.fetchedAt, detail);
};

/** Difference between the universe and the symbols seen on the stream (`universe_stream_mismatch`). */
export const streamMismatch = (
  universe: ReadonlySet<Ticker>,
  seen: ReadonlySet<Ticker>,
): { readonly silent: readonly Ticker[]; readonly foreign: readonly Ticker[] } => ({
  silent: [...universe].filter((symbol) => !seen.has(symbol)).sort(),
  foreign: [...seen].filter((symbol) => !universe.has(symbol)).sort(),
});
