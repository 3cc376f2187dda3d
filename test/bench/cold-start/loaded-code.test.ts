import { expect, it } from 'vitest';
import type { Bundle } from '../../../infra/constructs/bundle.ts';
import { loadableCode, sizeOf, sizeToLoad } from './loaded-code.ts';

type Output = Bundle['metafile']['outputs'][string];
const output = (
  bytes: number,
  inputs: Readonly<Record<string, number>>,
  imports: readonly (readonly [string, Output['imports'][number]['kind']])[] = [],
): Output => ({
  bytes,
  inputs: Object.fromEntries(Object.entries(inputs).map(([path, bytesInOutput]) => [path, { bytesInOutput }])),
  imports: imports.map(([path, kind]) => ({ path, kind })),
  exports: [],
});
const home = 'nodejs/node_modules/@torghut/platform';

const layer: Bundle = {
  files: [
    {
      path: `${home}/package.json`,
      contents: JSON.stringify({ exports: { '.': './index.mjs', './limits': './limits.mjs' } }),
    },
  ],
  metafile: {
    inputs: {},
    outputs: {
      [`dist/${home}/index.mjs`]: output(
        1_000,
        { 'layers/platform/src/index.ts': 300, 'node_modules/pg/lib/index.js': 600 },
        [
          [`dist/${home}/shared.mjs`, 'import-statement'],
          [`dist/${home}/later.mjs`, 'dynamic-import'],
        ],
      ),
      [`dist/${home}/limits.mjs`]: output(50, {}, [[`dist/${home}/shared.mjs`, 'import-statement']]),
      [`dist/${home}/shared.mjs`]: output(200, { 'node_modules/@middy/core/index.js': 200 }),
      [`dist/${home}/later.mjs`]: output(5_000, { 'node_modules/undici/index.js': 5_000 }),
      [`dist/${home}/index.mjs.map`]: output(9_999, {}),
    },
  },
};
const code = loadableCode([
  layer,
  {
    files: [],
    metafile: {
      inputs: {},
      outputs: {
        'dist/index.mjs': output(80, { 'functions/lean-router/handler.ts': 60 }, [
          ['@torghut/platform', 'import-statement'],
          ['node:crypto', 'import-statement'],
        ]),
      },
    },
  },
]);

it('takes what the bundler adds for our own, and packages for theirs', () => {
  expect(sizeOf(output(1_000, { 'layers/domain/src/index.ts': 300, 'node_modules/zod/index.js': 600 }))).toEqual({
    own: 400,
    packages: 600,
    files: 1,
  });
});

it('takes a file of packages alone for theirs, with what the bundler adds', () => {
  expect(sizeOf(output(1_000, { 'node_modules/zod/index.js': 600 }))).toEqual({ own: 0, packages: 1_000, files: 1 });
});

it('counts what an import reads: each file once, across packages, and nothing that is loaded later', () => {
  expect(sizeToLoad(code, ['@torghut/platform/limits'])).toEqual({ own: 0, packages: 250, files: 2 });
  expect(sizeToLoad(code, ['@torghut/platform/limits', 'index.mjs'])).toEqual({
    own: 80 + 400,
    packages: 250 + 600,
    files: 4,
  });
});

it('counts what may be imported later when it is asked to', () => {
  expect(sizeToLoad(code, ['index.mjs'], { later: true })).toEqual({ own: 480, packages: 800 + 5_000, files: 4 });
});

it('leaves source maps out', () => {
  expect([...code.outputs.keys()].filter((path) => path.endsWith('.map'))).toEqual([]);
});

it('refuses an entry that is not there', () => {
  expect(() => sizeToLoad(code, ['other.mjs'])).toThrow('expected "other.mjs" among the bundles, found no such file');
});
