import { sha256 } from '../canonical-json.ts';
import { minute } from '../instant.ts';
import { seedOf, type SeedWords } from '../statistics/random.ts';
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
  /** Seed of the model. */
  readonly seed: string;
  /** Where the draws of each session of the series begin, by its index. */
  readonly drawSeeds: readonly SeedWords[];
}

const meanMinutes = 20;

/** Mean volume of a minute over the last 20 minutes of the session, up to and including each bar. */
const meanMinuteVolumes = ({ start, volume, barMs, sessions }: SymbolSeries): Float64Array => {
  const means = new Float64Array(volume.length);
  for (const { from, to } of sessions) {
    const opened = start[from] ?? 0;
    let first = from;
    let sum = 0;
    for (let row = from; row < to; row += 1) {
      sum += volume[row] ?? 0;
      const end = (start[row] ?? 0) + barMs;
      while ((start[first] ?? 0) < end - meanMinutes * minute) {
        sum -= volume[first] ?? 0;
        first += 1;
      }
      const minutes = Math.min(meanMinutes, Math.max(1, (end - opened) / minute));
      means[row] = sum / minutes;
    }
  }
  return means;
};

/** Half the spread by the first row of a table that covers price and volatility per minute; NaN where none does. */
const modelledHalfSpread = (buckets: ExecutionModel['spread']['buckets'], price: number, moved: number): number => {
  for (const { price_below, volatility_below, half_spread_bps, least_usd } of buckets)
    if ((price_below === null || price < price_below) && (volatility_below === null || moved < volatility_below))
      return Math.max(least_usd, (price * half_spread_bps) / 1e4);
  return Number.NaN;
};

/** Half the spread of every bar: quoted where it is known, else by price and volatility; scaled. */
const halfSpreads = (
  { symbol, close, halfSpread, barMs }: SymbolSeries,
  volatility: Float64Array,
  { scale, buckets }: ExecutionModel['spread'],
): Float64Array => {
  const scaled = new Float64Array(close.length);
  const perMinute = Math.sqrt(minute / barMs);
  for (let row = 0; row < close.length; row += 1) {
    let half = halfSpread[row] ?? Number.NaN;
    if (Number.isNaN(half)) {
      const moved = volatility[row] ?? Number.NaN;
      // Unknown volatility, in the first bars of a series, is taken for the highest: the spread is not understated.
      half = modelledHalfSpread(buckets, close[row] ?? 0, Number.isNaN(moved) ? Infinity : moved * perMinute);
    }
    if (Number.isNaN(half))
      throw new RangeError(
        `expected a spread bucket for ${symbol} at ${close[row] ?? 0} USD, found none: end the table with a row without bounds`,
      );
    scaled[row] = half * scale;
  }
  return scaled;
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

/** A market with what it was made of, for one that differs from it in parts. */
export interface MarketBasis {
  readonly market: Market;
  readonly volatility: Float64Array;
  readonly model: ExecutionModel;
}

/**
 * The market of one symbol under an execution model.
 * @param volatility per bar, NaN where unknown
 * @param basis another market of the symbol: what follows from the same columns and the same rules is taken from it
 * @throws RangeError when the spread table does not cover a price
 */
export const marketOf = (
  series: SymbolSeries,
  volatility: Float64Array,
  model: ExecutionModel,
  basis: MarketBasis | null = null,
): Market => {
  const like = basis?.market.series;
  const sameBars = (...names: readonly ('start' | 'low' | 'close' | 'volume' | 'halfSpread' | 'sessions')[]): boolean =>
    like !== undefined && like.symbol === series.symbol && names.every((name) => like[name] === series[name]);
  const { spread, shorts, seed } = model;
  const basisOf = (holds: boolean): Market | null => (holds && basis !== null ? basis.market : null);
  return {
    series,
    halfSpread:
      basisOf(sameBars('close', 'halfSpread') && basis?.volatility === volatility && basis.model.spread === spread)
        ?.halfSpread ?? halfSpreads(series, volatility, spread),
    meanMinuteVolume: basisOf(sameBars('start', 'volume', 'sessions'))?.meanMinuteVolume ?? meanMinuteVolumes(series),
    shortRestricted:
      basisOf(sameBars('low', 'close', 'sessions') && basis?.model.shorts === shorts)?.shortRestricted ??
      (shorts.allowed && shorts.rule_201 ? restrictedShorts(series) : new Uint8Array(series.close.length)),
    seed,
    drawSeeds:
      basisOf(sameBars('sessions') && basis?.model.seed === seed)?.drawSeeds ??
      series.sessions.map(({ date }) => seedOf(sha256(`${seed}|${series.symbol}|${date}`))),
  };
};
