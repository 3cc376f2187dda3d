import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

const directory = join(import.meta.dirname, '../../../infra/runbooks');

/** SQL of the pages, without what is for ClickHouse. */
const blocks = readdirSync(directory).flatMap((file) =>
  [...readFileSync(join(directory, file), 'utf8').matchAll(/^```sql\n(.*?)^```/gms)].flatMap(([, sql]) =>
    sql!.startsWith('-- ClickHouse') ? [] : [[file, sql!] as const],
  ),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe('statements of the runbooks', () => {
  it.each(blocks.filter(([, sql]) => sql.startsWith('SELECT')))('%s: runs as a reader: %s', async (_file, sql) => {
    await expect(database.readonly.query(sql)).resolves.toBeDefined();
  });

  it.each(blocks.filter(([, sql]) => sql.startsWith('BEGIN')))('%s: runs as the owner: %s', async (_file, sql) => {
    await expect(database.owner.query(sql)).resolves.toBeDefined();
    // A second change supersedes the first.
    await expect(database.owner.query(sql)).resolves.toBeDefined();
  });

  it('finds every block', () => {
    expect(blocks.every(([, sql]) => /^(SELECT|BEGIN)/.test(sql))).toBe(true);
    expect(blocks.length).toBeGreaterThan(30);
  });
});
