import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseOptions, UsageError } from '../../infra/cli/options.ts';
import { startClickHouse } from '../../infra/local/engines/clickhouse.ts';
import { startPostgres } from '../../infra/local/engines/postgres.ts';
import { openLaboratory, type Servers } from './laboratory.ts';
import { readProgress, simulatedCodeHash, writeProgress, type Progress } from './progress.ts';
import { shrink } from './shrink.ts';
import { emptyTally, simulate, simulationOf, tallied } from './simulate.ts';
import { ingestStreams } from './streams.ts';

const usage = `usage: npm run simulate -- [options]
  --seeds N       how many seeds, by default 100
  --from S        the first of them, by default 1
  --workers N     processes, by default one for each core
  --json FILE     write {"seeds", "days", "steps", "faults", "violations"}, and now and then what is done
  --resume        with --json: go on where FILE was left, by Ctrl-C or otherwise; not with other code or other seeds
  --seed K        run one seed only; when it fails, what it fails without is left out step by step
  --only NAMES    with --seed: leave out every fault, order, act and tick that is not named, separated by commas
  --trace         with --seed: print everything that happens`;

interface Arguments {
  readonly help: boolean;
  readonly seeds: number;
  readonly from: number;
  readonly workers: number;
  readonly json: string | null;
  readonly resume: boolean;
  readonly seed: number | null;
  readonly only: ReadonlySet<string> | null;
  readonly trace: boolean;
}

const readArguments = (): Arguments => {
  const values = parseOptions(process.argv.slice(2), {
    help: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'string' },
    resume: { type: 'boolean', default: false },
    seed: { type: 'string' },
    only: { type: 'string' },
    trace: { type: 'boolean', default: false },
  });
  const count = (name: string, text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 1)
      throw new UsageError(`--${name}: expected a whole number of at least 1, found "${text}"`);
    return value;
  };
  for (const name of ['trace', 'only'] as const)
    if (Boolean(values[name] ?? false) && values.seed === undefined)
      throw new UsageError(`--${name}: expected --seed K with it, found none`);
  if (values.resume && values.json === undefined)
    throw new UsageError('--resume: expected --json FILE with it, found none');
  return {
    help: values.help,
    seeds: count('seeds', values.seeds),
    from: count('from', values.from),
    workers: count('workers', values.workers),
    json: values.json ?? null,
    resume: values.resume,
    seed: values.seed === undefined ? null : count('seed', values.seed),
    only: values.only === undefined ? null : new Set(values.only.split(',')),
    trace: values.trace,
  };
};

const withServers = async <T>(work: (servers: Servers) => Promise<T>): Promise<T> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-simulation-'));
  const postgres = await startPostgres({ dataDir: `${directory}-postgres`, persistent: false });
  try {
    const clickhouse = await startClickHouse({ dataDir: join(directory, 'clickhouse') });
    try {
      return await work({ postgres, clickhouse: await ingestStreams(clickhouse.url) });
    } finally {
      await clickhouse.stop();
    }
  } finally {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
};

const replayCommand = (seed: number, only: readonly string[] | null = null): string =>
  `npm run simulate -- --seed ${seed}${only === null ? '' : ` --only '${only.join(',')}'`} --trace`;
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs one seed, or what is named of it. One that fails whole is shrunk. Resolves with whether it passed. */
const examine = async (
  servers: Servers,
  { seed, only, trace }: Pick<Arguments, 'only' | 'trace'> & { readonly seed: number },
): Promise<boolean> => {
  const laboratory = await openLaboratory(servers);
  try {
    const result = await laboratory.run({ seed, only, ...(trace ? { onTrace: print } : {}) });
    print(
      `seed ${seed}: ${result.scenario.day}, ${result.steps} steps, ${result.faults.length} faults, ${result.violations.length} violations, trace ${result.traceHash.slice(0, 16)}`,
    );
    for (const { step, invariant, detail } of result.violations) print(`  step ${step}: ${invariant}: ${detail}`);
    const [first] = result.violations;
    if (first === undefined) return true;
    if (only !== null) return false;
    const { kept, runs } = await shrink(laboratory, result, first.invariant);
    print(`smallest that still violates ${first.invariant}, after ${runs} runs:`);
    const kinds = new Map(result.faults.map(({ key, kind }) => [key, kind]));
    for (const key of kept) print(`  ${kinds.has(key) ? `${kinds.get(key) ?? ''} at ` : ''}${key}`);
    print(`again with: ${replayCommand(seed, kept)}`);
    return false;
  } finally {
    await laboratory.close();
  }
};

