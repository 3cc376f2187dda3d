import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { breakEnding, type AccountLabel, type BreakType } from '@torghut/domain';
import { listStandingBreaks, recordBreak } from '@torghut/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { insertRow, sampleIds, sampleRow } from '../../support/rows.ts';

const command = join(import.meta.dirname, '../../../infra/cli/breaks.ts');
const account = 'breaks' as AccountLabel;
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const run = async (words: string, url = database.url('torghut_app')): Promise<{ code: number; output: string }> => {
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', command, ...words.split(' ')],
      { env: { ...process.env, DATABASE_URL: url } },
    );
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, output: stderr };
  }
};

/** Each command is a process that loads the whole platform. */
const processes = { timeout: 90_000 };

it('lists what waits for a person, and takes the decision about it once', processes, async () => {
  await insertRow(database.app, 'reconciliation_runs', sampleRow('reconciliation_runs', {}));
  await insertRow(
    database.app,
    'reconciliation_breaks',
    sampleRow('reconciliation_breaks', {
      break_type: 'external_order',
      symbol: 'NVDA',
      severity: 'critical',
      status: 'open',
    }),
  );
  const { rows } = await database.readonly.query<{ id: string }>('SELECT id FROM reconciliation_breaks');
  const id = rows[0]?.id ?? '';
  const listed = await run('--account paper list');
  expect(listed).toMatchObject({ code: 0 });
  expect(listed.output).toContain(id);
  expect(listed.output).toContain('  ends: a person accepts it\n');
  expect(listed.output).toContain('1 breaks of paper wait for a person');
  expect(await run(`--account paper accept ${id} --actor ada --reason checked`)).toEqual({
    code: 0,
    output: 'external_order NVDA accepted by ada\n',
  });
  expect(await run(`--account paper accept ${id} --actor bob --reason checked`)).toMatchObject({ code: 2 });
  const { rows: decided } = await database.readonly.query(
    'SELECT status, status_by, status_reason, status_at IS NOT NULL AS dated FROM reconciliation_breaks',
  );
  expect(decided).toEqual([{ status: 'accepted', status_by: 'ada', status_reason: 'checked', dated: true }]);
  expect((await run('--account paper list')).output).toContain('0 breaks of paper wait for a person');
});

