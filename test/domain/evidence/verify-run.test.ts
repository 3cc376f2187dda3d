import { parseInstant } from '@torghut/domain';
import { artifactOf, readVerificationKey, verifyRun, type RunFinding } from '@torghut/domain/evidence';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { localSigner, zeros } from './fixtures.ts';
import { keyOf, readsOf, reportOf, runId, storedRun, withArtifact, type Objects } from './stored-run.ts';

const now = parseInstant('2026-11-20T16:00:00.000Z');
const { signer, publicPem } = localSigner();
const trusted = [readVerificationKey(publicPem)];
const whole = await storedRun(signer);

const check = (objects: Objects, over: { manifestSha256?: string; at?: string } = {}) =>
  verifyRun(readsOf(objects), runId, {
    trusted,
    now: over.at === undefined ? now : parseInstant(over.at),
    manifestSha256: over.manifestSha256 ?? null,
  });
const codesOf = (findings: readonly RunFinding[]): string[] => findings.map(({ code }) => code);
const hex = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`;

describe('[A3] a stored run, verified with the public key alone', () => {
  test('a whole run has nothing wrong, and everything of it was looked at', async () => {
    expect(await check(whole)).toMatchObject({
      findings: [],
      artifacts: 4,
      snapshots: 2,
      bytes: [...whole.values()].reduce((sum, { length }) => sum + length, 0),
      signedBy: signer.keyId,
      verdict: 'FAIL',
    });
  });

  test('a flip of any byte of any stored object is found, and the byte is named', async () => {
    const keys = [...whole.keys()];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(keys.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (which, at, change) => {
          const key = keys[which] ?? '';
          const bytes = Uint8Array.from(whole.get(key) ?? []);
          const offset = at % bytes.length;
          const original = bytes[offset] ?? 0;
          const altered = original ^ change;
          bytes[offset] = altered;
          const { findings } = await check(new Map(whole).set(key, bytes));
          const finding = findings.find((one) => one.key === key);
          expect(finding?.code).toMatch(/^(?:manifest|artifact|snapshot)_altered$/);
          expect(finding?.detail).toContain(`byte ${offset}: expected ${hex(original)}, found ${hex(altered)}`);
        },
      ),
    );
  });

  test('an object that is gone, cut short, or exchanged for another is found, whichever it is', async () => {
    for (const key of whole.keys()) {
      const gone = new Map(whole);
      gone.delete(key);
      const missing = codesOf((await check(gone)).findings)[0];
      expect(['run_missing', 'artifact_missing', 'snapshot_missing'], key).toContain(missing);
      const bytes = whole.get(key) ?? new Uint8Array();
      expect(codesOf((await check(new Map(whole).set(key, bytes.subarray(0, -1)))).findings), key).not.toEqual([]);
      for (const other of whole.keys()) {
        if (other === key) continue;
        const exchanged = new Map(whole).set(key, whole.get(other) ?? bytes).set(other, bytes);
        expect(codesOf((await check(exchanged)).findings), `${key} for ${other}`).not.toEqual([]);
      }
    }
  });

  const other = localSigner();
  test.each([
    ['another key', () => storedRun(other.signer), 'wrong_key'],
    [
      'a foreign signature under our name',
      () => storedRun({ ...other.signer, keyId: signer.keyId }),
      'signature_invalid',
    ],
    [
      'an unknown schema version',
      () =>
        storedRun(signer, {
          statement: (one) => ({ ...one, predicate: { ...one.predicate, schema_version: 'torghut.gate-verdict.v9' } }),
        }),
      'schema_version_unknown',
    ],
    [
      'an unknown predicate',
      () => storedRun(signer, { statement: (one) => ({ ...one, predicateType: 'urn:torghut:wish:v1' }) }),
      'predicate_type_unknown',
    ],
    [
      'a statement of another kind',
      () =>
        storedRun(signer, {
          statement: (one) => ({
            ...one,
            predicateType: 'urn:torghut:approval:v1',
            predicate: { ...one.predicate, schema_version: 'torghut.approval.v1' },
          }),
        }),
      'subject_mismatch',
    ],
    [
      'a statement about another report',
      () =>
        storedRun(signer, {
          statement: (one) => ({ ...one, subject: [{ name: 'gate-report', digest: { sha256: zeros } }] }),
        }),
      'subject_mismatch',
    ],
    [
      'a statement that says PASS over a report that says FAIL',
      () => storedRun(signer, { statement: (one) => ({ ...one, predicate: { ...one.predicate, verdict: 'PASS' } }) }),
      'verdict_mismatch',
    ],
    [
      'a report that names another key',
      () => storedRun(signer, { report: { signing_key_id: other.signer.keyId } }),
      'verdict_mismatch',
    ],
    [
      'an artifact that nobody signed',
      () => storedRun(signer, { unsigned: [artifactOf(runId, 'stress-report', { cases: [] })] }),
      'artifact_unsigned',
    ],
    ['no signature at all', () => storedRun(signer, { withoutEnvelope: true }), 'run_unsigned'],
    [
      'a better report with a manifest to match',
      () => Promise.resolve(withArtifact(whole, 'gate-report', reportOf(signer, { verdict: 'PASS' }))),
      'subject_mismatch',
    ],
    [
      'other figures with a manifest to match',
      () => Promise.resolve(withArtifact(whole, 'evaluation-report', { rows: [] })),
      'artifact_unsigned',
    ],
    [
      'an object the manifest does not list',
      () => Promise.resolve(new Map(whole).set(`evidence/${runId}/note.json`, new Uint8Array([123, 125]))),
      'artifact_unlisted',
    ],
    [
      'a second manifest',
      () => Promise.resolve(new Map([...whole, ...withArtifact(whole, 'evaluation-report', { rows: [] })])),
      'manifest_ambiguous',
    ],
  ])('%s is found by its own code', async (_name, objects, code) => {
    expect(codesOf((await check(await objects())).findings)).toContain(code);
  });

  test('a verdict is expired a day later, and was good at its time', async () => {
    expect(codesOf((await check(whole, { at: '2026-11-21T15:00:00.000Z' })).findings)).toEqual(['statement_expired']);
    expect(codesOf((await check(whole, { at: '2026-11-20T14:59:59.999Z' })).findings)).toEqual([
      'statement_not_yet_valid',
    ]);
    expect((await check(whole, { at: '2026-11-21T14:59:59.999Z' })).findings).toEqual([]);
  });

  test('an expired verdict still has to be about these bytes', async () => {
    const changed = withArtifact(whole, 'evaluation-report', { rows: [] });
    expect(codesOf((await check(changed, { at: '2036-01-01T00:00:00.000Z' })).findings)).toEqual([
      'statement_expired',
      'artifact_unsigned',
      'subject_mismatch',
    ]);
  });

  test('of several manifests the ledger says which one counts, and the others count for nothing', async () => {
    const both = new Map([...whole, ...withArtifact(whole, 'evaluation-report', { rows: [] })]);
    const [, digest = ''] = /manifest-([0-9a-f]{64})/.exec(keyOf(whole, 'manifest')) ?? [];
    expect((await check(both, { manifestSha256: digest })).findings).toEqual([]);
    expect(codesOf((await check(whole, { manifestSha256: zeros })).findings)).toEqual(['run_missing']);
  });

  test('a run of which nothing is stored shows nothing', async () => {
    expect(codesOf((await check(new Map())).findings)).toEqual(['run_missing']);
  });
});
