import * as z from 'zod';
import type { Json } from '../canonical-json.ts';
import type { runFailureCodes, runStatuses, Stage } from '../enumerations.ts';
import type { Instant } from '../instant.ts';
import type { RunRows } from './run-rows.ts';

/** One combination that is tried: what its `trialHash` is the hash of. */
export interface Trial {
  readonly trialHash: string;
  readonly strategyType: string;
  readonly strategyVersion: string;
  readonly params: { readonly [name: string]: Json };
  readonly profile: string;
  readonly featureContractHash: string;
  readonly codeHash: string;
}

/** The count of everything that was ever tried. Nothing is simulated before its trial is in it. */
export interface TrialLedger {
  /**
   * Writes each trial that the family does not have yet, and says how many distinct ones it has then. A family is what is
   * searched over together.
   */
  register(runId: string, family: string, trials: readonly Trial[]): Promise<{ readonly distinct: number }>;
}

/** What a run is about; fixed before anything is read. Hashes are 64 hex digits. */
export interface RunPlan {
  /** 24 hex digits. */
  readonly runId: string;
  readonly windowStart: Instant;
  readonly windowEnd: Instant;
  readonly target: Stage;
  readonly strategyId: string;
  readonly strategyType: string;
  readonly strategyVersion: string;
  readonly codeHash: string;
  readonly runnerVersion: string;
  readonly featureContractHash: string;
  readonly executionModelHash: string;
  readonly splitPlanHash: string;
  readonly policyDigest: string;
  readonly windowOverlapSeconds: number;
}

export type RunStatus = (typeof runStatuses)[number];
export type RunFailureCode = (typeof runFailureCodes)[number];

export type RunStart =
  | { readonly kind: 'started'; readonly attempts: number }
  /** The window was evaluated before; what was found stands. */
  | { readonly kind: 'final'; readonly status: Exclude<RunStatus, 'running'> }
  /** The ledger does not know the strategy or the feature contract, so there can be no row. */
  | { readonly kind: 'unresolved'; readonly detail: string };

/**
 * Why evidence did not become rows. The first ones are for ever: the same message gives the same answer. The last two are
 * not.
 */
export const persistenceCodes = {
  manifest_missing: 'nothing is stored under the key of the manifest',
  manifest_altered: 'the manifest is not the one the message names',
  manifest_malformed: 'the manifest is not one of this run, or not of a known form',
  artifact_missing: 'an artifact that the manifest lists is not stored',
  artifact_altered: 'an artifact is not what the manifest lists',
  artifact_malformed: 'an artifact is not of the form of its name',
  artifact_contradiction: 'artifacts contradict each other or the row of the run',
  signature_refused: 'the verdict is not signed by a trusted key over exactly these artifacts',
  verdict_misdated: 'the verdict is not of the end of the window that the row of the run names',
  candidate_misnamed: 'a hash of a candidate is not that of what it names',
  run_unknown: 'the ledger has no row of the run',
  run_final: 'the run ended otherwise before',
  ledger_refused: 'a constraint of the ledger refused a row',
  keys_unusable: 'the keys that were published, or the one that signs now, are none that verify',
  persistence_failed: 'the ledger or the store could not be reached in any attempt',
} as const;
export type PersistenceCode = keyof typeof persistenceCodes;

export interface PersistenceRefusal {
  readonly code: PersistenceCode;
  readonly detail: string;
}

export type StoreOutcome =
  | { readonly kind: 'stored' }
  /** An earlier delivery stored exactly this. */
  | { readonly kind: 'already_stored' }
  | { readonly kind: 'refused'; readonly refusal: PersistenceRefusal };

/** The research ledger. Every method is one transaction and safe to repeat. */
export interface ResearchLedger extends TrialLedger {
  /** Writes the row of a run, or counts another attempt at it while it is running. */
  begin(plan: RunPlan): Promise<RunStart>;
  /** Runs whose window ended then and that have no end yet, in the order of their strategies. */
  running(windowEnd: Instant): Promise<readonly string[]>;
  /** Ends a running run that has no evidence to store. Resolves with whether it was running. */
  fail(runId: string, code: RunFailureCode, detail: Readonly<Record<string, Json>>, now: Instant): Promise<boolean>;
  /** Writes every row of a run and ends it; settles its dead letter. */
  store(rows: RunRows, now: Instant): Promise<StoreOutcome>;
  /** Keeps the message as a dead letter. In strict mode a running run fails with `persistence_failed`. */
  bury(
    request: EvidenceRequest,
    refusal: PersistenceRefusal,
    options: { readonly strict: boolean; readonly now: Instant },
  ): Promise<void>;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** What the evidence queue carries: where the evidence of a finished run is. */
export const evidenceRequestSchema = z
  .strictObject({
    schema_version: z.literal('torghut.evidence-request.v1'),
    run_id: z.string().regex(/^[0-9a-f]{24}$/),
    manifest_key: z.string(),
    manifest_sha256: hash,
  })
  .refine(({ run_id: run, manifest_key: key, manifest_sha256: digest }) => key === manifestKeyOf(run, digest), {
    path: ['manifest_key'],
    error: 'expected the key that names the run and the manifest',
  });
export type EvidenceRequest = z.output<typeof evidenceRequestSchema>;

const manifestKeyOf = (runId: string, sha256: string): string => `evidence/${runId}/manifest-${sha256}.json`;

export const evidenceRequest = (runId: string, manifestSha256: string): EvidenceRequest => ({
  schema_version: 'torghut.evidence-request.v1',
  run_id: runId,
  manifest_key: manifestKeyOf(runId, manifestSha256),
  manifest_sha256: manifestSha256,
});

/** Waits before the second, third and fourth attempt to store evidence. */
export const persistenceRetryMs = [1_000, 4_000, 16_000] as const;
