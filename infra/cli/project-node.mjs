// Plain JavaScript, because whatever Node the machine has must be able to read it. The programs are TypeScript, which the
// project's own Node runs as it stands.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const projectNode = () => {
  try {
    const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
    return existsSync(node) ? node : null;
  } catch {
    // The package is not installed, which the caller says.
    return null;
  }
};

/**
 * Runs a program on the project's own Node and ends as it does.
 * @param {string} program path of a script
 * @param {readonly string[]} words its arguments
 */
export const runOnProjectNode = (program, words) => {
  const node = projectNode();
  if (node === null) {
    console.error("expected the project's own Node, found none; run npm ci");
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', program, ...words], { stdio: 'inherit' });
  // Whoever signals this process means the program. A terminal has signalled it already; twice does no harm.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const pass = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, pass);
  child.once('exit', (code, signal) => {
    for (const name of signals) process.off(name, pass);
    if (signal !== null) process.kill(process.pid, signal);
    process.exitCode = code ?? 1;
  });
};
