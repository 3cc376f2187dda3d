import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PublicKeyError, readVerificationKey, type VerificationKey } from '@torghut/domain/evidence';
import { publishedKeysIn, readPublishedKeys } from '../../constructs/published-keys.ts';
import { UsageError } from '../options.ts';

export const publishedKeys = publishedKeysIn(join(import.meta.dirname, '../../..'));

/** Where the key of an environment is published: under its own name, so that no other can take its place. */
export const publishedKeyPath = (directory: string, environment: string, { keyId }: VerificationKey): string =>
  join(directory, environment, `${keyId.replace('sha256:', '').slice(0, 16)}.pem`);

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--key: expected a file that can be read, found ${(error as Error).message}`);
  }
};

const keyIn = ({ path, text }: { readonly path: string; readonly text: string }): VerificationKey => {
  try {
    return readVerificationKey(text);
  } catch (error) {
    if (error instanceof PublicKeyError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
};

/**
 * The keys to trust: those named, else those published for the environment.
 * @throws UsageError when there are none, or one is not a P-256 public key
 */
export const trustedKeys = (files: readonly string[], environment: string): readonly VerificationKey[] => {
  const found =
    files.length > 0
      ? files.map((path) => ({ path, text: textOf(path) }))
      : readPublishedKeys(publishedKeys, environment);
  if (found.length === 0)
    throw new UsageError(
      `expected a public key of ${environment} in infra/keys/${environment}, found none; publish it with torghut signing-key, or name one with --key`,
    );
  return found.map(keyIn);
};
