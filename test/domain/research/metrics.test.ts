import { decimal } from '@torghut/domain';
import {
  AccountCurve,
  alphaOf,
  combinatorialPathsOf,
  blockCount,
  blocksOf,
  defaultSplitPlan,
  flatCurve,
  foldsOf,
  followedBy,
  intervalsOf,
  markedProfits,
  money,
  netOf,
  overfittingOf,
  sessionScore,
  testedPeriods,
  totalsOf,
  trackRecordOf,
  type EquityCurve,
  type SessionFigures,
  type Simulation,
} from '@torghut/domain/research';
import type { BoundStrategy } from '@torghut/domain';
import { momentsOf } from '@torghut/domain/statistics';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { frictionless, minutes, seriesOfBars } from './fixtures.ts';
import { inputOf, tradingDays } from './lane-fixture.ts';
import { Workbench } from '../../../layers/domain/src/research/workbench.ts';
import { evaluateCase } from '../../../layers/domain/src/research/evaluate-case.ts';

describe('money of a double', () => {
  test.each([
    [0.1 + 0.2, '0.3'],
    [-0, '0'],
    [-1e-9, '0'],
    [1 / 3, '0.333333'],
    // Exactly half way, in binary: to the even neighbour.
    [0.0000005, '0'],
    [2 ** -7 + 2 ** -1, '0.507812'],
    [3 * 2 ** -7, '0.023438'],
    [-3 * 2 ** -7, '-0.023438'],
    [123456789.0000015, '123456789.000002'],
  ])('%d is %s', (value, text) => {
    expect(money(value)).toBe(text);
  });

  it('is never further from the double than half of its last place', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), (value) => {
        const off = decimal(money(value))
          .minus(decimal(value.toFixed(60)))
          .abs();
        expect(off.lte(decimal('0.0000005'))).toBe(true);
      }),
    );
    expect(() => money(Number.NaN)).toThrow(RangeError);
  });
});

/** The curve of values read one by one. */
const curveOf = (values: readonly number[]): EquityCurve => {
  let [peak, trough, drawdown] = [0, 0, 0];
  for (const value of values) {
    peak = Math.max(peak, value);
    trough = Math.min(trough, value);
    drawdown = Math.max(drawdown, peak - value);
  }
  return { end: values.at(-1) ?? 0, peak, trough, drawdown };
};

describe('equity curve', () => {
  it('of two periods is the one of both read through', () => {
    const values = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { maxLength: 8 });
    fc.assert(
      fc.property(values, values, (first, second) => {
        const end = first.at(-1) ?? 0;
        expect(followedBy(curveOf(first), curveOf(second))).toEqual(
          curveOf([...first, ...second.map((value) => end + value)]),
        );
      }),
    );
    expect(followedBy(flatCurve, flatCurve)).toEqual(flatCurve);
  });

  it('adds symbols bar by bar, keeps what a symbol without a bar had, and takes fees at the close', () => {
    const [date] = tradingDays(1);
    if (date === undefined) throw new Error('expected a day');
    const whole = seriesOfBars([{ date, bars: minutes(0, [1, 1, 1, 1]) }]);
    const gappy = seriesOfBars([
      {
        date,
        bars: [
          { at: 1, open: 1 },
          { at: 3, open: 1 },
        ],
      },
    ]);
    const equity = (...values: number[]) => ({ equity: Float64Array.from(values) }) as unknown as Simulation;
    const curve = new AccountCurve(whole, 0, 1);
    curve.add(whole, 0, equity(1, 2, -5, 4));
    curve.add(gappy, 0, equity(10, 20));
    // 1, 12, 5, 24, then 24 to the close, where 2 USD of fees are paid.
    expect(curve.close([2])).toEqual({ end: 22, peak: 24, trough: 0, drawdown: 7 });
  });
});

/** Buys at one minute of each session and sells at another. */
const scheduled = (buyAt: number, sellAt: number): BoundStrategy => {
  let bar = -1;
  return {
    type: 'scheduled',
    version: '1',
    profile: 'x',
    requiredFeatures: ['price'],
    evaluate: ({ price }) => {
      // The price of the tests names the bar.
      bar = Math.round(((price ?? 0) % 1) * 100);
      const shared = { kind: 'intent', confidence: 0.7, rationaleCodes: [] } as const;
      if (bar === buyAt) return { ...shared, action: 'buy', intent: 'entry' };
      if (bar === sellAt) return { ...shared, action: 'sell', intent: 'exit' };
      return { kind: 'rejection', conditions: ['not_now'] };
    },
  };
};

