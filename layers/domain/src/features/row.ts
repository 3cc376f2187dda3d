import { hashJson } from '../canonical-json.ts';
import type { Hash, Ticker } from '../identifiers.ts';
import type { Instant } from '../instant.ts';
import { featureContractHash, type FeatureValues } from './contract.ts';

/** Indicator columns of `ta_signals`, by their names there. All are nullable. */
export const indicatorColumns = [
  'macd',
  'macd_signal',
  'macd_hist',
  'ema12',
  'ema26',
  'rsi14',
  'boll_mid',
  'boll_upper',
  'boll_lower',
  'vwap_session',
  'vwap_w5m',
  'imbalance_spread',
  'imbalance_bid_px',
  'imbalance_ask_px',
  'imbalance_bid_sz',
  'imbalance_ask_sz',
  'vol_realized_w60s',
] as const;
export type IndicatorColumn = (typeof indicatorColumns)[number];

/** One signal as the signal store returns it: the newest copy of its identity, with the price in force at its time. */
export interface SignalRow {
  readonly symbol: Ticker;
  /** End of the bar. */
  readonly eventTs: Instant;
  /** Unsigned 64-bit counter of the producer, as text; never part of an identity. */
  readonly seq: string;
  readonly ingestTs: Instant;
  /** ISO-8601 duration of the bar, such as PT1S. */
  readonly windowSize: string;
  readonly source: string;
  /** Major version of the producer's schema. */
  readonly version: number;
  readonly indicators: Readonly<Record<IndicatorColumn, number | null>>;
  /** Close of the newest micro bar not after the event time, USD. */
  readonly price: number | null;
  /** Event time of that bar. */
  readonly priceAt: Instant | null;
  /** Mean volume of the last 20 one-minute spans, shares. */
  readonly meanMinuteVolume20: number | null;
}

/** A row that passed the quality gate, with what the strategies are shown of it. */
export interface FeatureRow {
  readonly row: SignalRow;
  readonly features: FeatureValues;
}

const finite = (value: number | null): number | null => (value !== null && Number.isFinite(value) ? value : null);
const bpsOf = (value: number | null, price: number | null): number | null =>
  value === null || price === null || price <= 0 ? null : (1e4 * value) / price;

/** The values of the feature contract for one row. NaN and infinities count as null; a price from the future as none. */
export const toFeatures = (row: SignalRow): FeatureValues => {
  const { indicators } = row;
  const price = row.priceAt !== null && row.priceAt <= row.eventTs ? finite(row.price) : null;
  const macdHist = finite(indicators.macd_hist);
  const spread = finite(indicators.imbalance_spread);
  return {
    price,
    ema12: finite(indicators.ema12),
    ema26: finite(indicators.ema26),
    macd: finite(indicators.macd),
    macd_signal: finite(indicators.macd_signal),
    macd_hist: macdHist,
    rsi14: finite(indicators.rsi14),
    boll_mid: finite(indicators.boll_mid),
    boll_upper: finite(indicators.boll_upper),
    boll_lower: finite(indicators.boll_lower),
    vwap_session: finite(indicators.vwap_session),
    vwap_w5m: finite(indicators.vwap_w5m),
    vol_realized_w60s: finite(indicators.vol_realized_w60s),
    imbalance_spread: spread,
    staleness_ms: Math.max(0, row.ingestTs - row.eventTs),
    macd_hist_bps: bpsOf(macdHist, price),
    spread_bps: bpsOf(spread, price),
  };
};

/** Hash of one row's values under the contract in force; equal hashes mean that a strategy was shown the same. */
export const featureHash = (features: FeatureValues): Hash =>
  hashJson({ contract: featureContractHash, values: features }) as Hash;
