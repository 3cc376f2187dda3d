import type { Client, PoolClient } from 'pg';
import { applyPending, MigrationFailed, MigrationRefused, readMigrations } from '../migrations.ts';
import type { AppliedMigration, Migration, MigrationReport } from '../migrations.ts';
import { splitStatements } from './sql-statements.ts';

/** A connection of its own, not one of a pool: the run holds a session-level lock. */
export type MigrationConnection = Client | PoolClient;

// Any number, as long as every runner uses the same one.
const runnerLock = 7_467_104;

/**
 * Applies the migrations of a directory that the database does not have, each in its own transaction. Runs exclude
 * each other by an advisory lock; a run that waits longer than 30 s for it, or for a table, fails.
 *
 * The user must own the schema (`torghut_owner` or a member of it), or for an empty database be allowed to create
 * roles.
 * @throws MigrationRefused when history and files do not belong together; MigrationFailed with file, line and
 * statement when a statement fails.
 */
export const migratePostgres = async (connection: MigrationConnection, directory: string): Promise<MigrationReport> => {
  const migrations = await readMigrations(directory);
  await connection.query(`SET lock_timeout = '30s'`);
  await takeLock(connection);
  try {
    await connection.query(
      `CREATE TABLE IF NOT EXISTS schema_migrations (
        version text PRIMARY KEY,
        checksum char(64) NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
        applied_at timestamptz NOT NULL DEFAULT now()
      )`,
    );
    return await applyPending(migrations, {
      applied: () => appliedMigrations(connection),
      apply: (migration) => apply(connection, migration),
    });
  } finally {
    await connection.query('SELECT pg_advisory_unlock($1)', [runnerLock]);
  }
};

const takeLock = async (connection: MigrationConnection): Promise<void> => {
  try {
    await connection.query('SELECT pg_advisory_lock($1)', [runnerLock]);
  } catch (error) {
    throw new MigrationRefused('another migration run holds the lock; wait for it to end', { cause: error });
  }
};

const appliedMigrations = async (connection: MigrationConnection): Promise<readonly AppliedMigration[]> => {
  const { rows } = await connection.query<AppliedMigration>(
    'SELECT version, checksum FROM schema_migrations ORDER BY version',
  );
  return rows;
};

const apply = async (connection: MigrationConnection, migration: Migration): Promise<void> => {
  await connection.query('BEGIN');
  try {
    for (const statement of splitStatements(migration.sql)) {
      try {
        await connection.query(statement.text);
      } catch (error) {
        throw new MigrationFailed(migration.file, statement, error);
      }
    }
    await connection.query('INSERT INTO schema_migrations (version, checksum) VALUES ($1, $2)', [
      migration.version,
      migration.checksum,
    ]);
    await connection.query('COMMIT');
  } catch (error) {
    await connection.query('ROLLBACK');
    throw error;
  }
};
