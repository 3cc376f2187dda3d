import {
  type AccountLabel,
  type gateVerdicts,
  type Instant,
  type NoSignalReason,
  runStatuses,
  stressCases,
} from '@torghut/domain';
import type { RunOnRecord } from '@torghut/domain/research';
import type { Queryable } from '../pool.ts';
import { epochMs, instantParameter, instantText, onlyRow } from './sql.ts';

export type RunStatus = (typeof runStatuses)[number];
export type GateVerdict = (typeof gateVerdicts)[number];

export interface ResearchRun {
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
  readonly last_run: ResearchRun | null;
}

/** A run as `r`, with what the gates said last. */
const runColumns = `r.run_id, r.status, r.no_signal_reason, r.failure_code, ${instantText('r.window_start')} AS window_start,
  ${instantText('r.window_end')} AS window_end,
  (SELECT json_build_object('verdict', g.verdict, 'codes', g.codes, 'evaluated_at', ${instantText('g.evaluated_at')})
   FROM gate_evaluations g WHERE g.run_id = r.id ORDER BY g.evaluated_at DESC LIMIT 1) AS gates,
  (SELECT g.recommended_stage FROM gate_evaluations g WHERE g.run_id = r.id ORDER BY g.evaluated_at DESC LIMIT 1)
    AS recommendation`;

