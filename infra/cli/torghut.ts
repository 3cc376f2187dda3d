/**
 * `npx torghut <command>`. Every command is a program of its own: it reads its words from `process.argv`, prints its own
 * `--help` and sets the exit code (2: words it cannot carry out).
 */

interface Command {
  readonly summary: string;
  readonly program: () => Promise<unknown>;
}

const commands: Readonly<Record<string, Command>> = {
  'verify-deployment': {
    summary: 'evidence that a deployment works, one line per check; fails with a reason',
    program: () => import('./verify-deployment/main.ts'),
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
