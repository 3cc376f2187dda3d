#!/usr/bin/env node
// Plain JavaScript, because whatever Node the machine has must be able to read it. The commands are TypeScript, which the
// project's own Node runs as it stands.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectNode = () => {
  try {
    const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
    return existsSync(node) ? node : null;
  } catch {
    // The package is not installed, which the caller says.
    return null;
  }
};

const node = projectNode();
if (node === null) {
  console.error("expected the project's own Node, found none; run npm ci");
  process.exitCode = 1;
} else {
  const program = fileURLToPath(new URL('torghut.ts', import.meta.url));
  const words = ['--disable-warning=ExperimentalWarning', program, ...process.argv.slice(2)];
  const { status, signal, error } = spawnSync(node, words, { stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (signal !== null) process.kill(process.pid, signal);
  process.exitCode = status ?? 1;
}
