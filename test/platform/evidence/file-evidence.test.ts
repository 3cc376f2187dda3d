import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileEvidenceStore, fileSigner, publicKeyPath, SigningKeyError } from '@torghut/platform';
import { parseInstant } from '@torghut/domain';
import { readVerificationKey, sealStatement, verifyEnvelope, type EvidenceStore } from '@torghut/domain/evidence';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verdict } from '../../domain/evidence/fixtures.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { storeContract } from './store-contract.ts';

let directory: string;
let store: EvidenceStore;
beforeEach(async () => {
  directory = await temporaryDirectory('file-evidence');
  store = fileEvidenceStore(join(directory, 'store'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('evidence in files', () => {
  storeContract(() => store);

  it('leaves no unfinished file behind, and files that nobody writes to', async () => {
    await store.put('evidence/run/a.json', Buffer.from('{}'));
    await store.put('evidence/run/a.json', Buffer.from('{}'));
    expect(await readdir(join(directory, 'store/evidence/run'))).toEqual(['a.json']);
    expect((await stat(join(directory, 'store/evidence/run/a.json'))).mode & 0o222).toBe(0);
  });
});

describe('signing key in a file', () => {
  const now = parseInstant('2026-11-20T16:00:00.000Z');

  it('signs what its public key verifies, and is the same key the next time', async () => {
    const path = join(directory, 'keys/signing.pem');
    const signer = await fileSigner(path);
    const trusted = [readVerificationKey(await readFile(publicKeyPath(path), 'utf8'))];
    expect(verifyEnvelope(await sealStatement(verdict(), signer), trusted, now).ok).toBe(true);
    const again = await fileSigner(path);
    expect(again.keyId).toBe(signer.keyId);
    expect(verifyEnvelope(await sealStatement(verdict(), again), trusted, now).ok).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('refuses a key that others may read, and a file that is no key, without quoting it', async () => {
    const path = join(directory, 'signing.pem');
    await fileSigner(path);
    await chmod(path, 0o644);
    await expect(fileSigner(path)).rejects.toThrow(/only its owner may read, found mode 644/);
    const other = join(directory, 'other.pem');
    await writeFile(other, 'hunter2', { mode: 0o600 });
    const refusal = await fileSigner(other).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(SigningKeyError);
    expect(String(refusal)).not.toContain('hunter2');
  });
});
