import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { deathVariable, type Death } from './die-at.ts';

const main = resolve(import.meta.dirname, '../../../infra/local/main.ts');
const preload = resolve(import.meta.dirname, 'die-at.ts');

export interface RunOptions {
  readonly barsDirectory: string;
  readonly dataDirectory: string;
  readonly lean?: 'flaky';
  /** Where on an order's way the process dies; nowhere unless given. */
  readonly death?: Death;
  /** Compiled code kept between runs, so that a start costs less. */
  readonly compileCache: string;
}

/** One process of the one-machine deployment, as `npm start -- --exit` runs it. */
export class LocalRun {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  constructor({ barsDirectory, dataDirectory, lean, death, compileCache }: RunOptions) {
    const words = ['--exit', '--bars', barsDirectory, '--data', dataDirectory, '--port', '0'];
    this.#child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        ...(death === undefined ? [] : ['--import', preload]),
        main,
        ...words,
        ...(lean === undefined ? [] : ['--lean', lean]),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          NODE_COMPILE_CACHE: compileCache,
          ...(death === undefined ? {} : { [deathVariable]: JSON.stringify(death) }),
        },
      },
    );
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#ended = once(this.#child, 'close').then(() => undefined);
  }

  /** Resolves when the replay begins, or the process ends. */
  async started(): Promise<void> {
    const began = new Promise<void>((resolveStarted) => {
      const look = () => {
        if (this.#output.includes('operator API on')) resolveStarted();
      };
      this.#child.stdout?.on('data', look);
      look();
    });
    await Promise.race([began, this.#ended]);
  }

  /** Kills the process after a while, unless it ended before. */
  async killAfter(ms: number): Promise<void> {
    await Promise.race([wait(ms), this.#ended]);
    this.#child.kill('SIGKILL');
  }

  /**
   * Whether the process was killed (true) or came to its own end.
   * @throws Error with its output when that end was a failure.
   */
  async wasKilled(): Promise<boolean> {
    await this.#ended;
    if (this.#child.signalCode === 'SIGKILL') return true;
    if (this.#child.exitCode === 0) return false;
    throw new Error(
      `expected exit code 0, found ${this.#child.exitCode ?? this.#child.signalCode ?? 'none'}:\n${this.#output}`,
    );
  }
}

/** Command lines of living processes that name the directory. */
export const processesOn = async (directory: string): Promise<readonly string[]> => {
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    processes.map((id) => readFile(join('/proc', id, 'cmdline'), 'utf8').catch(() => '')),
  );
  return lines.map((line) => line.replaceAll('\0', ' ').trim()).filter((line) => line.includes(directory));
};
