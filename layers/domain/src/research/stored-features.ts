import { hour, toText } from '../instant.ts';
import type { FeatureName } from '../features/contract.ts';
import { fallbackCalendar } from '../market/calendar.ts';
import type { Finding } from './detectors.ts';
import { featuresOf, type FeatureColumns } from './features.ts';
import type { SeriesSession, SymbolSeries } from './series.ts';

/**
 * Stored features against those that a symbol's bars up to each row give. A feature that knows more than the past differs
 * from them, however it came about: what was recorded is all there is, so no future of its can be taken away and tried.
 */
export const storedLookAheadOf = (
  series: SymbolSeries,
  stored: FeatureColumns,
  causal: FeatureColumns = featuresOf(series),
): Finding => {
  const differs = new Uint8Array(series.start.length);
  let rowsCompared = 0;
  for (const { from, to } of stretchesOf(series)) {
    const settled = Math.min(to, from + settlingBars);
    rowsCompared += to - settled;
    for (const { name, scale } of recomputed)
      for (let row = settled; row < to; row += 1)
        if (!near(stored[name][row], causal[name][row], scaleOf(scale, series, row))) differs[row] = 1;
    markRunningAverage(differs, series, stored.vwap_session, settled, to);
  }
  const differences = differs.reduce((sum, row) => sum + row, 0);
  const row = differs.indexOf(1);
  const what =
    recomputed.find(({ name, scale }) => !near(stored[name][row], causal[name][row], scaleOf(scale, series, row)))
      ?.name ?? 'vwap_session';
  return {
    rowsCompared,
    decisionsCompared: 0,
    differences,
    tolerated: 0,
    first:
      differences === 0
        ? null
        : {
            symbol: series.symbol,
            at: toText(series.start[row] ?? 0),
            what,
            detail: `${stored[what][row] ?? 'none'} stored, ${causal[what][row] ?? 'none'} from the bars up to it`,
          },
  };
};

/** What a difference is measured in: the price, or a number of the column's own unit. */
type Scale = 'price' | number;

interface RecomputedColumn {
  readonly name: FeatureName;
  readonly scale: Scale;
}

/**
 * Columns that bars determine, whoever computes them. Spread and staleness are not among them: they come from quotes and
 * from clocks.
 */
const recomputed: readonly RecomputedColumn[] = [
  { name: 'price', scale: 'price' },
  { name: 'ema12', scale: 'price' },
  { name: 'ema26', scale: 'price' },
  { name: 'macd', scale: 'price' },
  { name: 'macd_signal', scale: 'price' },
  { name: 'macd_hist', scale: 'price' },
  { name: 'macd_hist_bps', scale: 1e4 },
  { name: 'rsi14', scale: 100 },
  { name: 'boll_mid', scale: 'price' },
  { name: 'boll_upper', scale: 'price' },
  { name: 'boll_lower', scale: 'price' },
  { name: 'vwap_w5m', scale: 'price' },
  { name: 'vol_realized_w60s', scale: 0.001 },
];

/** Share of its scale by which another machine's arithmetic may move a value; what is planted moves it by far more. */
const tolerance = 1e-6;
/** The same of what one bar moves an average by that thousands of bars hold: a thousandth of the value. */
const movedTolerance = 1e-9;

/** Bars after which the slowest average has forgotten all but 1e-9 of what came before them, and every window is full. */
const settlingBars = 300;

const scaleOf = (scale: Scale, { close }: SymbolSeries, row: number): number =>
  scale === 'price' ? (close[row] ?? 0) : scale;

/** A value that was not stored tells nothing; one that is there where the bars give none is made of something else. */
const near = (stored: number | undefined, causal: number | undefined, scale: number): boolean =>
  stored === undefined || Number.isNaN(stored) || Math.abs(stored - (causal ?? Number.NaN)) <= tolerance * scale;

/**
 * The average of all bars has summed since the stream began, which may be long before the first bar here. How much it had
 * summed by then follows from the bar that moved it most; with that, every other bar has to move it as far as it did.
 */
const markRunningAverage = (
  differs: Uint8Array,
  { high, low, close, volume }: SymbolSeries,
  average: Float64Array,
  from: number,
  to: number,
): void => {
  /** How far a bar's price stood from the average before it, and what the bar moved that by. */
  const moveOf = (row: number): readonly [away: number, moved: number] => {
    const before = average[row - 1] ?? Number.NaN;
    const price = ((high[row] ?? 0) + (low[row] ?? 0) + (close[row] ?? 0)) / 3;
    return [price - before, (average[row] ?? Number.NaN) - before];
  };
  let [sharesSince, sharesBefore, most] = [0, Number.NaN, 0];
  for (let row = from + 1; row < to; row += 1) {
    const shares = volume[row] ?? 0;
    sharesSince += shares;
    const [away, moved] = moveOf(row);
    if (Math.abs(moved) <= most) continue;
    most = Math.abs(moved);
    sharesBefore = (shares * away) / moved - sharesSince;
  }
  if (most === 0) return;
  sharesSince = 0;
  for (let row = from + 1; row < to; row += 1) {
    const shares = volume[row] ?? 0;
    sharesSince += shares;
    const [away, moved] = moveOf(row);
    if (Math.abs(moved - (shares * away) / (sharesBefore + sharesSince)) > movedTolerance * (close[row] ?? 0))
      differs[row] = 1;
  }
};

/** Bars between two trading days that are missing: within it, state runs on from one session into the next. */
const stretchesOf = ({ sessions }: SymbolSeries): readonly { readonly from: number; readonly to: number }[] => {
  const stretches: { readonly from: number; to: number }[] = [];
  let previous: SeriesSession | null = null;
  for (const session of sessions) {
    if (session.to === session.from) continue;
    const last = stretches.at(-1);
    if (last === undefined || previous === null || missesDay(previous, session))
      stretches.push({ from: session.from, to: session.to });
    else last.to = session.to;
    previous = session;
  }
  return stretches;
};

/** No run of closed days is longer. */
const longestClosureMs = 10 * 24 * hour;

const missesDay = (one: SeriesSession, next: SeriesSession): boolean =>
  next.openAt - one.closeAt > longestClosureMs ||
  fallbackCalendar(one.date, next.date).filter(({ kind }) => kind !== 'closed').length > 2;
