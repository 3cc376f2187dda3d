import { expect, it } from 'vitest';
import { barePeerOf, layOut, packagesOf } from './bundles.ts';

it('measures what our code adds beside the very packages that a function loads', { timeout: 60_000 }, async () => {
  await using code = await layOut();
  for (const name of code.functions.keys())
    expect(packagesOf(code, name), name).toEqual(packagesOf(code, barePeerOf(code, name)));
  expect(packagesOf(code, 'autonomy-cycle')).toContain('@clickhouse/client');
  expect(packagesOf(code, 'alpaca-router')).not.toContain('@clickhouse/client');
  expect(packagesOf(code, 'alpaca-router')).toContain('zod');
});
