import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { AssetStaging } from 'aws-cdk-lib';
import { Architecture, Code, LayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { type BundledAsset, bundledAsset, type BundleOptions } from './bundle.ts';

export interface SourceLayerProps {
  readonly sourceRoot: string;
  /** Folder under `layers/`; the package is `@torghut/<name>`. */
  readonly name: string;
  /** Packages this layer finds in another layer at run time. */
  readonly external?: readonly string[];
}

/**
 * How a workspace package is bundled into a layer: every subpath it exports, by the same name.
 * @throws Error when its manifest exports nothing
 */
export const layerBundle = ({ sourceRoot, name, external = [] }: SourceLayerProps): BundleOptions => {
  const directory = join(sourceRoot, 'layers', name);
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    readonly exports?: Readonly<Record<string, string>>;
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const exported = Object.entries(manifest.exports ?? {});
  if (exported.length === 0) {
    throw new Error(`layer ${name}: expected "exports" in ${join(directory, 'package.json')}, found none; add them`);
  }
  const fileOf = (subpath: string): string => (subpath === '.' ? 'index' : subpath.slice('./'.length));
  const home = join('nodejs/node_modules', `@torghut/${name}`);
  return {
    sourceRoot,
    entries: Object.fromEntries(exported.map(([subpath, source]) => [fileOf(subpath), join(directory, source)])),
    owner: `layer ${name}`,
    directory: home,
    external,
    packages: Object.keys(manifest.dependencies ?? {}),
    files: {
      [join(home, 'package.json')]: JSON.stringify({
        name: `@torghut/${name}`,
        type: 'module',
        exports: Object.fromEntries(exported.map(([subpath]) => [subpath, `./${fileOf(subpath)}.mjs`])),
      }),
    },
  };
};

/**
 * A workspace package as a Lambda layer, at `nodejs/node_modules/@torghut/<name>`, where functions import it by its
 * package name. `codeHash` is the SHA-256 (64 hex) of the bundle: the same sources give the same hash anywhere.
 */
export class SourceLayer extends Construct {
  readonly codeHash: string;
  private readonly directory: string;
  private readonly bundled: BundledAsset;
  private readonly packageName: string;

  constructor(scope: Construct, id: string, props: SourceLayerProps) {
    super(scope, id);
    this.directory = join(props.sourceRoot, 'layers', props.name);
    this.packageName = `@torghut/${props.name}`;
    this.bundled = bundledAsset(layerBundle(props));
    this.codeHash = new AssetStaging(this, 'Bundle', { sourcePath: this.directory, ...this.bundled }).assetHash;
  }

  /** The layer itself. Separate, because functions that inline the package need its hash only. */
  toLayerVersion(): LayerVersion {
    return new LayerVersion(this, 'Version', {
      code: Code.fromAsset(this.directory, this.bundled),
      compatibleRuntimes: [Runtime.NODEJS_24_X],
      compatibleArchitectures: [Architecture.ARM_64],
      description: `${this.packageName} ${this.codeHash.slice(0, 12)}`,
    });
  }
}
