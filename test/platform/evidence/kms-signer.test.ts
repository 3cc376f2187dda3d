import { createHash, generateKeyPairSync } from 'node:crypto';
import { createKmsClient, kmsSigner, SigningKeyError } from '@torghut/platform';
import { parseInstant } from '@torghut/domain';
import { keyIdOf, readVerificationKey, sealStatement, verifyEnvelope } from '@torghut/domain/evidence';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { verdict } from '../../domain/evidence/fixtures.ts';
import { kmsServer, type KmsServer } from './kms-server.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const now = parseInstant('2026-11-20T16:00:00.000Z');

let kms: KmsServer;
beforeEach(async () => {
  kms = await kmsServer(publicKey, privateKey);
});
afterEach(() => kms.stop());

const open = () =>
  kmsSigner(
    createKmsClient({
      endpoint: kms.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    }),
    'alias/evidence',
  );

it('[A3] signs in KMS what verifies offline with its public key alone', async () => {
  const signer = await open();
  expect(signer.keyId).toBe(keyIdOf(publicKey));
  for (let round = 0; round < 20; round += 1) {
    const text = await sealStatement(verdict(), signer);
    expect(verifyEnvelope(text, [readVerificationKey(signer.publicPem)], now)).toMatchObject({ ok: true });
  }
});

it('sends KMS the digest of what is signed and nothing else', async () => {
  const signer = await open();
  const message = Buffer.from('a message far longer than a digest is, that stays here');
  await signer.sign(message);
  expect(kms.calls.at(-1)).toEqual({
    operation: 'Sign',
    input: {
      KeyId: 'alias/evidence',
      Message: createHash('sha256').update(message).digest('base64'),
      MessageType: 'DIGEST',
      SigningAlgorithm: 'ECDSA_SHA_256',
    },
  });
});

it('gives no signature that its public key does not verify', async () => {
  const signer = await open();
  kms.signWith = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  await expect(signer.sign(Buffer.from('message'))).rejects.toThrow(SigningKeyError);
});

it.each([
  { KeySpec: 'ECC_NIST_P384', KeyUsage: 'SIGN_VERIFY' },
  { KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' },
  { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' },
])('refuses a key of $KeySpec for $KeyUsage', async (described) => {
  kms.describe = described;
  await expect(open()).rejects.toThrow(SigningKeyError);
});
