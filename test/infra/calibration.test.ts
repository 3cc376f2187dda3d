import { describe, expect, it } from 'vitest';
import { second, type Evaluation, type RunnableStrategy, type Side } from '@torghut/domain';
import { calibration, featureSessions, tradeIntents, type FeatureSession } from '../../infra/cli/calibration.ts';
import { enabledStrategy, strategyWithProfile } from '../../infra/cli/measured-strategy.ts';
import { generatedDirectory } from '../../infra/local/bars/generate.ts';
import { readBars } from '../../infra/local/bars/reader.ts';
import { deployedCatalog } from '../../infra/local/catalog.ts';

const catalog = await deployedCatalog();
const sessions = [...featureSessions(await readBars(generatedDirectory))];
const { strategy } = enabledStrategy(catalog, '1m');

/** The deployed strategy with another judgement. */
const judging = (evaluate: () => Evaluation): RunnableStrategy => ({
  ...strategy,
  bound: { ...strategy.bound, evaluate },
});
const always = (action: Side): RunnableStrategy =>
  judging(() => ({
    kind: 'intent',
    action,
    intent: action === 'buy' ? 'entry' : 'exit',
    confidence: 0.7,
    rationaleCodes: [],
  }));

/** One session, its rows moved to be one second apart. */
const everySecond = ({ rows, ...session }: FeatureSession): FeatureSession => {
  const start = rows[0]!.row.eventTs;
  return {
    ...session,
    rows: rows.map(({ row, features }, index) => ({ row: { ...row, eventTs: start + index * second }, features })),
  };
};

describe('the calibration of a strategy', () => {
  it('finds a plausible rate on the shipped bars, which are too few to prove it', () => {
    const result = calibration([...tradeIntents(sessions, strategy)], '1Min');
    expect(result.problems).toEqual(['expected at least 5 sessions, found 3']);
    expect(result).toMatchObject({ sessions: 3, sessions_with_buys: 3, sessions_with_sells: 3 });
    expect(result.intents.median).toBeGreaterThan(2);
    expect(result.symbol_sessions).toHaveLength(24);
  });

  it('accounts for every signal: an intent, or at least one condition that rejected it', () => {
    for (const { rows, buys, sells, rejections } of tradeIntents(sessions, strategy)) {
      const rejected = Object.values(rejections).reduce((sum, count) => sum + count, 0);
      expect(buys + sells + rejected).toBeGreaterThanOrEqual(rows);
      for (const count of Object.values(rejections)) expect(count).toBeLessThanOrEqual(rows - buys - sells);
    }
  });

  it('counts intents within the cooldown of the last one as rejections', () => {
    const [result] = tradeIntents([everySecond(sessions[1]!)], always('buy'));
    expect(result!.rows).toBe(390);
    expect(result!.buys).toBe(Math.ceil(390 / 60));
    expect(result!.rejections.cooldown_active! + (result!.rejections.required_feature_null ?? 0)).toBe(
      390 - result!.buys,
    );
  });

  it('sells nothing that was not bought', () => {
    const [result] = tradeIntents([sessions[1]!], always('sell'));
    expect(result).toMatchObject({ buys: 0, sells: 0 });
    expect(result!.rejections.nothing_to_exit).toBeGreaterThan(380);
  });

  it('refuses a rate outside of the band on either side, and a side that never trades', () => {
    const five = (buys: number, sells: number) =>
      ['2018-02-16', '2018-02-20', '2018-02-21', '2018-02-22', '2018-02-23'].map((date) => ({
        date,
        symbol: sessions[0]!.symbol,
        rows: 390,
        buys,
        sells,
        rejections: {},
      }));
    expect(calibration(five(15, 5), '1Min').problems).toEqual([]);
    expect(calibration(five(15, 6), '1Min').problems).toEqual([
      'expected a median of 0.5 to 20 intents per symbol-session, found 21.00',
      'expected a mean of 0.5 to 20 intents per symbol-session, found 21.00',
    ]);
    expect(calibration(five(15, 6), '1Sec').problems).toEqual([]);
    expect(calibration(five(0, 0), '1Sec').problems).toHaveLength(4);
    expect(calibration(five(3, 0), '1Min').problems).toEqual(['expected sells, found none']);
    expect(calibration([], '1Min').problems[0]).toBe('expected at least 5 sessions, found 0');
  });

  it('stops at an error of the strategy instead of counting it as silence', () => {
    const broken = judging(() => {
      throw new TypeError('no such indicator');
    });
    expect(() => [...tradeIntents(sessions, broken)]).toThrow(
      /intraday_tsmom_v1@prod on GEN1 at 2025-11-25T14:\d\d:00.000Z: no such indicator/,
    );
  });
});

describe('the strategy to be calibrated', () => {
  it.each([
    ['1m', '1Min'],
    ['1s', '1Sec'],
  ] as const)('is the enabled one for %s bars', (frequency, timeframe) => {
    expect(enabledStrategy(catalog, frequency)).toMatchObject({ frequency, strategy: { baseTimeframe: timeframe } });
  });

  it('is the one that knows the profile asked for, enabled or not', () => {
    expect(strategyWithProfile(catalog, '1Sec@1').strategy).toMatchObject({ baseTimeframe: '1Sec' });
    expect(strategyWithProfile(catalog, 'baseline@1').strategy.strategyId).toBe('macd_rsi_v1@baseline');
  });

  it('is none when no strategy knows the profile: the error lists those there are', () => {
    expect(() => strategyWithProfile(catalog, '1Min@0')).toThrow(/^--profile: expected .*1Min@1.*, found "1Min@0"$/);
    expect(() => enabledStrategy([], '1m')).toThrow(/expected a strategy enabled for 1m bars in the catalog/);
  });
});
