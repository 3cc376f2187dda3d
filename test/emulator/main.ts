import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MachineError } from '../../infra/local/machine-error.ts';
import { type Arguments, parseArguments, usage, UsageError } from './arguments.ts';
import { Commands } from './child.ts';
import { ClaimFailed } from './claim.ts';
import { emulate } from './emulate.ts';
import type { Machine } from './machine.ts';
import { Report } from './report.ts';

const root = join(import.meta.dirname, '../..');

/** Ends everything on an interrupt, then the process: whatever is under way fails and is not listened to. */
const onInterrupt = (cleanup: AsyncDisposableStack): void => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.stdout.write(`\n${signal}: stopping\n`);
      void cleanup.disposeAsync().finally(() => process.exit(130));
    });
  }
};

const run = async (options: Arguments): Promise<void> => {
  await using cleanup = new AsyncDisposableStack();
  onInterrupt(cleanup);
  const directory = await mkdtemp(join(tmpdir(), 'torghut-emulator-'));
  cleanup.defer(() => rm(directory, { recursive: true, force: true }));
  const commands = cleanup.use(new Commands());
  const machine: Machine = { root, directory, commands, cleanup };
  const report = new Report();
  try {
    await emulate(machine, report, options);
  } finally {
    report.end();
    if (options.jsonFile !== null) await report.write(options.jsonFile);
  }
};

try {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) process.stdout.write(`${usage}\n`);
  else await run(options);
} catch (error) {
  // A claim that failed has been printed with what was found instead.
  if (!(error instanceof ClaimFailed)) {
    const plain = error instanceof UsageError || error instanceof MachineError;
    const text = plain ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`emulator: ${text}\n`);
  }
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