describe('a case', () => {
  // Every session opens ten dollars higher; within it a bar costs a cent more than the one before.
  const dates = tradingDays(8);
  const series = seriesOfBars(
    dates.map((date, day) => ({
      date,
      bars: minutes(
        0,
        Array.from({ length: 40 }, (_, bar) => 100 + 10 * day + bar / 100),
      ),
    })),
  );
  const input = inputOf([series]);
  const folds = foldsOf(input.sessions, { ...defaultSplitPlan, warm_up_bars: 0 });
  const blocks = blocksOf(folds);
  const result = evaluateCase(new Workbench(input, frictionless, 0), {
    candidate: { candidateHash: 'a'.repeat(64) as never },
    bound: scheduled(5, 20),
    evaluationCase: 'base',
    blocks,
    labelSeconds: 600,
    detailed: true,
  });

  it('simulates every session once: the head that only trains, then each test by itself', () => {
    expect(blocks).toEqual([
      { from: 0, to: 3, tested: false },
      ...[3, 4, 5, 6, 7].map((from) => ({ from, to: from + 1, tested: true })),
    ]);
    expect(() => blocksOf(folds.map((fold) => ({ ...fold, test: { ...fold.test, to: fold.test.to + 1 } })))).toThrow(
      /overlap/,
    );
  });

  it('earns what its fills earn: each day what the shares rise from the next open to the open after the exit', () => {
    const [day] = [3];
    const [bought, sold] = [100 + 10 * day + 0.06, 100 + 10 * day + 0.21];
    const shares = Math.floor(1_000 / (100 + 10 * day + 0.05));
    expect(result.sessions).toHaveLength(8);
    expect(netOf(result.sessions[day] ?? ({} as never))).toBeCloseTo(shares * (sold - bought), 9);
    const periods = testedPeriods(result, blocks);
    const totals = totalsOf(periods, 100_000, result.detail?.tradeNetBps ?? []);
    expect(totals).toMatchObject({ sessions: 5, trade_count: 5, fill_count: 10, total_cost: '0', unrealized_pnl: '0' });
    expect(totals.gross_pnl).toBe(totals.net_pnl);
    expect(totals.mean_trade_net_bps).toBeCloseTo(
      [3, 4, 5, 6, 7].reduce((sum, own) => sum + (1e4 * 0.15) / (100 + 10 * own + 0.06) / 5, 0),
      6,
    );
    expect(totals.turnover_ratio).toBeCloseTo(
      Math.max(
        ...[3, 4, 5, 6, 7].map((own) => {
          const price = 100 + 10 * own;
          return (Math.floor(1_000 / (price + 0.05)) * (2 * price + 0.27)) / 100_000;
        }),
      ),
      9,
    );
  });

  it('asks the confidence of the decision that was filled, not that of a wish while its order rested', () => {
    const sure = scheduled(5, 20);
    const wavering: BoundStrategy = {
      ...sure,
      evaluate: (features, ...others) => {
        const bar = Math.round(((features.price ?? 0) % 1) * 100);
        if (bar !== 6) return sure.evaluate(features, ...others);
        return { kind: 'intent', action: 'buy', intent: 'entry', confidence: 0.1, rationaleCodes: [] };
      },
    };
    const patient = {
      ...frictionless,
      latency: { bars: 1, milliseconds: [1_000] },
      order: { ...frictionless.order, entry_ttl_seconds: 600 },
      cooldown_seconds: 600,
    };
    const waited = evaluateCase(new Workbench(input, patient, 0), {
      candidate: { candidateHash: 'a'.repeat(64) as never },
      bound: wavering,
      evaluationCase: 'base',
      blocks,
      labelSeconds: 600,
      detailed: true,
    });
    expect(waited.detail?.forecasts.map(({ probability }) => probability)).toEqual(
      Array.from({ length: 5 }, () => 0.7),
    );
  });

  it('has a gross that leaves out what opening the shares still held has cost', () => {
    const model = { ...frictionless, commission: { per_share_usd: 0.1, rate: 0 } };
    const open = evaluateCase(new Workbench(input, model, 0), {
      candidate: { candidateHash: 'a'.repeat(64) as never },
      bound: scheduled(5, 99),
      evaluationCase: 'base',
      blocks,
      labelSeconds: 600,
      detailed: true,
    });
    const totals = totalsOf(testedPeriods(open, blocks), 100_000, []);
    expect(totals).toMatchObject({ trade_count: 0, net_pnl: '0', gross_pnl: '0' });
    expect(Number(totals.total_cost)).toBeGreaterThan(0);
    expect(totals.open_cost).toBe(totals.total_cost);
  });

  it('asks of each entry whether the price stood higher when its label was due', () => {
    expect(result.detail?.forecasts).toEqual(Array.from({ length: 5 }, () => ({ probability: 0.7, outcome: 1 })));
    expect(result.detail?.symbolSessions.map(({ session }) => session)).toEqual([3, 4, 5, 6, 7]);
  });

  it('decides nothing while it warms up', () => {
    const cold = evaluateCase(new Workbench(input, frictionless, 4 * 40), {
      candidate: { candidateHash: 'a'.repeat(64) as never },
      bound: scheduled(5, 20),
      evaluationCase: 'base',
      blocks,
      labelSeconds: 600,
      detailed: false,
    });
    expect(cold.sessions.map(({ fills }) => fills)).toEqual([0, 0, 0, 0, 2, 2, 2, 2]);
    expect(cold.detail).toBeNull();
  });
});

