import {
  defaultGatePolicy,
  gateInputsOf,
  inThisThread,
  inputTable,
  reportsOf,
  runBacktest,
  valueOf,
  type EvaluationReport,
  type Reports,
  type StressReport,
} from '@torghut/domain/research';
import { describe, expect, it } from 'vitest';
import { contextOf, inputOf, planOf, tradingDays, TrialBook, wanderingSeries } from '../lane-fixture.ts';

const input = inputOf([wanderingSeries('AAA', tradingDays(8), 7)]);
const reports = reportsOf(
  await runBacktest(new TrialBook(), inThisThread(input), 'a'.repeat(24), planOf(input, 1)),
  input,
  contextOf(),
);
const digests = {
  dataset: '1'.repeat(64),
  candidateSpec: '2'.repeat(64),
  policy: '3'.repeat(64),
  evaluation: '4'.repeat(64),
  baseline: '5'.repeat(64),
};
const inputsOf = (changed: Partial<Reports>) =>
  gateInputsOf({ ...reports, ...changed }, digests, defaultGatePolicy, {});
const withEvaluation = (change: Partial<EvaluationReport>) =>
  inputsOf({ evaluation: { ...reports.evaluation, ...change } });
const withStress = (change: Partial<StressReport['cases'][number]>) =>
  inputsOf({
    stress: {
      ...reports.stress,
      cases: reports.stress.cases.map((row, index) => (index === 0 ? { ...row, ...change } : row)),
    },
  });

describe('figures a run gives its gates', () => {
  it('name value, unit, source, time, artifact and class of evidence of each', () => {
    const inputs = inputsOf({});
    for (const [name, figure] of Object.entries(inputs)) {
      expect(figure).toMatchObject({
        unit: inputTable[name as keyof typeof inputTable].unit,
        source: 'research-lane',
        observed_at: '2026-05-01T21:00:00.000Z',
        evidence_class: 'observed',
      });
      expect(figure.artifact_ref).not.toBe('');
    }
    expect(inputs.trades?.value).toBe(reports.evaluation.totals.trade_count);
    expect(inputs.dataset_digest?.value).toBe(digests.dataset);
  });

  it('have no value of a detector that compared nothing', () => {
    const { detectors } = reports.evaluation;
    const blind = { ...detectors.lookahead, rows_compared: 0, differences: 0 };
    expect(valueOf(inputsOf({}), 'lookahead_differences')).toBe(0);
    expect(
      valueOf(withEvaluation({ detectors: { ...detectors, lookahead: blind } }), 'lookahead_differences'),
    ).toBeNull();
    expect(
      valueOf(withEvaluation({ detectors: { ...detectors, recursion: blind } }), 'recursion_differences'),
    ).toBeNull();
  });

  it('have no staleness where signals were not stored', () => {
    expect(valueOf(inputsOf({}), 'feature_staleness_p95')).toBeNull();
  });

  it('count a kind of market that is not known as one in which nothing was won', () => {
    const regime = {
      symbol_sessions: 1,
      candidate_trades: 1,
      baseline_trades: 0,
      candidate_profit: '5',
      baseline_profit: '0',
    };
    const labels = ['vol=low|trend=up|liq=liquid', 'vol=unknown|trend=up|liq=liquid'];
    const inputs = withEvaluation({ regimes: labels.map((regime_label) => ({ ...regime, regime_label })) });
    expect(valueOf(inputs, 'regimes_with_trades')).toBe(1);
    expect(valueOf(inputs, 'regimes_won_ratio')).toBe(0.5);
    expect(valueOf(withEvaluation({ regimes: [] }), 'regimes_won_ratio')).toBeNull();
  });

  it('name a stress case whose figures were copied, and one whose fills are the same for no reason', () => {
    const [first] = reports.stress.cases;
    if (first === undefined) throw new Error('expected stress cases');
    expect(valueOf(inputsOf({}), 'stress_not_reevaluated')).toEqual([]);
    expect(valueOf(withStress({ input_digest: first.input_digest_base }), 'stress_not_reevaluated')).toEqual([
      'spread_x2',
    ]);
    const same = { fills_digest: first.fills_digest_base };
    expect(valueOf(withStress(same), 'stress_not_reevaluated')).toEqual(['spread_x2']);
    expect(valueOf(withStress({ ...same, same_fills_reason: 'no_trades' }), 'stress_not_reevaluated')).toEqual([]);
  });

  it('take the worst case of stress', () => {
    expect(valueOf(withStress({ pessimistic_pnl_delta: '-99999' }), 'worst_stress_delta')).toBe(-99_999);
  });
});
