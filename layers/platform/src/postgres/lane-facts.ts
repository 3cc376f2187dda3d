import { newYorkDate, type AccountLabel, type Instant, type Json, type Ticker } from '@torghut/domain';
import type { LaneFacts, LaneFactsLedger, LaneStrategy } from '@torghut/domain/research';
import { calendarDays } from './calendar-store.ts';
import { readControls } from './controls-store.ts';
import type { Queryable } from './pool.ts';

interface StrategyRow {
  readonly strategy_id: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly strategy_type: string;
  readonly version: string;
  readonly base_timeframe: string;
  readonly params: { readonly profile: string; readonly [name: string]: Json };
  readonly universe_filter: readonly Ticker[] | null;
  readonly priority: number;
  readonly max_position_pct_equity: string | null;
  readonly max_notional_per_trade: string | null;
}

const strategyOf = ({ params: { profile, ...params }, ...row }: StrategyRow): LaneStrategy => ({
  strategyId: row.strategy_id,
  name: row.name,
  description: row.description,
  enabled: row.enabled,
  strategyType: row.strategy_type,
  strategyVersion: row.version,
  baseTimeframe: row.base_timeframe,
  params,
  profile,
  universeFilter: row.universe_filter,
  priority: row.priority,
  maxPositionPctEquity: row.max_position_pct_equity,
  maxNotionalPerTrade: row.max_notional_per_trade,
});

/** What the lane reads of the ledger before it reads anything else. */
export const postgresLaneFacts = (pool: Queryable, account: AccountLabel): LaneFactsLedger => ({
  facts: async (from: string, now: Instant): Promise<LaneFacts> => {
    const { controls } = await readControls(pool, account);
    const days = await calendarDays(pool, from, newYorkDate(now));
    const { rows: strategies } = await pool.query<StrategyRow>(
      `SELECT strategy_id, name, description, enabled, strategy_type, version, base_timeframe, params, universe_filter, priority,
              max_position_pct_equity, max_notional_per_trade FROM strategies WHERE enabled ORDER BY strategy_id`,
    );
    const {
      rows: [universe],
    } = await pool.query<{ symbols: Ticker[]; fetched_at: number }>(
      // An answer of nothing, or of nonsense, overrules the list before it, as it does in live trading.
      `SELECT symbols, fetched_at FROM (
         SELECT symbols, fetched_at, reason FROM universe_resolutions WHERE account_label = $1 AND resolved_at <= $2
            AND reason IN ('jangar_fetch_ok', 'jangar_payload_empty', 'jangar_payload_decode_failed')
          ORDER BY resolved_at DESC LIMIT 1
       ) AS answer WHERE reason = 'jangar_fetch_ok'`,
      [account, new Date(now)],
    );
    const {
      rows: [silent],
    } = await pool.query<{ windows: number }>(
      `SELECT count(*)::int AS windows FROM signal_windows WHERE account_label = $1 AND consumer = 'trading'
          AND window_start >= $2::date AND window_end <= $3 AND session_open AND no_signal_reason IS NOT NULL`,
      [account, from, new Date(now)],
    );
    const { trading } = controls;
    return {
      killSwitchEngaged: !trading.readable || trading.killSwitch,
      emergencyStopActive: trading.readable && trading.emergencyStop,
      autonomyEnabled: controls.autonomyEnabled,
      universe: universe === undefined ? null : { symbols: universe.symbols, fetchedAt: universe.fetched_at },
      strategies: strategies.map(strategyOf),
      days: [...days.values()].toSorted((a, b) => (a.date < b.date ? -1 : 1)),
      noSignalWindows: silent?.windows ?? 0,
    };
  },
});
