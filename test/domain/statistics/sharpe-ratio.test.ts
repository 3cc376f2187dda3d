import {
  annualisationFactor,
  daysToDecide,
  deflatedSharpeRatio,
  expectedMaximum,
  minimumBacktestLength,
  minimumTrackRecordLength,
  momentsOf,
  normalShape,
  probabilisticSharpeRatio,
  sharpeStandardError,
  smallestSupportedSharpe,
} from '@torghut/domain/statistics';
import { describe, expect, test } from 'vitest';
import { expectClose, valueOf, vectorA } from './helpers.ts';

describe('probabilistic Sharpe ratio', () => {
  const monthly = 1.585 / Math.sqrt(12);
  const hedgeFund = { skewness: -2.448, kurtosis: 10.164 };

  test.each([
    ['skewed and heavy-tailed', { sharpe: monthly, count: 24, ...hedgeFund }, 0.9132343068848602],
    ['normal', { sharpe: monthly, count: 24, ...normalShape }, 0.9815912360834967],
    ['normal, as printed', { sharpe: 0.458, count: 24, ...normalShape }, 0.9816749190910771],
    ['three observations', { sharpe: 2.0445536758616143, count: 3, ...normalShape }, 0.95],
  ] as const)('%s', (_name, estimate, expected) => {
    expectClose(valueOf(probabilisticSharpeRatio(estimate)), expected);
  });

  test('of the published vector', () => {
    expectClose(valueOf(probabilisticSharpeRatio(valueOf(momentsOf(vectorA)))), 0.9995976310026206);
  });

  test('excess kurtosis in place of Pearson gives a radicand no sample has', () => {
    expect(probabilisticSharpeRatio({ sharpe: 3, count: 24, skewness: 2, kurtosis: 0 })).toMatchObject({
      ok: false,
      code: 'undefined_for_input',
    });
  });

  test('one observation has none', () => {
    expect(probabilisticSharpeRatio({ sharpe: 1, count: 1, ...normalShape })).toMatchObject({
      ok: false,
      code: 'too_few_observations',
    });
  });
});

describe('[A4] deflated Sharpe ratio', () => {
  test.each([
    [1, 0],
    [2, 0.5197553442805939],
    [5, 1.192594001014789],
    [10, 1.57459830134575],
    [45, 2.235640177766405],
    [46, 2.2441708308410093],
    [88, 2.485294787590927],
    [100, 2.5306028932016846],
    [1000, 3.255121513652723],
  ])('the best of %d trials without skill is expected at %d deviations', (trials, expected) => {
    expectClose(valueOf(expectedMaximum(trials)), expected);
  });

  const published = { sharpe: 2.5 / Math.sqrt(250), count: 1250, skewness: -3, kurtosis: 10 };
  const variance = 0.5 / 250;

  test.each([
    [100, 0.11317200186513214, 0.9003968344493904, 0.9427705859565294],
    [46, 0.10036237061765357, 0.9505017068755786, 0.9787387232156534],
    [88, 0.11114576178358426, 0.910153014744707, 0.9504908166760138],
  ])('of the paper with %d trials', (trials, benchmark, dsr, ofNormal) => {
    const skewed = valueOf(deflatedSharpeRatio(published, trials, variance));
    expectClose(skewed.benchmark, benchmark);
    expectClose(skewed.dsr, dsr);
    expectClose(valueOf(deflatedSharpeRatio({ ...published, ...normalShape }, trials, variance)).dsr, ofNormal);
  });

  test('more trials only lower it; the mean of the trials raises the bar', () => {
    const values = [1, 2, 10, 100, 1000].map((n) => valueOf(deflatedSharpeRatio(published, n, variance)).dsr);
    expect(values).toEqual(values.toSorted((a, b) => b - a));
    expect(valueOf(deflatedSharpeRatio(published, 10, variance, 0.05)).dsr).toBeLessThan(values[2] ?? 0);
  });

  test.each([0, 1.5, Number.NaN])('%d trials are refused', (trials) => {
    expect(deflatedSharpeRatio(published, trials, variance)).toMatchObject({
      ok: false,
      code: 'parameter_out_of_range',
    });
  });
});

