import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FunctionName, functionNames } from '@torghut/domain';
import { bundle, type Bundle, writeBundle } from '../../../infra/constructs/bundle.ts';
import { functionBundle } from '../../../infra/constructs/function-bundle.ts';
import { layerBundle } from '../../../infra/constructs/source-layer.ts';

const sourceRoot = join(import.meta.dirname, '..', '..', '..');

/** Something to import beside our functions, bundled as they are. */
export type PeerName = 'bare-handler' | 'bare-packages';

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
    owner: name,
    directory: '.',
    external: [],
  });

/** Bundles everything into a temporary directory: packages of the layers where a function beside them finds them. */
export const layOut = async (): Promise<DeployedCode> => {
  const root = await mkdtemp(join(tmpdir(), 'torghut-bundles-'));
  const layers = [
    bundle(layerBundle({ sourceRoot, name: 'domain' })),
    bundle(layerBundle({ sourceRoot, name: 'platform', external: ['@torghut/domain'] })),
  ];
  const functions = new Map(
    functionNames.map((name) => [name, bundle(functionBundle({ sourceRoot, name, inlineLayers: false }))]),
  );
  const peers = new Map((['bare-handler', 'bare-packages'] as const).map((name) => [name, peerBundle(name)]));
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
