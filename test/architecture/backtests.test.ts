import { globSync, readFileSync } from 'node:fs';
import * as research from '@torghut/domain/research';
import { describe, expect, it, test } from 'vitest';
import { uncountedBacktests } from './backtest-rules.ts';

describe('backtests', () => {
  it('are run by nothing that could leave a trial uncounted', () => {
    const files = globSync(['functions/**/*.ts', 'infra/**/*.ts', 'layers/platform/**/*.ts'], {
      exclude: ['**/node_modules/**'],
    });
    expect(files.length).toBeGreaterThan(100);
    expect(files.flatMap((file) => uncountedBacktests(file, readFileSync(file, 'utf8')))).toEqual([]);
  });

  it('find nothing in the package that simulates what was not counted', () => {
    const counted = Object.keys(research);
    expect(counted).toContain('runBacktest');
    for (const name of ['simulate', 'evaluateCase', 'Workbench', 'desiresOf']) expect(counted).not.toContain(name);
  });

  test.each([
    `import { simulate } from '@torghut/domain/research';`,
    `import { runTask as go } from '@torghut/domain/research';`,
    `export { evaluateCase } from '@torghut/domain/research';`,
    `import * as all from '@torghut/domain/research';`,
    `const all = await import('@torghut/domain/research');`,
    `import { simulate } from '../../layers/domain/src/research/engine.ts';`,
  ])('are refused by way of %s', (source) => {
    expect(uncountedBacktests('functions/order-sync/run.ts', source)).toHaveLength(1);
  });

  test.each([
    ['functions/order-sync/run.ts', `import { runBacktest } from '@torghut/domain/research';`],
    ['functions/order-sync/run.ts', `import type { Workbench } from '@torghut/domain/research';`],
    ['functions/research-lane/steps.ts', `import { runTask } from '@torghut/domain/research';`],
  ])('are let through in %s by way of %s', (file, source) => {
    expect(uncountedBacktests(file, source)).toEqual([]);
  });
});
