import { join } from 'node:path';

import { AssetStaging } from 'aws-cdk-lib';
import { Architecture, Code, LayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import { type BundledAsset, bundledAsset } from './bundle.ts';
import type { LayerCode } from './layer-code.ts';
import { type LayerName, specifierOf } from './layer-sources.ts';

export interface SourceLayerProps {
  readonly sourceRoot: string;
  /** Folder under `layers/`; the package is `@torghut/<name>`. */
  readonly name: LayerName;
  /** The code of all layers; asked for when it is needed. */
  readonly code: () => LayerCode;
}

/**
 * What functions reach of a workspace package, as a Lambda layer; of the domain, everything. `codeHash` is the SHA-256 (64
 * hex) of the bundle: the same sources give the same hash anywhere.
 */
export class SourceLayer extends Construct {
  readonly codeHash: string;
  private readonly directory: string;
  private readonly bundled: BundledAsset;
  private readonly packageName: string;

  constructor(scope: Construct, id: string, { sourceRoot, name, code }: SourceLayerProps) {
    super(scope, id);
    this.directory = join(sourceRoot, 'layers', name);
    this.packageName = specifierOf(name);
    this.bundled = bundledAsset(['layer', name], () => code()[name]);
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
