import { evidenceKeys, SettingsError } from '@torghut/domain';
import {
  deploymentKeys,
  PublicKeyError,
  readVerificationKey,
  readVerificationKeys,
  type EvidenceStore,
  type Signer,
  type VerificationKey,
} from '@torghut/domain/evidence';
import type { AwsClientOptions } from '../aws/clients.ts';
import { createKmsClient, createS3Client } from '../aws/evidence-clients.ts';
import { kmsPublicKey, kmsSigner } from '../aws/kms-signer.ts';
import { s3EvidenceStore } from '../aws/s3-evidence-store.ts';

/** The deployment's store of evidence. */
export const openEvidence = (options: AwsClientOptions, bucket: string): EvidenceStore =>
  s3EvidenceStore(createS3Client(options), bucket);

/** What signs evidence of the deployment. @throws SigningKeyError when the key is not one that can */
export const openSigner = (options: AwsClientOptions, keyId: string): Promise<Signer> =>
  kmsSigner(createKmsClient(options), keyId);

/** Who holds the key that signs now: KMS, or this machine. */
type CurrentKey = { readonly options: AwsClientOptions; readonly keyId: string } | Pick<Signer, 'publicPem'>;

/**
 * Keys whose signatures of the deployment's evidence count.
 * @param published PEM, one key after another, as the release carries them
 * @throws SettingsError when what was published is something else
 * @throws SigningKeyError when the current key is not one that signs
 */
export const openVerificationKeys = async (
  published: string,
  current: CurrentKey,
): Promise<readonly VerificationKey[]> => {
  const pem =
    'publicPem' in current ? current.publicPem : await kmsPublicKey(createKmsClient(current.options), current.keyId);
  return deploymentKeys(readPublished(published), readVerificationKey(pem));
};

const readPublished = (published: string): readonly VerificationKey[] => {
  try {
    return readVerificationKeys(published);
  } catch (error) {
    if (error instanceof PublicKeyError) throw new SettingsError([`${evidenceKeys.publishedKeys}: ${error.message}`]);
    throw error;
  }
};
