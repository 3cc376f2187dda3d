import { createS3Client, s3EvidenceStore } from '@torghut/platform';
import { EvidenceConflict, type EvidenceStore } from '@torghut/domain/evidence';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { conditionalWriteServer, type ConditionalWriteServer } from './conditional-write-server.ts';
import { storeContract } from './store-contract.ts';

let server: ConditionalWriteServer;
let store: EvidenceStore;
beforeEach(async () => {
  server = await conditionalWriteServer('proof');
  const client = createS3Client({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  store = s3EvidenceStore(client, 'proof');
});
afterEach(() => server.stop());

const key = 'evidence/run/a.json';

describe('evidence in S3', () => {
  storeContract(() => store);

  it('makes every put conditional, with the checksum of its bytes', async () => {
    await store.put(key, Buffer.from('{}'));
    expect(server.puts).toHaveLength(1);
    expect(server.puts[0]).toMatchObject({
      'if-none-match': '*',
      'x-amz-checksum-sha256': 'RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=',
    });
  });

  it('takes a put whose answer was lost for what it is: stored', async () => {
    server.failNextPuts(1, 'answer_lost');
    expect(await store.put(key, Buffer.from('{}'))).toBe('already_stored');
    expect(server.objects.get(key)?.toString()).toBe('{}');
  });

  it('repeats a put that met another writer, and gives up after five', async () => {
    server.failNextPuts(4, 'contended');
    expect(await store.put(key, Buffer.from('{}'))).toBe('stored');
    server.failNextPuts(5, 'contended');
    await expect(store.put('evidence/run/b.json', Buffer.from('{}'))).rejects.toThrow(/5 attempts/);
    expect(server.objects.has('evidence/run/b.json')).toBe(false);
  });

  it('never overwrites, whoever wrote first', async () => {
    server.objects.set(key, Buffer.from('theirs'));
    await expect(store.put(key, Buffer.from('ours'))).rejects.toThrow(EvidenceConflict);
    expect(server.objects.get(key)?.toString()).toBe('theirs');
  });

  it('a bucket that is not there is a failure, not an absence', async () => {
    const elsewhere = s3EvidenceStore(
      createS3Client({
        endpoint: server.url,
        region: 'us-east-1',
        credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      }),
      'elsewhere',
    );
    await expect(elsewhere.get(key)).rejects.toThrow();
    await expect(elsewhere.put(key, Buffer.from('{}'))).rejects.toThrow();
  });
});
