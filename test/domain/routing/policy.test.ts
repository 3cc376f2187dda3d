import {
  expectedAdapter,
  hashJson,
  stateSkipReason,
  statesFor,
  type AdapterState,
  type AdapterStateName,
  type Hash,
  type RoutingPolicy,
  type Ticker,
} from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const [aapl, nvda] = ['AAPL', 'NVDA'] as Ticker[] as [Ticker, Ticker];
const policy = (changes: Partial<RoutingPolicy> = {}): RoutingPolicy => ({
  primary: 'lean',
  fallback: 'alpaca',
  kind: 'all',
  allowlist: new Set(),
  paritySymbols: new Set(),
  ...changes,
});
const state = (name: AdapterStateName, changes: Partial<AdapterState> = {}): AdapterState => ({
  adapter: 'lean',
  symbol: null,
  state: name,
  breaker: 'closed',
  healthReason: null,
  ...changes,
});
const skip = (...states: AdapterState[]) => stateSkipReason(states, 'lean', aapl, 'entry');
const anyIdentity = fc.stringMatching(/^[0-9a-f]{64}$/).map((text) => text as Hash);
const identity = 'ab'.repeat(32) as Hash;
const anySymbol = fc.stringMatching(/^[A-Z]{1,5}$/).map((text) => text as Ticker);

describe('routing policy', () => {
  it('[E5] `all` expects every symbol at the primary adapter, whatever a list says', () => {
    fc.assert(
      fc.property(anySymbol, fc.constantFrom('lean', 'alpaca'), fc.array(anySymbol), (symbol, primary, listed) => {
        expect(expectedAdapter(policy({ primary, allowlist: new Set(listed) }), symbol, identity)).toEqual({
          adapter: primary,
          tag: `all:${primary}`,
        });
      }),
    );
  });

  it('[E5] an allowlist expects what it names at the primary adapter and everything else at the other one', () => {
    const listed = policy({ kind: 'allowlist', allowlist: new Set([aapl]) });
    expect(expectedAdapter(listed, aapl, identity)).toEqual({ adapter: 'lean', tag: 'allowlist:lean' });
    expect(expectedAdapter(listed, nvda, identity)).toEqual({ adapter: 'alpaca', tag: 'allowlist:not_listed:alpaca' });
    expect(expectedAdapter({ ...listed, primary: 'alpaca' }, nvda, identity).adapter).toBe('lean');
  });

  it('[E5] an empty allowlist sends nothing to the primary adapter', () => {
    fc.assert(
      fc.property(anySymbol, (symbol) => {
        expect(expectedAdapter(policy({ kind: 'allowlist' }), symbol, identity).adapter).toBe('alpaca');
      }),
    );
  });
});

describe('parity symbols', () => {
  it('[E5] are split between the adapters by identity alone, tagged with their arm, whatever else the policy says', () => {
    fc.assert(
      fc.property(anyIdentity, fc.constantFrom('lean', 'alpaca'), fc.boolean(), (id, primary, listed) => {
        const split = policy({
          primary,
          kind: listed ? 'allowlist' : 'all',
          paritySymbols: new Set([aapl]),
        });
        const { adapter, tag } = expectedAdapter(split, aapl, id);
        expect(tag).toBe(`parity:${adapter}`);
        expect(expectedAdapter({ ...split, primary: 'lean', kind: 'all' }, aapl, id).adapter).toBe(adapter);
        expect(expectedAdapter(split, nvda, id).tag).not.toContain('parity');
      }),
    );
  });

  it('[E5] go to each adapter in about half of all decisions', () => {
    const split = policy({ paritySymbols: new Set([aapl]) });
    const identities = Array.from({ length: 2_000 }, (_, index) => hashJson({ index }) as Hash);
    const toLean = identities.filter((id) => expectedAdapter(split, aapl, id).adapter === 'lean').length;
    expect(toLean / identities.length).toBeGreaterThan(0.45);
    expect(toLean / identities.length).toBeLessThan(0.55);
  });
});

describe('states operators and health checks set', () => {
  const own = { symbol: aapl };

  it('[E6] nothing is passed by without a state, and a state of another adapter or symbol says nothing', () => {
    expect(skip()).toBeNull();
    expect(skip(state('disabled', { adapter: 'alpaca' }), state('disabled', { symbol: nvda }))).toBeNull();
  });

  it.each<[string, AdapterStateName | null, AdapterStateName | null, ReturnType<typeof skip>]>([
    ['a disabled adapter is passed by', 'disabled', null, 'adapter_disabled'],
    ['an adapter under review is passed by', 'manual_review', null, 'symbol_manual_review'],
    ['an adapter in canary admits no symbol without a canary state', 'canary', null, 'adapter_disabled'],
    ['an adapter in canary admits a canary symbol', 'canary', 'canary', null],
    ['a canary symbol is admitted by an enabled adapter', 'enabled', 'canary', null],
    ['a disabled symbol overrides an enabled adapter', 'enabled', 'disabled', 'adapter_disabled'],
    ['a symbol under review overrides an enabled adapter', 'enabled', 'manual_review', 'symbol_manual_review'],
    ['an enabled symbol does not get past a disabled adapter', 'disabled', 'enabled', 'adapter_disabled'],
    ['an enabled symbol does not get past an adapter under review', 'manual_review', 'enabled', 'symbol_manual_review'],
    ['an enabled symbol does not get past an adapter in canary', 'canary', 'enabled', 'adapter_disabled'],
    ['a canary symbol does not get past a disabled adapter', 'disabled', 'canary', 'adapter_disabled'],
    ['a canary symbol does not get past an adapter under review', 'manual_review', 'canary', 'symbol_manual_review'],
    ['a disabled symbol is passed by in canary', 'canary', 'disabled', 'adapter_disabled'],
    ['a symbol under review is passed by in canary', 'canary', 'manual_review', 'symbol_manual_review'],
  ])('[E5][E6] %s', (_title, global, symbol, reason) => {
    const states = [...(global === null ? [] : [state(global)]), ...(symbol === null ? [] : [state(symbol, own)])];
    expect(skip(...states)).toBe(reason);
    expect(skip(...states.reverse())).toBe(reason);
  });

  it.each<[string, AdapterStateName | null, AdapterStateName | null, ReturnType<typeof skip>]>([
    ['a review of the symbol lets an exit pass', null, 'manual_review', null],
    ['a review of the adapter lets an exit pass', 'manual_review', null, null],
    ['a disabled adapter lets no exit pass, whatever the symbol says', 'disabled', 'manual_review', 'adapter_disabled'],
    ['a disabled symbol lets no exit pass', 'manual_review', 'disabled', 'adapter_disabled'],
  ])('[E6] %s', (_title, global, symbol, reason) => {
    const states = [...(global === null ? [] : [state(global)]), ...(symbol === null ? [] : [state(symbol, own)])];
    expect(stateSkipReason(states, 'lean', aapl, 'exit')).toBe(reason);
  });

  it('finds the state of the adapter and the one of the symbol on it', () => {
    const [global, symbol] = [state('enabled'), state('canary', own)];
    expect(statesFor([symbol, state('disabled', { symbol: nvda }), global], 'lean', aapl)).toEqual({
      global,
      own: symbol,
    });
    expect(statesFor([], 'lean', aapl)).toEqual({ global: null, own: null });
  });
});
