import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { benchRow, type BenchRow } from './row.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * The storm test at its full size: every request through both routers at full concurrency while LEAN flaps. It passes or
 * the part fails; the figure is what it took, preparation and checks included.
 */
export const stormBench = async (
  progress: (text: string) => void,
  { size = 5_000 }: { readonly size?: number } = {},
): Promise<readonly BenchRow[]> => {
  progress(`${size} requests`);
  const started = performance.now();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/integration/storm'],
    { cwd: root, env: { ...process.env, STORM_REQUESTS: String(size) }, maxBuffer: 64 * 2 ** 20 },
  );
  const seconds = (performance.now() - started) / 1_000;
  progress(stdout.split('\n').findLast((line) => line.includes('Tests')) ?? '');
  return [
    benchRow({
      name: 'storm_request',
      value: (seconds * 1_000) / size,
      unit: 'ms per request',
      goal: { of: 'value', atMost: 1_000 },
    }),
  ];
};
