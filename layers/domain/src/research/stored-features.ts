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
    for (let row = settled; row < to; row += 1) if (isTold(stored, row)) rowsCompared += 1;
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

/** Whether anything of a row was stored that somebody computed; the price is that of the bar. */
const isTold = (stored: FeatureColumns, row: number): boolean =>
  recomputed.some(({ name }) => name !== 'price' && !Number.isNaN(stored[name][row] ?? Number.NaN)) ||
  !Number.isNaN(stored.vwap_session[row] ?? Number.NaN);

/** Share of its scale by which another machine's arithmetic may move a value; what is planted moves it by far more. */
const tolerance = 1e-6;
/** The same of what one bar moves an average by that thousands of bars hold: a thousandth of the value. */
const movedTolerance = 1e-9;

/** Share of the price by which rounding moves a value that stands still; a bar of a year's average moves it by far more. */
const unmovedShare = 1e-14;

/** Bars after which the slowest average has forgotten all but 1e-9 of what came before them, and every window is full. */
const settlingBars = 300;

const scaleOf = (scale: Scale, { close }: SymbolSeries, row: number): number =>
  scale === 'price' ? (close[row] ?? 0) : scale;

/** A value that was not stored tells nothing; one that is there where the bars give none is made of something else. */
const near = (stored: number | undefined, causal: number | undefined, scale: number): boolean =>
  stored === undefined || Number.isNaN(stored) || Math.abs(stored - (causal ?? Number.NaN)) <= tolerance * scale;

/**
 * What the bars between one known value of an average and the next one did to it.
 * @param shares volume of those bars; `sharesSince` that of all bars up to them
 * @param pull how far their prices stood from the average before them, weighed by volume; `moved` what that did to it
 */
type VisitMove = (row: number, shares: number, sharesSince: number, pull: number, moved: number) => void;

/** A row that was not stored hides nothing: what its bar did shows in the next one that was. */
const eachMove = (
  { high, low, close, volume }: SymbolSeries,
  average: Float64Array,
  from: number,
  to: number,
  visit: VisitMove,
): void => {
  let before = Number.NaN;
  let [shares, pull, sharesSince] = [0, 0, 0];
  for (let row = from; row < to; row += 1) {
    const after = average[row] ?? Number.NaN;
    if (!Number.isNaN(before)) {
      const own = volume[row] ?? 0;
      shares += own;
      sharesSince += own;
      pull += own * (((high[row] ?? 0) + (low[row] ?? 0) + (close[row] ?? 0)) / 3 - before);
      if (!Number.isNaN(after)) visit(row, shares, sharesSince, pull, after - before);
    }
    if (Number.isNaN(after)) continue;
    before = after;
    shares = 0;
    pull = 0;
  }
};

/**
 * The average of all bars has summed since the stream began, which may be long before the first bar here. How much it had
 * summed by then follows from the bar that moved it most; with that, every other bar has to move it as far as it did.
 */
const markRunningAverage = (
  differs: Uint8Array,
  series: SymbolSeries,
  average: Float64Array,
  from: number,
  to: number,
): void => {
  let [sharesBefore, most] = [Infinity, 0];
  eachMove(series, average, from, to, (_row, _shares, sharesSince, pull, moved) => {
    if (!(Math.abs(moved) > most)) return;
    most = Math.abs(moved);
    sharesBefore = pull / moved - sharesSince;
  });
  eachMove(series, average, from, to, (row, shares, sharesSince, pull, moved) => {
    const close = series.close[row] ?? 0;
    // However much was summed before, what trades away from an average moves it: one that stands still knows its end.
    const stands = most <= unmovedShare * close && Math.abs(pull) > tolerance * close * shares;
    if (stands || Math.abs(moved - pull / (sharesBefore + sharesSince)) > movedTolerance * close) differs[row] = 1;
  });
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
