import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../infra/cli/options.ts';
import { parseArguments } from '../../../infra/local/arguments.ts';

const main = resolve(import.meta.dirname, '../../../infra/local/main.ts');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'torghut-arguments-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs the main command; everything it printed and how it ended. */
const run = async (...words: readonly string[]) => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...words]);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
};

/** One line of complaint, nothing on the way before it, nothing started. */
const expectRefusal = (result: Awaited<ReturnType<typeof run>>, code: number, complaint: RegExp): void => {
  expect(result.stderr).toMatch(complaint);
  expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(result).toMatchObject({ code, stdout: '' });
};

describe('a command line that cannot be carried out', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown option', ['--bras', 'x'], /Unknown option '--bras'.*--help lists the options/],
    ['a word that is no option', ['bars'], /Unexpected argument 'bars'/],
    ['a missing value', ['--bars'], /--bars.*argument missing/],
    [
      'a number of days that is none',
      ['--days', 'two'],
      /--days: expected a whole number from 1 to 10000, found "two"/,
    ],
    ['no days', ['--days', '0'], /--days: expected a whole number from 1 to 10000, found "0"/],
    ['a port that is none', ['--port', '65536'], /--port: expected a whole number from 0 to 65535, found "65536"/],
    ['a symbol that is none', ['--symbols', 'AAPL,$$'], /--symbols: expected symbols such as AAPL,MSFT, found "\$\$"/],
    ['an empty symbol', ['--symbols', 'AAPL,'], /--symbols: expected symbols such as AAPL,MSFT, found ""/],
    ['an unknown fault of LEAN', ['--lean', 'dead'], /--lean: expected down, slow, flaky, found "dead"/],
    ['an unknown fault of Alpaca', ['--alpaca', 'dead'], /--alpaca: expected down, slow, flaky, found "dead"/],
  ])('is refused for %s', (_, words, message) => {
    expect(() => parseArguments(words)).toThrow(UsageError);
    expect(() => parseArguments(words)).toThrow(message);
  });
});

describe('the main command', () => {
  it('says in one line what is wrong with an option, and ends with 2', async () => {
    expectRefusal(await run('--days', 'two'), 2, /^torghut: --days: expected a whole number .* found "two"$/m);
  });

  it.each<[string, () => Promise<string[]>, RegExp]>([
    [
      'a directory that is not there',
      () => Promise.resolve(['--bars', join(directory, 'absent')]),
      /absent: expected a directory of bars/,
    ],
    [
      'a directory without bars',
      async () => {
        await mkdir(join(directory, 'empty'));
        return ['--bars', join(directory, 'empty')];
      },
      /empty: expected files/,
    ],
    [
      'a row that is no bar, by file and line',
      async () => {
        await mkdir(join(directory, 'broken'));
        await writeFile(
          join(directory, 'broken', 'AAPL_1m.csv'),
          'ts,open,high,low,close,volume\n2025-11-28T14:30:00Z,1,2,one,1,100\n',
        );
        return ['--bars', join(directory, 'broken')];
      },
      /AAPL_1m\.csv:2: expected /,
    ],
    [
      'a symbol without bars',
      () => Promise.resolve(['--symbols', 'AAPL']),
      /expected 1m bars of AAPL, found only GEN1/,
    ],
    [
      'a data directory that cannot be made',
      async () => {
        await writeFile(join(directory, 'file'), '');
        return ['--data', join(directory, 'file', 'state')];
      },
      /--data: expected a directory that can be written/,
    ],
    [
      'a summary that cannot be written',
      () => Promise.resolve(['--json', join(directory, 'absent', 'summary.json')]),
      /--json: expected a file that can be written/,
    ],
  ])('says in one line that it cannot use %s, and ends with 2', async (_, wordsOf, complaint) => {
    const words = await wordsOf();
    expectRefusal(await run('--exit', ...words), 2, complaint);
  });

  it('says in one line that the port is in use, starts nothing, and ends with 1', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = String((taken.address() as AddressInfo).port);
    const data = join(directory, 'untouched');
    try {
      expectRefusal(
        await run('--exit', '--port', port, '--data', data),
        1,
        new RegExp(`port ${port} of 127.0.0.1 is in use`),
      );
      expect(existsSync(join(data, 'postgres'))).toBe(false);
    } finally {
      taken.close();
    }
  });

  it('explains itself', async () => {
    const { code, stdout, stderr } = await run('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: npm start/);
  });
});
