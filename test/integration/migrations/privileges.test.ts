import { checkBoot, migratePostgres, runtimePrivileges, runtimeSequences } from '@torghut/platform';
import { schemaVersion } from '@torghut/domain';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresMigrations } from '../../support/migrations.ts';
import { testDatabase } from '../../support/postgres.ts';
import type { TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleRows, sampleTables } from '../../support/rows.ts';

const now = Date.parse('2026-02-13T15:04:00.000Z');
const denied = { code: '42501' };

describe('privileges of the runtime role', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.close());

  it('[E4] [O4] writes a valid row to every table as torghut_app', async () => {
    for (const table of sampleTables) await insertRow(db.app, table, sampleRows[table]);

    const { rows } = await db.readonly.query<{ table: string }>(
      `SELECT relname AS table FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    const written = new Set<string>([
      ...sampleTables,
      'schema_migrations',
      'order_state_transitions',
      'research_chain',
    ]);
    expect(new Set(rows.map(({ table }) => table))).toEqual(written);
  });

  it('[E4] grants exactly the privileges of the runtime table, and no more', async () => {
    const { rows } = await db.owner.query<{ relation: string; privileges: string[]; columns: string[] }>(
      `SELECT relname AS relation,
         array(SELECT p FROM unnest(array['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) p
               WHERE has_table_privilege('torghut_app', c.oid, p)) AS privileges,
         array(SELECT attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0
                 AND has_column_privilege('torghut_app', c.oid, attnum, 'UPDATE')
                 AND NOT has_table_privilege('torghut_app', c.oid, 'UPDATE') ORDER BY attnum) AS columns
       FROM pg_class c WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace`,
    );
    const granted = Object.fromEntries(
      rows.map(({ relation, privileges, columns }) => [
        relation,
        { table: privileges, updatableColumns: new Set(columns) },
      ]),
    );
    const expected = Object.fromEntries(
      Object.entries(runtimePrivileges).map(([relation, { table, updatableColumns }]) => [
        relation,
        { table, updatableColumns: new Set(updatableColumns) },
      ]),
    );
    expect(granted).toEqual(expected);
  });

  it.each(sampleTables)('refuses torghut_app to delete or truncate %s', async (table) => {
    await expect(db.app.query(`DELETE FROM ${table}`)).rejects.toMatchObject(denied);
    await expect(db.app.query(`TRUNCATE ${table}`)).rejects.toMatchObject(denied);
  });

  it.each([
    'CREATE TABLE extra (id int)',
    'ALTER TABLE executions ADD COLUMN extra int',
    'DROP TABLE outbox',
    'ALTER TABLE executions DISABLE TRIGGER ALL',
    `UPDATE order_state_transitions SET to_state = 'filled'`,
    `INSERT INTO schema_migrations (version, checksum) VALUES ('9999', '')`,
    'SELECT backfill_provenance(true)',
    'SET ROLE torghut_owner',
  ])('refuses torghut_app: %s', async (statement) => {
    await expect(db.app.query(statement)).rejects.toMatchObject(denied);
  });

  it('lets torghut_readonly read everything and write nothing', async () => {
    for (const relation of Object.keys(runtimePrivileges)) await db.readonly.query(`SELECT * FROM ${relation} LIMIT 0`);
    for (const table of sampleTables) {
      await expect(insertRow(db.readonly, table, sampleRows[table])).rejects.toMatchObject(denied);
    }
  });

  it('draws fencing tokens that rise', async () => {
    const draw = async (): Promise<number> => {
      const { rows } = await db.app.query<{ token: number }>('SELECT next_fencing_token() AS token');
      return rows[0]!.token;
    };
    const first = await draw();
    expect(await draw()).toBeGreaterThan(first);
    expect(runtimeSequences).toContain('fencing_token');
    await expect(db.readonly.query('SELECT next_fencing_token()')).rejects.toThrow(
      'permission denied for function next_fencing_token',
    );
  });
});

describe('append-only and superseded rows', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await testDatabase();
    for (const table of sampleTables) await insertRow(db.app, table, sampleRows[table]);
  });
  afterAll(() => db.close());

  const appendOnly = Object.entries(runtimePrivileges)
    .filter(([table, { table: privileges }]) => table in sampleRows && !privileges.includes('UPDATE'))
    .map(([table]) => table);

  it.each(appendOnly)('refuses UPDATE and DELETE on %s even to its owner', async (table) => {
    await expect(db.owner.query(`UPDATE ${table} SET created_at = now()`)).rejects.toMatchObject({ code: '23001' });
    await expect(db.owner.query(`DELETE FROM ${table}`)).rejects.toMatchObject({ code: '23001' });
    await expect(db.owner.query(`TRUNCATE ${table} CASCADE`)).rejects.toMatchObject({ code: '23001' });
  });

  it.each(['trading_controls', 'adapter_states', 'capital_stages'])(
    'supersedes a row of %s once, then keeps it',
    async (table) => {
      await expect(insertRow(db.app, table, sampleRows[table as 'trading_controls'])).rejects.toMatchObject({
        code: '23505',
      });
      await db.app.query(`UPDATE ${table} SET superseded_at = '2026-02-13T15:05:00Z'`);
      await expect(db.app.query(`UPDATE ${table} SET superseded_at = NULL`)).rejects.toThrow(/was superseded at/);
      await insertRow(db.app, table, sampleRows[table as 'trading_controls']);
      await expect(db.app.query(`UPDATE ${table} SET created_at = now()`)).rejects.toMatchObject(denied);
    },
  );

  it('links an order event to its execution later and changes nothing else of it', async () => {
    await db.app.query('UPDATE execution_order_events SET execution_id = (SELECT id FROM executions)');
    await expect(db.app.query(`UPDATE execution_order_events SET status = 'filled'`)).rejects.toMatchObject(denied);
    await expect(db.owner.query(`UPDATE execution_order_events SET status = 'filled'`)).rejects.toMatchObject({
      code: '23001',
    });
  });
});

describe('boot check', () => {
  it('[E4] passes as torghut_app on a migrated database and names what is wrong otherwise', async () => {
    const db = await testDatabase();
    try {
      expect(await checkBoot(db.app, { now })).toEqual({
        ok: true,
        checkedAt: now,
        schemaVersion,
        expectedVersion: schemaVersion,
        schemaCompatible: true,
        missingPrivileges: [],
        controlsReadable: true,
        problems: [],
      });

      await db.owner.query('REVOKE INSERT ON research_promotions FROM torghut_app');
      await db.owner.query('REVOKE UPDATE (cleared_by) ON trading_controls FROM torghut_app');
      await db.owner.query('REVOKE USAGE ON SEQUENCE fencing_token FROM torghut_app');
      await db.owner.query('REVOKE EXECUTE ON FUNCTION next_fencing_token() FROM torghut_app');
      const revoked = await checkBoot(db.app, { now });
      expect(revoked.ok).toBe(false);
      expect(revoked.missingPrivileges).toEqual([
        'EXECUTE on next_fencing_token()',
        'INSERT on research_promotions',
        'UPDATE on trading_controls.cleared_by',
        'USAGE on fencing_token',
      ]);

      await db.owner.query('REVOKE SELECT ON trading_controls FROM torghut_app');
      expect(await checkBoot(db.app, { now })).toMatchObject({ ok: false, controlsReadable: false });

      await db.owner.query('DELETE FROM schema_migrations WHERE version = $1', [schemaVersion]);
      const older = await checkBoot(db.app, { now });
      expect(older.schemaVersion).not.toBe(schemaVersion);
      expect(older.problems.join('\n')).toContain(`${schemaVersion} expected; run the migrations`);
    } finally {
      await db.close();
    }
  });

  it.each([
    ['works with code of this version', schemaVersion, []],
    ['works with older code, too', '0001', []],
    [
      'needs newer code',
      '9000',
      [
        `schema version 9001 found, ${schemaVersion} expected; the database needs code of version 9000 or later, deploy that`,
      ],
    ],
  ])('meets a database that is ahead and %s', async (_title, compatibleFrom, problems) => {
    const db = await testDatabase();
    try {
      await db.owner.query(
        `INSERT INTO schema_migrations (version, checksum, compatible_from) VALUES ('9001', repeat('a', 64), $1)`,
        [compatibleFrom],
      );
      expect(await checkBoot(db.app, { now })).toMatchObject({
        ok: problems.length === 0,
        schemaVersion: '9001',
        schemaCompatible: problems.length === 0,
        problems,
      });
    } finally {
      await db.close();
    }
  });

  it('refuses a database that is ahead and does not say with what it works', async () => {
    const db = await testDatabase();
    try {
      await db.owner.query('ALTER TABLE schema_migrations DROP COLUMN compatible_from');
      expect(await checkBoot(db.app, { now })).toMatchObject({ ok: true });
      await db.owner.query(`INSERT INTO schema_migrations (version, checksum) VALUES ('9001', repeat('a', 64))`);
      expect(await checkBoot(db.app, { now })).toMatchObject({ ok: false, schemaCompatible: false });
    } finally {
      await db.close();
    }
  });

  it('fails on a database without a schema and on one that does not answer, and does not throw', async () => {
    const db = await testDatabase({ empty: true });
    try {
      const empty = await checkBoot(db.app, { now });
      expect(empty).toMatchObject({ ok: false, schemaVersion: null, controlsReadable: false });
      expect(empty.missingPrivileges).toContain('SELECT on executions');
      const gone = { query: () => Promise.reject(new Error('connection refused')) } as unknown as pg.Pool;
      expect(await checkBoot(gone, { now })).toMatchObject({ ok: false, controlsReadable: false });
    } finally {
      await db.close();
    }
  });

  it('gives up once on a database that hangs, within 10 s, and says so in one line', async () => {
    const db = await testDatabase();
    const holder = await db.owner.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE trading_controls IN ACCESS EXCLUSIVE MODE');
      const began = performance.now();
      const hung = await checkBoot(db.app, { now });
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(hung).toMatchObject({ ok: false, schemaVersion: null, schemaCompatible: false, controlsReadable: false });
      expect(hung.problems).toEqual(['the database cannot be asked: Query read timeout']);
      await holder.query('ROLLBACK');
      expect(await checkBoot(db.app, { now })).toMatchObject({ ok: true });
    } finally {
      holder.release();
      await db.close();
    }
  });
});

describe('roles', () => {
  it('are set up by an administrator who is not the owner, and temporary tables are refused', async () => {
    const db = await testDatabase({ empty: true });
    const client = new pg.Client({ connectionString: db.url('postgres') });
    await client.connect();
    try {
      await migratePostgres(client, postgresMigrations);
      const { rows } = await client.query<{ owners: string[] }>(
        `SELECT array_agg(DISTINCT tableowner::text) AS owners FROM pg_tables WHERE schemaname = 'public'`,
      );
      expect(rows[0]!.owners).toEqual(['torghut_owner']);
      await expect(db.app.query('CREATE TEMP TABLE order_state_transitions (id int)')).rejects.toMatchObject(denied);
    } finally {
      await client.end();
      await db.close();
    }
  });
});
