import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

const resultFile = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'torghut-simulation-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'simulation.json');
};

/** Interrupts the command once it has told of its first seed. Exit code. */
const interrupted = async (...words: string[]): Promise<number | null> => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...words]);
  const closed = once(child, 'close');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!/of \d+ seeds/.test(output) && /of \d+ seeds/.test(output + text)) child.kill('SIGINT');
    output += text;
  });
  const [code] = (await closed) as [number | null];
  return code;
};

describe('npm run simulate', () => {
  it('writes what the seeds came to as JSON', async () => {
    const file = await resultFile();
    const { code, output } = await simulateWith('--seeds', '3', '--from', '4', '--json', file);
    const written = simulation.parse(JSON.parse(await readFile(file, 'utf8')));
    expect(written).toMatchObject({ seeds: 3, violations: [] });
    expect(output).toMatch(/3 of 3 seeds, .* seeds\/s, 0 violations, 0 s to go/);
    expect(code).toBe(0);
  }, 180_000);

  it('keeps what is done when it is interrupted, and comes to the same when it goes on', async () => {
    const [file, whole] = [await resultFile(), await resultFile()];
    const range = ['--seeds', '4', '--from', '4', '--workers', '1'];
    expect(await interrupted(...range, '--json', file)).toBe(130);
    const begun = JSON.parse(await readFile(file, 'utf8')) as { seeds: number; unfinished: { left: unknown } };
    expect(begun).toMatchObject({ seeds: 1, unfinished: { from: 4, seeds: 4, left: [[5, 7]] } });
    expect(await simulateWith('--seeds', '5', '--from', '4', '--json', file, '--resume')).toMatchObject({
      code: 2,
      output: expect.stringContaining('to hold --from 4 --seeds 5, found --from 4 --seeds 4') as string,
    });
    expect((await simulateWith(...range, '--json', file, '--resume')).output).toContain('2 of 4 seeds');
    await simulateWith(...range, '--json', whole);
    const result: unknown = JSON.parse(await readFile(file, 'utf8'));
    expect(result).toEqual(JSON.parse(await readFile(whole, 'utf8')));
    expect(simulation.parse(result).seeds).toBe(4);
  }, 300_000);

  it.each([
    ['other code', { unfinished: { code: 'other' } }, 'to hold seeds of this code, found seeds of other code'],
    ['a finished simulation', { unfinished: undefined }, 'to hold an unfinished simulation, found'],
  ])('does not go on with %s', async (_what, change, message) => {
    const file = await resultFile();
    const rest = { from: 1, seeds: 100, elapsedMs: 0, left: [[1, 100]], ...change.unfinished };
    const sums = { seeds: 0, days: 0, steps: 0, faults: {}, violations: [] };
    await writeFile(
      file,
      JSON.stringify({ ...sums, ...(change.unfinished === undefined ? {} : { unfinished: rest }) }),
    );
    const { code, output } = await simulateWith('--json', file, '--resume');
    expect(output).toContain(message);
    expect(code).toBe(2);
  });

  it('runs one seed with everything that happens in it', async () => {
    const { code, output } = await simulateWith('--seed', '5', '--trace');
    expect(output).toMatch(/order-sync-1 starts/);
    expect(output).toMatch(/seed 5: \w+, \d+ steps, \d+ faults, 0 violations, trace [0-9a-f]{16}/);
    expect(code).toBe(0);
  }, 180_000);

  it.each([
    ['--seeds 0', ['--seeds', '0'], 'expected a whole number of at least 1, found "0"'],
    ['--trace without a seed', ['--trace'], '--trace: expected --seed K with it'],
    ['--resume without a file', ['--resume'], '--resume: expected --json FILE with it'],
    ['--only without a seed', ['--only', 'order-1'], '--only: expected --seed K with it'],
    ['an unknown option', ['--sedes', '4'], "'--sedes'"],
  ])('refuses %s with exit code 2 and what to do', async (_what, words, message) => {
    const { code, output } = await simulateWith(...words);
    expect(output).toContain(message);
    expect(code).toBe(2);
  });
});
