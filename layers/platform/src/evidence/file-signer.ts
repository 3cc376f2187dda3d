import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { keyIdOf, type Signer } from '@torghut/domain/evidence';

/** A key that cannot sign, with what to do about it. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

/** Where the public key lies beside its private one. */
export const publicKeyPath = (path: string): string => path.replace(/(?:\.pem)?$/, '.pub.pem');

const publicPem = (key: KeyObject): string => createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

/** Makes a P-256 key that only its owner may read, unless there is one, with its public key beside it. */
const createKeyFile = async (path: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  let file;
  try {
    file = await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  try {
    await file.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  } finally {
    await file.close();
  }
  await writeFile(publicKeyPath(path), publicPem(privateKey));
};

/**
 * Signs with a P-256 key in a file, for one machine; the key is made when there is none.
 * @throws SigningKeyError when the file holds no such key, or others may read it
 */
export const fileSigner = async (path: string): Promise<Signer> => {
  await createKeyFile(path);
  const file = await open(path, 'r');
  let pem: string;
  try {
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0 && process.platform !== 'win32')
      throw new SigningKeyError(
        `${path}: expected a key that only its owner may read, found mode ${(mode & 0o777).toString(8)}; chmod 600 it, or remove it for a new one`,
      );
    pem = await file.readFile('utf8');
  } finally {
    await file.close();
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The parser's own message may quote the key.
    throw new SigningKeyError(`${path}: expected a PEM private key, found something else`);
  }
  const curve = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'an unknown kind';
  if (curve !== 'prime256v1') throw new SigningKeyError(`${path}: expected a P-256 key, found one of ${curve}`);
  return {
    keyId: keyIdOf(createPublicKey(key)),
    publicPem: publicPem(key),
    sign: (message) => Promise.resolve(sign('sha256', message, key)),
  };
};
