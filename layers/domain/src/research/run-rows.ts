import type * as z from 'zod';
import type { Json } from '../canonical-json.ts';
import type {
  EvidenceClass,
  gateVerdicts,
  NoSignalReason,
  promotionActions,
  Stage,
  StressCase,
} from '../enumerations.ts';
import { checkArtifact, readManifest, type ArtifactName, type RunManifest } from '../evidence/manifest.ts';
import type { EvidenceReads } from '../evidence/store.ts';
import { verifyVerdict, type RunVerification } from '../evidence/verify-run.ts';
import { artifactSchemas, datasetHashOf, type ResearchArtifact, type ResearchArtifactName } from './artifacts.ts';
import { candidateHashOf, candidateIdOf, familyOf, trialHashOf, type ParameterSet } from './candidates.ts';
import { executionModelHash } from './execution-model.ts';
import type { EvidenceRequest, PersistenceCode, PersistenceRefusal } from './ledger.ts';
import { splitPlanHash } from './walk-forward.ts';

/** Every row a run leaves, as its artifacts say. Columns are named as in the ledger; money is decimal text. */
export interface RunRows {
  readonly runId: string;
  readonly manifestKey: string;
  readonly manifestSha256: string;
  readonly outcome: SkippedRun | CompletedRun;
}

export interface SkippedRun {
  readonly status: 'skipped';
  readonly noSignalReason: NoSignalReason;
}

export interface CompletedRun {
  readonly status: 'completed';
  /** What the row of the run has to say for these artifacts to be its own. */
  readonly run: {
    readonly target: Stage;
    readonly strategy_id: string;
    readonly strategy_type: string;
    readonly strategy_version: string;
    readonly code_hash: string;
    readonly feature_contract_hash: string;
    readonly execution_model_hash: string;
    readonly split_plan_hash: string;
    readonly policy_digest: string;
  };
  readonly dataset: {
    readonly dataset_hash: string;
    readonly dataset_from: string;
    readonly dataset_to: string;
    readonly dataset_manifest_key: string;
  };
  readonly candidate: {
    readonly candidate_id: string;
    readonly candidate_hash: string;
    readonly trial_hash: string;
    readonly family: string;
    readonly parameter_set: Json;
    readonly decision_count: number;
    readonly trade_count: number;
    readonly symbols_covered: readonly string[];
    readonly universe_hash: string;
    readonly spec_key: string;
    readonly spec_sha256: string;
  };
  readonly folds: readonly LedgerFold[];
  readonly stressCases: readonly {
    readonly stress_case: StressCase;
    readonly net_pnl_base: string;
    readonly net_pnl_stressed: string;
    readonly pessimistic_pnl_delta: string;
    readonly metric_bundle: Json;
    readonly evidence_class: EvidenceClass;
  }[];
  readonly gate: {
    readonly target: Stage;
    readonly policy_version: string;
    readonly policy_digest: string;
    readonly verdict: (typeof gateVerdicts)[number];
    readonly recommended_stage: Stage;
    readonly gates: Json;
    /** Of the gates that did not pass, each once, in the order of the gates. */
    readonly codes: readonly string[];
    readonly report_key: string;
    readonly report_sha256: string;
    readonly envelope_key: string;
    readonly signing_key_id: string;
    readonly schema_version: string;
    readonly trace_id: string;
    readonly evaluated_at: string;
  };
  readonly promotion: {
    readonly from_stage: Stage;
    readonly requested_stage: Stage;
    readonly approved_stage: Stage | null;
    readonly decision_action: (typeof promotionActions)[number];
    readonly reasons: readonly string[];
    readonly reason_details: Json;
    readonly requested_by: string;
    readonly record_key: string;
    readonly record_sha256: string;
    readonly envelope_key: string;
    readonly effective_at: string;
    readonly trace_id: string;
  };
}

type ArtifactFold = ResearchArtifact<'walkforward-results'>['folds'][number];

/** A fold as the ledger keeps it. Net is gross less all costs but `open_cost`, which stands with the costs here. */
export type LedgerFold = Omit<ArtifactFold, 'cost_assumptions'> & {
  readonly cost_assumptions: ArtifactFold['cost_assumptions'] & Pick<ArtifactFold, 'open_cost'>;
};

