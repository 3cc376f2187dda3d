import { schemaVersion } from '@torghut/domain';
import type { Instant } from '@torghut/domain';
import { sqlState, type Queryable } from './pool.ts';
import { runtimeFunctions, runtimePrivileges, runtimeSequences } from './privileges.ts';

/** Whether this code may work with this database. */
export interface BootCheck {
  readonly ok: boolean;
  readonly checkedAt: Instant;
  /** Version of the database; null when it could not be read. */
  readonly schemaVersion: string | null;
  readonly expectedVersion: string;
  /** Whether that version is the expected one, or a newer one that says it still works with code of the expected one. */
  readonly schemaCompatible: boolean;
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
      WHEN needed.privilege = 'EXECUTE' THEN has_function_privilege(to_regprocedure(needed.relation), 'EXECUTE')
      WHEN needed.column_name IS NULL THEN has_table_privilege(to_regclass(needed.relation), needed.privilege)
      ELSE has_column_privilege(to_regclass(needed.relation), needed.column_name, needed.privilege)
    END, false)
  ORDER BY 1`;

// As a document, because an older schema does not have the column.
const newestVersionStatement = `
  SELECT version, to_jsonb(newest) ->> 'compatible_from' AS compatible_from
  FROM schema_migrations AS newest ORDER BY version DESC LIMIT 1`;

const controlsStatement = 'SELECT control, engaged, value FROM trading_controls WHERE superseded_at IS NULL LIMIT 1';

/** All of it in one round trip; fails as a whole when any of it cannot be read. */
const everythingStatement = `
  SELECT newest.version, newest.compatible_from, ARRAY(${missingPrivilegesStatement}) AS missing,
    (SELECT count(*) FROM (${controlsStatement}) AS controls) AS controls
  FROM (${newestVersionStatement}) AS newest`;

const needed = JSON.stringify([
  ...Object.entries(runtimePrivileges).flatMap(([relation, { table, updatableColumns }]) => [
    ...table.map((privilege) => ({ relation, column_name: null, privilege })),
    ...updatableColumns.map((column) => ({ relation, column_name: column, privilege: 'UPDATE' })),
  ]),
  ...runtimeSequences.map((relation) => ({ relation, column_name: null, privilege: 'USAGE' })),
  ...runtimeFunctions.map((relation) => ({ relation, column_name: null, privilege: 'EXECUTE' })),
]);

/** Of one read. Short, because functions check before they work, and the check must end long before they do. */
const readLimitMs = 3_000;

const bounded = (text: string, values: readonly unknown[] = []) => ({
  text,
  values: [...values],
  query_timeout: readLimitMs,
});

interface NewestVersion {
  readonly version: string;
  /** Lowest version of code that still works with the schema; null where the schema does not say. */
  readonly compatible_from: string | null;
}

const isCompatible = (newest: NewestVersion | null): boolean =>
  newest !== null &&
  (newest.version === schemaVersion ||
    (newest.version > schemaVersion && newest.compatible_from !== null && newest.compatible_from <= schemaVersion));

const versionProblem = (newest: NewestVersion | null): string => {
  const found = `schema version ${newest?.version ?? 'unknown'} found, ${schemaVersion} expected`;
  return newest !== null && newest.version > schemaVersion
    ? `${found}; the database needs code of version ${newest.compatible_from ?? newest.version} or later, deploy that`
    : `${found}; run the migrations of this release`;
};

interface Facts {
  readonly newest: NewestVersion | null;
  /** Null when they could not be read. */
  readonly missing: readonly string[] | null;
  readonly controlsReadable: boolean;
}

const nothingKnown: Facts = { newest: null, missing: null, controlsReadable: false };

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether the database answered, and said that what was asked is not there or not allowed (SQLSTATE class 42). */
const isAboutTheSchema = (error: unknown): boolean => sqlState(error)?.startsWith('42') === true;

const readAtOnce = async (client: Queryable): Promise<Facts | null> => {
  const { rows } = await client.query<NewestVersion & { missing: string[] }>(bounded(everythingStatement, [needed]));
  const [row] = rows;
  return row === undefined ? null : { newest: row, missing: row.missing, controlsReadable: true };
};

/** Tells what can be read and what cannot. */
const readOneByOne = async (client: Queryable, problems: string[]): Promise<Facts> => {
  const read = async <T>(what: string, query: () => Promise<T>): Promise<T | null> => {
    try {
      return await query();
    } catch (error) {
      if (!isAboutTheSchema(error)) throw error;
      problems.push(`${what} cannot be read: ${messageOf(error)}`);
      return null;
    }
  };
  const newest = await read('schema version', async () => {
    const { rows } = await client.query<NewestVersion>(bounded(newestVersionStatement));
    return rows[0] ?? null;
  });
  const missing = await read('privileges', async () => {
    const { rows } = await client.query<{ missing: string }>(bounded(missingPrivilegesStatement, [needed]));
    return rows.map((row) => row.missing);
  });
  const controls = await read('trading controls', () => client.query(bounded(controlsStatement)));
  return { newest, missing, controlsReadable: controls !== null };
};

/** Throws what the database says when it cannot be asked: asking for something else would only take as long again. */
const readFacts = async (client: Queryable, problems: string[]): Promise<Facts> => {
  try {
    const facts = await readAtOnce(client);
    if (facts !== null) return facts;
  } catch (error) {
    if (!isAboutTheSchema(error)) throw error;
  }
  return readOneByOne(client, problems);
};

/**
 * Checks, as the role of the connection, that the schema is one this code works with, that each needed privilege is held
 * and that the trading controls can be read. Never throws: a database that does not answer is a failed check once
 * one read has taken 3 s. Costs one statement; the caller keeps the answer for 60 s.
 */
export const checkBoot = async (client: Queryable, { now }: { readonly now: Instant }): Promise<BootCheck> => {
  const problems: string[] = [];
  let facts: Facts;
  try {
    facts = await readFacts(client, problems);
  } catch (error) {
    facts = nothingKnown;
    problems.push(`the database cannot be asked: ${messageOf(error)}`);
  }
  const { newest, missing, controlsReadable } = facts;
  const schemaCompatible = isCompatible(newest);
  if (!schemaCompatible && facts !== nothingKnown) problems.push(versionProblem(newest));
  for (const privilege of missing ?? []) problems.push(`privilege missing: ${privilege}`);
  return {
    ok: problems.length === 0,
    checkedAt: now,
    schemaVersion: newest?.version ?? null,
    expectedVersion: schemaVersion,
    schemaCompatible,
    missingPrivileges: missing ?? [],
    controlsReadable,
    problems,
  };
};
