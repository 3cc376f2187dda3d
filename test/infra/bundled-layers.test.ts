import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type * as Platform from '@torghut/platform';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import * as z from 'zod';

import { type Bundle, bundle, writeBundle } from '../../infra/constructs/bundle.ts';
import { layerBundle } from '../../infra/constructs/source-layer.ts';
import { filesToLoad, loadableCode } from '../bench/cold-start/loaded-code.ts';

const sourceRoot = join(import.meta.dirname, '..', '..');
let directory: string;
let platform: Bundle;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'torghut-layers-'));
  writeBundle(bundle(layerBundle({ sourceRoot, name: 'domain' })), directory);
  platform = bundle(layerBundle({ sourceRoot, name: 'platform', external: ['@torghut/domain'] }));
  writeBundle(platform, directory);
}, 60_000);
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

it('exchanges HTTP from the bundle, with a client that is loaded when it is needed', async () => {
  const home = join(directory, 'nodejs/node_modules/@torghut/platform');
  const { httpExchange, systemClock } = (await import(join(home, 'index.mjs'))) as typeof Platform;
  const server = createServer((_request, response) => response.end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const answer = await httpExchange({ method: 'GET', url, headers: {}, timeoutMs: 5_000 }, systemClock);
    expect(answer).toMatchObject({ kind: 'answer', status: 200, text: '{}' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it('signs and sends AWS requests from the bundle, without the credential sources that a function never uses', async () => {
  const home = join(directory, 'nodejs/node_modules/@torghut/platform');
  const { createSecretsManagerClient, secretsReader, systemClock } = (await import(
    join(home, 'index.mjs')
  )) as typeof Platform;
  let authorization: string | undefined;
  const server = createServer((request, response) => {
    ({ authorization } = request.headers);
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ SecretString: '{"username":"someone"}' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'of-the-role');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  const client = createSecretsManagerClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
  });
  try {
    const secret = await secretsReader(client, { clock: systemClock }).get('name', z.object({ username: z.string() }));
    expect(secret).toEqual({ username: 'someone' });
    expect(authorization).toContain('Credential=of-the-role/');
  } finally {
    vi.unstubAllEnvs();
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
  const read = filesToLoad(loadableCode([platform]), ['@torghut/platform']).flatMap(({ inputs }) =>
    Object.keys(inputs),
  );
  expect(read.some((path) => path.includes('@aws-sdk/client-secrets-manager/'))).toBe(true);
  expect(read.filter((path) => path.includes('@aws-sdk/nested-clients/'))).toEqual([]);
});

// A CommonJS package that is bundled apart has a default export and no other; unbundled, it has both.
it('takes only the default export of a package that is loaded when it is needed', () => {
  const loads = globSync(['layers/**/*.ts', 'functions/**/*.ts'], {
    cwd: sourceRoot,
    exclude: ['**/node_modules/**'],
  }).flatMap((file) => [
    ...readFileSync(join(sourceRoot, file), 'utf8').matchAll(/const ([^=]*) = await import\('[^.'][^']*'\)/g),
  ]);
  expect(loads.length).toBeGreaterThan(0);
  expect(loads.filter(([, names = '']) => !/^\{\s*default\b/.test(names))).toEqual([]);
});
