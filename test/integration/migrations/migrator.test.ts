import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schemaVersion } from '@torghut/domain';
import { migratePostgres } from '@torghut/platform';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { postgresMigrations } from '../../support/migrations.ts';
import { testDatabase } from '../../support/postgres.ts';
import type { TestDatabase } from '../../support/postgres.ts';

let db: TestDatabase;
let directory: string;
const connections: pg.Client[] = [];

const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: db.url('torghut_owner') });
  await client.connect();
  connections.push(client);
  return client;
};
const file = (name: string, sql: string): Promise<void> => writeFile(join(directory, name), sql);
const catalogue = async (): Promise<readonly unknown[]> => {
  const { rows } = await db.owner.query<{ relname: string }>(
    `SELECT relname, relkind, relacl::text, oid FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname`,
  );
  return rows;
};

beforeEach(async () => {
  db = await testDatabase({ empty: true });
  directory = await mkdtemp(join(tmpdir(), 'torghut-migrations-'));
});
afterEach(async () => {
  await Promise.all(connections.splice(0).map((client) => client.end()));
  await db.close();
  await rm(directory, { recursive: true });
});

describe('migrations of the repository', () => {
  it('build the schema this code expects from an empty database, and change nothing the second time', async () => {
    const client = await connect();
    const first = await migratePostgres(client, postgresMigrations);
    expect(first.version).toBe(schemaVersion);
    expect(first.applied.at(-1)).toBe(schemaVersion);
    const before = await catalogue();
    expect(await migratePostgres(client, postgresMigrations)).toEqual({ applied: [], version: schemaVersion });
    expect(await catalogue()).toEqual(before);
  });

  it('are applied once when two runners start together', async () => {
    const reports = await Promise.all(
      [connect(), connect()].map(async (client) => migratePostgres(await client, postgresMigrations)),
    );
    const applied = reports.map((report) => report.applied.length);
    expect(Math.min(...applied)).toBe(0);
    expect(Math.max(...applied)).toBeGreaterThan(0);
  });

  it('refuse to go on when an applied migration was changed', async () => {
    await cp(postgresMigrations, directory, { recursive: true });
    const client = await connect();
    await migratePostgres(client, directory);
    const changed = join(directory, '0004_decisions.sql');
    await writeFile(changed, `${await readFile(changed, 'utf8')}\n-- changed`);
    await expect(migratePostgres(client, directory)).rejects.toThrow(
      /0004_decisions\.sql was changed after it was applied .* put the change into a new migration/,
    );
  });
});

