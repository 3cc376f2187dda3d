import { generateKeyPairSync } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyIdOf, readVerificationKey } from '@torghut/domain/evidence';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { publishKey } from '../../../infra/cli/signing-key/publish-key.ts';
import { kmsServer, type KmsServer } from '../../platform/evidence/kms-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const keyId = keyIdOf(publicKey);
const name = `${keyId.slice('sha256:'.length, 'sha256:'.length + 16)}.pem`;

let kms: KmsServer;
let directory: string;
beforeEach(async () => {
  [kms, directory] = await Promise.all([kmsServer(publicKey, privateKey), temporaryDirectory('signing-key')]);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all([kms.stop(), rm(directory, { recursive: true, force: true })]);
});

const publish = (...words: readonly string[]) =>
  publishKey(['--key-id', 'alias/evidence', '--region', 'us-east-1', '--endpoint', kms.url, ...words], directory);

it('writes the public key of an environment under its own name, once', async () => {
  const said = await publish('--environment', 'paper');
  expect(said).toEqual({ code: 0, lines: [`${keyId} of paper is published in ${join(directory, 'paper', name)}`] });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  expect(await readFile(join(directory, 'paper', name), 'utf8')).toBe(pem);
  expect(await publish('--environment', 'paper')).toEqual(said);
  expect(await readdir(directory, { recursive: true })).toEqual(['paper', `paper/${name}`]);
});

it('writes the end of a key that was replaced, which can be brought forward and not put off', async () => {
  const ended = (time: string) => publish('--environment', 'paper', '--until', time);
  const until = async () => readVerificationKey(await readFile(join(directory, 'paper', name), 'utf8')).validUntil;
  await publish('--environment', 'paper');
  expect(await ended('2026-12-02T00:00:00Z')).toMatchObject({ code: 0 });
  expect(await ended('2026-12-01T00:00:00Z')).toMatchObject({ code: 0 });
  expect(await ended('2026-12-03T00:00:00Z')).toMatchObject({ code: 2 });
  expect(await ended('soon')).toMatchObject({ code: 2 });
  expect(await until()).toBe(Date.parse('2026-12-01T00:00:00Z'));
  // Published again, it stays ended.
  await publish('--environment', 'paper');
  expect(await until()).toBe(Date.parse('2026-12-01T00:00:00Z'));
});

it('replaces no other key that stands under that name', async () => {
  await publish('--environment', 'paper');
  await writeFile(join(directory, 'paper', name), 'another');
  expect(await publish('--environment', 'paper')).toMatchObject({ code: 3 });
  expect(await readFile(join(directory, 'paper', name), 'utf8')).toBe('another');
});

it('publishes no key of another kind, and none of an environment that is not ours', async () => {
  kms.describe = { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' };
  expect(await publish('--environment', 'paper')).toMatchObject({ code: 2 });
  expect(await publish('--environment', 'moon')).toMatchObject({ code: 2 });
  expect(await publish()).toMatchObject({ code: 2 });
  expect(await readdir(directory)).toEqual([]);
});
