import { type AccountLabel, schemaVersion } from '@torghut/domain';
import { backfillProvenance, describePreparation, prepareLedger } from '@torghut/platform';
import type pg from 'pg';
import { deployedRelease } from '../local/catalog.ts';
import { runCommand, withLedger } from './ledger-connection.ts';
import { foundWords, parseWords, readAccount, UsageError } from './options.ts';

/**
 * What is done to a ledger as its owner: `migrate` brings schema, feature contract, strategy catalog and the initial rows
 * of an account up to this release; `backfill` derives the route of imported executions. The connection is DATABASE_URL,
 * so that no password stands in a process list.
 */
const usage = `usage: npm run database -- migrate --account LABEL | backfill [--apply]
  migrate    apply the migrations, register the feature contract, sync infra/strategies.yaml, seed the account's controls
             (kill switch engaged, trading and autonomy off) and put enabled strategies into shadow
  backfill   route provenance of imported executions: counts per outcome, written only with --apply
DATABASE_URL is the connection of a member of torghut_owner.`;

const migrate = async (client: pg.Client, account: AccountLabel): Promise<void> => {
  const prepared = await prepareLedger(client, await deployedRelease(), {
    accountLabel: account,
    killSwitch: true,
    tradingEnabled: false,
    autonomyEnabled: false,
    tradingMode: 'paper',
    stage: 'shadow',
    actor: 'npm run database',
    at: Date.now(),
  });
  for (const line of describePreparation(prepared, schemaVersion)) console.log(line);
};

const backfill = async (client: pg.Client, dryRun: boolean): Promise<void> => {
  await client.query('SET ROLE torghut_owner');
  const report = await backfillProvenance(client, { dryRun });
  for (const { expected, actual, rows, changed } of report.outcomes)
    console.log(
      `expected ${expected}, actual ${actual}: ${rows} rows, ${changed} ${dryRun ? 'would change' : 'changed'}`,
    );
  const coverage = report.coverage === null ? 'no rows' : `${(report.coverage * 100).toFixed(2)} % known`;
  console.log(
    `${report.rows} imported executions, ${coverage}${dryRun ? '; nothing was written, --apply writes' : ''}`,
  );
};

const main = async (): Promise<void> => {
  const { values, positionals } = parseWords(process.argv.slice(2), {
    account: { type: 'string' },
    apply: { type: 'boolean' },
    help: { type: 'boolean' },
  });
  if (values.help === true) {
    console.log(usage);
    return;
  }
  const [command, ...rest] = positionals;
  if ((command !== 'migrate' && command !== 'backfill') || rest.length > 0)
    throw new UsageError(`expected migrate or backfill, found ${foundWords(positionals)}\n${usage}`);
  const account = command === 'migrate' ? readAccount(values.account) : null;
  await withLedger('torghut-database', (client) =>
    account === null ? backfill(client, values.apply !== true) : migrate(client, account),
  );
};

await runCommand(main);
