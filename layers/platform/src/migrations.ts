import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@torghut/domain';
import { MigrationError, Umzug } from 'umzug';

/** One migration: a file `NNNN_name.sql`, whose number is its version. */
export interface Migration {
  readonly version: string;
  readonly file: string;
  readonly sql: string;
  /** SHA-256 of the file's bytes. */
  readonly checksum: string;
}

/** A migration that was applied, as recorded. */
export interface AppliedMigration {
  readonly version: string;
  readonly checksum: string;
}

/** What a run did. */
export interface MigrationReport {
  readonly applied: readonly string[];
  /** Version of the schema afterwards; null when there is no migration at all. */
  readonly version: string | null;
}

/** The recorded history and the files do not belong together. */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused';
}

/** A statement of a migration failed; nothing of that migration is in force where the database has transactions. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed';

  constructor(file: string, statement: { readonly line: number; readonly text: string }, cause: unknown) {
    const head = statement.text.replace(/\s+/g, ' ').slice(0, 80);
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${file}, line ${statement.line} (${head}): ${reason}`, { cause });
  }
}

/**
 * Migrations of a directory, in order.
 * @throws MigrationRefused for a file that is not named `NNNN_name.sql` or shares its number with another.
 */
export const readMigrations = async (directory: string): Promise<readonly Migration[]> => {
  const files = (await readdir(directory)).sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const version = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(file)?.[1];
    if (version === undefined)
      throw new MigrationRefused(`expected only NNNN_name.sql in ${directory}, found "${file}"`);
    if (migrations.at(-1)?.version === version) {
      throw new MigrationRefused(
        `${file} and ${migrations.at(-1)?.file ?? ''} have the same number; history is one line`,
      );
    }
    const sql = await readFile(join(directory, file), 'utf8');
    migrations.push({ version, file, sql, checksum: sha256(sql) });
  }
  return migrations;
};

/**
 * Compares the recorded history with the files.
 * @throws MigrationRefused when an applied migration was changed or is not among the files, or when one that was not
 * applied is older than one that was.
 */
const verifyHistory = (migrations: readonly Migration[], applied: readonly AppliedMigration[]): void => {
  const files = new Map(migrations.map((migration) => [migration.version, migration]));
  for (const { version, checksum } of applied) {
    const migration = files.get(version);
    if (!migration) {
      throw new MigrationRefused(
        `the database has migration ${version}, which this release does not contain; run the newer release`,
      );
    }
    if (migration.checksum !== checksum) {
      throw new MigrationRefused(
        `${migration.file} was changed after it was applied (checksum ${checksum} in the database, ` +
          `${migration.checksum} in the file); restore the file and put the change into a new migration`,
      );
    }
  }
  const versions = new Set(applied.map(({ version }) => version));
  const last = [...versions].sort().at(-1) ?? '';
  const skipped = migrations.find(({ version }) => !versions.has(version) && version < last);
  if (skipped) {
    throw new MigrationRefused(`${skipped.file} is older than the applied migration ${last}; give it the next number`);
  }
};

/** A database that records which migrations it has. */
export interface MigrationTarget {
  applied(): Promise<readonly AppliedMigration[]>;
  /** Applies a migration and records it. */
  apply(migration: Migration): Promise<void>;
}

/**
 * Applies, in order, the migrations the target does not have.
 * @throws MigrationRefused when history and files do not belong together, before anything is applied; otherwise what
 * `apply` threw.
 */
export const applyPending = async (
  migrations: readonly Migration[],
  target: MigrationTarget,
): Promise<MigrationReport> => {
  verifyHistory(migrations, await target.applied());
  const umzug = new Umzug({
    migrations: migrations.map((migration) => ({ name: migration.version, up: () => target.apply(migration) })),
    storage: {
      executed: async () => (await target.applied()).map(({ version }) => version),
      // `apply` records, so that the record is part of a transaction where there are any.
      logMigration: () => Promise.resolve(),
      unlogMigration: () => Promise.reject(new MigrationRefused('migrations are not reverted; write a new one')),
    },
    logger: undefined,
  });
  try {
    const applied = (await umzug.up()).map(({ name }) => name);
    return { applied, version: migrations.at(-1)?.version ?? null };
  } catch (error) {
    throw error instanceof MigrationError && error.cause !== undefined ? error.cause : error;
  }
};
