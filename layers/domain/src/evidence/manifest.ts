import * as z from 'zod';
import { canonicalJson, sha256, type Json } from '../canonical-json.ts';
import { describeDamage, locateDamage, locatorsOf } from './locate.ts';

export const manifestSchemaVersion = 'torghut.run-manifest.v1';

/** What an artifact of a run can be. */
export const artifactNames = [
  'signals-manifest',
  'dataset',
  'candidate-spec',
  'walkforward-results',
  'evaluation-report',
  'baseline-report',
  'stress-report',
  'gate-report',
  'gate-envelope',
  'promotion-prerequisites',
  'rollback-readiness',
  'profitability-evidence',
  'llm-pack',
  'parity-report',
  'paper-manifest',
  'promotion-record',
  'no-signals',
  'prelive-checkpoint',
] as const;
export type ArtifactName = (typeof artifactNames)[number];

const hash = z.string().regex(/^[0-9a-f]{64}$/);

export const manifestSchema = z.strictObject({
  schema_version: z.literal(manifestSchemaVersion),
  run_id: z.string().regex(/^[0-9a-f]{24}$/),
  artifacts: z.array(
    z.strictObject({
      name: z.enum(artifactNames),
      key: z.string().min(1),
      sha256: hash,
      bytes: z.int().min(0),
      locators: z.array(z.tuple([z.int().min(0), z.int().min(0)])),
    }),
  ),
});
export type RunManifest = z.infer<typeof manifestSchema>;

/** Stored bytes with the key they belong under; the key names their hash, so it cannot hold anything else. */
export interface Artifact {
  readonly name: ArtifactName;
  readonly key: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

/** An artifact of a run as it is stored: canonical JSON under a key that names its content. */
export const artifactOf = (runId: string, name: ArtifactName, content: Json): Artifact =>
  artifactOfText(runId, name, canonicalJson(content));

/** As `artifactOf`, for text that is canonical already, such as a signed envelope. */
export const artifactOfText = (runId: string, name: ArtifactName, text: string): Artifact => {
  const bytes = encoder.encode(text);
  const digest = sha256(bytes);
  return { name, key: `evidence/${runId}/${name}-${digest}.json`, sha256: digest, bytes };
};

export interface StoredManifest extends Omit<Artifact, 'name'> {
  readonly manifest: RunManifest;
}

const listOf = (runId: string, artifacts: readonly Artifact[]): RunManifest => ({
  schema_version: manifestSchemaVersion,
  run_id: runId,
  artifacts: artifacts
    .map(({ name, key, sha256: digest, bytes }) => ({
      name,
      key,
      sha256: digest,
      bytes: bytes.length,
      locators: locatorsOf(bytes).map(([sum, weighted]): [number, number] => [sum, weighted]),
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1)),
});

/** The manifest of a run: every artifact with hash, size and what is needed to say where it was altered, by its key. */
export const manifestOf = (runId: string, artifacts: readonly Artifact[]): StoredManifest => {
  const manifest = listOf(runId, artifacts);
  const bytes = encoder.encode(canonicalJson(manifest));
  const digest = sha256(bytes);
  return { key: `evidence/${runId}/manifest-${digest}.json`, sha256: digest, bytes, manifest };
};

/** The manifest that these stored objects have together; null when one of them is not what its key says. */
export const manifestBytes = (
  runId: string,
  stored: readonly { readonly key: string; readonly bytes: Uint8Array }[],
): Uint8Array | null => {
  const artifacts = stored.flatMap(({ key, bytes }): Artifact[] => {
    const digest = sha256(bytes);
    const name = artifactNames.find((one) => key === `evidence/${runId}/${one}-${digest}.json`);
    return name === undefined ? [] : [{ name, key, sha256: digest, bytes }];
  });
  return artifacts.length === stored.length ? encoder.encode(canonicalJson(listOf(runId, artifacts))) : null;
};

export const artifactFailures = [
  'manifest_malformed',
  'manifest_altered',
  'artifact_missing',
  'artifact_altered',
] as const;
export type ArtifactFailure = (typeof artifactFailures)[number];

export interface ArtifactFinding {
  readonly code: ArtifactFailure;
  readonly key: string;
  readonly detail: string;
}

/** Reads a stored manifest; `expectedSha256` comes from the ledger or the key it was found under. */
export const readManifest = (
  key: string,
  bytes: Uint8Array,
  expectedSha256: string,
):
  { readonly ok: true; readonly manifest: RunManifest } | { readonly ok: false; readonly finding: ArtifactFinding } => {
  const digest = sha256(bytes);
  const text = new TextDecoder().decode(bytes);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined; // The schema says what was expected instead.
  }
  const parsed = manifestSchema.safeParse(content);
  if (digest !== expectedSha256)
    return {
      ok: false,
      finding: { code: 'manifest_altered', key, detail: `expected SHA-256 ${expectedSha256}, found ${digest}` },
    };
  if (!parsed.success)
    return { ok: false, finding: { code: 'manifest_malformed', key, detail: z.prettifyError(parsed.error) } };
  return { ok: true, manifest: parsed.data };
};

/** What is wrong with one listed artifact; null when its bytes are the stored ones. `bytes` is null when there are none. */
export const checkArtifact = (
  listed: RunManifest['artifacts'][number],
  bytes: Uint8Array | null,
): ArtifactFinding | null => {
  const { key, sha256: expected } = listed;
  if (bytes === null)
    return { code: 'artifact_missing', key, detail: `expected ${listed.bytes} bytes, found no object` };
  const digest = sha256(bytes);
  if (digest === expected) return null;
  const damage = locateDamage(bytes, listed.bytes, listed.locators, (fixed) => sha256(fixed) === expected);
  const where = damage === null ? 'bytes were exchanged within a block' : describeDamage(damage);
  return { code: 'artifact_altered', key, detail: `${where} (SHA-256 ${digest} in place of ${expected})` };
};
