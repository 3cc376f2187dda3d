import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { temporaryDirectory } from './temporary-directory.ts';

const purpose = `directory-test-of-${process.pid}`;
const made: string[] = [];
const directoryOf = async (pid: number): Promise<string> => {
  const path = join(tmpdir(), `torghut-${purpose}-${pid}-abcdef`);
  await mkdir(path);
  made.push(path);
  return path;
};
afterEach(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true });
});

it('removes what a killed process left, and nothing of a living one', async () => {
  const dead = spawnSync(process.execPath, ['--version']).pid;
  const [left, used] = [await directoryOf(dead), await directoryOf(process.ppid)];
  const mine = await temporaryDirectory(purpose);
  made.push(mine);
  expect([left, used, mine].map((path) => existsSync(path))).toEqual([false, true, true]);
});
