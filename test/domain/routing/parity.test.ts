import { compareAdapters, defaultLimits, welchInterval, type ParityOrder } from '@torghut/domain';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const sessions = ['2026-02-11', '2026-02-12', '2026-02-13'];
/** So many orders of each adapter over three sessions, alike but for what is changed. */
const orders = (
  count: number,
  change: (order: ParityOrder, index: number) => Partial<ParityOrder> = () => ({}),
): ParityOrder[] =>
  (['lean', 'alpaca'] as const).flatMap((adapter) =>
    Array.from({ length: count }, (_, index) => {
      const order: ParityOrder = {
        adapter,
        session: sessions[index % sessions.length]!,
        rejected: false,
        ackMs: 100 + (index % 7),
        slippageBps: (index % 5) - 2,
        provenanceError: false,
      };
      return { ...order, ...change(order, index) };
    }),
  );
const compare = (sample: readonly ParityOrder[], evidence: 'observed' | 'simulated' = 'observed') =>
  compareAdapters(sample, evidence, defaultLimits);
const onLean = (change: Partial<ParityOrder>) => (order: ParityOrder) => (order.adapter === 'lean' ? change : {});

describe('behaviour parity', () => {
  it('[E8] passes two adapters that treat their orders alike, with a score of how far they are from a tolerance', () => {
    const verdict = compare(orders(60));
    expect(verdict).toMatchObject({ result: 'pass', codes: [], sampleLean: 60, sampleAlpaca: 60 });
    expect(verdict.metrics).toMatchObject({ reject_rate_difference: 0, ack_p95_difference_ms: 0, sessions: 3 });
    expect(verdict.metrics.score).toBeGreaterThan(0.8);
  });

  it.each<[string, (order: ParityOrder, index: number) => Partial<ParityOrder>]>([
    ['parity_reject_rate', (order, index) => ({ rejected: order.adapter === 'lean' && index % 15 === 0 })],
    ['parity_ack', onLean({ ackMs: 1_200 })],
    ['parity_slippage', (order) => ({ slippageBps: (order.slippageBps ?? 0) + (order.adapter === 'lean' ? 5 : 0) })],
    ['parity_provenance', (order, index) => ({ provenanceError: order.adapter === 'alpaca' && index === 3 })],
  ])('[E8] fails with %s alone, and scores nothing', (code, change) => {
    const verdict = compare(orders(60, change));
    expect(verdict).toMatchObject({ result: 'fail', codes: [code], metrics: { score: 0 } });
  });

  it.each<[string, readonly ParityOrder[]]>([
    ['parity_orders_too_few', orders(29)],
    ['parity_sessions_too_few', orders(60, (_, index) => ({ session: sessions[index % 2]! }))],
    ['parity_measure_missing', orders(60, onLean({ ackMs: null }))],
    ['parity_measure_missing', orders(60, onLean({ slippageBps: null }))],
  ])('[E8] cannot say anything with %s', (code, sample) => {
    expect(compare(sample)).toMatchObject({ result: 'inconclusive', codes: [code] });
  });

  it('[E8] needs the sessions of each adapter, not of both together', () => {
    const sample = orders(60, (order) => (order.adapter === 'lean' ? { session: sessions[0]! } : {}));
    expect(compare(sample).codes).toEqual(['parity_sessions_too_few']);
  });

  it('[E8] never passes on simulated evidence, and fails on it all the same', () => {
    expect(compare(orders(60), 'simulated')).toMatchObject({
      result: 'inconclusive',
      codes: ['parity_evidence_simulated'],
    });
    expect(compare(orders(60, onLean({ ackMs: 5_000 })), 'simulated').result).toBe('fail');
  });

  it('[E8] passes exactly what has a score and lies within every tolerance', () => {
    const sample = fc.array(
      fc.record<ParityOrder>({
        adapter: fc.constantFrom('lean', 'alpaca'),
        session: fc.constantFrom(...sessions),
        rejected: fc.boolean(),
        ackMs: fc.option(fc.integer({ min: 0, max: 3_000 })),
        slippageBps: fc.option(fc.double({ min: -20, max: 20, noNaN: true })),
        provenanceError: fc.constant(false),
      }),
      { minLength: 60, maxLength: 120 },
    );
    fc.assert(
      fc.property(sample, (one) => {
        const { result, metrics } = compare(one);
        const { reject_rate_difference: reject, ack_p95_difference_ms: ack, slippage_interval_bps: interval } = metrics;
        if (result !== 'pass') return;
        expect(Math.abs(reject!)).toBeLessThanOrEqual(0.05);
        expect(Math.abs(ack!)).toBeLessThanOrEqual(1_000);
        expect(interval![0]).toBeGreaterThanOrEqual(-5);
        expect(interval![1]).toBeLessThanOrEqual(5);
        expect(metrics.score).not.toBeNull();
      }),
    );
  });
});

describe('the interval of a difference of means', () => {
  it('is that of Welch, of the worked example of two samples with unequal variances', () => {
    // Computed apart: t(0.975; 27.99995) = 2.048407 by integration of its density, standard error 1.0235357.
    const a = [27.5, 21, 19, 23.6, 17, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19, 21.7, 21.4];
    const b = [27.1, 22, 20.8, 23.4, 23.4, 23.5, 25.8, 22, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 19.8];
    const interval = welchInterval(a, b)!;
    expect(interval.difference).toBeCloseTo(-2.526667, 6);
    expect(interval.low).toBeCloseTo(-4.623285, 5);
    expect(interval.high).toBeCloseTo(-0.430049, 5);
  });

  it('covers the true difference in about 95 of 100 samples', () => {
    let state = 42;
    const uniform = (): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return (state + 0.5) / 2_147_483_648;
    };
    const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    let covered = 0;
    for (let trial = 0; trial < 1_000; trial += 1) {
      const a = Array.from({ length: 30 }, () => 1 + 4 * normal());
      const b = Array.from({ length: 40 }, () => 9 * normal());
      const { low, high } = welchInterval(a, b)!;
      if (low <= 1 && 1 <= high) covered += 1;
    }
    expect(covered).toBeGreaterThan(925);
    expect(covered).toBeLessThan(975);
  });

  it('is not there for a sample of one', () => {
    expect(welchInterval([1], [1, 2, 3])).toBeNull();
  });
});
