import { join } from 'node:path';

import type { FunctionName } from '@torghut/domain/contract';

import type { BundleOptions } from './bundle.ts';

/** The packages that layers carry; a bundle without layers takes them in. */
const layerPackages = '@torghut/*';

/** What every invocation of every function uses, ready when Lambda has initialised. */
const initPackage = '@torghut/platform/init';

export interface FunctionBundleOptions {
  readonly sourceRoot: string;
  /** Folder under `functions/`, whose `handler.ts` exports `handler`. */
  readonly name: FunctionName;
  readonly inlineLayers: boolean;
  /** Further files of the asset, content by path; the function finds them beside itself. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * How a function is bundled. Lambda imports `index.mjs`, which loads the handler with the first invocation: clients,
 * adapters and settings are only read by an execution environment that is going to use them, and an environment that is
 * prepared ahead of need is ready at once.
 */
export const functionBundle = ({ sourceRoot, name, inlineLayers, files }: FunctionBundleOptions): BundleOptions => {
  const handler = join(sourceRoot, 'functions', name, 'handler.ts');
  return {
    sourceRoot,
    entries: inlineLayers ? { handler, init: initPackage } : { handler },
    owner: `function ${name}`,
    directory: '.',
    external: inlineLayers ? [] : [layerPackages],
    files: {
      ...files,
      'index.mjs':
        `import '${inlineLayers ? './init.mjs' : initPackage}';\n` +
        `export const handler = async (event, context) => (await import('./handler.mjs')).handler(event, context);\n`,
    },
  };
};
