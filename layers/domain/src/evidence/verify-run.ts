import * as z from 'zod';
import { sha256 } from '../canonical-json.ts';
import type { Instant } from '../instant.ts';
import { verifyEnvelope, type EnvelopeFailure, type SignedStatement } from './envelope.ts';
import { describeDamage, locateDamage, locatorsOf } from './locate.ts';
import {
  checkArtifact,
  manifestBytes,
  readManifest,
  type ArtifactFailure,
  type ArtifactName,
  type RunManifest,
} from './manifest.ts';
import type { VerificationKey } from './published-key.ts';
import { snapshotKey, type EvidenceReads } from './store.ts';
import { verdictFieldsSchema } from './verdict.ts';

export const runFailures = [
  'run_missing',
  'manifest_ambiguous',
  'artifact_unlisted',
  'artifact_malformed',
  'run_unsigned',
  'artifact_unsigned',
  'subject_mismatch',
  'verdict_mismatch',
  'snapshot_missing',
  'snapshot_altered',
] as const;
export type RunFailure = (typeof runFailures)[number] | ArtifactFailure | EnvelopeFailure;

/** One thing that is not as it was stored or signed. */
export interface RunFinding {
  readonly code: RunFailure;
  readonly key: string;
  readonly detail: string;
}

export interface RunCheck {
  readonly runId: string;
  /** Empty exactly when everything is as it was stored, and signed by a trusted key. */
  readonly findings: readonly RunFinding[];
  readonly manifestSha256: string | null;
  readonly artifacts: number;
  readonly snapshots: number;
  /** Bytes whose hashes were compared. */
  readonly bytes: number;
  readonly signedBy: string | null;
  /** Word of the gates; null when the run was skipped or its report cannot be trusted. */
  readonly verdict: string | null;
}

export interface RunVerification {
  readonly trusted: readonly VerificationKey[];
  /** The moment at which statements have to be valid. */
  readonly now: Instant;
  /** The manifest the ledger names; null: the only one there is, by the hash in its key. */
  readonly manifestSha256: string | null;
  /** False for a caller that compares each snapshot with its hash itself, when it reads it; true unless given. */
  readonly withSnapshots?: boolean;
}

const manifestKeyPattern = /\/manifest-([0-9a-f]{64})\.json$/;

/** What the check of a dataset needs of its artifact; locators are there to name a byte, and may be missing. */
const datasetSchema = z.object({
  snapshots: z.array(
    z.object({
      session_date: z.string(),
      symbol: z.string(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      bytes: z.int().min(0).optional(),
      locators: z.array(z.tuple([z.int(), z.int()])).optional(),
    }),
  ),
});

/** A gate report repeats what is signed, and names the key. */
const reportSchema = verdictFieldsSchema.extend({ signing_key_id: z.string() });

const parsed = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined; // The schema says what was expected instead.
  }
};

/**
 * Checks everything a run stored, offline: its manifest, every artifact and dataset snapshot by its hash, the signed
 * statement by a trusted key, and that the statement is about exactly these bytes. All findings are given, not the first.
 */
