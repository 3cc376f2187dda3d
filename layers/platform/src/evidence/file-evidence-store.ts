import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { EvidenceConflict, requireEvidenceKey, type EvidenceStore } from '@torghut/domain/evidence';

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;

const readIfThere = async (path: string): Promise<Buffer | null> => {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
};

/** Bytes that survive a loss of power once they have their name. */
const writeWhole = async (path: string, bytes: Uint8Array): Promise<void> => {
  const file = await open(path, 'wx', 0o444);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Unfinished files begin with a dot, which no key does. */
const unfinished = (path: string): string => join(dirname(path), `.${randomUUID()}`);

/** Evidence in the files of a directory, for one machine: key by key what the bucket holds. */
export const fileEvidenceStore = (directory: string): EvidenceStore => {
  const pathOf = (key: string): string => join(directory, ...requireEvidenceKey(key).split('/'));
  return {
    put: async (key, bytes) => {
      const path = pathOf(key);
      await mkdir(dirname(path), { recursive: true });
      const written = unfinished(path);
      try {
        await writeWhole(written, bytes);
        // A link is made whole or not at all, and never over a file that is there.
        await link(written, path);
        return 'stored';
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
        if ((await readFile(path)).equals(bytes)) return 'already_stored';
        throw new EvidenceConflict(key);
      } finally {
        await rm(written, { force: true });
      }
    },
    get: async (key) => readIfThere(pathOf(key)),
    list: async (prefix) => {
      try {
        const files = await readdir(directory, { recursive: true, withFileTypes: true });
        return files
          .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
          .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, sep).length).replaceAll(sep, '/'))
          .filter((key) => key.startsWith(prefix))
          .sort();
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return [];
        throw error;
      }
    },
  };
};
