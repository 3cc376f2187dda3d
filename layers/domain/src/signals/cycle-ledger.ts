import type { PastDenial } from '../decision/decide.ts';
import type { PlannedDecision } from '../decision/planned-decision.ts';
import type { DeadLetterSource, NoSignalReason } from '../enumerations.ts';
import type { Hash } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { Json } from '../canonical-json.ts';
import type { RiskFacts } from '../risk/facts.ts';
import type { RunnableStrategy, StrategyHealths } from '../strategy/evaluate.ts';
import type { CachedUniverse, UniverseResolution } from '../universe/resolution.ts';
import type { Cursor } from './cursor.ts';

/** A catalog entry that cannot run; it trades nothing and is named on every cycle. */
export interface UnresolvedStrategy {
  readonly strategyId: string;
  readonly problem: string;
}

/** What the ledger knows at the start of a cycle. */
export interface CycleState {
  /** The window was finished by an earlier delivery of the same tick. */
  readonly finished: boolean;
  readonly facts: RiskFacts;
  readonly cursor: Cursor | null;
  readonly universe: CachedUniverse | null;
  readonly strategies: readonly RunnableStrategy[];
  readonly unresolved: readonly UnresolvedStrategy[];
  readonly health: StrategyHealths;
  readonly lastDecisionAt: ReadonlyMap<string, Instant>;
  readonly lastDenials: ReadonlyMap<string, PastDenial>;
  /** The newest event that an earlier window saw. */
  readonly lastTailEventTs: Instant | null;
  /** Codes the window before was blocked or warned with. */
  readonly previousCodes: readonly string[];
  /** Row of the feature contract this code was built with; `null` when the registry lacks it: then nothing is evaluated. */
  readonly featureContractId: string | null;
}

/** The durable row of one window. */
export interface WindowRecord {
  readonly start: Instant;
  readonly end: Instant;
  readonly scheduledFor: Instant;
  readonly sessionOpen: boolean;
  readonly noSignalReason: NoSignalReason | null;
  readonly blockedReasons: readonly string[];
  readonly rowsRead: number;
  readonly rowsLate: number;
  readonly rowsDuplicate: number;
  readonly rowsQuarantined: number;
  readonly signalsEvaluated: number;
  readonly decisionsCount: number;
  readonly tailEventTs: Instant | null;
  readonly lagSeconds: number | null;
  readonly effectiveLagSeconds: number | null;
  readonly ingestDelayP95Ms: number | null;
  readonly cursorBefore: Json;
  readonly cursorAfter: Json;
  readonly codeHash: Hash;
  readonly startedAt: Instant;
  readonly finishedAt: Instant;
}

export interface DeadLetter {
  readonly source: DeadLetterSource;
  readonly key: string;
  readonly codes: readonly string[];
  readonly payload: Json;
}

/** Everything one cycle writes, in one transaction. */
export interface CycleCommit {
  readonly window: WindowRecord;
  readonly universe: UniverseResolution;
  /** Whether Jangar was asked: only then the resolution is a new fact. */
  readonly universeAsked: boolean;
  readonly cursor: Cursor;
  readonly decisions: readonly PlannedDecision[];
  readonly deadLetters: readonly DeadLetter[];
  readonly health: StrategyHealths;
  readonly featureContractId: string | null;
}

export type CommitResult =
  | {
      readonly kind: 'committed';
      readonly decisions: number;
      readonly duplicates: number;
      readonly contentDivergence: number;
    }
  /** Another cycle moved the cursor since it was read: nothing was written. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'finished' };

/** The ledger of windows, decisions and the cursor. */
export interface CycleLedger {
  load(now: Instant, windowStart: Instant): Promise<CycleState>;
  commit(commit: CycleCommit): Promise<CommitResult>;
}
