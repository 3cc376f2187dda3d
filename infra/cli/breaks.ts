import { breakEnding, breakHandling, type AccountLabel } from '@torghut/domain';
import { decideBreak, listStandingBreaks, type BreakDecision, type DecidedBreak } from '@torghut/platform';
import type pg from 'pg';
import { runCommand, withLedger } from './ledger-connection.ts';
import { foundWords, parseWords, readAccount, UsageError } from './options.ts';

/**
 * Reconciliation breaks that wait for a person: `list` shows them, `accept` and `escalate` decide one. The connection is
 * DATABASE_URL, so that no password stands in a process list.
 */
const usage = `usage: npx torghut breaks --account LABEL list | accept ID | escalate ID, both with --actor NAME --reason TEXT
  list       open and escalated breaks, critical ones first: how each ends, and since when a run no longer shows it
  accept     adopt what the broker says: positions and cash count from it; of a difference that is gone nothing is
             adopted. What the break contained is free again, but for adapters that were closed to the symbol: those
             are opened with torghut adapter
  escalate   leave it to somebody else; what it contains stays contained
  --actor    who decides; --reason why, in 3 to 1000 characters: both are kept with the break
DATABASE_URL is the connection of a member of torghut_app.`;

const list = async (client: pg.Client, account: AccountLabel): Promise<void> => {
  const breaks = await listStandingBreaks(client, account);
  for (const row of breaks) {
    const about = [row.symbol, row.order_ref].filter((part) => part !== null).join(' ');
    console.log(`${row.id}  ${row.created_at}  ${row.status} ${row.severity}  ${row.break_type}  ${about}`);
    console.log(`  ours ${JSON.stringify(row.ours)}, theirs ${JSON.stringify(row.theirs)}`);
    console.log(`  ends: ${breakEnding(row.break_type)}`);
    if (row.agrees_since !== null)
      console.log(`  agrees since the run of ${row.agrees_since}: accepting it closes it and adopts nothing`);
  }
  console.log(`${breaks.length} breaks of ${account} wait for a person`);
};

/** A failure before the end closes the connection, and nothing was decided. */
const inTransaction = async <T>(client: pg.Client, work: () => Promise<T>): Promise<T> => {
  await client.query('BEGIN');
  const result = await work();
  await client.query('COMMIT');
  return result;
};

const told = ({ break_type, symbol, status, agrees_since }: DecidedBreak, actor: string): string => {
  const about = [break_type, symbol].filter((word) => word !== null).join(' ');
  if (agrees_since !== null)
    return `${about} closed by ${actor}: it agrees since the run of ${agrees_since}, and nothing was adopted`;
  const adopts = status === 'accepted' && breakHandling[break_type].foundAnew;
  return `${about} ${status} by ${actor}${adopts ? ': counted from what the broker said' : ''}`;
};

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const decisions: Readonly<Record<string, BreakDecision>> = { accept: 'accepted', escalate: 'escalated' };

const main = async (): Promise<void> => {
  const { values, positionals } = parseWords(process.argv.slice(2), {
    account: { type: 'string' },
    actor: { type: 'string' },
    reason: { type: 'string' },
    help: { type: 'boolean' },
  });
  if (values.help === true) {
    console.log(usage);
    return;
  }
  const [command = '', id, ...rest] = positionals;
  const decision = decisions[command];
  const account = readAccount(values.account);
  if (rest.length > 0 || (command === 'list' ? id !== undefined : decision === undefined || id === undefined))
    throw new UsageError(`expected list, accept ID or escalate ID, found ${foundWords(positionals)}\n${usage}`);
  if (id !== undefined && !uuidPattern.test(id))
    throw new UsageError(`expected the id of a break, as torghut breaks list shows it, found "${id}"`);
  const actor = values.actor?.trim() ?? '';
  if (decision !== undefined && (actor === '' || actor.length > 128))
    throw new UsageError('--actor: expected who decides, in at most 128 characters');
  const reason = values.reason?.trim() ?? '';
  if (decision !== undefined && (reason.length < 3 || reason.length > 1_000))
    throw new UsageError(`--reason: expected why, in 3 to 1000 characters, found ${foundWords([reason])}`);
  await withLedger('torghut-breaks', async (client) => {
    if (decision === undefined || id === undefined) {
      await list(client, account);
      return;
    }
    const decided = await inTransaction(client, () => decideBreak(client, account, id, decision, actor, reason));
    if (decided === null)
      throw new UsageError(
        `expected an open or escalated break ${id} of ${account}, found none: see torghut breaks list`,
      );
    console.log(told(decided, actor));
  });
};

await runCommand(main);
