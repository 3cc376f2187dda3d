import { bucketBounds } from '@torghut/domain';
import { createMemoryTelemetry } from '@torghut/platform';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExposition } from '../../support/exposition.ts';

describe('telemetry in memory', () => {
  it('adds counters, keeps the last gauge, and tells dimensions apart in any order', () => {
    const telemetry = createMemoryTelemetry();
    telemetry.count('execution_fallback_total', 1, { from: 'lean', to: 'alpaca' });
    telemetry.count('execution_fallback_total', 2, { to: 'alpaca', from: 'lean' });
    telemetry.count('execution_fallback_total', 5, { from: 'alpaca', to: 'lean' });
    telemetry.gauge('signal_lag_seconds', 9);
    telemetry.gauge('signal_lag_seconds', 0);
    expect(telemetry.value('execution_fallback_total', { from: 'lean', to: 'alpaca' })).toBe(3);
    expect(telemetry.value('execution_fallback_total', { from: 'alpaca', to: 'lean' })).toBe(5);
    expect(telemetry.value('signal_lag_seconds')).toBe(0);
    expect(telemetry.value('cycles_total')).toBeUndefined();
  });

  it('renders an exposition a scraper can read, with cumulated buckets', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400_000)), (observations) => {
        const telemetry = createMemoryTelemetry();
        for (const value of observations) telemetry.observe('decision_to_ack_ms', value, { adapter: 'lean' });
        const { samples, types } = parseExposition(telemetry.exposition());
        if (observations.length === 0) {
          expect(samples).toEqual([]);
          return;
        }
        expect(types.get('torghut_trading_decision_to_ack_ms')).toBe('histogram');
        for (const le of [...bucketBounds, Number.POSITIVE_INFINITY]) {
          const label = le === Number.POSITIVE_INFINITY ? '+Inf' : String(le);
          const bucket = samples.find(({ name, labels }) => name.endsWith('_bucket') && labels.le === label);
          expect(bucket?.value).toBe(observations.filter((value) => value <= le).length);
        }
        expect(samples.find(({ name }) => name.endsWith('_sum'))?.value).toBe(observations.reduce((a, b) => a + b, 0));
      }),
    );
  });

  it('escapes any label value so that it reads back unchanged', () => {
    fc.assert(
      fc.property(fc.string(), (code) => {
        const telemetry = createMemoryTelemetry();
        telemetry.count('denials_total', 1, { code });
        expect(parseExposition(telemetry.exposition()).samples).toEqual([
          { name: 'torghut_trading_denials_total', labels: { code }, value: 1 },
        ]);
      }),
    );
  });

  it('keeps the newest log lines with errors readable and secrets hidden', () => {
    const telemetry = createMemoryTelemetry({ keptLines: 2 });
    telemetry.info('first');
    telemetry.warn('second', { password: 'hunter2' });
    telemetry.error('third', { error: new RangeError('expected 1, found 2') });
    expect(telemetry.logs()).toMatchObject([
      { level: 'warn', message: 'second', fields: { password: '[redacted]' } },
      { level: 'error', message: 'third', fields: { error: { name: 'RangeError', message: 'expected 1, found 2' } } },
    ]);
  });
});
