import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileEvidenceStore, fileSigner, publicKeyPath } from '@torghut/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reproduce } from '../../../infra/cli/reproduce/reproduce.ts';
import { runId } from '../../domain/evidence/stored-run.ts';
import { lanedRun } from '../../domain/research/laned-run.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let directory: string;
let words: readonly string[];
let run: Awaited<ReturnType<typeof lanedRun>>;
beforeAll(async () => {
  directory = await temporaryDirectory('reproduce');
  const key = join(directory, 'key.pem');
  run = await lanedRun(await fileSigner(key));
  const store = fileEvidenceStore(directory);
  for (const [name, bytes] of await run.stored()) await store.put(name, bytes);
  words = [runId, '--evidence', directory, '--key', publicKeyPath(key), '--threads', '2'];
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('[R8] reproduces a stored run in threads of this machine', async () => {
  const { code, lines } = await reproduce(words, () => Promise.resolve(run.codeHash));
  expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: 'reproduced' });
  expect(lines[0]).toContain(`candidate ${run.evaluated.gateReport.candidate_hash}, verdict FAIL`);
});

it('fails with the first value that differs', async () => {
  const { code, lines } = await reproduce(words, () => Promise.resolve('f'.repeat(64)));
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last: 'NOT reproduced: 1 finding' });
  expect(lines[0]).toMatch(/^replay_mismatch {2}candidate-spec inputs.code_hash: stored c{64}, this code is f{64}/);
});

it.each([
  [['nonsense'], 'expected the 24 hex digits of one run'],
  [[], 'expected the 24 hex digits of one run'],
  [[runId, '--threads', '0'], '--threads: expected 1 to 999'],
])('refuses %j with exit code 2', async (given, complaint) => {
  const { code, lines } = await reproduce(given);
  expect({ code, line: lines[0] }).toEqual({ code: 2, line: expect.stringContaining(complaint) as string });
});
