import { posix } from 'node:path';
import type { Metafile } from 'esbuild';
import type { Bundle } from '../../../infra/constructs/bundle.ts';

/** Bytes of code after minification. */
export interface CodeSize {
  /** Of sources of this repository. */
  readonly own: number;
  /** Of packages. */
  readonly packages: number;
  /** Files, package manifests and source maps left out. */
  readonly files: number;
}

export const addSizes = (a: CodeSize, b: CodeSize): CodeSize => ({
  own: a.own + b.own,
  packages: a.packages + b.packages,
  files: a.files + b.files,
});

/**
 * What one file of a bundle consists of. What the bundler adds (imports, exports, a banner) counts as our own where any of
 * the code is, and as the packages' in a file that holds nothing else.
 */
export const sizeOf = ({ bytes, inputs }: Pick<Metafile['outputs'][string], 'bytes' | 'inputs'>): CodeSize => {
  const ofPackages = Object.entries(inputs).filter(([path]) => path.includes('node_modules/'));
  const packages =
    ofPackages.length === Object.keys(inputs).length
      ? bytes
      : ofPackages.reduce((sum, [, { bytesInOutput }]) => sum + bytesInOutput, 0);
  return { own: bytes - packages, packages, files: 1 };
};

/** Files of an asset as Node finds them: bundles by path, and the path of each package's subpaths. */
export interface LoadableCode {
  readonly outputs: ReadonlyMap<string, Metafile['outputs'][string]>;
  /** File by what an import names: `@torghut/domain/contract`. */
  readonly packages: ReadonlyMap<string, string>;
}

const manifestPattern = /^nodejs\/node_modules\/(?<name>@[^/]+\/[^/]+)\/package\.json$/;

/** Everything that bundles lay out, read from what the bundler says about them. */
export const loadableCode = (bundles: readonly Bundle[]): LoadableCode => {
  const outputs = new Map<string, Metafile['outputs'][string]>();
  const packages = new Map<string, string>();
  for (const { files, metafile } of bundles) {
    for (const [path, output] of Object.entries(metafile.outputs)) {
      if (!path.endsWith('.map')) outputs.set(path.replace(/^dist\//, ''), output);
    }
    for (const { path, contents } of files) {
      const name = manifestPattern.exec(path)?.groups?.['name'];
      if (name === undefined || typeof contents !== 'string') continue;
      const { exports } = JSON.parse(contents) as { readonly exports: Readonly<Record<string, string>> };
      for (const [subpath, file] of Object.entries(exports)) {
        packages.set(posix.join(name, subpath), posix.join(posix.dirname(path), file));
      }
    }
  }
  return { outputs, packages };
};

/**
 * What Node reads to import `entries`: them and everything they import statically, each file once. `later`: and everything
 * that these can come to import dynamically.
 * @throws Error for an entry that is neither a file of the bundles nor a subpath of their packages
 */
export const filesToLoad = (
  code: LoadableCode,
  entries: readonly string[],
  { later = false } = {},
): readonly Metafile['outputs'][string][] => {
  const loaded = new Map<string, Metafile['outputs'][string]>();
  const waiting = entries.map((entry) => code.packages.get(entry) ?? entry);
  for (const entry of waiting) {
    if (!code.outputs.has(entry)) throw new Error(`expected "${entry}" among the bundles, found no such file`);
  }
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const output = code.outputs.get(path);
    if (output === undefined || loaded.has(path)) continue;
    loaded.set(path, output);
    for (const imported of output.imports) {
      if (!later && imported.kind !== 'import-statement') continue;
      waiting.push(code.packages.get(imported.path) ?? imported.path.replace(/^dist\//, ''));
    }
  }
  return [...loaded.values()];
};

/** Names of the packages whose code is in `filesToLoad`, in order. */
export const packagesToLoad = (code: LoadableCode, entries: readonly string[]): readonly string[] => {
  const paths = filesToLoad(code, entries).flatMap(({ inputs }) => Object.keys(inputs));
  const names = paths.flatMap(
    (path) => /.*node_modules\/(?<name>@[^/]+\/[^/]+|[^/]+)/.exec(path)?.groups?.['name'] ?? [],
  );
  return [...new Set(names)].toSorted();
};

/** Size of `filesToLoad`. */
export const sizeToLoad = (
  code: LoadableCode,
  entries: readonly string[],
  options: { later?: boolean } = {},
): CodeSize => filesToLoad(code, entries, options).map(sizeOf).reduce(addSizes);
