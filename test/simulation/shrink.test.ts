import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { mutationKey, mutations } from './mutations.ts';
import { testServers } from './servers.ts';
import { simulate } from './simulate.ts';

const run = promisify(execFile);
const file = (name: string): string => join(import.meta.dirname, name);
const mutation = 'router_gives_up';

/** Output of the command on the broken product; it exits with 1 when a seed fails. */
const simulateBroken = async (words: readonly string[]): Promise<string> => {
  const child = run(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--import', file('mutate.ts'), file('main.ts'), ...words],
    { env: { ...process.env, [mutationKey]: mutation } },
  );
  const { code, stdout } = await child.then(
    (output) => ({ code: 0, stdout: output.stdout }),
    (error: unknown) => error as { readonly code: number; readonly stdout: string },
  );
  expect(code).toBe(1);
  return stdout;
};

describe('a seed that violates an invariant', () => {
  it('is shrunk to a case that the printed command replays, with the same violation and without the rest', async () => {
    const { breaks } = mutations[mutation];
    const found = await simulate({
      servers: await testServers(),
      seeds: Array.from({ length: 200 }, (_, index) => index + 1),
      workers: 2,
      mutation,
      enough: ({ violations }) => violations.some(({ invariant }) => invariant === breaks),
    });
    const seed = String(found.violations.find(({ invariant }) => invariant === breaks)?.seed);
    const shrunk = await simulateBroken(['--seed', seed]);
    const faultsBefore = Number(/(\d+) faults, /.exec(shrunk)?.[1]);
    const command = new RegExp(`again with: npm run simulate -- --seed ${seed} --only '([^']+)' --trace`).exec(shrunk);
    const kept = command?.[1] ?? '';
    // A router that throws needs nothing but an order.
    expect(kept).toMatch(/^order-\d+$/);

    const replayed = await simulateBroken(['--seed', seed, '--only', kept, '--trace']);
    expect(replayed).toMatch(new RegExp(`step \\d+: ${breaks}: (?:lean|alpaca) gave up`));
    // What belongs to the scenario as a whole, such as a second scheduler, cannot be left out.
    expect(Number(/(\d+) faults, /.exec(replayed)?.[1])).toBeLessThan(faultsBefore);
  }, 600_000);
});
