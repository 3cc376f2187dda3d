import { join } from 'node:path';

import { AssetStaging } from 'aws-cdk-lib';
import { Architecture, Code, LayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { type BundledAsset, bundledAsset } from './bundle.ts';

export interface SourceLayerProps {
  readonly sourceRoot: string;
  /** Folder under `layers/`; the package is `@torghut/<name>`. */
  readonly name: string;
  /** Packages this layer finds in another layer at run time. */
  readonly external?: readonly string[];
}

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
    const home = join('nodejs/node_modules', this.packageName);
    this.bundled = bundledAsset({
      sourceRoot: props.sourceRoot,
      entry: join(this.directory, 'src/index.ts'),
      owner: `layer ${props.name}`,
      outfile: join(home, 'index.mjs'),
      external: props.external ?? [],
      files: {
        [join(home, 'package.json')]: JSON.stringify({
          name: this.packageName,
          type: 'module',
          exports: './index.mjs',
        }),
      },
    });
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
