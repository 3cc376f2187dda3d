import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type CfnResource, CustomResource, Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';

import { migrationLogicalId } from './logical-id.ts';
import type { TorghutFunction } from './torghut-function.ts';

/** What the migration brings into the ledger, as it lies beside its function. */
export interface LedgerFiles {
  /** Content by path inside the asset. */
  readonly files: Readonly<Record<string, string>>;
  /** SHA-256 over names and contents. */
  readonly digest: string;
}

/** @throws Error naming what is missing */
export const readLedgerFiles = (sourceRoot: string): LedgerFiles => {
  const directory = join(sourceRoot, 'migrations/postgres');
  const catalog = join(sourceRoot, 'infra/strategies.yaml');
  for (const path of [directory, catalog]) {
    if (!existsSync(path)) throw new Error(`migrations: expected ${path}, found nothing there`);
  }
  const files = {
    ...Object.fromEntries(
      readdirSync(directory)
        .toSorted()
        .map((name) => [`migrations/${name}`, readFileSync(join(directory, name), 'utf8')]),
    ),
    'strategies.yaml': readFileSync(catalog, 'utf8'),
  };
  return { files, digest: createHash('sha256').update(JSON.stringify(files)).digest('hex') };
};

export interface LedgerMigrationProps {
  /** The function that migrates. */
  readonly runner: TorghutFunction;
  /** What it brings in, where to, and under which settings; it runs exactly when one of these changed. */
  readonly release: Readonly<Record<string, string>>;
}

/**
 * The ledger at the release that is being deployed. CloudFormation invokes the function itself, without a framework in
 * between, and rolls the deployment back when it says that it failed. Deleting it leaves the ledger as it is.
 */
export class LedgerMigration extends Construct {
  private readonly resource: CustomResource;

  constructor(scope: Construct, id: string, { runner, release }: LedgerMigrationProps) {
    super(scope, id);
    this.resource = new CustomResource(this, 'Release', {
      serviceToken: runner.lambda.functionArn,
      resourceType: 'Custom::LedgerMigration',
      // A function that could not even answer holds the deployment up no longer than this, instead of an hour.
      serviceTimeout: runner.timeout.plus(Duration.seconds(60)),
      properties: { ...release },
    });
    (this.resource.node.defaultChild as CfnResource).overrideLogicalId(migrationLogicalId);
    // Its permissions too, and its way into the network.
    this.resource.node.addDependency(runner);
  }

  /** None of these gets its new code, nor anything that invokes it, before the ledger is at this release. */
  precedes(functions: readonly TorghutFunction[]): void {
    for (const { lambda } of functions) lambda.node.addDependency(this.resource);
  }
}
