import { generateKeyPairSync, sign } from 'node:crypto';
import { keyIdOf, statementOf, type Signer, type Statement } from '@torghut/domain/evidence';

/** A signer with a key of its own, and the PEM of its public key. */
export const localSigner = (): { readonly signer: Signer; readonly publicPem: string } => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return {
    signer: {
      keyId: keyIdOf(publicKey),
      publicPem,
      sign: (message) => Promise.resolve(sign('sha256', message, privateKey)),
    },
    publicPem,
  };
};

export const zeros = '0'.repeat(64);

export const verdict = (over: { readonly issuedAt?: string; readonly expiresAt?: string | null } = {}): Statement =>
  statementOf('urn:torghut:gate-verdict:v1', [{ name: 'gate-report', sha256: zeros }], {
    issuedAt: over.issuedAt ?? '2026-11-20T15:00:00.000Z',
    expiresAt: over.expiresAt ?? null,
    policyDigest: zeros,
    inputDigests: [zeros],
    fields: { verdict: 'PASS' },
  });
