import type { EvidenceStore, Signer } from '@torghut/domain/evidence';
import type { AwsClientOptions } from '../aws/clients.ts';
import { createKmsClient, createS3Client } from '../aws/evidence-clients.ts';
import { kmsSigner } from '../aws/kms-signer.ts';
import { s3EvidenceStore } from '../aws/s3-evidence-store.ts';

/** The deployment's store of evidence. */
export const openEvidence = (options: AwsClientOptions, bucket: string): EvidenceStore =>
  s3EvidenceStore(createS3Client(options), bucket);

/** What signs evidence of the deployment. @throws SigningKeyError when the key is not one that can */
export const openSigner = (options: AwsClientOptions, keyId: string): Promise<Signer> =>
  kmsSigner(createKmsClient(options), keyId);
