import { openLaboratory, type Servers } from './laboratory.ts';
import type { AnyFault } from './faults.ts';
import type { Violation } from './run.ts';

/** What a worker process is told, and what it tells for each seed. */
export interface WorkerTask {
  readonly servers: Servers;
}
export interface SeedTask {
  readonly seed: number;
}
export interface SeedReport {
  readonly seed: number;
  readonly steps: number;
  readonly elapsedMs: number;
  readonly faults: readonly AnyFault[];
  readonly violations: readonly Violation[];
  /** Why the seed could not be run to its end; `null` when it was. */
  readonly failure: string | null;
}

const seeding = { now: false };

/** A process that runs the seeds it is sent, one at a time, until it is let go. */
const serve = async (): Promise<void> => {
  const messages = (async function* () {
    const queue: unknown[] = [];
    let wake = (): void => undefined;
    const parent = { listens: true };
    process.on('message', (message) => {
      queue.push(message);
      wake();
    });
    process.on('disconnect', () => {
      // A parent that died took the servers with it: the seed would wait for them for ever.
      if (seeding.now) process.exit(1);
      parent.listens = false;
      wake();
    });
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else if (!parent.listens) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  })();
  const { value } = await messages.next();
  const laboratory = await openLaboratory((value as WorkerTask).servers);
  process.send?.({ ready: true });
  for await (const message of messages) {
    const { seed } = message as SeedTask;
    seeding.now = true;
    const report = await laboratory.run({ seed }).then(
      ({ steps, elapsedMs, faults, violations }): SeedReport => ({
        seed,
        steps,
        elapsedMs,
        faults: faults.map(({ kind }) => kind),
        violations,
        failure: null,
      }),
      (error: unknown): SeedReport => ({
        seed,
        steps: 0,
        elapsedMs: 0,
        faults: [],
        violations: [],
        failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
    );
    seeding.now = false;
    process.send?.(report);
  }
  await laboratory.close();
};

await serve();
