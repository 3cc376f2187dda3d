import type { ExecutionAdapter, IntentKind } from '../enumerations.ts';
import type { Hash, Ticker } from '../identifiers.ts';
import type { AdapterState } from '../ports.ts';
import type { RouteSkipReason } from './provenance.ts';

/** `all` sends everything to the primary adapter; an allowlist sends only what it names, so an empty one sends nothing. */
export interface RoutingPolicy {
  readonly primary: ExecutionAdapter;
  readonly fallback: ExecutionAdapter | null;
  readonly kind: 'all' | 'allowlist';
  readonly allowlist: ReadonlySet<Ticker>;
  /** Symbols whose orders are split evenly between the adapters, to compare them; whatever else the policy says. */
  readonly paritySymbols: ReadonlySet<Ticker>;
}

/** Arm of a parity symbol: by the identity, so that the same decision always takes the same one. */
const parityArm = (identity: Hash): ExecutionAdapter =>
  Number.parseInt(identity.slice(0, 8), 16) % 2 === 0 ? 'lean' : 'alpaca';

/** Audit tags of the two arms. */
export const parityTag = (adapter: ExecutionAdapter): string => `parity:${adapter}`;

/** Adapter an order is meant for, and the audit tag that says by which rule. */
export const expectedAdapter = (
  policy: RoutingPolicy,
  symbol: Ticker,
  identity: Hash,
): { readonly adapter: ExecutionAdapter; readonly tag: string } => {
  if (policy.paritySymbols.has(symbol)) {
    const adapter = parityArm(identity);
    return { adapter, tag: parityTag(adapter) };
  }
  if (policy.kind === 'all') return { adapter: policy.primary, tag: `all:${policy.primary}` };
  if (policy.allowlist.has(symbol)) return { adapter: policy.primary, tag: `allowlist:${policy.primary}` };
  const other = policy.primary === 'lean' ? 'alpaca' : 'lean';
  return { adapter: other, tag: `allowlist:not_listed:${other}` };
};

/** States that concern one symbol on one adapter: the global row and the symbol's own. */
export const statesFor = (
  states: readonly AdapterState[],
  adapter: ExecutionAdapter,
  symbol: Ticker,
): { readonly global: AdapterState | null; readonly own: AdapterState | null } => ({
  global: states.find((state) => state.adapter === adapter && state.symbol === null) ?? null,
  own: states.find((state) => state.adapter === adapter && state.symbol === symbol) ?? null,
});

/**
 * Why this adapter must be passed by for a new order of the symbol, by the states operators and health checks set; `null`
 * when it may be asked. The stricter of the global and the symbol's own state wins; a global `canary` admits the symbols
 * whose own state is `canary`. An own `enabled` opens nothing: the breaker writes such rows too, and a transport failure
 * must not exempt a symbol from what an operator does to the adapter. So no symbol can be kept on a disabled adapter.
 * Breakers are asked apart, because asking one can change it.
 * @param purpose `exit` for an order that only reduces a position: a review keeps nothing but new exposure away.
 */
export const stateSkipReason = (
  states: readonly AdapterState[],
  adapter: ExecutionAdapter,
  symbol: Ticker,
  purpose: IntentKind,
): Exclude<RouteSkipReason, 'breaker_open'> | null => {
  const { global, own } = statesFor(states, adapter, symbol);
  const inForce = [global?.state, own?.state];
  if (inForce.includes('manual_review') && purpose === 'entry') return 'symbol_manual_review';
  if (inForce.includes('disabled')) return 'adapter_disabled';
  return global?.state === 'canary' && own?.state !== 'canary' ? 'adapter_disabled' : null;
};
