import type { Json } from '../canonical-json.ts';
import type { Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import type { CalendarDay } from '../market/calendar.ts';
import type { CachedUniverse } from '../universe/resolution.ts';

/** A strategy of the catalog as the lane evaluates it. */
export interface LaneStrategy {
  readonly strategyId: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly strategyType: string;
  readonly strategyVersion: string;
  readonly baseTimeframe: string;
  /** Without the profile. */
  readonly params: Readonly<Record<string, Json>>;
  readonly profile: string;
  /** Null: all of the universe. */
  readonly universeFilter: readonly Ticker[] | null;
  readonly priority: number;
  readonly maxPositionPctEquity: string | null;
  readonly maxNotionalPerTrade: string | null;
}

/** What the ledger knows when the lane begins. */
export interface LaneFacts {
  readonly killSwitchEngaged: boolean;
  readonly emergencyStopActive: boolean;
  readonly autonomyEnabled: boolean;
  /** The last list that Jangar gave. */
  readonly universe: CachedUniverse | null;
  /** Enabled ones, by id. */
  readonly strategies: readonly LaneStrategy[];
  /** Ascending, up to today; a date without a row is unknown and absent. */
  readonly days: readonly CalendarDay[];
  /** Windows of those days in which live trading saw no signal while the market was open. */
  readonly noSignalWindows: number;
}

export interface LaneFactsLedger {
  /** @param from first New York date whose calendar is wanted */
  facts(from: string, now: Instant): Promise<LaneFacts>;
}
