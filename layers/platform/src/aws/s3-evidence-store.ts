import { createHash } from 'node:crypto';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3ServiceException,
  type S3Client,
} from '@aws-sdk/client-s3';
import { EvidenceConflict, requireEvidenceKey, type EvidenceStore } from '@torghut/domain/evidence';

/** Tries of one write, while another writer of the same key is at work. */
const writeAttempts = 5;

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

/**
 * Evidence in an S3 bucket, write once by conditional requests: a put succeeds only where nothing is. Without permission to
 * list the bucket, an object that is not there is an access that is denied, which throws as any failure does.
 */
export const s3EvidenceStore = (client: S3Client, bucket: string): EvidenceStore => {
  const get = async (key: string): Promise<Uint8Array | null> => {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: requireEvidenceKey(key) }));
      if (Body === undefined) throw new Error(`${key}: expected the bytes of the object, found an answer without any`);
      return await Body.transformToByteArray();
    } catch (error) {
      if (error instanceof NoSuchKey) return null;
      throw error;
    }
  };

  const putOnce = async (key: string, bytes: Uint8Array): Promise<'stored' | 'there' | 'contended'> => {
    try {
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: requireEvidenceKey(key),
          Body: bytes,
          ContentType: key.endsWith('.json') ? 'application/json' : 'application/octet-stream',
          // S3 refuses bytes that were damaged on their way.
          ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
          IfNoneMatch: '*',
        }),
      );
      return 'stored';
    } catch (error) {
      const status = statusOf(error);
      if (status === 412) return 'there';
      if (status === 409) return 'contended';
      throw error;
    }
  };

  return {
    put: async (key, bytes) => {
      for (let attempt = 1; attempt <= writeAttempts; attempt += 1) {
        const outcome = await putOnce(key, bytes);
        if (outcome === 'stored') return 'stored';
        if (outcome === 'contended') continue;
        // Also what the repetition of a put finds whose answer was lost.
        const stored = await get(key);
        if (stored !== null && Buffer.from(bytes).equals(stored)) return 'already_stored';
        throw new EvidenceConflict(key);
      }
      throw new Error(`${key}: other writers were at work during ${writeAttempts} attempts; try again`);
    },
    get,
    list: async (prefix) => {
      const keys: string[] = [];
      let token: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        );
        for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
        token = page.NextContinuationToken;
      } while (token !== undefined);
      return keys.sort();
    },
  };
};
