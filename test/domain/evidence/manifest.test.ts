import { canonicalJson, sha256 } from '@torghut/domain';
import {
  artifactOf,
  checkArtifact,
  locatorBlockBytes,
  manifestOf,
  readManifest,
  type Artifact,
  type RunManifest,
} from '@torghut/domain/evidence';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const runId = 'a'.repeat(24);
const report = artifactOf(runId, 'gate-report', {
  verdict: 'FAIL',
  rows: Array.from({ length: 2000 }, (_, row) => ({ row, value: row / 7 })),
});
const listedOf = (artifact: Artifact): RunManifest['artifacts'][number] => {
  const listed = manifestOf(runId, [artifact]).manifest.artifacts[0];
  if (listed === undefined) throw new Error('expected the artifact in its manifest');
  return listed;
};

describe('run manifest', () => {
  test('keys name the content, and equal content gives equal keys', () => {
    expect(report.key).toBe(`evidence/${runId}/gate-report-${report.sha256}.json`);
    expect(artifactOf(runId, 'gate-report', { b: 1, a: 2 })).toEqual(artifactOf(runId, 'gate-report', { a: 2, b: 1 }));
  });

  test('what is stored reads back, and whole artifacts have nothing wrong', () => {
    const stored = manifestOf(runId, [report]);
    expect(readManifest(stored.key, stored.bytes, stored.sha256)).toEqual({ ok: true, manifest: stored.manifest });
    expect(checkArtifact(listedOf(report), report.bytes)).toBeNull();
  });

  test('one altered byte is named, with what it was', () => {
    const listed = listedOf(report);
    expect(report.bytes.length).toBeGreaterThan(5 * locatorBlockBytes);
    fc.assert(
      fc.property(fc.nat(report.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (offset, change) => {
        const altered = Uint8Array.from(report.bytes);
        const original = altered[offset] ?? 0;
        altered[offset] = (original + change) % 256;
        const finding = checkArtifact(listed, altered);
        expect(finding?.code).toBe('artifact_altered');
        const hex = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`;
        expect(finding?.detail).toContain(
          `byte ${offset}: expected ${hex(original)}, found ${hex((original + change) % 256)}`,
        );
      }),
    );
  });

  test('several altered bytes are narrowed down to the block of the first', () => {
    const listed = listedOf(report);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(report.bytes.length - 1), { minLength: 2, maxLength: 20 }), (offsets) => {
        const altered = Uint8Array.from(report.bytes);
        for (const offset of offsets) altered[offset] = (altered[offset] ?? 0) ^ 0x55;
        const [, from, to] =
          /(?:byte|bytes) (\d+)(?: to (\d+))?/.exec(checkArtifact(listed, altered)?.detail ?? '') ?? [];
        const first = Math.min(...offsets);
        expect(Number(from)).toBeLessThanOrEqual(first);
        expect(Number(to ?? from)).toBeGreaterThanOrEqual(first);
      }),
    );
  });

  test.each([
    ['cut off', report.bytes.subarray(0, 5000), /expected \d+ bytes, found 5000; the first 4096 are as stored/],
    [
      'longer',
      Buffer.concat([report.bytes, Buffer.from(' ')]),
      /expected \d+ bytes, found \d+; the first \d+ are as stored/,
    ],
    ['empty', new Uint8Array(), /found 0; the first 0 are/],
  ])('an artifact that is %s', (_name, bytes, detail) => {
    const finding = checkArtifact(listedOf(report), bytes);
    expect(finding?.code).toBe('artifact_altered');
    expect(finding?.detail).toMatch(detail);
  });

  test('an artifact that is not there', () => {
    expect(checkArtifact(listedOf(report), null)).toMatchObject({ code: 'artifact_missing', key: report.key });
  });

  test('a manifest that is not the one the ledger names, or of another version, is refused', () => {
    const stored = manifestOf(runId, [report]);
    const other = manifestOf(runId, []);
    expect(readManifest(stored.key, other.bytes, stored.sha256)).toMatchObject({
      ok: false,
      finding: { code: 'manifest_altered' },
    });
    const text = canonicalJson({ ...stored.manifest, schema_version: 'torghut.run-manifest.v2' });
    const bytes = new TextEncoder().encode(text);
    const digest = sha256(text);
    expect(readManifest(stored.key, bytes, digest)).toMatchObject({
      ok: false,
      finding: { code: 'manifest_malformed' },
    });
  });
});
