import { globSync, readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { forbiddenImports, importsOf, impurities } from './import-rules.ts';

const filesMatching = (...patterns: readonly string[]): readonly { file: string; source: string }[] =>
  globSync(patterns, { exclude: ['**/node_modules/**'] })
    .toSorted()
    .map((file) => ({ file, source: readFileSync(file, 'utf8') }));

describe('the repository', () => {
  it('imports only what the table of the architecture allows', () => {
    const files = filesMatching('layers/**/*.ts', 'functions/**/*.ts', 'infra/**/*.ts');
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap(({ file, source }) => forbiddenImports(file, source))).toEqual([]);
  });

  it('keeps clock, randomness and process out of the domain', () => {
    expect(filesMatching('layers/domain/**/*.ts').flatMap(({ file, source }) => impurities(file, source))).toEqual([]);
  });

  it('keeps every handler at 40 lines or less', () => {
    const long = filesMatching('functions/**/handler.ts')
      .map(({ file, source }) => ({ file, lines: source.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > 40);
    expect(long).toEqual([]);
  });
});

describe('the import table', () => {
  it.each([
    ['layers/domain/src/order/state.ts', `import { toText } from '../instant.ts';`],
    ['layers/domain/src/hash.ts', `import { createHash } from 'node:crypto';`],
    ['layers/platform/src/postgres/pool.ts', `import pg from 'pg';\nimport type { Clock } from '@torghut/domain';`],
    ['layers/platform/src/handler/preset.ts', `import type { SQSEvent } from 'aws-lambda';`],
    ['functions/lean-router/handler.ts', `import { run } from './run.ts';\nimport { x } from '@torghut/platform';`],
    [
      'infra/stacks/state-stack.ts',
      `import { queues } from '@torghut/domain/contract';\nimport { Stack } from 'aws-cdk-lib';`,
    ],
    ['infra/local/main.ts', `import pg from 'pg';\nimport { handler } from '../../functions/lean-router/handler.ts';`],
  ])('lets %s import what it needs', (file, source) => {
    expect(forbiddenImports(file, source)).toEqual([]);
  });

  it.each([
    ['layers/domain/src/order/state.ts', `import { readFile } from 'node:fs/promises';`],
    ['layers/domain/src/order/state.ts', `import { createHash, randomUUID } from 'node:crypto';`],
    ['layers/domain/src/order/state.ts', `import * as crypto from 'node:crypto';`],
    ['layers/domain/src/order/state.ts', `import type { Pool } from 'pg';`],
    ['layers/domain/src/order/state.ts', `export { sink } from '../../../platform/src/index.ts';`],
    ['layers/domain/src/order/state.ts', `const load = () => import('undici');`],
    ['layers/domain/src/order/state.ts', `const load = (name: string) => import(name);`],
    ['layers/domain/src/order/state.ts', `type Pool = import('pg').Pool;`],
    ['layers/platform/src/index.ts', `import { handler } from '../../../functions/lean-router/handler.ts';`],
    ['layers/platform/src/index.ts', `import { Stack } from 'aws-cdk-lib';`],
    ['layers/platform/src/index.ts', `import { queues } from '../../domain/src/contract.ts';`],
    ['functions/lean-router/handler.ts', `import pg from 'pg';`],
    ['functions/lean-router/handler.ts', `import { SQSClient } from '@aws-sdk/client-sqs';`],
    ['functions/lean-router/handler.ts', `import { run } from '../alpaca-router/run.ts';`],
    ['functions/lean-router/handler.ts', `import { settings } from '../../infra/config.ts';`],
    ['infra/stacks/state-stack.ts', `import { parseSettings } from '@torghut/domain';`],
    ['infra/constructs/work-queue.ts', `import { handler } from '../../functions/lean-router/handler.ts';`],
    ['infra/constructs/work-queue.ts', `import { readTemplate } from '../local/template.ts';`],
    ['infra/local/main.ts', `import { StateStack } from '../stacks/state-stack.ts';`],
    ['infra/cli/main.ts', `import '../app.ts';`],
  ])('refuses %s: %s', (file, source) => {
    expect(forbiddenImports(file, source)).toHaveLength(1);
  });

  it('sees every form of import', () => {
    const source = `import a from 'a'; import 'b'; export * from 'c'; const d = require('d'); type E = import('e').E; await import('f');`;
    expect(importsOf('x.ts', source).map(({ specifier }) => specifier)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });
});

describe('purity of the domain', () => {
  it.each([
    'const now = Date.now();',
    'const now = new Date();',
    'const now = Date();',
    'const roll = Math.random();',
    `const url = process.env['URL'];`,
    'const id = crypto.randomUUID();',
    'const at = performance.now();',
    'setTimeout(done, 5);',
  ])('refuses %s', (source) => {
    expect(impurities('layers/domain/src/x.ts', source)).toHaveLength(1);
  });

  it.each([
    'const at = new Date(instant).toISOString();',
    'const at = Date.parse(text);',
    'const size = Math.floor(budget);',
    '// Date.now() is an input here',
    'export interface Run { readonly process: string }\nconst name = run.process;',
  ])('lets through %s', (source) => {
    expect(impurities('layers/domain/src/x.ts', source)).toEqual([]);
  });
});
