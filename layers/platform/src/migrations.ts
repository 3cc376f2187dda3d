import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@torghut/domain';

/** One migration: a file `NNNN_name.sql`, whose number is its version. */
export interface Migration {
  readonly version: string;
  readonly file: string;
  readonly sql: string;
  /** SHA-256 of the file's bytes. */
  readonly checksum: string;
  /** Schema version of the oldest code that still works after it; its own version unless its header says less. */
  readonly compatibleFrom: string;
}

/** A migration that was applied, as recorded. */
export interface AppliedMigration {
  readonly version: string;
  readonly checksum: string;
  /** Null where it is not recorded. */
  readonly compatibleFrom: string | null;
}

/** What a run did. */
export interface MigrationReport {
  readonly applied: readonly string[];
  /**
   * Version of the schema afterwards; null when there is no migration at all. Above the last file's where the database is
   * ahead of this release and compatible with it.
   */
  readonly version: string | null;
}

/** The recorded history and the files do not belong together. */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused';
}

/** A statement of a migration failed; nothing of that migration is in force where the database has transactions. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed';

  readonly file: string;

  constructor(file: string, statement: { readonly line: number; readonly text: string }, cause: unknown) {
    const head = statement.text.replace(/\s+/g, ' ').slice(0, 80);
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${file}, line ${statement.line} (${head}): ${reason}`, { cause });
    this.file = file;
  }
}

export interface ReadOptions {
  /** Migrations after this version begin with the line `-- compatible-from: NNNN`. None does unless given. */
  readonly compatibilityAfter?: string;
}

/**
 * Migrations of a directory, in order.
 * @throws MigrationRefused for a file that is not named `NNNN_name.sql`, shares its number with another, or does not say
 * which code it is compatible with where it has to.
 */
export const readMigrations = async (
  directory: string,
  { compatibilityAfter = '9999' }: ReadOptions = {},
): Promise<readonly Migration[]> => {
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
    const compatibleFrom =
      version > compatibilityAfter
        ? readCompatibility(file, version, sql, migrations.at(-1)?.compatibleFrom ?? '0000')
        : version;
    migrations.push({ version, file, sql, checksum: sha256(sql), compatibleFrom });
  }
  return migrations;
};

const readCompatibility = (file: string, version: string, sql: string, least: string): string => {
  const [firstLine = ''] = sql.split('\n', 1);
  const compatibleFrom = /^-- compatible-from: (\d{4})$/.exec(firstLine)?.[1];
  if (compatibleFrom === undefined) {
    throw new MigrationRefused(
      `${file}: expected the first line "-- compatible-from: NNNN", the schema version of the oldest code that still ` +
        `works after it, found "${firstLine.slice(0, 80)}"`,
    );
  }
  // Code that an earlier migration shut out stays shut out.
  if (compatibleFrom > version || compatibleFrom < least) {
    throw new MigrationRefused(
      `${file}: expected compatible-from within ${least} (the migration before it) and ${version}, found ${compatibleFrom}`,
    );
  }
  return compatibleFrom;
};

/**
 * Compares the recorded history with the files. Resolves with the version of a database that is ahead of this release and
 * compatible with it, which leaves nothing to do; else with null.
 * @throws MigrationRefused when an applied migration was changed, when one that was not applied is older than one that
 * was, or when the database has migrations that this release does not contain and cannot work with.
 */
const verifyHistory = (migrations: readonly Migration[], applied: readonly AppliedMigration[]): string | null => {
  const files = new Map(migrations.map((migration) => [migration.version, migration]));
  const release = migrations.at(-1)?.version ?? '0000';
  const newest = applied.toSorted((a, b) => (a.version < b.version ? -1 : 1)).at(-1);
  const isCompatible = (newest?.compatibleFrom ?? '9999') <= release;
  for (const { version, checksum } of applied) {
    const migration = files.get(version);
    if (!migration) {
      if (version > release && isCompatible) continue;
      const oldest = newest?.compatibleFrom ?? newest?.version ?? version;
      throw new MigrationRefused(
        `the database has migration ${version}, which this release does not contain: it works with releases from schema ` +
          `version ${oldest} on, and this one has ${release}; run the newer release`,
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
  return last > release ? last : null;
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
  const ahead = verifyHistory(migrations, await target.applied());
  if (ahead !== null) return { applied: [], version: ahead };
  // Loaded here, because every function loads this file and only a run that applies something needs the library.
  // A CommonJS module that is bundled apart has a default export only.
  const {
    default: { MigrationError, Umzug },
  } = await import('umzug');
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
