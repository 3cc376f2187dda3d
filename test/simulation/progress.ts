import { renameSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sha256 } from '@torghut/domain';
import * as z from 'zod';
import { UsageError } from '../../infra/cli/options.ts';
import { invariants, type Invariant } from './invariants.ts';
import { simulationOf, type Tally } from './simulate.ts';

/** Seeds that a simulation was asked for: `seeds` of them from `from` on. */
export interface SeedRange {
  readonly from: number;
  readonly seeds: number;
}

/** What a simulation has come to before its end, and which of its seeds are left. */
export interface Progress {
  readonly tally: Tally;
  readonly left: readonly number[];
}

const root = resolve(import.meta.dirname, '../..');
/** What the course of a seed depends on. */
const simulatedCode = ['layers', 'functions', 'infra/local', 'migrations', 'test/simulation', 'test/support'];

/** Names the code that is simulated: seeds of other code do not add up with those of this. */
export const simulatedCodeHash = async (): Promise<string> => {
  const files: string[] = [];
  for (const directory of simulatedCode)
    for (const entry of await readdir(join(root, directory), { recursive: true, withFileTypes: true }))
      if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
  const hashes = await Promise.all(
    [...files, join(root, 'infra/strategies.yaml'), join(root, 'package-lock.json')]
      .sort()
      .map(async (file) => `${file.slice(root.length)} ${sha256(await readFile(file, 'utf8'))}`),
  );
  return sha256(hashes.join('\n'));
};

const count = z.int().min(0);
/** The file of a simulation that is not finished. */
const unfinished = z.object({
  seeds: count,
  steps: count,
  faults: z.record(z.string(), count).transform((faults) => faults as Tally['faults']),
  violations: z.array(
    z
      .object({ seed: count, invariant: z.enum(Object.keys(invariants) as [Invariant]), step: count })
      .transform((violation) => ({ ...violation, detail: 'found before the interruption' })),
  ),
  unfinished: z.object({
    code: z.string(),
    from: count,
    seeds: count,
    elapsedMs: z.number(),
    /** First and last of each run of seeds. */
    left: z.array(z.tuple([count, count])),
  }),
});

/** First and last of each run of consecutive numbers; the numbers are in order. */
const runsOf = (numbers: readonly number[]): readonly (readonly [number, number])[] => {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs;
};

/** Writes what a simulation has come to, replacing the file as a whole; without seeds that are `left` it is finished. */
export const writeProgress = (
  file: string,
  { from, seeds }: SeedRange,
  { tally, left }: Progress,
  code: string,
): void => {
  const simulation = simulationOf(tally);
  const rest =
    left.length === 0 ? {} : { unfinished: { code, from, seeds, elapsedMs: tally.elapsedMs, left: runsOf(left) } };
  const violations = simulation.violations.map(({ seed, invariant, step }) => ({ seed, invariant, step }));
  writeFileSync(`${file}.next`, `${JSON.stringify({ ...simulation, violations, ...rest }, null, 2)}\n`);
  renameSync(`${file}.next`, file);
};

/**
 * What a simulation had come to when it was interrupted; `null` when it had not begun.
 * @throws UsageError when the file is not of this code and these seeds, or is finished
 */
export const readProgress = async (file: string, range: SeedRange, code: string): Promise<Progress | null> => {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const found = unfinished.safeParse(jsonOf(text));
  const refusal = (expected: string, instead: string): UsageError =>
    new UsageError(
      `--resume: expected ${file} to hold ${expected}, found ${instead}; leave out --resume to begin anew`,
    );
  if (!found.success) throw refusal('an unfinished simulation', 'something else or a finished one');
  const { unfinished: rest, ...sums } = found.data;
  if (rest.from !== range.from || rest.seeds !== range.seeds)
    throw refusal(`--from ${range.from} --seeds ${range.seeds}`, `--from ${rest.from} --seeds ${rest.seeds}`);
  if (rest.code !== code) throw refusal('seeds of this code', 'seeds of other code');
  return {
    tally: { ...sums, elapsedMs: rest.elapsedMs },
    left: rest.left.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index)),
  };
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // Told like any other content that is not expected.
    return null;
  }
};
