import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export const layerNames = ['domain', 'platform'] as const;
export type LayerName = (typeof layerNames)[number];

/** What the sources of a layer import by name. */
export const specifierOf = (layer: LayerName): string => `@torghut/${layer}`;

export interface LayerSources {
  /** Source file of everything the layer exports, absolute paths by specifier: `@torghut/platform/clickhouse`. */
  readonly exports: ReadonlyMap<string, string>;
  /** Names of the packages it needs. */
  readonly packages: readonly string[];
}

/**
 * What a workspace package under `layers` says of itself.
 * @throws Error when its manifest exports nothing
 */
export const layerSources = (sourceRoot: string, layer: LayerName): LayerSources => {
  const directory = join(sourceRoot, 'layers', layer);
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    readonly exports?: Readonly<Record<string, string>>;
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const exported = Object.entries(manifest.exports ?? {});
  if (exported.length === 0)
    throw new Error(`layer ${layer}: expected "exports" in ${join(directory, 'package.json')}, found none; add them`);
  return {
    exports: new Map(
      exported.map(([subpath, source]) => [posix.join(specifierOf(layer), subpath), join(directory, source)]),
    ),
    packages: Object.keys(manifest.dependencies ?? {}),
  };
};