export const verifyRun = async (
  store: EvidenceReads,
  runId: string,
  { trusted, now, manifestSha256, withSnapshots = true }: RunVerification,
): Promise<RunCheck> => {
  const prefix = `evidence/${runId}/`;
  const findings: RunFinding[] = [];
  const found = (code: RunFailure, key: string, detail: string): void => void findings.push({ code, key, detail });
  let [artifacts, snapshots, compared] = [0, 0, 0];
  const ended = (over: Partial<RunCheck> = {}): RunCheck => ({
    runId,
    findings,
    manifestSha256: null,
    artifacts,
    snapshots,
    bytes: compared,
    signedBy: null,
    verdict: null,
    ...over,
  });

  const keys = await store.list(prefix);
  const manifests = keys.flatMap((key) => {
    const digest = manifestKeyPattern.exec(key)?.[1];
    return digest === undefined ? [] : [{ key, digest }];
  });
  const chosen = manifestSha256 === null ? manifests : manifests.filter(({ digest }) => digest === manifestSha256);
  const [first] = chosen;
  if (first === undefined) {
    const wanted = manifestSha256 === null ? 'a manifest' : `manifest ${manifestSha256}`;
    found('run_missing', prefix, `expected ${wanted} of run ${runId}, found ${keys.length} other objects`);
    return ended();
  }
  if (chosen.length > 1) {
    const digests = chosen.map(({ digest }) => digest).join(', ');
    found('manifest_ambiguous', prefix, `expected one manifest, found ${digests}; the ledger says which one counts`);
    return ended();
  }

  const manifestText = (await store.get(first.key)) ?? new Uint8Array();
  const read = readManifest(first.key, manifestText, first.digest);
  if (!read.ok) {
    const where = await damageOfManifest(store, runId, keys, first.digest, manifestText);
    found(read.finding.code, first.key, where === null ? read.finding.detail : `${where} (${read.finding.detail})`);
    return ended();
  }
  compared += manifestText.length;
  const { manifest } = read;
  if (manifest.run_id !== runId)
    found('manifest_malformed', first.key, `expected the manifest of run ${runId}, found that of ${manifest.run_id}`);

  // One of two artifacts of a name would be signed, and the other one read.
  const names = manifest.artifacts.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    found('manifest_malformed', first.key, `expected one artifact of a name, found ${twice} more than once`);
  for (const { name, key, sha256: digest } of manifest.artifacts) {
    const expected = `evidence/${runId}/${name}-${digest}.json`;
    if (key !== expected) found('manifest_malformed', first.key, `expected ${expected}, found ${key}`);
  }

  const contents = new Map<ArtifactName, Uint8Array>();
  for (const listed of manifest.artifacts) {
    const bytes = await store.get(listed.key);
    const wrong = checkArtifact(listed, bytes);
    if (wrong !== null) findings.push(wrong);
    if (bytes === null) continue;
    artifacts += 1;
    compared += bytes.length;
    if (wrong === null) contents.set(listed.name, bytes);
  }
  // Another attempt's artifacts belong to its own manifest.
  const listedKeys = new Set(manifest.artifacts.map(({ key }) => key));
  if (manifests.length === 1)
    for (const key of keys)
      if (key !== first.key && !listedKeys.has(key))
        found('artifact_unlisted', key, 'expected only what the manifest lists, found another object');

  const dataset = contents.get('dataset');
  if (dataset !== undefined) {
    const content = datasetSchema.safeParse(parsed(dataset));
    if (!content.success) found('artifact_malformed', prefix, `dataset: ${z.prettifyError(content.error)}`);
    const listed = withSnapshots ? (content.data?.snapshots ?? []) : [];
    for (const { session_date, symbol, sha256: expected, bytes: size, locators } of listed) {
      const key = snapshotKey(expected);
      const bytes = await store.get(key);
      if (bytes === null) {
        found('snapshot_missing', key, `${symbol} of ${session_date}: expected its bars, found no object`);
        continue;
      }
      snapshots += 1;
      compared += bytes.length;
      const digest = sha256(bytes);
      if (digest === expected) continue;
      const damage =
        size === undefined || locators === undefined
          ? null
          : locateDamage(bytes, size, locators, (fixed) => sha256(fixed) === expected);
      const where = damage === null ? 'other bytes' : describeDamage(damage);
      found('snapshot_altered', key, `${symbol} of ${session_date}: ${where} (SHA-256 ${digest})`);
    }
  }

  const signature = verifyVerdict(manifest, contents, { trusted, now });
  findings.push(...signature.findings);
  return ended({ manifestSha256: first.digest, signedBy: signature.signedBy, verdict: signature.verdict });
};

/** Where a manifest was altered, when all it lists is still there to write it from again; null when not. */
const damageOfManifest = async (
  store: EvidenceReads,
  runId: string,
  keys: readonly string[],
  expected: string,
  bytes: Uint8Array,
): Promise<string | null> => {
  const stored: { key: string; bytes: Uint8Array }[] = [];
  for (const key of keys) {
    if (manifestKeyPattern.test(key)) continue;
    const content = await store.get(key);
    if (content !== null) stored.push({ key, bytes: content });
  }
  const original = manifestBytes(runId, stored);
  if (original === null || sha256(original) !== expected) return null;
  const damage = locateDamage(bytes, original.length, locatorsOf(original), (fixed) => sha256(fixed) === expected);
  return damage === null ? null : describeDamage(damage);
};

export interface VerdictCheck extends Pick<RunCheck, 'signedBy' | 'verdict'> {
  /** Empty exactly when the verdict is signed by a trusted key, over all that the manifest lists. */
  readonly findings: readonly RunFinding[];
}

