import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

it('npm ci links the torghut command: it reads the lock file, not the package', () => {
  const { bin } = read('infra/package.json') as { readonly bin: Readonly<Record<string, string>> };
  const { packages } = read('package-lock.json') as { readonly packages: Readonly<Record<string, { bin?: unknown }>> };
  expect(Object.keys(bin)).toEqual(['torghut']);
  expect(packages['infra']?.bin).toEqual(bin);
  for (const program of Object.values(bin)) {
    expect(() => {
      accessSync(join(root, 'infra', program), constants.X_OK);
    }).not.toThrow();
  }
});
