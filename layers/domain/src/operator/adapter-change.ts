import type { AdapterStateName, ExecutionAdapter, parityKinds, parityResults } from '../enumerations.ts';
import type { Ticker } from '../identifiers.ts';
import type { AdapterState } from '../ports.ts';
import { stateSkipReason, statesFor } from '../routing/policy.ts';
import type { ContinuityCode } from '../signals/continuity.ts';

/** Why an operator's state holds: what is kept as the health reason of the row. Nothing but an operator ends it. */
export const operatorHealthReasons: Readonly<Record<AdapterStateName, string | null>> = {
  enabled: null,
  canary: 'operator_canary',
  disabled: 'operator_disabled',
  manual_review: 'operator_manual_review',
};

export interface AdapterChange {
  readonly adapter: ExecutionAdapter;
  /** Null: the adapter as a whole. */
  readonly symbol: Ticker | null;
  readonly state: AdapterStateName;
}

/** The newest parity check of a kind for a symbol. */
export interface ParityStanding {
  readonly symbol: Ticker;
  readonly kind: (typeof parityKinds)[number];
  readonly result: (typeof parityResults)[number];
  /** Sessions that began after the session of the check. */
  readonly sessionsSince: number;
}

export const parityCodes = {
  parity_missing: 'no behaviour parity check of the symbol is on record',
  parity_not_passed: 'the newest parity check of a kind did not pass',
  parity_stale: 'the newest passed behaviour parity check is too many sessions old',
} as const;
export type ParityCode = keyof typeof parityCodes;

export interface AdapterChangeFacts {
  /** Every state in force, of all adapters. */
  readonly states: readonly AdapterState[];
  /** Why signal continuity is not stable; empty when it is. */
  readonly continuity: readonly ContinuityCode[];
  /** The symbols whose allocation to LEAN grows with a parity pass only. */
  readonly paritySymbols: readonly Ticker[];
  readonly parity: readonly ParityStanding[];
  /** Sessions that a parity pass holds for. */
  readonly parityMaxSessions: number;
}

export type AdapterVerdict =
  /** The state is in force already, by an operator's word. */
  | { readonly kind: 'no_change' }
  | {
      readonly kind: 'refused';
      readonly codes: readonly (ContinuityCode | ParityCode)[];
      /** Parity symbols at fault, by code. */
      readonly symbols: Readonly<Partial<Record<ParityCode, readonly Ticker[]>>>;
    }
  | { readonly kind: 'allowed'; readonly raise: boolean };

/** Stands for every symbol without a state of its own. No symbol has the empty name. */
const anyOther = '' as Ticker;

const isInForce = (row: AdapterState | null, { state }: AdapterChange): boolean => {
  // Without a row an adapter is enabled as a whole, and a symbol follows the adapter.
  if (row === null) return state === 'enabled';
  // What a health check disabled it may enable again; an operator's word on the same state ends that.
  return row.state === state && (state === 'enabled' || row.healthReason === operatorHealthReasons[state]);
};

/** Symbols (the empty name: all others) that the adapter takes with the states of `after` and did not with `before`. */
const newlyAdmitted = (
  adapter: ExecutionAdapter,
  before: readonly AdapterState[],
  after: readonly AdapterState[],
  named: readonly Ticker[],
): readonly Ticker[] => {
  const own = after.flatMap(({ symbol }) => (symbol === null ? [] : [symbol]));
  return [...new Set([anyOther, ...own, ...named])].filter(
    (symbol) =>
      stateSkipReason(before, adapter, symbol, 'entry') !== null &&
      stateSkipReason(after, adapter, symbol, 'entry') === null,
  );
};

/** Why parity does not let the allocation of a parity symbol to LEAN grow; null when it does. */
export const parityProblem = (
  symbol: Ticker,
  { parity, parityMaxSessions }: Pick<AdapterChangeFacts, 'parity' | 'parityMaxSessions'>,
): ParityCode | null => {
  const checks = parity.filter((check) => check.symbol === symbol);
  const behaviour = checks.find(({ kind }) => kind === 'behaviour');
  if (behaviour === undefined) return 'parity_missing';
  if (checks.some(({ result }) => result !== 'pass')) return 'parity_not_passed';
  return behaviour.sessionsSince > parityMaxSessions ? 'parity_stale' : null;
};

/**
 * Judges an operator's change of an adapter. A change with which LEAN takes a symbol that it does not take now is a raise:
 * it needs stable signal continuity and, for parity symbols, a recent pass. Everything else, above all taking LEAN out,
 * needs nothing.
 */
export const assessAdapterChange = (change: AdapterChange, facts: AdapterChangeFacts): AdapterVerdict => {
  const { adapter, symbol, state } = change;
  const { global, own } = statesFor(facts.states, adapter, symbol ?? anyOther);
  const current = symbol === null ? global : own;
  if (isInForce(current, change)) return { kind: 'no_change' };
  if (adapter !== 'lean') return { kind: 'allowed', raise: false };

  const next: AdapterState = {
    ...(current ?? { breaker: 'closed' }),
    adapter,
    symbol,
    state,
    healthReason: operatorHealthReasons[state],
  };
  const after = [...facts.states.filter((row) => row !== current), next];
  const admitted = newlyAdmitted(adapter, facts.states, after, facts.paritySymbols);
  if (admitted.length === 0) return { kind: 'allowed', raise: false };

  const atFault = facts.paritySymbols.flatMap((ticker) => {
    const code = admitted.includes(ticker) ? parityProblem(ticker, facts) : null;
    return code === null ? [] : [{ ticker, code }];
  });
  const byCode = Map.groupBy(atFault, ({ code }) => code);
  const codes = [...facts.continuity, ...byCode.keys()];
  if (codes.length === 0) return { kind: 'allowed', raise: true };
  return {
    kind: 'refused',
    codes,
    symbols: Object.fromEntries([...byCode].map(([code, rows]) => [code, rows.map(({ ticker }) => ticker)])),
  };
};
