import type * as z from 'zod';
import type { Json } from '../canonical-json.ts';
import { readManifest } from '../evidence/manifest.ts';
import type { EvidenceReads } from '../evidence/store.ts';
import { verifyRun, type RunVerification } from '../evidence/verify-run.ts';
import { artifactSchemas, type ResearchArtifact, type ResearchArtifactName } from './artifacts.ts';
import type { TaskExecutor } from './backtest.ts';
import { evaluationInputOf, loadSnapshots } from './dataset.ts';
import { firstDifference } from './difference.ts';
import type { EvaluationInput } from './evaluation-input.ts';
import { reproduceRun } from './reproduce.ts';

export interface ReproductionFinding {
  /** `replay_mismatch` where another value came out; otherwise what is wrong with what is stored. */
  readonly code: string;
  readonly place: string;
  readonly detail: string;
}

export interface Reproduction {
  /** Empty exactly when every artifact came out with the same bytes, by the same code. */
  readonly findings: readonly ReproductionFinding[];
  readonly candidateHash: string | null;
  readonly verdict: string | null;
  readonly signedBy: string | null;
  /** Artifacts that were made again and compared. */
  readonly compared: number;
}

export interface ReproductionOptions extends Omit<RunVerification, 'withSnapshots'> {
  /** Of the code that reproduces. */
  readonly codeHash: string;
  readonly executorFor: (input: EvaluationInput) => TaskExecutor;
}

/** The candidate first and the verdict next: what everything else follows from. */
const order: readonly ResearchArtifactName[] = [
  'candidate-spec',
  'gate-report',
  'evaluation-report',
  'walkforward-results',
  'stress-report',
  'baseline-report',
  'promotion-record',
];

/** How a verdict's age shows: it says nothing about whether it comes out again. */
const agesOnly = new Set(['statement_expired', 'statement_not_yet_valid']);

/**
 * Evaluates a run again from what it stored, and nothing else: the same candidate hash, the same verdict, the same bytes of
 * every report. Nothing is evaluated from evidence that is altered or not signed.
 */
export const reproduceStoredRun = async (
  store: EvidenceReads,
  runId: string,
  { codeHash, executorFor, ...verification }: ReproductionOptions,
): Promise<Reproduction> => {
  const verified = async (withSnapshots: boolean) => {
    const found = await verifyRun(store, runId, { ...verification, withSnapshots });
    return { check: found, wrong: found.findings.filter(({ code }) => !agesOnly.has(code)) };
  };
  // Each snapshot is compared with its hash where it is loaded, before anything is evaluated.
  const { check, wrong } = await verified(false);
  const nothing = { candidateHash: null, verdict: null, signedBy: check.signedBy, compared: 0 };
  const failed = (...findings: readonly ReproductionFinding[]): Reproduction => ({ ...nothing, findings });
  const placed = (findings: typeof wrong) => findings.map(({ code, key, detail }) => ({ code, place: key, detail }));
  if (wrong.length > 0 || check.manifestSha256 === null) return failed(...placed(wrong));

  const manifestKey = `evidence/${runId}/manifest-${check.manifestSha256}.json`;
  const read = readManifest(manifestKey, (await store.get(manifestKey)) ?? new Uint8Array(), check.manifestSha256);
  if (!read.ok) return failed({ code: read.finding.code, place: manifestKey, detail: read.finding.detail });
  const texts = new Map<string, string>();
  for (const { name, key } of read.manifest.artifacts)
    texts.set(name, new TextDecoder().decode((await store.get(key)) ?? new Uint8Array()));

  const malformed: ReproductionFinding[] = [];
  const artifact = <Name extends ResearchArtifactName>(name: Name): ResearchArtifact<Name> | null => {
    const schema = artifactSchemas[name] as unknown as z.ZodType<ResearchArtifact<Name>>;
    const text = texts.get(name);
    const parsed = text === undefined ? null : schema.safeParse(JSON.parse(text));
    if (parsed?.success === true) return parsed.data;
    const issue = parsed?.error.issues[0];
    const detail =
      issue === undefined
        ? `expected the artifact ${name}, found none: there is nothing to reproduce`
        : `at ${issue.path.join('.')}: ${issue.message}`;
    malformed.push({ code: issue === undefined ? 'artifact_missing' : 'artifact_malformed', place: name, detail });
    return null;
  };
  const dataset = artifact('dataset');
  const candidateSpec = artifact('candidate-spec');
  const evaluation = artifact('evaluation-report');
  const gateReport = artifact('gate-report');
  const promotionRecord = artifact('promotion-record');
  if (
    dataset === null ||
    candidateSpec === null ||
    evaluation === null ||
    gateReport === null ||
    promotionRecord === null
  )
    return failed(...malformed);
  const loaded = await loadSnapshots(dataset, store);
  if (!loaded.ok) {
    // The whole check names every snapshot that is altered, and its byte.
    const { wrong: altered } = await verified(true);
    return failed(
      ...(altered.length > 0 ? placed(altered) : [{ code: loaded.code, place: loaded.key, detail: loaded.detail }]),
    );
  }

  const input = evaluationInputOf(dataset, loaded.snapshots, {
    noSignalWindows: evaluation.throughput.no_signal_windows,
    windowOverlapSeconds: evaluation.data.window_overlap_seconds,
  });
  const storedCode = candidateSpec.inputs.code_hash;
  const findings: ReproductionFinding[] = [];
  if (storedCode !== codeHash)
    findings.push({
      code: 'replay_mismatch',
      place: 'candidate-spec inputs.code_hash',
      detail: `stored ${storedCode}, this code is ${codeHash}: take the release that evaluated the run; what else differs is compared as if it were that code`,
    });
  const anew = await reproduceRun(
    { candidateSpec, gateReport, promotionRecord },
    input,
    storedCode,
    executorFor(input),
  );
  const made = new Map(anew.artifacts.map(({ name, bytes }) => [name as string, new TextDecoder().decode(bytes)]));
  let compared = 0;
  for (const name of order) {
    const [stored, found] = [texts.get(name), made.get(name)];
    compared += 1;
    if (stored === found) continue;
    const difference = firstDifference(
      stored === undefined ? undefined : (JSON.parse(stored) as Json),
      found === undefined ? undefined : (JSON.parse(found) as Json),
    );
    findings.push({
      code: 'replay_mismatch',
      place: `${name} ${difference?.path ?? ''}`.trim(),
      detail:
        difference === null
          ? 'the same values in other bytes'
          : `stored ${difference.stored}, reproduced ${difference.found}`,
    });
  }
  return {
    findings,
    candidateHash: candidateSpec.candidate_hash,
    verdict: anew.gateReport.verdict,
    signedBy: check.signedBy,
    compared,
  };
};
