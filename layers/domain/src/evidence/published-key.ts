import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { parseInstant, toText, type Instant } from '../instant.ts';

export class PublicKeyError extends Error {
  override readonly name = 'PublicKeyError';
}

/** A public key that signatures are checked with. */
export interface VerificationKey {
  readonly keyId: string;
  readonly key: KeyObject;
  /** The last moment at which a statement of this key may have been issued; null for a key that still signs. */
  readonly validUntil: Instant | null;
}

/** Name of a key by what it is: SHA-256 of its SubjectPublicKeyInfo, so that no other key can carry it. */
export const keyIdOf = (key: KeyObject): string =>
  `sha256:${createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`;

/** The end of a key's period stands before the key, where text is no part of what PEM encodes. */
const validUntil = 'valid-until: ';
const pemStart = '-----BEGIN ';
const pemEnd = /-----END [A-Z ]+-----/;

/**
 * Reads the one PEM public key of a text, with the end of its period where it has one.
 * @throws PublicKeyError when it is not a P-256 public key, its period does not end at a moment, or more follows it
 */
export const readVerificationKey = (text: string): VerificationKey => {
  const start = Math.max(0, text.indexOf(pemStart));
  const end = pemEnd.exec(text);
  const after = end === null ? '' : text.slice(end.index + end[0].length).trim();
  // What decoding PEM passes over may be a second key, or the end of the period.
  if (after !== '') throw new PublicKeyError(`expected nothing after the key, found "${after.slice(0, 60)}"`);
  let key: KeyObject;
  try {
    key = createPublicKey(text.slice(start));
  } catch (error) {
    throw new PublicKeyError(
      `expected a PEM public key, found ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const curve = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'an unknown kind';
  if (curve !== 'prime256v1') throw new PublicKeyError(`expected a P-256 public key, found one of ${curve}`);
  return { keyId: keyIdOf(key), key, validUntil: endOf(text.slice(0, start).trim()) };
};

const endOf = (preface: string): Instant | null => {
  if (preface === '') return null;
  try {
    return parseInstant(preface.startsWith(validUntil) ? preface.slice(validUntil.length) : '');
  } catch {
    // Read as a key without an end, it would be trusted for ever.
    throw new PublicKeyError(`expected nothing before the key but "${validUntil}" and a time, found "${preface}"`);
  }
};

/** The text of a published key, as `readVerificationKey` reads it. */
export const publishedKeyText = (pem: string, until: Instant | null): string =>
  `${until === null ? '' : `${validUntil}${toText(until)}\n`}${pem.trim()}\n`;

const keyEnd = new RegExp(`(?<=${pemEnd.source})\\r?\\n?`);

/** Reads keys that stand one after another. @throws PublicKeyError as `readVerificationKey` */
export const readVerificationKeys = (text: string): readonly VerificationKey[] =>
  text
    .split(keyEnd)
    .filter((one) => one.trim() !== '')
    .map(readVerificationKey);

/**
 * Keys of a deployment: those that were published, and the one it signs with now, which nobody can have published before
 * it was made. The period of a published key counts for the current one as well.
 */
export const deploymentKeys = (
  published: readonly VerificationKey[],
  current: VerificationKey,
): readonly VerificationKey[] =>
  published.some(({ keyId }) => keyId === current.keyId) ? published : [...published, current];
