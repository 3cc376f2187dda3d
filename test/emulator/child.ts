import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A finished command: its exit code, and everything it wrote to both of its outputs in the order it came. */
export interface Finished {
  readonly code: number;
  readonly output: string;
}

export interface Command {
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** It is ended after this time, and its output says so. */
  readonly limitSeconds: number;
}

/** The leader of a group may be gone while others of it still hold its outputs. */
const isOver = ({ exitCode, signalCode, stdout, stderr }: ChildProcess): boolean =>
  (exitCode !== null || signalCode !== null) && [stdout, stderr].every((stream) => stream?.closed !== false);

/** Asks a whole process group to end, and makes it end after five seconds. Resolves when all who hold its outputs are gone. */
export const endGroup = async (child: ChildProcess): Promise<void> => {
  const { pid } = child;
  if (pid === undefined || isOver(child)) return;
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const gone = once(child, 'close');
  signal('SIGTERM');
  const impatience = setTimeout(() => {
    signal('SIGKILL');
  }, 5_000);
  await gone;
  clearTimeout(impatience);
};

/** Runs commands to their end, each in a process group of its own; whatever still runs when disposed of is ended. */
export class Commands implements AsyncDisposable {
  readonly #running = new Set<ChildProcess>();
  #disposed = false;

  /** @throws Error after the end of the run */
  async run({ program, words, environment, directory, limitSeconds }: Command): Promise<Finished> {
    if (this.#disposed) throw new Error(`${program} is not started: the run has ended`);
    const child = spawn(program, words, {
      cwd: directory,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    let overdue = false as boolean;
    const limit = setTimeout(() => {
      overdue = true;
      output += `\nended after ${limitSeconds} s without an end of its own`;
      void endGroup(child);
    }, limitSeconds * 1_000);
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      return { code: overdue || code === null ? 1 : code, output };
    } finally {
      clearTimeout(limit);
      this.#running.delete(child);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await Promise.all([...this.#running].map(endGroup));
  }
}