it('tells since when a difference is gone, and closes it without adopting anything', processes, async () => {
  const found = async (type: BreakType, symbol: string | null, identity: string, at: string) =>
    recordBreak(
      database.app,
      { account, runId: sampleIds.reconciliationRun, now: Date.parse(at) },
      { type, symbol, orderRef: null, identity: { identity }, ours: {}, theirs: {}, healed: false },
    );
  const completed = (scope: string, at: string, cash: object = {}) =>
    insertRow(database.app, 'reconciliation_runs', {
      ...sampleRow('reconciliation_runs', {}),
      id: crypto.randomUUID(),
      account_label: account,
      scope,
      status: 'completed',
      scheduled_for: at,
      started_at: at,
      finished_at: at,
      sources: { cash: { facts: cash } },
    });
  /** Kinds that not every run looks for in everything there is. */
  const never = { 'external_order AAPL': null, 'position_avg_price_mismatch AAPL': null };
  const standing = async () =>
    Object.fromEntries(
      (await listStandingBreaks(database.app, account)).map((row) => [
        `${row.break_type} ${row.symbol ?? ''}`,
        row.agrees_since,
      ]),
    );
  await found('position_qty_mismatch', 'AAPL', 'two', '2026-02-13T15:00:00.000Z');
  await found('position_qty_mismatch', 'MSFT', 'one', '2026-02-13T15:00:00.000Z');
  await found('external_order', 'AAPL', 'one', '2026-02-13T15:00:00.000Z');
  await found('position_avg_price_mismatch', 'AAPL', 'one', '2026-02-13T15:00:00.000Z');
  await found('cash_mismatch', null, 'one', '2026-02-13T15:00:00.000Z');
  await completed('orders', '2026-02-13T15:01:00.000Z');
  expect(await standing()).toEqual({
    'position_qty_mismatch AAPL': null,
    'position_qty_mismatch MSFT': null,
    ...never,
    'cash_mismatch ': null,
  });
  await completed('positions', '2026-02-13T15:15:00.000Z');
  // The same finding again, and another of the same kind: neither is an agreement.
  expect(await found('position_qty_mismatch', 'MSFT', 'one', '2026-02-13T15:30:00.000Z')).toBe(false);
  expect(await standing()).toEqual({
    'position_qty_mismatch AAPL': '2026-02-13T15:15:00.000Z',
    'position_qty_mismatch MSFT': null,
    ...never,
    'cash_mismatch ': null,
  });
  // Fees that are still due may hide the difference, and without an opening there is nothing to compare.
  await completed('positions', '2026-02-13T15:45:00.000Z', { difference: '-0.3', provisional: '-0.3' });
  await completed('positions', '2026-02-13T16:00:00.000Z', { difference: null, provisional: null });
  expect(await standing()).toMatchObject({ 'cash_mismatch ': null });
  await completed('positions', '2026-02-13T16:15:00.000Z', { difference: '0.01', provisional: '0' });
  expect(await standing()).toMatchObject({ 'cash_mismatch ': '2026-02-13T16:15:00.000Z' });
  await completed('nightly', '2026-02-14T10:00:00.000Z');
  expect(await standing()).toMatchObject({
    'position_qty_mismatch AAPL': '2026-02-13T15:15:00.000Z',
    'position_qty_mismatch MSFT': '2026-02-13T15:45:00.000Z',
    ...never,
  });

  const ids = Object.fromEntries(
    (await listStandingBreaks(database.app, account)).map((row) => [`${row.break_type} ${row.symbol ?? ''}`, row.id]),
  );
  const decide = (word: string, key: string) =>
    run(`--account ${account} ${word} ${ids[key] ?? ''} --actor ada --reason checked`);
  expect((await run(`--account ${account} list`)).output).toContain(
    '  agrees since the run of 2026-02-13T15:15:00.000Z: accepting it closes it and adopts nothing\n',
  );
  expect((await decide('escalate', 'position_qty_mismatch AAPL')).output).toBe(
    'position_qty_mismatch AAPL escalated by ada\n',
  );
  expect((await decide('accept', 'position_qty_mismatch AAPL')).output).toBe(
    'position_qty_mismatch AAPL closed by ada: it agrees since the run of 2026-02-13T15:15:00.000Z, and nothing was adopted\n',
  );
  await found('position_qty_mismatch', 'MSFT', 'one', '2026-02-14T10:30:00.000Z');
  expect((await decide('accept', 'position_qty_mismatch MSFT')).output).toBe(
    'position_qty_mismatch MSFT accepted by ada: counted from what the broker said\n',
  );
  const { rows } = await database.readonly.query(
    `SELECT symbol, status, status_by, healed_at IS NOT NULL AS healed, heal_proof FROM reconciliation_breaks
      WHERE account_label = $1 AND break_type = 'position_qty_mismatch' ORDER BY symbol`,
    [account],
  );
  expect(rows).toEqual([
    {
      symbol: 'AAPL',
      status: 'healed',
      status_by: 'ada',
      healed: true,
      heal_proof: { settled_by: 'agreement', agrees_since: '2026-02-13T15:15:00.000Z' },
    },
    { symbol: 'MSFT', status: 'accepted', status_by: 'ada', healed: false, heal_proof: null },
  ]);
});

it.each<[BreakType, string]>([
  ['fill_missing_locally', 'a person accepts it'],
  ['trade_bust', 'booked as it was found; a person accepts it'],
  ['stuck_pending_cancel', 'by itself, as soon as the order has ended or its outcome is known'],
  [
    'unknown_receipt_aged',
    'by itself, as soon as the order has ended or its outcome is known; the adapters it closed are opened by hand',
  ],
  ['corporate_action_pending', 'a person accepts it; the adapters it closed are opened by hand'],
])('tells of a standing %s that it ends so: %s', (type, ending) => {
  expect(breakEnding(type)).toBe(ending);
});

it.each([
  { words: '--account Paper list', complaint: '--account: expected lower-case letters, digits, _ or -, found "Paper"' },
  { words: '--account paper accept nope --actor ada', complaint: 'expected the id of a break' },
  { words: '--account paper accept 0e37df36-f698-11e6-8dd4-cb9ced3df976', complaint: '--actor: expected who decides' },
  {
    words: '--account paper accept 0e37df36-f698-11e6-8dd4-cb9ced3df976 --actor ada',
    complaint: '--reason: expected why, in 3 to 1000 characters, found none',
  },
  { words: 'list', complaint: '--account: expected lower-case letters, digits, _ or -, found none' },
])('refuses $words with exit code 2', async ({ words, complaint }) => {
  const { code, output } = await run(words);
  expect({ code, output }).toMatchObject({ code: 2, output: expect.stringContaining(complaint) as string });
});

it('says in one line that a database does not let it in', async () => {
  const { code, output } = await run('--account paper list', 'postgres://nobody@localhost:1/nowhere');
  expect(code).toBe(1);
  expect(output).toMatch(/^DATABASE_URL: expected a database that lets us in, found: \S.*\n$/);
});
