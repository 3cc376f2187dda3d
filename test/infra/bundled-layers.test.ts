import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type * as Platform from '@torghut/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { bundle, writeBundle } from '../../infra/constructs/bundle.ts';
import { layerBundle } from '../../infra/constructs/source-layer.ts';

const sourceRoot = join(import.meta.dirname, '..', '..');
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'torghut-layers-'));
  writeBundle(bundle(layerBundle({ sourceRoot, name: 'domain' })), directory);
  writeBundle(bundle(layerBundle({ sourceRoot, name: 'platform', external: ['@torghut/domain'] })), directory);
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
