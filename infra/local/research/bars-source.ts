import type { Instant, NewYorkDate, Ticker } from '@torghut/domain';
import {
  featuresOf,
  type FeatureColumns,
  type LaneFacts,
  type LaneFactsLedger,
  type LaneStrategy,
  type SessionQuery,
  type SessionSnapshot,
  type SessionSource,
  type SymbolSeries,
} from '@torghut/domain/research';
import type { BarSet } from '../bars/bars.ts';
import { seriesOf } from '../bars/series.ts';

interface Known {
  readonly series: SymbolSeries;
  readonly features: FeatureColumns;
}

/** Rows `[from, to)` of every column of an object. */
const cut = <Columns extends object>(columns: Columns, from: number, to: number): Columns =>
  Object.fromEntries(
    Object.entries(columns).map(([name, value]: [string, unknown]) => [
      name,
      value instanceof Float64Array ? value.subarray(from, to) : value,
    ]),
  ) as Columns;

/**
 * Sessions of a directory of bars as the lane reads them of the signal store: features are computed over all sessions, as
 * the technical-analysis stream computes them, and each session shows its part.
 */
export const barsSource = (bars: BarSet): SessionSource => {
  const known = new Map<Ticker, Known>(
    seriesOf(bars).map((series) => [series.symbol, { series, features: featuresOf(series) }]),
  );
  const snapshotOf = (symbol: Ticker, { session, to }: SessionQuery): SessionSnapshot | null => {
    const found = known.get(symbol);
    if (found === undefined) return null;
    const { series, features } = found;
    const listed = series.sessions.find(({ date }) => date === session.date);
    const first = listed?.from ?? 0;
    let last = listed?.to ?? 0;
    while (last > first && (series.start[last - 1] ?? 0) + series.barMs > to) last -= 1;
    const { start, open, high, low, close, volume, halfSpread } = cut(series, first, last);
    return {
      symbol,
      barMs: series.barMs,
      session,
      bars: { start, open, high, low, close, volume, halfSpread },
      features: cut(features, first, last),
    };
  };
  return {
    keepsMs: Infinity,
    sessionsWithBars: ({ sessions }) => {
      const present = new Set(bars.sessions.map(({ date }) => date));
      return Promise.resolve({
        ok: true,
        dates: new Set(sessions.flatMap(({ date }) => (present.has(date) ? [date] : []))),
      });
    },
    read: (query) => {
      const snapshots = query.symbols.map((symbol) => snapshotOf(symbol, query));
      const absent = query.symbols.filter((_, index) => snapshots[index] === null);
      return Promise.resolve(
        absent.length > 0
          ? {
              ok: false,
              failure: 'query_failed',
              detail: `expected bars of ${absent.join(', ')} in ${bars.directory}, found none`,
            }
          : { ok: true, signalsWithoutBar: 0, snapshots: snapshots.filter((one) => one !== null) },
      );
    },
  };
};

/** What the lane knows when bars are all there is: their days, their symbols, and the strategies it is to evaluate. */
export const barsFacts = (bars: BarSet, strategies: readonly LaneStrategy[]): LaneFactsLedger => ({
  facts: (_from: NewYorkDate, now: Instant): Promise<LaneFacts> =>
    Promise.resolve({
      killSwitchEngaged: false,
      emergencyStopActive: false,
      autonomyEnabled: true,
      universe: { symbols: bars.symbols, fetchedAt: now },
      strategies,
      // Bars may lie years apart: what was given is what is evaluated.
      days: bars.sessions.map(({ day }) => day),
      noSignalWindows: 0,
    }),
});
