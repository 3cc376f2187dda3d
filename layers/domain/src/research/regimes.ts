import { minute, second, type Instant } from '../instant.ts';
import { tradingDaysPerYear } from '../statistics/sharpe-ratio.ts';
import type { SeriesSession, SymbolSeries } from './series.ts';

/** What kind of session it was, for one symbol. `unknown` where there are too few bars to tell; never taken for a pass. */
export interface Regime {
  readonly volatility: 'low' | 'mid' | 'high' | 'unknown';
  readonly trend: 'up' | 'down' | 'flat' | 'unknown';
  readonly liquidity: 'liquid' | 'illiquid' | 'unknown';
}

export const regimeLabel = ({ volatility, trend, liquidity }: Regime): string =>
  `vol=${volatility}|trend=${trend}|liq=${liquidity}`;

const unknown: Regime = { volatility: 'unknown', trend: 'unknown', liquidity: 'unknown' };
const leastReturns = 20;

/** Annualised deviation of the session's log returns: below 20 %, to 40 %, above. */
const volatilityOf = (close: Float64Array): Regime['volatility'] => {
  const count = close.length - 1;
  if (count < leastReturns) return 'unknown';
  let [sum, squares] = [0, 0];
  for (let row = 1; row <= count; row += 1) {
    const value = Math.log((close[row] ?? 0) / (close[row - 1] ?? 0));
    sum += value;
    squares += value * value;
  }
  const daily = Math.sqrt(Math.max(0, squares - (sum * sum) / count));
  const annual = daily * Math.sqrt(tradingDaysPerYear);
  return annual < 0.2 ? 'low' : annual <= 0.4 ? 'mid' : 'high';
};

/** Share of the session without a bar, as far as it is known. */
const emptyShare = (
  { barMs }: SymbolSeries,
  { openAt, closeAt, from, to }: SeriesSession,
  knownUntil: Instant,
): number => 1 - (to - from) / Math.max(1, Math.round((Math.min(closeAt, knownUntil) - openAt) / barMs));

/**
 * Regime of one session: volatility, move from first open to last close of at least 0.2 %, and whether most bars exist.
 * @param knownUntil end of the last bar of any symbol: what has not happened yet is no bar that is missing
 */
export const regimeOf = (series: SymbolSeries, session: SeriesSession, knownUntil: Instant): Regime => {
  const { from, to } = session;
  if (to - from < 2 || series.barMs > 5 * minute || series.barMs < second) return unknown;
  const close = series.close.subarray(from, to);
  const move = (close.at(-1) ?? 0) / (series.open[from] ?? Number.NaN) - 1;
  return {
    volatility: volatilityOf(close),
    trend: move >= 0.002 ? 'up' : move <= -0.002 ? 'down' : 'flat',
    liquidity: emptyShare(series, session, knownUntil) > 0.5 ? 'illiquid' : 'liquid',
  };
};
