import { stressCases } from '@torghut/domain';
import type { RunEvidence } from '@torghut/platform';
import { describe, expect, it } from 'vitest';
import { evidenceContinuity } from '../../../functions/operator-api/evidence-continuity.ts';

const now = Date.parse('2026-02-13T15:30:00.000Z');
const openDay = { kind: 'full', hours: { openAt: now, closeAt: now + 1 } } as const;
const closedDay = { kind: 'closed', hours: null } as const;
const completed: RunEvidence = {
  run_id: 'a'.repeat(24),
  status: 'completed',
  candidates: 1,
  lacks_folds: false,
  stress_cases: stressCases.length,
  gate_evaluations: 1,
  promotions: 1,
  artifacts: { dataset_manifest: 'runs/a/dataset.json', run_manifest: 'runs/a/manifest.json' },
};
const skipped: RunEvidence = {
  ...completed,
  status: 'skipped',
  candidates: 0,
  lacks_folds: true,
  stress_cases: 0,
  gate_evaluations: 0,
  promotions: 0,
  artifacts: {},
};

describe('evidence continuity', () => {
  it.each([
    { today: openDay, codes: ['no_runs_on_market_day'] },
    { today: null, codes: ['no_runs_on_market_day'] },
    { today: closedDay, codes: [] },
  ])('without a run is a failure unless the calendar says closed', ({ today, codes }) => {
    expect(evidenceContinuity({ runs: [], today }, now)).toMatchObject({
      checked_runs: 0,
      codes,
      ok: codes.length === 0,
    });
  });

  it('accepts a run that was skipped with its reason: its row is all there can be', () => {
    expect(evidenceContinuity({ runs: [skipped], today: openDay }, now)).toMatchObject({
      ok: true,
      checked_runs: 1,
      missing: [],
    });
  });

  it.each([
    { change: { candidates: 0 }, table: 'research_candidates' },
    { change: { lacks_folds: true }, table: 'research_fold_metrics' },
    { change: { stress_cases: stressCases.length - 1 }, table: 'research_stress_metrics' },
    { change: { gate_evaluations: 0 }, table: 'gate_evaluations' },
    { change: { promotions: 0 }, table: 'research_promotions' },
  ])('names $table when a completed run has too few rows in it', ({ change, table }) => {
    const report = evidenceContinuity({ runs: [{ ...completed, ...change }], today: openDay }, now);
    expect(report.ok).toBe(false);
    expect(report.codes).toContain('ledger_chain_incomplete');
    expect(report.missing).toEqual([
      { run_id: completed.run_id, missing_tables: [table], missing_artifacts: [], hash_mismatches: null },
    ]);
  });

  it('does not pass a full chain whose artifacts nobody compared with their hashes', () => {
    expect(evidenceContinuity({ runs: [completed], today: openDay }, now)).toMatchObject({
      ok: false,
      missing: [],
      codes: ['artifacts_not_verified'],
    });
  });

  it('names artifacts without a key and counts failed runs', () => {
    const runs = [
      { ...completed, artifacts: { run_manifest: null } },
      { ...skipped, status: 'failed' as const },
    ];
    expect(evidenceContinuity({ runs, today: openDay }, now)).toMatchObject({
      checked_runs: 2,
      failed_runs: 1,
      missing: [{ missing_artifacts: ['run_manifest'] }],
    });
  });
});
