import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';

import { type FunctionName, functionNames } from '@torghut/domain/contract';
import { buildSync } from 'esbuild';

import { type Bundle, bundle, requireEntries } from './bundle.ts';
import { functionEntry, layerPackage, publishedPackages, publishedSubpath } from './function-bundle.ts';
import { type LayerName, layerNames, layerSources } from './layer-sources.ts';

/**
 * The code of both layers, divided so that a function reads what it reaches and nothing else. Together they are one
 * package, with a module for each function that exports exactly what this function imports.
 */
export type LayerCode = Readonly<Record<LayerName, Bundle>>;

/** Where the layers' package lies; a layer is unpacked on top of the one before. */
const home = posix.join('nodejs/node_modules', layerPackage);
/** The module that reaches the whole domain: what it reads is the domain's layer. */
const wholeDomain = 'domain';

/** Path of one of the package's modules among the bundler's outputs. */
const outputOf = (name: string): string => posix.join('dist', home, `${name}.mjs`);

const importPattern =
  /^(?:import|export)\s*(?:(?<clause>\{[^}]*\}|\*[^"{}]*)\s*from\s*)?"(?<specifier>@torghut\/[^"]+)";/gm;

type ImportedNames = ReadonlyMap<string, readonly string[]>;

/** Names imported from the layers, by specifier, read from a bundle's text and from the specifiers it is said to import. */
const namesIn = (name: FunctionName, text: string, specifiers: readonly string[]): ImportedNames => {
  const names = new Map<string, readonly string[]>();
  for (const { groups } of text.matchAll(importPattern)) {
    // Without names: nothing but types.
    const { clause = '{}', specifier = '' } = groups ?? {};
    if (!clause.startsWith('{'))
      throw new Error(
        `function ${name}: expected named imports from "${specifier}", found "${clause.trim()}"; name them`,
      );
    const imported = clause
      .slice(1, -1)
      .split(',')
      .map((part) => part.trim().replace(/ as .*$/, ''))
      .filter((part) => part !== '');
    names.set(specifier, [...new Set([...(names.get(specifier) ?? []), ...imported])].toSorted());
  }
  const unread = specifiers.filter((specifier) => specifier.startsWith('@torghut/') && !names.has(specifier));
  if (unread.length > 0)
    throw new Error(`function ${name}: expected static imports of names from ${unread.join(', ')}, found none of them`);
  return names;
};

/**
 * Names that each function imports from the layers, by specifier. Read from what the bundler leaves of the function, so that
 * types and what nobody calls are gone.
 * @throws Error when a function takes a module of a layer as a whole, or loads one later
 */
const importedNames = (sourceRoot: string): ReadonlyMap<FunctionName, ImportedNames> => {
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: sourceRoot,
    entryPoints: Object.fromEntries(functionNames.map((name) => [name, functionEntry(sourceRoot, name)])),
    outdir: join(sourceRoot, 'dist'),
    write: false,
    metafile: true,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'silent',
    external: ['@torghut/*', ...Object.keys(publishedPackages)],
  });
  const textOf = (path: string): string => outputFiles.find((file) => file.path === join(sourceRoot, path))?.text ?? '';
  return new Map(
    functionNames.map((name) => {
      const path = posix.join('dist', `${name}.js`);
      const specifiers = metafile.outputs[path]?.imports.map((imported) => imported.path) ?? [];
      return [name, namesIn(name, textOf(path), specifiers)];
    }),
  );
};

/** Source text of the module that a function imports in place of the layers' own. */
const viewOf = (names: ImportedNames): string =>
  [...names]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([specifier, imported]) => `export { ${imported.join(', ')} } from ${JSON.stringify(specifier)};\n`)
    .join('');

/** Runs with a directory of generated modules, text by name, and removes it. */
const withModules = <T>(modules: Readonly<Record<string, string>>, use: (pathOf: (name: string) => string) => T): T => {
  const directory = mkdtempSync(join(tmpdir(), 'torghut-views-'));
  const pathOf = (name: string): string => join(directory, `${name.replaceAll('/', '-')}.mjs`);
  try {
    // The bundler reads a module that may do something by being imported, whether or not one of its names is used.
    writeFileSync(join(directory, 'package.json'), '{"sideEffects":false}');
    for (const [name, text] of Object.entries(modules)) writeFileSync(pathOf(name), text);
    return use(pathOf);
  } finally {
    rmSync(directory, { recursive: true });
  }
};

/** Paths of everything that a file of the bundle can come to load, itself included. */
const reachedFrom = ({ metafile }: Bundle, entry: string): ReadonlySet<string> => {
  const reached = new Set<string>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const output = metafile.outputs[path];
    if (output === undefined || reached.has(path)) continue;
    reached.add(path);
    waiting.push(...output.imports.map((imported) => imported.path));
  }
  return reached;
};

