import type { AccountLabel, gateVerdicts, Instant, NoSignalReason, runStatuses } from '@torghut/domain';
import type { Queryable } from '../pool.ts';
import { instantParameter, instantText, onlyRow } from './sql.ts';

export type RunStatus = (typeof runStatuses)[number];
export type GateVerdict = (typeof gateVerdicts)[number];

export interface LastRun {
  readonly run_id: string;
  readonly status: RunStatus;
  readonly no_signal_reason: NoSignalReason | null;
  readonly failure_code: string | null;
  readonly window_start: string;
  readonly window_end: string;
  readonly gates: {
    readonly verdict: GateVerdict;
    readonly codes: readonly string[];
    readonly evaluated_at: string;
  } | null;
  readonly recommendation: string | null;
}

/** The autonomous loop so far: research runs, and the signals both consumers evaluated. */
export interface AutonomyTotals {
  readonly runs_total: number;
  readonly signals_total: number;
  /** Failed runs in a row at the end. */
  readonly failure_streak: number;
  readonly last_run: LastRun | null;
}

export const readAutonomy = async (db: Queryable, account: AccountLabel, now: Instant): Promise<AutonomyTotals> => {
  const { rows } = await db.query<AutonomyTotals>(
    `SELECT
       (SELECT count(*)::float8 FROM research_runs WHERE account_label = $1) AS runs_total,
       (SELECT coalesce(sum(signals_evaluated), 0)::float8 FROM signal_windows WHERE account_label = $1) AS signals_total,
       (SELECT count(*)::float8 FROM research_runs r WHERE account_label = $1 AND status = 'failed' AND window_start > coalesce(
          (SELECT max(window_start) FROM research_runs WHERE account_label = $1 AND status IN ('completed', 'skipped')), '-infinity'
       )) AS failure_streak,
       (SELECT row_to_json(t) FROM (
          SELECT r.run_id, r.status, r.no_signal_reason, r.failure_code, ${instantText('r.window_start')} AS window_start,
            ${instantText('r.window_end')} AS window_end,
            (SELECT json_build_object('verdict', g.verdict, 'codes', g.codes, 'evaluated_at', ${instantText('g.evaluated_at')})
             FROM gate_evaluations g WHERE g.run_id = r.id ORDER BY g.evaluated_at DESC LIMIT 1) AS gates,
            (SELECT g.recommended_stage FROM gate_evaluations g WHERE g.run_id = r.id ORDER BY g.evaluated_at DESC LIMIT 1)
              AS recommendation
          FROM research_runs r WHERE r.account_label = $1 AND r.window_start <= $2
          ORDER BY r.window_start DESC, r.run_id LIMIT 1
        ) t) AS last_run`,
    [account, instantParameter(now)],
  );
  return onlyRow(rows);
};

/** What one research run left in the ledger. */
export interface RunEvidence {
  readonly run_id: string;
  readonly status: RunStatus;
  readonly candidates: number;
  readonly folds: number;
  readonly stress_cases: number;
  readonly gate_evaluations: number;
  readonly promotions: number;
  readonly artifacts: Readonly<Record<string, string | null>>;
}

/** The newest runs of the last 24 hours with the rows each of them has in the ledger. */
export const readRunEvidence = async (
  db: Queryable,
  account: AccountLabel,
  now: Instant,
  limit: number,
): Promise<RunEvidence[]> => {
  const { rows } = await db.query<RunEvidence>(
    `SELECT r.run_id, r.status,
       (SELECT count(*)::int FROM research_candidates c WHERE c.run_id = r.id) AS candidates,
       (SELECT count(*)::int FROM research_fold_metrics f JOIN research_candidates c ON c.id = f.candidate_id WHERE c.run_id = r.id) AS folds,
       (SELECT count(*)::int FROM research_stress_metrics s JOIN research_candidates c ON c.id = s.candidate_id WHERE c.run_id = r.id)
         AS stress_cases,
       (SELECT count(*)::int FROM gate_evaluations g WHERE g.run_id = r.id) AS gate_evaluations,
       (SELECT count(*)::int FROM research_promotions p WHERE p.run_id = r.id) AS promotions,
       json_build_object('dataset_manifest', r.dataset_manifest_key, 'run_manifest', r.manifest_key) AS artifacts
     FROM research_runs r
     WHERE r.account_label = $1 AND r.window_start <= $2 AND r.window_start > $2::timestamptz - interval '24 hours'
     ORDER BY r.window_start DESC, r.run_id
     LIMIT $3`,
    [account, instantParameter(now), limit],
  );
  return rows;
};
