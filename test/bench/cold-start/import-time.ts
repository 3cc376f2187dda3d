import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

const script = `
  const started = performance.now();
  for (const module of process.argv.slice(1)) await import(module);
  process.stdout.write(String(performance.now() - started));`;

/**
 * Time that a fresh process takes to import modules, milliseconds: no compiled code is kept from another one, and Node
 * has the options of the deployed functions.
 */
export const importTime = async (modules: readonly string[]): Promise<number> => {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script, ...modules], {
    env: { NODE_OPTIONS: '--enable-source-maps', TZ: 'UTC' },
  });
  return Number(stdout);
};
