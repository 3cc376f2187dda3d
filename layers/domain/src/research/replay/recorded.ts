import type { Json } from '../../canonical-json.ts';
import type { DecimalText } from '../../decimal.ts';
import type { IntentKind, NoSignalReason, Side } from '../../enumerations.ts';
import type { AccountLabel, Hash, Ticker } from '../../identifiers.ts';
import type { Instant } from '../../instant.ts';
import type { LimitValues } from '../../limits.ts';
import type { CursorKey } from '../../signals/cursor.ts';
import type { SignalStore } from '../../signals/store.ts';
import type { RunnableStrategy } from '../../strategy/evaluate.ts';

/** A finished window of the trading cycle, as its row has it. */
export interface RecordedWindow {
  readonly start: Instant;
  readonly scheduledFor: Instant;
  readonly noSignalReason: NoSignalReason | null;
  readonly blockedReasons: readonly string[];
  readonly rowsRead: number;
  readonly rowsLate: number;
  readonly rowsQuarantined: number;
  readonly signalsEvaluated: number;
  readonly decisionsCount: number;
  /** Null in the first window of an account. */
  readonly cursorBefore: CursorKey | null;
  readonly cursorAfter: CursorKey;
  /** Symbols of the universe it names; null when no resolution has that hash. */
  readonly universe: readonly Ticker[] | null;
  /** Shares held by the newest account snapshot of the time, by symbol; absent counts as none. */
  readonly held: Readonly<Record<string, DecimalText>>;
}

/** A stored decision: the columns that say what was decided, beside its document. */
export interface RecordedDecision {
  readonly identity: Hash;
  readonly contentHash: Hash;
  readonly strategyId: string;
  readonly strategyVersion: string;
  readonly symbol: Ticker;
  readonly timeframe: string;
  readonly eventTs: Instant;
  readonly action: Side;
  readonly intent: IntentKind;
  readonly qty: DecimalText;
  readonly limitPrice: DecimalText | null;
  readonly referencePrice: DecimalText | null;
  readonly confidence: number;
  readonly rationaleCodes: readonly string[];
  readonly document: Json;
  readonly status: string;
  /** Hash of the feature contract its row refers to. */
  readonly contractHash: Hash | null;
  readonly windowStart: Instant;
}

/** An entry of the strategy catalog as it stands now. */
export interface CatalogStrategy {
  /** With the hash of the parameters it is bound to. */
  readonly runnable: RunnableStrategy;
  readonly enabled: boolean;
  readonly changedAt: Instant;
}

/** What the ledger has of a span of windows. */
export interface ReplayLedger {
  /** Finished windows that were scheduled in `[from, to]`, oldest first. */
  windows(from: Instant, to: Instant): Promise<readonly RecordedWindow[]>;
  /** Decisions of windows that started in `[from, to]`, by event time. */
  decisions(from: Instant, to: Instant): Promise<readonly RecordedDecision[]>;
  /** Every strategy that can be bound, by id. */
  strategies(): Promise<readonly CatalogStrategy[]>;
}

export interface ReplayConfig {
  readonly accountLabel: AccountLabel;
  /** ISO-8601 bar length of the series the cycle reads. */
  readonly windowSize: string;
  readonly limits: LimitValues;
}

export interface ReplayPorts {
  readonly ledger: ReplayLedger;
  /** Opens the reads of one replay, made in the order of the windows: what they remember of the stream ends with it. */
  readonly signals: () => Pick<SignalStore, 'read'>;
}