/** The files of a bundle whose path, without that of a map, is chosen. */
const part = ({ files, metafile }: Bundle, chosen: (path: string) => boolean): Bundle => ({
  files: files.filter(({ path }) => chosen(path.replace(/\.map$/, ''))),
  metafile: {
    ...metafile,
    outputs: Object.fromEntries(
      Object.entries(metafile.outputs).filter(([path]) => chosen(path.slice('dist/'.length))),
    ),
  },
});

/** Finding a file takes as long as reading so many bytes more. */
const smallestFile = 2_500;
/** A small file that so many functions read is no file of its own: the others may as well read what is in it. */
const readersOfCommon = 3;

/** Sources of our own, relative to the root, that lie in small files which several functions read. */
const scatteredSources = (code: Bundle): readonly string[] => {
  const readers = functionNames.map((name) => reachedFrom(code, outputOf(name)));
  const { outputs } = code.metafile;
  // A small file may bring a large package along: whoever does not read it must not read that either.
  const bringsPackages = (path: string): boolean =>
    [...reachedFrom(code, path)].some(
      (reached) =>
        !readers.every((read) => read.has(reached)) &&
        Object.keys(outputs[reached]?.inputs ?? {}).some((input) => input.includes('node_modules/')),
    );
  return Object.entries(code.metafile.outputs)
    .filter(
      ([path, { bytes, entryPoint }]) =>
        entryPoint === undefined &&
        bytes < smallestFile &&
        readers.filter((read) => read.has(path)).length >= readersOfCommon &&
        !bringsPackages(path),
    )
    .flatMap(([, { inputs }]) => Object.entries(inputs))
    .filter(([path, { bytesInOutput }]) => bytesInOutput > 0 && path.startsWith('layers/'))
    .map(([path]) => path)
    .toSorted();
};

const exportAll = (source: string): string => `export * from ${JSON.stringify(source)};\n`;

/** Both layers in one bundle, with a module for each function and one for the whole domain; functions read `common` at any rate. */
const bundleLayers = (
  sourceRoot: string,
  imported: ReadonlyMap<FunctionName, ImportedNames>,
  common: readonly string[],
): Bundle => {
  const layers = layerNames.map((name) => layerSources(sourceRoot, name));
  const sources = new Map(layers.flatMap(({ exports }) => [...exports]));
  for (const [specifier, source] of sources) requireEntries(specifier, [source]);
  const published = new Map([...sources].filter(([specifier]) => Object.values(publishedPackages).includes(specifier)));

  const commonExports = common.map((path) => exportAll(join(sourceRoot, path))).join('');
  const views = [...imported].map(([name, names]) => [name, viewOf(names) + commonExports]);
  // A module that is an entry is read with all it exports by whoever imports one name from it; a copy of its exports is not.
  // So functions and layers import copies, and the whole domain is an entry.
  const copyOf = (specifier: string): string => `copy-${specifier}`;
  const copies = [...sources].map(([specifier, source]) => [copyOf(specifier), exportAll(source)]);
  const parts = [...layerSources(sourceRoot, 'domain').exports.values()].map(
    (source, index) => `export * as part${index} from ${JSON.stringify(source)};\n`,
  );
  const modules = Object.fromEntries([...views, ...copies, [wholeDomain, parts.join('')]]) as Record<string, string>;

  return withModules(modules, (pathOf) =>
    bundle({
      sourceRoot,
      entries: Object.fromEntries([
        ...[...imported.keys(), wholeDomain].map((name) => [name, pathOf(name)]),
        ...[...published].map(([specifier, source]) => [publishedSubpath(specifier), source]),
      ]) as Readonly<Record<string, string>>,
      directory: home,
      external: [],
      aliases: Object.fromEntries([...sources.keys()].map((specifier) => [specifier, pathOf(copyOf(specifier))])),
      packages: layers.flatMap(({ packages }) => packages),
      files: {
        [posix.join(home, 'package.json')]: JSON.stringify({
          name: layerPackage,
          type: 'module',
          exports: Object.fromEntries(
            [...imported.keys(), ...[...published.keys()].map(publishedSubpath)].map((subpath) => [
              `./${subpath}`,
              `./${subpath}.mjs`,
            ]),
          ),
        }),
      },
    }),
  );
};

/**
 * Bundles both layers at once: what a function reaches of one depends on what it takes of the other.
 * @throws Error when a layer exports nothing, or a function is missing or takes more of a layer than names
 */
export const layerCode = (sourceRoot: string): LayerCode => {
  const imported = importedNames(sourceRoot);
  const code = bundleLayers(sourceRoot, imported, scatteredSources(bundleLayers(sourceRoot, imported, [])));
  const ofDomain = reachedFrom(code, outputOf(wholeDomain));
  const isDomain = (path: string): boolean => ofDomain.has(posix.join('dist', path));
  return { domain: part(code, isDomain), platform: part(code, (path) => !isDomain(path)) };
};

/** `layerCode`, bundled when it is first asked for. */
export const layerCodeOnce = (sourceRoot: string): (() => LayerCode) => {
  let code: LayerCode | null = null;
  return () => (code ??= layerCode(sourceRoot));
};
