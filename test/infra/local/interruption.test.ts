import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const main = join(import.meta.dirname, '../../../infra/local/main.ts');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'torghut-interruption-'));
  // Started by root, PostgreSQL runs as another user, who has to get through to its own directory.
  chmodSync(directory, 0o711);
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const processesThatName = (text: string): readonly string[] =>
  execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text));

it.each<[signal: 'SIGINT' | 'SIGTERM', when: string, shown: RegExp]>([
  ['SIGINT', 'its engines start', /starting PostgreSQL/],
  ['SIGINT', 'it replays', /started in/],
  ['SIGTERM', 'it replays', /started in/],
])(
  '%s, sent twice while %s, ends the main command with its code, its engines and its files',
  {
    timeout: 120_000,
  },
  async (signal, _, shown) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', main, '--port', '0', '--days', '1'],
      {
        env: { ...process.env, TMPDIR: directory },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      },
    );
    let [stdout, stderr] = ['', ''];
    const seen = new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
        if (shown.test(stdout)) resolve();
      });
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = once(child, 'close');
    await Promise.race([seen, closed]);
    // A terminal signals everyone of its group, and npm passes that on to its program once more.
    process.kill(-(child.pid ?? 0), signal);
    await setTimeout(100);
    child.kill(signal);
    await closed;
    expect(child.exitCode, stderr).toBe(128 + constants.signals[signal]);
    expect(stdout).toMatch(shown);
    // A server that was just being started is ended by its watchdog, which outlives the command for that.
    await vi.waitFor(
      () => {
        expect(processesThatName(directory)).toEqual([]);
        expect(readdirSync(directory).filter((name) => !name.startsWith('torghut-postgres-'))).toEqual([]);
      },
      { timeout: 20_000, interval: 100 },
    );
  },
);
