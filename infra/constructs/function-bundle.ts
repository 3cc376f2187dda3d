import { join } from 'node:path';

import type { FunctionName } from '@torghut/domain/contract';

import { type Bundle, bundle, type BundledAsset, bundledAsset, requireEntries } from './bundle.ts';
import { layerNames, layerSources } from './layer-sources.ts';

/** What the layers are at run time, both together: one package with a module for each function. */
export const layerPackage = '@torghut/layers';

/** Packages that the layers publish whole, by the specifier of the module that does: each is loaded once. */
export const publishedPackages: Readonly<Record<string, string>> = { zod: '@torghut/domain/zod' };

/** Subpath of the layers' package under which a module is published whole. */
export const publishedSubpath = (specifier: string): string => specifier.slice('@torghut/'.length);

export interface FunctionBundleOptions {
  readonly sourceRoot: string;
  /** Folder under `functions/`, whose `handler.ts` exports `handler`. */
  readonly name: FunctionName;
  readonly inlineLayers: boolean;
  /** Further files of the asset, content by path; the function finds them beside itself. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Where a function finds what it imports of the layers: in the module that exports just this. */
const layerAliases = (sourceRoot: string, name: FunctionName): Readonly<Record<string, string>> =>
  Object.fromEntries([
    ...layerNames.flatMap((layer) =>
      [...layerSources(sourceRoot, layer).exports.keys()].map((specifier) => [specifier, `${layerPackage}/${name}`]),
    ),
    ...Object.entries(publishedPackages).map(([packageName, specifier]) => [
      packageName,
      `${layerPackage}/${publishedSubpath(specifier)}`,
    ]),
  ]) as Readonly<Record<string, string>>;

/** The module that `functionBundle` starts from. */
export const functionEntry = (sourceRoot: string, name: FunctionName): string => {
  const entry = join(sourceRoot, 'functions', name, 'handler.ts');
  requireEntries(`function ${name}`, [entry]);
  return entry;
};

/**
 * Bundles a function: `index.mjs`, which Lambda imports while it initialises, is the handler itself.
 * @throws Error when the function has no handler
 */
export const functionBundle = ({ sourceRoot, name, inlineLayers, files }: FunctionBundleOptions): Bundle =>
  bundle({
    sourceRoot,
    entries: { index: functionEntry(sourceRoot, name) },
    directory: '.',
    external: inlineLayers ? [] : [`${layerPackage}/*`],
    aliases: inlineLayers ? {} : layerAliases(sourceRoot, name),
    packages: [],
    ...(files === undefined ? {} : { files }),
  });

/**
 * The bundle of a function as asset options.
 * @throws Error when the function has no handler
 */
export const functionAsset = (options: FunctionBundleOptions): BundledAsset => {
  functionEntry(options.sourceRoot, options.name);
  return bundledAsset([options.inlineLayers ? 'inlined' : 'layered'], () => functionBundle(options));
};
