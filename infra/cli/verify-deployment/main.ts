import { writeFileSync } from 'node:fs';
import { toText } from '@torghut/domain';
import { systemClock } from '@torghut/platform';
import { UsageError } from '../options.ts';
import { type Arguments, parseArguments, usage } from './arguments.ts';
import { awsClients } from './aws.ts';
import { exitCodeOf, linesOf, type Verification, verifyWithin } from './verify.ts';

/** `npx torghut verify-deployment`: the evidence that a deployment works, one line per check. */

const writeJson = (file: string, { environment }: Arguments, verification: Verification): void => {
  const { region, since, results } = verification;
  const report = {
    environment,
    region,
    since: since === null ? null : toText(since),
    exit_code: exitCodeOf(verification),
    checks: results.map(({ readAt, ...result }) => ({ ...result, read_at: toText(readAt) })),
  };
  try {
    writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new UsageError(`--json: expected a file that can be written, found ${(error as Error).message}`);
  }
};

const waitingFor = ({ results }: Verification): string =>
  results
    .filter(({ outcome, allowed }) => outcome === 'fail' || (outcome === 'unknown' && !allowed))
    .map(({ name, outcome }) => `${name} (${outcome})`)
    .join(', ');

const run = async (given: Arguments): Promise<number> => {
  const verification = await verifyWithin(
    { ...given, clock: systemClock, aws: awsClients(given) },
    given.waitSeconds * 1_000,
    (unfinished) => {
      console.error(`${toText(systemClock.now())} waiting for ${waitingFor(unfinished)}`);
    },
  );
  const { region, since, results } = verification;
  for (const line of linesOf(verification)) console.log(line);
  const number = (outcome: string): number => results.filter((result) => result.outcome === outcome).length;
  const where = region === null ? '' : ` in ${region}, evidence since ${since === null ? 'never' : toText(since)}`;
  console.log(
    `${given.stackPrefix}*${where}: ${number('ok')} ok, ${number('fail')} failed, ${number('unknown')} unknown`,
  );
  if (given.jsonFile !== null) writeJson(given.jsonFile, given, verification);
  return exitCodeOf(verification);
};

try {
  const given = parseArguments(process.argv.slice(2));
  if (given.help) console.log(usage);
  else process.exitCode = await run(given);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
