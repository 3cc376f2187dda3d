import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parseInstant } from '@torghut/domain';
import { readVerificationKey, signCheckpoint } from '@torghut/domain/evidence';
import { fileEvidenceStore, fileSigner, postgresResearchChain, publicKeyPath } from '@torghut/platform';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { verify as verifyWords } from '../../../infra/cli/verify/verify.ts';
import { localSigner } from '../../domain/evidence/fixtures.ts';
import { keyOf, runId, storedRun, type Objects } from '../../domain/evidence/stored-run.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertSampleRows } from '../../support/rows.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const command = join(import.meta.dirname, '../../../infra/cli/torghut.ts');
const at = '2026-11-20T16:00:00.000Z';

let database: TestDatabase;
let directory: string;
let key: string;
let foreignKey: string;
let objects: Objects;

const place = (...parts: readonly string[]): string => join(directory, ...parts);

beforeAll(async () => {
  [database, directory] = await Promise.all([testDatabase(), temporaryDirectory('verify')]);
  const signer = await fileSigner(place('signing.pem'));
  key = publicKeyPath(place('signing.pem'));
  foreignKey = place('foreign.pem');
  await writeFile(foreignKey, localSigner().publicPem);
  objects = await storedRun(signer);
  const store = fileEvidenceStore(place('store'));
  for (const [name, bytes] of objects) await store.put(name, bytes);
  await insertSampleRows(database.app, 'research_promotions');
  const chain = postgresResearchChain(database.app);
  const trusted = [readVerificationKey(signer.publicPem)];
  await signCheckpoint({ chain, store, signer, trusted }, parseInstant(at));
});
afterAll(async () => {
  await Promise.all([database.close(), rm(directory, { recursive: true, force: true })]);
});

/** The command within this process, on the ledger that is named. */
const verify = async (words: readonly string[], url = ''): Promise<{ code: number; output: string }> => {
  vi.stubEnv('DATABASE_URL', url);
  try {
    const { code, lines } = await verifyWords(words);
    return { code, output: `${lines.join('\n')}\n` };
  } finally {
    vi.unstubAllEnvs();
  }
};

/** A copy of the stored evidence with one object changed. */
const altered = async (name: string, key: string, change: (bytes: Buffer) => Buffer): Promise<string> => {
  for (const [one, bytes] of objects) {
    const path = place(name, one);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, one === key ? change(Buffer.from(bytes)) : bytes);
  }
  return place(name);
};

describe('[A3] torghut verify', () => {
  it('verifies a run offline with the public key only, by its id or by any of its files', async () => {
    const words = ['--key', key, '--at', at];
    const byId = await verify([runId, '--evidence', place('store'), ...words]);
    expect(byId).toMatchObject({ code: 0, output: expect.stringMatching(/verdict FAIL\nverified\n$/) as string });
    expect(byId.output).toContain('4 artifacts and 2 snapshots');
    expect(await verify([place('store', keyOf(objects, 'gate-envelope')), ...words])).toEqual(byId);
  });

  it('says which byte is wrong, and fails', async () => {
    const report = keyOf(objects, 'gate-report');
    const store = await altered('altered', report, (bytes) => {
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      return bytes;
    });
    const { code, output } = await verify([runId, '--evidence', store, '--key', key, '--at', at]);
    expect(code).toBe(1);
    expect(output).toMatch(new RegExp(`^artifact_altered {2}${report}: byte 100: expected 0x`));
    expect(output).toContain('NOT verified: 1 finding\n');
  });

  it('tells a foreign key and an expired verdict by their own codes', async () => {
    const evidence = ['--evidence', place('store')];
    const foreign = await verify([runId, ...evidence, '--key', foreignKey, '--at', at]);
    expect(foreign).toMatchObject({ code: 1, output: expect.stringMatching(/^wrong_key /) as string });
    const late = await verify([runId, ...evidence, '--key', key, '--at', '2026-12-24T00:00:00.000Z', '--json']);
    expect(late.code).toBe(1);
    expect(JSON.parse(late.output)).toMatchObject({ findings: [{ code: 'statement_expired' }] });
  });

  it('verifies the chain of the ledger, and its export where the ledger is not', async () => {
    const file = place('chain.jsonl');
    const words = ['--key', key, '--at', at];
    const live = await verify(
      ['--chain', '--evidence', place('store'), '--export', file, ...words],
      database.url('torghut_readonly'),
    );
    expect(live).toMatchObject({ code: 0, output: expect.stringContaining('chain: 7 entries to ') as string });
    expect(await verify([file, ...words])).toMatchObject({ code: 0 });
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const swapped = place('swapped.jsonl');
    await writeFile(swapped, `${[...lines.slice(0, 3), lines[4], lines[3], ...lines.slice(5)].join('\n')}\n`);
    expect(await verify([swapped, ...words])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^chain_sequence_broken {2}entry 4/) as string,
    });
    const shortened = place('shortened.jsonl');
    await writeFile(shortened, `${lines.slice(0, -1).join('\n')}\n`);
    expect(await verify([shortened, ...words])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^chain_shorter_than_checkpoint /) as string,
    });
  });

  it('a run that the ledger does not know fails with the ledger, not without', async () => {
    const words = [runId.replaceAll('ab', 'cd'), '--evidence', place('store'), '--key', key, '--ledger'];
    expect(await verify(words, database.url('torghut_readonly'))).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^ledger_run_missing /) as string,
    });
  });

  it.each([
    ['no word', () => [], 'expected a FILE, a RUN or --chain, found none'],
    ['a file that is not there', () => ['nowhere.json', '--key', key], 'found "nowhere.json"'],
    [
      'a place that is none',
      () => [runId, '--evidence', 'https://x', '--key', key],
      '--evidence: expected a directory',
    ],
    ['no published key', () => [runId, '--environment', 'live'], 'publish it with torghut signing-key'],
    ['a private key', () => [runId, '--key', command], 'expected a PEM public key'],
    ['a day that does not exist', () => [runId, '--key', key, '--at', '2026-02-30T00:00:00Z'], '--at: expected'],
    ['a file that proves nothing', () => [foreignKey, '--key', key], 'nothing else proves anything by itself'],
  ])('refuses %s with exit code 2', async (_name, words, complaint) => {
    const { code, output } = await verify(words());
    expect({ code, output }).toMatchObject({ code: 2, output: expect.stringContaining(complaint) as string });
  });

  it('a ledger that cannot be reached is not verified and not altered either: exit code 3', async () => {
    const words = ['--chain', '--key', key];
    expect(await verify(words, 'postgres://nobody@127.0.0.1:1/nowhere')).toMatchObject({ code: 3 });
  });

  it('is a command that prints what it found and ends with its exit code', { timeout: 90_000 }, async () => {
    const words = [
      'verify',
      place('store', keyOf(objects, 'gate-report')),
      '--key',
      key,
      '--at',
      '2026-12-24T00:00:00.000Z',
    ];
    const run = promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', command, ...words]);
    await expect(run).rejects.toMatchObject({ code: 1, stdout: expect.stringMatching(/^statement_expired/) as string });
  });
});
