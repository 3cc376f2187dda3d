import { minute } from '../instant.ts';
import type { ExecutionModel } from './execution-model.ts';
import type { SymbolSeries } from './series.ts';

/** A series with what the execution model makes of it, one value per bar. */
export interface Market {
  readonly series: SymbolSeries;
  /** USD. */
  readonly halfSpread: Float64Array;
  /** Shares of one minute, mean of the last 20 minutes with trades up to this bar. */
  readonly meanMinuteVolume: Float64Array;
  /** 1 while short sales rest above the bid under SEC Rule 201. */
  readonly shortRestricted: Uint8Array;
}

const meanMinutes = 20;

/** Mean volume of a minute over the last 20 minutes of the session, up to and including each bar. */
export const meanMinuteVolumeOf = ({ start, volume, barMs, sessions }: SymbolSeries): Float64Array => {
  const means = new Float64Array(volume.length);
  for (const { from, to } of sessions) {
    let [first, sum] = [from, 0];
    for (let row = from; row < to; row += 1) {
      sum += volume[row] ?? 0;
      const oldest = (start[row] ?? 0) + barMs - meanMinutes * minute;
      while ((start[first] ?? 0) < oldest) {
        sum -= volume[first] ?? 0;
        first += 1;
      }
      const minutes = Math.min(meanMinutes, Math.max(1, ((start[row] ?? 0) + barMs - (start[from] ?? 0)) / minute));
      means[row] = sum / minutes;
    }
  }
  return means;
};

/** Half the spread of every bar: quoted where it is known, else by price and volatility; scaled. */
const halfSpreads = (
  { close, halfSpread, barMs }: SymbolSeries,
  volatility: Float64Array,
  { scale, buckets }: ExecutionModel['spread'],
): Float64Array => {
  const perMinute = Math.sqrt(minute / barMs);
  return halfSpread.map((quoted, row) => {
    if (!Number.isNaN(quoted)) return quoted * scale;
    const price = close[row] ?? 0;
    // Unknown volatility, in the first bars of a series, is taken for the highest: the spread is not understated.
    const moved = Number.isNaN(volatility[row] ?? Number.NaN) ? Infinity : (volatility[row] ?? 0) * perMinute;
    const bucket = buckets.find(
      ({ price_below, volatility_below }) =>
        (price_below === null || price < price_below) && (volatility_below === null || moved < volatility_below),
    );
    if (bucket === undefined) return Number.NaN;
    return Math.max(bucket.least_usd, (price * bucket.half_spread_bps) / 1e4) * scale;
  });
};

/** Rule 201: from a fall of 10 % below the last session's close to the end of the next session. */
const restrictedShorts = ({ low, close, sessions }: SymbolSeries): Uint8Array => {
  const restricted = new Uint8Array(close.length);
  let triggeredBefore = false;
  for (const [index, { from, to }] of sessions.entries()) {
    const before = sessions[index - 1];
    const limit = before === undefined ? -Infinity : 0.9 * (close[before.to - 1] ?? 0);
    let triggered = false;
    for (let row = from; row < to; row += 1) {
      triggered ||= (low[row] ?? 0) <= limit;
      restricted[row] = triggered || triggeredBefore ? 1 : 0;
    }
    triggeredBefore = triggered;
  }
  return restricted;
};

/**
 * The market of one symbol under an execution model.
 * @param volatility per bar, NaN where unknown
 * @throws RangeError when the spread table does not cover a price
 */
export const marketOf = (series: SymbolSeries, volatility: Float64Array, model: ExecutionModel): Market => {
  const halfSpread = halfSpreads(series, volatility, model.spread);
  const uncovered = halfSpread.findIndex((half) => Number.isNaN(half));
  if (uncovered !== -1)
    throw new RangeError(
      `expected a spread bucket for ${series.symbol} at ${series.close[uncovered] ?? 0} USD, found none: end the table with a row without bounds`,
    );
  return {
    series,
    halfSpread,
    meanMinuteVolume: meanMinuteVolumeOf(series),
    shortRestricted:
      model.shorts.allowed && model.shorts.rule_201 ? restrictedShorts(series) : new Uint8Array(series.close.length),
  };
};
