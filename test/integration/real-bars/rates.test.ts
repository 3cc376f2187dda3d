import { beforeAll, describe, expect, it } from 'vitest';
import { asTicker, type RunnableStrategy, type Ticker } from '@torghut/domain';
import {
  calibration,
  featureSessions,
  plausibleIntents,
  tradeIntents,
  type FeatureSession,
} from '../../../infra/cli/calibration.ts';
import { enabledStrategy, strategyWithProfile } from '../../../infra/cli/measured-strategy.ts';
import type { BarFrequency } from '../../../infra/local/bars/bars.ts';
import { readBars } from '../../../infra/local/bars/reader.ts';
import { deployedCatalog } from '../../../infra/local/catalog.ts';
import { intradayTsmom, tsmomProfiles } from '../../../layers/domain/src/strategy/plugins/intraday-tsmom.ts';
import { marketDataDirectory, missingMarketData, type MarketDataSet } from '../../support/market-data.ts';

const catalog = await deployedCatalog();

const tickers = (list: string): Ticker[] => list.split(' ').map((symbol) => asTicker(symbol)!);
/** Half of the set: cheap and dear, calm and wild, in its order. */
const stocks = tickers('AAPL AMD AVGO BAC CRM FB GE JPM MSFT NVDA WMT XOM');

const signalsOf = async (
  set: MarketDataSet,
  frequency: BarFrequency,
  symbols: readonly Ticker[],
): Promise<readonly FeatureSession[]> => {
  const directory = marketDataDirectory(set);
  return directory === null ? [] : [...featureSessions(await readBars(directory, { frequency, symbols }))];
};

/** The strategy with some thresholds changed. */
const altered = (
  profile: string,
  thresholds: Partial<(typeof tsmomProfiles)[string]['thresholds']>,
): RunnableStrategy => {
  const { strategy } = strategyWithProfile(catalog, profile);
  const all = { ...tsmomProfiles[profile]!.thresholds, ...thresholds };
  return {
    ...strategy,
    bound: { ...strategy.bound, evaluate: (features) => intradayTsmom.evaluate(features, { profile }, all) },
  };
};

describe.each([
  { set: 'us-1m-2018', frequency: '1m', timeframe: '1Min', symbols: stocks },
  { set: 'us-2013-2023', frequency: '1s', timeframe: '1Sec', symbols: tickers('AIG BAC IBM SPY') },
] as const)('the rate of intents on real $frequency bars', ({ set, frequency, timeframe, symbols }) => {
  const missing = missingMarketData(set);
  let signals: readonly FeatureSession[] = [];
  beforeAll(async () => {
    signals = await signalsOf(set, frequency, symbols);
  }, 90_000);
  const measure = (one: RunnableStrategy) => calibration([...tradeIntents(signals, one)], timeframe);
  const title = (claim: string): string => `${claim} ${missing ?? ''}`;
  const { strategy } = enabledStrategy(catalog, frequency);

  it.skipIf(missing !== null)(title('is plausible for the deployed profile'), () => {
    const { intents, sessions, symbol_sessions, problems } = measure(strategy);
    const { least, most } = plausibleIntents[timeframe]!;
    expect(sessions).toBeGreaterThanOrEqual(5);
    for (const value of [intents.median, intents.mean]) {
      expect(value).toBeGreaterThanOrEqual(least);
      expect(value).toBeLessThanOrEqual(most);
    }
    expect(problems).toEqual([]);
    expect(symbol_sessions.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(100_000);
  });

  it.skipIf(missing !== null)(title('has buys and sells on most days'), () => {
    const { sessions, sessions_with_buys, sessions_with_sells } = measure(strategy);
    expect(sessions_with_buys).toBeGreaterThanOrEqual(0.9 * sessions);
    expect(sessions_with_sells).toBeGreaterThanOrEqual(0.9 * sessions);
  });

  it.skipIf(missing !== null)(title('was too high with the first version of the profile'), () => {
    const { problems } = measure(strategyWithProfile(catalog, `${timeframe}@1`).strategy);
    expect(problems.join()).toMatch(/intents per symbol-session/);
  });

  it.skipIf(missing !== null)(title('depends on the bars and the profile only'), () => {
    expect(measure(strategy)).toEqual(measure(strategy));
  });

  it.skipIf(missing !== null)(title('shows a condition that rejects everything, by name and count'), () => {
    const free = measure(strategy);
    const blocked = measure(altered(strategy.bound.profile, { bullRsiMin: 101, bullRsiMax: 101 }));
    expect(blocked.problems).toContain('expected buys, found none');
    expect(blocked.sessions_with_sells).toBe(0);
    for (const [index, { buys, rejections }] of free.symbol_sessions.entries()) {
      const count = blocked.symbol_sessions[index]!.rejections.buy_oscillator ?? 0;
      expect(count).toBeGreaterThanOrEqual((rejections.buy_oscillator ?? 0) + buys);
    }
  });
});
