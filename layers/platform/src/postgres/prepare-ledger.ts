import type { CatalogEntry, ControlName, Stage } from '@torghut/domain';
import { MigrationFailed, type MigrationReport } from '../migrations.ts';
import { enterInitialStage, registerFeatureContract, syncCatalog } from './catalog-store.ts';
import { currentVersion, isLockTimeout, migratePostgres, type MigrationConnection, ownerRole } from './migrator.ts';
import { type InitialControls, seedControls } from './seed-controls.ts';

/** What a release brings into the ledger. */
export interface LedgerRelease {
  /** Directory of the SQL files. */
  readonly migrations: string;
  readonly catalog: readonly CatalogEntry[];
}

/** What an account starts with; rows that are there already stay as they are. */
export interface InitialAccount extends InitialControls {
  /** Capital stage of strategies that have none. */
  readonly stage: Extract<Stage, 'shadow' | 'paper'>;
}

export interface PreparedLedger {
  readonly schema: MigrationReport;
  /** Strategies that are not in the catalog any more. */
  readonly disabled: readonly string[];
  /** Controls the account did not have. */
  readonly seeded: readonly ControlName[];
}

/** The ledger is not at this release. The message says why, where the database stands now, and what to do. */
export class LedgerNotPrepared extends Error {
  override readonly name = 'LedgerNotPrepared';
}

/**
 * Brings a ledger up to a release: schema, feature contract, strategy catalog and the first rows of an account. Repeating
 * it changes nothing. After the schema, everything is one transaction.
 * @param connection of a member of `torghut_owner`, or for an empty database of a role that may create roles
 * @throws LedgerNotPrepared
 */
export const prepareLedger = async (
  connection: MigrationConnection,
  release: LedgerRelease,
  account: InitialAccount,
): Promise<PreparedLedger> => {
  try {
    const schema = await migratePostgres(connection, release.migrations);
    return { schema, ...(await writeRows(connection, release.catalog, account)) };
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new LedgerNotPrepared(`${what}; ${await standing(connection, error)}`, { cause: error });
  }
};

/** Lines for people: what a run did. `release` is the schema version of this code. */
export const describePreparation = (
  { schema, disabled, seeded }: PreparedLedger,
  release: string,
): readonly string[] => {
  const version = schema.version ?? 'none';
  return [
    version > release
      ? `no migration to apply: the database is at schema version ${version}, ahead of this release (${release}) and compatible with it`
      : `schema version ${version}; applied: ${schema.applied.join(', ') || 'nothing new'}`,
    `strategies disabled because the catalog lacks them: ${disabled.join(', ') || 'none'}`,
    `controls written: ${seeded.join(', ') || 'none, they were there'}`,
  ];
};

const writeRows = async (
  connection: MigrationConnection,
  catalog: readonly CatalogEntry[],
  { accountLabel, stage, actor, at, ...controls }: InitialAccount,
): Promise<Pick<PreparedLedger, 'disabled' | 'seeded'>> => {
  await connection.query('BEGIN');
  try {
    await connection.query(`SET LOCAL ROLE ${ownerRole}`);
    await registerFeatureContract(connection);
    const { disabled } = await syncCatalog(connection, catalog, 'sync');
    const seeded = await seedControls(connection, { accountLabel, actor, at, ...controls });
    await enterInitialStage(connection, accountLabel, stage, actor, at);
    await connection.query('COMMIT');
    return { disabled, seeded };
  } catch (error) {
    // Fails on a lost connection only, and its error must not hide the one that lost it.
    await connection.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
};

const standing = async (connection: MigrationConnection, error: unknown): Promise<string> => {
  const now = await currentVersion(connection).then(
    (version) => (version === null ? 'the database has no schema' : `the database is at schema version ${version}`),
    () => 'where the database stands could not be read',
  );
  if (isLockTimeout(error)) return `${now}: let what holds the table end, and run the migrations again`;
  return error instanceof MigrationFailed
    ? `nothing of ${error.file} is in force, ${now}: correct the file and run the migrations again`
    : now;
};