describe('[A4] alpha', () => {
  const returns = [0.259, 0.198, 0.364, -0.081, 0.057, 0.055, 0.188, 0.317, 0.24, 0.184, -0.01, 0.526];
  const moments = momentsOf(returns);

  it('has the published probabilistic Sharpe ratio of its sample, and deflates it by the variance of the trials', () => {
    const other = returns.map((value, index) => value - (index % 2 === 0 ? 0.3 : 0.1));
    const overfitting = overfittingOf([returns, other], [returns, other], 2);
    const alpha = alphaOf(moments, returns.length, overfitting, 2);
    expect(alpha.psr.value).toBeCloseTo(0.9995976310026206, 12);
    expect(overfitting.trialVarianceOf).toBe('trials');
    expect(alpha.dsr.value).toBeLessThan(alpha.psr.value ?? 0);
    expect(alpha.alpha_verdict).toBe((alpha.dsr.value ?? 0) >= 0.95 ? 'SUPPORTED' : 'INSUFFICIENT_EVIDENCE');
  });

  it('takes trials that are not here for spread as widely as luck spreads them', () => {
    const same = returns.map((value) => value * 1.001 + 1e-6);
    const known = overfittingOf([returns, same], [returns, same], 2);
    const hidden = overfittingOf([returns, same], [returns, same], 3);
    expect(known.trialVarianceOf).toBe('trials');
    expect(hidden).toMatchObject({ trialVarianceOf: 'no_skill', trialVariance: { ok: true, value: 1 / 11 } });
  });

  it('counts among its trials those that stand out, by the false discovery rate', () => {
    const flat = returns.map((_, index) => (index % 2 === 0 ? 0.001 : -0.001));
    const strong = returns.map((_, index) => 0.01 + (index % 3) / 1_000);
    const none = returns.map(() => 0);
    expect(overfittingOf([strong, flat, none], [strong, flat, none], 3).discoveries).toEqual([true, false, false]);
    expect(overfittingOf([], [], 3).discoveries).toEqual([]);
  });

  it('is refuted by a record of losses, and undecided without trades, with a code for each missing statistic', () => {
    const losses = returns.map((value) => -value);
    const lost = alphaOf(momentsOf(losses), 12, overfittingOf([losses], [losses], 1), 1);
    expect(lost.alpha_verdict).toBe('REFUTED');
    expect(lost.min_trl_days).toMatchObject({ value: null, code: 'undefined_for_input' });
    const none = returns.map(() => 0);
    const silent = alphaOf(momentsOf(none), 12, overfittingOf([none, none], [none, none], 2), 2);
    expect(silent).toMatchObject({
      alpha_verdict: 'INSUFFICIENT_EVIDENCE',
      psr: { value: null, code: 'no_variance', sample: 12 },
      dsr: { value: null, code: 'no_variance' },
    });
  });

  test.each([
    [3, 0],
    [8, 4],
    [12, 6],
    [31, 14],
    [32, 16],
    [500, 16],
  ])('of %d sessions is cross-validated over %d blocks', (sessions, blocks) => {
    expect(blockCount(sessions)).toBe(blocks);
  });
});

describe('marked profit', () => {
  const figures = (realised: number, unrealised: number) =>
    ({ realised, unrealised, regulatoryFees: 1 }) as unknown as SessionFigures;

  it('is what a session realised and what its holdings moved by, after fees', () => {
    expect(markedProfits([figures(0, -50), figures(0, -80), figures(-80, 0)])).toEqual([-51, -31, -1]);
  });

  it('shows the losses of a strategy that sells winners only', () => {
    const sessions = [figures(10, -100), figures(10, -200), figures(10, -300)];
    expect(sessions.map(netOf)).toEqual([9, 9, 9]);
    expect(markedProfits(sessions).every((profit) => profit < 0)).toBe(true);
  });
});

