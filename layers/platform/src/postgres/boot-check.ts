import { schemaVersion } from '@torghut/domain';
import type { Instant } from '@torghut/domain';
import type { Queryable } from './pool.ts';
import { runtimePrivileges, runtimeSequences } from './privileges.ts';

/** Whether this code may work with this database. */
export interface BootCheck {
  readonly ok: boolean;
  readonly checkedAt: Instant;
  /** Version of the database; null when it could not be read. */
  readonly schemaVersion: string | null;
  readonly expectedVersion: string;
  /** Privileges the current role lacks, such as `INSERT on executions`. */
  readonly missingPrivileges: readonly string[];
  readonly controlsReadable: boolean;
  /** One line per failure, for the log and `/readyz`; empty exactly when `ok`. */
  readonly problems: readonly string[];
}

// Relations that do not exist are missing privileges, not errors: to_regclass gives null where ::regclass would throw.
const missingPrivilegesStatement = `
  SELECT needed.privilege || ' on ' || needed.relation || coalesce('.' || needed.column_name, '') AS missing
  FROM jsonb_to_recordset($1) AS needed (relation text, column_name text, privilege text)
  WHERE NOT coalesce(
    CASE
      WHEN needed.privilege = 'USAGE' THEN has_sequence_privilege(to_regclass(needed.relation), 'USAGE')
      WHEN needed.column_name IS NULL THEN has_table_privilege(to_regclass(needed.relation), needed.privilege)
      ELSE has_column_privilege(to_regclass(needed.relation), needed.column_name, needed.privilege)
    END, false)
  ORDER BY 1`;

const needed = JSON.stringify([
  ...Object.entries(runtimePrivileges).flatMap(([relation, { table, updatableColumns }]) => [
    ...table.map((privilege) => ({ relation, column_name: null, privilege })),
    ...updatableColumns.map((column) => ({ relation, column_name: column, privilege: 'UPDATE' })),
  ]),
  ...runtimeSequences.map((relation) => ({ relation, column_name: null, privilege: 'USAGE' })),
]);

/**
 * Checks, as the role of the connection, that the schema is the one this code was built for, that each needed
 * privilege is held and that the trading controls can be read. Never throws: a database that does not answer is a
 * failed check. Costs three statements; the caller keeps the answer for 60 s.
 */
export const checkBoot = async (client: Queryable, { now }: { readonly now: Instant }): Promise<BootCheck> => {
  const problems: string[] = [];
  const read = async <T>(what: string, query: () => Promise<T>): Promise<T | null> => {
    try {
      return await query();
    } catch (error) {
      problems.push(`${what} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  };

  const version = await read('schema version', async () => {
    const { rows } = await client.query<{ version: string | null }>(
      'SELECT max(version) AS version FROM schema_migrations',
    );
    return rows[0]?.version ?? null;
  });
  const missing = await read('privileges', async () => {
    const { rows } = await client.query<{ missing: string }>(missingPrivilegesStatement, [needed]);
    return rows.map((row) => row.missing);
  });
  const controls = await read('trading controls', () =>
    client.query('SELECT control, engaged, value FROM trading_controls WHERE superseded_at IS NULL LIMIT 1'),
  );

  if (version !== schemaVersion) {
    problems.push(
      `schema version ${version ?? 'unknown'} found, ${schemaVersion} expected; run the migrations of this release`,
    );
  }
  for (const privilege of missing ?? []) problems.push(`privilege missing: ${privilege}`);
  return {
    ok: problems.length === 0,
    checkedAt: now,
    schemaVersion: version,
    expectedVersion: schemaVersion,
    missingPrivileges: missing ?? [],
    controlsReadable: controls !== null,
    problems,
  };
};
