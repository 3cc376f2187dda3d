import { type Instant, toText } from '@torghut/domain';
import { fullChainRows, type EvidenceReads, type RunEvidence } from '@torghut/platform';

/** Whether a completed run left less in a table of the ledger than its full chain. */
const lacks: Readonly<Record<keyof typeof fullChainRows, (run: RunEvidence) => boolean>> = {
  research_candidates: (run) => run.candidates < fullChainRows.research_candidates,
  research_fold_metrics: (run) => run.lacks_folds,
  research_stress_metrics: (run) => run.stress_cases < fullChainRows.research_stress_metrics,
  gate_evaluations: (run) => run.gate_evaluations < fullChainRows.gate_evaluations,
  research_promotions: (run) => run.promotions < fullChainRows.research_promotions,
};

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
      missing_tables: Object.entries(lacks).flatMap(([table, isLacking]) => (isLacking(run) ? [table] : [])),
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
