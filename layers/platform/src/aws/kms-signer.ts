import { createHash, createPublicKey, verify } from 'node:crypto';
import { GetPublicKeyCommand, SignCommand, type KMSClient } from '@aws-sdk/client-kms';
import { readVerificationKey, type Signer } from '@torghut/domain/evidence';
import { SigningKeyError } from '../evidence/file-signer.ts';

/** Public half of a KMS key, as PEM. @throws SigningKeyError when it is no key that signs with ECDSA on P-256 */
export const kmsPublicKey = async (client: KMSClient, keyId: string): Promise<string> => {
  const { PublicKey, KeySpec, KeyUsage } = await client.send(new GetPublicKeyCommand({ KeyId: keyId }));
  if (PublicKey === undefined || KeySpec !== 'ECC_NIST_P256' || KeyUsage !== 'SIGN_VERIFY')
    throw new SigningKeyError(
      `${keyId}: expected a key of ECC_NIST_P256 for SIGN_VERIFY, found ${KeySpec ?? 'none'} for ${KeyUsage ?? 'nothing'}`,
    );
  return createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' })
    .export({ format: 'pem', type: 'spki' })
    .toString();
};

/**
 * Signs with a key that never leaves KMS; only the digest of what is signed goes there.
 * @throws SigningKeyError when it is no key that signs with ECDSA on P-256, or signs something else
 */
export const kmsSigner = async (client: KMSClient, keyId: string): Promise<Signer> => {
  const publicPem = await kmsPublicKey(client, keyId);
  const trusted = readVerificationKey(publicPem);
  return {
    keyId: trusted.keyId,
    publicPem,
    sign: async (message) => {
      const { Signature } = await client.send(
        new SignCommand({
          KeyId: keyId,
          Message: createHash('sha256').update(message).digest(),
          MessageType: 'DIGEST',
          SigningAlgorithm: 'ECDSA_SHA_256',
        }),
      );
      // A signature that nobody can verify must not be stored for ever.
      if (Signature === undefined || !verify('sha256', message, trusted.key, Signature))
        throw new SigningKeyError(`${keyId}: expected a signature by its public key, found another answer`);
      return Signature;
    },
  };
};
