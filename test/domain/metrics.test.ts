import { bucketBounds, bucketOf, metricDefinitions, metricUnits, type Telemetry } from '@torghut/domain';
import { describe, expect, it } from 'vitest';

describe('metric table', () => {
  it.each(Object.entries(metricDefinitions))('%s has a legal name, a known unit and a meaning', (name, definition) => {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(metricUnits).toContain(definition.unit);
    expect(definition.meaning).not.toBe('');
    expect(name.endsWith('_total')).toBe(definition.kind === 'counter');
  });

  it('does not type-check an unknown metric, a wrong kind, or a missing or extra dimension', () => {
    const use = (telemetry: Telemetry): void => {
      telemetry.count('cycles_total', 1);
      telemetry.count('execution_fallback_total', 1, { from: 'lean', to: 'alpaca' });
      // @ts-expect-error: not in the table
      telemetry.count('cycles', 1);
      // @ts-expect-error: a gauge cannot be counted
      telemetry.count('signal_lag_seconds', 1);
      // @ts-expect-error: `to` is missing
      telemetry.count('execution_fallback_total', 1, { from: 'lean' });
      // @ts-expect-error: dimensions are missing
      telemetry.count('execution_fallback_total', 1);
      // @ts-expect-error: `symbol` is not a dimension of this metric
      telemetry.count('denials_total', 1, { code: 'market_closed', symbol: 'NVDA' });
      // @ts-expect-error: this metric has no dimensions
      telemetry.gauge('signal_lag_seconds', 1, { consumer: 'trading' });
    };
    expect(use).toBeTypeOf('function');
  });

  it('puts an observation into the first bucket whose bound it does not exceed', () => {
    for (const [index, bound] of bucketBounds.entries()) {
      expect(bucketOf(bound)).toBe(index);
      expect(bucketOf(bound + 0.001)).toBe(index + 1);
    }
  });
});
