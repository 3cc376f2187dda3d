import { parseInstant, toText, type AccountLabel, type Instant } from '@torghut/domain';
import type {
  CompletedRun,
  PersistenceCode,
  ResearchLedger,
  RunFailureCode,
  RunPlan,
  RunRows,
  RunStatus,
  StoreOutcome,
} from '@torghut/domain/research';
import { jsonText } from './json.ts';
import { inTransaction, sqlState, type Pool, type Queryable } from './pool.ts';

/** Retries of a transaction that met another one; writers of the chain follow each other, so there are few. */
const conflictRetries = 2;

const actor = 'evidence-writer';
const source = 'research_persistence';

/** The research ledger in Postgres, for one account. */
export const postgresResearchLedger = (pool: Pool, account: AccountLabel): ResearchLedger => {
  const changing = <T>(work: (client: Queryable) => Promise<T>): Promise<T> =>
    inTransaction(pool, work, { conflictRetries });
  return {
    begin: (plan) => changing((client) => begin(client, account, plan)),

    register: (runId, family, trials) =>
      changing(async (client) => {
        await client.query(
          `INSERT INTO research_trials (family, trial_hash, strategy_type, strategy_version, params, profile, feature_contract_hash,
             code_hash, run_id)
           SELECT $2, t.trial_hash, t.strategy_type, t.strategy_version, t.params, t.profile, t.feature_contract_hash, t.code_hash, r.id
             FROM jsonb_to_recordset($3::jsonb) AS t(trial_hash text, strategy_type text, strategy_version text, params jsonb,
                    profile text, feature_contract_hash text, code_hash text),
                  research_runs r WHERE r.run_id = $1
           ON CONFLICT (family, trial_hash) DO NOTHING`,
          [
            runId,
            family,
            jsonText(
              trials.map((trial) => ({
                trial_hash: trial.trialHash,
                strategy_type: trial.strategyType,
                strategy_version: trial.strategyVersion,
                params: trial.params,
                profile: trial.profile,
                feature_contract_hash: trial.featureContractHash,
                code_hash: trial.codeHash,
              })),
            ),
          ],
        );
        const { rows } = await client.query<{ known: number; distinct: number }>(
          `SELECT count(*) FILTER (WHERE trial_hash = ANY ($2)) AS known, count(*) AS distinct
             FROM research_trials WHERE family = $1`,
          [family, trials.map(({ trialHash }) => trialHash)],
        );
        const expected = new Set(trials.map(({ trialHash }) => trialHash)).size;
        const { known = 0, distinct = 0 } = rows[0] ?? {};
        // Without its row a trial would be simulated uncounted.
        if (known !== expected)
          throw new Error(
            `run ${runId}: expected ${expected} trials of ${family} in the ledger, found ${known}; begin the run first`,
          );
        return { distinct };
      }),

    running: async (windowEnd) => {
      const { rows } = await pool.query<{ run_id: string }>(
        `SELECT run_id FROM research_runs WHERE account_label = $1 AND window_end = $2 AND status = 'running' ORDER BY strategy_id`,
        [account, toText(windowEnd)],
      );
      return rows.map(({ run_id: runId }) => runId);
    },

    fail: (runId, code, detail, now) =>
      changing((client) => endRunning(client, account, runId, { code, detail, at: toText(now) })),

    store: async (rows, now) => {
      try {
        return await changing((client) => store(client, account, rows, toText(now)));
      } catch (error) {
        // Class 22 and 23: a value or a row that a constraint refuses, now and whenever it is tried again.
        const state = sqlState(error);
        if (error instanceof Error && state !== undefined && /^2[23]...$/.test(state))
          return refused('ledger_refused', `${error.message} (SQLSTATE ${state})`);
        throw error;
      }
    },

    bury: (request, { code, detail }, { strict, now }) =>
      changing(async (client) => {
        const at = toText(now);
        if (strict)
          await endRunning(client, account, request.run_id, {
            code: 'persistence_failed',
            detail: { code, detail },
            at,
          });
        await client.query(
          `INSERT INTO dead_letters AS known (source, account_label, key, codes, payload_key, payload, attempts, first_seen_at, last_seen_at)
           VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)
           ON CONFLICT (source, key) DO UPDATE SET codes = excluded.codes, payload_key = excluded.payload_key, payload = excluded.payload,
             attempts = known.attempts + 1, last_seen_at = excluded.last_seen_at, resolved_at = NULL, resolved_by = NULL, resolution = NULL`,
          [source, account, request.run_id, [code], request.manifest_key, jsonText({ ...request, detail }), at],
        );
      }),
  };
};

