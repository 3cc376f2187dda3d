import { describe, expect, it } from 'vitest';
import {
  featureContractHash,
  featureFields,
  featureHash,
  hashJson,
  outOfRange,
  requiredFeatures,
  toFeatures,
  type FeatureName,
} from '@torghut/domain';
import { now, signalRow } from '../decision/fixtures.ts';

describe('feature contract 3.0.0', () => {
  it('[S8] pins the hash of fields, order, units and ranges: a change of any of them is a new contract', () => {
    expect(featureContractHash).toBe('43ccd5db16ec74533c62567d15ca640e70181e50c67ee98635c01e9e59e43de6');
    const reordered = [...featureFields].reverse();
    expect(hashJson(reordered)).not.toBe(featureContractHash);
    const otherUnit = featureFields.map((field) => (field.name === 'price' ? { ...field, unit: 'EUR' } : field));
    expect(hashJson(otherUnit)).not.toBe(featureContractHash);
    const otherRange = featureFields.map((field) => (field.name === 'rsi14' ? { ...field, max: null } : field));
    expect(hashJson(otherRange)).not.toBe(featureContractHash);
  });

  it('requires price, both MACD lines, both averages and the oscillator', () => {
    expect([...requiredFeatures].sort()).toEqual(['ema12', 'ema26', 'macd', 'macd_signal', 'price', 'rsi14']);
  });

  it.each<[FeatureName, Partial<Record<FeatureName, number>>]>([
    ['price', { price: 0 }],
    ['price', { price: -1 }],
    ['rsi14', { rsi14: -0.001 }],
    ['rsi14', { rsi14: 100.001 }],
    ['vol_realized_w60s', { vol_realized_w60s: 0.051 }],
    ['imbalance_spread', { imbalance_spread: -0.01 }],
    ['imbalance_spread', { price: 10, imbalance_spread: 0.51 }],
  ])('finds %s outside its range in %j', (field, values) => {
    expect(outOfRange({ ...toFeatures(signalRow()), ...values })).toContain(field);
  });

  it('accepts values on the edge of their range, zero included', () => {
    const edges = { rsi14: 0, vol_realized_w60s: 0, imbalance_spread: 5, price: 100, staleness_ms: 0 };
    expect(outOfRange({ ...toFeatures(signalRow()), ...edges })).toEqual([]);
    expect(outOfRange({ ...toFeatures(signalRow()), rsi14: 100, vol_realized_w60s: 0.05 })).toEqual([]);
  });
});

describe('features of a row', () => {
  it('scales the histogram and the spread by the price of the row', () => {
    const features = toFeatures(signalRow({ price: 200, indicators: { macd_hist: 0.005, imbalance_spread: 0.02 } }));
    expect(features.macd_hist_bps).toBeCloseTo(0.25, 12);
    expect(features.spread_bps).toBeCloseTo(1, 12);
  });

  it('counts NaN and infinities as null', () => {
    const features = toFeatures(signalRow({ price: Number.NaN, indicators: { rsi14: Number.NaN, macd: Infinity } }));
    expect([features.price, features.rsi14, features.macd, features.macd_hist_bps]).toEqual([null, null, null, null]);
  });

  it('never takes a session VWAP, or a price from after the signal, for a price', () => {
    const eventTs = now - 5_000;
    expect(
      toFeatures(signalRow({ eventTs, price: null, priceAt: null, indicators: { vwap_session: 99 } })).price,
    ).toBeNull();
    expect(toFeatures(signalRow({ eventTs, priceAt: eventTs + 1 })).price).toBeNull();
  });

  it('measures staleness from emit time and never below zero', () => {
    const eventTs = now;
    expect(toFeatures(signalRow({ eventTs, ingestTs: eventTs + 3_000 })).staleness_ms).toBe(3_000);
    expect(toFeatures(signalRow({ eventTs, ingestTs: eventTs - 3_000 })).staleness_ms).toBe(0);
  });

  it('[S8] gives equal rows equal feature hashes, whatever their sequence number, and others other ones', () => {
    const hashOf = (row: Parameters<typeof signalRow>[0]) => featureHash(toFeatures(signalRow(row)));
    expect(hashOf({ seq: '1' })).toBe(hashOf({ seq: '2' }));
    expect(hashOf({ indicators: { rsi14: 57.0000001 } })).not.toBe(hashOf({}));
  });
});
