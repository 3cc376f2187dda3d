import { expect, it } from 'vitest';
import type { Bundle } from '../../../infra/constructs/bundle.ts';
import { layOut } from './bundles.ts';
import { filesToLoad, loadableCode } from './loaded-code.ts';

/** Names of the packages that are read with the module Lambda imports. */
const packagesOf = (bundles: readonly Bundle[]): readonly string[] => {
  const paths = filesToLoad(loadableCode(bundles), ['index.mjs']).flatMap(({ inputs }) => Object.keys(inputs));
  const names = paths.flatMap(
    (path) => /.*node_modules\/(?<name>@[^/]+\/[^/]+|[^/]+)/.exec(path)?.groups?.['name'] ?? [],
  );
  return [...new Set(names)].toSorted();
};

it('measures what our code adds beside the very packages that functions load', { timeout: 60_000 }, async () => {
  await using code = await layOut();
  const floor = packagesOf([code.peers.get('bare-packages')!]);
  expect(floor).toContain('zod');
  for (const [name, bundle] of code.functions) expect(packagesOf([...code.layers, bundle]), name).toEqual(floor);
});