describe('track record', () => {
  it('of three sessions supports no Sharpe ratio below 32, and needs 684 days for one of 1', () => {
    const record = trackRecordOf(3);
    expect(record.smallest_supported_annual_sharpe.value).toBeCloseTo(32.456283410716765, 9);
    expect(record.days_to_decide).toEqual([
      { annual_sharpe: 0.5, days: 2730 },
      { annual_sharpe: 1, days: 684 },
      { annual_sharpe: 1.5, days: 305 },
      { annual_sharpe: 2, days: 173 },
      { annual_sharpe: 3, days: 78 },
      { annual_sharpe: 4, days: 45 },
    ]);
  });
});

describe('combinatorial paths', () => {
  const minuteSessions = Array.from({ length: 12 }, (_, day) => ({
    date: `day ${day}`,
    openAt: day * 1_000_000,
    closeAt: day * 1_000_000 + 400_000,
  }));

  it('of one candidate are all the record itself: 15 splits of 6 groups give 5 paths', () => {
    const nets = minuteSessions.map((_, day) => day - 4);
    const found = combinatorialPathsOf(minuteSessions, [nets], 0, 100_000);
    expect(found).toMatchObject({ groups: 6, test_groups: 2, splits: 15, losing_ratio: 0 });
    expect(found.paths.map(({ net_pnl }) => net_pnl)).toEqual(Array.from({ length: 5 }, () => '18'));
  });

  it('of candidates that are good in turns lose: what was best elsewhere is worst here', () => {
    const nets = [0, 1, 2].map((own) =>
      minuteSessions.map((_, day) => (Math.floor(day / 4) === own ? 10 : -6) + (day % 2)),
    );
    expect(combinatorialPathsOf(minuteSessions, nets, 0, 100_000).losing_ratio).toBe(1);
  });

  it('train on no session that begins within the embargo after a test', () => {
    // The first is the better but for one day, right after the first group: held back by the embargo, it is not seen.
    const long = 2_000;
    const nets = [
      minuteSessions.map((_, day) => (day === 2 ? -100 : 5 + (day % 2))),
      minuteSessions.map((_, day) => 2 + (day % 2)),
    ];
    const free = combinatorialPathsOf(minuteSessions, nets, 0, 100_000);
    const held = combinatorialPathsOf(minuteSessions, nets, long, 100_000);
    expect(held).not.toEqual(free);
  });

  it('of too few sessions are none', () => {
    expect(combinatorialPathsOf(minuteSessions.slice(0, 2), [[1, 2]], 0, 100_000)).toMatchObject({
      splits: 0,
      losing_ratio: null,
    });
  });
});

describe('score of a training block', () => {
  test.each([
    [[], 0],
    [[0, 0, 0], 0],
    [[5, 5, 5], Infinity],
    [[-5, -5], -Infinity],
    [[1, 3], 2 / Math.SQRT2],
  ])('of %j is %d', (nets, score) => {
    expect(sessionScore(nets)).toBeCloseTo(score, 12);
  });
});

describe('intervals', () => {
  const nets = Float64Array.from({ length: 40 }, (_, index) => Math.sin(index) * 10 + 1);

  it('are drawn from the hash of the candidate: the same for the same, others for another', () => {
    const trades = Array.from({ length: 60 }, (_, index) => Math.cos(index) * 5);
    const one = intervalsOf('a'.repeat(64), nets, nets, trades);
    expect(intervalsOf('a'.repeat(64), nets, nets, trades)).toEqual(one);
    expect(intervalsOf('b'.repeat(64), nets, nets, trades).session_net_usd).not.toEqual(one.session_net_usd);
    expect(one.session_net_usd.low).toBeLessThan(1);
    expect(one.session_net_usd.high).toBeGreaterThan(1);
    expect(one.mean_trade_net_bps.sample).toBe(60);
  });

  it('over fewer than 20 sessions are not given', () => {
    const few = intervalsOf('a'.repeat(64), nets.subarray(0, 19), nets.subarray(0, 19), []);
    expect(few.session_net_usd).toMatchObject({ low: null, code: 'insufficient', sample: 19 });
    expect(few.mean_trade_net_bps).toMatchObject({ low: null, code: 'too_few_observations' });
  });
});