const begin: (client: Queryable, account: AccountLabel, plan: RunPlan) => ReturnType<ResearchLedger['begin']> = async (
  client,
  account,
  plan,
) => {
  await lockChain(client);
  const { rows: known } = await client.query<{ strategy_pk: string | null; contract: string | null }>(
    `SELECT (SELECT id FROM strategies WHERE strategy_id = $1) AS strategy_pk,
       (SELECT id FROM feature_contracts WHERE hash = $2) AS contract`,
    [plan.strategyId, plan.featureContractHash],
  );
  const { strategy_pk: strategyPk = null, contract = null } = known[0] ?? {};
  if (strategyPk === null)
    return {
      kind: 'unresolved',
      detail: `expected strategy ${plan.strategyId} in the catalog of the ledger, found none`,
    };
  if (contract === null)
    return {
      kind: 'unresolved',
      detail: `expected feature contract ${plan.featureContractHash} in the ledger, found none`,
    };
  const { rows } = await client.query<{ status: RunStatus; attempts: number }>(
    `INSERT INTO research_runs AS run (run_id, account_label, window_start, window_end, status, attempts, target, strategy_pk, strategy_id,
       strategy_type, strategy_version, code_hash, runner_version, feature_contract_id, execution_model_hash, split_plan_hash,
       policy_digest, window_overlap_seconds)
     VALUES ($1, $2, $3, $4, 'running', 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
     ON CONFLICT (run_id) DO UPDATE SET attempts = run.attempts + 1 WHERE run.status = 'running'
     RETURNING status, attempts`,
    [
      plan.runId,
      account,
      toText(plan.windowStart),
      toText(plan.windowEnd),
      plan.target,
      strategyPk,
      plan.strategyId,
      plan.strategyType,
      plan.strategyVersion,
      plan.codeHash,
      plan.runnerVersion,
      contract,
      plan.executionModelHash,
      plan.splitPlanHash,
      plan.policyDigest,
      plan.windowOverlapSeconds,
    ],
  );
  const [started] = rows;
  if (started !== undefined) return { kind: 'started', attempts: started.attempts };
  const { rows: ended } = await client.query<{ status: Exclude<RunStatus, 'running'> }>(
    'SELECT status FROM research_runs WHERE run_id = $1',
    [plan.runId],
  );
  const [final] = ended;
  if (final === undefined) throw new Error(`run ${plan.runId}: expected a row after its insert met one, found none`);
  return { kind: 'final', status: final.status };
};

/** Comes before any row of a run is locked: the chain's triggers take it too, and two orders would be a deadlock. */
const lockChain = async (client: Queryable): Promise<void> => {
  await client.query('SELECT lock_research_chain()');
};

interface Failure {
  readonly code: RunFailureCode;
  readonly detail: unknown;
  readonly at: string;
}

const endRunning = async (
  client: Queryable,
  account: AccountLabel,
  runId: string,
  { code, detail, at }: Failure,
): Promise<boolean> => {
  const { rowCount } = await client.query(
    `UPDATE research_runs SET status = 'failed', failure_code = $3, failure_detail = $4, finished_at = $5
      WHERE run_id = $1 AND account_label = $2 AND status = 'running'`,
    [runId, account, code, jsonText(detail), at],
  );
  return rowCount === 1;
};

const refused = (code: PersistenceCode, detail: string): StoreOutcome => ({
  kind: 'refused',
  refusal: { code, detail },
});

interface RunRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly failure_code: RunFailureCode | null;
  readonly manifest_sha256: string | null;
  readonly window_end: Instant;
  readonly identity: CompletedRun['run'];
}

