import { secretKeys, SettingsError } from '@torghut/domain';
import {
  connect,
  connectOwner,
  type Environment,
  type LedgerRelease,
  type Overrides,
  readLedgerRelease,
  runtimePassword,
} from '@torghut/platform';
import type { MigratePorts } from './run.ts';

export interface MigrateOverrides extends Overrides {
  /** What to bring in; else what lies beside the deployed function. */
  readonly release?: () => Promise<LedgerRelease>;
}

/** Of the bundle, once deployed. */
const here = import.meta.dirname;

/** Shorter than the function's timeout, so that the reason names the statement that took too long. */
const statementTimeoutMs = 240_000;

/**
 * The ports of the migration from its environment.
 * @throws SettingsError naming every setting at fault.
 */
export const wire = (environment: Environment, overrides: MigrateOverrides = {}): MigratePorts => {
  const { settings, clock, secrets } = connect('migrate', environment, overrides);
  const ownerSecretId = environment[secretKeys.databaseOwner];
  if (ownerSecretId === undefined || ownerSecretId === '')
    throw new SettingsError([`${secretKeys.databaseOwner}: expected the ARN of the owner's secret, found none`]);
  const runtimeSecretId = environment[secretKeys.database];
  return {
    release: overrides.release ?? (() => readLedgerRelease(`${here}/migrations`, `${here}/strategies.yaml`)),
    connectOwner: () =>
      connectOwner({ secrets: secrets(), secretId: ownerSecretId, applicationName: 'migrate', statementTimeoutMs }),
    ...(runtimeSecretId === undefined ? {} : { runtimePassword: () => runtimePassword(secrets(), runtimeSecretId) }),
    clock,
    settings,
  };
};
