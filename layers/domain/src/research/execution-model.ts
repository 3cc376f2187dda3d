import * as z from 'zod';
import { hashJson } from '../canonical-json.ts';
import type { Hash } from '../identifiers.ts';

/**
 * How orders of a simulation become fills. All of it enters the hash; two evaluations are comparable only under the same
 * one, and the version names the rules that read it. Ratios and rates are doubles, prices and amounts USD.
 */
export const executionModelSchema = z.strictObject({
  schema_version: z.literal('torghut.execution-model.v2'),
  /** A limit order goes half a spread through the reference price, as the live policy does; a stop adds to the momentum. */
  order: z.strictObject({
    type: z.enum(['limit', 'market', 'stop']),
    /** `day` orders end at the close; `gtc` orders rest over it. */
    time_in_force: z.enum(['day', 'gtc']),
    /** Time an order may rest before it is cancelled, seconds. */
    entry_ttl_seconds: z.number().positive(),
    exit_ttl_seconds: z.number().positive(),
    /** Distance of a stop from the reference price. */
    stop_bps: z.number().min(0),
  }),
  latency: z.strictObject({
    /** Whole bars between a decision and the first bar that can fill it; 0 is the next open. */
    bars: z.int().min(0),
    /** Observed latencies, ms, each drawn equally often. */
    milliseconds: z.array(z.number().min(0)).min(1),
  }),
  /** Share of orders the venue refuses, drawn per order. */
  reject_rate: z.number().min(0).max(1),
  participation: z.strictObject({
    /** Largest share of a bar's volume that one bar fills; the rest of the order rests. */
    cap: z.number().positive().max(1),
    /** Cost by the share of the bar's volume that all orders took so far, ascending; the last reaches the cap. */
    slippage: z.array(z.strictObject({ up_to: z.number().positive().max(1), bps: z.number().min(0) })).min(1),
  }),
  /** Whether a limit that is touched and not traded through fills. */
  touch_fills: z.boolean(),
  /** Whether the first and the last bar of a session, which hold the auctions, are left out. */
  avoid_auctions: z.boolean(),
  spread: z.strictObject({
    /** Multiplies every spread, quoted or modelled. */
    scale: z.number().min(0),
    /** Half spread where no quote is known, by price and by volatility per minute; the first row that covers both. */
    buckets: z
      .array(
        z.strictObject({
          price_below: z.number().positive().nullable(),
          volatility_below: z.number().positive().nullable(),
          half_spread_bps: z.number().min(0),
          /** At least this, USD: half a tick. */
          least_usd: z.number().min(0),
        }),
      )
      .min(1),
  }),
  commission: z.strictObject({
    per_share_usd: z.number().min(0),
    /** Of the notional. */
    rate: z.number().min(0),
  }),
  /** Whether the dated regulatory fees are charged. */
  regulatory_fees: z.boolean(),
  shorts: z.strictObject({
    allowed: z.boolean(),
    /** SEC Rule 201: after a fall of 10 % from the last close, shorts of any type rest above the bid, that day and the next. */
    rule_201: z.boolean(),
  }),
  sizing: z.strictObject({
    /** Fixed base; profits are not reinvested, so that sessions and symbols can be simulated apart. */
    equity_usd: z.number().positive(),
    max_notional_usd: z.number().positive(),
    max_position_share: z.number().positive().max(1),
    /** Of the mean minute volume of the last 20 minutes. */
    max_participation: z.number().positive().max(1),
    lot: z.number().positive(),
  }),
  cooldown_seconds: z.number().min(0),
  /** No entry is decided within this time before the close. */
  entry_cutoff_seconds: z.number().min(0),
  /** Every venue refuses this share of orders for this long, once a session. */
  reject_burst: z.strictObject({ seconds: z.number().positive(), rate: z.number().min(0).max(1) }).nullable(),
  /** Begins every sequence of draws. */
  seed: z.string().min(1),
});
export type ExecutionModel = z.infer<typeof executionModelSchema>;

/** The model of the specification: what a candidate is judged under. */
export const defaultExecutionModel: ExecutionModel = {
  schema_version: 'torghut.execution-model.v2',
  order: { type: 'limit', time_in_force: 'day', entry_ttl_seconds: 120, exit_ttl_seconds: 60, stop_bps: 5 },
  latency: { bars: 1, milliseconds: [1_000] },
  reject_rate: 0.01,
  participation: {
    cap: 0.1,
    slippage: [
      { up_to: 0.01, bps: 0 },
      { up_to: 0.05, bps: 1 },
      { up_to: 0.1, bps: 3 },
    ],
  },
  touch_fills: false,
  avoid_auctions: true,
  spread: {
    scale: 1,
    buckets: [
      { price_below: 20, volatility_below: null, half_spread_bps: 3.5, least_usd: 0.005 },
      { price_below: null, volatility_below: 0.0008, half_spread_bps: 0.75, least_usd: 0.005 },
      { price_below: null, volatility_below: 0.002, half_spread_bps: 1.25, least_usd: 0.005 },
      { price_below: null, volatility_below: null, half_spread_bps: 2.5, least_usd: 0.005 },
    ],
  },
  commission: { per_share_usd: 0, rate: 0 },
  regulatory_fees: true,
  shorts: { allowed: false, rule_201: true },
  sizing: {
    equity_usd: 100_000,
    max_notional_usd: 10_000,
    max_position_share: 0.1,
    max_participation: 0.1,
    lot: 1,
  },
  cooldown_seconds: 60,
  entry_cutoff_seconds: 900,
  reject_burst: null,
  seed: 'torghut.execution-model.v1',
};

/** Hash of everything that decides how orders become fills. */
export const executionModelHash = (model: ExecutionModel): Hash => hashJson(model) as Hash;