export type RunRowsResult =
  { readonly ok: true; readonly rows: RunRows } | { readonly ok: false; readonly refusal: PersistenceRefusal };

/** Whose signatures count, and when it is. */
export type RowsTrust = Pick<RunVerification, 'trusted' | 'now'>;

/**
 * Reads what a message names from the store, checks every byte of it against the manifest, the verdict's signature and the
 * hashes that name the candidate, and derives the rows from nothing else: what the ledger says of a run is what its
 * artifacts say. A run that was skipped has no verdict to sign; the chain binds its row.
 */
export const readRunRows = async (
  request: EvidenceRequest,
  store: EvidenceReads,
  trust: RowsTrust,
): Promise<RunRowsResult> => {
  try {
    return { ok: true, rows: await rowsOf(request, store, trust) };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    throw error;
  }
};

/** Leaves the derivation from any depth; never leaves this file. */
class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: PersistenceRefusal;

  constructor(code: PersistenceCode, detail: string) {
    super(detail);
    this.refusal = { code, detail };
  }
}

type Listed = RunManifest['artifacts'][number];

const rowsOf = async (request: EvidenceRequest, store: EvidenceReads, trust: RowsTrust): Promise<RunRows> => {
  const { run_id: runId, manifest_key: manifestKey, manifest_sha256: manifestSha256 } = request;
  const stored = await store.get(manifestKey);
  if (stored === null) throw new Refused('manifest_missing', `${manifestKey}: expected a manifest, found no object`);
  const read = readManifest(manifestKey, stored, manifestSha256);
  if (!read.ok) throw new Refused(codeOf(read.finding.code), `${manifestKey}: ${read.finding.detail}`);
  const { manifest } = read;
  if (manifest.run_id !== runId)
    throw new Refused('manifest_malformed', `${manifestKey}: expected run ${runId}, found run ${manifest.run_id}`);
  for (const { name, key, sha256 } of manifest.artifacts)
    if (key !== `evidence/${runId}/${name}-${sha256}.json`)
      throw new Refused('manifest_malformed', `${manifestKey}: expected a key of run ${runId}, found ${key}`);

  const artifacts = await Promise.all(
    manifest.artifacts.map(async (listed) => {
      const bytes = await store.get(listed.key);
      const finding = checkArtifact(listed, bytes);
      if (finding !== null || bytes === null)
        throw new Refused(codeOf(finding?.code ?? 'artifact_missing'), `${listed.key}: ${finding?.detail ?? ''}`);
      return { listed, bytes };
    }),
  );
  const found = new Map(artifacts.map((artifact) => [artifact.listed.name, artifact]));
  if (found.size < artifacts.length)
    throw new Refused('manifest_malformed', `${manifestKey}: expected each name once, found one twice`);
  const listedAs = (name: ArtifactName): Listed => {
    const artifact = found.get(name);
    if (artifact === undefined)
      throw new Refused(
        'artifact_missing',
        `${manifestKey}: expected artifact ${name}, found ${[...found.keys()].join(', ')}`,
      );
    return artifact.listed;
  };
  const contentOf = <Name extends ResearchArtifactName>(name: Name): ResearchArtifact<Name> => {
    const { key } = listedAs(name);
    const parsed = (artifactSchemas[name] as unknown as z.ZodType<ResearchArtifact<Name>>).safeParse(
      jsonOf(found.get(name)?.bytes),
    );
    const issue = parsed.error?.issues[0];
    if (!parsed.success)
      throw new Refused('artifact_malformed', `${key}: at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
    return parsed.data;
  };

  if (found.has('no-signals')) return { runId, manifestKey, manifestSha256, outcome: skippedRun(runId, contentOf) };
  listedAs('gate-envelope');
  requireSignature(manifest, new Map([...found].map(([name, { bytes }]) => [name, bytes])), trust);
  const outcome = completedRun(runId, listedAs, contentOf);
  return { runId, manifestKey, manifestSha256, outcome };
};

const codeOf = (code: PersistenceCode): PersistenceCode => code;

/** A verdict ages while its evidence waits to be stored, and stays what was found. */
const aged = 'statement_expired';

/** @throws Refused unless a trusted key signed the verdict over all that is listed */
const requireSignature = (
  manifest: RunManifest,
  contents: ReadonlyMap<ArtifactName, Uint8Array>,
  trust: RowsTrust,
): void => {
  const [finding] = verifyVerdict(manifest, contents, trust).findings.filter(({ code }) => code !== aged);
  if (finding !== undefined)
    throw new Refused('signature_refused', `${finding.key}: ${finding.code}: ${finding.detail}`);
};

const jsonOf = (bytes: Uint8Array | undefined): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // The schema says what was expected instead.
  }
};

type Listing = (name: ArtifactName) => Listed;
type Reading = <Name extends ResearchArtifactName>(name: Name) => ResearchArtifact<Name>;

const skippedRun = (runId: string, contentOf: Reading): SkippedRun => {
  const { run_id: found, no_signal_reason: noSignalReason } = contentOf('no-signals');
  agree('run_id', { manifest: runId, 'no-signals': found });
  return { status: 'skipped', noSignalReason };
};

const completedRun = (runId: string, listedAs: Listing, contentOf: Reading): CompletedRun => {
  const dataset = contentOf('dataset');
  const spec = contentOf('candidate-spec');
  const walkForward = contentOf('walkforward-results');
  const evaluation = contentOf('evaluation-report');
  const stress = contentOf('stress-report');
  const report = contentOf('gate-report');
  const record = contentOf('promotion-record');
  const reports = {
    'candidate-spec': spec,
    'walkforward-results': walkForward,
    'evaluation-report': evaluation,
    'stress-report': stress,
    'gate-report': report,
    'promotion-record': record,
  };
  for (const field of ['run_id', 'candidate_id', 'candidate_hash'] as const)
    agree(field, {
      ...(field === 'run_id' ? { manifest: runId } : {}),
      ...Object.fromEntries(Object.entries(reports).map(([name, content]) => [name, content[field]])),
    });
  agree('target', { 'gate-report': report.target, 'promotion-record': record.promotion_target });
  agree('code_hash', { 'candidate-spec': spec.inputs.code_hash, 'gate-report': report.code_hash });
  const [datasetListed, specListed, reportListed, envelopeListed, recordListed] = (
    ['dataset', 'candidate-spec', 'gate-report', 'gate-envelope', 'promotion-record'] as const
  ).map(listedAs) as [Listed, Listed, Listed, Listed, Listed];
  requireNames(runId, spec, walkForward);
  agree('dataset_hash', {
    dataset: dataset.dataset_hash,
    snapshots: datasetHashOf(dataset.snapshots),
    'candidate-spec': spec.inputs.dataset_hash,
    'walkforward-results': walkForward.dataset_hash,
    'evaluation-report': evaluation.dataset_hash,
    'stress-report': stress.dataset_hash,
  });
  agree('gate_report_sha256', { manifest: reportListed.sha256, 'promotion-record': record.gate_report_sha256 });

  const { strategy, inputs } = spec;
  const traceOf = (sha256: string): string => sha256.slice(0, 24);
  return {
    status: 'completed',
    run: {
      target: report.target,
      strategy_id: strategy.strategy_id,
      strategy_type: strategy.strategy_type,
      strategy_version: strategy.strategy_version,
      code_hash: inputs.code_hash,
      feature_contract_hash: inputs.feature_contract_hash,
      execution_model_hash: inputs.execution_model_hash,
      split_plan_hash: inputs.split_plan_hash,
      policy_digest: report.policy_digest,
    },
    dataset: {
      dataset_hash: dataset.dataset_hash,
      dataset_from: dataset.dataset_from,
      dataset_to: dataset.dataset_to,
      dataset_manifest_key: datasetListed.key,
    },
    candidate: {
      candidate_id: spec.candidate_id,
      candidate_hash: spec.candidate_hash,
      trial_hash: spec.trial_hash,
      family: spec.family,
      parameter_set: { ...strategy.params, profile: strategy.profile },
      decision_count: evaluation.totals.decision_count,
      trade_count: evaluation.totals.trade_count,
      symbols_covered: spec.symbols_covered,
      universe_hash: spec.universe_hash,
      spec_key: specListed.key,
      spec_sha256: specListed.sha256,
    },
    folds: walkForward.folds.map((fold) => ({
      ...fold,
      cost_assumptions: { ...fold.cost_assumptions, open_cost: fold.open_cost },
    })),
    stressCases: stress.cases,
    gate: {
      target: report.target,
      policy_version: report.policy_version,
      policy_digest: report.policy_digest,
      verdict: report.verdict,
      recommended_stage: report.recommended_stage,
      gates: report.gates,
      codes: [
        ...new Set(
          report.gates.flatMap(({ status, codes }) => (status === 'fail' || status === 'inconclusive' ? codes : [])),
        ),
      ],
      report_key: reportListed.key,
      report_sha256: reportListed.sha256,
      envelope_key: envelopeListed.key,
      signing_key_id: report.signing_key_id,
      schema_version: report.schema_version,
      trace_id: traceOf(reportListed.sha256),
      evaluated_at: report.evaluated_at,
    },
    promotion: {
      from_stage: record.from_stage,
      requested_stage: record.promotion_target,
      approved_stage: record.approved_stage,
      decision_action: record.decision_action,
      reasons: record.reasons,
      reason_details: record.reason_details,
      requested_by: record.requested_by,
      record_key: recordListed.key,
      record_sha256: recordListed.sha256,
      envelope_key: envelopeListed.key,
      effective_at: record.issued_at,
      trace_id: traceOf(recordListed.sha256),
    },
  };
};

/**
 * Recomputes what the candidate, its trials and the baseline are named by, from all that the names stand for.
 * @throws Refused
 */
const requireNames = (
  runId: string,
  spec: ResearchArtifact<'candidate-spec'>,
  walkForward: ResearchArtifact<'walkforward-results'>,
): void => {
  const { inputs, strategy, trials, baseline, execution_model: model, split_plan: plan } = spec;
  const named = (what: string, found: string, expected: string): void => {
    if (found !== expected)
      throw new Refused('candidate_misnamed', `candidate-spec ${what}: expected ${expected}, found ${found}`);
  };
  const basis = { datasetHash: inputs.dataset_hash, codeHash: inputs.code_hash, model, plan };
  const contract = inputs.feature_contract_hash;
  named('inputs.execution_model_hash', inputs.execution_model_hash, executionModelHash(model));
  named('inputs.split_plan_hash', inputs.split_plan_hash, splitPlanHash(plan));
  const judged = { ...strategy, candidate_hash: spec.candidate_hash, trial_hash: spec.trial_hash };
  const all = [
    ['', judged],
    ...trials.map((trial, place) => [`trials.${place}.`, trial] as const),
    ['baseline.', baseline],
  ] as const;
  for (const [place, trial] of all) {
    const set: ParameterSet = {
      strategyType: trial.strategy_type,
      strategyVersion: trial.strategy_version,
      params: trial.params,
      profile: trial.profile,
    };
    named(`${place}trial_hash`, trial.trial_hash, trialHashOf(set, basis.codeHash, contract));
    named(`${place}candidate_hash`, trial.candidate_hash, candidateHashOf(set, basis, contract));
  }
  named('candidate_id', spec.candidate_id, candidateIdOf(runId, spec.candidate_hash));
  named('family', spec.family, familyOf(strategy.strategy_type));
  const namesOf = (some: readonly { readonly candidate_hash: string; readonly trial_hash: string }[]): string =>
    some.map(({ candidate_hash: candidate, trial_hash: trial }) => `${candidate} ${trial}`).join(', ');
  agree('trials', { 'candidate-spec': namesOf(trials), 'walkforward-results': namesOf(walkForward.trials) });
};

/** @throws Refused when one says something else than the first */
const agree = (field: string, said: Readonly<Record<string, string>>): void => {
  const [first, ...others] = Object.entries(said);
  const other = others.find(([, value]) => value !== first?.[1]);
  if (first !== undefined && other !== undefined)
    throw new Refused(
      'artifact_contradiction',
      `${field}: expected ${first[1]} as in the ${first[0]}, found ${other[1]} in the ${other[0]}`,
    );
};