/** As a shell tells of a process that SIGINT ended. */
const interruptedCode = 130;
/** Seeds after which what is done is written. */
const seedsUntilWritten = 200;

/** Runs the seeds that are left of the range. Resolves with the exit code. */
const run = async (
  servers: Servers,
  { from, seeds, workers, json }: Arguments,
  code: string,
  begun: Progress,
): Promise<number> => {
  const startedAt = performance.now();
  const before = begun.tally.seeds;
  const left = new Set(begun.left);
  let { tally } = begun;
  let shownAt = -Infinity;
  const end = { interrupted: false };
  const write = (): void => {
    if (json !== null) writeProgress(json, { from, seeds }, { tally, left: [...left] }, code);
  };
  // From the terminal it reaches the servers too: what a seed comes to afterwards says nothing.
  process.once('SIGINT', () => {
    end.interrupted = true;
    write();
  });
  try {
    await simulate({
      servers,
      seeds: begun.left,
      workers,
      enough: () => end.interrupted,
      onReport: (report) => {
        if (end.interrupted) return;
        tally = tallied(tally, report);
        left.delete(report.seed);
        const [first] = report.violations;
        if (first !== undefined)
          print(`seed ${report.seed}: ${first.invariant}: ${first.detail}; ${replayCommand(report.seed)}`);
        if (tally.seeds % seedsUntilWritten === 0) write();
        const now = performance.now();
        if (now - shownAt < 5_000 && left.size > 0) return;
        shownAt = now;
        const rate = (tally.seeds - before) / ((now - startedAt) / 1_000);
        print(
          `${tally.seeds} of ${seeds} seeds, ${rate.toFixed(1)} seeds/s, ${tally.violations.length} violations, ${Math.ceil(left.size / rate)} s to go`,
        );
      },
    });
  } catch (error) {
    if (!end.interrupted) throw error;
  }
  if (end.interrupted) {
    print(
      `interrupted after ${tally.seeds} of ${seeds} seeds; ${json === null ? 'nothing is kept without --json' : 'go on with --resume'}`,
    );
    return interruptedCode;
  }
  write();
  const simulation = simulationOf(tally);
  print(
    `${simulation.seeds} seeds, ${simulation.days} simulated days, ${simulation.steps} steps, ${Object.values(simulation.faults).reduce((sum, count) => sum + count, 0)} faults, ${simulation.violations.length} violations in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`,
  );
  for (const [kind, count] of Object.entries(simulation.faults)) print(`  ${kind} ${count}`);
  return simulation.violations.length === 0 ? 0 : 1;
};

const main = async (): Promise<number> => {
  const options = readArguments();
  if (options.help) {
    print(usage);
    return 0;
  }
  const { seed, from, seeds, json, resume } = options;
  if (seed !== null) return withServers(async (servers) => ((await examine(servers, { ...options, seed })) ? 0 : 1));
  const code = await simulatedCodeHash();
  const begun = resume && json !== null ? await readProgress(json, { from, seeds }, code) : null;
  const all = Array.from({ length: seeds }, (_, index) => from + index);
  return withServers((servers) => run(servers, options, code, begun ?? { tally: emptyTally, left: all }));
};

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n${usage}\n`);
  process.exitCode = 2;
}