describe('track record', () => {
  const daily = (annual: number, periods: number) => annual / Math.sqrt(periods);
  const monthlyFund = { skewness: -0.72, kurtosis: 5.78 };

  test.each([
    ['daily, 250', 2, 1, 250, normalShape, 2.731187801728176],
    ['daily, 252', 2, 1, 252, normalShape, 2.730984275159661],
    ['weekly', 2, 1, 52, normalShape, 2.828833586945236],
    ['monthly', 2, 1, 12, normalShape, 3.2398006964446453],
    ['monthly, skewed', 2, 1, 12, monthlyFund, 4.991258223875623],
    ['monthly, 3 against 2.5', 3, 2.5, 12, monthlyFund, 27.3529201960403],
  ] as const)('minimum length, %s', (_name, annual, benchmark, periods, shape, years) => {
    const length = minimumTrackRecordLength({ sharpe: daily(annual, periods), ...shape }, daily(benchmark, periods));
    expectClose(valueOf(length) / periods, years);
  });

  test('a Sharpe ratio not above its benchmark has no sufficient record', () => {
    expect(minimumTrackRecordLength({ sharpe: 0, ...normalShape })).toMatchObject({
      ok: false,
      code: 'undefined_for_input',
    });
  });

  test.each([
    [0.5, 2729.5405734552232, 2817.4680727355762],
    [1, 684.1497221590915, 729.128050594554],
    [1.5, 305.3736385857338, 336.03557673956584],
    [2, 172.80200933505864, 196.30575234807566],
    [3, 78.1079884417192, 94.45353631392109],
    [4, 44.96508112905044, 57.73153143083474],
  ])('days to decide an annual Sharpe ratio of %d', (annual, normal, skewed) => {
    expectClose(valueOf(daysToDecide(annual)), normal);
    expectClose(valueOf(daysToDecide(annual, { skewness: -1, kurtosis: 6 })), skewed);
  });

  test.each([
    [3, 2.0445536758616143],
    [5, 1.0109543854142595],
    [10, 0.594805847873693],
    [21, 0.38090801676968616],
    [63, 0.2112135509930502],
  ])('%d days support a daily Sharpe ratio of %d at least', (days, sharpe) => {
    expectClose(valueOf(smallestSupportedSharpe(days)), sharpe);
  });

  test('two days support none', () => {
    expect(smallestSupportedSharpe(2)).toMatchObject({ ok: false, code: 'too_few_observations' });
  });

  test.each([
    [7, 1.923143406664121, 3.8918202981106265],
    [10, 2.4793598106009216, 4.605170185988092],
    [45, 4.998087004443402, 7.613324979540639],
    [100, 6.403951003080737, 9.210340371976184],
  ])('minimum backtest length of %d trials', (trials, years, upperBound) => {
    const found = valueOf(minimumBacktestLength(trials, 1));
    expectClose(found.years, years);
    expectClose(found.upperBound, upperBound);
  });
});

describe('error and annualisation', () => {
  test.each([
    [0.5, [0.306, 0.217, 0.177, 0.153, 0.137, 0.095, 0.067, 0.047]],
    [1, [0.354, 0.25, 0.204, 0.177, 0.158, 0.11, 0.077, 0.055]],
  ])('standard errors of a Sharpe ratio of %d, as printed', (sharpe, printed) => {
    const found = [12, 24, 36, 48, 60, 125, 250, 500].map((count) => valueOf(sharpeStandardError(sharpe, count)));
    expect(found.map((value) => Number(value.toFixed(3)))).toEqual(printed);
  });

  test.each([
    [0, 3.4641016151377544],
    [0.2, 2.87884869052744],
    [0.5, 2.12128797552083],
    [-0.2, 4.170848014103785],
  ])('twelve periods of autocorrelation %d', (rho, expected) => {
    expectClose(valueOf(annualisationFactor(12, (lag) => rho ** lag)), expected);
  });
});
