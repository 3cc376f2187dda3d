import {
  hashJson,
  needsFetch,
  resolveUniverse,
  second,
  streamMismatch,
  universeHash,
  universeReasons,
  universeTradable,
  type CachedUniverse,
  type Ticker,
  type UniverseFetch,
  type UniverseStatus,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const now = Date.parse('2026-02-13T15:00:00.000Z');
const limits = { cacheSeconds: 300, maxStaleSeconds: 900 };
const tickers = (...symbols: string[]): Ticker[] => symbols as Ticker[];
const kept = (ageSeconds: number, symbols = tickers('AAPL', 'NVDA')): CachedUniverse => ({
  symbols,
  fetchedAt: now - ageSeconds * second,
});
const failed = (reason: Extract<UniverseFetch, { ok: false }>['reason'] = 'jangar_fetch_failed'): UniverseFetch => ({
  ok: false,
  reason,
  detail: 'what went wrong',
});
const fetched = (symbols: readonly Ticker[], rejected: readonly string[] = []): UniverseFetch => ({
  ok: true,
  symbols,
  rejected,
});
const resolve = (fetch: UniverseFetch | null, cached: CachedUniverse | null) =>
  resolveUniverse(fetch, cached, now, limits);

const anyTicker = fc.constantFrom(...tickers('A', 'B', 'C', 'D', 'E', 'F'));
const anyFetch: fc.Arbitrary<UniverseFetch> = fc.oneof(
  fc.array(anyTicker).map((symbols) => fetched(symbols)),
  fc
    .constantFrom('jangar_url_missing', 'jangar_fetch_failed', 'jangar_payload_decode_failed', 'jangar_payload_empty')
    .map(failed),
);
const anyKept = fc.option(
  fc.record({ age: fc.integer({ min: 0, max: 2_000 }), symbols: fc.array(anyTicker, { minLength: 1 }) }),
);

describe('resolution of the universe', () => {
  it('[S1] trades what Jangar answers: ascending, each symbol once', () => {
    expect(resolve(fetched(tickers('NVDA', 'AAPL', 'NVDA')), null)).toEqual({
      symbols: ['AAPL', 'NVDA'],
      universeHash: hashJson(['AAPL', 'NVDA']),
      source: 'jangar',
      status: 'ok',
      reason: 'jangar_fetch_ok',
      fetchedAt: now,
      cacheAgeSeconds: 0,
      detail: null,
    });
  });

  it('[S1] names malformed symbols it dropped', () => {
    expect(resolve(fetched(tickers('AAPL'), ['$$', 'a b']), null)).toMatchObject({
      symbols: ['AAPL'],
      status: 'ok',
      detail: 'malformed symbols dropped: $$, a b',
    });
    expect(resolve(fetched([], ['$$']), kept(0))).toMatchObject({
      symbols: [],
      status: 'unavailable',
      reason: 'jangar_payload_empty',
      detail: 'malformed symbols dropped: $$',
    });
  });

  it('[S1] uses the kept list without asking while it is fresh', () => {
    expect(resolve(null, kept(300))).toMatchObject({
      symbols: ['AAPL', 'NVDA'],
      status: 'ok',
      reason: 'jangar_cache_hit',
      fetchedAt: now - 300 * second,
      cacheAgeSeconds: 300,
    });
    expect(() => resolve(null, null)).toThrow('without a kept universe Jangar must be asked');
  });

  it.each<[age: number, status: UniverseStatus, symbols: number]>([
    [300, 'ok', 2],
    [300.001, 'degraded', 2],
    [900, 'degraded', 2],
    [900.001, 'blocked', 0],
    [86_400, 'blocked', 0],
  ])('[S1] with Jangar down and a list of %s s is %s', (age, status, symbols) => {
    const resolution = resolve(failed(), kept(age));
    expect(resolution).toMatchObject({ status, reason: 'jangar_fetch_failed', detail: 'what went wrong' });
    expect(resolution.symbols).toHaveLength(symbols);
    expect(resolution.cacheAgeSeconds).toBeCloseTo(age);
  });

  it('[S1] with Jangar down and nothing kept is unavailable', () => {
    expect(resolve(failed(), null)).toMatchObject({ symbols: [], status: 'unavailable', cacheAgeSeconds: 0 });
  });

  it.each([
    ['an empty answer', fetched([])],
    ['an empty payload', failed('jangar_payload_empty')],
    ['a payload that cannot be read', failed('jangar_payload_decode_failed')],
  ])('[S1] %s never falls back to the kept list, however fresh it is', (_name, fetch) => {
    expect(resolve(fetch, kept(0))).toMatchObject({ symbols: [], status: 'unavailable', fetchedAt: now });
  });

  it('[S1] respects limits of zero: nothing kept is fresh, nothing kept may be traded', () => {
    const none = { cacheSeconds: 0, maxStaleSeconds: 0 };
    expect(needsFetch(kept(0.001), now, none)).toBe(true);
    expect(resolveUniverse(failed(), kept(0.001), now, none)).toMatchObject({ status: 'blocked', symbols: [] });
  });

  it('[S1] lists symbols exactly when trading is allowed, and only symbols Jangar gave', () => {
    fc.assert(
      fc.property(anyFetch, anyKept, (fetch, keep) => {
        const cached = keep === null ? null : kept(keep.age, keep.symbols);
        const { symbols, status, reason } = resolve(fetch, cached);
        expect(symbols.length > 0).toBe(universeTradable(status));
        const source = fetch.ok ? fetch.symbols : (cached?.symbols ?? []);
        for (const symbol of symbols) expect(source).toContain(symbol);
        expect(universeReasons).toContain(reason);
        if (!fetch.ok && cached !== null && now - cached.fetchedAt > 900 * second) expect(symbols).toEqual([]);
      }),
    );
  });

  it('asks Jangar when nothing is kept, when the list has aged, and when it claims to be from the future', () => {
    expect([null, kept(301), kept(-1)].map((cached) => needsFetch(cached, now, limits))).toEqual([true, true, true]);
    expect([kept(0), kept(300)].map((cached) => needsFetch(cached, now, limits))).toEqual([false, false]);
  });

  it('has one hash per set of symbols, whatever their order', () => {
    expect(universeHash(tickers('B', 'A'))).toBe(universeHash(tickers('A', 'B')));
    expect(universeHash(tickers('A'))).not.toBe(universeHash(tickers('A', 'B')));
  });
});

it('[S1] reports universe symbols the stream is silent about and stream symbols that are foreign to the universe', () => {
  expect(streamMismatch(new Set(tickers('C', 'A', 'B')), new Set(tickers('B', 'Z', 'Y')))).toEqual({
    silent: ['A', 'C'],
    foreign: ['Y', 'Z'],
  });
});
