import { type Instant, toText } from '@torghut/domain';
import { fullChainRows, type EvidenceReads, type RunEvidence } from '@torghut/platform';

/** Rows a completed run leaves in each table of the ledger, at least. */
const fullChain = [
  { table: 'research_candidates', found: (run: RunEvidence) => run.candidates },
  { table: 'research_fold_metrics', found: (run: RunEvidence) => run.folds },
  { table: 'research_stress_metrics', found: (run: RunEvidence) => run.stress_cases },
  { table: 'gate_evaluations', found: (run: RunEvidence) => run.gate_evaluations },
  { table: 'research_promotions', found: (run: RunEvidence) => run.promotions },
] as const;

export type ContinuityCode = 'no_runs_on_market_day' | 'ledger_chain_incomplete' | 'artifacts_not_verified';

export interface EvidenceContinuity {
  readonly checked_at: string;
  readonly checked_runs: number;
  readonly failed_runs: number;
  readonly missing: readonly {
    readonly run_id: string;
    readonly missing_tables: readonly string[];
    readonly missing_artifacts: readonly string[];
    /** Null while the stored bytes were not compared with their hashes. */
    readonly hash_mismatches: readonly string[] | null;
  }[];
  /** Why `ok` is false; empty exactly when it is true. */
  readonly codes: readonly ContinuityCode[];
  readonly ok: boolean;
}

/**
 * Whether the runs of the last 24 hours left their full chain of evidence. No evidence on a market day, and evidence
 * whose bytes nobody compared, are failures: nothing passes because there was nothing to look at.
 */
export const evidenceContinuity = ({ runs, today }: EvidenceReads, now: Instant): EvidenceContinuity => {
  const completed = runs.filter((run) => run.status === 'completed');
  const missing = completed
    .map((run) => ({
      run_id: run.run_id,
      missing_tables: fullChain
        .filter(({ table, found }) => found(run) < fullChainRows[table])
        .filter(({ table }) => table !== 'research_fold_metrics' || !run.insufficient_folds)
        .map(({ table }) => table),
      missing_artifacts: Object.entries(run.artifacts).flatMap(([name, key]) => (key === null ? [name] : [])),
      hash_mismatches: null,
    }))
    .filter((run) => run.missing_tables.length > 0 || run.missing_artifacts.length > 0);
  // An unknown calendar may hide a market day.
  const marketDay = today === null || today.hours !== null;
  const rules: readonly (readonly [ContinuityCode, boolean])[] = [
    ['no_runs_on_market_day', runs.length === 0 && marketDay],
    ['ledger_chain_incomplete', missing.length > 0],
    ['artifacts_not_verified', completed.length > 0],
  ];
  const codes = rules.filter(([, holds]) => holds).map(([code]) => code);
  return {
    checked_at: toText(now),
    checked_runs: runs.length,
    failed_runs: runs.filter((run) => run.status === 'failed').length,
    missing,
    codes,
    ok: codes.length === 0,
  };
};
