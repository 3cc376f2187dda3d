import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PublicKeyError, readVerificationKey, type VerificationKey } from '@torghut/domain/evidence';
import { UsageError } from '../options.ts';

/** Public keys that are published with the code, one folder for each environment. */
export const publishedKeys = join(import.meta.dirname, '../../keys');

/** Where the key of an environment is published: under its own name, so that no other can take its place. */
export const publishedKeyPath = (directory: string, environment: string, { keyId }: VerificationKey): string =>
  join(directory, environment, `${keyId.replace('sha256:', '').slice(0, 16)}.pem`);

const readKey = (path: string): VerificationKey => {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--key: expected a file that can be read, found ${(error as Error).message}`);
  }
  try {
    return readVerificationKey(pem);
  } catch (error) {
    if (error instanceof PublicKeyError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
};

const published = (environment: string): readonly string[] => {
  try {
    const directory = join(publishedKeys, environment);
    return readdirSync(directory)
      .filter((name) => name.endsWith('.pem'))
      .map((name) => join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

/**
 * The keys to trust: those named, else those published for the environment.
 * @throws UsageError when there are none, or one is not a P-256 public key
 */
export const trustedKeys = (files: readonly string[], environment: string): readonly VerificationKey[] => {
  const paths = files.length > 0 ? files : published(environment);
  if (paths.length === 0)
    throw new UsageError(
      `expected a public key of ${environment} in infra/keys/${environment}, found none; publish it with torghut signing-key, or name one with --key`,
    );
  return paths.map(readKey);
};
