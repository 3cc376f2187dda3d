import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { AnyFault } from './faults.ts';
import type { Servers } from './laboratory.ts';
import { mutationKey, type MutationName } from './mutations.ts';
import type { Violation } from './run.ts';
import type { SeedReport } from './worker.ts';

/** What a number of seeds came to. */
export interface Simulation {
  readonly seeds: number;
  /** Virtual time, in days of 24 hours. */
  readonly days: number;
  readonly steps: number;
  readonly faults: Readonly<Partial<Record<AnyFault, number>>>;
  readonly violations: readonly Pick<Violation, 'seed' | 'invariant' | 'step' | 'detail'>[];
}

export interface SimulationOptions {
  readonly servers: Servers;
  readonly seeds: readonly number[];
  readonly workers: number;
  /** Runs the seeds with one part of the product taken out. */
  readonly mutation?: MutationName;
  readonly onReport?: (report: SeedReport) => void;
  /** Ends the simulation with what it has found. */
  readonly enough?: (report: SeedReport) => boolean;
}

/** A seed could not be run to its end, which says nothing about the code under test. */
export class SimulationFailed extends Error {
  override readonly name = 'SimulationFailed';
}

const dayMs = 24 * 60 * 60 * 1_000;
const mutate = new URL('./mutate.ts', import.meta.url).href;
const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** Runs seeds in worker processes, each with a database of its own. @throws SimulationFailed */
export const simulate = async (options: SimulationOptions): Promise<Simulation> => {
  const { servers, seeds, onReport, enough } = options;
  let next = 0;
  let stopped = false;
  let tally = emptyTally;
  const work = async (): Promise<void> => {
    const child = fork(worker, {
      execArgv: [
        '--disable-warning=ExperimentalWarning',
        // What a step makes is gone with the next: room for more of it is less often looked through.
        '--max-semi-space-size=64',
        ...(options.mutation === undefined ? [] : ['--import', mutate]),
      ],
      env: { ...process.env, ...(options.mutation === undefined ? {} : { [mutationKey]: options.mutation }) },
    });
    const exited = once(child, 'exit');
    try {
      child.send({ servers });
      await answerOf(child);
      for (;;) {
        const seed = seeds[next];
        if (seed === undefined || stopped) break;
        next += 1;
        child.send({ seed });
        const report = (await answerOf(child)) as SeedReport;
        if (report.failure !== null) throw new SimulationFailed(`seed ${seed}: ${report.failure}`);
        tally = tallied(tally, report);
        onReport?.(report);
        if (enough?.(report) === true) stopped = true;
      }
    } catch (error) {
      stopped = true;
      throw error;
    } finally {
      if (child.connected) child.disconnect();
      await exited;
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(options.workers, seeds.length) }, work));
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return simulationOf(tally);
};

/** The next message; an exit instead of one is an error. */
const answerOf = async (child: ChildProcess): Promise<unknown> => {
  const ended = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([message]: unknown[]) => message),
      once(child, 'exit', { signal: ended.signal }).then(([code]: unknown[]) => {
        throw new SimulationFailed(`a worker ended with code ${String(code)} in the middle of a seed`);
      }),
    ]);
  } finally {
    ended.abort();
  }
};

/** What seeds came to, in figures that add up. */
export interface Tally extends Omit<Simulation, 'days'> {
  /** Virtual milliseconds. */
  readonly elapsedMs: number;
}
export const emptyTally: Tally = { seeds: 0, elapsedMs: 0, steps: 0, faults: {}, violations: [] };

export const tallied = (tally: Tally, report: SeedReport): Tally => {
  const faults: Partial<Record<AnyFault, number>> = { ...tally.faults };
  for (const kind of report.faults) faults[kind] = (faults[kind] ?? 0) + 1;
  return {
    seeds: tally.seeds + 1,
    elapsedMs: tally.elapsedMs + report.elapsedMs,
    steps: tally.steps + report.steps,
    faults,
    violations: [
      ...tally.violations,
      ...report.violations.map(({ seed, invariant, step, detail }) => ({ seed, invariant, step, detail })),
    ],
  };
};

/** The same for the same seeds, in whatever order they were run. */
export const simulationOf = ({ seeds, elapsedMs, steps, faults, violations }: Tally): Simulation => ({
  seeds,
  days: Number((elapsedMs / dayMs).toFixed(3)),
  steps,
  faults: Object.fromEntries(Object.entries(faults).sort(([one], [other]) => (one < other ? -1 : 1))),
  violations: violations.toSorted((a, b) => a.seed - b.seed || a.step - b.step),
});
