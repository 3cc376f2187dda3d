import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

const script = `
  const started = performance.now();
  await import(process.argv[1]);
  process.stdout.write(String(performance.now() - started));`;

/**
 * Time that a fresh process takes to import a module, milliseconds: no compiled code is kept from another one, and Node
 * has the options of the deployed functions.
 */
export const importTime = async (module: string): Promise<number> => {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script, module], {
    env: { NODE_OPTIONS: '--enable-source-maps', TZ: 'UTC' },
  });
  return Number(stdout);
};
