import { canonicalJson, sha256, type Json } from '@torghut/domain';
import {
  artifactOf,
  artifactOfText,
  locatorsOf,
  manifestOf,
  sealStatement,
  snapshotKey,
  verdictStatement,
  type Artifact,
  type EvidenceReads,
  type Signer,
  type Statement,
} from '@torghut/domain/evidence';
import { zeros } from './fixtures.ts';

export const runId = 'ab'.repeat(12);

/** Stored objects by key, as a store gives them. */
export type Objects = Map<string, Uint8Array>;

export const readsOf = (objects: Objects): EvidenceReads => ({
  get: (key) => Promise.resolve(objects.get(key) ?? null),
  list: (prefix) => Promise.resolve([...objects.keys()].filter((key) => key.startsWith(prefix)).sort()),
});

const snapshotBytes = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 9_000 }, (_, index) => (index * 31 + seed * 7) % 256);

const snapshots = ['AAPL', 'NVDA'].map((symbol, index) => {
  const bytes = snapshotBytes(index);
  const entry = { session_date: '2026-11-19', symbol, rows: 390, sha256: sha256(bytes), bytes: bytes.length };
  return { bytes, entry: { ...entry, locators: locatorsOf(bytes).map((locator) => [...locator]) } };
});

export const reportOf = (signer: Signer, over: Readonly<Record<string, Json>> = {}) => ({
  schema_version: 'torghut.gate-report.v1',
  run_id: runId,
  candidate_id: 'cand-abababababab-000000000000',
  candidate_hash: zeros,
  target: 'paper',
  verdict: 'FAIL',
  recommended_stage: 'shadow',
  policy_digest: zeros,
  evaluated_at: '2026-11-20T15:00:00.000Z',
  signing_key_id: signer.keyId,
  ...over,
});

export interface StoredRunOptions {
  readonly expiresAt?: string;
  /** Fields of the report beside what is usual. */
  readonly report?: Readonly<Record<string, Json>>;
  /** Changes the statement before it is signed, beyond what its schema allows. */
  readonly statement?: (statement: Statement) => Statement;
  /** Artifacts that are listed and not signed. */
  readonly unsigned?: readonly Artifact[];
  /** Leaves the envelope out. */
  readonly withoutEnvelope?: boolean;
}

/** Everything a small run stores, signed. */
export const storedRun = async (signer: Signer, options: StoredRunOptions = {}): Promise<Objects> => {
  const report = reportOf(signer, options.report);
  const signed = [
    artifactOf(runId, 'dataset', {
      schema_version: 'torghut.dataset.v1',
      snapshots: snapshots.map(({ entry }) => entry),
    }),
    artifactOf(runId, 'evaluation-report', {
      rows: Array.from({ length: 900 }, (_, row) => ({ row, value: row / 7 })),
    }),
    artifactOf(runId, 'gate-report', report),
  ];
  const statement = verdictStatement(signed, report, options.expiresAt ?? '2026-11-21T15:00:00.000Z');
  const envelope = await sealStatement(options.statement?.(statement) ?? statement, signer);
  const artifacts = [
    ...signed,
    ...(options.unsigned ?? []),
    ...(options.withoutEnvelope === true ? [] : [artifactOfText(runId, 'gate-envelope', envelope)]),
  ];
  const manifest = manifestOf(runId, artifacts);
  return new Map<string, Uint8Array>([
    ...artifacts.map(({ key, bytes }): [string, Uint8Array] => [key, bytes]),
    ...snapshots.map(({ bytes, entry }): [string, Uint8Array] => [snapshotKey(entry.sha256), bytes]),
    [manifest.key, manifest.bytes],
  ]);
};

/** Key of the stored object of a name. */
export const keyOf = (objects: Objects, name: string): string => {
  const key = [...objects.keys()].find((one) => one.includes(`/${name}-`));
  if (key === undefined) throw new Error(`expected a stored ${name}, found none`);
  return key;
};

/** The same objects with one artifact of other content, its key and the manifest written anew; nothing signed anew. */
export const withArtifact = (objects: Objects, name: 'gate-report' | 'evaluation-report', content: Json): Objects => {
  const changed = new Map(objects);
  changed.delete(keyOf(objects, name));
  changed.delete(keyOf(objects, 'manifest'));
  const replaced = artifactOf(runId, name, content);
  changed.set(replaced.key, replaced.bytes);
  const names = ['dataset', 'evaluation-report', 'gate-report', 'gate-envelope'] as const;
  const manifest = manifestOf(
    runId,
    names.map((one) => {
      const key = keyOf(changed, one);
      const bytes = changed.get(key) ?? new Uint8Array();
      return { name: one, key, bytes, sha256: sha256(bytes) };
    }),
  );
  return changed.set(manifest.key, manifest.bytes);
};

export const textOf = (content: Json): Uint8Array => new TextEncoder().encode(canonicalJson(content));
