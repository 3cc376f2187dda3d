import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

const command = join(import.meta.dirname, '../../../infra/cli/database.ts');
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase({ empty: true });
});
afterAll(() => database.close());

const run = async (...words: readonly string[]): Promise<{ code: number; output: string }> => {
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', command, ...words],
      { env: { ...process.env, DATABASE_URL: database.url('torghut_owner') } },
    );
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, output: stderr };
  }
};

/** Each command is a process that loads the whole platform. */
const processes = { timeout: 90_000 };

it('brings an empty ledger up to this release, closed, and changes nothing when repeated', processes, async () => {
  expect(await run('migrate', '--account', 'paper')).toMatchObject({ code: 0 });
  const { rows } = await database.readonly.query<{ control: string; engaged: boolean }>(
    `SELECT control, engaged FROM trading_controls WHERE control IN ('kill_switch', 'trading_enabled') ORDER BY control`,
  );
  expect(rows).toEqual([
    { control: 'kill_switch', engaged: true },
    { control: 'trading_enabled', engaged: false },
  ]);
  const stages = await database.readonly.query<{ stage: string }>('SELECT DISTINCT stage FROM capital_stages');
  expect(stages.rows).toEqual([{ stage: 'shadow' }]);
  expect((await run('migrate', '--account', 'paper')).output).toContain('applied: nothing new');
});

it('[E3] prints what a backfill would change and writes only with --apply', async () => {
  expect((await run('backfill')).output).toContain('nothing was written');
});

it('refuses a wrong account and a wrong command with one line and exit code 2', processes, async () => {
  expect(await run('migrate', '--account', 'Paper')).toMatchObject({
    code: 2,
    output: '--account: expected lower-case letters, digits, _ or -, found "Paper"; --help lists the options\n',
  });
  expect((await run('nope')).code).toBe(2);
});
