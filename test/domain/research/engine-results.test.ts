import { createHash } from 'node:crypto';
import { type Simulation } from '@torghut/domain/research';
import { describe, expect, test } from 'vitest';
import { crossings } from '../../bench/research/bars.ts';
import { bareLoop } from '../../bench/research/bare-loop.ts';
import { generatedData, ownResult } from '../../bench/research/cross-check.ts';
import { publishedData, publishedResults } from '../../bench/research/published.ts';
import { defaultExecutionModel, featuresOf, marketOf } from '@torghut/domain/research';
import { engineCase } from './random-cases.ts';
import { simulate } from '../../../layers/domain/src/research/engine.ts';

/** Every value of a simulation, bit for bit. */
const digestOf = (simulations: readonly Simulation[]): string => {
  const hash = createHash('sha256');
  for (const { fills, trades, sessions, equity } of simulations) {
    const { bar, qty, price, spreadCost, slippageCost, commission } = fills;
    for (const column of [bar, qty, price, spreadCost, slippageCost, commission]) hash.update(column);
    for (const column of [trades.bar, trades.notional, trades.profit, equity]) hash.update(column);
    hash.update(JSON.stringify(sessions));
  }
  return hash.digest('hex');
};

describe('[R4] the engine', () => {
  test('gives for 600 drawn simulations what it gave when its rules were last changed, to the last bit', () => {
    const simulations = Array.from({ length: 600 }, (_, index) => {
      const { market, actions, model, fees, range } = engineCase(index + 1);
      return simulate(market, { actions }, model, fees, range);
    });
    const sumOf = (of: (one: Simulation['sessions'][number]) => number): number =>
      simulations.reduce((sum, { sessions }) => sum + sessions.reduce((own, one) => own + of(one), 0), 0);
    // The cases are worth something: they fill, in parts too, and expire.
    expect([sumOf(({ fills }) => fills), sumOf(({ partialFills }) => partialFills)]).toEqual([7599, 2692]);
    expect(digestOf(simulations)).toBe('b53de1ba406fe5adc5b0d85c852731c5677e42844d4a4223d2e8d166a6c1a096');
  });

  test('fills as a loop does that was written for the default model alone, and has its equity', () => {
    const { series } = generatedData(40);
    const actions = crossings(series, 10, 30);
    const market = marketOf(series, featuresOf(series).vol_realized_w60s, defaultExecutionModel);
    const { fills, equity } = simulate(market, { actions }, defaultExecutionModel, [], {
      from: 0,
      to: series.sessions.length,
    });
    const bare = bareLoop(market, actions);
    const { bar, qty, price, spreadCost, slippageCost, commission } = fills;
    const own = Array.from(bar, (row, index) => [
      row,
      ...[qty, price, spreadCost, slippageCost, commission].map((column) => column[index]),
    ]);
    expect(own.length).toBeGreaterThan(200);
    expect(own.flat()).toEqual(bare.fills);
    for (const [row, value] of equity.entries()) expect(Math.abs(value - (bare.equity[row] ?? 0))).toBeLessThan(1e-9);
  });

  test.each(publishedResults.map((result) => [result.peer, result] as const))(
    'has the fills and the equity that %s had, under next open and a fixed commission',
    async (_, { fills, rows }) => {
      const own = ownResult(await publishedData());
      expect(rows).toBe(own.equity.length);
      expect(own.fills.map(({ bar }) => bar)).toEqual(fills.map(([bar]) => bar));
      expect(fills.length).toBeGreaterThan(20);
      for (const [index, [bar, qty, price, commission, equity]] of fills.entries()) {
        const fill = own.fills[index];
        expect(fill?.qty).toBe(qty);
        expect(fill?.price).toBe(price);
        expect(Math.abs((fill?.commission ?? Number.NaN) - commission)).toBeLessThan(1e-9);
        expect(Math.abs((own.equity[bar] ?? Number.NaN) - equity)).toBeLessThan(1e-9);
      }
    },
  );
});
