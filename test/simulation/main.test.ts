import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';

const run = promisify(execFile);
const main = join(import.meta.dirname, 'main.ts');

/** Exit code and output of the command. */
const simulateWith = async (...words: string[]): Promise<{ code: number; output: string }> => {
  const child = run(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...words]);
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    (error: unknown) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: stdout + stderr };
    },
  );
};

const count = z.int().min(0);
const simulation = z.strictObject({
  seeds: count,
  days: z.number().positive(),
  steps: count,
  faults: z.record(z.string(), count),
  violations: z.array(z.strictObject({ seed: count, invariant: z.string(), step: count })),
});

describe('npm run simulate', () => {
  it('writes what the seeds came to as JSON', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'torghut-simulation-test-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const file = join(directory, 'simulation.json');
    const { code, output } = await simulateWith('--seeds', '3', '--from', '4', '--json', file);
    const written = simulation.parse(JSON.parse(await readFile(file, 'utf8')));
    expect(written).toMatchObject({ seeds: 3, violations: [] });
    expect(output).toMatch(/3 of 3 seeds, .* seeds\/s, 0 violations, 0 s to go/);
    expect(code).toBe(0);
  }, 180_000);

  it('runs one seed with everything that happens in it', async () => {
    const { code, output } = await simulateWith('--seed', '5', '--trace');
    expect(output).toMatch(/order-sync-1 starts/);
    expect(output).toMatch(/seed 5: \w+, \d+ steps, \d+ faults, 0 violations, trace [0-9a-f]{16}/);
    expect(code).toBe(0);
  }, 180_000);

  it.each([
    ['--seeds 0', ['--seeds', '0'], 'expected a whole number of at least 1, found "0"'],
    ['--trace without a seed', ['--trace'], '--trace: expected --seed K with it'],
    ['--only without a seed', ['--only', 'order-1'], '--only: expected --seed K with it'],
    ['an unknown option', ['--sedes', '4'], "'--sedes'"],
  ])('refuses %s with exit code 2 and what to do', async (_what, words, message) => {
    const { code, output } = await simulateWith(...words);
    expect(output).toContain(message);
    expect(code).toBe(2);
  });
});
