import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FunctionName, functionNames } from '@torghut/domain';
import { bundle, type Bundle, writeBundle } from '../../../infra/constructs/bundle.ts';
import { functionBundle } from '../../../infra/constructs/function-bundle.ts';
import { layerCode } from '../../../infra/constructs/layer-code.ts';
import { layerNames, layerSources } from '../../../infra/constructs/layer-sources.ts';
import { loadableCode, packagesToLoad } from './loaded-code.ts';

const sourceRoot = join(import.meta.dirname, '..', '..', '..');

/** Something to import beside our functions, bundled as they are. */
const peerNames = [
  'bare-handler',
  'bare-packages',
  'bare-packages-and-clickhouse',
  'bare-packages-and-evidence',
  'bare-packages-and-clickhouse-and-evidence',
] as const;
export type PeerName = (typeof peerNames)[number];

/** Everything that is deployed as code, bundled and laid out as Lambda would. */
export interface DeployedCode extends AsyncDisposable {
  readonly layers: readonly Bundle[];
  readonly functions: ReadonlyMap<FunctionName, Bundle>;
  readonly peers: ReadonlyMap<PeerName, Bundle>;
  /** Module that Lambda imports for a function; a peer's own one. */
  readonly entryOf: (name: FunctionName | PeerName) => string;
}

const peerBundle = (name: PeerName): Bundle =>
  bundle({
    sourceRoot,
    entries: { index: join(import.meta.dirname, `${name}.ts`) },
    directory: '.',
    external: [],
    packages: layerNames.flatMap((layer) => layerSources(sourceRoot, layer).packages),
  });

/** Bundles everything into a temporary directory: packages of the layers where a function beside them finds them. */
export const layOut = async (): Promise<DeployedCode> => {
  const root = await mkdtemp(join(tmpdir(), 'torghut-bundles-'));
  const layers = Object.values(layerCode(sourceRoot));
  const functions = new Map(
    functionNames.map((name) => [name, functionBundle({ sourceRoot, name, inlineLayers: false })]),
  );
  const peers = new Map(peerNames.map((name) => [name, peerBundle(name)]));
  const directoryOf = (name: FunctionName | PeerName): string => join(root, 'nodejs', 'functions', name);
  for (const layer of layers) writeBundle(layer, root);
  for (const [name, code] of [...functions, ...peers]) writeBundle(code, directoryOf(name));
  return {
    layers,
    functions,
    peers,
    entryOf: (name) => join(directoryOf(name), 'index.mjs'),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
};

/** Names of the packages that are read with the module Lambda imports. */
export const packagesOf = (
  { layers, functions, peers }: DeployedCode,
  name: FunctionName | PeerName,
): readonly string[] => {
  const bundled = new Map<string, Bundle>([...functions, ...peers]).get(name);
  if (bundled === undefined) throw new Error(`expected a bundle of ${name}, found none`);
  return packagesToLoad(loadableCode([...layers, bundled]), ['index.mjs']);
};

/** The peer that loads the packages of a function and nothing else. */
export const barePeerOf = (code: DeployedCode, name: FunctionName): PeerName => {
  const packages = packagesOf(code, name);
  const clickhouse = packages.includes('@clickhouse/client') ? '-and-clickhouse' : '';
  const evidence = packages.includes('@aws-sdk/client-s3') ? '-and-evidence' : '';
  return `bare-packages${clickhouse}${evidence}`;
};
