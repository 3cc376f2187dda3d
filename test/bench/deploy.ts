import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { benchRow, type BenchRow } from './row.ts';

const run = promisify(execFile);
const emulator = join(import.meta.dirname, '..', 'emulator', 'main.ts');
/** Seconds within which the stacks must be deployed for somebody to wait for it. */
const longestDeployment = 120;

const figuresSchema = z.object({
  deploySeconds: z.object({ total: z.number(), stacks: z.record(z.string(), z.number()) }),
});

/** The figures that a run of the emulator wrote. */
const readFigures = async (file: string, ended: Error | null): Promise<z.infer<typeof figuresSchema>> => {
  try {
    return figuresSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    throw new Error('expected the emulator to deploy the stacks and write how long it took, found no figures', {
      cause: ended ?? error,
    });
  }
};

/** Time to deploy all stacks from nothing into the emulator. */
export const deployBench = async (progress: (text: string) => void): Promise<readonly BenchRow[]> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-deploy-'));
  const file = join(directory, 'figures.json');
  try {
    progress('deploying into the emulator; see npm run emulator');
    const ended = await run(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      emulator,
      '--deploy-only',
      '--json',
      file,
    ]).then(
      () => null,
      (error: unknown) => error as Error,
    );
    const { total, stacks } = (await readFigures(file, ended)).deploySeconds;
    for (const [stack, seconds] of Object.entries(stacks)) progress(`${stack}: ${seconds.toFixed(1)} s`);
    return [
      benchRow({
        name: 'deploy_time',
        value: total,
        unit: 's',
        goal: { of: 'value', atMost: longestDeployment },
      }),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
