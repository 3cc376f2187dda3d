import { accountLabelSchema, builtInStrategies, canonicalJson, sha256 } from '@torghut/domain';
import {
  candidateHashOf,
  candidateIdOf,
  candidateOf,
  defaultExecutionModel,
  defaultGrids,
  defaultSplitPlan,
  parameterSetsOf,
  runIdOf,
  trialHashOf,
  type ParameterGrid,
  type RunIdentity,
} from '@torghut/domain/research';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { basisOf, configured, inputOf, tradingDays, wanderingSeries } from './lane-fixture.ts';

const identity: RunIdentity = {
  accountLabel: accountLabelSchema.parse('paper'),
  consumer: 'lane',
  windowStart: Date.parse('2026-05-11T20:00:00Z'),
  windowEnd: Date.parse('2026-05-12T20:00:00Z'),
  strategyId: 'intraday_tsmom_v1@prod',
  strategyVersion: '1.1.0',
  policyDigest: 'b'.repeat(64),
  target: 'paper',
};
const basis = basisOf(inputOf([wanderingSeries('AAA', tradingDays(8), 1)]));

describe('identity of a run', () => {
  it('is the beginning of the hash of the canonical text of its parts, times in the one text form', () => {
    const text =
      '{"account_label":"paper","consumer":"lane","policy_digest":"' +
      'b'.repeat(64) +
      '","strategy_id":"intraday_tsmom_v1@prod","strategy_version":"1.1.0","target":"paper",' +
      '"window_end":"2026-05-12T20:00:00.000Z","window_start":"2026-05-11T20:00:00.000Z"}';
    expect(runIdOf(identity)).toBe(sha256(text).slice(0, 24));
  });

  test.each([
    { windowEnd: identity.windowEnd + 1 },
    { target: 'canary' as const },
    { policyDigest: 'c'.repeat(64) },
    { strategyVersion: '1.1.1' },
  ])('is another one for %o', (change) => {
    expect(runIdOf({ ...identity, ...change })).not.toBe(runIdOf(identity));
  });
});

describe('[R2] identity of a candidate', () => {
  const own = candidateHashOf(configured, basis);
  const others = {
    dataset: candidateHashOf(configured, { ...basis, datasetHash: '1'.repeat(64) }),
    code: candidateHashOf(configured, { ...basis, codeHash: '1'.repeat(64) }),
    model: candidateHashOf(configured, { ...basis, model: { ...defaultExecutionModel, reject_rate: 0.02 } }),
    plan: candidateHashOf(configured, { ...basis, plan: { ...defaultSplitPlan, embargo_seconds: 0 } }),
    parameter: candidateHashOf({ ...configured, params: { bull_hist_min_factor: 2 } }, basis),
    profile: candidateHashOf({ ...configured, profile: '1Min@1' }, basis),
    version: candidateHashOf({ ...configured, strategyVersion: '1.2.0' }, basis),
  };

  it('is another one for each of its inputs, and the same for the same', () => {
    expect(new Set([own, ...Object.values(others)]).size).toBe(8);
    expect(candidateHashOf({ ...configured }, { ...basis })).toBe(own);
    expect(candidateIdOf(runIdOf(identity), own)).toBe(`cand-${runIdOf(identity).slice(0, 12)}-${own.slice(0, 12)}`);
  });

  it('counts as the same trial on other data, under another model and another plan', () => {
    expect(trialHashOf(configured, basis.codeHash)).toBe(
      candidateOf(configured, { ...basis, datasetHash: '1'.repeat(64) }).trialHash,
    );
    expect(trialHashOf(configured, '1'.repeat(64))).not.toBe(trialHashOf(configured, basis.codeHash));
  });
});

const grid = defaultGrids.intraday_tsmom ?? { axes: [] };

describe('parameter grid', () => {
  it('begins with what is configured, holds each set once, and stays within its budget', () => {
    const sets = parameterSetsOf(configured, grid, 20);
    expect(sets).toHaveLength(20);
    expect(sets[0]).toEqual(configured);
    expect(new Set(sets.map(({ params }) => canonicalJson(params))).size).toBe(20);
    expect(parameterSetsOf(configured, grid, 1)).toEqual([configured]);
    expect(() => parameterSetsOf(configured, grid, 0)).toThrow(/budget/);
  });

  it('changes one parameter before it changes two', () => {
    const changed = parameterSetsOf(configured, grid, 20).map(({ params }) => Object.keys(params).length);
    expect(changed).toEqual([...changed].sort());
  });

  it('every set of a default grid is one that its strategy takes', () => {
    for (const { strategyType, strategyVersion, params, profile } of parameterSetsOf(configured, grid, 100))
      expect(builtInStrategies.bind(strategyType, strategyVersion, { ...params, profile }, '1Min')).toMatchObject({
        ok: true,
      });
  });

  it('does not depend on the order of axes and values', () => {
    const value = fc.integer({ min: 1, max: 9 });
    const axes = fc.uniqueArray(
      fc.record({ parameter: fc.constantFrom('a', 'b', 'c'), values: fc.uniqueArray(value, { minLength: 1 }) }),
      {
        selector: ({ parameter }) => parameter,
      },
    );
    fc.assert(
      fc.property(axes, fc.integer({ min: 1, max: 30 }), (own, budget) => {
        const turned: ParameterGrid = {
          axes: own.toReversed().map(({ parameter, values }) => ({ parameter, values: values.toReversed() })),
        };
        expect(parameterSetsOf(configured, turned, budget)).toEqual(parameterSetsOf(configured, { axes: own }, budget));
      }),
    );
  });
});
