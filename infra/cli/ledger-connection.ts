import pg from 'pg';
import { UsageError } from './options.ts';

interface LedgerOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** How values are read; those of the driver unless given. */
  readonly types?: pg.CustomTypesConfig;
}

/**
 * Works on the ledger that DATABASE_URL names, so that no password stands in a process list.
 * @throws UsageError without DATABASE_URL; Error when the database cannot be reached or goes away
 */
export const withLedger = async <Result>(
  applicationName: string,
  work: (client: pg.Client) => Promise<Result>,
  { environment = process.env, types }: LedgerOptions = {},
): Promise<Result> => {
  const connectionString = environment['DATABASE_URL'];
  if (connectionString === undefined) throw new UsageError('DATABASE_URL: expected a postgres:// URL, found none');
  const client = new pg.Client({
    connectionString,
    application_name: applicationName,
    ...(types === undefined ? {} : { types }),
  });
  // A connection that drops between statements says so here only; the next statement then fails with one line.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    // A host of several addresses fails with an error for each and no message of its own.
    const [first = error] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
    const found = first instanceof Error ? first.message : String(first);
    throw new Error(`DATABASE_URL: expected a database that lets us in, found: ${found}`, { cause: error });
  }
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** Runs a command to its exit code: 0, 2 for a command line that cannot be carried out, 1 for what failed. */
export const runCommand = async (main: () => Promise<void>): Promise<void> => {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
};
