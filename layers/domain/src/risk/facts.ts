import { decimal, type DecimalText } from '../decimal.ts';
import { executionAdapters } from '../enumerations.ts';
import type { Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { LimitValues } from '../limits.ts';
import type { CalendarDay } from '../market/calendar.ts';
import type { Session } from '../market/session.ts';
import type { AdapterState } from '../ports.ts';
import { stateSkipReason, statesFor } from '../routing/policy.ts';
import type {
  AccountSnapshot,
  Commitment,
  RiskContext,
  RouteAvailability,
  StrategyStanding,
  TradingControls,
} from './context.ts';

/** A control in force. */
export interface ControlRow {
  readonly control: string;
  readonly engaged: boolean;
  readonly value: string | null;
}

/** What the ledger knows about an account at one moment: everything a risk check reads, but the universe. */
export interface RiskFacts {
  readonly controlRows: readonly ControlRow[];
  readonly controls: TradingControls;
  readonly autonomyEnabled: boolean;
  readonly adapterStates: readonly AdapterState[];
  readonly calendar: ReadonlyMap<string, CalendarDay>;
  readonly session: Session;
  readonly account: AccountSnapshot | null;
  readonly lastOrderSyncAt: Instant | null;
  readonly lastReconciliationAt: Instant | null;
  readonly openCriticalBreaks: number;
  readonly commitments: readonly Commitment[];
  /** Symbols held to exits by an open break. */
  readonly reduceOnlySymbols: ReadonlySet<Ticker>;
  readonly ordersLastMinute: number;
  readonly ordersInSession: number;
  readonly sessionNotional: DecimalText;
  /** By strategy id. */
  readonly strategies: ReadonlyMap<string, StrategyStanding>;
}

/** Controls that every account has a row for; one that is missing makes all of them unreadable. */
const requiredControls = [
  'kill_switch',
  'emergency_stop',
  'reduce_only',
  'trading_enabled',
  'autonomy_enabled',
  'trading_mode',
] as const;

/** The controls in force. A missing or senseless row is not "off": it is unreadable, and unreadable is closed. */
export const tradingControls = (rows: readonly ControlRow[]): TradingControls => {
  const byName = new Map(rows.map((row) => [row.control, row]));
  const missing = requiredControls.filter((name) => !byName.has(name));
  if (missing.length > 0) return { readable: false, detail: `no row in force for ${missing.join(', ')}` };
  const mode = byName.get('trading_mode')?.value;
  if (mode !== 'paper' && mode !== 'live')
    return { readable: false, detail: `trading_mode is "${mode ?? ''}", expected paper or live` };
  const engaged = (name: string): boolean => byName.get(name)?.engaged === true;
  return {
    readable: true,
    killSwitch: engaged('kill_switch'),
    emergencyStop: engaged('emergency_stop'),
    reduceOnly: engaged('reduce_only'),
    tradingEnabled: engaged('trading_enabled'),
    tradingMode: mode,
  };
};

/** Whether an order of the symbol (or of any symbol without a state of its own) has an adapter to go to. */
const availability = (states: readonly AdapterState[], symbol: Ticker): RouteAvailability => ({
  available: executionAdapters.some((adapter) => stateSkipReason(states, adapter, symbol, 'entry') === null),
  availableToReduce: executionAdapters.some((adapter) => stateSkipReason(states, adapter, symbol, 'exit') === null),
  // One adapter under review is passed by; a symbol under review on all of them has nowhere to go but an operator.
  manualReview: executionAdapters.every((adapter) => statesFor(states, adapter, symbol).own?.state === 'manual_review'),
});

/** The risk engine's view of the facts. */
export const riskContext = (
  facts: RiskFacts,
  shared: {
    readonly phase: RiskContext['phase'];
    readonly now: Instant;
    readonly limits: LimitValues;
    /** The deployment trades at all; the control of the account can only narrow it. */
    readonly tradingEnabled: boolean;
    readonly liveEnabled: boolean;
    readonly universe: RiskContext['universe'];
    readonly assets: RiskContext['assets'];
  },
): RiskContext => {
  const { session, adapterStates, controls } = facts;
  const { tradingEnabled, ...context } = shared;
  const ownStates = new Set(adapterStates.flatMap(({ symbol }) => (symbol === null ? [] : [symbol])));
  return {
    ...context,
    controls: controls.readable ? { ...controls, tradingEnabled: controls.tradingEnabled && tradingEnabled } : controls,
    session:
      session.kind === 'unknown'
        ? { kind: 'unknown' }
        : session.alarm !== null || session.openAt === null || session.closeAt === null
          ? { kind: 'closed' }
          : { kind: 'trading_day', openAt: session.openAt, closeAt: session.closeAt },
    strategies: facts.strategies,
    routes: {
      // No symbol has the empty name, so this is the standing of a symbol without a state of its own.
      global: availability(adapterStates, '' as Ticker),
      bySymbol: new Map([...ownStates].map((symbol) => [symbol, availability(adapterStates, symbol)])),
    },
    account: facts.account,
    lastOrderSyncAt: facts.lastOrderSyncAt,
    lastReconciliationAt: facts.lastReconciliationAt,
    openCriticalBreaks: facts.openCriticalBreaks,
    commitments: facts.commitments,
    reduceOnlySymbols: facts.reduceOnlySymbols,
    ordersLastMinute: facts.ordersLastMinute,
    ordersInSession: facts.ordersInSession,
    sessionNotional: decimal(facts.sessionNotional),
  };
};
