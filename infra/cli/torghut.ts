/**
 * `npx torghut <command>`. Every command is a program of its own: it reads its words from `process.argv`, prints its own
 * `--help` and sets the exit code (2: words it cannot carry out).
 */

import type { CommandDefinition } from './operator/command.ts';

interface Command {
  readonly summary: string;
  readonly program: () => Promise<unknown>;
}

const askOperatorApi = async <Plan>(command: CommandDefinition<Plan>): Promise<void> => {
  const { runCommand } = await import('./operator/command.ts');
  process.exitCode = await runCommand(command, process.argv.slice(2));
};

const commands: Readonly<Record<string, Command>> = {
  'verify-deployment': {
    summary: 'evidence that a deployment works, one line per check; fails with a reason',
    program: () => import('./verify-deployment/main.ts'),
  },
  why: {
    summary: 'one order or decision from signal to profit, from stored rows',
    program: async () => askOperatorApi((await import('./why/command.ts')).command),
  },
  'burn-in': {
    summary: 'what 24 hours of paper trading show, with a verdict, as evidence',
    program: async () => askOperatorApi((await import('./burn-in/command.ts')).command),
  },
  control: {
    summary: 'list, engage or release what stops orders: kill switch, reduce-only, trading',
    program: async () => askOperatorApi((await import('./control.ts')).command),
  },
  adapter: {
    summary: 'list adapters, and enable, disable, canary or review one, for all symbols or one',
    program: async () => askOperatorApi((await import('./adapter.ts')).command),
  },
  breaks: {
    summary: 'reconciliation breaks that wait for a person: list, accept, escalate',
    program: () => import('./breaks.ts'),
  },
  verify: {
    summary: 'evidence, offline with public keys only: a file, a research run, or the chain over the ledger',
    program: () => import('./verify/main.ts'),
  },
  reproduce: {
    summary: 'evaluate a research run again from what it stored: the same candidate hash, verdict and reports',
    program: () => import('./reproduce/main.ts'),
  },
  replay: {
    summary: 'make the decisions of live windows again from the stored stream, and compare them bit by bit',
    program: () => import('./replay/main.ts'),
  },
  'signing-key': {
    summary: 'publish the public key that signs the evidence of an environment',
    program: () => import('./signing-key/main.ts'),
  },
  research: {
    summary: 'evaluate strategies on bars with signed evidence, or hand evidence that was not stored on again',
    program: () => import('./research/main.ts'),
  },
  database: {
    summary: 'migrate a ledger as its owner, or derive the routes of imported executions',
    program: () => import('./database.ts'),
  },
};

const widest = Math.max(...Object.keys(commands).map((name) => name.length));
const usage = [
  'usage: npx torghut <command> [options]',
  ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(widest)}  ${summary}`),
  'npx torghut <command> --help lists the options of a command.',
].join('\n');

const [node = '', script = '', name, ...words] = process.argv;

if (name === '--help') {
  console.log(usage);
} else if (name !== undefined && Object.hasOwn(commands, name)) {
  process.argv = [node, script, ...words];
  await commands[name]?.program();
} else {
  console.error(`expected a command, found ${name === undefined ? 'none' : `"${name}"`}\n${usage}`);
  process.exitCode = 2;
}
