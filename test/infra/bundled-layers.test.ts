import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { functionNames } from '@torghut/domain';
import * as publishedZod from '@torghut/domain/zod';
import type * as Platform from '@torghut/platform';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import * as z from 'zod';

import { type Bundle, bundle, writeBundle } from '../../infra/constructs/bundle.ts';
import { functionBundle } from '../../infra/constructs/function-bundle.ts';
import { type LayerCode, layerCode } from '../../infra/constructs/layer-code.ts';
import { layerSources } from '../../infra/constructs/layer-sources.ts';
import { filesToLoad, loadableCode, sizeToLoad } from '../bench/cold-start/loaded-code.ts';

const sourceRoot = join(import.meta.dirname, '..', '..');
let directory: string;
let layers: LayerCode;
/** All of the platform, bundled as the layers are: its modules for functions export only what these import. */
let platform: Bundle;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'torghut-layers-'));
  layers = layerCode(sourceRoot);
  for (const layer of Object.values(layers)) writeBundle(layer, directory);
  platform = bundle({
    sourceRoot,
    entries: { platform: join(sourceRoot, 'layers/platform/src/index.ts') },
    directory: '.',
    external: [],
    packages: layerSources(sourceRoot, 'platform').packages,
  });
  writeBundle(platform, directory);
}, 120_000);
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

it('exchanges HTTP from the bundle, with a client that is loaded when it is needed', async () => {
  const { httpExchange, systemClock } = (await import(join(directory, 'platform.mjs'))) as typeof Platform;
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
  const { createSecretsManagerClient, secretsReader, systemClock } = (await import(
    join(directory, 'platform.mjs')
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
  const read = filesToLoad(loadableCode([platform]), ['platform.mjs']).flatMap(({ inputs }) => Object.keys(inputs));
  expect(read.some((path) => path.includes('@aws-sdk/client-secrets-manager/'))).toBe(true);
  expect(read.filter((path) => path.includes('@aws-sdk/nested-clients/'))).toEqual([]);
  const bundled = Object.keys(layers.platform.metafile.inputs);
  expect(bundled.filter((path) => /credential-provider-(?!node\/|env\/)/.test(path))).toEqual([]);
});

it.each(functionNames)('%s can come to load at most 300 KB of our own code', (name) => {
  const code = loadableCode([...Object.values(layers), functionBundle({ sourceRoot, name, inlineLayers: false })]);
  expect(sizeToLoad(code, ['index.mjs'], { later: true }).own).toBeLessThanOrEqual(300_000);
});

it('lets a router read nothing large of what others decide, reconcile and show', () => {
  const router = functionBundle({ sourceRoot, name: 'lean-router', inlineLayers: false });
  const sourcesOf = (outputs: ReturnType<typeof filesToLoad>): readonly string[] =>
    outputs
      .flatMap(({ inputs }) => Object.entries(inputs))
      .flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
  const read = sourcesOf(filesToLoad(loadableCode([...Object.values(layers), router]), ['index.mjs']));
  expect(read).toContain('layers/platform/src/postgres/execution-ledger.ts');
  const ofOthers = [
    'layers/domain/src/reconciliation/reconcile.ts',
    'layers/domain/src/strategy/evaluate.ts',
    'layers/platform/src/postgres/cycle-ledger.ts',
    'layers/platform/src/postgres/read-model/why.ts',
    'layers/platform/src/postgres/reconciliation-ledger.ts',
  ];
  const all = sourcesOf(Object.values(layers).flatMap(({ metafile }) => Object.values(metafile.outputs)));
  expect(all).toEqual(expect.arrayContaining(ofOthers));
  expect(read.filter((path) => ofOthers.includes(path))).toEqual([]);
});

const sources = globSync(['layers/**/*.ts', 'functions/**/*.ts'], {
  cwd: sourceRoot,
  exclude: ['**/node_modules/**'],
}).map((file) => ({ file, text: readFileSync(join(sourceRoot, file), 'utf8') }));

/** Members of zod that a source text needs at run time. */
const zodMembers = ({ file, text }: (typeof sources)[number]): ReadonlySet<string> => {
  const members = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'z')
      members.add(node.name.text);
    node.forEachChild(visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return members;
};

it('publishes of zod what functions use, and nothing else', () => {
  const used = new Set(
    sources
      .filter(({ file, text }) => file.startsWith('functions/') && text.includes("from 'zod'"))
      .flatMap((source) => [...zodMembers(source)]),
  );
  expect(Object.keys(publishedZod).toSorted()).toEqual([...used].toSorted());
});

it('loads one copy of zod, however many bundles use it', () => {
  const operatorApi = functionBundle({ sourceRoot, name: 'operator-api', inlineLayers: false });
  const loaded = filesToLoad(loadableCode([...Object.values(layers), operatorApi]), ['index.mjs']);
  const copies = loaded.filter(({ inputs }) =>
    Object.keys(inputs).some((path) => path.includes('zod/v4/core/schemas')),
  );
  expect(copies).toHaveLength(1);
  const imports = Object.values(operatorApi.metafile.outputs).flatMap((output) => output.imports);
  expect(imports.map(({ path }) => path)).toContain('@torghut/layers/domain/zod');
});

it('names the source of our code in a stack, and reads no source map for packages', () => {
  const home = join(directory, 'nodejs/node_modules/@torghut/layers/domain.mjs');
  const script =
    "const { part0: { parseSettings } } = await import(process.argv[1]); try { parseSettings({ TRADING_X: '' }); } catch (error) { console.log(error.stack); }";
  const stack = execFileSync(process.execPath, ['--enable-source-maps', '--input-type=module', '--eval', script, home]);
  expect(stack.toString()).toMatch(/layers\/domain\/src\/settings\.ts:\d+:\d+/);

  const withMaps = Object.values(layers).flatMap(({ files, metafile }) => {
    const paths = new Set(files.map(({ path }) => path));
    return Object.entries(metafile.outputs).map(([path, { inputs }]) => {
      const target = path.replace(/^dist\//, '');
      const code = files.find((file) => file.path === target)?.contents ?? '';
      return {
        target,
        ours: Object.entries(inputs).some(
          ([input, { bytesInOutput }]) => !input.includes('node_modules/') && bytesInOutput > 0,
        ),
        map: paths.has(`${target}.map`),
        comment: Buffer.from(code).includes('//# sourceMappingURL='),
      };
    });
  });
  expect(withMaps.filter(({ ours }) => !ours).length).toBeGreaterThan(0);
  for (const { target, ours, map, comment } of withMaps)
    expect({ map, comment }, target).toEqual({ map: ours, comment: ours });
});

// A CommonJS package that is bundled apart has a default export and no other; unbundled, it has both.
it('takes only the default export of a package that is loaded when it is needed', () => {
  const loads = sources.flatMap(({ text }) => [...text.matchAll(/const ([^=]*) = await import\('[^.'][^']*'\)/g)]);
  expect(loads.length).toBeGreaterThan(0);
  expect(loads.filter(([, names = '']) => !/^\{\s*default\b/.test(names))).toEqual([]);
});
