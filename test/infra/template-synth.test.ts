import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { synthesize } from '../../infra/local/synth.ts';
import { plantTree, removeTree } from './source-tree.ts';

/** Stands for the deployment: notes each run, then does what `behaviour` says. */
const app = (behaviour: string): string => `
import { appendFileSync, writeFileSync } from 'node:fs';
appendFileSync('runs', 'x');
writeFileSync(process.env.CDK_OUTDIR + '/manifest.json', '{}');
${behaviour}
`;

let root: string;
let cacheDirectory: string;
beforeEach(() => {
  root = plantTree({
    'infra/app.ts': app(''),
    'functions/a/handler.ts': 'export {};',
    'test/x.ts': '',
    'cdk.json': '{}',
    'package-lock.json': '{}',
    'infra/config.ts': '',
    'infra/torghut-stage.ts': '',
    'infra/strategies.yaml': '',
  });
  cacheDirectory = join(root, 'cache');
});
afterEach(() => {
  removeTree(root);
});
const runs = (): number => readFileSync(join(root, 'runs'), 'utf8').length;

describe('synthesize', () => {
  it('runs the deployment once for the same sources', async () => {
    const first = await synthesize({ cacheDirectory, root });
    writeFileSync(join(root, 'test/x.ts'), 'changed');
    expect(await synthesize({ cacheDirectory, root })).toBe(first);
    expect(runs()).toBe(1);
    expect(existsSync(join(first, 'manifest.json'))).toBe(true);
  });

  it('runs it again when a source changed', async () => {
    const first = await synthesize({ cacheDirectory, root });
    writeFileSync(join(root, 'functions/a/handler.ts'), 'export const changed = 1;');
    expect(await synthesize({ cacheDirectory, root })).not.toBe(first);
    expect(runs()).toBe(2);
  });

  it('gives both the same assembly when two start at once', async () => {
    const [first, second] = await Promise.all([
      synthesize({ cacheDirectory, root }),
      synthesize({ cacheDirectory, root }),
    ]);
    expect(first).toBe(second);
    expect(readdirSync(cacheDirectory)).toHaveLength(1);
  });

  it('says what the deployment complained about, and keeps no half assembly', async () => {
    writeFileSync(
      join(root, 'infra/app.ts'),
      app(`throw new Error('paper:clickhouseUrl: expected an http or https URL');`),
    );
    await expect(synthesize({ cacheDirectory, root })).rejects.toThrow(
      /exit code 1[\s\S]*paper:clickhouseUrl: expected/,
    );
    expect(readdirSync(cacheDirectory)).toEqual([]);
  });
});
