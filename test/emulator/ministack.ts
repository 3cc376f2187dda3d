import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import tls from 'node:tls';
import { MachineError } from '../../infra/local/machine-error.ts';
import { type Command, endGroup } from './child.ts';
import type { Machine } from './machine.ts';

export interface MiniStack {
  readonly url: string;
  /** PEM of the certificate that the endpoint shows. */
  readonly certificateFile: string;
  readonly logFile: string;
}

const here = import.meta.dirname;
const requirementsFile = join(here, 'requirements.txt');

/** Its shebang lines carry its place, so it is built where it stays; the mark says that it is whole. */
const environmentName = 'emulator-venv';

const runOrFail = async ({ commands }: Machine, command: Command, purpose: string): Promise<void> => {
  const { code, output } = await commands.run(command).catch((error: unknown) => {
    throw new MachineError(`${purpose}: expected ${command.program} on the PATH, ${(error as Error).message}`);
  });
  if (code !== 0)
    throw new MachineError(
      `${purpose} failed (exit code ${code}):\n${output.trim().split('\n').slice(-15).join('\n')}`,
    );
};

const inherited = (): Record<string, string> =>
  Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** Python of a virtual environment with exactly the pinned packages; made when the list of packages changed. */
const pythonOf = async (machine: Machine): Promise<string> => {
  const home = join(machine.root, '.torghut', environmentName);
  const python = join(home, 'bin/python');
  const mark = join(home, 'requirements.sha256');
  const digest = createHash('sha256')
    .update(await readFile(requirementsFile))
    .digest('hex');
  if (existsSync(mark) && (await readFile(mark, 'utf8')) === digest && existsSync(python)) return python;

  const command = (program: string, words: readonly string[]): Command => ({
    program,
    words,
    environment: inherited(),
    directory: machine.root,
    limitSeconds: 300,
  });
  await runOrFail(
    machine,
    command('python3', ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))']),
    'the emulator needs python3, version 3.11 or later, with its modules venv and ensurepip: the check of it',
  );
  await rm(home, { recursive: true, force: true });
  await mkdir(dirname(home), { recursive: true });
  await runOrFail(machine, command('python3', ['-m', 'venv', home]), 'making a virtual environment for the emulator');
  await runOrFail(
    machine,
    command(python, ['-m', 'pip', 'install', '--quiet', '--require-hashes', '--requirement', requirementsFile]),
    'installing the emulator',
  );
  await writeFile(`${mark}.new`, digest);
  await rename(`${mark}.new`, mark);
  return python;
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1');
  return address.port;
};

const isReady = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/_ministack/health`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    // Refused until it listens.
    return false;
  }
};

const longestStartMs = 30_000;

/**
 * Starts MiniStack on a free loopback port, with IAM enforcement and TLS: the queues' and buckets' policies refuse
 * plain HTTP, as on AWS. State lies in the run's directory. This process trusts its certificate from now on.
 * @throws MachineError when Python is missing or too old, or the emulator does not start
 */
export const startMiniStack = async (machine: Machine): Promise<MiniStack> => {
  const python = await pythonOf(machine);
  const home = await mkdtemp(join(machine.directory, 'ministack-'));
  const certificateFile = join(home, 'certificate.pem');
  const keyFile = join(home, 'key.pem');
  await runOrFail(
    machine,
    {
      program: python,
      words: [join(here, 'certificate.py'), certificateFile, keyFile],
      environment: inherited(),
      directory: home,
      limitSeconds: 60,
    },
    'making a certificate for the emulator',
  );
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), await readFile(certificateFile, 'utf8')]);

  const port = await freePort();
  machine.interrupted.throwIfAborted();
  const url = `https://127.0.0.1:${port}`;
  const logFile = join(home, 'ministack.log');
  const child = spawn(python, [join(here, 'start_ministack.py')], {
    cwd: home,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Functions run as its children and inherit this environment, so it holds nothing of ours but the way to Node 24.
    env: {
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: home,
      TMPDIR: home,
      STATE_DIR: join(home, 'state'),
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      // Else it takes a fixed port on every interface.
      IOT_MTLS_ENABLED: '0',
      AUTH: 'true',
      USE_SSL: '1',
      MINISTACK_SSL_CERT: certificateFile,
      MINISTACK_SSL_KEY: keyFile,
    },
  });
  machine.cleanup.defer(() => endGroup(child));
  const log = createWriteStream(logFile);
  child.stdout.pipe(log);
  child.stderr.pipe(log);

  const giveUpAt = Date.now() + longestStartMs;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      const tail = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-15).join('\n');
      throw new MachineError(`expected the emulator to answer on ${url}, found this in its log:\n${tail}`);
    }
    await wait(100);
  }
  return { url, certificateFile, logFile };
};