describe('migration runner', () => {
  it('names file, line and statement of a failure, and leaves nothing of that migration behind', async () => {
    await file('0001_first.sql', 'CREATE TABLE first (id int);');
    await file('0002_second.sql', 'CREATE TABLE second (id int);\n\n-- why\nCREATE TABLE third (id nothing);');
    const client = await connect();
    await expect(migratePostgres(client, directory)).rejects.toThrow(
      /^0002_second\.sql, line 4 \(CREATE TABLE third \(id nothing\)\): type "nothing" does not exist$/,
    );
    const { rows } = await db.owner.query<{ found: string[] }>(
      `SELECT array_agg(relname::text ORDER BY relname) AS found FROM pg_class
       WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    expect(rows[0]!.found).toEqual(['first', 'schema_migrations']);

    await file('0002_second.sql', 'CREATE TABLE second (id int);');
    expect(await migratePostgres(client, directory)).toEqual({ applied: ['0002'], version: '0002' });
  });

  /** A statement of a running function, with the longest time that one may take. */
  const asRuntime = (statement: string): Promise<unknown> =>
    db.app.query(`BEGIN; SET LOCAL statement_timeout = '8s'; ${statement}; COMMIT`);

  it('gives way to running functions while it waits for a table, and takes the table once it is free', async () => {
    await cp(postgresMigrations, directory, { recursive: true });
    const client = await connect();
    await migratePostgres(client, directory);
    const holder = await connect();
    await holder.query('BEGIN; SELECT FROM strategies LIMIT 1');
    const next = String(Number(schemaVersion) + 1).padStart(4, '0');
    await file(
      `${next}_next.sql`,
      `-- compatible-from: ${schemaVersion}\nSET LOCAL ROLE torghut_owner;\nALTER TABLE strategies ADD COLUMN next text`,
    );
    const migrated = migratePostgres(client, directory);
    await vi.waitUntil(async () => {
      const { rowCount } = await holder.query(
        `SELECT FROM pg_locks WHERE relation = 'strategies'::regclass AND NOT granted`,
      );
      return rowCount === 1;
    }, 10_000);
    // Behind the migration, which is behind a statement that does not end.
    await asRuntime('SELECT count(*) FROM strategies');
    await holder.query('COMMIT');
    expect(await migrated).toEqual({ applied: [next], version: next });
  });

  it('gives up after its attempts, and leaves nothing of them behind', async () => {
    await file('0001_first.sql', 'CREATE TABLE first (id int);');
    const client = await connect();
    await migratePostgres(client, directory);
    await file('0002_second.sql', 'CREATE TABLE second (id int);\nALTER TABLE first ADD COLUMN next text;');
    const holder = await connect();
    await holder.query('BEGIN; SELECT FROM first');
    await expect(migratePostgres(client, directory, { waitMs: 20, attempts: 3, pauseMs: 1 })).rejects.toThrow(
      /^0002_second\.sql, line 2 \(ALTER TABLE first ADD COLUMN next text\): canceling statement due to lock timeout$/,
    );
    const { rows } = await holder.query(`SELECT to_regclass('second') AS second`);
    expect(rows).toEqual([{ second: null }]);
    await holder.query('COMMIT');
    expect((await migratePostgres(client, directory)).applied).toEqual(['0002']);
  });

  it('records from which code on each migration is compatible, also in a ledger from before that was said', async () => {
    await cp(postgresMigrations, directory, {
      recursive: true,
      filter: (path) => !/\/00(?:1[2-9]|[2-9]\d)_/.test(path),
    });
    const client = await connect();
    expect((await migratePostgres(client, directory)).version).toBe('0011');
    await cp(postgresMigrations, directory, { recursive: true });
    await migratePostgres(client, directory);
    const { rows } = await db.owner.query<{ version: string; compatible_from: string }>(
      `SELECT version, compatible_from FROM schema_migrations WHERE version BETWEEN '0010' AND '0012' ORDER BY 1`,
    );
    expect(rows.map((row) => [row.version, row.compatible_from])).toEqual([
      ['0010', '0010'],
      ['0011', '0011'],
      ['0012', '0012'],
    ]);
    for (const wrong of ['12', '9999']) {
      await expect(
        db.owner.query(`UPDATE schema_migrations SET compatible_from = $1 WHERE version = '0012'`, [wrong]),
      ).rejects.toThrow('schema_migrations_check');
    }
  });

  it.each([
    ['without a first line about it', 'SELECT 1', /0012_next\.sql: expected the first line "-- compatible-from: NNNN"/],
    ['with another first line', '-- compatible with 0011\nSELECT 1', /found "-- compatible with 0011"/],
    ['with code that does not exist yet', '-- compatible-from: 0013\nSELECT 1', /within 0011 .* and 0012, found 0013/],
    ['with code that an earlier one shut out', '-- compatible-from: 0010\nSELECT 1', /within 0011 .* found 0010/],
  ])('refuses a migration after 0011 %s', async (_, sql, message) => {
    await file('0011_last.sql', 'SELECT 1');
    await file('0012_next.sql', sql);
    await expect(migratePostgres(await connect(), directory)).rejects.toThrow(message);
  });

  it('refuses a release that an incompatible migration has left behind, and leaves a compatible one in place', async () => {
    await cp(postgresMigrations, directory, { recursive: true });
    const client = await connect();
    await migratePostgres(client, directory);
    const ahead = String(Number(schemaVersion) + 1).padStart(4, '0');
    const record = (compatibleFrom: string) =>
      db.owner.query(
        `INSERT INTO schema_migrations (version, checksum, compatible_from) VALUES ($1, repeat('a', 64), $2)
         ON CONFLICT (version) DO UPDATE SET compatible_from = excluded.compatible_from`,
        [ahead, compatibleFrom],
      );
    await record(schemaVersion);
    expect(await migratePostgres(client, directory)).toEqual({ applied: [], version: ahead });
    await record(ahead);
    await expect(migratePostgres(client, directory)).rejects.toThrow(
      `works with releases from schema version ${ahead} on, and this one has ${schemaVersion}`,
    );
  });

  it.each<[string, readonly (readonly [string, string])[], RegExp]>([
    ['a migration that is missing from the release', [], /has migration 0002, which this release does not contain/],
    [
      'a migration older than the last',
      [
        ['0001_late.sql', 'SELECT 1'],
        ['0002_known.sql', 'SELECT 2'],
      ],
      /0001_late\.sql is older than the applied migration 0002/,
    ],
    [
      'two migrations of one number',
      [
        ['0002_known.sql', 'SELECT 2'],
        ['0002_other.sql', 'SELECT 3'],
      ],
      /have the same number; history is one line/,
    ],
    [
      'a file with another name',
      [
        ['0002_known.sql', 'SELECT 2'],
        ['notes.txt', ''],
      ],
      /expected only NNNN_name\.sql .* found "notes\.txt"/,
    ],
  ])('refuses %s', async (_, files, message) => {
    const client = await connect();
    await file('0002_known.sql', 'SELECT 2');
    await migratePostgres(client, directory);
    await rm(join(directory, '0002_known.sql'));
    for (const [name, sql] of files) await file(name, sql);
    await expect(migratePostgres(client, directory)).rejects.toThrow(message);
  });
});