const store = async (client: Queryable, account: AccountLabel, rows: RunRows, at: string): Promise<StoreOutcome> => {
  await lockChain(client);
  const { rows: found } = await client.query<RunRow>(
    `SELECT r.id, r.status, r.failure_code, r.manifest_sha256, r.window_end, jsonb_build_object('target', r.target, 'strategy_id', r.strategy_id,
       'strategy_type', r.strategy_type, 'strategy_version', r.strategy_version, 'code_hash', r.code_hash,
       'feature_contract_hash', f.hash, 'execution_model_hash', r.execution_model_hash, 'split_plan_hash', r.split_plan_hash,
       'policy_digest', r.policy_digest) AS identity
     FROM research_runs r JOIN feature_contracts f ON f.id = r.feature_contract_id
     WHERE r.run_id = $1 AND r.account_label = $2 FOR UPDATE OF r`,
    [rows.runId, account],
  );
  const [run] = found;
  if (run === undefined)
    return refused('run_unknown', `expected run ${rows.runId} of account ${account} in the ledger, found none`);
  const { outcome } = rows;
  if (run.status === outcome.status && run.manifest_sha256 === rows.manifestSha256) {
    await settleDeadLetter(client, rows.runId, at);
    return { kind: 'already_stored' };
  }
  const redriven = run.failure_code === 'persistence_failed';
  if (run.status !== 'running' && !redriven)
    return refused(
      'run_final',
      `expected run ${rows.runId} to be running, found it ${run.status} (${run.failure_code ?? run.manifest_sha256 ?? ''})`,
    );

  if (outcome.status === 'completed') {
    const other = Object.entries(outcome.run).find(
      ([column, value]) => run.identity[column as keyof CompletedRun['run']] !== value,
    );
    if (other !== undefined) {
      const [column, value] = other;
      return refused(
        'artifact_contradiction',
        `${column}: expected ${run.identity[column as keyof CompletedRun['run']]} as in the row of the run, found ${value}`,
      );
    }
    // A key that was given up may be in other hands, and they may write any date: the ledger knows when the run was.
    const evaluatedAt = outcome.gate.evaluated_at;
    if (parseInstant(evaluatedAt) !== run.window_end)
      return refused(
        'verdict_misdated',
        `evaluated_at: expected ${toText(run.window_end)}, the end of the window in the row of the run, found ${evaluatedAt}`,
      );
    await insertCompleted(client, run.id, outcome);
  }
  const completed = outcome.status === 'completed' ? outcome : null;
  await client.query(
    `UPDATE research_runs SET status = $2, no_signal_reason = $3, manifest_key = $4, manifest_sha256 = $5, dataset_hash = $6,
       dataset_from = $7, dataset_to = $8, dataset_manifest_key = $9, gate_report_trace_id = $10, recommendation_trace_id = $11,
       failure_code = NULL, failure_detail = NULL, finished_at = $12, attempts = attempts + $13
     WHERE id = $1`,
    [
      run.id,
      outcome.status,
      outcome.status === 'skipped' ? outcome.noSignalReason : null,
      rows.manifestKey,
      rows.manifestSha256,
      completed?.dataset.dataset_hash ?? null,
      completed?.dataset.dataset_from ?? null,
      completed?.dataset.dataset_to ?? null,
      completed?.dataset.dataset_manifest_key ?? null,
      completed?.gate.trace_id ?? null,
      completed?.promotion.trace_id ?? null,
      at,
      redriven ? 1 : 0,
    ],
  );
  await settleDeadLetter(client, rows.runId, at);
  return { kind: 'stored' };
};

/** Members of an object whose names are columns, written as one row; arrays of Postgres are named. */
const insert = async (client: Queryable, table: string, row: Readonly<Record<string, unknown>>): Promise<string> => {
  const columns = Object.keys(row);
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, index) => `$${index + 1}`).join(', ')}) RETURNING id`,
    Object.values(row),
  );
  const [inserted] = rows;
  if (inserted === undefined) throw new Error(`${table}: expected the row that was inserted, found none`);
  return inserted.id;
};

const insertCompleted = async (
  client: Queryable,
  run: string,
  { candidate, folds, stressCases, gate, promotion: { trace_id: _, ...promotion } }: CompletedRun,
): Promise<void> => {
  const candidateId = await insert(client, 'research_candidates', {
    ...candidate,
    run_id: run,
    parameter_set: jsonText(candidate.parameter_set),
  });
  await client.query(
    `INSERT INTO research_fold_metrics (candidate_id, fold_name, fold_order, train_start, train_end, test_start, test_end, purge_seconds,
       embargo_seconds, decision_count, trade_count, gross_pnl, net_pnl, total_cost, max_drawdown_usd, turnover_ratio, cost_bps,
       sharpe_per_period, regime_label, cost_assumptions)
     SELECT $1, f.* FROM jsonb_to_recordset($2::jsonb) AS f(fold_name text, fold_order int, train_start timestamptz, train_end timestamptz,
       test_start timestamptz, test_end timestamptz, purge_seconds int, embargo_seconds int, decision_count bigint,
       trade_count bigint, gross_pnl numeric, net_pnl numeric, total_cost numeric, max_drawdown_usd numeric,
       turnover_ratio numeric, cost_bps numeric, sharpe_per_period float8, regime_label text, cost_assumptions jsonb)
     ORDER BY f.fold_order`,
    [candidateId, jsonText(folds)],
  );
  await client.query(
    `INSERT INTO research_stress_metrics (candidate_id, stress_case, net_pnl_base, net_pnl_stressed, pessimistic_pnl_delta, metric_bundle,
       evidence_class)
     SELECT $1, s.* FROM jsonb_to_recordset($2::jsonb) AS s(stress_case text, net_pnl_base numeric, net_pnl_stressed numeric,
       pessimistic_pnl_delta numeric, metric_bundle jsonb, evidence_class text)`,
    [candidateId, jsonText(stressCases)],
  );
  const gateId = await insert(client, 'gate_evaluations', {
    ...gate,
    candidate_id: candidateId,
    run_id: run,
    gates: jsonText(gate.gates),
  });
  await insert(client, 'research_promotions', {
    ...promotion,
    candidate_id: candidateId,
    run_id: run,
    gate_evaluation_id: gateId,
    reason_details: jsonText(promotion.reason_details),
  });
};

const settleDeadLetter = async (client: Queryable, runId: string, at: string): Promise<void> => {
  await client.query(
    `UPDATE dead_letters SET resolved_at = $3, resolved_by = $4, resolution = 'replayed'
      WHERE source = $1 AND key = $2 AND resolved_at IS NULL`,
    [source, runId, at, actor],
  );
};
