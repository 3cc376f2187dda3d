import { setTimeout as delay } from 'node:timers/promises';
import type { Client, PoolClient } from 'pg';
import { applyPending, MigrationFailed, MigrationRefused, readMigrations } from '../migrations.ts';
import type { AppliedMigration, Migration, MigrationReport } from '../migrations.ts';
import { sqlState } from './pool.ts';
import { splitStatements } from './sql-statements.ts';

/** A connection of its own, not one of a pool: the run holds a session-level lock. */
export type MigrationConnection = Client | PoolClient;

export const ownerRole = 'torghut_owner';

// Any number, as long as every runner uses the same one.
const runnerLock = 7_467_104;

/**
 * A statement that waits for a table makes every later statement on that table wait behind it, those of the running
 * functions too. So it waits no longer than they bear, and the whole migration tries again once they had their turn.
 */
export interface LockPatience {
  readonly waitMs: number;
  readonly attempts: number;
  readonly pauseMs: number;
}

const besideTrading: LockPatience = { waitMs: 3_000, attempts: 5, pauseMs: 2_000 };

/** The last migration that does not say which code it is compatible with; the next one made the column for it. */
const lastWithoutCompatibility = '0011';

/**
 * Applies the migrations of a directory that the database does not have, each in its own transaction. Runs exclude
 * each other by an advisory lock; a run that waits longer than 30 s for it fails, and one that does not get a table in
 * its attempts. With nothing to apply no schema is touched. A database that is ahead of the directory and compatible with it is left as it is.
 *
 * The user must own the schema (`torghut_owner` or a member of it), or for an empty database be allowed to create
 * roles.
 * @throws MigrationRefused when history and files do not belong together or the user may not do this, before anything is
 * changed; MigrationFailed with file, line and statement when a statement fails.
 */
export const migratePostgres = async (
  connection: MigrationConnection,
  directory: string,
  patience: LockPatience = besideTrading,
): Promise<MigrationReport> => {
  const migrations = await readMigrations(directory, { compatibilityAfter: lastWithoutCompatibility });
  await connection.query(`SET lock_timeout = '30s'`);
  await takeLock(connection);
  try {
    await ensureHistory(connection);
    return await applyPending(migrations, {
      applied: () => appliedMigrations(connection),
      apply: (migration) => applyPatiently(connection, migration, patience),
    });
  } finally {
    // Fails on a lost connection only, and the lock went with that; its error must not hide the one that lost it.
    await connection.query('SELECT pg_advisory_unlock($1)', [runnerLock]).catch(() => undefined);
  }
};

/** Version of the schema as recorded; null for a database without one. */
export const currentVersion = async (connection: MigrationConnection): Promise<string | null> => {
  const { history } = await standing(connection);
  return history === null ? null : ((await appliedMigrations(connection)).at(-1)?.version ?? null);
};

const lockNotAvailable = '55P03';

/** Whether a migration failed because it did not get a lock. */
export const isLockTimeout = (error: unknown): boolean =>
  error instanceof MigrationFailed && sqlState(error.cause) === lockNotAvailable;

const takeLock = async (connection: MigrationConnection): Promise<void> => {
  try {
    await connection.query('SELECT pg_advisory_lock($1)', [runnerLock]);
  } catch (error) {
    if (sqlState(error) !== lockNotAvailable) throw error;
    throw new MigrationRefused('another migration run holds the lock; wait for it to end', { cause: error });
  }
};

interface Standing {
  readonly role: string;
  /** Who owns the history table; null when there is none. */
  readonly history: string | null;
  /** Whether the connected role may act as the owner. */
  readonly isOwner: boolean;
  readonly createsRoles: boolean;
}

const standing = async (connection: MigrationConnection): Promise<Standing> => {
  const { rows } = await connection.query<Standing>(
    `SELECT session_user AS role,
       (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('schema_migrations')) AS history,
       coalesce((SELECT pg_has_role(session_user, oid, 'SET') FROM pg_roles WHERE rolname = $1), false) AS "isOwner",
       (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = session_user) AS "createsRoles"`,
    [ownerRole],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('expected one row about the connected role, found none');
  return row;
};

/** Makes the table that records history, where there is none. */
const ensureHistory = async (connection: MigrationConnection): Promise<void> => {
  const { role, history, isOwner, createsRoles } = await standing(connection);
  const mayRun = isOwner || (createsRoles && history !== ownerRole);
  if (!mayRun) {
    throw new MigrationRefused(
      `connected as "${role}", which ${
        history === ownerRole
          ? `is not a member of ${ownerRole}: expected one that may SET ROLE to it`
          : `may not create roles: the first run needs a role that may, or a member of ${ownerRole}`
      }; give the owner's credentials`,
    );
  }
  if (history !== null) return;
  await connection.query(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
      version text PRIMARY KEY,
      checksum char(64) NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
      applied_at timestamptz NOT NULL DEFAULT now()
    )`,
  );
};

const appliedMigrations = async (connection: MigrationConnection): Promise<readonly AppliedMigration[]> => {
  const { history } = await standing(connection);
  await connection.query('BEGIN');
  try {
    // An administrator acts as the owner without inheriting from it. The first migration, which makes that role, may not
    // have come to its end.
    if (history === ownerRole) await connection.query(`SET LOCAL ROLE ${ownerRole}`);
    // Through JSON, because the column came with a migration.
    const { rows } = await connection.query<AppliedMigration>(
      `SELECT version, checksum, to_jsonb(schema_migrations) ->> 'compatible_from' AS "compatibleFrom"
       FROM schema_migrations ORDER BY version`,
    );
    return rows;
  } finally {
    // As at the unlock above: fails on a lost connection only.
    await connection.query('ROLLBACK').catch(() => undefined);
  }
};

const applyPatiently = async (
  connection: MigrationConnection,
  migration: Migration,
  { waitMs, attempts, pauseMs }: LockPatience,
): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await apply(connection, migration, waitMs);
      return;
    } catch (error) {
      if (attempt >= attempts || !isLockTimeout(error)) throw error;
    }
    await delay(pauseMs);
  }
};

const apply = async (connection: MigrationConnection, migration: Migration, lockWaitMs: number): Promise<void> => {
  await connection.query('BEGIN');
  try {
    await connection.query(`SET LOCAL lock_timeout = ${lockWaitMs}`);
    for (const statement of splitStatements(migration.sql)) {
      try {
        await connection.query(statement.text);
      } catch (error) {
        throw new MigrationFailed(migration.file, statement, error);
      }
    }
    await record(connection, migration);
    await connection.query('COMMIT');
  } catch (error) {
    // As at the unlock above: fails on a lost connection only.
    await connection.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
};

const record = async (connection: MigrationConnection, migration: Migration): Promise<void> => {
  const { version, checksum, compatibleFrom } = migration;
  // A migration may end as any role; whoever owns the history writes it.
  await connection.query(
    `SELECT set_config('role', pg_get_userbyid(relowner), true) FROM pg_class WHERE oid = to_regclass('schema_migrations')`,
  );
  await (version > lastWithoutCompatibility
    ? connection.query('INSERT INTO schema_migrations (version, checksum, compatible_from) VALUES ($1, $2, $3)', [
        version,
        checksum,
        compatibleFrom,
      ])
    : connection.query('INSERT INTO schema_migrations (version, checksum) VALUES ($1, $2)', [version, checksum]));
};
