import { kill } from 'node:process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const isAlive = (pid: number): boolean => {
  try {
    return kill(pid, 0);
  } catch (error) {
    // It lives, and is somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/**
 * Makes a directory of this process's own in the system's temporary one, and removes those of the same purpose whose
 * processes were killed before they could.
 * @param purpose in kebab case
 */
export const temporaryDirectory = async (purpose: string): Promise<string> => {
  const pattern = new RegExp(`^torghut-${purpose}-(\\d+)-`);
  for (const name of await readdir(tmpdir())) {
    const pid = pattern.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    // Another account's is for that account to remove.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
  return mkdtemp(join(tmpdir(), `torghut-${purpose}-${process.pid}-`));
};