/**
 * Checks who signed the verdict of a run, and that it is about exactly what the manifest lists.
 * @param contents bytes of the listed artifacts, each already compared with its hash
 */
export const verifyVerdict = (
  manifest: RunManifest,
  contents: ReadonlyMap<ArtifactName, Uint8Array>,
  trust: Pick<RunVerification, 'trusted' | 'now'>,
): VerdictCheck => {
  const findings: RunFinding[] = [];
  const signature = checkSignature(manifest, contents, trust, (code, key, detail) => {
    findings.push({ code, key, detail });
  });
  return { ...signature, findings };
};

const checkSignature = (
  manifest: RunManifest,
  contents: ReadonlyMap<ArtifactName, Uint8Array>,
  { trusted, now }: Pick<RunVerification, 'trusted' | 'now'>,
  found: (code: RunFailure, key: string, detail: string) => void,
): Pick<RunCheck, 'signedBy' | 'verdict'> => {
  const unsigned = { signedBy: null, verdict: null };
  const named = (name: ArtifactName) => manifest.artifacts.find((artifact) => artifact.name === name);
  const listed = named('gate-envelope');
  if (listed === undefined) {
    found(
      'run_unsigned',
      `evidence/${manifest.run_id}/`,
      named('no-signals') === undefined
        ? 'expected a signed verdict, found none'
        : 'the run was skipped, and only the ledger binds it: torghut verify --chain checks that',
    );
    return unsigned;
  }
  const envelope = contents.get('gate-envelope');
  // What is wrong with its bytes was said before.
  if (envelope === undefined) return unsigned;
  const check = verifyEnvelope(new TextDecoder().decode(envelope), trusted, now);
  if (!check.ok) found(check.code, listed.key, check.detail);
  // A verdict that is only too old is about these bytes, or it is not.
  const signed = check.ok ? check : check.signed;
  if (signed === null) return unsigned;
  const { subject, predicate, predicateType } = signed.statement;
  const report = named('gate-report');
  if (predicateType !== 'urn:torghut:gate-verdict:v1')
    found('subject_mismatch', listed.key, `expected a gate verdict, found a statement of ${predicateType}`);
  if (subject.length !== 1 || subject[0]?.name !== 'gate-report' || subject[0].digest.sha256 !== report?.sha256)
    found(
      'subject_mismatch',
      listed.key,
      `expected gate-report ${report?.sha256 ?? '(not listed)'} as its subject, found ${subject.map(({ name, digest }) => `${name} ${digest.sha256}`).join(', ')}`,
    );
  const inputs = new Set(predicate.input_digests);
  for (const { name, key, sha256: digest } of manifest.artifacts)
    if (name !== 'gate-envelope' && name !== 'gate-report' && !inputs.delete(digest))
      found('artifact_unsigned', key, `expected ${digest} among the digests that are signed, found it not`);
  for (const digest of inputs)
    found(
      'subject_mismatch',
      listed.key,
      `signed over an input of SHA-256 ${digest}, which the manifest does not list`,
    );
  return { signedBy: signed.keyId, verdict: reportedVerdict(contents, signed, listed.key, found) };
};

/** The report's verdict, when the signed statement repeats it and all that identifies it. */
const reportedVerdict = (
  contents: ReadonlyMap<ArtifactName, Uint8Array>,
  { statement: { predicate }, keyId }: SignedStatement,
  key: string,
  found: (code: RunFailure, key: string, detail: string) => void,
): string | null => {
  const report = contents.get('gate-report');
  if (report === undefined) return null;
  const content = reportSchema.safeParse(parsed(report));
  if (!content.success) {
    found('artifact_malformed', key, `gate-report: ${z.prettifyError(content.error)}`);
    return null;
  }
  const { evaluated_at, signing_key_id, ...fields } = content.data;
  const expected = { ...fields, issued_at: evaluated_at };
  const differing = Object.entries(expected).filter(([field, value]) => predicate[field] !== value);
  for (const [field, value] of differing)
    found(
      'verdict_mismatch',
      key,
      `${field}: the report says ${value}, the signed statement ${String(predicate[field])}`,
    );
  if (signing_key_id !== keyId)
    found('verdict_mismatch', key, `the report names key ${signing_key_id}, it is signed by ${keyId}`);
  return differing.length === 0 ? content.data.verdict : null;
};
