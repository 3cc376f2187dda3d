import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Public keys that go with the code: one folder for each environment, one file for each key. */
export const publishedKeysIn = (sourceRoot: string): string => join(sourceRoot, 'infra/keys');

/** Files of an environment's keys, in the order of their names; none where nothing was published yet. */
export const readPublishedKeys = (
  directory: string,
  environment: string,
): readonly { readonly path: string; readonly text: string }[] => {
  try {
    return readdirSync(join(directory, environment))
      .filter((name) => name.endsWith('.pem'))
      .toSorted()
      .map((name) => join(directory, environment, name))
      .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};
