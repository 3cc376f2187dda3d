import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { UsageError } from '../../infra/cli/options.ts';
import { MachineError } from '../../infra/local/machine-error.ts';
import { type Arguments, parseArguments, usage } from './arguments.ts';
import { Commands } from './child.ts';
import { ClaimFailed } from './claim.ts';
import { emulate } from './emulate.ts';
import type { Machine } from './machine.ts';
import { Report } from './report.ts';

const root = join(import.meta.dirname, '../..');

/** What is starting when the run is interrupted gets this long to be something that can be ended. */
const patienceMs = 5_000;

/**
 * Interrupting ends what runs, then the process. Not just the first signal is taken: npm passes on the one that the
 * terminal has sent here already, and the second would end this process before it has cleaned up.
 */
const listenForInterruption = () => {
  const stop = new AbortController();
  let exitCode: number | null = null;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (exitCode !== null) return;
      exitCode = 128 + constants.signals[signal];
      process.stdout.write(`\n${signal}: stopping\n`);
      stop.abort();
    });
  }
  return { signal: stop.signal, exitCode: () => exitCode };
};

const run = async (options: Arguments): Promise<void> => {
  const interruption = listenForInterruption();
  await using cleanup = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'torghut-emulator-'));
  cleanup.defer(() => rm(directory, { recursive: true, force: true }));
  const commands = cleanup.use(new Commands());
  const machine: Machine = { root, directory, commands, cleanup, interrupted: interruption.signal };
  const report = new Report();
  const work = emulate(machine, report, options);
  const interrupted = once(interruption.signal, 'abort').then(async () => {
    // Whatever is under way fails without its commands.
    await commands[Symbol.asyncDispose]();
    await Promise.race([work.catch(() => undefined), wait(patienceMs)]);
  });
  try {
    await Promise.race([work, interrupted]);
  } finally {
    if (interruption.signal.aborted) {
      await interrupted;
      await cleanup.disposeAsync();
      process.exit(interruption.exitCode());
    }
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
