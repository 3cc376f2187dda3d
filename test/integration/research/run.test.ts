import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Hash } from '@torghut/domain';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../infra/cli/research/run.ts';
import { generatedBars } from '../../support/lane.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let directory: string;
beforeAll(async () => {
  directory = await temporaryDirectory('research-run');
  // Under root the database runs as another account, which has to get in.
  await chmod(directory, 0o755);
  await generatedBars(join(directory, 'bars'), 8);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

let printed = '';
let complaint = '';
beforeEach(() => {
  [printed, complaint] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(console, 'error').mockImplementation((text) => {
    complaint += String(text);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const codeHashOf = () => Promise.resolve('c'.repeat(64) as Hash);
const evaluate = (...words: readonly string[]) =>
  run(['--bars', join(directory, 'bars'), '--data', join(directory, 'data'), '--threads', '1', ...words], codeHashOf);

describe('torghut research run', () => {
  it('tells what was earned after costs, how sure that is and what the gates say, and stores the evidence', async () => {
    expect(await evaluate('--candidates', '2')).toBe(0);
    for (const named of [
      'profit and loss on tested sessions, USD, after every cost',
      'candidate',
      'baseline',
      'deflated by all trials (DSR)',
      'probability of overfitting (PBO',
      'trading days until it is decided',
      'evidence observed',
      '1 of 2 tried in this run',
    ])
      expect(printed).toContain(named);
    expect(printed).toMatch(/^ {2}candidate +5 +\d/m);
    expect(printed).toMatch(/^verdict: (PASS|FAIL|INCONCLUSIVE); recommended stage: /m);
    expect(printed).toMatch(/npx torghut verify [0-9a-f]{24} --evidence /);

    printed = '';
    expect(await evaluate('--candidates', '2')).toBe(0);
    expect(printed).toMatch(/^run [0-9a-f]{24} ended before: completed/m);
  }, 60_000);

  it('says of fewer than 5 folds that they are too few, in a report without statistics', async () => {
    expect(await evaluate('--days', '3')).toBe(0);
    expect(printed).toContain('insufficient_folds');
    expect(printed).toMatch(/^verdict: FAIL; recommended stage: shadow/m);
    printed = '';
    expect(await evaluate('--days', '3')).toBe(0);
    expect(printed).toContain('ended before: completed');
  }, 60_000);

  it.each([
    [['--days', '0'], '--days: expected a whole number of at least 1, found "0"'],
    [['--threads', 'many'], '--threads: expected a whole number of at least 1, found "many"'],
    [['--candidates', '1.5'], '--candidates: expected a whole number of at least 1, found "1.5"'],
    [['--symbols', 'AAPL,no way'], '--symbols: expected symbols such as AAPL,MSFT, found "no way"'],
    [['--nonsense'], '--nonsense'],
    [['--strategy', 'nobody'], '--strategy: expected one of intraday_tsmom_v1@prod, '],
    [['--strategy', 'intraday_tsmom_v1_seconds@prod'], '--strategy: expected one for 1Min bars, found'],
    [['--bars', '/nowhere'], '/nowhere'],
  ])('refuses %j with exit code 2 and one line', async (words, message) => {
    expect(await evaluate(...words)).toBe(2);
    expect(complaint).toContain(message);
    expect(complaint).not.toContain('\n');
  });
});

it.each([
  [['walk'], 2, /^expected run or redrive, found "walk"; --help lists the words\n$/],
  [['redrive', '--environment', 'moon'], 2, /^--environment: expected paper or live, found moon\n$/],
])(
  'torghut research %j ends with exit code %i and one line',
  async (words, code, message) => {
    const child = spawn(process.execPath, ['infra/cli/research/main.ts', ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [exitCode] = (await once(child, 'close')) as [number];
    expect(exitCode).toBe(code);
    expect(said).toMatch(message);
  },
  40_000,
);
