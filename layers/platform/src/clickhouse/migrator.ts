import type { ClickHouseClient } from '@clickhouse/client';
import { applyPending, MigrationFailed, readMigrations } from '../migrations.ts';
import type { AppliedMigration, Migration, MigrationReport } from '../migrations.ts';

/** What differs between the servers the tables are made on. */
export interface ClickHouseTarget {
  /** Whether tables are replicated in a cluster; a single server has no coordinator to replicate with. */
  readonly replicated: boolean;
  /** Whether old rows expire. Off where history is replayed: it is older than its time to live on arrival. */
  readonly ttl: boolean;
}

/**
 * Applies the migrations of a directory that the client's database does not have. One statement per file, written to be
 * repeatable, because ClickHouse has no transactions; history is recorded in `schema_migrations`.
 * @throws MigrationRefused when history and files do not belong together; MigrationFailed when a statement fails.
 */
export const migrateClickHouse = async (
  client: ClickHouseClient,
  directory: string,
  target: ClickHouseTarget,
): Promise<MigrationReport> => {
  const migrations = await readMigrations(directory);
  await client.command({
    query: forTarget(
      `CREATE TABLE IF NOT EXISTS schema_migrations (version String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
       ENGINE = ReplicatedReplacingMergeTree(applied_at) ORDER BY version`,
      target,
    ),
  });
  return applyPending(migrations, {
    applied: () => appliedMigrations(client),
    apply: (migration) => apply(client, migration, target),
  });
};

/** The statement for the target: files are written for a cluster with expiry. */
export const forTarget = (sql: string, target: ClickHouseTarget): string => {
  const engine = target.replicated ? sql : sql.replaceAll('ReplicatedReplacingMergeTree', 'ReplacingMergeTree');
  return target.ttl ? engine : engine.replaceAll(/^TTL .*$/gm, '');
};

const appliedMigrations = async (client: ClickHouseClient): Promise<readonly AppliedMigration[]> => {
  const result = await client.query({
    query:
      'SELECT version, argMax(checksum, applied_at) AS checksum, NULL AS compatibleFrom FROM schema_migrations GROUP BY version ORDER BY version',
    format: 'JSONEachRow',
  });
  return result.json<AppliedMigration>();
};

const apply = async (client: ClickHouseClient, migration: Migration, target: ClickHouseTarget): Promise<void> => {
  try {
    await client.command({ query: forTarget(migration.sql, target) });
  } catch (error) {
    throw new MigrationFailed(migration.file, { line: 1, text: migration.sql }, error);
  }
  await client.insert({
    table: 'schema_migrations',
    values: [{ version: migration.version, checksum: migration.checksum }],
    format: 'JSONEachRow',
  });
};
