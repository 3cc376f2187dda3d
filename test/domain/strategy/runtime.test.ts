import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  decimal,
  defaultLimits,
  evaluateBatch,
  inCooldown,
  netIntents,
  type BoundStrategy,
  type RunnableStrategy,
  type StrategyHealths,
  type StrategyIntent,
} from '@torghut/domain';
import { featureRow, now, runnable, sellIndicators, signalRow, ticker } from '../decision/fixtures.ts';

const failing = (times: number): BoundStrategy => {
  let left = times;
  return {
    ...runnable().bound,
    evaluate: () => {
      if (left-- > 0) throw new Error('division by a missing bar');
      return { kind: 'rejection', conditions: ['trend_flat'] };
    },
  };
};
const rows = (count: number) =>
  Array.from({ length: count }, (_, i) => featureRow(signalRow({ symbol: ticker(`S${i}`) })));
const run = (
  strategies: readonly RunnableStrategy[],
  count = 5,
  health: StrategyHealths = new Map(),
  at = now,
  timeframe = '1Min',
) => evaluateBatch(rows(count), timeframe, strategies, health, at, defaultLimits);

describe('evaluation of a batch', () => {
  it('emits intents in row order and counts every failed condition per strategy', () => {
    const batch = [
      featureRow(signalRow()),
      featureRow(signalRow({ symbol: ticker('AAPL'), indicators: { rsi14: 70, vol_realized_w60s: 0.04 } })),
      featureRow(signalRow({ symbol: ticker('MSFT'), indicators: { rsi14: null } })),
    ];
    const result = evaluateBatch(batch, '1Min', [runnable()], new Map(), now, defaultLimits);
    expect(result.intents.map(({ signal }) => signal.row.symbol)).toEqual(['NVDA']);
    expect(result.rejections.snapshot()).toEqual({
      'tsmom@prod': { buy_volatility: 1, buy_oscillator: 1, required_feature_null: 1 },
    });
  });

  it('shows a strategy only symbols of its filter, and nothing when the filter is empty', () => {
    expect(
      run([runnable({ universeFilter: new Set([ticker('S1')]) })]).intents.map(({ signal }) => signal.row.symbol),
    ).toEqual(['S1']);
    expect(run([runnable({ universeFilter: new Set() })]).intents).toEqual([]);
  });

  it('never shows a strategy rows of another timeframe', () => {
    const result = run([runnable()], 5, new Map(), now, '1Sec');
    expect([result.intents, result.skipped]).toEqual([
      [],
      [{ strategyId: 'tsmom@prod', reason: 'timeframe_mismatch' }],
    ]);
  });

  it('degrades a strategy for 300 s after three errors in a row, and lets the others go on', () => {
    const broken = runnable({ strategyId: 'broken', bound: failing(99) });
    const result = run([broken, runnable()]);
    expect(result.errors).toHaveLength(3);
    expect(result.health.get('broken')).toEqual({ consecutiveErrors: 3, degradedUntil: now + 300_000 });
    expect(result.intents).toHaveLength(5);
    expect(result.intents.every(({ strategy }) => strategy.strategyId === 'tsmom@prod')).toBe(true);
  });

  it('counts errors across batches, forgets them after a success, and starts anew after the suspension', () => {
    const two: StrategyHealths = new Map([['s', { consecutiveErrors: 2, degradedUntil: null }]]);
    expect(run([runnable({ strategyId: 's', bound: failing(1) })], 1, two).health.get('s')?.degradedUntil).toBe(
      now + 300_000,
    );
    expect(run([runnable({ strategyId: 's', bound: failing(0) })], 1, two).health.get('s')?.consecutiveErrors).toBe(0);
    const suspended: StrategyHealths = new Map([['s', { consecutiveErrors: 3, degradedUntil: now + 1 }]]);
    expect(run([runnable({ strategyId: 's' })], 1, suspended).skipped).toEqual([
      { strategyId: 's', reason: 'strategy_degraded' },
    ]);
    const after = run([runnable({ strategyId: 's', bound: failing(1) })], 2, suspended, now + 1);
    expect([after.errors.length, after.health.get('s')]).toEqual([1, { consecutiveErrors: 0, degradedUntil: null }]);
  });
});

describe('netting', () => {
  const intent = (strategyId: string, action: 'buy' | 'sell', confidence: number, priority = 100): StrategyIntent => ({
    strategy: runnable({ strategyId, priority }),
    signal: featureRow(signalRow({ indicators: action === 'sell' ? sellIndicators : {} })),
    intent: { kind: 'intent', action, intent: action === 'buy' ? 'entry' : 'exit', confidence, rationaleCodes: [] },
  });
  const winnerOf = (...intents: StrategyIntent[]) =>
    netIntents(intents, ({ strategy }) => decimal(strategy.strategyId.startsWith('big') ? '1000' : '100')).kept[0]
      ?.strategy.strategyId;

  it('lets the side with the larger confidence x notional win', () => {
    expect(winnerOf(intent('a', 'buy', 0.7), intent('b', 'sell', 0.6))).toBe('a');
    expect(winnerOf(intent('a', 'buy', 0.7), intent('big', 'sell', 0.6))).toBe('big');
    expect(winnerOf(intent('a', 'buy', 0.4), intent('c', 'buy', 0.3), intent('b', 'sell', 0.6))).toBe('a');
  });

  it('breaks ties by the higher priority, then by the lower strategy id', () => {
    expect(winnerOf(intent('a', 'buy', 0.6), intent('b', 'sell', 0.6, 200))).toBe('b');
    expect(winnerOf(intent('b', 'buy', 0.6), intent('a', 'sell', 0.6))).toBe('a');
    expect(winnerOf(intent('b', 'buy', 0.6), intent('a', 'buy', 0.6))).toBe('a');
  });

  it('keeps exactly one intent per symbol and event time, whatever the order of arrival', () => {
    const one = fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'big', 'd'),
      buy: fc.boolean(),
      confidence: fc.constantFrom(0.6, 0.65, 0.7),
      priority: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(fc.uniqueArray(one, { selector: ({ id }) => id, minLength: 1 }), (cases) => {
        const intents = cases.map((c) => intent(c.id, c.buy ? 'buy' : 'sell', c.confidence, c.priority));
        const { kept, nettedOut } = netIntents(intents, () => decimal('1'));
        expect([kept.length, nettedOut.length]).toEqual([1, cases.length - 1]);
        expect(winnerOf(...intents)).toBe(winnerOf(...[...intents].reverse()));
      }),
    );
  });
});

describe('cooldown', () => {
  it.each([
    ['within', now - 59_999, true],
    ['at its end', now - 60_000, false],
    ['without a decision before', null, false],
    ['for the row under evaluation itself', now, false],
    ['for a late row before a later decision', now + 1_000, true],
  ])('%s', (_claim, last, expected) => {
    expect(inCooldown(last, now, 60_000)).toBe(expected);
  });

  it('of zero seconds never holds anything back', () => {
    expect(inCooldown(now - 1, now, 0)).toBe(false);
  });
});
