import { parseInstant, type Json } from '@torghut/domain';
import { readVerificationKey } from '@torghut/domain/evidence';
import { firstDifference, inThisThread, reproduceStoredRun } from '@torghut/domain/research';
import { describe, expect, test } from 'vitest';
import { localSigner } from '../evidence/fixtures.ts';
import { keyOf, readsOf, runId, type Objects } from '../evidence/stored-run.ts';
import { lanedRun } from './laned-run.ts';

const { signer, publicPem } = localSigner();
const trusted = [readVerificationKey(publicPem)];
const { codeHash, evaluated, snapshotKeys, stored } = await lanedRun(signer);

const reproduce = (objects: Objects, over: { readonly codeHash?: string } = {}) =>
  reproduceStoredRun(readsOf(objects), runId, {
    trusted,
    // Long after the verdict expired: what happened can be shown for ever.
    now: parseInstant('2036-01-01T00:00:00.000Z'),
    manifestSha256: null,
    codeHash,
    executorFor: inThisThread,
    ...over,
  });

describe('[R8] a run, reproduced from what it stored', () => {
  test('gives the same candidate hash, the same verdict and the same bytes of every report', async () => {
    expect(await reproduce(await stored())).toEqual({
      findings: [],
      candidateHash: evaluated.gateReport.candidate_hash,
      verdict: evaluated.gateReport.verdict,
      signedBy: signer.keyId,
      compared: 7,
    });
  });

  test('names the first value that comes out otherwise, in each report', async () => {
    const better = await stored({
      'evaluation-report': (content) => ({
        ...content,
        totals: { ...(content['totals'] as Record<string, Json>), net_pnl: '123456.5', trade_count: 9_999 },
      }),
    });
    const { findings } = await reproduce(better);
    // The gates were judged by these figures, and name their digest.
    expect(findings.map(({ code, place }) => `${code} ${place}`)).toContain(
      'replay_mismatch evaluation-report totals.net_pnl',
    );
    expect(findings.find(({ place }) => place.startsWith('evaluation-report'))?.detail).toMatch(
      /^stored "123456\.5", reproduced "-?\d/,
    );
  });

  test('a verdict that does not follow from the data is found, however well it is signed', async () => {
    const other = evaluated.gateReport.verdict === 'PASS' ? 'FAIL' : 'PASS';
    const objects = await stored({ 'gate-report': (content) => ({ ...content, verdict: other }) });
    const { findings } = await reproduce(objects);
    expect(findings).toContainEqual({
      code: 'replay_mismatch',
      place: 'gate-report verdict',
      detail: `stored "${other}", reproduced "${evaluated.gateReport.verdict}"`,
    });
  });

  test('by other code says so, and compares the rest', async () => {
    const { findings } = await reproduce(await stored(), { codeHash: 'f'.repeat(64) });
    expect(findings.map(({ code, place }) => `${code} ${place}`)).toEqual([
      'replay_mismatch candidate-spec inputs.code_hash',
    ]);
  });

  test('evaluates nothing from evidence that is altered or missing', async () => {
    const objects = await stored();
    const refuse = () => {
      throw new Error('expected that nothing is evaluated');
    };
    for (const key of [snapshotKeys[3] ?? '', keyOf(objects, 'candidate-spec'), keyOf(objects, 'gate-envelope')]) {
      const bytes = Uint8Array.from(objects.get(key) ?? []);
      bytes[50] = (bytes[50] ?? 0) ^ 4;
      for (const changed of [new Map(objects).set(key, bytes), new Map([...objects].filter(([one]) => one !== key))]) {
        const result = await reproduceStoredRun(readsOf(changed), runId, {
          trusted,
          now: parseInstant('2036-01-01T00:00:00.000Z'),
          manifestSha256: null,
          codeHash,
          executorFor: refuse,
        });
        expect(result).toMatchObject({ verdict: null, compared: 0, findings: [{ place: key }] });
      }
    }
  });
});

describe('the first difference of two documents', () => {
  test.each([
    [{ a: 1 }, { a: 1 }, null],
    [
      { a: 1, b: 2 },
      { b: 3, a: 1 },
      { path: 'b', stored: '2', found: '3' },
    ],
    [{ a: [1, { b: 'x' }] }, { a: [1, { b: 'y' }] }, { path: 'a.1.b', stored: '"x"', found: '"y"' }],
    [{ a: [1] }, { a: [1, 2] }, { path: 'a.1', stored: '(absent)', found: '2' }],
    [{ a: 1 }, {}, { path: 'a', stored: '1', found: '(absent)' }],
    [{ a: [] }, { a: {} }, { path: 'a', stored: '[]', found: '{}' }],
    [{ a: null }, { a: 0 }, { path: 'a', stored: 'null', found: '0' }],
    [
      { b: 1, a: 1 },
      { b: 2, a: 2 },
      { path: 'a', stored: '1', found: '2' },
    ],
  ] as const)('%j and %j', (stored, found, expected) => {
    expect(firstDifference(stored, found)).toEqual(expected);
  });
});
