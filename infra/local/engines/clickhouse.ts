import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

export interface LocalClickHouse {
  /** Origin of the HTTP interface. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface LocalClickHouseOptions {
  /** Kept between starts; made when missing. Only one process may use it at a time. */
  readonly dataDir: string;
  /** Any free one by default. */
  readonly port?: number;
  /** Without it every user is let in. */
  readonly credentials?: { readonly username: string; readonly password: string };
}

const server = fileURLToPath(new URL('./clickhouse-server.ts', import.meta.url));
const readiness = z.object({ port: z.number() });
/** Threads for queries that run at once; abandoned ones hold theirs until they are cancelled. */
const engineThreads = '16';

/**
 * Starts the embedded ClickHouse engine in a child process, serving the HTTP interface on the loopback address. The
 * child ends with this process, however that ends.
 */
export const startClickHouse = async (options: LocalClickHouseOptions): Promise<LocalClickHouse> => {
  await mkdir(options.dataDir, { recursive: true });
  const child = fork(server, [options.dataDir, String(options.port ?? 0)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: {
      ...process.env,
      UV_THREADPOOL_SIZE: engineThreads,
      ...(options.credentials === undefined
        ? {}
        : { CLICKHOUSE_LOCAL_CREDENTIALS: JSON.stringify(options.credentials) }),
    },
  });
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4_000);
  });
  const exited = once(child, 'exit');
  const first = await Promise.race([
    once(child, 'message').then(([message]: unknown[]) => message),
    exited.then(() => null),
  ]);
  if (first === null)
    throw new Error(`the ClickHouse engine did not start on ${options.dataDir}: ${complaints.trim()}`);
  return {
    url: `http://127.0.0.1:${readiness.parse(first).port}`,
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
};
