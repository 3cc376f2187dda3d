import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres } from '../../../../infra/local/engines/postgres.ts';
import type { LocalPostgres } from '../../../../infra/local/engines/postgres.ts';

let root: string;
let dataDir: string;
const servers: LocalPostgres[] = [];

const start = async (persistent: boolean): Promise<LocalPostgres> => {
  const server = await startPostgres({ dataDir, persistent });
  servers.push(server);
  return server;
};
const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'torghut-engine-'));
  // The server may run under another account than the test.
  await chmod(root, 0o755);
  dataDir = join(root, 'cluster');
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  // A watchdog may be removing the same files.
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

describe('embedded PostgreSQL', () => {
  it('is PostgreSQL 18 on the loopback address, with the three roles behind a password', async () => {
    const server = await start(false);
    await server.createDatabase('torghut');
    await server.createDatabase('torghut');
    for (const role of ['torghut_owner', 'torghut_app', 'torghut_readonly'] as const) {
      const client = await connect(server.url(role, 'torghut'));
      const { rows } = await client.query<{ role: string; version: string; address: string }>(
        `SELECT current_user::text AS role, current_setting('server_version_num')::int / 10000 AS version,
           current_setting('listen_addresses') AS address`,
      );
      expect(rows).toEqual([{ role, version: 18, address: '127.0.0.1' }]);
      await client.end();
    }
    const wrong = server.url('torghut_app', 'torghut').replace(server.password, 'wrong');
    await expect(connect(wrong)).rejects.toMatchObject({ code: '28P01' });
  });

  it('lets in by a Unix socket in its own directory, with the password', async () => {
    const { socketDirectory, port, password } = await start(false);
    expect(socketDirectory).toBe(dataDir);
    const login = { host: dataDir, port, user: 'torghut_app', database: 'postgres' };
    const client = new pg.Client({ ...login, password });
    await client.connect();
    const { rows } = await client.query('SELECT inet_client_addr() AS address');
    await client.end();
    expect(rows).toEqual([{ address: null }]);
    await expect(new pg.Client({ ...login, password: 'wrong' }).connect()).rejects.toMatchObject({ code: '28P01' });
  });

  it.each([
    ['too long for a socket', 'c'.repeat(90)],
    ['one that a list of directories would cut', 'one,two'],
  ])('starts without a Unix socket where the path is %s', async (_what, name) => {
    dataDir = join(root, name);
    const server = await start(false);
    expect(server.socketDirectory).toBeNull();
    const client = await connect(server.url('torghut_app', 'postgres'));
    await client.end();
  });

  it('removes a throwaway cluster when it stops', async () => {
    const server = await start(false);
    await server.stop();
    expect(existsSync(dataDir)).toBe(false);
  });

  it('keeps the data of a persistent cluster, and its writes are durable', async () => {
    const first = await start(true);
    await first.createDatabase('kept');
    await first.stop();
    const second = await start(true);
    const client = await connect(second.url('torghut_owner', 'kept'));
    const { rows } = await client.query(
      `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit, current_setting('full_page_writes') AS pages`,
    );
    await client.end();
    expect(rows).toEqual([{ fsync: 'on', commit: 'on', pages: 'on' }]);
  });

  it('takes over from a server left running on the same directory', async () => {
    const left = await start(true);
    const client = await connect(left.adminUrl());
    const ended = new Promise((done) => client.once('end', done));
    const next = await start(true);
    await ended;
    const again = await connect(next.adminUrl());
    await again.end();
  });

  it('does not touch a process that has the number of a server long gone', async () => {
    await (await start(true)).stop();
    await writeFile(join(dataDir, 'postmaster.pid'), `${process.pid}\n${dataDir}\n`);
    const client = await connect((await start(true)).adminUrl());
    await client.end();
  });

  it('refuses a directory with other files in it', async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'notes.txt'), 'mine');
    await expect(start(true)).rejects.toThrow(
      /expected an empty directory or a PostgreSQL cluster of ours, found other files/,
    );
    expect(await readFile(join(dataDir, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it.each([true, false])('ends when its owner is killed (persistent: %s)', async (persistent) => {
    const engine = resolve(import.meta.dirname, '../../../../infra/local/engines/postgres.ts');
    const program = `
      const { startPostgres } = await import(${JSON.stringify(engine)});
      const server = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, persistent: ${persistent} });
      console.log(server.adminUrl());
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [url] = (await once(owner.stdout, 'data')) as [Buffer];
    const client = await connect(url.toString().trim());
    const ended = new Promise((done) => client.once('end', done));
    owner.kill('SIGKILL');
    await ended;
    expect(owner.signalCode ?? (await once(owner, 'exit'))[1]).toBe('SIGKILL');
  });
});
