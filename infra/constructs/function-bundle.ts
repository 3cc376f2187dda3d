import { join } from 'node:path';

import type { FunctionName } from '@torghut/domain/contract';

import type { BundleOptions } from './bundle.ts';

/** The packages that layers carry; a bundle without layers takes them in. */
const layerPackages = '@torghut/*';

export interface FunctionBundleOptions {
  readonly sourceRoot: string;
  /** Folder under `functions/`, whose `handler.ts` exports `handler`. */
  readonly name: FunctionName;
  readonly inlineLayers: boolean;
  /** Further files of the asset, content by path; the function finds them beside itself. */
  readonly files?: Readonly<Record<string, string>>;
}

/** How a function is bundled: `index.mjs`, which Lambda imports while it initialises, is the handler itself. */
export const functionBundle = ({ sourceRoot, name, inlineLayers, files }: FunctionBundleOptions): BundleOptions => ({
  sourceRoot,
  entries: { index: join(sourceRoot, 'functions', name, 'handler.ts') },
  owner: `function ${name}`,
  directory: '.',
  external: inlineLayers ? [] : [layerPackages],
  packages: [],
  ...(files === undefined ? {} : { files }),
});
