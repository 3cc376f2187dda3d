import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { StormReport } from '../support/storm-report.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { benchRow, type BenchRow } from './row.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * The storm test at its full size: every request through both routers at full concurrency while LEAN flaps. It passes or
 * the part fails; the figure is what it took from the first delivery until every order was settled.
 */
export const stormBench = async (
  progress: (text: string) => void,
  { size = 5_000 }: { readonly size?: number } = {},
): Promise<readonly BenchRow[]> => {
  progress(`${size} requests`);
  const directory = await temporaryDirectory('bench');
  try {
    const file = join(directory, 'storm.json');
    await promisify(execFile)(
      process.execPath,
      [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/integration/storm'],
      {
        cwd: root,
        env: { ...process.env, STORM_REQUESTS: String(size), STORM_REPORT: file },
        maxBuffer: 64 * 2 ** 20,
      },
    );
    const report = JSON.parse(await readFile(file, 'utf8')) as StormReport;
    const { seconds, simulatedMinutes, deliveries, fallbacks, failedSyncs } = report;
    const breakers = Object.entries(report.transitions).map(([turn, times]) => `${turn} ${times}`);
    progress(
      `${deliveries} deliveries and ${fallbacks} fallbacks in ${seconds.toFixed(0)} s (${simulatedMinutes.toFixed(0)} simulated minutes, ${failedSyncs} failed syncs); breakers: ${breakers.join(', ')}`,
    );
    return [
      benchRow({
        name: 'storm_request',
        value: (seconds * 1_000) / size,
        unit: 'ms per request',
        goal: { of: 'value', atMost: 1_000 },
      }),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