export const readAutonomy = async (db: Queryable, account: AccountLabel, now: Instant): Promise<AutonomyTotals> => {
  const { rows } = await db.query<AutonomyTotals>(
    `SELECT
       (SELECT count(*)::float8 FROM research_runs WHERE account_label = $1) AS runs_total,
       (SELECT coalesce(sum(signals_evaluated), 0)::float8 FROM signal_windows WHERE account_label = $1) AS signals_total,
       (SELECT count(*)::float8 FROM research_runs r WHERE account_label = $1 AND status = 'failed' AND window_start > coalesce(
          (SELECT max(window_start) FROM research_runs WHERE account_label = $1 AND status IN ('completed', 'skipped')), '-infinity'
       )) AS failure_streak,
       (SELECT row_to_json(t) FROM (
          SELECT ${runColumns}
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
  /** Whether a candidate has fewer folds than a full chain, and its own gates do not say that there were too few sessions. */
  readonly lacks_folds: boolean;
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
       (SELECT count(*)::int FROM research_stress_metrics s JOIN research_candidates c ON c.id = s.candidate_id WHERE c.run_id = r.id)
         AS stress_cases,
       ${lacksFolds} AS lacks_folds,
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

/** Tables a run of the research lane writes. */
export const researchTables = [
  'research_runs',
  'research_candidates',
  'research_fold_metrics',
  'research_stress_metrics',
  'gate_evaluations',
  'research_promotions',
] as const;
export type ResearchTable = (typeof researchTables)[number];

/** Rows a completed run leaves in each table of the ledger, at least; of folds each of its candidates. */
export const fullChainRows = {
  research_candidates: 1,
  research_fold_metrics: 5,
  research_stress_metrics: stressCases.length,
  gate_evaluations: 1,
  research_promotions: 1,
} as const satisfies Partial<Record<ResearchTable, number>>;

/**
 * Whether a run, as `r`, lacks folds: a candidate over too few sessions says so in its gates, and then has as few as it has.
 * One excuses no other.
 */
const lacksFolds = `coalesce((SELECT bool_or(
    (SELECT count(*) FROM research_fold_metrics f WHERE f.candidate_id = c.id) < ${fullChainRows.research_fold_metrics}
    AND NOT EXISTS (SELECT FROM gate_evaluations g WHERE g.candidate_id = c.id AND 'insufficient_folds' = ANY (g.codes)))
  FROM research_candidates c WHERE c.run_id = r.id), true)`;

/** Whether a run, as `r`, has fewer rows in a table than its full chain. */
const fewer = (table: keyof typeof fullChainRows, rows: string): string =>
  `(SELECT count(*) FROM ${rows}) < ${fullChainRows[table]}`;
const ofRun = (table: keyof typeof fullChainRows): string => fewer(table, `${table} t WHERE t.run_id = r.id`);
const lacking: Readonly<Record<keyof typeof fullChainRows, string>> = {
  research_candidates: ofRun('research_candidates'),
  research_fold_metrics: lacksFolds,
  research_stress_metrics: fewer(
    'research_stress_metrics',
    'research_stress_metrics t JOIN research_candidates c ON c.id = t.candidate_id WHERE c.run_id = r.id',
  ),
  gate_evaluations: ofRun('gate_evaluations'),
  research_promotions: ofRun('research_promotions'),
};
const incomplete = Object.entries(lacking)
  .map(([table, lacks]) => `CASE WHEN ${lacks} THEN '${table}' END`)
  .join(', ');

/**
 * Runs of which something happened in `[from, until)`, each with the tables that lack rows of it: their window began, or
 * they ended, as what is stored long after its window does. A run that has not ended is among them every time.
 */
export const readRunsOnRecord = async (
  db: Queryable,
  account: AccountLabel,
  from: Instant,
  until: Instant,
): Promise<RunOnRecord[]> => {
  const { rows } = await db.query<RunOnRecord>(
    `SELECT r.run_id AS "runId", r.status, ${epochMs('r.window_end')} AS "windowEnd", r.manifest_sha256 AS "manifestSha256",
       CASE WHEN r.status = 'completed' THEN array_remove(ARRAY[${incomplete}], NULL) ELSE '{}' END AS "incompleteTables"
     FROM research_runs r WHERE r.account_label = $1 AND r.window_start < $3
       AND (r.window_start >= $2 OR (r.finished_at >= $2 AND r.finished_at < $3) OR r.status = 'running')
     ORDER BY r.window_start, r.run_id`,
    [account, instantParameter(from), instantParameter(until)],
  );
  return rows;
};

/** What the research lane wrote for windows that began since a moment. */
export interface ResearchWrites {
  readonly rows: Readonly<Record<ResearchTable, number>>;
  readonly runs: Readonly<Record<RunStatus, number>>;
  /** False when there are more runs than were counted. */
  readonly complete: boolean;
  /** The first runs that were not skipped, oldest first. */
  readonly first_runs: readonly ResearchRun[];
}

/** More than two weeks of five-minute windows of a session. */
const countedRuns = 1_000;
const firstRuns = 3;

/** `since` and `now` bound the start of a run's window. */
export const readResearchWrites = async (
  db: Queryable,
  account: AccountLabel,
  since: Instant,
  now: Instant,
): Promise<ResearchWrites> => {
  const { rows } = await db.query<ResearchWrites>(
    `WITH counted AS (
       SELECT r.id, r.status FROM research_runs r
       WHERE r.account_label = $1 AND r.window_start BETWEEN $2 AND $3
       ORDER BY r.window_start, r.run_id LIMIT ${countedRuns}
     ), candidates AS (
       SELECT c.id FROM research_candidates c JOIN counted ON counted.id = c.run_id
     )
     SELECT
       json_build_object(
         'research_runs', (SELECT count(*) FROM counted),
         'research_candidates', (SELECT count(*) FROM candidates),
         'research_fold_metrics', (SELECT count(*) FROM research_fold_metrics f JOIN candidates c ON c.id = f.candidate_id),
         'research_stress_metrics', (SELECT count(*) FROM research_stress_metrics s JOIN candidates c ON c.id = s.candidate_id),
         'gate_evaluations', (SELECT count(*) FROM gate_evaluations g JOIN counted ON counted.id = g.run_id),
         'research_promotions', (SELECT count(*) FROM research_promotions p JOIN counted ON counted.id = p.run_id)
       ) AS rows,
       json_build_object(${runStatuses
         .map((status) => `'${status}', (SELECT count(*) FROM counted WHERE status = '${status}')`)
         .join(', ')}) AS runs,
       (SELECT count(*) FROM counted) < ${countedRuns} AS complete,
       (SELECT coalesce(json_agg(t), '[]') FROM (
          SELECT ${runColumns}
          FROM research_runs r
          WHERE r.account_label = $1 AND r.window_start BETWEEN $2 AND $3 AND r.status <> 'skipped'
          ORDER BY r.window_start, r.run_id LIMIT ${firstRuns}
        ) t) AS first_runs`,
    [account, instantParameter(since), instantParameter(now)],
  );
  return onlyRow(rows);
};
